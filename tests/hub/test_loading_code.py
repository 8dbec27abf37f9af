"""Tests of the code that cards show."""

import ast
from dataclasses import replace

import pytest

from hf_tinybert.hub.loading_code import library_of, loading_ways
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.hub.published_files import PublishedForm
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification


@pytest.mark.parametrize("form", list(PublishedForm))
@pytest.mark.filterwarnings("ignore")
def test_every_way_runs_on_the_folder_it_names(student_folder, form):
    """Prevents a card whose code fails."""
    for way in loading_ways(read_facts(student_folder), form, str(student_folder)):
        names: dict[str, object] = {}
        exec(way.code, names)
        assert (
            names["model"].num_parameters()
            == TinyBertForSequenceClassification.from_pretrained(student_folder).num_parameters()
        )


def test_forms_are_loaded_by_what_can_load_them(student_folder):
    """Prevents a card for transformers on a folder of sentence-transformers, and stock BERT for an own head."""
    facts = read_facts(student_folder)
    embedding = replace(facts, config={**facts.config, "architectures": ["TinyBertForSentenceEmbedding"]})
    assert library_of(embedding, PublishedForm.BERT) == "sentence-transformers"
    assert library_of(facts, PublishedForm.BERT) == "transformers"
    active = replace(facts, config={**facts.config, "classifier_activation": "relu"})
    assert len(loading_ways(active, PublishedForm.TINYBERT, "x/y")) == 1
    coded = loading_ways(facts, PublishedForm.TINYBERT, "x/y", remote_code=True)
    assert "trust_remote_code=True" in coded[1].code
    heads = {**facts.config, "architectures": ["TinyBertForMultiTask"], "tasks": {"news": {}}}
    several = loading_ways(replace(facts, config=heads), PublishedForm.TINYBERT, "x/y")
    assert "from hf_tinybert import TinyBertForMultiTask" in several[0].code and '"news"' in several[0].code
    trusted = loading_ways(replace(facts, config=heads), PublishedForm.TINYBERT, "x/y", remote_code=True)[1]
    assert trusted.code.endswith('head = model.for_task("news")  # of news')


@pytest.mark.parametrize("name", ['my "best" student', "back\\slash", "line\nbreak", "Ünï/码"])
@pytest.mark.parametrize("form", list(PublishedForm))
def test_the_name_of_a_folder_stays_a_string_of_the_code(student_folder, name, form):
    """Prevents a card whose code does not parse, or runs what a folder is called."""
    for way in loading_ways(read_facts(student_folder), form, name):
        read = {node.value for node in ast.walk(ast.parse(way.code)) if isinstance(node, ast.Constant)}
        assert read <= {name, True}
