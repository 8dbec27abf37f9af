"""From columns of text and label to the columns a model reads."""

from datasets import ClassLabel, Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import ROW_NUMBER
from hf_tinybert.data.kinds.texts import encode_texts

__all__ = ["label_names", "tokenize_texts"]


def tokenize_texts(dataset: DatasetDict, tokenizer: PreTrainedTokenizerBase, max_length: int) -> DatasetDict:
    """Turns texts into token ids: truncated, not padded, because the collator pads each batch to its longest row.

    Args:
        dataset: Splits with the columns `text` (string), `label`, and `text_pair` (string) where the task has pairs.
        tokenizer: The tokenizer that student and teacher share.
        max_length: Longest row in tokens, special tokens included; of a pair, the longer text is shortened first.

    Returns:
        The same splits with `labels` and what the tokenizer makes: `input_ids`, `attention_mask` and, for BERT,
        `token_type_ids`, each one int list (row_length,) per row.

    Raises:
        ValueError: If a column is missing, or `max_length` is more than the tokenizer's model reads or leaves no room
            for text.
    """
    for name, split in dataset.items():
        missing = [column for column in ("text", "label") if column not in split.column_names]
        if missing:
            raise ValueError(
                f"expected the columns `text` and `label` in split `{name}`, got {split.column_names}; because there "
                f"is no {missing} to tokenise; rename the columns, or load the data with `load_task_data`."
            )
    return DatasetDict({name: _tokenize(split, tokenizer, max_length) for name, split in dataset.items()})


def label_names(dataset: DatasetDict) -> list[str]:
    """Gives the class names in the order of their ids.

    Args:
        dataset: Splits with a ClassLabel column `label` (texts) or `labels` (tokenised).

    Returns:
        One name per class id; `dict(enumerate(names))` is a config's `id2label`.

    Raises:
        ValueError: If `train` has no such column.
    """
    features = dataset["train"].features
    feature = features.get("labels", features.get("label"))
    if not isinstance(feature, ClassLabel):
        raise ValueError(
            f"expected a ClassLabel column `label` or `labels`, got {dict(features)}; because class ids without names "
            "cannot be compared with a teacher's; load the data with `load_task_data`, or use `cast_column`."
        )
    return list(feature.names)


def _tokenize(split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    encoded = encode_texts(split, tokenizer, max_length).remove_columns(ROW_NUMBER)
    return encoded.add_column("labels", split["label"][:], feature=split.features["label"])
