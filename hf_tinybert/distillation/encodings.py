"""One text, two encodings: teacher and student with different tokenizers, and which model reads which column.

With one tokenizer a batch holds the union of both models' inputs. With two, the teacher's columns carry a prefix
(`teacher_input_ids`), stand beside the student's and are padded on their own. Tokens of the two then do not
correspond: only the prediction of a whole text can be compared.
"""

import inspect
from collections.abc import Mapping, Sequence, Set
from typing import Any

from datasets import Dataset
from torch import Tensor
from transformers import BatchEncoding, DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.texts import encode_pairs
from hf_tinybert.distillation.head_kinds import head_kind

TEACHER_PREFIX = "teacher_"

_LABELS = frozenset({"labels", "start_positions", "end_positions", "next_sentence_label"})
_ALIGNED_HEADS = ("ForSentenceEmbedding", "ForSequenceClassification")


def encode_for_both(
    dataset: Dataset,
    student_tokenizer: PreTrainedTokenizerBase,
    teacher_tokenizer: PreTrainedTokenizerBase,
    *,
    text_columns: Sequence[str],
    max_length: int,
    teacher_max_length: int | None = None,
    num_proc: int | None = None,
) -> Dataset:
    """The rows with an encoding for each model: `input_ids`, ... and `teacher_input_ids`, ..., truncated, unpadded.

    All other columns stay.

    Args:
        dataset: rows with texts.
        student_tokenizer: gives the columns without prefix.
        teacher_tokenizer: gives the columns with `teacher_`.
        text_columns: one column of texts, or two of pairs.
        max_length: most tokens of the student's encoding, special ones included.
        teacher_max_length: most tokens of the teacher's; None for `max_length`.
        num_proc: processes that encode.

    Raises:
        ValueError: no or too many text columns, a column that is not there or holds something else than texts, a
            length that a model cannot read, or rows that are encoded already.
    """
    teacher_max_length = max_length if teacher_max_length is None else teacher_max_length
    _check_text_columns(dataset, text_columns)
    _check_length(student_tokenizer, max_length, "student")
    _check_length(teacher_tokenizer, teacher_max_length, "teacher")

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[list[int]]]:
        texts = [rows[column] for column in text_columns]
        for column, values in zip(text_columns, texts, strict=True):
            others = sorted({type(value).__name__ for value in values if not isinstance(value, str)})
            if others:
                raise ValueError(
                    f"expected a text in every row of `{column}`, got {', '.join(others)}; because there is nothing "
                    "to encode; drop such rows, or name another column"
                )
        student = _encoded(texts, student_tokenizer, max_length)
        teacher = _encoded(texts, teacher_tokenizer, teacher_max_length)
        return {**student, **{f"{TEACHER_PREFIX}{name}": values for name, values in teacher.items()}}

    return dataset.map(encode, batched=True, num_proc=num_proc, desc="Encoding for both models")


def join_encodings(student_rows: Dataset, teacher_rows: Dataset) -> Dataset:
    """Rows that were encoded twice as one set: the student's columns, and the teacher's encoding with `teacher_`.

    Args:
        student_rows: encoded by the student's tokenizer, labels and all.
        teacher_rows: the same texts in the same order, encoded by the teacher's.

    Raises:
        ValueError: the sets are of different length, or the teacher's is not encoded.
    """
    if len(student_rows) != len(teacher_rows):
        raise ValueError(
            f"expected one teacher row for each student row, got {len(student_rows)} student and {len(teacher_rows)} "
            "teacher rows; because row i of both has to be the same text; encode the same rows for both"
        )
    if "input_ids" not in teacher_rows.column_names:
        raise ValueError(
            f"expected encoded teacher rows with `input_ids`, got {teacher_rows.column_names}; encode them with the "
            "teacher's tokenizer"
        )
    joined = student_rows
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        if name in teacher_rows.column_names:
            joined = joined.add_column(f"{TEACHER_PREFIX}{name}", teacher_rows[name][:])
    return joined


