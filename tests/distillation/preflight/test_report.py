import json

import pytest

from hf_tinybert.distillation.preflight.report import Check, PreflightReport, Status, checked, failed, skipped


def _refuse():
    raise ValueError("expected one, got two; because there is one seat; send one away")


def test_a_refusal_becomes_a_failure_with_its_cure_apart():
    """Prevents a cure that is lost in the middle of a sentence."""
    row = checked("seats", _refuse, "one of one")
    assert row == Check("seats", Status.FAIL, "expected one, got two; because there is one seat", "send one away")
    assert checked("seats", lambda: None, "one of one") == Check("seats", Status.OK, "one of one")


def test_a_message_without_a_cure_stays_whole():
    """Prevents an empty row."""
    assert failed("seats", "no seat") == Check("seats", Status.FAIL, "no seat")


def test_only_failures_are_raised_and_all_of_them():
    """Prevents one repair at a time, and runs refused for a warning."""
    warned = Check("b", Status.WARN, "expected little, got much", "take less")
    PreflightReport((warned, skipped("c", "nothing given"))).raise_on_fail()
    report = PreflightReport((failed("a", "expected x, got y; do z"), warned, failed("d", "expected u, got v; do w")))
    assert not report.ok
    with pytest.raises(ValueError, match="a: expected x, got y; do z\nd: expected u, got v; do w"):
        report.raise_on_fail()


def test_the_table_names_every_check_within_its_width():
    """Prevents a log line that nobody reads to its end."""
    report = PreflightReport((Check("long", Status.WARN, "word " * 60, "cure"), skipped("none", "nothing given")))
    lines = report.table().splitlines()
    assert max(len(line) for line in lines) <= 119
    assert lines[0].startswith("warn  long") and "-> cure" in report.table() and lines[-1].startswith("skip  none")
    assert report.summary() == "0 ok, 1 warned, 0 failed, 1 skipped"


def test_the_report_is_plain_json():
    """Prevents a machine from reading an enum's name."""
    data = json.loads(json.dumps(PreflightReport((skipped("none", "nothing given"),)).to_dict()))
    assert data == {"ok": True, "checks": [{"name": "none", "status": "skip", "found": "nothing given", "cure": ""}]}
