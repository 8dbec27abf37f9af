"""Every family as teacher of a TinyBERT, and every family on the attention interface as a student."""

import pytest
import torch

from hf_tinybert.distillation.terms import Term
from tests.distillation.families import FAMILIES, INTERFACE_FAMILIES

PRODUCTS = (Term.HIDDEN_SIMILARITY, Term.NEURON_SELECTIVITY, Term.HIDDEN_GRAM, Term.SOLUTION_FLOW)
TERMS = (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES, *PRODUCTS, Term.PREDICTION)
WEIGHTS = {str(term): 1.0 for term in PRODUCTS}


def _terms(trainer):
    trainer.train()
    first = next(logs for logs in trainer.state.log_history if "loss" in logs)
    return {term: first[term] for term in TERMS}


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_family_teaches_a_tinybert(build_trainer, build_student, build_rows, family):
    """Prevents a family whose columns, states or attention go astray between the data and the loss."""
    trainer = build_trainer(
        {"phases": ["joint"], "max_steps": 1, "loss_weights": WEIGHTS},
        teacher=family.build_model("ForSequenceClassification"),
        model=build_student(max_position_embeddings=32),
        train_dataset=build_rows(4, labels=False),
    )
    terms = _terms(trainer)
    assert all(torch.isfinite(torch.tensor(value)) and value > 0 for value in terms.values())


@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_every_family_on_the_interface_is_taught(build_trainer, build_rows, family):
    """Prevents a student whose weights stay where they are, or whose states are another's."""
    student = family.build_model("ForSequenceClassification", num_hidden_layers=2, seed=5)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    trainer = build_trainer(
        {
            "phases": ["joint"],
            "max_steps": 1,
            "weight_decay": 0.0,
            "learning_rate": 1e-2,
            "loss_weights": WEIGHTS,
        },
        model=student,
        train_dataset=build_rows(4, labels=False),
    )
    terms = _terms(trainer)
    assert all(torch.isfinite(torch.tensor(value)) and value > 0 for value in terms.values())
    after = trainer.model.state_dict()
    moved = [name for name, tensor in before.items() if not torch.equal(after[name], tensor)]
    assert any("query" in name or "q_" in name or "Wqkv" in name or "qkv" in name for name in moved)
    assert len(moved) > len(before) / 2


@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_a_copy_of_the_teacher_has_nothing_to_learn(build_trainer, build_rows, family):
    """Prevents states that are compared across different layers, positions or masks: the same model would differ."""
    teacher, student = (family.build_model("ForSequenceClassification") for _ in range(2))
    trainer = build_trainer(
        {"phases": ["joint"], "loss_weights": WEIGHTS},
        model=student,
        teacher=teacher,
        eval_dataset=build_rows(4, labels=False),
    )
    metrics = trainer.evaluate()
    for term in TERMS[:-1]:
        assert metrics[f"eval_{term}"] == pytest.approx(0.0, abs=1e-4)
