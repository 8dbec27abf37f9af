"""The oracle: the sentences that a perfect summary of sentences would take."""

import itertools

import pytest
from rouge_score.rouge_scorer import RougeScorer

from hf_tinybert.data.oracle import oracle_sentences

SENTENCES = [
    "the market falls today",
    "a bank share rises",
    "the old player was great",
    "new film wins",
    "bank loses share of the new market",
]


def _mean_rouge(sentences, summaries):
    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=True)
    scores = [scorer.score(summary, " ".join(sentences)) for summary in summaries]
    return max((score["rouge1"].fmeasure + score["rouge2"].fmeasure) / 2 for score in scores)


@pytest.mark.parametrize(
    "summaries",
    [
        ["the player was great"],
        ["a new film", "the bank loses market share"],
        ["markets falling", "bank shares rising"],
    ],
)
def test_a_single_sentence_is_the_best_of_all(summaries):
    """Prevents labels for another sentence than the one that agrees best with a summary."""
    best = max(range(len(SENTENCES)), key=lambda position: _mean_rouge([SENTENCES[position]], summaries))
    assert oracle_sentences(SENTENCES, summaries, 1) == [best]


def test_two_sentences_are_taken_where_both_are_in_the_summary():
    """Prevents an oracle that stops after one sentence, or gives them out of order."""
    summaries = ["new film wins and the market falls today"]
    found = oracle_sentences(SENTENCES, summaries, 3)
    pairs = itertools.combinations(range(len(SENTENCES)), 2)
    assert found == list(max(pairs, key=lambda pair: _mean_rouge([SENTENCES[each] for each in pair], summaries)))
    assert found == [0, 3]


def test_no_sentence_is_added_that_raises_nothing():
    """Prevents labels filled up to a number with sentences that say nothing of the summary."""
    assert oracle_sentences(SENTENCES, ["new film wins"], 3) == [3]


def test_a_repeated_word_counts_as_often_as_the_reference_has_it():
    """Prevents sentences of one word said ten times from being the best."""
    assert oracle_sentences(["bank bank bank bank", "the bank rises"], ["the bank rises today"], 1) == [1]
    assert oracle_sentences(["share rises falls", "bank rises bank"], ["bank bank share"], 1) == [1]


def test_one_sentence_is_taken_where_none_agrees():
    """Prevents a summary without a sentence."""
    assert oracle_sentences(SENTENCES, ["xyz"], 2) == [0]
    assert oracle_sentences([], ["xyz"], 2) == []
