"""Tests of a recipe for one verb."""

from collections.abc import Mapping
from typing import Any

import pytest

from hf_tinybert.cli.recipe import check_keys, checked, read_recipe, recipe_text
from hf_tinybert.cli.recipe_file import PlacedValues

TWO_VERBS = """\
data: reviews.csv
columns: {text: body}
finetune:
  output: teacher
distill:
  teacher: teacher
  columns: {label: stars}
"""


@pytest.fixture
def recipe(tmp_path):
    """A file of a text."""

    def write(text):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "recipe.yaml"

    return write


def test_a_verb_reads_the_top_level_and_its_own_section(recipe):
    """Prevents one stage of a pipeline from being run with the settings of another."""
    read = read_recipe(recipe(TWO_VERBS), [], "distill")
    assert read.values == {"data": "reviews.csv", "teacher": "teacher", "columns": {"text": "body", "label": "stars"}}
    assert read.place("teacher").endswith("line 6") and read.place("data").endswith("line 1")
    assert read_recipe(recipe(TWO_VERBS), [], "finetune").values["output"] == "teacher"


def test_a_verb_without_a_section_is_refused(recipe):
    """Prevents `finetune` with the recipe that a distillation left."""
    with pytest.raises(ValueError, match="expected a section `augment`, got `finetune`, `distill`"):
        read_recipe(recipe(TWO_VERBS), [], "augment")


def test_a_key_with_the_name_of_a_verb_is_no_section(recipe):
    """Prevents `augment: join`, a setting of `distill`, from being taken for the settings of `augment`."""
    assert read_recipe(recipe("augment: join\n"), [], "distill").values == {"augment": "join"}
    both = recipe("distill: {augment: join}\naugment: {copies: 2}\n")
    assert read_recipe(both, [], "distill").values == {"augment": "join"}
    assert read_recipe(both, [], "augment").values == {"copies": 2}


def test_assignments_win_over_the_recipe(recipe):
    """Prevents an override that is ignored, or that takes its neighbours away."""
    assignments = ["columns.label=rating", "epochs=1e1", "phases=[joint]"]
    read = read_recipe(recipe(TWO_VERBS), assignments, "distill")
    assert read.values["columns"] == {"text": "body", "label": "rating"}
    assert read.values["epochs"] == 10.0 and read.values["phases"] == ["joint"]
    assert read.place("columns", "label") == "--set columns.label=rating"
    assert read_recipe(None, ["epochs=3"], "distill").values == {"epochs": 3}


@pytest.mark.parametrize("wrong", ["epochs", "=3", "columns.=a", "columns..text=a"])
def test_what_is_no_assignment_is_refused(wrong):
    """Prevents an override that is ignored."""
    with pytest.raises(ValueError, match="expected `--set KEY=VALUE`"):
        read_recipe(None, [wrong], "distill")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("epoch", "epochs"), ("learning-rate", "learning_rate"), ("test", "score_test"), ("column", "columns")],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_name(key, nearest):
    """Prevents a misspelt setting from leaving the default in place."""
    given = PlacedValues({key: 1}, {(key,): "recipe.yaml, line 7"})
    with pytest.raises(ValueError, match=f"^recipe.yaml, line 7: .* got `{key}`; did you mean `{nearest}`"):
        check_keys(given, ["columns", "epochs", "learning_rate", "score_test"], "`distill`")


def test_a_key_like_no_other_is_refused_with_all_names():
    """Prevents a dead end where nothing is near."""
    with pytest.raises(ValueError, match="got `zzz`; there are epochs, kind"):
        check_keys(PlacedValues({"zzz": 1}, {}), ["kind", "epochs"], "`distill`")


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (3, float, 3.0),
        (3, int | None, 3),
        (None, int | None, None),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        (["a", "b"], str | tuple[str, ...], ("a", "b")),
        ("a", str | tuple[str, ...], "a"),
        ({"a": "b"}, Mapping[str, str], {"a": "b"}),
        ({"a": [1, 0]}, Mapping[str, Any] | None, {"a": [1, 0]}),
        (False, bool, False),
    ],
)
def test_a_value_has_the_type_of_its_field(value, kind, result):
    """Prevents a list where settings compare tuples."""
    found = checked(value, kind, "key", "here")
    assert found == result and type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("3", int),
        (3, str),
        (2.5, int),
        (True, int),
        (1, bool),
        (None, int),
        ("a", tuple[str, ...]),
        ({"a": 1}, Mapping[str, str]),
        (["a", 1], tuple[str, ...]),
        (3, str | tuple[str, ...]),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(value, kind):
    """Prevents `"3"` epochs, a truth value as a seed, and a text that is taken for a list of letters."""
    with pytest.raises(ValueError, match=r"^recipe.yaml, line 2: expected `key(\.\w+)*` as .*, got "):
        checked(value, kind, "key", "recipe.yaml, line 2")


def test_a_written_recipe_is_for_its_verb_alone(recipe):
    """Prevents a saved recipe that another verb takes for its own."""
    file = recipe(recipe_text({"data": "a", "epochs": None}, "distill", "0.1.0"))
    assert read_recipe(file, [], "distill").values == {"data": "a", "epochs": None}
    with pytest.raises(ValueError, match="expected a section `finetune`"):
        read_recipe(file, [], "finetune")
