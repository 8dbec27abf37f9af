"""Tests of where an augmentation's words and candidates come from."""

import numpy as np
import pytest

from hf_tinybert.data.augmentation import WordVectors
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow import AugmentSettings, augmentation_sources
from hf_tinybert.workflow.augmentation_sources import choose_vectors, make_augmenter, make_reader


@pytest.mark.parametrize(("installed", "chosen"), [(True, "glove"), (False, "packaged")])
def test_english_has_vectors_without_naming_any(installed, chosen, monkeypatch):
    """Prevents a first use from hunting for vectors."""
    monkeypatch.setattr(augmentation_sources, "has_packaged_glove", lambda: installed)
    assert choose_vectors(AugmentSettings(data="rows.csv")) == chosen
    with pytest.raises(ValueError, match="are English"):
        choose_vectors(AugmentSettings(data="rows.csv", language="de"))


def test_what_is_named_is_taken_before_what_is_installed(monkeypatch):
    """Prevents `--vectors` or `--masked-lm` without effect."""
    monkeypatch.setattr(augmentation_sources, "has_packaged_glove", lambda: False)
    assert choose_vectors(AugmentSettings(data="rows.csv", masked_lm="a/model", language="de")) == "a/model"
    assert choose_vectors(AugmentSettings(data="rows.csv", masked_lm="a/model", vectors="none")) == "none"


def test_stop_words_and_segmenter_reach_the_reader(tmp_path):
    """Prevents `--stop-words` and `--segmenter` without effect."""
    words = tmp_path / "stop.txt"
    words.write_text("film")
    settings = AugmentSettings(data="rows.csv", stop_words=str(words), segmenter="hf_tinybert.data.words:split_words")
    (passage,) = make_reader(settings, TaskKind.TEXT_CLASSIFICATION).read({"text": "the film wins"})
    assert [passage.text[slice(*span)] for span in passage.words] == ["the", "wins"]


def test_the_package_of_glove_is_read_where_it_is_named(monkeypatch):
    """Prevents `--vectors glove` from being taken for a folder."""
    vectors = WordVectors(["film", "song"], np.eye(2), source="a test")
    monkeypatch.setattr(augmentation_sources, "packaged_glove", lambda: vectors)
    augmenter = make_augmenter(
        AugmentSettings(data="rows.csv", probability=1.0), TaskKind.TEXT_CLASSIFICATION, "glove"
    )
    assert [row["text"] for row in augmenter.new_rows([{"text": "film"}])] == ["song"]


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt.gz", "gone.txt", "no/model"])
def test_vectors_that_are_none_are_told_in_our_words(name, tmp_path, monkeypatch):
    """Prevents a file of another format from being read as a model, whose configuration is no JSON."""
    monkeypatch.chdir(tmp_path)
    for file in ("vectors.bin", "vectors.txt.gz"):
        (tmp_path / file).write_bytes(b"\x00")
    with pytest.raises((ValueError, FileNotFoundError), match=f"expected .*`{name}`"):
        make_augmenter(AugmentSettings(data="rows.csv"), TaskKind.TEXT_CLASSIFICATION, name)
    with pytest.raises(FileNotFoundError, match="expected a model folder or a Hub name, got `no/model`"):
        make_augmenter(AugmentSettings(data="rows.csv", masked_lm="no/model"), TaskKind.TEXT_CLASSIFICATION, "none")
