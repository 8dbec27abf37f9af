"""One encoder with many heads: each answers as its one-task model would, and none is ever random unasked."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
)
from transformers.modeling_outputs import (
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

import hf_tinybert
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertModel
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import SentenceEmbeddingOutput

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "initializer_range": 0.3,
}
TASKS = {
    "mood": {"kind": "text-classification", "id2label": {0: "good", 1: "bad", 2: "neither"}},
    "relu-mood": {"kind": "text-classification", "num_labels": 2, "classifier_activation": "relu"},
    "entailment": {"kind": "pair-classification", "num_labels": 3},
    "topics": {"kind": "multi-label-classification", "num_labels": 4},
    "stars": {"kind": "regression"},
    "ner": {"kind": "token-classification", "id2label": {0: "O", 1: "B-X", 2: "I-X"}},
    "squad_2": {"kind": "question-answering"},
    "endings": {"kind": "multiple-choice"},
    "words": {"kind": "masked-lm"},
    "summary": {"kind": "extractive-summarization"},
    "sts": {"kind": "sentence-embedding", "embedding_size": 10},
}
OUTPUTS = {
    "mood": SequenceClassifierOutput,
    "ner": TokenClassifierOutput,
    "squad_2": QuestionAnsweringModelOutput,
    "endings": MultipleChoiceModelOutput,
    "words": MaskedLMOutput,
    "summary": TokenClassifierOutput,
    "sts": SentenceEmbeddingOutput,
}
NAMES = tuple(sorted(TASKS))  # config.json is written in this order
every_task = pytest.mark.parametrize("name", TASKS)


def build(tasks=None, **overrides):
    torch.manual_seed(0)
    config = TinyBertConfig(**{**SHAPE, "tasks": TASKS if tasks is None else tasks, **overrides})
    return TinyBertForMultiTask(config).eval()


def make_inputs(name, *, labels=False):
    """Make a seeded padded batch of 3 texts of length 9, 6 and 4 for a task; two choices each for `endings`."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[1] * length + [0] * (9 - length) for length in (9, 6, 4)])
    words = torch.randint(5, 60, (3, 9), generator=generator) * mask
    inputs = {"input_ids": words, "attention_mask": mask, "token_type_ids": (torch.arange(9) > 3).long() * mask}
    if name == "endings":
        inputs = {key: torch.stack([value, value.roll(1, 0)], 1) for key, value in inputs.items()}
    if not labels or name == "sts":
        return inputs
    tokens = torch.where(mask.bool(), words, -100)
    targets = {
        "topics": {"labels": torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0] * 4, [1.0] * 4])},
        "stars": {"labels": torch.tensor([0.5, 3.0, 4.5])},
        "ner": {"labels": torch.where(tokens >= 0, tokens % 3, -100)},
        "summary": {"labels": torch.where(tokens >= 0, tokens % 2, -100)},
        "words": {"labels": tokens},
        "squad_2": {"start_positions": torch.tensor([1, 0, 40]), "end_positions": torch.tensor([3, 0, 41])},
    }
    return {**inputs, **targets.get(name, {"labels": torch.tensor([0, 1, 1])})}


def first_of(output):
    return output.to_tuple()[0]


def assert_same(first, second):
    assert list(first) == list(second)
    for one, other in zip(first.to_tuple(), second.to_tuple(), strict=True):
        pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
        assert all(torch.equal(left, right) for left, right in pairs)


@every_task
def test_a_head_answers_as_its_one_task_model(name):
    """A head whose loss, pooler or dropout differs from the stock one would train another model than is exported."""
    model = build()
    alone = model.for_task(name)
    inputs = make_inputs(name, labels=True)
    with torch.no_grad():
        together = model(**inputs, task=name, output_hidden_states=True)
        assert_same(together, alone(**inputs, output_hidden_states=True))
    assert type(together) is OUTPUTS.get(name, SequenceClassifierOutput)
    assert len(together.hidden_states) == 3
    assert (together.loss is None) == (name == "sts")


