"""Tests of where teachers of a run lie."""

import pytest

from hf_tinybert.workflow.teacher_source import TeacherSource


def test_one_name_in_a_list_is_one_teacher():
    """Prevents a mean of one model, and equal shares that depend on how they are written."""
    assert TeacherSource.of("someone/big") == TeacherSource.of(["someone/big"]) and not TeacherSource.of("a").is_joined
    assert TeacherSource.of(["a", "b"]).shares == TeacherSource.of(["a", "b"], [1, 1]).shares == (1.0, 1.0)


def test_folders_of_one_name_can_be_told_apart_and_show_no_path(tmp_path):
    """Prevents scores of two teachers under one name, and a machine's folders in a published record."""
    folders = [tmp_path / "first" / "teacher", tmp_path / "second" / "teacher"]
    for folder in folders:
        folder.mkdir(parents=True)
    source = TeacherSource.of([*map(str, folders), "someone/big"])
    assert source.public_name == "teacher (1) + teacher (2) + someone/big" and source.first == str(folders[0])


@pytest.mark.parametrize(
    ("names", "weights", "message"),
    [
        ([], None, "expected the folder or the Hub name"),
        (["a", ""], None, "expected the folder or the Hub name"),
        (["a", "b", "a"], None, "expected different teachers, got `a` twice"),
        ("a", [1.0], "expected no `teacher_weights` with one teacher"),
        (["a", "b"], [1.0], "expected 2 `teacher_weights` above 0"),
        (["a", "b"], [1.0, 0.0], "expected 2 `teacher_weights` above 0"),
        (["a", "b"], [1.0, float("nan")], "expected 2 `teacher_weights` above 0"),
    ],
)
def test_teachers_that_have_no_common_say_are_refused(names, weights, message):
    """Prevents a teacher without a say, or with the say of two, that nobody asked for."""
    with pytest.raises(ValueError, match=message):
        TeacherSource.of(names, weights)


def test_a_folder_that_is_named_in_two_ways_is_one_teacher(tmp_path, monkeypatch):
    """Prevents one model from having two shares because of how its folder is written."""
    (tmp_path / "teacher").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="expected different teachers"):
        TeacherSource.of(["teacher", str(tmp_path / "teacher")])
