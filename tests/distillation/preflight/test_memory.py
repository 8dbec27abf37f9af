from dataclasses import replace

import pytest
import torch
from transformers import DataCollatorForLanguageModeling

from hf_tinybert.distillation.losses import Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight import memory
from hf_tinybert.distillation.preflight.memory import (
    available_memory,
    check_memory,
    estimate_memory,
    predicted_share,
)
from hf_tinybert.distillation.preflight.report import Status
from hf_tinybert.distillation.terms import Term


def test_weights_gradients_and_optimizer_are_counted_exactly(setup):
    """Prevents an estimate that misses Adam, which takes twice the weights."""
    student = sum(p.numel() for p in setup.student.parameters())
    teacher = sum(p.numel() for p in setup.teacher.parameters())
    buffers = sum(b.numel() * 8 for model in (setup.student, setup.teacher) for b in model.buffers())
    estimate = estimate_memory(setup, batch_size=4, length=8)
    assert estimate.weights == 4 * (student + teacher) + buffers
    assert (estimate.gradients, estimate.optimizer) == (4 * student, 8 * student)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_activations_are_about_what_autograd_keeps(setup, dropout):
    """Prevents an estimate that is off by more than a half, where it decides whether a batch fits."""
    setup.student.config.attention_probs_dropout_prob = dropout
    for layer in setup.student.bert.encoder.layer:
        layer.attention.self.dropout.p = dropout
    batch, length = 8, 48
    ids = torch.randint(5, 40, (batch, length))
    kept = {}

    def keep(tensor):
        alive.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    setup.student.train()
    alive = []  # an address that was freed would be counted once for two tensors
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = setup.student(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    parameters = {p.untyped_storage().data_ptr() for p in setup.student.parameters()}
    measured = sum(size for address, size in kept.items() if address not in parameters)
    estimate = estimate_memory(setup, batch_size=batch, length=length).student_activations
    assert output.projected_hidden_states is not None
    assert 0.67 < estimate / measured < 1.5


def test_of_masked_words_only_those_that_training_predicts_are_counted(setup, tokenizer, build_masked):
    """Prevents a refusal of batches that fit: the product with the vocabulary is made of hidden tokens alone."""
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    masked = replace(
        setup, student=build_masked(), collator=collator, train_dataset=setup.train_dataset.remove_columns("labels")
    )
    torch.manual_seed(0)
    assert 0.05 < predicted_share(masked) < 0.25
    assert predicted_share(replace(masked, objectives=masked.objectives[:1])) == 0.0
    whole = replace(masked.objectives[1], reduction=Reduction.REFERENCE)  # counts every position
    assert predicted_share(replace(masked, objectives=(whole,))) == 1.0
    everywhere = replace(masked, objectives=(masked.objectives[0], whole))
    sizes = [estimate_memory(one, batch_size=8, length=48).student_activations for one in (masked, everywhere)]
    product = 3 * masked.student.config.vocab_size * 4 * 8 * 48
    assert 0.75 * product < sizes[1] - sizes[0] < 0.95 * product  # all but the hidden tokens


def test_states_that_are_compared_as_they_are_need_no_memory_for_projections(setup):
    """Prevents a term without projections from being refused for memory that it does not take."""
    activations = [
        estimate_memory(
            replace(setup, objectives=(DistillationObjective({term: 1.0}),)), batch_size=4, length=8
        ).student_activations
        for term in (Term.HIDDEN_STATES, Term.HIDDEN_SIMILARITY)
    ]
    assert activations[0] > activations[1]


def test_the_cache_grows_with_the_tokens(setup):
    """Prevents a disk that fills up in the middle of a build."""
    one = estimate_memory(setup, batch_size=1, length=8, rows=10, mean_length=8)
    assert one.teacher_cache == 2 * 10 * (8 * (3 * 32 + 2 * 2 * 32) + 3)  # states, queries and keys; 3 logits a row
    assert estimate_memory(setup, batch_size=1, length=8).teacher_cache == 0


@pytest.mark.parametrize(("share", "status"), [(0.5, "ok"), (0.9, "warn"), (1.1, "fail")])
def test_more_memory_than_there_is_fails(setup, monkeypatch, share, status):
    """Prevents a run that ends in its longest batch."""
    lengths = setup.lengths
    working = estimate_memory(setup, batch_size=4, length=max(lengths)).working
    monkeypatch.setattr(memory, "available_memory", lambda device: int(working / share))
    row = check_memory(setup)
    assert row.status == status and "4 x 9 tokens" in row.found
    assert bool(row.cure) is (status != "ok")
    assert check_memory(replace(setup, arguments=None)).status is Status.SKIP


def test_this_machine_has_memory():
    """Prevents a refusal of everything because the reading failed."""
    assert available_memory(torch.device("cpu")) > 1e7
