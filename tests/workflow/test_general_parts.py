"""Tests of the parts of a general distillation: how they start a student, and what its trainer is made of."""

import pytest
import torch

from hf_tinybert.data.block_masking import MaskingPasses
from hf_tinybert.data.kinds.windows import IGNORED
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.workflow.general_figures import held_out_terms
from hf_tinybert.workflow.general_tasks import heads_of


def test_a_student_starts_nearer_to_its_teacher_than_at_random(build_parts):
    """Prevents a start that was asked for and is not made, or that is fitted on other text."""
    terms = {}
    for start in ("random", "projection"):
        parts = build_parts(start=start)
        terms[start] = held_out_terms(parts.trainer(parts.initialize()), {})
    assert terms["projection"]["hidden_states_loss"] < 0.8 * terms["random"]["hidden_states_loss"]
    parts = build_parts(start="layers", width=32, units=64)
    parts.initialize()
    own, other = (model.get_input_embeddings().weight for model in (parts.student, parts.teacher))
    assert torch.equal(own, other)


@pytest.mark.parametrize("mapping", ["1,4", "search"])
def test_a_student_starts_from_the_layers_that_it_imitates(build_parts, mapping):
    """Prevents a mapping that is imitated by a student that was built from other layers."""
    parts = build_parts(layer_mapping=mapping)
    initial = parts.initialize()
    assert parts.trainer(initial).layer_mapping == initial.mapping
    assert mapping == "search" or initial.mapping == (0, 1, 4)


def test_the_trainer_reads_the_blocks_and_names_the_teacher_as_others_may(build_parts):
    """Prevents held-out blocks that are trained on, and a path of this machine in a published record."""
    parts = build_parts()
    trainer = parts.trainer(parts.initialize())
    assert trainer.train_dataset is parts.train_rows and trainer.eval_dataset is parts.held_out_rows
    assert trainer.teacher_name == "public/teacher"
    assert MaskingPasses not in [type(one) for one in trainer.callback_handler.callbacks]


def test_masks_move_with_the_passes_and_stand_still_in_evaluations(build_parts):
    """Prevents one mask for all passes, and terms before and after that are of other hidden words."""
    parts = build_parts(masked_lm=1.0)
    trainer = parts.trainer(parts.initialize())
    rows = [parts.train_rows[index] for index in range(4)]
    first = trainer.data_collator(rows)["labels"]
    trainer.state.epoch = 1.0
    trainer.callback_handler.on_epoch_begin(trainer.args, trainer.state, trainer.control)
    assert not torch.equal(trainer.data_collator(rows)["labels"], first)
    labels = torch.as_tensor(trainer.eval_dataset["labels"][:])
    assert labels.shape == (len(parts.held_out_rows), parts.settings.block_length)
    assert bool((labels != IGNORED).any(dim=1).all())


def test_tasks_stand_beside_the_text_whose_teacher_has_a_public_name(build_parts, data_of):
    """Prevents a task that is dropped, and a path of this machine in the record of a student of several."""
    news = {"news": {"data": data_of("text-classification"), "train_rows": 16, "validation_rows": 8}}
    parts = build_parts(masked_lm=1.0, tasks=news)
    trainer = parts.trainer(parts.initialize())
    assert isinstance(trainer, MultiTaskDistillationTrainer) and list(trainer.tasks) == ["text", "news"]
    assert isinstance(parts.student, TinyBertForMultiTask) and heads_of(parts.tasks).keys() == {"news"}
    assert trainer.paired["text"].pair.teacher_name == "public/teacher"
