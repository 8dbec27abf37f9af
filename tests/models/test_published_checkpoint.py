"""Folders of the original release: every number of the published code comes out, and nothing is lost or made up."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification

from hf_tinybert.models.modeling_tinybert import (
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)
from hf_tinybert.models.published_checkpoint import load_published_checkpoint

PARITY = Path(__file__).parents[1] / "data" / "parity"
GOLDEN = load_file(PARITY / "golden.safetensors")
INPUTS = {name: GOLDEN[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
TOLERANCE = {"atol": 1e-5, "rtol": 0}


def copy(name, folder):
    """Copy a parity folder and give the copy and its weights."""
    shutil.copytree(PARITY / name, folder)
    return folder, torch.load(folder / "pytorch_model.bin", weights_only=True)


def write(folder, weights, **settings):
    """Replace the weights of a folder and change settings in its config.json; None removes a setting."""
    torch.save(weights, folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text())
    config.update(settings)
    (folder / "config.json").write_text(json.dumps({name: v for name, v in config.items() if v is not None}))
    return folder


def golden(prefix):
    """Give the golden tensors `prefix.0`, `prefix.1`, ... in order."""
    count = sum(name.startswith(f"{prefix}.") for name in GOLDEN)
    return [GOLDEN[f"{prefix}.{index}"] for index in range(count)]


def run(model):
    with torch.no_grad():
        return model(**INPUTS, output_hidden_states=True)


def compute_scores(model, hidden_states):
    """Attention scores q k^T / sqrt(d) of every layer, (batch, heads, query_len, key_len), with the published fill."""
    fill = (1 - INPUTS["attention_mask"][:, None, None, :]) * -10000.0
    scores = []
    for layer, states in zip(model.bert.encoder.layer, hidden_states[:-1], strict=True):
        attention = layer.attention.self
        query, key = (
            part(states).unflatten(-1, (model.config.num_attention_heads, -1)).transpose(1, 2)
            for part in (attention.query, attention.key)
        )
        scores.append((query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + fill).detach())
    return scores


def general_weights(weights, *, next_sentence=True):
    """Turn task weights into those of a general checkpoint: pretraining heads in the place of the classifier."""
    generator = torch.Generator().manual_seed(0)
    width = weights["bert.pooler.dense.bias"].shape[0]
    general = {name: weight for name, weight in weights.items() if not name.startswith("classifier.")}
    general["cls.predictions.transform.dense.weight"] = torch.randn(width, width, generator=generator)
    general["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"].clone()
    general["cls.predictions.bias"] = torch.randn(60, generator=generator)
    for name in ("dense.bias", "LayerNorm.weight", "LayerNorm.bias"):
        general[f"cls.predictions.transform.{name}"] = torch.randn(width, generator=generator)
    if next_sentence:
        general["cls.seq_relationship.weight"] = torch.randn(2, width, generator=generator)
        general["cls.seq_relationship.bias"] = torch.randn(2, generator=generator)
    return general


def with_old_layer_norms(weights):
    names = {name: name.replace("LayerNorm.weight", "LayerNorm.gamma") for name in weights}
    return {names[name].replace("LayerNorm.bias", "LayerNorm.beta"): weight for name, weight in weights.items()}


@pytest.mark.parametrize(
    ("folder", "role"), [("student", "student"), ("student_v2", "student"), ("teacher", "teacher")]
)
def test_logits_and_attention_scores_equal_the_published_code(folder, role):
    """A head without its relu, a swapped LayerNorm or another epsilon all load cleanly and answer differently."""
    model = load_published_checkpoint(PARITY / folder).model
    assert type(model) is TinyBertForSequenceClassification
    assert not model.training
    outputs = run(model)
    torch.testing.assert_close(outputs.logits, GOLDEN[f"{role}_logits"], **TOLERANCE)
    scores = compute_scores(model, outputs.hidden_states)
    assert len(scores) == len(golden(f"{role}_attention_scores")) > 0
    valid = (INPUTS["attention_mask"][:, None, None, :] > 0).expand_as(scores[0])
    for computed, expected in zip(scores, golden(f"{role}_attention_scores"), strict=True):
        torch.testing.assert_close(computed[valid], expected[valid], **TOLERANCE)
        # At -10000 one float32 step is 1e-3.
        torch.testing.assert_close(computed, expected, atol=2e-3, rtol=0)


def test_teacher_hidden_states_equal_the_published_code():
    """The states a student is measured against."""
    hidden = run(load_published_checkpoint(PARITY / "teacher").model).hidden_states
    for computed, expected in zip(hidden, golden("teacher_hidden_states"), strict=True):
        torch.testing.assert_close(computed, expected, **TOLERANCE)


def test_projected_hidden_states_equal_the_published_code():
    """A transposed or misnumbered projection starts the next distillation from noise."""
    checkpoint = load_published_checkpoint(PARITY / "student")
    weight, bias = checkpoint.projections["projections.0.weight"], checkpoint.projections["projections.0.bias"]
    assert checkpoint.projections.keys() == {"projections.0.weight", "projections.0.bias"}
    assert (tuple(weight.shape), tuple(bias.shape)) == ((32, 16), (32,))
    hidden = run(checkpoint.model).hidden_states
    for state, expected in zip(hidden, golden("student_projected_hidden_states"), strict=True):
        torch.testing.assert_close(state @ weight.T + bias, expected, **TOLERANCE)


def test_the_second_layout_has_one_projection_per_state():
    """Taking only the first would project every layer with the embeddings' map."""
    projections = load_published_checkpoint(PARITY / "student_v2").projections
    published = torch.load(PARITY / "student_v2" / "pytorch_model.bin", weights_only=True)
    assert list(projections) == [f"projections.{i}.{part}" for i in range(3) for part in ("weight", "bias")]
    for name, weight in projections.items():
        assert torch.equal(weight, published[name.replace("projections", "fit_denses")]), name


