"""What the page asks for, by kind of task, and what was typed as a row to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.tasks import KINDS, Task, TaskKind
from hf_tinybert.workflow.row_columns import Row, StandardRows

LONGEST_INPUT = 50_000
"""Characters of a field at most; a longer text is one for `hf-tinybert predict`."""


@dataclass(frozen=True)
class InputField:
    """One box to type in.

    Attributes:
        column: standard column of the kind that it fills.
        label: above the box.
        placeholder: in the empty box.
        lines: height of the box.
        required: whether it must not be empty.
    """

    column: str
    label: str
    placeholder: str
    lines: int = 3
    required: bool = True


@dataclass(frozen=True)
class Asked:
    """What was typed.

    Attributes:
        row: with the standard columns of the kind.
        text: of which parts may be marked in an answer: the context of a question, a document, the text.
    """

    row: Row
    text: str


_TEXT = InputField("text", "Text", "Type a text")
_SECOND = InputField("text_pair", "Second text", "Type another text")
_MAYBE_SECOND = InputField(
    "text_pair", "Second text, if the model reads two", "Leave it empty for one text", lines=2, required=False
)
FORMS: Mapping[TaskKind, tuple[InputField, ...]] = {
    TaskKind.TEXT_CLASSIFICATION: (_TEXT,),
    TaskKind.PAIR_CLASSIFICATION: (InputField("text", "First text", "Type a text"), _SECOND),
    TaskKind.MULTI_LABEL_CLASSIFICATION: (_TEXT, _MAYBE_SECOND),
    TaskKind.REGRESSION: (_TEXT, _MAYBE_SECOND),
    TaskKind.TOKEN_CLASSIFICATION: (InputField("tokens", "Text", "Type a text in which words are tagged"),),
    TaskKind.QUESTION_ANSWERING: (
        InputField("question", "Question", "Type a question", lines=1),
        InputField("context", "Text that holds the answer", "Type or paste a text", lines=8),
    ),
    TaskKind.MULTIPLE_CHOICE: (
        InputField("text", "Text or question", "Type what the choices follow", required=False),
        InputField("choices", "Choices, one a line", "Type at least two choices, one a line", lines=4),
    ),
    TaskKind.MASKED_LM: (InputField("text", "Text with {mask} for each missing piece", "The {mask} is good."),),
    TaskKind.EXTRACTIVE_SUMMARIZATION: (
        InputField("document", "Document", "Type or paste a text of several sentences", lines=10),
    ),
    TaskKind.SENTENCE_EMBEDDING: (InputField("text", "First text", "Type a text"), _SECOND),
}
# The box whose text an answer marks; of other kinds the first one.
_MARKED = {TaskKind.QUESTION_ANSWERING: "context"}


def read_form(task: Task, tokenizer: PreTrainedTokenizerBase, typed: Sequence[str]) -> Asked:
    """What was typed, checked, as a row that the task reads.

    Args:
        task: of the model that answers.
        tokenizer: of the model; names its mask.
        typed: one text per field of the kind, in their order.

    Raises:
        ValueError: an empty box, a text that is too long, fewer than two choices, or no mask to fill.
    """
    values = {field.column: text or "" for field, text in zip(FORMS[task.kind], typed, strict=True)}
    for field in FORMS[task.kind]:
        _check(field, values[field.column])
    text = values[_MARKED.get(task.kind, FORMS[task.kind][0].column)]
    if task.kind is TaskKind.MASKED_LM and str(tokenizer.mask_token) not in text:
        mask = tokenizer.mask_token
        raise ValueError(f"expected {mask} in the text, got none; because it stands for the piece to fill in; type it")
    given: Row = {field.column: values[field.column] for field in FORMS[task.kind] if _is_given(field, values)}
    if task.kind is TaskKind.MULTIPLE_CHOICE:
        given["choices"] = [line.strip() for line in values["choices"].splitlines() if line.strip()]
        if len(given["choices"]) < 2:
            raise ValueError(
                "expected at least two choices, got one; because there is nothing to choose from; type one a line"
            )
    row = StandardRows(task.kind, {}).of(given, 1)
    if isinstance(row, str):
        raise ValueError(row)
    return Asked(row, text)


def tokens_read(task: Task, tokenizer: PreTrainedTokenizerBase, row: Row) -> tuple[int, int] | None:
    """Tokens of the longest input of a row and how many of them the model reads; None where it reads all.

    Args:
        task: with the length.
        tokenizer: of the model.
        row: of the task. Kinds that read long texts in windows or blocks leave out nothing.
    """
    if KINDS[task.kind].windows or task.kind is TaskKind.MASKED_LM:
        return None
    text, second = row["text"], row.get("text_pair")
    if task.kind is TaskKind.MULTIPLE_CHOICE:
        inputs = [(text, choice) if text else (choice,) for choice in row["choices"]]
    elif task.kind is TaskKind.SENTENCE_EMBEDDING:
        inputs = [(one,) for one in (text, second) if one]
    else:
        inputs = [(text, second) if second else (text,)]
    longest = max(len(tokenizer(*one, verbose=False)["input_ids"]) for one in inputs)
    return (longest, task.settings.max_length) if longest > task.settings.max_length else None


def _check(field: InputField, text: str) -> None:
    if field.required and not text.strip():
        raise ValueError(f"expected a text in “{field.label}”, got an empty one; type something")
    if len(text) > LONGEST_INPUT:
        raise ValueError(
            f"expected at most {LONGEST_INPUT:,} characters in “{field.label}”, got {len(text):,}; because a page "
            "answers at once; put the text into a file for `hf-tinybert predict`"
        )


def _is_given(field: InputField, values: Mapping[str, str]) -> bool:
    return field.required or bool(values[field.column].strip())


__all__ = ["FORMS", "LONGEST_INPUT", "Asked", "InputField", "read_form", "tokens_read"]
