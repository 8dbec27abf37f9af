"""Options that several verbs share, and how their values are read."""

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

_Choice = TypeVar("_Choice", bound=StrEnum)
_KINDS = (
    "text-classification, pair-classification, multi-label-classification, regression, token-classification, "
    "question-answering, multiple-choice, masked-lm, extractive-summarization or sentence-embedding"
)

Kind = Annotated[str | None, typer.Option(help=f"Kind of task, if the columns do not show it: {_KINDS}.")]
ModelKind = Annotated[str | None, typer.Option(help=f"Kind of a model that does not say it: {_KINDS}.")]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="STANDARD=NAME, as text=sentence or labels=rude,sad; repeat it.")
]
DocumentColumns = Annotated[
    list[str] | None, typer.Option("--column", help="Column that holds documents, if it is not `text`; repeat it.")
]
Data = Annotated[str, typer.Argument(help="Hub name, folder or file of the data; `bbc-news` for the packaged news.")]
Model = Annotated[str, typer.Argument(help="Folder or Hub name of the model.")]
HeadTask = Annotated[str | None, typer.Option("--task", help="Of a multi-task model: the head that answers.")]
Output = Annotated[Path, typer.Option(help="Folder for the model and its figures.")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens at once; the kind's usual length if none.")]
Stride = Annotated[int | None, typer.Option(help="Tokens that windows of one text share.")]
Shape = Annotated[str, typer.Option(help="Of the student: 4L-312 or 6L-768.")]
Layers = Annotated[int | None, typer.Option(help="Of the student, instead of the shape's.")]
Width = Annotated[int | None, typer.Option(help="Of its hidden states.")]
Heads = Annotated[int | None, typer.Option(help="Attention heads of a layer.")]
Units = Annotated[int | None, typer.Option(help="Of its feed-forward layers.")]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="Method: tinybert-joint, tinybert-several, tinybert-scratch, tinybert, minilmv2, distilbert or pkd."
    ),
]
LossWeights = Annotated[
    list[str] | None, typer.Option("--loss-weight", help="TERM=FACTOR, or TERM=1,0: from 1 to 0; repeat it.")
]
LayerMapping = Annotated[
    str | None,
    typer.Option(help="uniform, last, first, search, layers like 2,3,4,6, or learned: attention or transport."),
]
BatchSize = Annotated[int, typer.Option(help="Rows per step.")]
TrainRows = Annotated[int | None, typer.Option(help="Training rows at most.")]
ValidationRows = Annotated[int | None, typer.Option(help="Validation rows at most.")]
ScoreTest = Annotated[bool, typer.Option("--test", help="Score the test split too, once, at the end.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for machines.")]

PublishedFolder = Annotated[Path, typer.Argument(help="Folder of the model.")]
Form = Annotated[str, typer.Option(help="bert (plain BERT, loads everywhere) or tinybert (native).")]
RemoteCode = Annotated[bool, typer.Option("--remote-code", help="A native model takes its code along.")]
License = Annotated[str | None, typer.Option(help="Of the model: an identifier of the Hub.")]
Language = Annotated[str | None, typer.Option(help="ISO code: en; several separated by commas.")]
Dataset = Annotated[str | None, typer.Option(help="Hub name of the training data.")]
BaseModel = Annotated[str | None, typer.Option(help="Hub name of the teacher.")]
TeacherLicense = Annotated[str | None, typer.Option(help="Of the teacher.")]
TeacherWeights = Annotated[str | None, typer.Option(help="Of each of several teachers, like 1,0.5; equal if none.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="For searching; repeat it.")]


def parse_pairs(given: Iterable[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary.

    Raises:
        ValueError: one without `=`, or a name given twice.
    """
    pairs: dict[str, str] = {}
    for one in given or ():
        name, sign, value = one.partition("=")
        if not (name and sign and value):
            raise ValueError(f"expected `{option} NAME=VALUE`, got `{option} {one}`")
        if name in pairs:
            raise ValueError(f"expected each name once in `{option}`, got `{name}` twice")
        pairs[name] = value
    return pairs


def parse_factors(given: Iterable[str] | None, option: str) -> dict[str, float]:
    """NAME=NUMBER options as a dictionary.

    Raises:
        ValueError: one without `=` or without a number, or a name given twice.
    """
    return {name: _factor(text, f"{option} {name}") for name, text in parse_pairs(given, option).items()}


def _factor(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"expected a number, `{option}=0.5`, got `{option}={text}`") from error


def parse_moving_factors(given: Iterable[str] | None, option: str) -> dict[str, float | tuple[float, ...]]:
    """NAME=NUMBER options, or NAME=FIRST,LAST of a number that moves over a phase, as a dictionary.

    Raises:
        ValueError: one without `=` or without a number, or a name given twice.
    """
    pairs = parse_pairs(given, option)
    return {name: _moving(text, f"{option} {name}") for name, text in pairs.items()}


def parse_moving(given: str | None, option: str) -> float | tuple[float, ...] | None:
    """A number, or two between commas where it moves from one to the other; None of none.

    Raises:
        ValueError: one that is no number.
    """
    return None if given is None else _moving(given, option)


def _moving(text: str, option: str) -> float | tuple[float, ...]:
    numbers = tuple(_factor(one, option) for one in text.split(","))
    return numbers[0] if len(numbers) == 1 else numbers


def parse_numbers(given: str | None, option: str) -> tuple[float, ...] | None:
    """Numbers between commas, such as `1,0.5`; None of none.

    Raises:
        ValueError: one that is no number.
    """
    return None if given is None else tuple(_factor(one, option) for one in given.split(","))


def parse_choice(kind: type[_Choice], given: str, option: str) -> _Choice:
    """The member of a closed choice.

    Raises:
        ValueError: there is none of that name; it says which there are.
    """
    try:
        return kind(given)
    except ValueError as error:
        raise ValueError(f"expected `{option}` out of {', '.join(kind)}, got `{given}`") from error


def parse_values(given: Iterable[str] | None, option: str) -> dict[str, Any]:
    """NAME=VALUE options as a dictionary; a value is a number, `true` or `false` where it reads like one.

    Raises:
        ValueError: one without `=`, or a name given twice.
    """
    return {name: _value(text) for name, text in parse_pairs(given, option).items()}


def _value(text: str) -> Any:  # noqa: ANN401 (of a setting)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


__all__ = [
    "AsJson",
    "BaseModel",
    "BatchSize",
    "Columns",
    "Data",
    "Dataset",
    "DocumentColumns",
    "Form",
    "HeadTask",
    "Heads",
    "Kind",
    "Language",
    "LayerMapping",
    "Layers",
    "License",
    "LossWeights",
    "MaxLength",
    "Model",
    "ModelKind",
    "Output",
    "PublishedFolder",
    "Recipe",
    "RemoteCode",
    "ScoreTest",
    "Seed",
    "Shape",
    "Stride",
    "Tags",
    "TeacherLicense",
    "TeacherWeights",
    "TrainRows",
    "Units",
    "ValidationRows",
    "Width",
    "parse_choice",
    "parse_factors",
    "parse_moving",
    "parse_moving_factors",
    "parse_numbers",
    "parse_pairs",
    "parse_values",
]
