"""Tests of what is said when a verb cannot do what was asked."""

from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


def test_a_refusal_is_one_message_on_standard_error(capsys):
    """Prevents messages among the figures on standard output, and brackets that rich takes for markup."""
    assert refusal(ValueError("expected [a], got [b]")).exit_code == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "[a]" in shown.err and "Traceback" not in shown.err


def test_a_missing_package_is_expected():
    """Prevents a traceback where an extra is not installed."""
    assert issubclass(ModuleNotFoundError, EXPECTED_ERRORS)
