"""Tests of verbs that take a recipe, on one that only says what it was given."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from hf_tinybert.cli.recipe_verb import MISSING_KEYS, RECIPE, RecipeVerb


def _answering(verb, **parameters):
    app = typer.Typer()
    app.command("distill", cls=RecipeVerb)(verb)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def one():
    """`distill DATA --teacher T --output O`."""

    def verb(
        context: typer.Context,
        data: Annotated[str, typer.Argument()],
        teacher: Annotated[str, typer.Option()],
        output: Annotated[Path, typer.Option()],
        epochs: float = 4.0,
    ) -> None:
        sources = {name: context.get_parameter_source(name).name for name in ("data", "teacher", "epochs")}
        given = {"data": data, "teacher": teacher, "output": str(output), "epochs": epochs}
        typer.echo(
            json.dumps(
                {
                    "given": given,
                    "sources": sources,
                    "recipe": context.meta[RECIPE].values,
                    "missing": context.meta[MISSING_KEYS],
                }
            )
        )

    return _answering(verb)


@pytest.fixture
def recipe(tmp_path):
    """A recipe that has all that is needed."""
    file = tmp_path / "recipe.yaml"
    file.write_text("data: reviews.csv\nteacher: teacher\noutput: student\ndropout: 0.1\n", encoding="utf-8")
    return file


def test_a_recipe_has_all_that_is_needed(one, recipe):
    """Prevents a verb that asks for its data again."""
    done = one(recipe)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["given"] == {"data": "reviews.csv", "teacher": "teacher", "output": "student", "epochs": 4.0}
    assert told["recipe"]["dropout"] == 0.1


def test_arguments_beside_a_recipe_win(one, recipe):
    """Prevents a recipe that is taken for the data where the data stands beside it, at any place."""
    for words in ((recipe, "other.csv"), ("--epochs", 2, recipe, "other.csv"), (recipe, "--output", "o", "other.csv")):
        told = json.loads(one(*words).stdout)
        assert told["given"]["data"] == "other.csv" and told["sources"]["data"] == "COMMANDLINE"
        assert told["given"]["teacher"] == "teacher" and told["sources"]["teacher"] != "COMMANDLINE"


def test_only_the_first_argument_is_a_recipe(one, recipe):
    """Prevents an output folder or a teacher with such a name from being read as a recipe."""
    told = json.loads(one("reviews.csv", "--teacher", recipe, "--output", "x.yaml").stdout)
    assert told["given"]["teacher"] == str(recipe) and told["given"]["output"] == "x.yaml" and not told["recipe"]


def test_assignments_need_no_recipe(one):
    """Prevents settings without an option from being out of reach of a plain command."""
    done = one("reviews.csv", "--teacher", "t", "--output", "o", "--set", "dropout=0.2", "--set", "a.b=[1]")
    assert json.loads(done.stdout)["recipe"] == {"dropout": 0.2, "a": {"b": [1]}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["reviews.csv"], "--teacher"),
        (["--set", "output=3", "reviews.csv", "--teacher", "t"], "expected `output`"),
        (["--set", "output"], "expected `--set KEY=VALUE`"),
        (["a.csv", "b.csv", "--teacher", "t", "--output", "o"], "b.csv"),
    ],
)
def test_what_cannot_be_used_is_one_message_and_exit_code_two(one, words, said):
    """Prevents a traceback, and a value of the wrong type that becomes the name of a folder."""
    done = one(*words)
    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.output


def test_what_a_recipe_lacks_is_left_to_the_verb(one, tmp_path):
    """Prevents a misspelt key from being told as a missing argument, and tasks that are asked for data beside them."""
    (tmp_path / "tasks.yaml").write_text("outptu: o\ntasks: {one: {data: a, teacher: t}}\n", encoding="utf-8")
    assert json.loads(one(tmp_path / "tasks.yaml").stdout)["missing"] == ["data", "teacher", "output"]
    assert json.loads(one(tmp_path / "tasks.yaml", "a", "--output", ".").stdout)["missing"] == ["teacher"]


def test_many_arguments_may_come_from_a_recipe(tmp_path):
    """Prevents a verb for several files from taking its recipe for one of them, or only one of the recipe's."""

    def verb(context: typer.Context, texts: Annotated[list[str], typer.Argument()]) -> None:
        typer.echo(json.dumps(texts))

    run = _answering(verb)
    (tmp_path / "recipe.yml").write_text("texts: [a.txt, b.txt]\n", encoding="utf-8")
    assert json.loads(run(tmp_path / "recipe.yml").stdout) == ["a.txt", "b.txt"]
    assert json.loads(run(tmp_path / "recipe.yml", "c.txt", "d.txt").stdout) == ["c.txt", "d.txt"]


def test_the_help_tells_of_recipes(one):
    """Prevents an option that nobody finds."""
    done = one("--help")
    assert done.exit_code == 0 and "--set" in done.output and "[recipe.yaml]" in done.output
