"""A summary in one call: the sentences of a text, however long, that a model would keep."""

from pathlib import Path

from datasets import Dataset

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.model_folder import ModelFolder, load_model_folder


def summarize(text: str, model: str | Path | ModelFolder, *, sentences: int | None = None) -> str:
    """The sentences of a text that say most of it, in their order.

    A text longer than the model reads at once goes through it in overlapping windows of whole sentences.

    Args:
        text: of any length.
        model: folder or Hub name of an extractive summariser, or, to load it once for many texts, what
            `load_model_folder` gave.
        sentences: of the summary; None for as many as the model was trained for.

    Raises:
        FileNotFoundError: no such model.
        ValueError: a model for something else, a text without a sentence, or less than one sentence wanted.
    """
    folder = model if isinstance(model, ModelFolder) else load_model_folder(model)
    if folder.task.kind is not TaskKind.EXTRACTIVE_SUMMARIZATION:
        raise ValueError(
            f"expected a model for {TaskKind.EXTRACTIVE_SUMMARIZATION}, got `{folder.name}` for {folder.task.kind}; "
            "because only such a model scores sentences; distil one with `--kind extractive-summarization`"
        )
    wanted = folder.task.settings.summary_sentences if sentences is None else sentences
    if not isinstance(wanted, int) or wanted < 1:
        raise ValueError(
            f"expected a whole number of at least 1 for `sentences`, got {wanted!r}; because a summary has one; "
            "correct it, or leave it out"
        )
    task = folder.task.with_settings(summary_sentences=wanted)
    (answer,) = Inference(folder.model, folder.tokenizer, task).predict(Dataset.from_dict({"document": [text]}))
    return str(answer["summary"])


__all__ = ["summarize"]
