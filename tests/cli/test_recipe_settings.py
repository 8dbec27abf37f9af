"""Tests of settings from options and recipe."""

import io
import json
from types import SimpleNamespace
from typing import get_type_hints

import pytest
import typer
from pydantic import TypeAdapter
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from hf_tinybert.cli import app, options
from hf_tinybert.cli.recipe import OPTIONS_OF_FIELD, RECIPE_VERBS, RUN_KEYS, read_recipe
from hf_tinybert.cli.recipe_settings import configured, on_command_line, recipe_kept
from hf_tinybert.cli.recipe_verb import RecipeVerb
from hf_tinybert.export import ExportSettings
from hf_tinybert.workflow import AugmentSettings, DistilSettings, FinetuneSettings, PretrainSettings, TrimSettings

SETTINGS = {
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
    "augment": AugmentSettings,
    "distill": DistilSettings,
    "trim-vocab": TrimSettings,
    "export": ExportSettings,
}


@pytest.fixture
def finetune(tmp_path):
    """`finetune` up to its settings; `run` is called with the file that would be kept."""

    def called(text, *words, run=lambda file: None):
        def verb(
            context: typer.Context,
            data: options.Data,
            output: options.Output,
            column: options.Columns = None,
            epochs: float = 3.0,
            test: options.ScoreTest = False,
        ) -> None:
            columns = options.parse_pairs(column, "--column")
            settings = configured(context, FinetuneSettings, columns=columns, score_test=test)
            screen = io.StringIO()
            with recipe_kept(context, settings, output / "recipe.yaml", Console(file=screen, width=200)):
                run(output)
            typer.echo(json.dumps({"settings": settings.to_json(), "shown": screen.getvalue()}))

        recipe = tmp_path / "given.yaml"
        recipe.write_text(f"output: {tmp_path / 'out'}\n{text}", encoding="utf-8")
        verbs = typer.Typer()
        verbs.command("finetune", cls=RecipeVerb)(verb)
        (tmp_path / "out").mkdir(exist_ok=True)
        return CliRunner().invoke(verbs, [str(recipe), *words])

    return called


def test_options_win_over_assignments_and_assignments_over_the_recipe(finetune):
    """Prevents any of the four sources of a value from hiding another that is nearer to the person."""
    text = "data: a.csv\nepochs: 5\nlearning_rate: 1e-4\nbatch_size: 8\nscore_test: true\ncolumns: {text: body}\n"
    words = ["--set", "batch_size=16", "--set", "epochs=6", "--epochs", "7", "--column", "label=stars"]
    settings = json.loads(finetune(text, *words).stdout)["settings"]
    assert settings["epochs"] == 7.0 and settings["batch_size"] == 16 and settings["learning_rate"] == 1e-4
    assert settings["score_test"] is True and settings["columns"] == {"text": "body", "label": "stars"}
    assert settings["warmup"] == FinetuneSettings.warmup


def test_an_option_wins_even_with_the_value_of_its_default(finetune):
    """Prevents `--epochs 3` from being taken for no option at all."""
    assert json.loads(finetune("data: a\nepochs: 5\n", "--epochs", "3").stdout)["settings"]["epochs"] == 3.0


def test_an_option_that_is_named_like_a_setting_is_that_setting(finetune):
    """Prevents an option without effect, where no recipe has the setting either."""
    settings = json.loads(finetune("", "a.csv", "--epochs", "7").stdout)["settings"]
    assert settings["data"] == "a.csv" and settings["epochs"] == 7.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "data: a\nepoch: 3\n",
            "given.yaml, line 3: expected a key of `finetune`, got `epoch`; did you mean `epochs`?",
        ),
        ("data: a\nepochs: x\n", "given.yaml, line 3: expected `epochs` as a valid number, got 'x'"),
        ("data: [a]\n", "given.yaml, line 2: expected `data` as a valid string, got ['a']"),
        ("data: a\nblocks: b\n", "line 3: expected a key of `finetune`, got `blocks`"),
        ("tasks: {one: {data: a}}\n", "line 2: expected a key of `finetune`, got `tasks`"),
        ("dta: a\n", "line 2: expected a key of `finetune`, got `dta`; did you mean `data`?"),
        ("epochs: 3\n", "expected `data` in the recipe of `finetune` or beside it, got neither"),
        ("data: a\nbatch_size: 0\n", "expected `batch_size` of at least 1, got 0"),
    ],
)
def test_wrong_keys_and_values_are_refused_before_the_run(finetune, text, said):
    """Prevents hours of a run with a setting that was misspelt."""

    def run(file):
        pytest.fail("it ran")

    error = finetune(text, run=run).exception
    assert isinstance(error, ValueError) and said in str(error)


def test_the_kept_recipe_gives_the_same_settings(finetune, tmp_path):
    """Prevents a record that cannot be run again."""
    told = json.loads(finetune("data: a\nlearning_rate: 1e-4\n", "--epochs", "7", "--column", "text=no").stdout)
    kept = read_recipe(tmp_path / "out" / "recipe.yaml", [], "finetune").values
    assert kept == {**told["settings"], "output": str(tmp_path / "out")}
    assert 'data="a"' in told["shown"] and "epochs=7.0" in told["shown"] and "warmup" not in told["shown"]


def test_a_run_that_stops_keeps_its_recipe_where_the_folder_is_its_own(finetune, tmp_path):
    """Prevents the recipe of a finished run from being overwritten by one that was refused there."""
    kept = tmp_path / "out" / "recipe.yaml"

    def stops(output):
        raise KeyboardInterrupt

    finetune("data: a\n", run=stops)
    assert not kept.exists()
    claimed = {"settings": FinetuneSettings(data="a").to_json(), "stages": {}}
    (tmp_path / "out" / "run.json").write_text(json.dumps(claimed))
    finetune("data: b\n", run=stops)
    assert not kept.exists()
    finetune("data: a\n", run=stops)
    assert kept.is_file()


@pytest.mark.parametrize("verb", RECIPE_VERBS)
def test_every_option_is_a_key_and_every_key_has_a_type(verb):
    """Prevents an option that no recipe can say, or that a recipe says under a name that is not told."""
    known = SETTINGS[verb].__dataclass_fields__
    spoken = {option for field in known for option in OPTIONS_OF_FIELD.get(field, (field,))}
    command = get_command(app).commands[verb]
    assert isinstance(command, RecipeVerb)
    options_of_verb = {param.name for param in command.params} - {"as_json", "assignments"} - set(RUN_KEYS)
    assert options_of_verb <= spoken
    needed = {param.name for param in command.params if param.required} - set(RUN_KEYS)
    assert needed <= set(known)  # `RecipeVerb` looks for them by their name
    for kind in get_type_hints(SETTINGS[verb]).values():
        assert TypeAdapter(kind) is not None


def test_any_of_the_options_of_a_field_wins():
    """Prevents the tasks of a recipe from winning over `--task`, because no option has their name."""
    given = {"tasks": {"news": {"data": "a"}}, "teacher_task": "x", "epochs": 3.0}
    stands = SimpleNamespace(name="COMMANDLINE")
    context = SimpleNamespace(get_parameter_source=lambda option: stands if option == "task_weight" else None)
    assert on_command_line(context, given) == {"tasks": given["tasks"]}


def test_no_setting_has_the_name_of_an_option_that_is_none():
    """Prevents `output` in a recipe from meaning two things."""
    for settings in SETTINGS.values():
        shared = set(RUN_KEYS) & set(settings.__dataclass_fields__)
        assert shared <= {"num_proc"}  # of `augment`, where it is both