@pytest.mark.parametrize("rename", ["gamma and beta", "no prefix", "both", "safetensors"])
def test_every_way_of_naming_the_weights_gives_the_same_model(rename, tmp_path):
    """LayerNorms under a name nobody reads stay at one and zero, and the model is quietly worse."""
    folder, weights = copy("student", tmp_path / "folder")
    if rename in ("gamma and beta", "both"):
        weights = with_old_layer_norms(weights)
    if rename in ("no prefix", "both"):
        weights = {name.removeprefix("bert."): weight for name, weight in weights.items()}
    if rename == "safetensors":
        (folder / "pytorch_model.bin").unlink()
        save_file(weights, folder / "model.safetensors")
    else:
        write(folder, weights)
    model = load_published_checkpoint(folder).model
    torch.testing.assert_close(run(model).logits, GOLDEN["student_logits"], **TOLERANCE)


def test_saving_after_loading_old_names_writes_todays_names(tmp_path):
    """Transformers writes gamma and beta back and a resume leaves every LayerNorm unrestored without a word."""
    folder, weights = copy("student", tmp_path / "folder")
    model = load_published_checkpoint(write(folder, with_old_layer_norms(weights))).model
    assert not hasattr(model, "_weight_conversions")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" in name:
                weight.add_(0.1)  # As training would: values that only the saved file has.
    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert "bert.embeddings.LayerNorm.weight" in saved
    assert not [name for name in saved if name.endswith(("gamma", "beta"))]
    # A Trainer that resumes does exactly this.
    resumed = load_published_checkpoint(folder).model
    report = resumed.load_state_dict(saved, strict=False)
    assert not report.missing_keys and not report.unexpected_keys
    for restored in (resumed, TinyBertForSequenceClassification.from_pretrained(tmp_path / "saved")):
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, restored.state_dict()[name]), name


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ("general", TinyBertForPreTraining),
        ("masked words", TinyBertForMaskedLM),
        ("none", TinyBertModel),
        ("questions", TinyBertForQuestionAnswering),
    ],
)
def test_the_class_follows_from_the_heads(heads, expected, tmp_path):
    """A general checkpoint loaded as an encoder alone would lose heads that took weeks of training."""
    folder, weights = copy("student", tmp_path / "folder")
    encoder = {name: weight for name, weight in weights.items() if not name.startswith("classifier.")}
    weights = {
        "general": general_weights(weights),
        "masked words": general_weights(weights, next_sentence=False),
        "none": encoder,
        "questions": {**encoder, "qa_outputs.weight": torch.ones(2, 16), "qa_outputs.bias": torch.zeros(2)},
    }[heads]
    checkpoint = load_published_checkpoint(write(folder, weights))
    assert type(checkpoint.model) is expected
    assert len(checkpoint.projections) == 2
    loaded = checkpoint.model.state_dict()
    for name, weight in weights.items():
        if name.startswith(("fit_dense", "bert.pooler")):
            continue
        assert torch.equal(loaded[name.removeprefix("bert.") if expected is TinyBertModel else name], weight), name


