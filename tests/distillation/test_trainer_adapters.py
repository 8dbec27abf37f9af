"""The trainer with adapters on either side, and with two tokenizers."""

import json
import shutil
from pathlib import Path

import peft
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, BertTokenizer

from hf_tinybert.distillation.encodings import encode_for_both
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.trainer import DistillationTrainer

ADAPTER_FILE = "adapter_model.safetensors"
FIRST, SECOND = "intermediate-layer", "prediction-layer"
LORA = {"task_type": "SEQ_CLS", "r": 2, "target_modules": ["query", "value"]}
INPUTS = {"input_ids": torch.tensor([[5, 6, 7], [8, 9, 10]])}


@pytest.fixture
def lora_student(build_student, tmp_path):
    """`lora_student(config)`: the same each time; its base lies in a folder."""

    def build(config=None):
        build_student().save_pretrained(tmp_path / "base")
        base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
        torch.manual_seed(4)
        return peft.get_peft_model(base, config or peft.LoraConfig(**LORA, lora_dropout=0.1))

    return build


@pytest.fixture
def start(lora_student, build_teacher, build_rows, build_arguments, collator):
    """`start(model=..., **arguments)`: two phases of four steps, a checkpoint at each."""

    def build(model=None, teacher=None, trainer=None, **arguments):
        defaults = {
            "save_strategy": "steps",
            "save_steps": 1,
            "per_device_train_batch_size": 2,
            "intermediate_max_steps": 4,
            "max_steps": 4,
            "learning_rate": 1e-2,
            "intermediate_learning_rate": 1e-2,
            "lr_scheduler_type": "constant",
            "weight_decay": 0.0,
        }
        return DistillationTrainer(
            model or lora_student(),
            build_arguments(**{**defaults, **arguments}),
            teacher=teacher or build_teacher(),
            **{"train_dataset": build_rows(8), "data_collator": collator, **(trainer or {})},
        )

    return build


def _weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _changed(model, before):
    after = model.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}


def test_adapter_head_and_projections_learn_and_the_base_does_not(start):
    """Prevents frozen projections, which peft would not train, and a base that moves under its adapter."""
    trainer = start(phases=["joint"], save_strategy="no", gradient_accumulation_steps=2)
    before = _weights(trainer.model)
    trainer.train()
    parts = ("lora_", "modules_to_save", PROJECTIONS_ATTRIBUTE)
    assert _changed(trainer.model, before) == {name for name in before if any(part in name for part in parts)}
    assert trainer._record().student_class == "TinyBertForSequenceClassification"


def test_a_checkpoint_is_the_adapter_and_the_projections(start, tmp_path):
    """Prevents the base in every checkpoint, projections in the adapter, and a final folder that does not load."""
    trainer = start(intermediate_max_steps=1, max_steps=1)
    trainer.train()
    checkpoint = tmp_path / "run" / FIRST / "checkpoint-1"
    assert not (checkpoint / "model.safetensors").exists()
    assert (checkpoint / PROJECTIONS_FILE).is_file()
    assert all("lora_" in name or "classifier" in name for name in load_file(checkpoint / ADAPTER_FILE))
    trainer.save_model(str(tmp_path / "final"))
    assert not (tmp_path / "final" / PROJECTIONS_FILE).exists()
    assert DistillationRecord.load(tmp_path / "final").student_class == "TinyBertForSequenceClassification"
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "final").eval()
    torch.testing.assert_close(loaded(**INPUTS).logits, trainer.model.eval()(**INPUTS).logits)


def test_biases_of_the_projections_stay_out_of_an_adapter_that_saves_biases(start, lora_student, tmp_path):
    """Prevents training weights under the name of the student's."""
    start(lora_student(peft.LoraConfig(**LORA, bias="all")), phases=["joint"], max_steps=1).train()
    names = load_file(tmp_path / "run" / "checkpoint-1" / ADAPTER_FILE)
    assert [name for name in names if name.endswith(".bias")]
    assert not [name for name in names if PROJECTIONS_ATTRIBUTE in name]


