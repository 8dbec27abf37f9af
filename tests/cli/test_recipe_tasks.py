"""Tests of recipes of several tasks."""

import json

import pytest
import typer
from typer.testing import CliRunner

from hf_tinybert.cli import options
from hf_tinybert.cli.recipe_file import write_values
from hf_tinybert.cli.recipe_tasks import configured_tasks, has_tasks, tasks_as_recipe
from hf_tinybert.cli.recipe_verb import RecipeVerb

TASKS = {
    "sentiment": {"data": "a", "teacher": "t", "unlabeled": ["more.jsonl"]},
    "stars": {"data": "b", "max_length": 32},
}


@pytest.fixture
def distill(tmp_path):
    """`distill` up to its settings."""

    def called(values, *words):
        def verb(
            context: typer.Context,
            data: options.Data,
            output: options.Output,
            epochs: float | None = None,
            max_length: options.MaxLength = None,
            shape: options.Shape = "4L-312",
        ) -> None:
            assert has_tasks(context)
            settings = configured_tasks(context, {})  # all options are named like settings
            typer.echo(json.dumps(tasks_as_recipe(settings)))

        recipe = tmp_path / "given.yaml"
        recipe.write_text(write_values({"output": "out", **values}), encoding="utf-8")
        verbs = typer.Typer()
        verbs.command("distill", cls=RecipeVerb)(verb)
        return CliRunner().invoke(verbs, [str(recipe), *words])

    return called


def test_what_tasks_share_is_written_out_and_what_is_their_own_is_not(distill):
    """Prevents a shared default from hiding what one task has otherwise, and a record without the defaults."""
    words = ["--epochs", "2", "--set", "dropout=0.1", "--set", "tasks.stars.max_length=16"]
    told = json.loads(distill({"tasks": TASKS, "epochs": 5, "sampling": "annealed"}, *words).stdout)
    assert told["tasks"] == {"sentiment": TASKS["sentiment"], "stars": {"data": "b", "max_length": 16}}
    assert (told["epochs"], told["dropout"], told["sampling"]) == (2.0, 0.1, "annealed")
    assert told["shape"] == "4L-312" and told["warmup"] == 0.1
    assert not {"data", "teacher", "max_length", "kind"} & set(told)


def test_a_teacher_may_be_taken_from_a_task(distill):
    """Prevents `teacher: null` from being refused, without which a recipe's teacher cannot be left out by `--set`."""
    tasks = {"sentiment": TASKS["sentiment"], "stars": {"data": "b", "teacher": "t"}}
    done = distill({"tasks": tasks}, "--set", "tasks.stars.teacher=null")
    assert json.loads(done.stdout)["tasks"]["stars"] == {"data": "b"}


def test_an_option_that_a_task_has_a_value_of_its_own_for_is_refused(distill):
    """Prevents an option that should win over the recipe from being passed over without a word."""
    done = distill({"tasks": TASKS}, "--max-length", "16")
    assert "from both, of the tasks `stars`" in str(done.exception) and "--set tasks.stars.max_length=" in str(
        done.exception
    )
    lonely = {"sentiment": TASKS["sentiment"], "stars": {"data": "b"}}
    assert json.loads(distill({"tasks": lonely}, "--max-length", "16").stdout)["max_length"] == 16


def test_the_whole_recipe_gives_the_same_settings(distill):
    """Prevents a saved recipe that is another run, which the folder then refuses."""
    told = json.loads(distill({"tasks": TASKS, "epochs": 5}).stdout)
    assert json.loads(distill(told).stdout) == told


@pytest.mark.parametrize(
    ("values", "words", "said"),
    [
        ({"tasks": TASKS, "teacher": "t"}, [], "expected `teacher` in each of the `tasks`"),
        ({"tasks": TASKS}, ["data.csv"], "expected `data` in each of the `tasks`"),
        ({"tasks": TASKS, "epoch": 3}, [], "got `epoch`; did you mean `epochs`"),
        (
            {"tasks": {"one": {"data": "a", "teachr": "t"}}},
            [],
            "line 5: expected a key of the task `one`, got `teachr",
        ),
        ({"tasks": {"one": {"data": "a", "max_length": "x"}}}, [], "line 5: expected `max_length` as a valid integer"),
        ({"tasks": {"one": {"data": "a", "teacher": "t", "epochs": 3}}}, [], "everything else is shared"),
        ({"tasks": {"one": {"data": "a"}}}, [], "expected a teacher of at least one of the tasks"),
        ({"tasks": ["one"]}, [], "expected `tasks` as an object"),
        ({"tasks": TASKS, "sampling": 3}, [], "expected `sampling` as a valid string"),
    ],
)
def test_wrong_tasks_are_refused(distill, values, words, said):
    """Prevents a multi-task run in which a setting reaches no task."""
    error = distill(values, *words).exception
    assert isinstance(error, ValueError) and said in str(error)


def test_a_recipe_of_several_tasks_distils_them(run_cli, news, teacher, tmp_path):
    """Prevents a recipe whose tasks do not reach the run, and one that gives another run when it is read again."""
    own = {"data": news, "columns": {"text": "body"}, "max_length": 16}
    sizes = {"layers": 1, "width": 16, "heads": 4, "units": 20, "phases": ["prediction-layer"], "epochs": 1}
    tasks = {"taught": {**own, "teacher": teacher}, "labels": {**own, "train_rows": 16}}
    recipe, output = tmp_path / "tasks.yaml", tmp_path / "several"
    recipe.write_text(write_values({"tasks": tasks, "batch_size": 8, **sizes}), encoding="utf-8")
    done = run_cli("distill", recipe, "--output", output)
    assert done.exit_code == 0, done.output
    assert "taught, validation accuracy" in done.output and "labels, validation accuracy" in done.output
    again = run_cli("distill", output / "recipe.yaml", "--json")
    assert "finished before" in again.stderr
    assert set(json.loads(again.stdout)["tasks"]) == {"taught", "labels"}
