from dataclasses import replace
from math import log

import pytest
import torch

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight import first_step
from hf_tinybert.distillation.preflight.first_step import TermStart, check_first_losses, check_mean_loss, first_losses
from hf_tinybert.distillation.preflight.report import Status
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.distillation.terms import CustomTerm, Reads, Term


def test_bounds_are_what_the_paper_says_they_are(setup, objectives):
    """Prevents bounds that any loss lies within."""
    prediction = first_losses(setup, objectives[1])["prediction_loss"]
    with torch.no_grad():
        batch = setup.batch(setup.train_dataset, [row * 15 for row in range(8)])
        probabilities = setup.teacher(**setup.teacher_inputs(batch)).logits.softmax(-1)
    entropy = float(-(probabilities * probabilities.log()).sum(-1).mean())
    assert prediction.silent == pytest.approx(log(3), abs=1e-5)
    assert prediction.floor == pytest.approx(entropy, abs=1e-4)
    assert prediction.floor < prediction.value
    states = first_losses(setup, objectives[0])
    assert all(start.floor == pytest.approx(0, abs=1e-5) for start in states.values())
    assert all(start.silent > 0 and start.value > 0 for start in states.values())


def test_states_that_no_projection_changes_have_bounds_too(setup):
    """Prevents a term of the student's own states from being compared with itself, or from having no bounds."""
    terms = (Term.HIDDEN_SIMILARITY, Term.NEURON_SELECTIVITY, Term.HIDDEN_GRAM, Term.SOLUTION_FLOW)
    starts = first_losses(setup, DistillationObjective(dict.fromkeys(terms, 1.0)))
    assert list(starts) == list(terms)
    assert all(start.floor == pytest.approx(0, abs=1e-5) for start in starts.values())
    assert all(start.silent > 0 and start.value > 0 for start in starts.values())


def test_a_random_student_passes_in_every_phase(setup):
    """Prevents a warning at each ordinary start."""
    rows = check_first_losses(setup)
    assert [row.name for row in rows] == ["losses at step 0, phase 1", "losses at step 0, phase 2"]
    assert [row.status for row in rows] == [Status.OK] * 2, rows
    assert "attention_scores_loss" in rows[0].found and "prediction_loss" in rows[1].found


def test_a_student_that_is_its_teacher_is_warned_of(setup, teacher):
    """Prevents a loss of zero, of one model twice or of nothing captured, from looking like success."""
    twin = replace(setup, student=teacher, mapping=(0, 1, 2, 3, 4), objectives=setup.objectives[1:])
    (row,) = check_first_losses(twin)
    assert row.status is Status.WARN and "expected something to learn in `prediction_loss`" in row.found


@pytest.mark.parametrize(("hidden", "status"), [(0.2, Status.OK), (0.0, Status.WARN)])
def test_a_student_of_its_teachers_own_layers_may_have_its_embeddings(setup, monkeypatch, hidden, status):
    """Prevents a warning at each `--start layers`, where states behind the embeddings are still to be learned."""
    starts = {"embedding_loss": TermStart(0.0, 0.0, 1.0), "hidden_states_loss": TermStart(hidden, 0.0, 2.0)}
    monkeypatch.setattr(first_step, "first_losses", lambda *_: starts)
    row, *_ = check_first_losses(setup)
    assert row.status is status


def test_a_teacher_that_knows_nothing_is_not_taken_for_the_student(setup):
    """Prevents a search for two models that are one, where the teacher was never fine-tuned."""
    with torch.no_grad():
        for model in (setup.student, setup.teacher):
            model.classifier.weight.zero_()
            model.classifier.bias.zero_()
    (row,) = check_first_losses(replace(setup, objectives=setup.objectives[1:]))
    assert (
        row.status is Status.WARN and "the teacher's own answers are those of a model that knows nothing" in row.found
    )
    assert "fine-tune the teacher" in row.cure


