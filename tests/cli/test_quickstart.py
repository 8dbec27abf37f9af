"""Tests of `hf-tinybert quickstart`; the run itself is tested in tests/quickstart."""


def test_a_missing_data_set_is_one_message(run_cli, tmp_path):
    """Prevents a traceback in the face of somebody who mistyped a file."""
    done = run_cli("quickstart", "--teacher", tmp_path / "nowhere", "--output", tmp_path / "out")
    assert done.exit_code == 2 and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()
