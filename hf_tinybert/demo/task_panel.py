"""One task on the page: boxes to type in, and a column of answers for each model."""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from html import escape
from itertools import cycle
from typing import Any

import torch

from hf_tinybert.data.metrics.entities import OUTSIDE, is_iob2
from hf_tinybert.demo.answer_html import answer_html, message_html
from hf_tinybert.demo.comparison import Comparison, ModelAnswer, describe
from hf_tinybert.demo.input_forms import FORMS, InputField
from hf_tinybert.demo.model_clock import RUNS
from hf_tinybert.demo.shown_answers import ANSWER_FORMS

logger = logging.getLogger(__name__)

BARS = 5
"""Bars of an answer at most: a model may have a hundred classes."""

_MARKS = {"answer": "#facc15", "filled": "#facc15", "kept": "#4ade80"}
_COLOURS = ("red", "green", "blue", "yellow", "purple", "teal", "orange", "cyan", "lime", "pink")
_HIDDEN = "hidden"  # stays in the page, so that an answer finds its place


class TaskPanel:
    """The boxes and answers of one task; the page that is being built takes them in.

    Args:
        gradio: the package.
        comparison: the models.
        worker: computes answers, one after another.
    """

    def __init__(self, gradio: Any, comparison: Comparison, worker: Executor) -> None:  # noqa: ANN401 (a module)
        self._gradio, self._comparison, self._worker = gradio, comparison, worker
        self._form = ANSWER_FORMS[comparison.task.kind]
        self._models = [
            (role, describe(folder))
            for role, folder in (("Student", comparison.student), ("Teacher", comparison.teacher))
            if folder is not None
        ]
        if comparison.told:
            gradio.HTML(f"<p>{escape(comparison.told)}</p>", elem_classes="explained")
        boxes = [self._box(field) for field in FORMS[comparison.task.kind]]
        button = gradio.Button("Answer", variant="primary")
        message = gradio.HTML(visible=_HIDDEN, elem_classes="message")
        with gradio.Row():
            columns = [self._column(*model) for model in self._models]
        gradio.HTML(f"<p>{escape(self._explained())}</p>", elem_classes="explained")
        gradio.on(
            [button.click, *(box.submit for box in boxes)],
            self._answered,
            boxes,
            [message, *(part for column in columns for part in column)],
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=[column[0] for column in columns],
        )

    def _box(self, field: InputField) -> Any:  # noqa: ANN401 (a component of gradio)
        mask = str(self._comparison.student.tokenizer.mask_token)
        return self._gradio.Textbox(
            label=field.label.replace("{mask}", mask),
            placeholder=field.placeholder.replace("{mask}", mask),
            lines=field.lines,
            max_lines=field.lines if field.lines == 1 else 20,
            elem_classes=f"input-{field.column}",
        )

    def _column(self, role: str, model: str) -> list[Any]:
        gradio, form = self._gradio, self._form
        with gradio.Column(elem_classes=[role.lower(), "column"], min_width=320):
            parts = [gradio.HTML(answer_html(role, model), elem_classes="answer")]
            if form.bars:
                parts.append(gradio.Label(num_top_classes=BARS, show_heading=False, show_label=False, visible=_HIDDEN))
            if form.passages:
                parts.append(
                    gradio.HighlightedText(
                        show_label=False,
                        show_inline_category=form.names_marks,
                        color_map=self._colours(),
                        visible=_HIDDEN,
                    )
                )
        return parts

    def _colours(self) -> dict[str, str]:
        """A colour for each mark, the same in both columns whichever mark comes first."""
        if not self._form.names_marks:
            return _MARKS
        labels = self._comparison.task.settings.labels
        types = dict.fromkeys(label[2:] if is_iob2(labels) else label for label in labels if label != OUTSIDE)
        return dict(zip(types, cycle(_COLOURS), strict=False))

    def _answered(self, *typed: str) -> list[Any]:
        """New values of the message and of every part of every column; runs in one of gradio's threads."""
        answers: Sequence[ModelAnswer | None]
        try:
            answers, message = self._worker.submit(self._comparison.answer, typed).result(), ""
        except ValueError as error:
            logger.info("refused: %s", error)
            answers, message = [None] * len(self._models), str(error)
        values = [self._gradio.HTML(message_html(message), visible=bool(message) or _HIDDEN)]
        for (role, model), answer in zip(self._models, answers, strict=True):
            values += self._values(role, model, answer, answers[-1])
        return values

    def _values(self, role: str, model: str, answer: ModelAnswer | None, teacher: ModelAnswer | None) -> list[Any]:
        visible = answer is not None or _HIDDEN
        values: list[Any] = [answer_html(role, model, answer, teacher)]
        if self._form.bars:
            values.append(self._gradio.Label(dict(answer.shown.bars) if answer else {}, visible=visible))
        if self._form.passages:
            values.append(self._gradio.HighlightedText(answer.shown.passages if answer else [], visible=visible))
        return values

    def _explained(self) -> str:
        """How the times were taken."""
        device = self._comparison.student.model.device
        threads = self._worker.submit(torch.get_num_threads).result()  # a thread has a number of its own
        several = f"processor, {threads} {'thread' if threads == 1 else 'threads'}"
        turns = "; the models take turns" if self._comparison.teacher is not None else ""
        return (
            f"Times are of the model alone, without tokenising: the median of {RUNS} runs after one that is not "
            f"counted{turns}; fewer runs where a text takes long ({several if device.type == 'cpu' else device})."
        )


__all__ = ["BARS", "TaskPanel"]
