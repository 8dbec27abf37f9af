from dataclasses import replace

import pytest
import torch

from hf_tinybert.distillation.preflight import Setup, Status, run_preflight


def test_a_distillation_that_works_has_no_failure_and_no_warning(setup):
    """Prevents warnings that teach people to ignore warnings; nothing may be skipped either."""
    report = run_preflight(setup)
    assert {check.name: check.status for check in report.checks if check.status is not Status.OK} == {}
    report.raise_on_fail()


def test_what_is_not_given_is_skipped_and_said_so(setup):
    """Prevents a table that claims what nobody looked at."""
    report = run_preflight(Setup(setup.student, setup.teacher, setup.objectives))
    skipped = {check.name for check in report.checks if check.status is Status.SKIP}
    assert skipped >= {"layer mapping", "tokenizers", "lengths", "steps", "memory", "teacher's score"}
    assert all(check.found for check in report.checks)


def test_neither_model_nor_random_state_is_changed(setup):
    """Prevents a look from being a step: other dropout, other shuffling, a student left in evaluation mode."""
    setup.student.train()
    before = {name: tensor.clone() for name, tensor in setup.student.state_dict().items()}
    state = torch.get_rng_state()
    run_preflight(setup)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in setup.student.state_dict().items())
    assert all(module.training for module in setup.student.modules())
    assert not any(module.training for module in setup.teacher.modules())
    assert all(parameter.grad is None for parameter in setup.student.parameters())


def test_every_failure_and_warning_says_what_was_expected_and_what_to_do(setup, arguments):
    """Prevents a red row that leaves people alone."""
    setup.teacher.requires_grad_(True)
    arguments.label_smoothing_factor = 0.1
    arguments.learning_rate = 1.0
    report = run_preflight(replace(setup, mapping=(0, 3, 9), trainer_class=None))
    bad = [*report.failed, *report.warned]
    assert {"frozen teacher", "layer mapping", "loss settings", "steps"} <= {check.name for check in bad}
    for check in bad:
        assert check.found.startswith("expected ") and ", got " in check.found and "; because" in check.found, check
        assert check.cure, check
    with pytest.raises(ValueError, match="frozen teacher: expected a frozen teacher"):
        report.raise_on_fail()
