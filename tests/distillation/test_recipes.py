import pytest

from hf_tinybert.distillation.losses import ProblemType
from hf_tinybert.distillation.recipes import RECIPES, RecipeName, term_for_task
from hf_tinybert.distillation.terms import Phase, Term, belongs_to, reads_of


def test_every_recipe_has_its_entry():
    """Prevents a name that is offered and fails when it is chosen."""
    assert set(RECIPES) == set(RecipeName)


@pytest.mark.parametrize("name", list(RecipeName))
def test_every_term_of_a_recipe_is_trained_in_one_of_its_phases(name):
    """Prevents a factor without effect."""
    recipe = RECIPES[name]
    for term in recipe.weights:
        assert any(belongs_to(reads_of(term), phase) for phase in recipe.phases)
    assert set(recipe.layers) <= set(recipe.weights)


def test_recipes_are_the_published_ones():
    """Prevents a preset that bears the name of another method."""
    assert set(RECIPES[RecipeName.TINYBERT].weights.values()) == {1.0}
    assert RECIPES[RecipeName.TINYBERT].phases == (Phase.INTERMEDIATE, Phase.PREDICTION)
    assert RECIPES[RecipeName.TINYBERT_JOINT].weights == RECIPES[RecipeName.TINYBERT].weights
    joint = dict(RECIPES[RecipeName.TINYBERT_JOINT].weights)
    assert joint.pop(Term.ATTENTION_SCORES) and RECIPES[RecipeName.TINYBERT_SEVERAL].weights == joint
    scratch = {**RECIPES[RecipeName.TINYBERT_JOINT].weights, Term.ATTENTION_SCORES: 0.1}
    assert RECIPES[RecipeName.TINYBERT_SCRATCH].weights == scratch
    assert RECIPES[RecipeName.MINILMV2].layers[Term.VALUE_RELATIONS] == (-1,)
    assert RECIPES[RecipeName.DISTILBERT].weights[Term.PREDICTION_KL] == 5.0
    assert RECIPES[RecipeName.PKD].weights[Term.PREDICTION_KL] + RECIPES[RecipeName.PKD].weights[Term.LABEL] == 1.0


@pytest.mark.parametrize(
    ("asked", "problem", "masked_lm", "does_the_work"),
    [
        (Term.PREDICTION, ProblemType.SINGLE_LABEL, False, Term.PREDICTION),
        (Term.PREDICTION, ProblemType.MULTI_LABEL, False, Term.MULTI_LABEL_PREDICTION),
        (Term.PREDICTION_KL, ProblemType.MULTI_LABEL, False, Term.MULTI_LABEL_PREDICTION),
        (Term.PREDICTION, ProblemType.REGRESSION, False, Term.REGRESSION_PREDICTION),
        (Term.PREDICTION, ProblemType.EMBEDDING, False, Term.SENTENCE_EMBEDDING),
        (Term.PREDICTION_KL, ProblemType.EMBEDDING, False, Term.SENTENCE_EMBEDDING),
        (Term.PREDICTION, ProblemType.VECTOR, False, Term.SENTENCE_EMBEDDING),
        (Term.MASKED_LM, ProblemType.SINGLE_LABEL, True, Term.MASKED_LM),
        (Term.MASKED_LM, ProblemType.SINGLE_LABEL, False, Term.LABEL),
        (Term.HIDDEN_STATES, ProblemType.REGRESSION, False, Term.HIDDEN_STATES),
        ("my_loss", ProblemType.REGRESSION, False, "my_loss"),
    ],
)
def test_a_term_becomes_the_one_of_the_task(asked, problem, masked_lm, does_the_work):
    """Prevents a softmax over independent labels, and over the one number of a regression, whose loss is always 0."""
    assert term_for_task(asked, problem, masked_lm=masked_lm) == does_the_work