@every_task
def test_a_one_task_model_is_saved_and_loaded_as_any_other(name, tmp_path):
    """A head under another name on disk would come back random in the class that everybody loads it with."""
    model = build()
    alone = model.for_task(name)
    alone.save_pretrained(tmp_path)
    again, report = type(alone).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["tasks"] is None
    assert again.config.tasks is None
    inputs = make_inputs(name)
    with torch.no_grad():  # kernels round otherwise where a file's weights lie otherwise in memory
        logits, reloaded = first_of(model(**inputs, task=name)), first_of(again.eval()(**inputs))
    torch.testing.assert_close(logits, reloaded, atol=1e-6, rtol=0)


def test_a_one_task_model_carries_its_names_and_is_a_copy():
    """Label names lost on the way out, or weights still shared, would show only in the next training."""
    model = build()
    before = torch.get_rng_state()
    alone = model.for_task("mood")
    assert torch.equal(before, torch.get_rng_state())
    assert alone.config.id2label == {0: "good", 1: "bad", 2: "neither"}
    assert alone.config.label2id == {"good": 0, "bad": 1, "neither": 2}
    assert alone.config.problem_type == "single_label_classification"
    assert not alone.training and model.train().for_task("mood").training
    addresses = {parameter.data_ptr() for parameter in model.parameters()}
    assert not any(parameter.data_ptr() in addresses for parameter in alone.parameters())


def test_save_load(tmp_path):
    """A head lost on the way to the disk comes back random."""
    model = build()
    model.save_pretrained(tmp_path)
    again, report = TinyBertForMultiTask.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert again.task_names == NAMES and again.config.tasks == model.config.tasks
    for key, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[key]), key
    for name in TASKS:
        with torch.no_grad():
            outputs = [first_of(one.eval()(**make_inputs(name), task=name)) for one in (model, again)]
        torch.testing.assert_close(*outputs, atol=1e-6, rtol=0)


def test_masked_words_share_the_embedding_matrix(tmp_path):
    """An output matrix of its own doubles the model, and stops moving with the embeddings."""
    model = build()
    model.save_pretrained(tmp_path)
    for one in (model, TinyBertForMultiTask.from_pretrained(tmp_path)):
        assert one.get_output_embeddings().weight is one.get_input_embeddings().weight
    assert not any(key.endswith("decoder.weight") for key in load_file(tmp_path / "model.safetensors"))
    model.resize_token_embeddings(64, mean_resizing=False)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    with torch.no_grad():
        assert model(**make_inputs("words"), task="words").logits.shape == (3, 9, 64)


def test_every_parameter_gets_a_gradient_from_its_task_alone():
    """A head that is trained by another task's batch is no head of its own."""
    model = build().train()
    for name in TASKS:
        model.zero_grad()
        output = model(**make_inputs(name, labels=True), task=name)
        (output.logits.sum() if name == "sts" else output.loss).backward()
        moved = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
        heads = {key for key, _ in model.named_parameters() if key.startswith(f"heads.{name}.")}
        assert {key for key in moved if key.startswith("heads.")} == heads
        assert {key for key, _ in model.named_parameters() if key.startswith("bert.")} <= moved


def test_padding_changes_no_answer():
    """A pooling that counts padding gives a text another embedding in every batch."""
    model = build()
    inputs = make_inputs("sts")
    for name in ("sts", "mood", "ner"):
        with torch.no_grad():
            whole = model(**inputs, task=name).logits
            alone = model(**{key: value[2:, :4] for key, value in inputs.items()}, task=name).logits
        torch.testing.assert_close(whole[2:, :4] if name == "ner" else whole[2:], alone, atol=1e-6, rtol=0)


def test_a_configuration_may_ask_for_tuples():
    """Scripts that set `return_dict=False` would end in an error about the encoder's output."""
    ids = torch.tensor([[5, 6, 7]])
    expected = build().eval()(ids, task="mood").logits
    (logits,) = build(return_dict=False).eval()(ids, task="mood")
    assert torch.equal(logits, expected)