def test_a_general_checkpoint_keeps_its_output_matrix_tied(tmp_path):
    """Untied, fine-tuning would move the embeddings away from the output matrix."""
    folder, weights = copy("student", tmp_path / "folder")
    weights = general_weights(weights)
    model = load_published_checkpoint(write(folder, weights)).model
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert torch.equal(model.cls.predictions.decoder.bias, weights["cls.predictions.bias"])
    del weights["cls.predictions.decoder.weight"]
    assert type(load_published_checkpoint(write(folder, weights)).model) is TinyBertForPreTraining


def test_an_output_matrix_of_its_own_is_refused(tmp_path):
    """Tying would overwrite one of two different matrices."""
    folder, weights = copy("student", tmp_path / "folder")
    weights = general_weights(weights)
    weights["cls.predictions.decoder.weight"] += 1
    with pytest.raises(ValueError, match=r"`cls\.predictions\.decoder\.weight` to equal `bert\.embeddings"):
        load_published_checkpoint(write(folder, weights))


@pytest.mark.parametrize("model_class", [TinyBertModel, TinyBertForTokenClassification])
def test_a_class_may_be_asked_for(model_class):
    """Whoever wants the encoder alone should not have to cut the head off the file."""
    model = load_published_checkpoint(PARITY / "student", model_class).model
    assert type(model) is model_class
    assert model.config.classifier_activation is None
    hidden = run(model).hidden_states
    expected = run(load_published_checkpoint(PARITY / "student").model).hidden_states
    for one, other in zip(hidden, expected, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_a_class_that_the_checkpoint_has_no_head_for_is_refused():
    """A random head would pass for a published one."""
    with pytest.raises(ValueError, match=r"`cls\.predictions\.bias` is missing.*`classifier\.weight` is unexpected"):
        load_published_checkpoint(PARITY / "student", TinyBertForMaskedLM)
    with pytest.raises(ValueError, match=r"`classifier\.weight` has shape \(3, 16\) instead of \(1, 16\)"):
        load_published_checkpoint(PARITY / "student", TinyBertForMultipleChoice)


def test_a_class_of_another_family_is_refused():
    """A BertModel would take the weights and lose the activation of the head."""
    with pytest.raises(ValueError, match="expected a TinyBERT class as `model_class`, got `BertForSequenceClass"):
        load_published_checkpoint(PARITY / "student", BertForSequenceClassification)


def damage_weights(problem, weights):
    key = "bert.encoder.layer.1.output.dense.weight"
    if problem == "missing":
        del weights[key]
    elif problem == "unexpected":
        weights["bert.encoder.layer.2.output.dense.weight"] = weights[key]
    elif problem == "shape":
        weights[key] = weights[key][:, :-1]
    elif problem == "unknown head":
        weights["regression.weight"] = weights.pop("classifier.weight")
        del weights["classifier.bias"]
    elif problem == "both names":
        weights["bert.embeddings.LayerNorm.gamma"] = weights["bert.embeddings.LayerNorm.weight"]
    return weights


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("missing", r"`bert\.encoder\.layer\.1\.output\.dense\.weight` is missing"),
        ("unexpected", r"`bert\.encoder\.layer\.2\.output\.dense\.weight` is unexpected"),
        ("shape", r"layer\.1\.output\.dense\.weight` has shape \(16, 31\) instead of \(16, 32\)"),
        ("unknown head", r"known head, got `regression\.weight` besides"),
        ("both names", r"got two for `bert\.embeddings\.LayerNorm\.weight`"),
    ],
)
def test_weights_that_do_not_fit_are_named(problem, message, tmp_path):
    """A weight left random or left out changes every answer and raises nothing later."""
    folder, weights = copy("student", tmp_path / "folder")
    with pytest.raises(ValueError, match=message):
        load_published_checkpoint(write(folder, damage_weights(problem, weights)))


