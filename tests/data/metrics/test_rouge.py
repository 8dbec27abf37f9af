"""ROUGE against numbers counted by hand and against rouge-score itself."""

# ruff: noqa: RUF001 (Chinese punctuation is what is tested)

import pytest
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from hf_tinybert.data.metrics.rouge import Rouge, rouge_words

TEXTS = ["The banks' 3.5% rise was slowly falling; naïve players disagreed!", "", "A BANK_share e.g. rises"]


def _scores(predictions, references, **settings):
    return Rouge(keep_in_memory=True).compute(predictions=predictions, references=references, **settings)


def test_shared_words_and_pairs_are_counted():
    """Prevents ROUGE of another definition than the one results are compared in."""
    scores = _scores(["the new bank rises"], [["the bank rises today"]])
    # Words: 3 of 4 and 3 of 4; pairs: `bank rises`, 1 of 3 and 1 of 3; longest common sequence 3.
    assert scores["rouge1"] == pytest.approx(0.75)
    assert scores["rouge2"] == pytest.approx(1 / 3)
    assert scores["rougeL"] == pytest.approx(0.75)


def test_the_best_reference_counts_and_rows_are_averaged_exactly():
    """Prevents the first of several references from being the only one, and means that are drawn by chance."""
    scores = _scores(["a bank", "x"], [["y", "a bank"], ["z"]], rouge_types=["rouge1"])
    assert scores == {"rouge1": 0.5}


@pytest.mark.parametrize("stemmed", [False, True])
def test_english_words_are_those_of_rouge_score(stemmed):
    """Prevents results that differ from everybody's by their own idea of a word."""
    for text in TEXTS:
        assert rouge_words(text, stemmed=stemmed) == DefaultTokenizer(stemmed).tokenize(text)


def test_english_scores_are_those_of_rouge_score():
    """Prevents a wrapper that changes what it wraps."""
    predicted, true = "the banks were slowly rising today", ["banks rise slow", "the price rises"]
    expected = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).score_multi(true, predicted)
    scores = _scores([predicted], [true], rouge_types=["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    assert scores == pytest.approx({name: score.fmeasure for name, score in expected.items()})


def test_other_scripts_have_words():
    """Prevents a score of 0 for every Chinese, Russian or Hindi summary."""
    assert rouge_words("他用BERT，好。") == ["他", "用", "bert", "好"]
    assert rouge_words("Банк растёт.") == ["банк", "растёт"]
    assert _scores(["银行上涨"], ["银行下跌"])["rouge1"] == pytest.approx(0.5)
