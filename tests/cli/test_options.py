"""Tests of options that several verbs share."""

import inspect
import re

import pytest

from hf_tinybert.cli.augment import augment
from hf_tinybert.cli.distill import distill
from hf_tinybert.cli.finetune import finetune
from hf_tinybert.cli.options import (
    parse_choice,
    parse_factors,
    parse_moving,
    parse_moving_factors,
    parse_pairs,
    parse_values,
)
from hf_tinybert.cli.pretrain import pretrain
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.hub import PublishedForm
from hf_tinybert.workflow import AugmentSettings, DistilSettings, FinetuneSettings, PretrainSettings


def test_pairs_are_a_dictionary():
    """Prevents names with an equals sign from being cut."""
    assert parse_pairs(["text=sentence", "label=a=b"], "--column") == {"text": "sentence", "label": "a=b"}
    assert parse_pairs(None, "--column") == {}


@pytest.mark.parametrize("given", [["text"], ["=b"], ["text="], ["text=a", "text=b"]])
def test_what_is_no_pair_is_refused(given):
    """Prevents an option that is ignored."""
    with pytest.raises(ValueError, match="--column"):
        parse_pairs(given, "--column")


def test_factors_are_numbers():
    """Prevents a weight that is compared as text."""
    assert parse_factors(["label_loss=0.5"], "--loss-weight") == {"label_loss": 0.5}
    assert parse_factors(None, "--loss-weight") == {}
    with pytest.raises(ValueError, match="expected a number, `--loss-weight label_loss=0.5`, got .*much"):
        parse_factors(["label_loss=much"], "--loss-weight")


def test_two_numbers_are_one_that_moves():
    """Prevents annealing, and a temperature that falls, from needing a recipe."""
    given = ["prediction_loss=1,0", "label_loss=0.5"]
    assert parse_moving_factors(given, "--loss-weight") == {"prediction_loss": (1.0, 0.0), "label_loss": 0.5}
    assert [parse_moving(text, "--temperature") for text in ("8,1", "4", None)] == [(8.0, 1.0), 4.0, None]
    with pytest.raises(ValueError, match="expected a number, `--temperature=0.5`, got `--temperature=hot`"):
        parse_moving("8,hot", "--temperature")


def test_a_choice_that_there_is_not_is_told_with_those_that_there_are():
    """Prevents `'onnx' is not a valid PublishedForm`, which names a class and no way on."""
    assert parse_choice(PublishedForm, "bert", "--form") is PublishedForm.BERT
    with pytest.raises(ValueError, match="expected `--form` out of bert, tinybert, got `onnx`"):
        parse_choice(PublishedForm, "onnx", "--form")


def test_values_are_what_they_read_like():
    """Prevents a number or a switch that is taken for a name."""
    given = ["probability=0.3", "candidates=5", "beside_original=false", "vectors=none", "language=de"]
    assert parse_values(given, "--augment-words") == {
        "probability": 0.3,
        "candidates": 5,
        "beside_original": False,
        "vectors": "none",
        "language": "de",
    }
    assert parse_values(None, "--augment-words") == {}


@pytest.mark.parametrize(
    ("verb", "settings"),
    [
        (finetune, FinetuneSettings),
        (distill, DistilSettings),
        (pretrain, PretrainSettings),
        (augment, AugmentSettings),
    ],
)
def test_defaults_of_the_command_are_those_of_its_settings(verb, settings):
    """Prevents a command that does something else than the function of the same name."""
    fields = settings.__dataclass_fields__
    parameters = inspect.signature(verb).parameters
    for name in fields.keys() & parameters.keys():
        if fields[name].default not in (None, ()) and parameters[name].default is not inspect.Parameter.empty:
            assert parameters[name].default == fields[name].default, name


def test_the_help_names_what_there_is_to_choose(run_cli):
    """Prevents a kind that nobody finds, and a recipe or a layer mapping of a name that is refused."""
    words = run_cli("finetune", "--help", env={"COLUMNS": "400"}).output
    assert [kind for kind in TaskKind if kind not in words] == []
    words = run_cli("distill", "--help", env={"COLUMNS": "400"}).output
    for option, choice in (("--layer-mapping", MappingStrategy), ("--recipe", RecipeName)):
        (line,) = [line for line in words.splitlines() if line.strip("│ ").startswith(f"{option} ")]
        named = set(re.findall(r"[a-z][a-z0-9-]+", line.split("<str>")[1].lower()))
        assert named - {"layers", "like", "or", "learned", "method"} == set(choice)