def test_states_far_larger_than_the_teachers_are_warned_of(setup):
    """Prevents hundreds of steps that only shrink the student."""
    with torch.no_grad():
        for linear in setup.student.distillation_projections.projections:
            linear.weight.mul_(50)
    row, _ = check_first_losses(setup)
    assert row.status is Status.WARN and "expected `embedding_loss` up to 3 x" in row.found
    assert "initialize_from_teacher" in row.cure


def test_attention_that_puts_predictions_off_is_warned_of(setup, arguments):
    """Prevents a student of random weights from standing at chance for a whole pass, unsaid."""
    for layer in setup.teacher.bert.encoder.layer:
        layer.attention.self.query.weight.data.mul_(4)

    def row(recipe):
        objectives = tuple(replace(arguments, recipe=recipe, phases=None).objectives().values())
        return check_first_losses(replace(setup, objectives=objectives))[0]

    joint = row(RecipeName.TINYBERT_JOINT)
    assert joint.status is Status.WARN and "stays at chance" in joint.found and "tinybert-scratch" in joint.cure
    assert row(RecipeName.TINYBERT_SCRATCH).status is Status.OK
    assert row(RecipeName.TINYBERT).status is Status.OK  # no predictions beside attention


def test_a_loss_that_is_not_finite_fails(setup):
    """Prevents a run of NaN."""
    with torch.no_grad():
        setup.student.distillation_projections.projections[1].bias[0] = torch.inf
    row, other = check_first_losses(setup)
    assert row.status is Status.FAIL and "finite `hidden_states_loss`, got " in row.found
    assert other.status is Status.OK


def test_a_forward_that_fails_is_a_row(setup, rows):
    """Prevents one failure from hiding the rest of the table."""
    beyond = rows.map(lambda row: {"input_ids": [99] * len(row["input_ids"])})
    statuses = [row.status for row in check_first_losses(replace(setup, train_dataset=beyond))]
    assert statuses == [Status.FAIL] * 2
    assert check_first_losses(replace(setup, train_dataset=None, eval_dataset=None))[0].status is Status.SKIP


def test_a_loss_that_sums_over_the_batch_fails(setup):
    """Prevents gradients that grow with the batch but not with accumulation."""
    assert check_mean_loss(setup).status is Status.OK
    term = CustomTerm("sum_loss", Reads.LOGITS, lambda own, other: (own.logits - other.logits).square().sum())
    summed = DistillationObjective({"sum_loss": 1.0}, custom_terms=(term,))
    row = check_mean_loss(replace(setup, objectives=(summed,)))
    assert row.status is Status.FAIL and "expected `sum_loss` to be a mean over the batch" in row.found


def test_states_can_come_from_elsewhere(setup, objectives):
    """Prevents trainers with forwards of their own from being left out."""
    given = setup.forward(objectives[1], setup.batch(setup.train_dataset, [0]))
    asked = []

    def states(objective, inputs):
        asked.append(objective)
        return given

    first_losses(replace(setup, states=states, teacher=setup.teacher), objectives[1])
    assert asked == [objectives[1]]


@pytest.mark.parametrize("strategy", [MappingStrategy.ATTENTION, MappingStrategy.TRANSPORT])
def test_a_learned_mapping_has_its_losses_and_keeps_its_count(setup, strategy):
    """Prevents learned mappings from failing the preflight, and its batches from being told as the run's."""
    terms = {Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0}
    learned = DistillationObjective(terms, learned_mapping=LearnedMapping(strategy))
    (row,) = check_first_losses(replace(setup, objectives=(learned,)))
    assert row.status is Status.OK, row
    assert check_mean_loss(replace(setup, objectives=(learned,))).status is Status.OK
    assert learned.learned_mapping.mean_weights() == {}


@pytest.mark.parametrize("recipe", [name for name in RecipeName])
def test_every_recipe_passes_at_a_random_start(setup, recipe, tmp_path):
    """Prevents bounds that hold for the terms of one paper only."""
    arguments = DistillationArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", recipe=recipe)
    objectives = tuple(arguments.objectives().values())
    rows = check_first_losses(replace(setup, objectives=objectives, arguments=arguments))
    assert [row.status for row in rows] == [Status.OK] * len(objectives), rows
