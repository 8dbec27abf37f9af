"""Tests of what all training runs share."""

import pytest

from hf_tinybert.workflow.run_arguments import DataSettings, precision_arguments, stock_arguments


@pytest.mark.parametrize(
    "wrong", [{"train_rows": 0}, {"batch_size": 0}, {"warmup": 1.0}, {"masked_share": -0.1}, {"stride": -1}]
)
def test_values_out_of_range_are_refused_by_name(wrong):
    """Prevents a run on no rows."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DataSettings(data="somewhere", **wrong)


def test_settings_are_json():
    """Prevents a finished run from being taken for another one, because a tuple came back as a list."""
    settings = DataSettings(data="somewhere", columns={"text": "body"})
    assert settings.to_json()["columns"] == {"text": "body"} and settings.to_json()["seed"] == 0


def test_the_best_epoch_is_the_highest_score_or_the_lowest_loss(tmp_path):
    """Prevents the worst epoch from being kept."""
    settings = DataSettings(data="somewhere")
    assert stock_arguments(settings, tmp_path, metric="f1")["greater_is_better"] is True
    assert stock_arguments(settings, tmp_path, metric="loss")["greater_is_better"] is False
    last = stock_arguments(DataSettings(data="somewhere", keep_best=False), tmp_path, metric="f1")
    assert "eval_strategy" not in last and last["save_strategy"] == "epoch"


def test_precision_is_one_decision():
    """Prevents bf16 on a GPU that is not used."""
    assert set(precision_arguments()) == {"bf16", "use_cpu"}
