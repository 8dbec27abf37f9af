"""Tests of the measurement of training speed."""

import io
import json

import pytest
from rich.console import Console

from hf_tinybert.benchmark import Arm, TrainingBenchmark, training, training_table
from hf_tinybert.progress import ProgressDisplay

ARMS = [str(arm) for arm in Arm]


@pytest.fixture
def memory(monkeypatch):
    """Calls of the memory measurement, which is another module's test."""
    calls = []

    def measured(arm, workload):
        calls.append(str(arm))
        peak = 800 if arm is Arm.TEXTBOOK else 200
        return {"loaded_bytes": 100 * 2**20, "peak_bytes": peak * 2**20, "accelerator_bytes": 0}

    monkeypatch.setattr(training, "peak_memory", measured)
    return calls


@pytest.fixture
def build(build_workload, tmp_path):
    """`build(**overrides)`: two repeats of 4 steps, the textbook 2 of them."""

    def build(workload=None, **overrides):
        defaults = {"arms": list(Arm), "textbook_steps": 2, "repeats": 2, "file": tmp_path / "speed.json"}
        defaults["display"] = ProgressDisplay(Console(file=io.StringIO()))
        return TrainingBenchmark(workload or build_workload(), **{**defaults, **overrides})

    return build


@pytest.fixture
def turns(monkeypatch):
    """`(arm, steps)` of every turn; no model is trained and a step takes 2 s in the textbook and 0.1 s elsewhere."""
    taken = []

    class Turns:
        def __init__(self, arm):
            self.arm = arm

        def take(self, steps):
            taken.append((str(self.arm), steps))
            return steps * (2.0 if self.arm is Arm.TEXTBOOK else 0.1)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(training, "training_loop", lambda arm, *rest: arm)
    monkeypatch.setattr(training, "LoopTurns", Turns)
    return taken


def test_every_arm_is_measured_and_written(build, memory, tmp_path):
    """Prevents a table with a column of nothing."""
    run = build().run()
    assert sorted(run["summary"]) == sorted(ARMS) == sorted(memory)
    assert len(run["repeats"]) == 2
    assert all(seconds > 0 for repeat in run["repeats"] for seconds in repeat.values())
    assert json.loads((tmp_path / "speed.json").read_text())["runs"] == [run]


def test_arms_take_turns_and_the_first_repeat_is_not_counted(build, memory, turns):
    """Prevents arms measured one after the other on a machine that slows down, and the start of a loop in its rate."""
    run = build(arms=[Arm.TEXTBOOK, Arm.ENGINE]).run()
    assert turns[:2] == [("textbook", 1), ("engine", 1)]  # start
    assert turns[2:5] == [("engine", 1), ("textbook", 1), ("engine", 2)]  # the rest of the uncounted repeat
    assert turns[5:] == [("textbook", 1), ("engine", 2)] * 4
    assert run["start_seconds"] == {"textbook": 2.0, "engine": 0.1}
    assert run["repeats"] == [{"textbook": 2.0, "engine": pytest.approx(0.1)}] * 2


def test_rates_and_ratios_are_of_the_same_repeat(build, memory, turns):
    """Prevents a ratio upside down, rows counted for steps, and memory of the wrong arm."""
    run = build().run()
    engine = run["summary"]["engine"]
    assert engine["steps_per_second"] == pytest.approx(10)
    assert engine["tokens_per_second"] == pytest.approx(10 * 5 * run["rows"]["mean_tokens"])
    assert engine["speedup"] == pytest.approx({"median": 20, "min": 20, "max": 20})
    assert engine["memory_share"] == pytest.approx(0.25)
    assert run["summary"]["textbook"]["speedup"]["median"] == 1


def test_what_is_measured_is_not_measured_again(build, memory, turns):
    """Prevents a killed run from starting over."""
    build(repeats=1).run()
    turns.clear()
    resumed = build(repeats=3).run()
    assert len(resumed["repeats"]) == 3
    assert turns.count(("textbook", 1)) == 2 * 3  # two missing repeats and the uncounted one
    assert sorted(memory) == sorted(ARMS)
    turns.clear()
    assert build(repeats=3).run() == resumed
    assert turns == []


def test_a_run_killed_between_its_parts_keeps_the_first(build, memory, turns, monkeypatch, tmp_path):
    """Prevents hours of measurement from being lost with the last minute."""
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training.TrainingBenchmark, "_measure_seconds", _interrupt)
        build().run()
    (run,) = json.loads((tmp_path / "speed.json").read_text())["runs"]
    assert run["repeats"] == [] and set(run["memory"]) == set(Arm)
    build().run()
    monkeypatch.setattr(training, "peak_memory", _interrupt)
    assert len(build().run()["repeats"]) == 2


def _interrupt(*_):
    raise KeyboardInterrupt


def test_its_first_steps_are_the_beginning_of_a_training(build, memory, turns):
    """Prevents exit status 2, that of a wrong option, where a measurement fails in the middle."""
    display = ProgressDisplay(Console(file=io.StringIO()))
    measurement = build(display=display)
    assert not display.training_has_begun
    measurement.run()
    assert display.training_has_begun


def test_other_settings_are_another_measurement_in_the_same_file(build, build_workload, memory, turns, tmp_path):
    """Prevents seconds of one length from standing for another's."""
    build().run()
    build(build_workload(max_length=10)).run()
    runs = json.loads((tmp_path / "speed.json").read_text())["runs"]
    assert [run["settings"]["max_length"] for run in runs] == [12, 10]


def test_without_a_file_nothing_is_written_and_without_the_textbook_there_is_no_ratio(build, memory, turns, tmp_path):
    """Prevents a file where none was asked for, and a ratio to an arm that was not measured."""
    run = build(file=None, arms=[Arm.ENGINE]).run()
    assert "speedup" not in run["summary"]["engine"]
    assert not list(tmp_path.glob("speed*"))
    assert training_table(run).row_count == 1


def test_the_table_shows_ratio_spread_and_machine(build, memory, turns):
    """Prevents a ratio that nobody can place."""
    console = Console(file=io.StringIO(), width=140)
    console.print(training_table(build().run()))
    text = console.file.getvalue()
    assert "20.0 (20.0 to 20.0)" in text and "25%" in text
    assert "1 threads" in text and "at most 12 tokens" in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [({"arms": []}, "arms"), ({"textbook_steps": 3}, "textbook_steps"), ({"repeats": 0}, "repeat")],
)
def test_numbers_that_do_not_fit_are_refused(build, overrides, message):
    """Prevents a repeat that leaves out the longest rows."""
    with pytest.raises(ValueError, match=message):
        build(**overrides)


def test_a_file_of_something_else_is_not_overwritten(build, tmp_path):
    """Prevents the loss of somebody's data to a mistyped name."""
    (tmp_path / "speed.json").write_text('{"rows": 3}')
    with pytest.raises(ValueError, match="nothing of yours"):
        build()
