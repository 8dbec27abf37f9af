"""Tests of the names by which settings mean parts of a student."""

import pytest

from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.student_parts import parts_by_pattern

WORDS = "bert.embeddings.word_embeddings.weight"


def _meant(student, *patterns):
    """The names that any of the patterns means, in the order of the student."""
    meant = set().union(*parts_by_pattern(student, patterns, "some").values())
    return [name for name, _ in student.named_parameters() if name in meant]


def test_a_pattern_names_a_module_or_a_parameter_from_any_dot_on(build_student):
    """Prevents layer 10 from being frozen with layer 1, and a name that needs the class of the head."""
    student = build_student(num_hidden_layers=11)
    assert parts_by_pattern(student, [], "some") == {}
    assert _meant(student, "embeddings.word_embeddings") == [WORDS]
    assert _meant(student, "word_embeddings", "bert.embeddings.word_embeddings") == [WORDS]
    layers = {name.split(".")[3] for name in _meant(student, "layer.1")}
    assert layers == {"1"}
    assert {name.split(".")[3] for name in _meant(student, "layer.[0-2]", "encoder.layer.1?")} == {
        *("0", "1", "2", "10")
    }
    biases = _meant(student, "LayerNorm.bias")
    assert len(biases) == 1 + 2 * 11 and all(name.endswith("LayerNorm.bias") for name in biases)
    everything = [name for name, _ in student.named_parameters()]
    assert _meant(student, "*.weight") == [name for name in everything if name.endswith("weight")]
    assert _meant(student, "bert") == [name for name in everything if name.startswith("bert.")]


def test_what_matches_nothing_is_refused_with_what_there_is(build_student, build_trainer):
    """Prevents a mistyped name, or one without weights, that has no effect."""
    student = build_student()
    with pytest.raises(ValueError, match="got `embedding`, `dropout`; because") as refused:
        _meant(student, "classifier", "embedding", "dropout")
    parts = "`bert`, `bert.embeddings`, `bert.encoder`, `bert.pooler`, `classifier`"
    assert "of `TinyBertForSequenceClassification`" in str(refused.value) and f"name {parts}, a" in str(refused.value)
    with pytest.raises(ValueError, match="name `embeddings`, `encoder`, `pooler`, a part"):
        _meant(build_student("Model"), "bert.embeddings")
    trainer = build_trainer()
    assert not any(PROJECTIONS_ATTRIBUTE in name for name in _meant(trainer.model, "*.weight"))
    with pytest.raises(ValueError, match=f"expected `some` to name parts .* got `{PROJECTIONS_ATTRIBUTE}`"):
        _meant(trainer.model, PROJECTIONS_ATTRIBUTE)
    known = parts_by_pattern(trainer.model, [PROJECTIONS_ATTRIBUTE], "some", projections=True)
    assert known[PROJECTIONS_ATTRIBUTE] == [
        name for name, _ in trainer.model.named_parameters() if name.startswith(PROJECTIONS_ATTRIBUTE)
    ]
