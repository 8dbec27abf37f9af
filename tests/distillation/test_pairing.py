"""Tests of a student and a teacher made ready for each other."""

import logging

from hf_tinybert.distillation.attention import UNRECORDED_IMPLEMENTATION
from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.terms import Phase, Term
from hf_tinybert.models.initialization import initialize_from_teacher


def test_a_pair_is_ready_to_be_compared(build_student, build_teacher, build_arguments):
    """Prevents a teacher that trains, attention that is not recorded, and states in the wrong order."""
    student = build_student()
    pair = pair_models(student, build_teacher().train(), build_arguments())
    assert pair.student is student
    assert list(pair.objectives) == [Phase.INTERMEDIATE, Phase.PREDICTION]
    assert pair.layer_mapping == pair.alignment == (0, 2, 4)
    assert pair.access is AttentionAccess.INTERFACE
    assert not any(parameter.requires_grad for parameter in pair.teacher.parameters())
    for model in (pair.student, pair.teacher):
        assert model.config._attn_implementation.startswith("distillation_sdpa")
    assert PROJECTIONS_ATTRIBUTE in student._modules
    assert "2 layers x 16" in pair.mapping_table("uniform") and "4 layers x 32" in pair.mapping_table("uniform")


def test_a_learned_mapping_compares_all_of_the_teachers_layers(build_student, build_teacher, build_arguments):
    """Prevents a learned mapping that only ever sees the layers of the uniform one."""
    pair = pair_models(build_student(), build_teacher(), build_arguments(layer_mapping="attention"))
    assert pair.alignment == (0, 1, 2, 3, 4)


def test_predictions_alone_touch_neither_attention_nor_projections(build_student, build_teacher, build_arguments):
    """Prevents a student that pays for states which no term reads."""
    student = build_student()
    objectives = {Phase.PREDICTION: DistillationObjective({Term.PREDICTION: 1.0})}
    pair = pair_models(student, build_teacher(), build_arguments(phases=["prediction-layer"]), objectives=objectives)
    assert pair.objectives == objectives
    assert student.config._attn_implementation == UNRECORDED_IMPLEMENTATION
    assert PROJECTIONS_ATTRIBUTE not in student._modules


def test_another_mapping_than_that_of_the_start_is_said(build_student, build_teacher, build_arguments, caplog):
    """Prevents a good start from being thrown away without a word."""
    student, teacher = build_student(), build_teacher()
    start = initialize_from_teacher(student, teacher, method="random", layer_mapping=[0, 3, 4])
    with caplog.at_level(logging.WARNING, logger="hf_tinybert"):
        pair_models(student, teacher, build_arguments(layer_mapping="uniform"), initialization=start)
    assert "imitates (0, 2, 4)" in caplog.text
