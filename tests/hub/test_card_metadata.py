"""Tests of the metadata of cards."""

import json

import pytest
from huggingface_hub import ModelCard

from hf_tinybert.hub import CardDetails, model_card
from hf_tinybert.hub.card_metadata import HEADS, card_metadata, is_hub_name
from hf_tinybert.hub.model_facts import read_facts


def test_scores_become_a_model_index_that_reads_back(student_folder, hub):
    """Prevents scores that the Hub does not show, or refuses."""
    card = model_card(student_folder, CardDetails(repo_id="tester/model", license="apache-2.0", language="en"))
    card.validate()
    assert "POST /api/validate-yaml" in hub.requests
    read = ModelCard(str(card)).data
    assert [(one.metric_type, one.metric_value, one.dataset_split) for one in read.eval_results] == [
        ("accuracy", 0.75, "test"),
        ("f1", 0.5, "test"),
    ]
    assert (read.model_name, read.base_model, read.language) == ("model", "google-bert/bert-base-uncased", ["en"])
    assert read.datasets is None  # a file, not a data set of the Hub
    assert read.pipeline_tag == "text-classification"


def test_what_is_not_known_is_left_out(student_folder):
    """Prevents invented licences, data sets and scores."""
    for name in ("figures.json", "distillation.json", "task.json"):
        (student_folder / name).unlink()
    data = card_metadata(read_facts(student_folder), CardDetails(), library="transformers").to_dict()
    assert data == {"library_name": "transformers", "pipeline_tag": "text-classification", "tags": ["tinybert"]}


def test_a_path_is_no_hub_name():
    """Prevents links to nowhere."""
    assert not is_hub_name("teacher") and not is_hub_name(None) and is_hub_name("owner/name")
    with pytest.raises(ValueError, match="expected a Hub name such as `owner/name` as `dataset`"):
        CardDetails(dataset="/home/me/reviews.csv")


@pytest.mark.parametrize("field", ["repo_id", "base_model", "dataset"])
@pytest.mark.parametrize("name", ["a b/c", "a/b/c", "../teacher", "", "owner/name.git"])
def test_a_name_that_the_hub_cannot_have_is_refused(field, name):
    """Prevents a card whose code loads `a b/c`, which no one can."""
    with pytest.raises(ValueError, match=f"expected a Hub name such as `owner/name` as `{field}`, got `"):
        CardDetails(**{field: name})


def test_every_auto_class_of_the_table_is_there():
    """Prevents a card whose code fails at its first line."""
    import transformers

    assert [head for head in HEADS.values() if not hasattr(transformers, head.auto_class)] == []


def test_metrics_go_by_the_names_of_the_hub(student_folder):
    """Prevents scores under metrics that the Hub does not know, which it shows and compares with no others."""
    figures = json.loads((student_folder / "figures.json").read_text())
    scores = {"f1": 0.5, "f1_macro": 0.25, "rougeL": 0.75}
    told = {**figures, "scores": {"test": {"student": scores}}, "retention": {}}
    (student_folder / "figures.json").write_text(json.dumps(told))
    data = ModelCard(str(model_card(student_folder, CardDetails(license="apache-2.0")))).data
    found = [(one.metric_type, one.metric_name, one.metric_value) for one in data.eval_results]
    assert found == [("f1", "f1", 0.5), ("f1", "f1_macro", 0.25), ("rouge", "rougeL", 0.75)]
    assert data.metrics == ["f1", "rouge"]
