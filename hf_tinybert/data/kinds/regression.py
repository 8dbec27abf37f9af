"""A number per text or per pair of texts, such as the similarity of two sentences."""

from collections.abc import Sequence

from datasets import Dataset, Value
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import logits_of_rows, rounded
from hf_tinybert.data.kinds.definition import ROW_NUMBER, KindDefinition, Logits, Prediction, TaskSettings
from hf_tinybert.data.kinds.gold import gold_values, required
from hf_tinybert.data.kinds.texts import encode_texts, text_collator
from hf_tinybert.data.metrics import Pearsonr, Spearmanr


def _encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    encoded = encode_texts(rows, tokenizer, settings.max_length)
    numbers = gold_values(rows, "score")
    if numbers is None:
        return encoded
    return encoded.add_column("labels", [float(number) for number in numbers], feature=Value("float32"))


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    return [{"score": rounded(number)} for (number,) in logits_of_rows(logits, encoded[ROW_NUMBER][:], 1)]


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    pairs = {
        "predictions": [prediction["score"] for prediction in predictions],
        "references": required(gold_values(rows, "score"), rows, "score"),
    }
    return {
        **Spearmanr(keep_in_memory=True).compute(**pairs),
        **Pearsonr(keep_in_memory=True).compute(**pairs),
    }


REGRESSION = KindDefinition(
    head="ForSequenceClassification",
    problem_type="regression",
    columns=("text",),
    label_columns=("score",),
    metrics=("spearmanr", "pearsonr"),
    encode=_encode,
    collator=text_collator,
    decode=_decode,
    score=_score,
)

__all__ = ["REGRESSION"]
