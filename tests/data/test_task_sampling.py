"""Tests of the shares that tasks get of the steps."""

import numpy as np
import pytest

from hf_tinybert.data.task_sampling import SamplingStrategy, TaskSampling, plan_steps

SIZES = [900, 90, 10]


def test_shares_follow_their_formulas():
    """Prevents small tasks that never come, or large ones that starve."""
    np.testing.assert_allclose(TaskSampling().shares(SIZES), [0.9, 0.09, 0.01])
    np.testing.assert_allclose(TaskSampling("temperature", temperature=1).shares(SIZES), [0.9, 0.09, 0.01])
    roots = np.sqrt(SIZES)
    np.testing.assert_allclose(TaskSampling("temperature", temperature=2).shares(SIZES), roots / roots.sum())
    annealed = TaskSampling("annealed", last_exponent=0.0)
    np.testing.assert_allclose(annealed.shares(SIZES, np.array([0.0, 1.0])), [[0.9, 0.09, 0.01], [1 / 3] * 3])


def test_annealing_ends_at_the_exponent_of_the_paper():
    """Prevents an end at equal shares where the paper keeps a fifth of the exponent."""
    powers = np.asarray(SIZES, float) ** 0.2
    np.testing.assert_allclose(TaskSampling("annealed").shares(SIZES, 1.0), powers / powers.sum())


@pytest.mark.parametrize("strategy", list(SamplingStrategy))
def test_every_task_has_had_its_share_at_every_moment(strategy):
    """Prevents a small task whose few steps chance leaves out or heaps up."""
    sampling, steps = TaskSampling(strategy), 400
    plan = plan_steps(sampling, SIZES, steps, steps, seed=5)
    expected = sampling.shares(SIZES, np.arange(steps) / (steps - 1)).cumsum(axis=0)
    counts = (plan[:, None] == np.arange(len(SIZES))).cumsum(axis=0)
    assert len(plan) == steps
    assert np.abs(counts - expected).max() < len(SIZES)


def test_a_plan_is_that_of_its_seed_and_a_longer_one_begins_as_a_shorter_one():
    """Prevents an epoch that a resumed run plans otherwise."""
    sampling = TaskSampling("annealed")
    whole = plan_steps(sampling, SIZES, 300, 300, seed=1)
    np.testing.assert_array_equal(plan_steps(sampling, SIZES, 100, 300, seed=1), whole[:100])
    assert (plan_steps(sampling, SIZES, 300, 300, seed=2) != whole).any()


def test_tasks_come_in_no_fixed_order():
    """Prevents a rhythm of tasks that training could follow."""
    plan = plan_steps(TaskSampling(), [10, 10], 200, 200, seed=0)
    repeats = int((plan[1:] == plan[:-1]).sum())
    assert 20 < repeats < 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"strategy": "uniform"},
            "expected a task sampling of `proportional`, .* got 'uniform'",
        ),
        ({"temperature": 0.5}, "temperature of at least 1, got 0.5"),
        ({"last_exponent": 1.5}, "from 0 .* to 1 .*, got 1.5"),
    ],
)
def test_what_no_sampling_is_is_refused(arguments, message):
    """Prevents a typing error from training by another sampling."""
    with pytest.raises(ValueError, match=message):
        TaskSampling(**arguments)
