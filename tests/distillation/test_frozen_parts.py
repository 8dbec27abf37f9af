"""Tests of parts of a student that stay as they start."""

import peft
import pytest
import torch

from hf_tinybert.distillation.frozen_parts import frozen_parts
from hf_tinybert.distillation.record import DistillationRecord

WORDS = "bert.embeddings.word_embeddings.weight"
SAVED = {"save_strategy": "steps", "save_steps": 1}


def _weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _unmoved(model, before):
    after = model.state_dict()
    return sorted(name for name, tensor in before.items() if torch.equal(after[name], tensor))


# what is meant


def test_a_weight_that_two_modules_share_is_frozen_by_the_name_of_either(build_student):
    """Prevents word embeddings that are called frozen and move by the output that is tied to them."""
    student = build_student("ForMaskedLM")
    for name in ("word_embeddings", "decoder.weight"):
        with frozen_parts(student, [name]):
            assert not student.get_output_embeddings().weight.requires_grad
            assert not student.get_input_embeddings().weight.requires_grad


def test_an_adapter_student_is_refused(build_student, build_trainer):
    """Prevents a setting without effect: the base of an adapter is frozen as it is."""
    adapted = peft.get_peft_model(build_student(), peft.LoraConfig("SEQ_CLS", r=2, target_modules=["query"]))
    with pytest.raises(ValueError, match="expected no `frozen` of a student with an adapter, got `embeddings`"):
        build_trainer({"frozen": ["embeddings"]}, model=adapted)


def test_what_learned_before_learns_again_afterwards_and_nothing_else(build_student):
    """Prevents a second run on a student of which a part silently stays frozen, or thaws."""
    student = build_student()
    student.bert.pooler.requires_grad_(False)
    with pytest.raises(KeyError), frozen_parts(student, ["embeddings", "pooler"]):
        assert not any(one.requires_grad for one in student.bert.embeddings.parameters())
        raise KeyError
    assert all(one.requires_grad for one in student.bert.embeddings.parameters())
    assert not any(one.requires_grad for one in student.bert.pooler.parameters())
    with frozen_parts(student, None):
        assert all(one.requires_grad for one in student.bert.embeddings.parameters())


# in training


def test_frozen_parts_are_bit_equal_after_both_phases_and_all_others_move(build_trainer, build_student, caplog):
    """Prevents frozen weights that weight decay moves, or that the second phase's optimizer takes up."""
    student = build_student(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    trainer = build_trainer({"frozen": ["embeddings.word_embeddings"], "weight_decay": 0.1}, model=student)
    before = _weights(trainer.model)
    with caplog.at_level("INFO", logger="hf_tinybert"):
        trainer.train()
    assert _unmoved(trainer.model, before) == [WORDS]
    assert caplog.text.count(f"frozen: {WORDS}") == 1
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())


def test_the_optimizer_keeps_nothing_of_what_is_frozen(build_trainer):
    """Prevents moments of weights that never move: most of a small student is its word embeddings."""
    trainer = build_trainer({"frozen": ["word_embeddings"], "phases": ["joint"]})
    trainer.train()
    held = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert trainer.model.bert.embeddings.word_embeddings.weight not in set(held)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"frozen": ["embedings"]}, "got `embedings`"),
        ({"frozen": ["bert"]}, "got a frozen encoder; because only projections would be trained"),
        ({"frozen": ["*"], "phases": ["prediction-layer"]}, "got all of it: `[*]`"),
        ({"frozen": ["bert", "classifier"]}, "got all of it: `bert`, `classifier`"),
    ],
)
def test_a_run_that_could_not_learn_is_refused_and_leaves_the_student_as_it_was(
    build_trainer, build_student, arguments, refusal
):
    """Prevents hours of which only projections, which are thrown away, keep anything."""
    student = build_student()
    with pytest.raises(ValueError, match=refusal):
        build_trainer(arguments, model=student)
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_the_head_alone_can_be_trained(build_trainer):
    """Prevents a linear probe from being refused as a frozen student."""
    trainer = build_trainer({"frozen": ["bert"], "phases": ["prediction-layer"], "learning_rate": 1e-2})
    before = _weights(trainer.model)
    trainer.train()
    assert {name for name in before if not name.startswith("bert.")} == before.keys() - set(
        _unmoved(trainer.model, before)
    )


def test_a_resumed_run_ends_as_the_straight_one_and_is_told_and_refused_with_others_frozen(
    build_trainer, build_student, tmp_path
):
    """Prevents moments of one weight that are taken for another's, as they are numbered in order of what learns."""
    settings = {**SAVED, "frozen": ["word_embeddings", "layer.0"], "learning_rate": 1e-2}
    straight = build_trainer({**settings, "output_dir": str(tmp_path / "run")}, model=build_student())
    straight.train()
    checkpoint = tmp_path / "run" / "prediction-layer" / "checkpoint-1"
    assert DistillationRecord.load(checkpoint).frozen == ["word_embeddings", "layer.0"]
    resumed = build_trainer({**settings, "output_dir": str(tmp_path / "other")}, model=build_student())
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert _unmoved(resumed.model, _weights(straight.model)) == sorted(straight.model.state_dict())
    other = build_trainer({**settings, "frozen": ["word_embeddings"]}, model=build_student())
    with pytest.raises(
        ValueError, match=r"expected `frozen` as in .*checkpoint-1`, \['layer.0', 'word_embeddings'\], got"
    ):
        other.train(resume_from_checkpoint=str(checkpoint))
