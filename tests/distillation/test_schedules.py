import json
import math

import pytest

from hf_tinybert.distillation.schedules import (
    Schedule,
    ScheduleKind,
    parse_temperature,
    parse_weight,
    teacher_annealing,
)


def test_each_kind_has_its_hand_computed_values():
    """Prevents a schedule that runs backwards, or a cosine that is a line."""
    assert [Schedule.constant(0.5).at(share) for share in (0, 0.25, 1)] == [0.5, 0.5, 0.5]
    assert [Schedule.linear(2, 1).at(share) for share in (0, 0.25, 1)] == [2.0, 1.75, 1.0]
    cosine = Schedule(1, 0, ScheduleKind.COSINE)
    assert [cosine.at(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, 0])


def test_progress_outside_the_phase_stays_at_its_ends():
    """Prevents a weight below 0 when a run takes a step more than was planned."""
    schedule = Schedule.linear(1, 0)
    assert schedule.at(-0.1) == 1
    assert schedule.at(1.1) == 0


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_both_ends_are_met_exactly(kind):
    """Prevents rounding from leaving a remainder of a term that should have faded out."""
    schedule = Schedule(0.1, 0.7, kind)
    assert (schedule.at(0), schedule.at(1)) == (0.1, 0.7)
    assert Schedule(0.3, 0, kind).at(1) == 0


CONSTANT, LINEAR = Schedule.constant(0.5), Schedule.linear(1, 0)
COSINE = Schedule(1, 0, ScheduleKind.COSINE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, CONSTANT),
        ("0.5", CONSTANT),
        (CONSTANT, CONSTANT),
        ([1, 0], LINEAR),
        ((1.0, 0.0), LINEAR),
        ("1,0", LINEAR),
        ("[1, 0]", LINEAR),
        ({"start": 1, "end": 0}, LINEAR),
        ({"start": 1, "end": 0, "kind": "cosine"}, COSINE),
        ('{"start": 1, "end": 0, "kind": "cosine"}', COSINE),
    ],
)
def test_every_way_of_writing_a_weight_gives_the_same_schedule(value, expected):
    """Prevents a recipe that means one thing in YAML and another on the command line."""
    assert parse_weight(value) == expected


@pytest.mark.parametrize("schedule", [CONSTANT, LINEAR, COSINE])
def test_a_schedule_survives_json(schedule):
    """Prevents a checkpoint whose record cannot be read back into the run it came from."""
    assert parse_weight(json.loads(json.dumps(schedule.to_json()))) == schedule
    assert parse_weight(json.dumps(schedule.to_json())) == schedule


@pytest.mark.parametrize(
    "value",
    [-1, math.nan, math.inf, True, None, "", "one", "NaN", "Infinity", "true", "null", '"1"', [1], [1, 0, 1], [1, -1],
     ["1", "0"], {"start": 1}, {"start": 1, "end": 0, "shape": "cosine"}, {"start": 1, "end": math.nan}],
)  # fmt: skip
def test_what_is_no_weight_is_refused(value):
    """Prevents a negative, infinite or misread weight from ruining a run after it has been paid for."""
    with pytest.raises(ValueError, match="expected a weight such as `0.5`"):
        parse_weight(value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "hot", [8, 0], [0, 1], {"start": 1}, [1, 2, 3]])
def test_what_is_no_temperature_is_refused(value):
    """Prevents a division by zero at the end of a run that began well."""
    with pytest.raises(ValueError, match="expected a positive `temperature` such as `2`, `\\[8, 1\\]`"):
        parse_temperature(value)


def test_a_temperature_is_written_as_a_weight_is():
    """Prevents two ways of writing what moves over a phase."""
    assert parse_temperature(2) == Schedule.constant(2)
    assert parse_temperature("8,1") == parse_temperature([8, 1]) == Schedule.linear(8, 1)


def test_ends_that_are_no_numbers_are_refused():
    """Prevents a schedule made in Python from being checked less than one that is read."""
    with pytest.raises(ValueError, match="finite numbers from 0 up at both ends of a schedule, got -1 and 1"):
        Schedule.linear(-1, 1)


def test_only_what_changes_moves():
    """Prevents a log of a number that stays, and of none that moves."""
    assert [one.moves for one in (Schedule.constant(2), Schedule.linear(1, 1), Schedule.linear(2, 1))] == [
        False,
        False,
        True,
    ]


def test_an_unknown_kind_is_refused_with_the_choices():
    """Prevents a typing error from falling back to some schedule."""
    with pytest.raises(ValueError, match="kind of 'constant', 'linear', 'cosine', got 'step'"):
        parse_weight({"start": 1, "end": 0, "kind": "step"})


def test_a_constant_of_two_values_is_refused():
    """Prevents an end weight that is never reached."""
    with pytest.raises(ValueError, match="one value of a constant, got start 1 and end 0"):
        Schedule(1, 0, ScheduleKind.CONSTANT)


def test_only_a_weight_that_is_always_zero_is_zero():
    """Prevents a term that fades in from being left out because it starts at 0."""
    assert Schedule.constant(0).is_zero
    assert Schedule.linear(0, 0).is_zero
    assert not Schedule.linear(0, 1).is_zero
    assert not Schedule.linear(1, 0).is_zero


def test_teacher_annealing_moves_from_the_teacher_to_the_labels_and_adds_up_to_one():
    """Prevents the two from being swapped, which would train on labels first."""
    teacher, labels = teacher_annealing()
    assert (teacher.at(0), labels.at(0)) == (1, 0)
    assert (teacher.at(1), labels.at(1)) == (0, 1)
    assert all(teacher.at(share / 7) + labels.at(share / 7) == pytest.approx(1) for share in range(8))


def test_a_schedule_reads_well_in_a_log():
    """Prevents a table of weights that nobody can read."""
    assert [str(schedule) for schedule in (CONSTANT, COSINE)] == ["0.5", "1 to 0, cosine"]
