"""Tests of the compared loops."""

import pytest

from hf_tinybert.benchmark import Arm
from hf_tinybert.benchmark.arms import training_loop
from hf_tinybert.distillation.terms import Phase


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("arm", list(Arm))
def test_every_arm_makes_every_step_of_every_pass_in_every_phase(build_workload, tmp_path, capsys, arm, phase):
    """Prevents a rate over steps that an arm left out, and phases that cannot be measured."""
    workload, steps = build_workload(phase=phase), []
    loop = training_loop(arm, workload, workload.make_rows(), 2, tmp_path)
    loop(lambda: steps.append(None))
    assert len(steps) == 2 * workload.steps
    assert capsys.readouterr().out == ""  # logs between two turns would end up in the table


def test_the_engine_with_its_cache_computes_the_teacher_once(build_workload, tmp_path):
    """Prevents a ratio `with cache` of an arm that asks the teacher every step, or of one that has no cache."""
    workload = build_workload()
    training_loop(Arm.ENGINE, workload, workload.make_rows(), 1, tmp_path / "without")(lambda: None)
    training_loop(Arm.ENGINE_CACHE, workload, workload.make_rows(), 1, tmp_path / "with")(lambda: None)
    assert not (tmp_path / "without" / "cache").exists()
    assert any((tmp_path / "with" / "cache").iterdir())
