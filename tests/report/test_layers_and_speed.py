"""Tests of what is read of the models themselves."""

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report import layer_agreement
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.layers_and_speed import read_layers_and_speed, spread
from hf_tinybert.report.pair import load_pair
from hf_tinybert.report.report_settings import ReportSettings


@pytest.fixture(scope="module")
def loaded(models):
    """Student and teacher, and their validation rows."""
    settings = ReportSettings(folder=models / "student")
    facts = read_facts(settings.folder)
    asked = load_rows(settings, facts)
    return load_pair(asked, settings, facts), asked


def test_layers_and_speed_are_measured(loaded):
    """Prevents a report whose heat maps or bars are silently missing."""
    read = read_layers_and_speed(*loaded)
    assert len(read.agreement.hidden_states) == 3 and len(read.agreement.attention) == 2
    assert {batch: sorted(rates) for batch, rates in read.sentences_per_second.items()} == {
        "1": ["student", "teacher"],
        "32": ["student", "teacher"],
    }


def test_of_several_tasks_one_is_timed_and_each_reads_a_share(loaded, monkeypatch):
    """Prevents a report of ten tasks that takes ten times as long, and layers alike for the lack of tokens."""
    pair, asked = loaded
    monkeypatch.setattr(layer_agreement, "_MOST_TOKENS", 100)
    whole = read_layers_and_speed(pair, asked, timed=False)
    assert whole.sentences_per_second == {} and whole.agreement.tokens > 80 and whole.agreement.width == 32
    monkeypatch.setattr(layer_agreement, "_MOST_TOKENS", 80)
    shared = read_layers_and_speed(pair, asked, shares=4, timed=False).agreement
    assert 64 <= shared.tokens < 80 and shared.texts < whole.agreement.texts  # two tokens for each number of a state


def test_other_tokens_of_a_teacher_are_told_and_not_timed(loaded, monkeypatch):
    """Prevents rates of two models on ids that mean something else to one of them."""
    pair, asked = loaded
    monkeypatch.setattr(pair.teacher_tokenizer, "get_vocab", dict)
    monkeypatch.setattr(pair.teacher_tokenizer, "convert_ids_to_tokens", lambda ids: ["?"] * (len(ids) + 1))
    read = read_layers_and_speed(pair, asked)
    assert read.sentences_per_second == {} and read.agreement is None and "same tokens" in read.without_agreement


def test_texts_come_from_all_over_the_data():
    """Prevents examples of one class alone, where the data are in the order of their labels."""
    assert spread(range(100), 5) == [0, 20, 40, 60, 80]
    assert spread(range(3), 5) == [0, 1, 2] and spread([], 5) == []