def test_the_only_task_needs_no_name():
    """A model with one head would have to be called otherwise than every other model."""
    model = build({"mood": TASKS["mood"]})
    inputs = make_inputs("mood")
    with torch.no_grad():
        assert_same(model(**inputs), model(**inputs, task="mood"))
        assert torch.equal(model(**inputs, return_dict=False)[0], model(**inputs).logits)


@pytest.mark.parametrize("task", [None, "sentiment"])
def test_an_unknown_or_missing_task_is_refused(task):
    """A batch through the wrong head trains it on another task's labels."""
    with pytest.raises(ValueError, match="expected `task` to be one of `endings`"):
        build()(**make_inputs("mood"), task=task)
    with pytest.raises(ValueError, match="expected `task` to be one of"):
        build().for_task("sentiment")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("a.b", "letters, digits"),
        ("", "letters, digits"),
        ("train", "can name a module"),
        ("mood", "expected a new task"),
    ],
)
def test_a_name_that_is_taken_or_no_name_is_refused(name, match):
    """Such a head would replace another, or could not be saved."""
    model = build()
    with pytest.raises(ValueError, match=match):
        model.add_task(name, {"kind": "regression"})
    assert model.task_names == NAMES == tuple(model.config.tasks)


def test_a_name_given_twice_is_refused():
    """The second of two tasks with one name would silently take the place of the first."""
    pairs = [("mood", TASKS["mood"]), ("mood", TASKS["stars"])]
    with pytest.raises(ValueError, match="`mood` twice"):
        TinyBertForMultiTask.from_encoder(TinyBertModel(TinyBertConfig(**SHAPE)), pairs)


def test_a_head_that_the_checkpoint_lacks_is_refused(tmp_path):
    """The stock method makes such a head up and goes on."""
    build({"mood": TASKS["mood"], "ner": TASKS["ner"]}).save_pretrained(tmp_path)
    config = TinyBertConfig.from_pretrained(tmp_path)
    config.tasks = {**config.tasks, "stars": {"kind": "regression"}}
    with pytest.raises(ValueError, match=r"none of the head `stars` \(missing or of another shape: `heads.stars"):
        TinyBertForMultiTask.from_pretrained(tmp_path, config=config)
    config.tasks = {"mood": {"kind": "text-classification", "num_labels": 5}}
    with pytest.raises(ValueError, match="none of the head `mood`"):
        TinyBertForMultiTask.from_pretrained(tmp_path, config=config, ignore_mismatched_sizes=True)


def test_an_encoder_that_the_checkpoint_lacks_is_refused(tmp_path):
    """Heads on a random encoder are noise."""
    build().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bert.encoder.layer.0.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="none of the encoder"):
        TinyBertForMultiTask.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "auto_class", [AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoModelForMaskedLM]
)
def test_a_one_task_class_refuses_a_multi_task_folder(auto_class, tmp_path):
    """It would find none of its weights and start at random, with no more than a warning."""
    build().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected the configuration of a one-task model"):
        auto_class.from_pretrained(tmp_path)


def test_the_auto_class_of_encoders_gives_the_shared_encoder(tmp_path):
    """The encoder must be there for every use that needs no head."""
    model = build()
    model.save_pretrained(tmp_path)
    encoder, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(encoder) is hf_tinybert.TinyBertModel and not report["unexpected_keys"]
    with torch.no_grad():
        states = encoder.eval()(**make_inputs("mood")).last_hidden_state
        assert torch.equal(states, model.bert(**make_inputs("mood")).last_hidden_state)


def test_a_configuration_without_tasks_is_refused():
    """A model without heads would be an encoder under a wrong name."""
    with pytest.raises(ValueError, match="expected a configuration with `tasks`"):
        TinyBertForMultiTask(TinyBertConfig(**SHAPE))


