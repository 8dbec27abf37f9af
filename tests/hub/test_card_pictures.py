"""Tests of the pictures of cards."""

import builtins
import json
import logging
import re

import pytest
from safetensors.torch import load_file, save_file

from hf_tinybert.hub.card_pictures import agreement_pictures, card_pictures
from hf_tinybert.hub.kept_comparisons import COMPARISON_FILE
from hf_tinybert.hub.model_card import write_model_card
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.hub.publish import Publication, publish
from hf_tinybert.models.checkpoint_folder import weight_files_sha256

EPOCHS = [{"epoch": 1.0, "accuracy": 0.7, "prediction_loss": 0.4}, {"epoch": 2.0, "accuracy": 0.75}]
AGREEMENT = {
    "hidden_states": [[0.9, 0.2, 0.1, 0.0, 0.0], [0.1, 0.3, 0.8, 0.0, 0.0], [0.0, 0.0, 0.1, 0.2, 0.7]],
    "attention": [[0.3, 0.8, 0.4, 0.2], [0.2, 0.3, 0.4, 0.9]],
}
NAMES = ["size-against-score", "loss-curves", "hidden-states", "attention"]


@pytest.fixture
def reported_folder(student_folder):
    """A student's folder whose run and report tell all that is drawn."""
    figures = json.loads((student_folder / "figures.json").read_text())
    (student_folder / "figures.json").write_text(json.dumps({**figures, "main_metric": "accuracy", "epochs": EPOCHS}))
    compared = {"agreement": AGREEMENT, "sentences_per_second": {"1": {"student": 20.0, "teacher": 10.0}}}
    compared["fingerprints"] = {"student": weight_files_sha256(student_folder)}
    (student_folder / COMPARISON_FILE).write_text(json.dumps(compared))
    return student_folder


def test_a_card_shows_its_pictures_and_they_lie_beside_it(reported_folder):
    """Prevents links to files that are not there, and files that no link shows."""
    text = write_model_card(reported_folder).read_text(encoding="utf-8")
    links = re.findall(r"!\[[^\[\]\n]{20,}\]\((pictures/[\w-]+\.png)\)", text)
    assert links == [f"pictures/{name}.png" for name in NAMES]
    assert all((reported_folder / link).read_bytes().startswith(b"\x89PNG") for link in links)


def test_pictures_go_up_with_a_card_and_what_was_compared_does_not(reported_folder, hub):
    """Prevents a card of broken images on the Hub, and texts or pictures of one's own that go up unasked."""
    write_model_card(reported_folder)
    (reported_folder / "pictures" / "my-holiday.png").write_bytes(b"private")
    publish(reported_folder, Publication("tester/own-card"))
    (reported_folder / "README.md").unlink()
    publish(reported_folder, Publication("tester/new-card"))
    for repository in ("tester/own-card", "tester/new-card"):
        files = set(hub.files(repository))
        assert {f"pictures/{name}.png" for name in NAMES} == {file for file in files if file.startswith("pictures/")}
        assert "comparison.json" not in files and "report.html" not in files


def test_a_folder_without_figures_has_no_pictures(student_folder):
    """Prevents empty pictures of models that came from elsewhere."""
    (student_folder / "figures.json").unlink()
    assert card_pictures(read_facts(student_folder)) == []
    assert "![" not in write_model_card(student_folder).read_text()
    assert not (student_folder / "pictures").exists()


def test_a_card_shows_nothing_that_was_found_of_other_weights(reported_folder):
    """Prevents a student that was trained again from being published with layers and speed of the one before."""
    assert "20.0" in write_model_card(reported_folder).read_text(encoding="utf-8")
    weights = load_file(reported_folder / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, reported_folder / "model.safetensors")
    text = write_model_card(reported_folder, overwrite=True).read_text(encoding="utf-8")
    assert re.findall(r"pictures/([\w-]+)", text) == NAMES[:2] and "Speed and latency were not measured" in text
    assert {file.stem for file in (reported_folder / "pictures").iterdir()} == set(NAMES[:2])


def test_of_several_tasks_each_has_a_map_with_its_own_frames():
    """Prevents the frames of another task's mapping, and the map of one task that stands for all."""
    record = {"layer_mapping": [0, 2, 4], "tasks": {"news": {"layer_mapping": [0, 1, 3]}, "free": {}}}
    found = {"news": {"agreement": AGREEMENT}, "free": {"agreement": {**AGREEMENT, "attention": None}}}
    hidden, attention = agreement_pictures(record, found)
    framed = [[patch.get_x() + 0.5 for patch in axes.patches] for axes in hidden.figure.axes]
    assert framed == [[0, 1, 3], []] and "Hidden states, free: 3 student layers" in hidden.description
    assert [axes.get_title(loc="left") for axes in attention.figure.axes] == ["Attention\nnews"]
    (_, alone) = agreement_pictures(record, {"news": {"agreement": AGREEMENT}})
    assert [axes.get_title(loc="left") for axes in alone.figure.axes] == ["Attention\nnews"]  # one was compared


def test_the_curves_of_several_tasks_are_their_metrics_and_losses(reported_folder):
    """Prevents a card without curves of a multi-task student, or with every term of every task."""
    figures = json.loads((reported_folder / "figures.json").read_text())
    tasks = {name: {"main_metric": "accuracy"} for name in ("news", "things")}
    epochs = [{"epoch": 1.0, "news_accuracy": 0.5, "things_accuracy": 0.25, "news_loss": 1.0}]
    evaluated = [{"epoch": 1.0, "news_loss": 1.0, "news_prediction_loss": 0.5, "things_loss": 2.0}]
    curves = {"joint": {"training": [], "evaluation": evaluated}}
    told = {**figures, "tasks": tasks, "epochs": epochs, "curves": curves}
    (reported_folder / "figures.json").write_text(json.dumps(told))
    pictures = {one.name: one for one in card_pictures(read_facts(reported_folder))}
    titles = [axes.get_title(loc="left") for axes in pictures["loss-curves"].figure.axes if axes.axison]
    assert titles == [f"{task}\n{of}" for task in tasks for of in ("accuracy on validation rows", "loss")]


def test_without_matplotlib_the_card_is_written_and_the_log_says_what_it_lacks(reported_folder, monkeypatch, caplog):
    """Prevents a push that fails for the lack of a picture."""
    found = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with caplog.at_level(logging.INFO, logger="hf_tinybert"):
        text = write_model_card(reported_folder).read_text()
    assert "![" not in text and "hf-tinybert[report]" in caplog.text