@pytest.mark.parametrize(("phase", "step"), [(FIRST, 2), (FIRST, 4), (SECOND, 3)])
def test_a_resumed_adapter_ends_with_the_weights_of_the_straight_run(start, tmp_path, phase, step):
    """Prevents lost projections, moments or adapter weights, which peft loads in its own way."""
    whole = start()
    whole.train()
    for other in (FIRST, SECOND):
        for checkpoint in (tmp_path / "run" / other).iterdir():
            later = other == phase and int(checkpoint.name.rpartition("-")[2]) > step
            if later or (phase == FIRST and other == SECOND):
                shutil.rmtree(checkpoint)
    resumed = start()
    resumed.train(resume_from_checkpoint=True)
    assert resumed.model.state_dict().keys() == whole.model.state_dict().keys()
    assert _changed(resumed.model, _weights(whole.model)) == set()


def test_the_best_adapter_is_loaded_with_its_projections_and_learns_on(start, build_rows, tmp_path):
    """Prevents the projections of another step, and a second phase with the adapter that peft froze on loading."""
    best = {"eval_strategy": "steps", "eval_steps": 1, "load_best_model_at_end": True, "greater_is_better": True}
    trainer = start(trainer={"eval_dataset": build_rows(4)}, metric_for_best_model="eval_loss", **best)
    loaded = []
    load_best_model = trainer._load_best_model

    def load_and_note():
        load_best_model()
        loaded.append((trainer.state.best_model_checkpoint, _weights(trainer.model)))

    trainer._load_best_model = load_and_note
    trainer.train()
    for checkpoint, weights in loaded:
        for name, tensor in load_file(f"{checkpoint}/{PROJECTIONS_FILE}").items():
            assert torch.equal(weights[f"{PROJECTIONS_ATTRIBUTE}.{name}"], tensor)
        for name, tensor in load_file(f"{checkpoint}/{ADAPTER_FILE}").items():
            candidates = [
                key for key in weights if key.replace(".default", "").replace(".modules_to_save", "") == name
            ]
            assert any(torch.equal(weights[key], tensor) for key in candidates), name
    assert any("lora_" in name for name in _changed(trainer.model, loaded[0][1]))


def test_a_merged_student_is_a_plain_tinybert(start, tmp_path):
    """Prevents a student that needs peft, or carries projections, where it is used."""
    trainer = start(phases=["joint"], save_strategy="no")
    trainer.train()
    expected = trainer.model.eval()(**INPUTS).logits
    trainer.model.merge_and_unload().save_pretrained(tmp_path / "merged")
    model, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(model.eval()(**INPUTS).logits, expected, rtol=1e-4, atol=1e-5)
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["model_type"] == "tinybert"
    assert type(AutoModel.from_pretrained(tmp_path / "merged")).__name__ == "TinyBertModel"


def test_activation_checkpointing_trains_an_adapter_as_without(start):
    """Prevents recomputation from cutting the gradient where the embeddings are frozen."""
    finals = []
    for saving in (False, True):
        trainer = start(phases=["joint"], save_strategy="no", activation_checkpointing=saving)
        trainer.train()
        finals.append(_weights(trainer.model))
    for name, tensor in finals[0].items():
        torch.testing.assert_close(finals[1][name], tensor, msg=name)


def test_an_adapter_teacher_teaches_merged(start, build_student, build_teacher, tmp_path):
    """Prevents the base from teaching, and a hash that is the same for all adapters of one base."""
    build_teacher().save_pretrained(tmp_path / "teacher")
    adapted = peft.get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "teacher"), peft.LoraConfig(**LORA)
    )
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    adapted.save_pretrained(tmp_path / "adapter")
    logged = []
    for teacher in (tmp_path / "adapter", adapted):
        trainer = start(build_student(), teacher=teacher, phases=["joint"], max_steps=1, save_strategy="no")
        assert type(trainer.teacher).__name__ == "BertForSequenceClassification"
        assert weights_sha256(trainer.teacher) == trainer._teacher_sha256 != weights_sha256(build_teacher())
        trainer.train()
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)


