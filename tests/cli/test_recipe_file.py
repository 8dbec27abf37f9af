"""Tests of YAML as recipes use it."""

import pytest

from hf_tinybert.cli.recipe_file import overlaid, read_value, read_values, write_values


def _read(tmp_path, text):
    file = tmp_path / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return read_values(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("3", 3),
        ("010", 10.0),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("true", True),
        ("null", None),
        ("", None),
        ("[a, 1]", ["a", 1]),
        ("{a: {b: 0.5}}", {"a": {"b": 0.5}}),
        ("owner/name:config", "owner/name:config"),
        ("Zürich", "Zürich"),
    ],
)
def test_values_are_those_of_yaml_1_2(text, value):
    """Prevents `1e-4` as a text, Norwegian (`no`) as false, and a date where a text was written."""
    read = read_value(text, "here")
    assert read == value and type(read) is type(value)


def test_the_home_folder_is_that_of_the_shell(monkeypatch):
    """Prevents a run in a folder that is called `~`, where an option's value is in the home folder."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert read_value("[~/runs, a~/b, '~', {data: ~/news.csv}]", "here") == [
        "/home/ada/runs", "a~/b", "~", {"data": "/home/ada/news.csv"},
    ]  # fmt: skip


def test_every_value_tells_its_line(tmp_path):
    """Prevents an error that sends people through a whole file."""
    read = _read(tmp_path, "# a comment\nepochs: 3\ntasks:\n  one:\n    data: a\n")
    assert read.place("tasks", "one", "data").endswith("recipe.yaml, line 5")
    assert read.place("tasks", "one", "kind").endswith("line 4")  # the nearest around it
    assert read.place("nothing") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\n", "line 3: expected YAML"),
        ("a: 1\na: 2\n", "line 2: expected each key once"),
        ("a: 1\n1: 2\n", "line 2: expected a text as key"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", "line 2: expected a plain value"),
        ("a: !!binary aGk=\n", "line 1: expected a plain value"),
        ("a: &x [1]\nb: *x\n", r"line 2: expected YAML, got an alias, `\*x`"),
        ("a: 1\n---\nb: 2\n", "expected YAML, got but found another document"),
        ("- a\n", "expected keys and values"),
        ("", "expected keys and values"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_line(tmp_path, text, said):
    """Prevents objects that run code, a key that silently wins over its double, and a traceback of the library."""
    with pytest.raises(ValueError, match=said):
        _read(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """Prevents a traceback for a model file given as a recipe."""
    (tmp_path / "recipe.yaml").write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(ValueError, match="UTF-8"):
        read_values(tmp_path / "recipe.yaml")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml"):
        read_values(tmp_path / "nowhere.yaml")


def test_what_is_written_is_read_again(tmp_path):
    """Prevents a folder `1e-4` or a column `no` from becoming something else in the saved recipe."""
    texts = ["1e-4", "no", "true", "12", "null", "2024-01-31", "a: b", "# c", "", "Zürich", "~", ".5", "a\nb", "*x"]
    values = {
        "texts": texts,
        "numbers": [1, 1e-5, 0.1, 3.0, True, None],
        "columns": {"no": "yes", "1": "2"},
        "again": texts,
    }
    assert _read(tmp_path, write_values(values)).values == values


def test_mappings_are_put_together_and_everything_else_is_replaced():
    """Prevents one overridden weight from taking the others away, and lists from growing."""
    below, above = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": {"x": 1}}, {"a": {"y": 3}, "b": [4], "c": None}
    assert overlaid(below, above) == {"a": {"x": 1, "y": 3}, "b": [4], "c": None}
    assert below["a"] == {"x": 1, "y": 2}
