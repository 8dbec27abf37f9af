"""Tests of what terms read and of the phases they belong to."""

from hf_tinybert.distillation.terms import Phase, Reads, Term, belongs_to, reads_of


def test_phases_have_the_terms_of_the_paper():
    """Prevents the prediction loss from being trained in the intermediate-layer phase."""
    terms = {phase: {term for term in Term if belongs_to(reads_of(term), phase)} for phase in Phase}
    predictions = {term for term in Term if reads_of(term) & Reads.LOGITS}
    assert terms == {
        Phase.INTERMEDIATE: set(Term) - predictions,
        Phase.PREDICTION: predictions,
        Phase.JOINT: set(Term),
    }
    assert {Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES} <= terms[Phase.INTERMEDIATE]
    assert Term.PREDICTION in predictions
