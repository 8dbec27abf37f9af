"""Tests of masked LM beside the intermediate terms of a general distillation, on tiny models."""

import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

from hf_tinybert.data.block_masking import hidden_tokens
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.progress import ProgressDisplay, TrainingProgress
from hf_tinybert.workflow import PretrainSettings, pretrain
from hf_tinybert.workflow.training_cost import training_operations

BATCH, LENGTH = 8, 16
TERMS = {"embedding_loss", "hidden_states_loss", "attention_scores_loss", "masked_lm_loss"}
TINY = {"layers": 2, "width": 16, "heads": 4, "units": 40, "block_length": LENGTH, "batch_size": BATCH, "epochs": 2.0}
TINY |= {"held_out_blocks": 4, "checkpoint_steps": 3, "preflight": False, "masked_lm": 1.0, "learning_rate": 5e-3}
QUIET = ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, sentences) -> str:
    """A text file of 80 documents, no two alike."""
    file = tmp_path_factory.mktemp("corpus") / "texts.txt"
    documents = [
        " ".join(["the"] * (index // 24) + sentences[index % 24 : index % 24 + 1 + index % 4]) for index in range(80)
    ]
    file.write_text("\n\n".join(documents), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def settings(corpus, encoder):
    return PretrainSettings(texts=(corpus,), teacher=encoder, **TINY)


@pytest.fixture(scope="module")
def seen():
    """The masked blocks and labels of every training step of this module, in order."""
    steps: list[tuple[list[list[int]], list[list[int]]]] = []
    original = DistillationTrainer.training_step

    def record(self, model, inputs, *args, **kwargs):
        steps.append((inputs["input_ids"].tolist(), inputs["labels"].tolist()))
        return original(self, model, inputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DistillationTrainer, "training_step", record)
        yield steps


@pytest.fixture(scope="module")
def straight(tmp_path_factory, settings, seen):
    """A run that was not interrupted, and was checked before training: its folder, figures and steps."""
    folder = tmp_path_factory.mktemp("straight") / "out"
    seen.clear()
    figures = pretrain(replace(settings, preflight=True), folder, QUIET)
    return folder, figures, list(seen)


def predicting_teacher(folder, encoder) -> str:
    """A teacher with the encoder's weights and a masked-LM head."""
    torch.manual_seed(3)
    model = BertForMaskedLM(BertConfig.from_pretrained(encoder))
    model.bert.load_state_dict(BertModel.from_pretrained(encoder).state_dict(), strict=False)
    with torch.no_grad():  # a fresh head predicts all words alike
        for parameter in model.cls.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return str(folder)


def test_a_student_learns_words_beside_its_teachers_states(straight, encoder):
    """Prevents a term that is not trained, logged or told, and a head that is lost on the way to disk."""
    folder, figures, _ = straight
    before, after = figures["held_out"]["before"], figures["held_out"]["after"]
    assert set(before) == set(after) >= TERMS
    assert after["masked_lm_loss"] < before["masked_lm_loss"] - 0.1
    total = sum(after[term] for term in TERMS)
    assert after["loss"] == pytest.approx(total, rel=1e-4)
    assert DistillationRecord.load(folder).metrics.keys() >= TERMS
    assert figures["settings"]["masked_lm"] == 1.0
    weights = load_file(folder / "model.safetensors")
    assert not [name for name in weights if "projection" in name or "pooler" in name]
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "TinyBertForMaskedLM"
    batch = tokenizer("the market [MASK] today .", return_tensors="pt")
    assert model(**batch).logits.shape[-1] == len(tokenizer)
    states = AutoModel.from_pretrained(folder)(**batch).last_hidden_state
    assert torch.allclose(states, model.bert(**batch).last_hidden_state)


def test_cost_and_tokens_count_the_head(straight, encoder):
    """Prevents a forecast for a student without the head that it trains."""
    folder, figures, steps = straight
    assert figures["tokens_seen"] == len(steps) * BATCH * LENGTH == figures["steps"] * BATCH * LENGTH
    student, teacher = AutoModel.from_pretrained(folder).config, BertConfig.from_pretrained(encoder)
    plain = training_operations(student, teacher, LENGTH)
    head = 3 * (2 * 16**2 + 2 * 16 * student.vocab_size * hidden_tokens(LENGTH) / LENGTH)
    assert figures["operations_per_token"] == pytest.approx(plain + head, abs=1)
    assert figures["parameters"] == AutoModelForMaskedLM.from_pretrained(folder).num_parameters()


def test_interrupted_in_a_pass_it_sees_the_same_masks_and_ends_with_the_same_student(
    straight, settings, seen, monkeypatch, tmp_path
):
    """Prevents masks that a resumed run draws otherwise, or of another pass, and so a student that differs."""
    folder, figures, wanted = straight
    per_pass, after = len(wanted) // 2, len(wanted) // 2 + 2
    assert per_pass >= 3 and (after - 1) // 3 * 3 % per_pass != 0
    hidden = [{tuple(row) for step in part for row in step[1]} for part in (wanted[:per_pass], wanted[per_pass:])]
    assert len(hidden[0] - hidden[1]) > 0.9 * len(hidden[0])
    original, steps = TrainingProgress.on_step_end, 0

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(settings, tmp_path / "out", QUIET)
    done = seen[: (after - 1) // 3 * 3]
    seen.clear()
    resumed = pretrain(settings, tmp_path / "out", QUIET)
    assert [*done, *seen] == wanted and resumed["held_out"] == figures["held_out"]
    one, other = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "out"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_head_starts_as_its_teachers_whose_predictions_count_too(settings, straight, encoder, tmp_path):
    """Prevents a trained head that is thrown away, and a teacher that reads other words than its student."""
    teacher = predicting_teacher(tmp_path / "teacher", encoder)
    sizes = {"layers": 4, "width": 32, "units": 64, "start": "layers"}
    twin = replace(
        settings,
        teacher=teacher,
        loss_weights={"prediction_kl_loss": 2.0},
        max_steps=1,
        learning_rate=1e-12,
        **sizes,
    )
    figures = pretrain(twin, tmp_path / "out", QUIET)
    before = figures["held_out"]["before"]
    # of a student that is its teacher every term but that of the words is nothing, on masked text too
    assert before["prediction_kl_loss"] == pytest.approx(0, abs=1e-5)
    assert before["hidden_states_loss"] == pytest.approx(0, abs=1e-5) and before["masked_lm_loss"] > 1
    own, other = load_file(tmp_path / "out" / "model.safetensors"), load_file(tmp_path / "teacher/model.safetensors")
    heads = [name for name in other if name.startswith("cls.predictions.transform")]
    assert heads and all(torch.allclose(own[name], other[name], atol=1e-6) for name in heads)
    # the projected head of a narrower student
    narrow = replace(settings, teacher=teacher, max_steps=1, loss_weights={"prediction_kl_loss": 2.0})
    terms = pretrain(narrow, tmp_path / "narrow", QUIET)
    weights = DistillationRecord.load(tmp_path / "narrow").loss_weights
    assert weights["prediction_kl_loss"] == 2.0 and weights["masked_lm_loss"] == 1.0
    assert "prediction_loss" not in weights
    told = 2 * 32**2 + 2 * 32 * 40 * hidden_tokens(LENGTH) / LENGTH
    assert terms["operations_per_token"] == pytest.approx(straight[1]["operations_per_token"] + told, abs=1)
    assert set(terms["held_out"]["after"]) == {*TERMS, "prediction_kl_loss", "loss"}


def test_a_tokenizer_without_a_mask_is_refused_before_anything_is_spent(settings, encoder, tmp_path):
    """Prevents hours of tokenising for words that cannot be hidden."""
    folder = tmp_path / "teacher"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(folder)
    BertModel.from_pretrained(encoder).save_pretrained(folder)
    with pytest.raises(ValueError, match="expected a tokenizer with a mask token"):
        pretrain(replace(settings, teacher=str(folder)), tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()