@every_task
def test_a_head_moves_to_another_model(name):
    """A head taken over under another name, or without its pooler, answers at random."""
    source = build()
    alone = source.for_task(name)
    first = "stars" if name != "stars" else "mood"
    model = TinyBertForMultiTask.from_encoder(alone, {first: TASKS[first]})
    model.add_task(name, TASKS[name], head_from=alone)
    inputs = make_inputs(name)
    with torch.no_grad():
        assert_same(source(**inputs, task=name), model(**inputs, task=name))
    assert model.config.tasks[name] == source.config.tasks[name]
    if name == "words":
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_head_of_another_kind_or_size_is_refused():
    """Weights that do not fit would be left random where they are missing."""
    model = build({"stars": TASKS["stars"]})
    with pytest.raises(ValueError, match="expected a model with the head of the task `ner`"):
        model.add_task("ner", TASKS["ner"], head_from=build().for_task("words"))
    with pytest.raises(ValueError, match="expected a model with the head of the task `mood`"):
        model.add_task("mood", {"kind": "text-classification", "num_labels": 9}, head_from=build().for_task("mood"))
    assert model.task_names == ("stars",) and tuple(model.config.tasks) == ("stars",)


@pytest.mark.parametrize(
    ("spec", "other", "said"),
    [
        ({"kind": "text-classification", "num_labels": 2}, {"classifier_activation": "relu"}, "classifier_activation"),
        (
            {"kind": "text-classification", "id2label": {0: "bad", 1: "good"}},
            {"id2label": {0: "good", 1: "bad"}},
            "id2label",
        ),
        (
            {"kind": "token-classification", "id2label": {0: "O", 1: "B-X"}},
            {"id2label": {0: "B-X", 1: "O"}},
            "id2label",
        ),
        ({"kind": "sentence-embedding"}, {"pooling": "cls"}, "pooling"),
        ({"kind": "sentence-embedding"}, {"similarity": "dot"}, "similarity"),
        ({"kind": "sentence-embedding", "embedding_size": 8}, {"normalize": False}, "normalize"),
    ],
)
def test_a_head_that_the_task_would_read_otherwise_is_refused(spec, other, said):
    """Its weights fit, and answer another thing: through no activation, under each other's names, pooled otherwise."""
    model, alone = build({"stars": TASKS["stars"]}), build({"new": {**spec, **other}}).for_task("new")
    with pytest.raises(ValueError, match=f"expected a head that reads as the task `new`.*`{said}`"):
        model.add_task("new", spec, head_from=alone)
    assert model.task_names == ("stars",)
    with pytest.raises(ValueError, match=f"expected a head that reads as the task `new`.*`{said}`"):
        build({"new": spec}).copy_head("new", alone)
    model.add_task("new", {**spec, **other}, head_from=alone)


def test_names_that_were_never_set_are_no_other_names():
    """Labels without names of their own fit any of their number, as elsewhere."""
    model, source = build({"stars": TASKS["stars"]}), build({"new": {"kind": "text-classification", "num_labels": 2}})
    names = {0: "bad", 1: "good"}
    model.add_task("new", {"kind": "text-classification", "id2label": names}, head_from=source.for_task("new"))
    assert model.for_task("new").config.id2label == names


def test_a_head_is_replaced_by_another_models():
    """A head trained alone must be able to go where it belongs, and nowhere else."""
    torch.manual_seed(5)
    model = build()
    other = model.for_task("mood")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    model.copy_head("mood", other)
    assert torch.equal(model.heads["mood"].classifier.weight, other.classifier.weight)
    assert torch.equal(model.heads["mood"].pooler.dense.bias, other.bert.pooler.dense.bias)
    assert not torch.equal(model.bert.embeddings.LayerNorm.weight, other.bert.embeddings.LayerNorm.weight)
    with pytest.raises(ValueError, match="expected a model with the head of the task `ner`"):
        model.copy_head("ner", other)


