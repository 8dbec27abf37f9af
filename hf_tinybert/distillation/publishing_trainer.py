"""The stock Trainer, which puts named files of a model on the Hub and nothing else of its output folder.

The stock one uploads the folder as it is: the training arguments with their access token, projections and states.
"""

import logging
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import CommitInfo, HfApi
from transformers import Trainer
from transformers.trainer_utils import HubStrategy, SaveStrategy

from hf_tinybert.distillation.adapters import is_adapter_model

if TYPE_CHECKING:
    from hf_tinybert.hub import CardDetails

logger = logging.getLogger(__name__)


class PublishingTrainer(Trainer):
    """Pushes by `hf_tinybert.hub.publish`, in the format of the folder, at the moments that `hub_strategy` names.

    Checkpoints with their optimizer state are never pushed: `checkpoint` and `all_checkpoints` push what `every_save`
    does. Students that are adapters go up the stock way, which knows their files.
    """

    def push_to_hub(  # type: ignore[override]  # the stock one gives futures and None too, and does not say so
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,  # noqa: ANN401 (as in its base)
    ) -> CommitInfo | Future[CommitInfo] | None:
        """Save the student and put it on the Hub: model, tokenizer, record and a card, in one commit.

        Args:
            commit_message: of the commit.
            blocking: whether to wait for the upload.
            token: with the right to write; by default `hub_token`, then that of `HF_TOKEN` or `hf auth login`.
            revision: branch; by default `hub_revision`.
            private: of a repository that is made; by default `hub_private_repo`.
            **kwargs: of the card, see `create_model_card`; one that lies in `output_dir` goes up as it is.

        Returns:
            The commit, or its future with `blocking=False`; None in all processes but the first.

        Raises:
            ValueError: a file tells a token or a path of this machine.
            OSError: the Hub refused.
        """
        if is_adapter_model(self.model):
            stock: CommitInfo | Future[CommitInfo] | None = super().push_to_hub(
                commit_message, blocking, token, revision, private, **kwargs
            )
            return stock
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token=token or self.args.hub_token, private=private)
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        self._finish_current_push()
        from hf_tinybert.hub.published_files import CARD_FILE

        folder, message = Path(str(self.args.output_dir)), commit_message or "End of training"
        card = folder / CARD_FILE
        if kwargs and card.is_file():
            logger.warning(
                "`%s` goes up as it is, without %s; call `create_model_card` with them, or delete the card to have "
                "one written",
                card,
                ", ".join(f"`{name}`" for name in kwargs),
            )
            kwargs = {}
        arguments = (folder, message, token, revision, kwargs)
        return self._publish(*arguments) if blocking else HfApi().run_as_future(self._publish, *arguments)

    def create_model_card(
        self,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
        finetuned_from: str | None = None,
        tasks: str | list[str] | None = None,
        dataset_tags: str | list[str] | None = None,
        dataset: str | list[str] | None = None,
        dataset_args: str | list[str] | None = None,
    ) -> None:
        """Save the student in `output_dir` and write the card beside it that `push_to_hub` writes, over any other.

        The card of an adapter is the stock one.

        Args:
            language: ISO code; several separated by commas.
            license: identifier of the Hub, such as `apache-2.0`.
            tags: for searching.
            model_name: `owner/name` on the Hub; by default `hub_model_id`.
            finetuned_from: Hub name of the teacher.
            tasks: passed over: the card tells the task of the head.
            dataset_tags: Hub name of the training data.
            dataset: likewise, where `dataset_tags` is not given; the stock Trainer takes words for readers.
            dataset_args: passed over.

        Raises:
            ValueError: a name is none of the Hub.
        """
        if is_adapter_model(self.model):
            super().create_model_card(
                language, license, tags, model_name, finetuned_from, tasks, dataset_tags, dataset, dataset_args
            )
            return
        name = model_name or self.hub_model_id or self.args.hub_model_id
        details = _details(language, license, tags, name, finetuned_from, dataset_tags, dataset)
        self.save_model(_internal_call=True)
        if self.is_world_process_zero():
            from hf_tinybert.hub import PublishedForm, write_model_card

            write_model_card(Path(str(self.args.output_dir)), details, PublishedForm.TINYBERT, overwrite=True)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Put the student of a checkpoint on the Hub; what the Hub refuses does not end the training."""
        if is_adapter_model(self.model):
            super()._push_from_checkpoint(checkpoint_folder)
            return
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        steps = self.args.save_strategy == SaveStrategy.STEPS
        at = f"step {self.state.global_step}" if steps else f"epoch {int(self.state.epoch or 0)}"
        try:  # at once: the checkpoint may be gone before an upload in the background gets to it
            self._publish(Path(checkpoint_folder), f"Training in progress, {at}", None, None, {})
        except (OSError, ValueError) as error:
            logger.warning("The student of %s was not put on the Hub: %s Training goes on.", at, error)

    def _publish(
        self, folder: Path, message: str, token: str | None, revision: str | None, told: dict[str, Any]
    ) -> CommitInfo:
        from hf_tinybert.hub import Publication, PublishedForm, publish

        publication = Publication(
            str(self.hub_model_id),
            PublishedForm.TINYBERT,
            revision=revision or self.args.hub_revision,
            message=message,
            details=_details(**{**told, "model_name": None}),  # the repository's own
        )
        return publish(folder, publication, token=token or self.args.hub_token).commit


def _details(
    language: str | list[str] | None = None,
    license: str | None = None,
    tags: str | list[str] | None = None,
    model_name: str | None = None,
    finetuned_from: str | None = None,
    dataset_tags: str | list[str] | None = None,
    dataset: str | list[str] | None = None,
    **_: object,
) -> "CardDetails":
    """What a card is told by arguments of the stock Trainer; see `create_model_card`."""
    from hf_tinybert.hub import CardDetails

    return CardDetails(
        repo_id=model_name,
        license=license,
        language=",".join(_several(language)) or None,
        dataset=",".join(_several(dataset_tags) or _several(dataset)) or None,
        base_model=finetuned_from,
        tags=_several(tags),
    )


def _several(value: str | list[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


__all__ = ["PublishingTrainer"]