@pytest.mark.parametrize("problem", ["one missing", "no bias", "both layouts", "other width", "other teacher"])
def test_incomplete_projections_are_refused(problem, tmp_path):
    """A distillation that goes on would give the missing one random weights."""
    folder, weights = copy("student_v2", tmp_path / "folder")
    if problem == "one missing":
        del weights["fit_denses.1.weight"], weights["fit_denses.1.bias"]
    elif problem == "no bias":
        del weights["fit_denses.1.bias"]
    elif problem == "both layouts":
        weights["fit_dense.weight"] = weights["fit_denses.0.weight"]
    elif problem == "other width":
        weights["fit_denses.2.weight"] = torch.zeros(32, 15)
    else:
        weights["fit_denses.2.weight"], weights["fit_denses.2.bias"] = torch.zeros(48, 16), torch.zeros(48)
    with pytest.raises(ValueError, match=r"one projection `fit_dense` or 3 projections `fit_denses\.N`"):
        load_published_checkpoint(write(folder, weights))


def test_a_checkpoint_without_projections_has_none(tmp_path):
    """Projections made up here would look like trained ones."""
    folder, weights = copy("student", tmp_path / "folder")
    weights = {name: weight for name, weight in weights.items() if not name.startswith("fit_dense")}
    assert load_published_checkpoint(write(folder, weights)).projections == {}


def test_positions_saved_as_a_buffer_are_no_obstacle(tmp_path):
    """Checkpoints that older versions of transformers saved again carry them."""
    folder, weights = copy("student", tmp_path / "folder")
    weights["bert.embeddings.position_ids"] = torch.arange(64)[None]
    model = load_published_checkpoint(write(folder, weights)).model
    torch.testing.assert_close(run(model).logits, GOLDEN["student_logits"], **TOLERANCE)


def test_label_names_are_set_both_ways():
    """Without label2id a Trainer or a card would number the labels anew, in another order."""
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    config = load_published_checkpoint(PARITY / "student", id2label=names).model.config
    assert (config.id2label, config.num_labels) == (names, 3)
    assert config.label2id == {"contradiction": 0, "neutral": 1, "entailment": 2}
    assert load_published_checkpoint(PARITY / "student").model.config.id2label == {i: f"LABEL_{i}" for i in range(3)}


def test_label_names_in_config_json_are_kept(tmp_path):
    """The folder's own names are the truth about its classifier."""
    folder, weights = copy("student", tmp_path / "folder")
    write(folder, weights, id2label={"0": "x", "1": "y", "2": "z"})
    assert load_published_checkpoint(folder).model.config.label2id == {"x": 0, "y": 1, "z": 2}


