"""A vector per text."""

import json

import numpy as np
import pytest
from datasets import Dataset
from scipy import stats
from transformers import set_seed

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding

LOGITS = np.array([[3.0, 4.0], [4.0, 3.0], [1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-2.0, -2.0]])


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.SENTENCE_EMBEDDING, max_length=16))


@pytest.fixture
def pairs():
    texts, others = ["the bank", "a film", "a goal"], ["a bank rises today .", "the song", "slow"]
    return Dataset.from_dict({"text": texts, "text_pair": others, "score": [4.0, 1.0, 2.0]})


def test_both_texts_of_a_pair_are_rows_of_their_own(task, tokenizer, pairs):
    """Prevents texts that see each other, and labels that a model without a head for them would not take."""
    encoded = task.encode(pairs, tokenizer)
    assert encoded["row_number"][:] == [0, 0, 1, 1, 2, 2]
    assert encoded["input_ids"][1] == tokenizer("a bank rises today .")["input_ids"]
    assert set(encoded.column_names) == {"input_ids", "token_type_ids", "attention_mask", "row_number"}
    assert max(map(len, Task(TaskSettings(task.kind, max_length=5)).encode(pairs, tokenizer)["input_ids"])) == 5


def test_a_pair_has_two_embeddings_and_their_cosine(task, tokenizer, pairs):
    """Prevents the embedding of another row, and a similarity that grows with the length of vectors."""
    encoded = task.encode(pairs, tokenizer)
    predictions = task.decode(LOGITS, encoded, pairs)
    assert predictions[0] == {"embedding": [3.0, 4.0], "embedding_pair": [4.0, 3.0], "similarity": 0.96}
    assert [each["similarity"] for each in predictions] == [0.96, 0.0, -1.0]
    order = [2, 4, 0, 5, 1, 3]
    assert task.decode(LOGITS[order], encoded.select(order), pairs) == predictions
    assert json.loads(json.dumps(predictions)) == predictions


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_embeddings_are_compared_as_sentence_transformers_does(task, tokenizer, pairs, name):
    """Prevents a teacher of dot products from being scored by angles, and a distance that passes for a likeness."""
    from sentence_transformers import SimilarityFunction

    compare = SimilarityFunction.to_similarity_pairwise_fn(name)
    own = task.with_settings(similarity=name)
    predictions = own.decode(LOGITS, own.encode(pairs, tokenizer), pairs)
    expected = compare(LOGITS[::2], LOGITS[1::2]).tolist()
    assert [each["similarity"] for each in predictions] == pytest.approx(expected, abs=1e-5)


def test_an_unknown_way_to_compare_is_named(task, tokenizer, pairs):
    """Prevents a bare KeyError from a `task.json` that was written by hand."""
    own = task.with_settings(similarity="angle")
    with pytest.raises(ValueError, match="expected `similarity` of cosine, dot, euclidean, manhattan, got `angle`"):
        own.decode(LOGITS, own.encode(pairs, tokenizer), pairs)


def test_a_vector_of_zeros_is_like_nothing(task, tokenizer, pairs):
    """Prevents NaN among the similarities."""
    predictions = task.decode(np.zeros((6, 2)), task.encode(pairs, tokenizer), pairs)
    assert [each["similarity"] for each in predictions] == [0.0, 0.0, 0.0]


def test_single_texts_have_one_embedding(task, tokenizer, pairs):
    """Prevents a text without a pair from being dropped, alone or among pairs."""
    alone = pairs.select_columns("text")
    predictions = task.decode(LOGITS[:3], task.encode(alone, tokenizer), alone)
    assert predictions == [{"embedding": row.tolist()} for row in LOGITS[:3]]
    some = Dataset.from_dict({"text": ["a", "the"], "text_pair": [None, "film"]})
    encoded = task.encode(some, tokenizer)
    assert encoded["row_number"][:] == [0, 1, 1]
    mixed = task.decode(LOGITS[:3], encoded, some)
    assert [len(each) for each in mixed] == [1, 3]
    with pytest.raises(ValueError, match="expected a `text_pair` in every row to score, got none in row 1"):
        task.score(mixed, some)


def test_similarities_are_scored_as_scipy_does(task, tokenizer, pairs):
    """Prevents a correlation with the scores of other rows."""
    predictions = task.decode(LOGITS, task.encode(pairs, tokenizer), pairs)
    found, true = [0.96, 0.0, -1.0], [4.0, 1.0, 2.0]
    expected = {
        "spearmanr": stats.spearmanr(found, true).statistic,
        "pearsonr": stats.pearsonr(found, true).statistic,
    }
    assert task.score(predictions, pairs) == pytest.approx(expected)
    assert tuple(expected) == task.metrics
    with pytest.raises(ValueError, match="expected the column `score`"):
        task.score(predictions, pairs.remove_columns("score"))


def test_what_is_no_text_is_named_with_its_row(task, tokenizer):
    """Prevents `None` that is embedded as a word."""
    with pytest.raises(ValueError, match="expected a string in `text` of every row, got None in row 2"):
        task.encode(Dataset.from_dict({"text": ["a", None]}), tokenizer)


def test_the_stock_trainer_gathers_embeddings_of_the_same_text_alike(task, tokenizer, sentences, gathered):
    """Prevents embeddings that depend on the batch of their text, or come back at another one."""
    set_seed(0)
    config = TinyBertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = TinyBertForSentenceEmbedding(config).eval()
    rows = Dataset.from_dict({"text": sentences[:7], "text_pair": sentences[6::-1]})
    encoded = task.encode(rows, tokenizer)
    predictions = task.decode(gathered(task, model, encoded), encoded, rows)
    for number, prediction in enumerate(predictions):
        assert prediction["embedding_pair"] == pytest.approx(predictions[6 - number]["embedding"], abs=1e-5)
    assert predictions[3]["similarity"] == pytest.approx(1.0, abs=1e-5)