class PairedCollator:
    """Batches of rows with two encodings, each padded to its own longest row; labels become `labels`.

    Args:
        student_tokenizer: pads `input_ids`, ...
        teacher_tokenizer: pads `teacher_input_ids`, ...
        pad_to_multiple_of: of both lengths, in tokens; 8 suits tensor cores.

    Source: as transformers' `DataCollatorWithPadding`, once for each model.
    """

    def __init__(
        self,
        student_tokenizer: PreTrainedTokenizerBase,
        teacher_tokenizer: PreTrainedTokenizerBase,
        *,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        # `tokenizer` is where Trainer looks for what to save beside the student
        self.tokenizer = student_tokenizer
        self._student = DataCollatorWithPadding(student_tokenizer, pad_to_multiple_of=pad_to_multiple_of)
        self._teacher = DataCollatorWithPadding(teacher_tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """A batch: `input_ids (batch, seq_len)`, `teacher_input_ids (batch, teacher_seq_len)`, masks alike, `labels`.

        Labels are `(batch,)` int64 for classes, `(batch,)` float32 for regression, `(batch, classes)` float32 for
        multi-label rows of floats.

        Raises:
            ValueError: rows without `teacher_input_ids`.
        """
        if not all(has_teacher_encoding(row) for row in rows):
            raise ValueError(
                f"expected rows with `{TEACHER_PREFIX}input_ids`, got {sorted(rows[0])}; because the teacher reads an "
                "encoding of its own; encode the data by `encode_for_both`, and keep the columns"
            )
        teacher = [{_without_prefix(name): row[name] for name in row if _is_encoding(name)} for row in rows]
        student = [{name: row[name] for name in row if not _is_encoding(name)} for row in rows]
        return {
            **self._student(student),
            **{f"{TEACHER_PREFIX}{name}": tensor for name, tensor in self._teacher(teacher).items()},
        }


def has_teacher_encoding(columns: "Mapping[str, object] | Sequence[str] | Set[str]") -> bool:
    """Whether a row, a batch or a list of column names holds an encoding of the teacher's own."""
    return f"{TEACHER_PREFIX}input_ids" in columns


def model_input_names(model: PreTrainedModel) -> frozenset[str]:
    """The columns that a model's forward takes, labels left out.

    `token_type_ids` are not among them where the model knows one segment only (`type_vocab_size` of RoBERTa's
    family): another tokenizer's 1 would be out of range, and 0 is what it takes without. Of a student with an adapter
    pass the model inside (`adapters.transformers_model`), whose forward names its inputs.
    """
    names = frozenset(inspect.signature(model.forward).parameters) - _LABELS
    segments = model.config.to_dict().get("type_vocab_size")
    return names - {"token_type_ids"} if segments is not None and segments < 2 else names


def has_own_forward(model: PreTrainedModel) -> bool:
    """Whether a model's forward is somebody's own: neither of transformers nor of this package."""
    return not type(model).forward.__module__.startswith(("transformers.", "hf_tinybert."))


def student_inputs(batch: Mapping[str, Tensor], names: Set[str]) -> dict[str, Tensor]:
    """What of a batch the student reads; `names` are its `model_input_names`."""
    return {name: batch[name] for name in batch if name in names}


def teacher_inputs(batch: Mapping[str, Tensor], names: Set[str], token_map: Tensor | None = None) -> dict[str, Tensor]:
    """What of a batch the teacher reads: its own encoding without the prefix, or its part of the common one.

    Args:
        batch: a batch, labels included, which no teacher gets.
        names: the teacher's `model_input_names`.
        token_map: the teacher's id of each id of the common encoding, `(student_ids,)`, on the device of the batch;
            None where both models have one vocabulary.
    """
    if has_teacher_encoding(batch):
        return {
            _without_prefix(name): batch[name] for name in batch if _prefixed(name) and _without_prefix(name) in names
        }
    read = {name: batch[name] for name in batch if name in names}
    if token_map is not None and "input_ids" in read:
        read["input_ids"] = token_map[read["input_ids"]]
    return read


def input_columns(student: PreTrainedModel, teacher: PreTrainedModel) -> frozenset[str]:
    """The columns of a data set that either model reads, the teacher's with and without prefix."""
    teacher_names = model_input_names(teacher)
    return model_input_names(student) | teacher_names | {f"{TEACHER_PREFIX}{name}" for name in teacher_names}


def check_separate_encodings(student: PreTrainedModel) -> None:
    """Refuse heads whose predictions do not correspond when each model has an encoding of its own.

    Raises:
        ValueError: the student predicts something else than classes, numbers or vectors of whole texts.
    """
    if head_kind(student) not in _ALIGNED_HEADS:
        raise ValueError(
            f"expected a student with a head of the kind {' or '.join(_ALIGNED_HEADS)} where the tokenizers differ, "
            f"got `{type(student).__name__}`; because predictions of tokens, answers and choices do not correspond "
            "between two encodings; give the student the teacher's tokenizer"
        )


def _encoded(texts: Sequence[list[str]], tokenizer: PreTrainedTokenizerBase, max_length: int) -> BatchEncoding:
    first, *others = texts
    if others:
        return encode_pairs(first, others[0], tokenizer, max_length)
    encoded: BatchEncoding = tokenizer(first, truncation=True, max_length=max_length)
    return encoded


def _is_encoding(name: str) -> bool:
    """Encodings end in `_ids` and masks in `_mask`; `teacher_logits` is none."""
    return _prefixed(name) and name.endswith(("_ids", "_mask"))


def _prefixed(name: str) -> bool:
    return name.startswith(TEACHER_PREFIX)


def _without_prefix(name: str) -> str:
    return name.removeprefix(TEACHER_PREFIX)


def _check_text_columns(dataset: Dataset, text_columns: Sequence[str]) -> None:
    if isinstance(text_columns, str) or not 1 <= len(text_columns) <= 2:
        raise ValueError(f"expected one text column or two of pairs as a list, got {text_columns!r}")
    missing = [name for name in text_columns if name not in dataset.column_names]
    if missing:
        raise ValueError(
            f"expected the text columns {list(text_columns)}, got none named {', '.join(f'`{n}`' for n in missing)} "
            f"among {dataset.column_names}; name the columns of the data set"
        )
    encoded = [name for name in dataset.column_names if name == "input_ids" or _is_encoding(name)]
    if encoded:
        raise ValueError(
            f"expected rows that are not encoded yet, got {', '.join(f'`{name}`' for name in encoded)}; because they "
            "would be replaced; remove these columns, or join two encoded sets by `join_encodings`"
        )


def _check_length(tokenizer: PreTrainedTokenizerBase, max_length: int, role: str) -> None:
    least = tokenizer.num_special_tokens_to_add(pair=True) + 2
    if not least <= max_length <= tokenizer.model_max_length:
        raise ValueError(
            f"expected a length between {least} and {tokenizer.model_max_length} tokens for the {role}, got "
            f"{max_length}; because its tokenizer says how much the model reads; set "
            f"`{'max_length' if role == 'student' else 'teacher_max_length'}` accordingly"
        )


__all__ = [
    "TEACHER_PREFIX",
    "PairedCollator",
    "check_separate_encodings",
    "encode_for_both",
    "has_own_forward",
    "has_teacher_encoding",
    "input_columns",
    "join_encodings",
    "model_input_names",
    "student_inputs",
    "teacher_inputs",
]
