"""Tests of the recipes in examples/recipes: each is read as its verbs read it, and one is run."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from hf_tinybert.cli import app
from hf_tinybert.cli.recipe import RECIPE_VERBS, RUN_KEYS, TASKS, check_keys, read_recipe
from hf_tinybert.cli.recipe_file import PlacedValues, read_values
from hf_tinybert.cli.recipe_settings import checked_fields
from hf_tinybert.cli.recipe_tasks import task_settings
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.export import ExportSettings
from hf_tinybert.workflow import (
    AugmentSettings,
    DistilSettings,
    FinetuneSettings,
    PretrainSettings,
    TrimSettings,
)

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "examples" / "recipes").glob("*.yaml"))
SETTINGS = {
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
    "augment": AugmentSettings,
    "distill": DistilSettings,
    "trim-vocab": TrimSettings,
    "export": ExportSettings,
}
STAGES = [(file, verb) for file in RECIPES for verb in RECIPE_VERBS if verb in read_values(file).values]
every_stage = pytest.mark.parametrize(("file", "verb"), STAGES, ids=lambda one: getattr(one, "stem", one))


def _read(file, verb):
    recipe = read_recipe(file, [], verb)
    known = {key: value for key, value in recipe.values.items() if key not in RUN_KEYS}
    return recipe, PlacedValues(known, recipe.places)


@every_stage
def test_a_recipe_is_what_its_verb_reads(file, verb):
    """Prevents an example with a key that there is not, or a value that is refused."""
    recipe, given = _read(file, verb)
    assert recipe.values["output"].startswith("runs/")
    if TASKS in given.values:
        tasks = task_settings(given, {}).tasks.values()
        assert [own["data"] for own in tasks if not (ROOT / own["data"]).is_file()] == []
        return
    check_keys(given, SETTINGS[verb].__dataclass_fields__, verb)
    settings = SETTINGS[verb](**checked_fields(given, SETTINGS[verb])).to_json()
    named = [settings.get("data"), *settings.get("texts", [])]
    assert [name for name in named if name is not None and not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_the_commands_in_a_recipe_are_those_it_is_for(file):
    """Prevents a document whose commands do not run: a verb without a section, an option that there is not."""
    text = file.read_text(encoding="utf-8")
    head = text[: text.index("\n\n")]
    commands = get_command(app).commands
    told = re.findall(r"hf-tinybert (\S+) examples/recipes/(\w+|\$task)\.yaml", head)
    for verb, name in told:
        assert name == "$task" or read_recipe(ROOT / "examples" / "recipes" / f"{name}.yaml", [], verb).values
    own = {verb for verb, name in told if name == file.stem}
    assert own == {verb for stage, verb in STAGES if stage == file}
    options = {name for command in commands.values() for param in command.params for name in param.opts}
    assert set(re.findall(r"(?<=[ (])--[a-z-]+", head)) <= options


def test_there_is_a_recipe_for_every_kind_of_task():
    """Prevents a kind that nobody shows how to distil."""
    kinds = {_read(file, verb)[1].values.get("kind") for file, verb in STAGES if verb == "distill"}
    assert {str(kind) for kind in TaskKind} <= kinds


def test_a_recipe_runs_from_data_to_student(run_cli, encoder, tmp_path, monkeypatch):
    """Prevents recipes that are read and do not run: settings that do not go together, or reach nothing."""
    monkeypatch.chdir(ROOT)  # where its paths start
    recipe = "examples/recipes/text_classification.yaml"
    short = ["--set", "max_length=16", "--set", "epochs=1"]
    done = run_cli("finetune", recipe, *short, "--model", encoder, "--output", tmp_path / "teacher")
    assert done.exit_code == 0, done.output
    sizes = ["--layers", "1", "--width", "16", "--heads", "4", "--units", "20", "--set", "phases=[prediction-layer]"]
    words = [*short, *sizes, "--teacher", tmp_path / "teacher", "--output", tmp_path / "student", "--no-report"]
    figures = json.loads(run_cli("distill", recipe, *words, "--json").stdout)
    assert figures["kind"] == "text-classification" and figures["settings"]["learning_rate"] == 3e-4
    assert figures["settings"]["max_length"] == 16 and figures["settings"]["batch_size"] == 8