def test_a_prompt_student_learns_predictions_and_is_refused_layers(start, build_student):
    """Prevents states of virtual tokens from being compared, and a refusal of what works."""
    for config in (peft.PromptTuningConfig, peft.PrefixTuningConfig):

        def prompted(config=config):
            torch.manual_seed(4)
            return peft.get_peft_model(build_student(), config(task_type="SEQ_CLS", num_virtual_tokens=3))

        with pytest.raises(ValueError, match="expected an adapter that leaves the sequence as it is"):
            start(prompted())
        trainer = start(prompted(), phases=[SECOND], output_dir=f"{start().args.output_dir}-{config.__name__}")
        before = _weights(trainer.model)
        trainer.train()
        assert any("prompt_encoder" in name for name in _changed(trainer.model, before))
        last = Path(trainer.args.output_dir, "checkpoint-4")
        shutil.rmtree(last)
        resumed = start(prompted(), phases=[SECOND], output_dir=trainer.args.output_dir)
        resumed.train(resume_from_checkpoint=True)
        assert _changed(resumed.model, _weights(trainer.model)) == set()


# two tokenizers


@pytest.fixture
def letters(tmp_path):
    alphabet = "abcdefghijklmnopqrstuvwxyz."
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *alphabet, *(f"##{letter}" for letter in alphabet)]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    return BertTokenizer(vocab=str(tmp_path / "vocab.txt"), model_max_length=32)


@pytest.fixture
def two_encodings(tokenizer, letters, sentences, sentence_labels):
    rows = Dataset.from_dict({"text": sentences[:8], "labels": sentence_labels[:8]})
    return encode_for_both(rows, tokenizer, letters, text_columns=["text"], max_length=32)


def test_each_model_reads_its_own_encoding(start, build_student, build_teacher, two_encodings, tokenizer, letters):
    """Prevents the teacher from reading the student's ids, and its columns from being pruned."""
    teacher = build_teacher(vocab_size=len(letters), pad_token_id=3)
    trainer = start(
        build_student(),
        teacher=teacher,
        trainer={
            "train_dataset": two_encodings,
            "data_collator": None,
            "processing_class": tokenizer,
            "teacher_processing_class": letters,
        },
        phases=[SECOND],
        save_strategy="no",
    )
    seen = []
    forward = trainer.teacher.forward

    def note(**inputs):
        output = forward(**inputs)
        seen.append((inputs["input_ids"], output.logits))
        return output

    trainer.teacher.forward = note
    trainer.train()
    expected = {tuple(letters(text)["input_ids"]) for text in two_encodings["text"]}
    for ids, logits in seen:
        texts = [tuple(row[row != letters.pad_token_id].tolist()) for row in ids]
        assert set(texts) <= expected
        alone = teacher.base_model(torch.tensor([texts[0]])).pooler_output
        torch.testing.assert_close(logits[:1], teacher.classifier(alone), rtol=1e-4, atol=1e-5)


def test_two_encodings_are_refused_where_tokens_are_compared(
    start, build_student, build_teacher, two_encodings, tokenizer, letters
):
    """Prevents token i of one model from imitating another piece of text."""
    pair = {"train_dataset": two_encodings, "processing_class": tokenizer, "teacher_processing_class": letters}
    teacher = build_teacher(vocab_size=len(letters))
    with pytest.raises(ValueError, match="expected terms that compare predictions only"):
        start(build_student(), teacher=teacher, trainer=pair)
    with pytest.raises(ValueError, match="where the tokenizers differ, got `TinyBertForTokenClassification`"):
        start(
            build_student("ForTokenClassification"),
            teacher=build_teacher("ForTokenClassification", vocab_size=len(letters)),
            trainer=pair,
            phases=[SECOND],
        )
