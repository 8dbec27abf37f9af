"""Tests of the pictures of cards."""

import builtins
import json
import logging
import re

import pytest

from hf_tinybert.hub.card_pictures import agreement_pictures, card_pictures
from hf_tinybert.hub.model_card import write_model_card
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.hub.publish import Publication, publish

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
    (student_folder / "comparison.json").write_text(json.dumps({"agreement": AGREEMENT, "split": "validation"}))
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


def test_of_several_tasks_the_compared_ones_layers_are_framed():
    """Prevents the frames of another task's mapping."""
    record = {"layer_mapping": [0, 2, 4], "tasks": {"news": {"layer_mapping": [0, 1, 3]}}}
    (hidden, _) = agreement_pictures(record, {"agreement": AGREEMENT, "task": "news"})
    assert [patch.get_x() + 0.5 for patch in hidden.figure.axes[0].patches] == [0, 1, 3]


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
