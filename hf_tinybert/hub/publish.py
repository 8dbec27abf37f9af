"""A model folder on the Hub: named files only, in one commit."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, ModelCard, get_token
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of its HTTP library
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, without an alias

from hf_tinybert.hub.card_metadata import CardDetails
from hf_tinybert.hub.disclosure import check_disclosure
from hf_tinybert.hub.model_card import check_card, save_card
from hf_tinybert.hub.published_files import CARD_FILE, PublishedForm, left_over_paths, prepared_files, published_paths
from hf_tinybert.idle_settings import given_settings

logger = logging.getLogger(__name__)

_OF_A_NEW_CARD = ("license", "language", "dataset", "base_model", "teacher_license", "tags", "intended_use")


@dataclass(frozen=True)
class Publication:
    """What is published where.

    Attributes:
        repo_id: Hub name, `owner/name`.
        form: `bert` (plain BERT, loads everywhere) or `tinybert` (this package's format).
        remote_code: whether a native model takes its code along.
        private: of a repository that is made; None as the owner's settings say. True is refused for one that is
            public already.
        revision: branch to commit to, made if it is not there.
        create_pr: whether the commit is a pull request.
        tags: more of them in the card.
        message: of the commit.
        details: what the card says besides the folder; refused where a card lies there, which goes up as it is.
    """

    repo_id: str
    form: PublishedForm = PublishedForm.BERT
    remote_code: bool = False
    private: bool | None = None
    revision: str | None = None
    create_pr: bool = False
    tags: Sequence[str] = ()
    message: str = "Upload model"
    details: CardDetails = field(default_factory=CardDetails)

    def __post_init__(self) -> None:
        """Check before anything is read."""
        validate_repo_id(self.repo_id)
        if self.create_pr and self.revision not in (None, "main"):
            raise ValueError(
                f"expected a pull request to `main`, got the revision `{self.revision}`; because the Hub opens them "
                "there only; leave one of the two out"
            )


@dataclass(frozen=True)
class Published:
    """What went up.

    Attributes:
        files: paths in the repository.
        commit: of the Hub.
        left_over: paths that an earlier model left in the repository, and this one does not have.
    """

    files: tuple[str, ...]
    commit: CommitInfo
    left_over: tuple[str, ...] = ()


def publish(folder: str | Path, publication: Publication, *, token: str | None = None) -> Published:
    """Put a model folder on the Hub.

    Model, tokenizer, task, record and card go up, nothing else; see `published_files`. Everything is made
    ready and checked in a temporary folder before the first request, so that a failure, on this machine or there,
    leaves the folder as it was, and the same call can be made again. All files are one commit, or none is.

    Args:
        folder: As `hf-tinybert distill`, `save_model` or `save_pretrained` write it.
        publication: What, where and how.
        token: With the right to write; by default that of `HF_TOKEN` or `hf auth login`.

    Raises:
        FileNotFoundError: Configuration, weights or tokenizer are missing.
        ValueError: A model that has no such form, a damaged file, one that tells a token or a path of this machine,
            `details` beside a card, or a private model for a repository that is public, and the other way round.
        OSError: The Hub refused, or could not be reached (`ConnectionError`).
    """
    folder = Path(folder)
    with ExitStack() as stack:
        staged = stack.enter_context(prepared_files(folder, publication.form, remote_code=publication.remote_code))
        _write_card(folder, staged, publication)
        check_disclosure(staged, token=token or get_token(), private_paths=(Path.home(), folder.resolve().parent))
        files = tuple(published_paths(staged))
        try:
            return _commit(staged, files, publication, HfApi(token=token, library_name="hf_tinybert"))
        except HTTPError as error:
            if isinstance(error, OSError):  # an answer of the Hub, which says why
                raise
            raise ConnectionError(
                f"expected an answer of the Hub, got `{error}`; because the connection failed; look whether it and "
                "HF_ENDPOINT are right, and give the same command again"
            ) from error


def _write_card(folder: Path, staged: Path, publication: Publication) -> None:
    """The folder's own card, or a new one, with the tags."""
    path = staged / CARD_FILE
    if not path.is_file():
        own = publication.details
        details = replace(own, repo_id=own.repo_id or publication.repo_id, tags=(*own.tags, *publication.tags))
        save_card(folder, staged, details, publication.form, remote_code=publication.remote_code)
        return
    told = given_settings(publication.details, _OF_A_NEW_CARD)
    if told:
        raise ValueError(
            f"expected no `{CARD_FILE}` in `{folder}` with {', '.join(f'`{name}`' for name in told)}, got one; "
            "because that card goes up as it is; write it there, or have the card written anew by `hf-tinybert card "
            "--overwrite`"
        )
    check_card(path.read_text(encoding="utf-8"), folder, publication.form, remote_code=publication.remote_code)
    if publication.tags:
        card = ModelCard.load(path)
        card.data.tags = list(dict.fromkeys([*(card.data.tags or []), *publication.tags]))
        card.save(path)


def _commit(staged: Path, files: tuple[str, ...], publication: Publication, api: HfApi) -> Published:
    repo_id = api.create_repo(publication.repo_id, private=publication.private, exist_ok=True).repo_id
    if publication.private is not None and publication.private != bool(api.model_info(repo_id).private):
        wanted, is_now = ("private", "public") if publication.private else ("public", "private")
        raise ValueError(
            f"expected a {wanted} repository, got `{repo_id}`, which is {is_now}; because only a new one is made "
            f"{wanted} by an upload; change its visibility in its settings, or name another"
        )
    if publication.revision and publication.revision != "main":
        api.create_branch(repo_id, branch=publication.revision, exist_ok=True)
    # listed before, so that nothing can fail after the upload
    present = api.list_repo_files(repo_id, revision=publication.revision)
    commit = api.create_commit(
        repo_id,
        [CommitOperationAdd(path, staged / path) for path in files],
        commit_message=publication.message,
        revision=publication.revision,
        create_pr=publication.create_pr,
    )
    logger.info("published %d files: %s", len(files), commit.pr_url or commit.commit_url)
    left_over = tuple(left_over_paths(present, files))
    if left_over:
        logger.warning(
            "expected the files of one model in `%s`, got %s of an earlier one; because this model has none of them, "
            "and libraries may read them; delete them there",
            repo_id,
            ", ".join(f"`{path}`" for path in left_over),
        )
    return Published(files, commit, left_over)


__all__ = ["Publication", "Published", "publish"]