def test_heads_come_and_go_in_a_saved_model(tmp_path):
    """A head left behind in the configuration or on disk makes the folder unloadable."""
    build().save_pretrained(tmp_path / "first")
    model = TinyBertForMultiTask.from_pretrained(tmp_path / "first")
    kept = {key: value.clone() for key, value in model.state_dict().items() if "words" not in key and "new" not in key}
    model.remove_task("words")
    model.add_task("new-task", {"kind": "text-classification", "id2label": {0: "no", 1: "yes"}})
    assert model.get_output_embeddings() is None
    model.save_pretrained(tmp_path / "second")
    again = TinyBertForMultiTask.from_pretrained(tmp_path / "second")
    assert again.task_names == tuple(sorted({*TASKS, "new-task"} - {"words"}))
    assert list(again.state_dict()) == list(model.state_dict())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in kept.items())
    assert torch.equal(again.heads["new-task"].classifier.weight, model.heads["new-task"].classifier.weight)
    assert model.heads["new-task"].classifier.bias.abs().sum() == 0  # drawn as BERT draws it


def test_the_last_head_stays():
    """A folder without heads loads in no class."""
    with pytest.raises(ValueError, match="the only one"):
        build({"mood": TASKS["mood"]}).remove_task("mood")
    with pytest.raises(ValueError, match="expected `task` to be one of"):
        build().remove_task("unknown")


@pytest.mark.parametrize("encoder_class", [BertModel, BertForSequenceClassification, TinyBertForMaskedLM])
def test_any_bert_gives_its_encoder(encoder_class):
    """A teacher of the BERT family must be able to carry all tasks."""
    torch.manual_seed(0)
    encoder = encoder_class(encoder_class.config_class(**SHAPE)).eval()
    model = TinyBertForMultiTask.from_encoder(encoder, {"mood": TASKS["mood"], "ner": TASKS["ner"]})
    assert not model.training and type(model.config) is TinyBertConfig
    with torch.no_grad():
        states = encoder.base_model(**make_inputs("mood")).last_hidden_state
        assert torch.equal(model.bert(**make_inputs("mood")).last_hidden_state, states)
    pooler = encoder.base_model.pooler
    if pooler is not None:
        assert torch.equal(model.heads["mood"].pooler.dense.weight, pooler.dense.weight)


def test_an_encoder_of_another_family_is_refused():
    """Its weights have no place in BERT's modules."""
    encoder = DistilBertModel(DistilBertConfig(dim=16, n_heads=4, n_layers=1, hidden_dim=24, vocab_size=60))
    with pytest.raises(ValueError, match="of the family `distilbert`"):
        TinyBertForMultiTask.from_encoder(encoder, {"mood": TASKS["mood"]})


def test_the_model_travels_with_its_code(tmp_path):
    """A folder pushed with its code must load where this package is not installed: every sibling comes along."""
    model = build({"mood": TASKS["mood"]})
    TinyBertForMultiTask.register_for_auto_class("AutoModel")
    try:
        model.save_pretrained(tmp_path)
    finally:
        TinyBertForMultiTask._auto_class = None
    files = {path.name for path in tmp_path.glob("*.py")}
    assert "modeling_tinybert_multitask.py" in files and "configuration_tinybert_tasks.py" in files
    assert "modeling_tinybert_heads.py" in files


def test_gradient_checkpointing_changes_nothing():
    """Recomputed layers must give the same gradients through a head."""
    plain, checkpointed = build(hidden_dropout_prob=0.0).train(), build(hidden_dropout_prob=0.0).train()
    checkpointed.gradient_checkpointing_enable()
    for model in (plain, checkpointed):
        model.config.attention_probs_dropout_prob = 0.0
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        torch.manual_seed(0)
        model(**make_inputs("ner", labels=True), task="ner").loss.backward()
    for (key, one), other in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), key
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=0)


def test_a_bert_teacher_keeps_its_configuration():
    """A multi-task teacher built from BERT must read the same positions and the same vocabulary."""
    config = BertConfig(**SHAPE, layer_norm_eps=1e-5)
    model = TinyBertForMultiTask.from_encoder(BertModel(config), {"mood": TASKS["mood"]})
    for field in (*SHAPE, "layer_norm_eps"):
        assert getattr(model.config, field) == getattr(config, field)
