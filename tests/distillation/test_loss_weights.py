"""Tests of the weights of terms as people give them."""

import pytest

from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.schedules import Schedule
from hf_tinybert.distillation.terms import Term


def test_every_term_has_its_schedule():
    """Prevents weights of two terms that change places, or forms that one way of giving them has alone."""
    assert parse_loss_weights({Term.LABEL: 0.5, "prediction_loss": [1, 0]}) == {
        "label_loss": Schedule.constant(0.5),
        "prediction_loss": Schedule.linear(1, 0),
    }
    assert parse_loss_weights({}) == {}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"atention_scores_loss": 1.0}, "expected `loss_weights` for embedding_loss, .*, got atention_scores_loss"),
        ({"label_loss": -1}, "`loss_weights` of label_loss: .*, got -1"),
        ({"label_loss": float("nan")}, "`loss_weights` of label_loss: .*, got nan"),
        ({"label_loss": "much"}, "`loss_weights` of label_loss: .*, got 'much'"),
    ],
)
def test_what_is_no_weight_is_refused_by_its_name(given, match):
    """Prevents a term that is left out without a word, and a loss that is NaN at every step."""
    with pytest.raises(ValueError, match=match):
        parse_loss_weights(given)
