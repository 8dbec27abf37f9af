"""`hf-tinybert card`: the model card of a folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


def card(
    folder: options.PublishedFolder,
    repo_id: Annotated[str | None, typer.Option(help="Where the model will lie; the folder's name if none.")] = None,
    form: options.Form = "bert",
    remote_code: options.RemoteCode = False,
    license: options.License = None,
    language: options.Language = None,
    dataset: options.Dataset = None,
    base_model: options.BaseModel = None,
    teacher_license: options.TeacherLicense = None,
    tag: options.Tags = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a card.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write README.md of a model folder from what its files say; edit it, then push.

    Example: hf-tinybert card student --license apache-2.0 --dataset nyu-mll/glue
    """
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.hub import CardDetails, PublishedForm, write_model_card

            details = CardDetails(repo_id, license, language, dataset, base_model, teacher_license, tuple(tag or ()))
            chosen = options.parse_choice(PublishedForm, form, "--form")
            path: Path = write_model_card(folder, details, chosen, remote_code=remote_code, overwrite=overwrite)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    if as_json:
        tell({"card": str(path)})
        return
    Console().print(f"Card: {escape(str(path))}", highlight=False)


__all__ = ["card"]
