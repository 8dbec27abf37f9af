import pytest
import torch
from accelerate import Accelerator

from hf_tinybert.distillation.running_means import RunningMeans


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


def test_means_are_weighted_by_rows(accelerator):
    """Prevents a short last batch from counting as much as a full one."""
    means = RunningMeans()
    means.add({"a_loss": torch.tensor(1.0), "b_loss": torch.tensor(10.0)}, rows=3)
    means.add({"a_loss": torch.tensor(5.0), "b_loss": torch.tensor(20.0)}, rows=1)
    assert means.drain(accelerator) == {"a_loss": pytest.approx(2.0), "b_loss": pytest.approx(12.5)}


def test_no_rows_leave_the_names(accelerator):
    """Prevents a process whose last rows are all doubles from missing where the others wait, and a NaN of theirs."""
    means = RunningMeans()
    means.add({"a_loss": torch.tensor(torch.nan)}, rows=0)
    assert means._sums.keys() == {("a_loss",)}
    means.add({"a_loss": torch.tensor(3.0)}, rows=2)
    assert means.drain(accelerator) == {"a_loss": pytest.approx(3.0)}


def test_a_drain_starts_anew(accelerator):
    """Prevents a log that averages over everything since the start."""
    means = RunningMeans()
    means.add({"a_loss": torch.tensor(1.0)}, rows=3)
    means.drain(accelerator)
    assert means.drain(accelerator) == {}
    means.add({"b_loss": torch.tensor(4.0)}, rows=2)
    assert means.drain(accelerator) == {"b_loss": pytest.approx(4.0)}


def test_no_graph_is_kept(accelerator):
    """Prevents the activations of every step since the last log from staying in memory."""
    means, weight = RunningMeans(), torch.ones((), requires_grad=True)
    means.add({"a_loss": weight * 2}, rows=1)
    assert not means._sums[("a_loss",)].requires_grad
    assert means.drain(accelerator) == {"a_loss": pytest.approx(2.0)}


def test_a_name_is_one_mean_whatever_comes_beside_it(accelerator):
    """Prevents a term of batches with other terms beside it from being told twice, or of one kind of batch alone."""
    means = RunningMeans()
    means.add({"a_loss": torch.tensor(1.0), "b_loss": torch.tensor(10.0)}, rows=3)
    means.add({"a_loss": torch.tensor(5.0)}, rows=1)
    assert means.drain(accelerator) == {"a_loss": pytest.approx(2.0), "b_loss": pytest.approx(10.0)}
