"""Tests of the compared loops."""

import pytest

from hf_tinybert.benchmark import Arm
from hf_tinybert.benchmark.arms import training_loop
from hf_tinybert.distillation.objective import Phase


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("arm", list(Arm))
def test_every_arm_makes_every_step_of_every_pass_in_every_phase(build_workload, tmp_path, arm, phase):
    """Prevents a rate over steps that an arm left out, and phases that cannot be measured."""
    workload, steps = build_workload(phase=phase), []
    loop = training_loop(arm, workload, workload.make_rows(), 2, tmp_path)
    loop(lambda: steps.append(None))
    assert len(steps) == 2 * workload.steps
