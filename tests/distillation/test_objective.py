from dataclasses import replace

import pytest
import torch

from hf_tinybert.distillation import layer_terms, losses
from hf_tinybert.distillation import objective as objective_module
from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.losses import AttentionForm, ProblemType, Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.states import DistillationStates, StateRequest
from hf_tinybert.distillation.terms import CustomTerm, Reads, Term


def _states(width=8, own_width=6):
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    return DistillationStates(
        mask=mask,
        hidden_states=tuple(torch.randn(2, 4, width) for _ in range(3)),
        attentions=tuple(AttentionRecord(*(torch.randn(2, 2, 4, 3) for _ in range(3)), 0.5) for _ in range(2)),
        logits=torch.randn(2, 4, 5),
        logits_mask=mask,
        labels=torch.tensor([[1, 0, 4, 2], [3, 3, -100, -100]]),
        own_hidden_states=tuple(torch.randn(2, 4, own_width) for _ in range(3)),
    )


@pytest.mark.parametrize("reduction", list(Reduction))
def test_terms_are_the_loss_functions_summed_over_layers_under_their_names(reduction):
    """Prevents a mean over layers, an embedding output counted twice, and settings that do not arrive."""
    student, teacher = _states(), _states()
    terms = DistillationObjective(
        dict.fromkeys(Term, 1.0), temperature=2.0, reduction=reduction, relation_heads=2, label_smoothing=0.1
    )
    found = terms.losses(student, teacher)
    mask = student.mask
    states = list(zip(student.hidden_states, teacher.hidden_states, strict=True))
    own_states = list(zip(student.own_hidden_states, teacher.hidden_states, strict=True))
    records = list(zip(student.attentions, teacher.attentions, strict=True))
    logits = (student.logits, teacher.logits)
    expected = {
        "embedding_loss": losses.hidden_states_loss(*states[0], mask, reduction=reduction),
        "hidden_states_loss": sum(losses.hidden_states_loss(*pair, mask, reduction=reduction) for pair in states[1:]),
        "hidden_cosine_loss": sum(losses.hidden_cosine_loss(*pair, mask) for pair in states[1:]),
        "normalized_hidden_states_loss": sum(losses.normalized_hidden_states_loss(*pair, mask) for pair in states[1:]),
        "hidden_similarity_loss": sum(losses.hidden_similarity_loss(*pair, mask) for pair in own_states[1:]),
        "neuron_selectivity_loss": sum(losses.neuron_selectivity_loss(*pair, mask) for pair in own_states[1:]),
        "hidden_gram_loss": sum(losses.hidden_gram_loss(*pair, mask) for pair in states[1:]),
        "solution_flow_loss": sum(
            losses.solution_flow_loss(student.hidden_states[m : m + 2], teacher.hidden_states[m : m + 2], mask)
            for m in range(2)
        ),
        "attention_scores_loss": sum(
            losses.attention_scores_loss(*pair, mask, reduction=reduction) for pair in records
        ),
        "attention_probabilities_loss": sum(losses.attention_probabilities_loss(*pair, mask) for pair in records),
        "query_relations_loss": sum(
            losses.relations_loss(*pair, mask, vectors="query", relation_heads=2) for pair in records
        ),
        "key_relations_loss": sum(
            losses.relations_loss(*pair, mask, vectors="key", relation_heads=2) for pair in records
        ),
        "value_relations_loss": sum(
            losses.relations_loss(*pair, mask, vectors="value", relation_heads=2) for pair in records
        ),
        "prediction_loss": losses.prediction_loss(*logits, mask, temperature=2.0, reduction=reduction),
        "prediction_kl_loss": losses.prediction_kl_loss(*logits, mask, temperature=2.0),
        "logits_mse_loss": losses.logits_mse_loss(*logits, mask),
        "multi_label_prediction_loss": losses.multi_label_prediction_loss(*logits, mask, temperature=2.0),
        "regression_prediction_loss": losses.regression_prediction_loss(*logits, mask),
        "sentence_embedding_loss": losses.sentence_embedding_loss(*logits),
        "label_loss": losses.label_loss(
            student.logits, student.labels, problem=losses.ProblemType.SINGLE_LABEL, label_smoothing=0.1
        ),
        "masked_lm_loss": losses.masked_lm_loss(student.logits, student.labels, label_smoothing=0.1),
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_term_compares_the_layers_it_is_told():
    """Prevents layers that are chosen in vain: every other layer would be learned too."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({Term.HIDDEN_STATES: 1.0}, layers={Term.HIDDEN_STATES: (-1,)})
    torch.testing.assert_close(
        objective.losses(student, teacher)["hidden_states_loss"],
        losses.hidden_states_loss(student.hidden_states[2], teacher.hidden_states[2], student.mask),
    )
    assert objective.request(2) == StateRequest(hidden_states=(2,))
    with pytest.raises(ValueError, match=r"expected layers from 1 to 2 .* for `hidden_states_loss`, got \[-3\]"):
        DistillationObjective({Term.HIDDEN_STATES: 1.0}, layers={Term.HIDDEN_STATES: (-3,)}).request(2)


@pytest.mark.parametrize(("problem", "lengths"), [(ProblemType.EMBEDDING, False), (ProblemType.VECTOR, True)])
def test_lengths_of_embeddings_are_learnt_where_they_count(problem, lengths):
    """Prevents a student of dot products that is taught directions alone, and one of angles that is taught lengths."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({Term.SENTENCE_EMBEDDING: 1.0}, problem=problem)
    expected = losses.sentence_embedding_loss(student.logits, teacher.logits, lengths=lengths)
    assert torch.equal(objective.losses(student, teacher)["sentence_embedding_loss"], expected)


def test_products_of_states_may_be_compared_at_the_embedding_output():
    """Prevents layer 0 from being out of reach, and from being counted by a term that has a sister there."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({Term.HIDDEN_SIMILARITY: 1.0}, layers={Term.HIDDEN_SIMILARITY: (0, -1)})
    pairs = [(student.own_hidden_states[layer], teacher.hidden_states[layer]) for layer in (0, 2)]
    torch.testing.assert_close(
        objective.losses(student, teacher)["hidden_similarity_loss"],
        sum(losses.hidden_similarity_loss(*pair, student.mask) for pair in pairs),
    )
    assert objective.request(2) == StateRequest(hidden_states=(0, 2))
    assert objective.teacher_request(2, (0, 3, 6)) == StateRequest(hidden_states=(0, 6))
    with pytest.raises(ValueError, match="expected layers from 1 to 2 .* for `hidden_cosine_loss`"):
        DistillationObjective({Term.HIDDEN_COSINE: 1.0}, layers={Term.HIDDEN_COSINE: (0,)}).request(2)


def test_a_flow_goes_from_one_compared_layer_to_the_next():
    """Prevents a flow over a layer that is left out, and one that begins nowhere."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({Term.SOLUTION_FLOW: 1.0}, layers={Term.SOLUTION_FLOW: (2,)})
    flows = [(states.hidden_states[0], states.hidden_states[2]) for states in (student, teacher)]
    torch.testing.assert_close(
        objective.losses(student, teacher)["solution_flow_loss"], losses.solution_flow_loss(*flows, student.mask)
    )
    assert objective.request(2) == StateRequest(hidden_states=(0, 2))


@pytest.mark.parametrize(
    ("term", "projected"),
    [
        (Term.HIDDEN_SIMILARITY, False),
        (Term.NEURON_SELECTIVITY, False),
        (Term.HIDDEN_GRAM, True),
        (Term.SOLUTION_FLOW, True),
        (Term.HIDDEN_STATES, True),
    ],
)
def test_only_terms_of_one_width_need_projections(term, projected):
    """Prevents projections that nothing trains, and states of two widths beside each other."""
    objective = DistillationObjective({term: 1.0})
    assert objective.reads_hidden_states
    assert objective.reads_projections is projected


def test_the_temperature_follows_the_progress_of_the_phase():
    """Prevents a temperature that is set to move and stays where it starts."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({Term.PREDICTION: 1.0, Term.LOGITS_MSE: 1.0}, temperature=[8, 2])
    for progress, temperature in ((0.0, 8.0), (0.5, 5.0), (1.0, 2.0)):
        found = objective.losses(student, teacher, progress)["prediction_loss"]
        expected = losses.prediction_loss(student.logits, teacher.logits, student.mask, temperature=temperature)
        torch.testing.assert_close(found, expected)
    assert objective.moving_at(0.5) == {"temperature": 5.0}
    assert DistillationObjective({Term.LOGITS_MSE: 1.0}, temperature=[8, 2]).moving_at(0.5) == {}
    with pytest.raises(ValueError, match="expected a positive `temperature`"):
        DistillationObjective({Term.PREDICTION: 1.0}, temperature=[8, 0])


@pytest.mark.parametrize(
    ("term", "loss"),
    [
        (Term.PREDICTION, losses.prediction_loss),
        (Term.PREDICTION_KL, losses.prediction_kl_loss),
        (Term.LOGITS_MSE, losses.logits_mse_loss),
    ],
)
def test_a_probability_shift_corrects_the_teacher_by_the_labels(term, loss):
    """Prevents a shift that is asked for and not made, or made at positions without a label."""
    student, teacher = _states(), _states()
    objective = DistillationObjective({term: 1.0}, probability_shift=True)
    corrected = teacher.logits.clone()
    for row, position in (student.labels != -100).nonzero().tolist():
        gold, best = student.labels[row, position], corrected[row, position].argmax()
        corrected[row, position, [gold, best]] = corrected[row, position, [best, gold]]
    found = objective.losses(student, teacher)[term]
    torch.testing.assert_close(found, loss(student.logits, corrected, student.mask))
    assert not torch.isclose(found, loss(student.logits, teacher.logits, student.mask))
    assert objective.reads_labels and objective.reads_teacher
    assert not DistillationObjective({Term.HIDDEN_STATES: 1.0}, probability_shift=True).reads_labels
    with pytest.raises(ValueError, match="expected labels in the batch, got none; because `probability_shift`"):
        objective.losses(replace(student, labels=None), teacher)


@pytest.mark.parametrize("problem", ["regression", "embedding", "multi_label"])
def test_a_probability_shift_of_what_has_no_best_class_is_refused(problem):
    """Prevents a setting that could only be ignored, or that swaps numbers of a regression."""
    with pytest.raises(ValueError, match=f"with classes of which one is right, got `{problem}`"):
        DistillationObjective({Term.LOGITS_MSE: 1.0}, problem=losses.ProblemType(problem), probability_shift=True)


def test_the_teacher_is_asked_for_mapped_layers_and_for_predictions_only_when_they_are_compared():
    """Prevents forwards that keep every layer, and a teacher that predicts for a term that reads labels only."""
    every = DistillationObjective(dict.fromkeys(Term, 1.0))
    assert every.request(2) == StateRequest((0, 1, 2), (1, 2), True, True)
    assert every.teacher_request(2, (0, 3, 6)) == StateRequest((0, 3, 6), (3, 6), True, True)
    labels = DistillationObjective({Term.LABEL: 1.0})
    assert labels.request(2) == StateRequest((), (), True)
    assert labels.teacher_request(2, (0, 3, 6)) == StateRequest((), (), False)
    assert not labels.reads_teacher
    learned = DistillationObjective(
        {Term.HIDDEN_STATES: 1.0}, learned_mapping=LearnedMapping(MappingStrategy.TRANSPORT)
    )
    assert learned.teacher_request(2, (0, 1, 2, 3)) == StateRequest((1, 2, 3))


def test_a_term_of_ones_own_is_computed_and_weighted_like_the_built_in_ones():
    """Prevents custom terms that are logged and not trained, or trained and not logged."""
    student, teacher = _states(), _states()
    own = CustomTerm("mean_loss", Reads.LOGITS, lambda s, t: (s.logits.mean() - t.logits.mean()).square())
    objective = DistillationObjective({"mean_loss": 2.0, Term.LOGITS_MSE: 1.0}, custom_terms=(own,))
    found = objective.losses(student, teacher)
    torch.testing.assert_close(objective.total(found), 2 * found["mean_loss"] + found["logits_mse_loss"])
    assert objective.request(2) == StateRequest(logits=True)
    with pytest.raises(ValueError, match="got mean_loss"):
        DistillationObjective({"mean_loss": 1.0})
    with pytest.raises(ValueError, match="names of their own"):
        DistillationObjective({"label_loss": 1.0}, custom_terms=(CustomTerm("label_loss", Reads.LOGITS, own.compute),))


def test_weights_follow_the_progress_of_the_phase():
    """Prevents annealing that never moves."""
    objective = DistillationObjective({Term.PREDICTION: [1, 0], Term.LABEL: [0, 1], Term.LOGITS_MSE: 0.5})
    values = {
        "prediction_loss": torch.tensor(8.0),
        "label_loss": torch.tensor(4.0),
        "logits_mse_loss": torch.tensor(2.0),
    }
    assert [objective.total(values, progress).item() for progress in (0.0, 0.5, 1.0)] == [9.0, 7.0, 5.0]
    assert objective.moving_at(0.5) == {"prediction_loss_weight": 0.5, "label_loss_weight": 0.5}


def test_labels_that_are_missing_are_said():
    """Prevents a term on labels from failing with a message about None."""
    states = DistillationStates(mask=torch.ones(2, 4), logits=torch.randn(2, 5))
    with pytest.raises(ValueError, match="expected labels in the batch, got none"):
        DistillationObjective({Term.LABEL: 1.0}).losses(states, states)


@pytest.mark.parametrize("strategy", [MappingStrategy.ATTENTION, MappingStrategy.TRANSPORT])
def test_a_learned_mapping_weighs_all_teacher_layers(strategy):
    """Prevents a learned mapping that is asked for and not used."""
    student, teacher = _states(), _states()
    mapping = LearnedMapping(strategy)
    objective = DistillationObjective(
        {Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0}, learned_mapping=mapping
    )
    found = objective.losses(student, teacher)
    torch.testing.assert_close(
        found["hidden_states_loss"],
        LearnedMapping(strategy).hidden_states_loss(
            student.hidden_states[1:], teacher.hidden_states[1:], student.mask
        ),
    )
    with pytest.raises(ValueError, match="expected a fixed layer mapping with hidden_cosine_loss"):
        DistillationObjective({Term.HIDDEN_COSINE: 1.0}, learned_mapping=mapping)


def test_the_total_is_the_weighted_sum():
    """Prevents weights that are logged and not applied."""
    weights = {Term.EMBEDDING: 0.5, Term.PREDICTION: 3.0}
    total = DistillationObjective(weights).total(
        {"embedding_loss": torch.tensor(2.0), "prediction_loss": torch.tensor(4.0)}
    )
    assert total.item() == pytest.approx(13.0)


def test_a_term_without_weight_is_not_computed(monkeypatch):
    """Prevents a term that is switched off from costing time, or from failing on models that lack its inputs."""

    def fail(*args, **kwargs):
        raise RuntimeError("computed")

    monkeypatch.setattr(objective_module, "hidden_states_loss", fail)
    monkeypatch.setattr(layer_terms, "attention_scores_loss", fail)
    only_logits = DistillationStates(mask=torch.ones(2, 4), logits=torch.randn(2, 5))
    found = DistillationObjective({Term.PREDICTION: 1.0}).losses(only_logits, only_logits)
    assert list(found) == ["prediction_loss"]
    with pytest.raises(RuntimeError, match="computed"):
        DistillationObjective({Term.EMBEDDING: 1.0}).losses(_states(), _states())


def test_the_attention_form_arrives(monkeypatch):
    """Prevents a setting that changes nothing."""
    seen = []

    def spy(*args, form, **kwargs):
        seen.append(form)
        return torch.zeros(())

    monkeypatch.setattr(layer_terms, "attention_scores_loss", spy)
    DistillationObjective({Term.ATTENTION_SCORES: 1.0}, attention_form=AttentionForm.FACTORED).losses(
        _states(), _states()
    )
    assert seen == [AttentionForm.FACTORED]


@pytest.mark.parametrize("missing", ["student", "teacher"])
def test_missing_predictions_are_said(missing):
    """Prevents a model without head from failing with a message about None."""
    states = {"student": _states(), "teacher": _states()}
    states[missing] = DistillationStates(mask=torch.ones(2, 4))
    with pytest.raises(ValueError, match=f"expected logits of the {missing}, got none"):
        DistillationObjective({Term.PREDICTION: 1.0}).losses(states["student"], states["teacher"])


@pytest.mark.parametrize("missing", ["hidden_states", "attentions"])
def test_models_of_different_depth_are_not_zipped_short(missing):
    """Prevents layers from being dropped silently where one side has fewer."""
    student, teacher = _states(), _states()
    short = DistillationStates(
        **{**vars(teacher), missing: getattr(teacher, missing)[:-1]},
    )
    term = Term.HIDDEN_STATES if missing == "hidden_states" else Term.ATTENTION_SCORES
    with pytest.raises(ValueError, match="zip"):
        DistillationObjective({term: 1.0}).losses(student, short)
