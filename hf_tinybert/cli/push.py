"""`hf-tinybert push`: a model folder to the Hub."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


def push(
    folder: options.PublishedFolder,
    repo_id: Annotated[str, typer.Argument(help="Hub name, OWNER/NAME.")],
    form: options.Form = "bert",
    remote_code: options.RemoteCode = False,
    private: Annotated[bool | None, typer.Option("--private/--public", help="Of a repository that is made.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch; made if it is not there.")] = None,
    pull_request: Annotated[bool, typer.Option("--pr", help="As a pull request.")] = False,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Upload model",
    license: options.License = None,
    language: options.Language = None,
    dataset: options.Dataset = None,
    base_model: options.BaseModel = None,
    teacher_license: options.TeacherLicense = None,
    tag: options.Tags = None,
    as_json: options.AsJson = False,
) -> None:
    """Publish a model folder: model, tokenizer, task, record and card go up, nothing else.

    The token is that of HF_TOKEN or `hf auth login`. The folder's README.md is its card; without one, one is written.

    Example: hf-tinybert push student my-name/tinybert-reviews --license apache-2.0
    """
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.hub import CardDetails, Publication, PublishedForm, publish

            publication = Publication(
                repo_id,
                options.parse_choice(PublishedForm, form, "--form"),
                remote_code=remote_code,
                private=private,
                revision=revision,
                create_pr=pull_request,
                tags=tuple(tag or ()),
                message=message,
                details=CardDetails(None, license, language, dataset, base_model, teacher_license),
            )
            done = publish(folder, publication)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    url = str(done.commit.pr_url or done.commit.commit_url)
    if as_json:
        tell({"repo_id": repo_id, "url": url, "files": list(done.files), "left_over": list(done.left_over)})
        return
    console = Console()
    for file in done.files:
        console.print(f"  {escape(file)}", highlight=False)
    console.print(f"Published: {escape(url)}", highlight=False)


__all__ = ["push"]