@pytest.mark.parametrize("names", [{0: "no", 1: "yes"}, {1: "a", 2: "b", 3: "c"}])
def test_label_names_that_do_not_fit_are_refused(names):
    """Names shifted by one would report every answer under its neighbour's name."""
    with pytest.raises(ValueError, match="expected names for the labels 0 to 2"):
        load_published_checkpoint(PARITY / "student", id2label=names)


def test_label_names_for_a_model_without_labels_are_refused(tmp_path):
    """They would be dropped in silence."""
    folder, weights = copy("student", tmp_path / "folder")
    with pytest.raises(ValueError, match="without a classification head"):
        load_published_checkpoint(write(folder, general_weights(weights)), id2label={0: "no", 1: "yes"})


def test_the_configuration_keeps_only_what_describes_the_model():
    """Fields of the published training code would travel on into every checkpoint."""
    config = load_published_checkpoint(PARITY / "student").model.config.to_dict()
    assert config["model_type"] == "tinybert"
    assert config["num_attention_heads"] == 4
    assert not {"cell", "emb_size", "structure", "pre_trained"} & config.keys()


@pytest.mark.parametrize("name", ["num_attention_heads", "hidden_size"])
def test_a_config_without_the_shape_is_refused(name, tmp_path):
    """The number of heads shows in no weight: a default would load cleanly and compute something else."""
    folder, weights = copy("student", tmp_path / "folder")
    with pytest.raises(ValueError, match=f"got no number for `{name}`"):
        load_published_checkpoint(write(folder, weights, **{name: None}))


@pytest.mark.parametrize("model_type", ["tinybert", "roberta"])
def test_a_folder_of_another_kind_is_refused(model_type, tmp_path):
    """Its own class loads it; read as BERT it would be wrong."""
    folder, weights = copy("student", tmp_path / "folder")
    with pytest.raises(ValueError, match=f"got `{model_type}`"):
        load_published_checkpoint(write(folder, weights, model_type=model_type))
    assert load_published_checkpoint(write(folder, weights, model_type="bert")).model.config.model_type == "tinybert"


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "pytorch_model.bin"])
def test_a_missing_file_is_named(name, tmp_path):
    """A tokenizer made up for a folder without vocabulary turns every word into [UNK]."""
    folder, _ = copy("student", tmp_path / "folder")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_published_checkpoint(folder)


def test_the_tokenizer_reads_the_vocabulary_in_lower_case_and_cuts_long_texts():
    """Capitals outside the vocabulary become [UNK], and uncut texts fail inside the position embeddings."""
    tokenizer = load_published_checkpoint(PARITY / "student").tokenizer
    assert tokenizer("W3 w54 W", truncation=True)["input_ids"] == [2, 8, 59, 1, 3]
    assert len(tokenizer("w1 " * 100, truncation=True)["input_ids"]) == 64


def test_the_folders_own_tokenizer_settings_win(tmp_path):
    """A cased checkpoint read in lower case loses every name."""
    folder, _ = copy("student", tmp_path / "folder")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "model_max_length": 16}')
    tokenizer = load_published_checkpoint(folder).tokenizer
    assert tokenizer("W3 w3")["input_ids"] == [2, 1, 8, 3]
    assert tokenizer.model_max_length == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tokens: [*tokens, "extra"], "expected at most 60 tokens .* got 61"),
        (lambda tokens: ["[pad]", *tokens[1:]], r"without `\[PAD\]`"),
    ],
)
def test_a_vocabulary_of_another_model_is_refused(change, message, tmp_path):
    """Token ids without an embedding fail only when such a word comes along."""
    folder, _ = copy("student", tmp_path / "folder")
    tokens = (folder / "vocab.txt").read_text().split("\n")[:60]
    (folder / "vocab.txt").write_text("\n".join(change(tokens)))
    with pytest.raises(ValueError, match=message):
        load_published_checkpoint(folder)
