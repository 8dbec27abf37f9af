"""Tests of the parts of an augmentation."""

import json

import numpy as np
import pytest
from datasets import ClassLabel, Features, Value

from hf_tinybert.data.augmentation import Augmenter, PassageReader, WordVectors
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow import AugmentSettings
from hf_tinybert.workflow.augmentation_parts import AugmentedParts

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
PARTS = [(0, 0, [{"text": "film", "label": 1}]), (1, 1, [{"text": "song", "label": 0}, {"text": "film", "label": 0}])]


@pytest.fixture
def parts(tmp_path) -> AugmentedParts:
    """Two words in a file of vectors, labels kept."""
    (tmp_path / "vectors.txt").write_text("film 1 0\nsong 0 1\n")
    settings = AugmentSettings(data="rows.csv", keep_labels=True, probability=1.0, columns={"text": "body"})
    kind = TaskKind.TEXT_CLASSIFICATION
    return AugmentedParts(tmp_path, settings, kind, str(tmp_path / "vectors.txt"), FEATURES, np.array([3, 5, 6]))


@pytest.fixture
def augmenter(parts) -> Augmenter:
    """Of the same words."""
    vectors = WordVectors(["film", "song"], np.eye(2), source="a test")
    return Augmenter(PassageReader(parts.kind), parts.settings.replacement, vectors=vectors)


def test_rows_are_joined_in_order_under_the_names_of_the_data(parts, augmenter, tmp_path):
    """Prevents parts in the order of their end, ids in the place of class names, and counts of one part only."""
    assert list(parts.write(reversed(PARTS), augmenter)) == [2, 1]
    parts.join(2, tmp_path / "more.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "more.jsonl").read_text().splitlines()]
    assert [(row["body"], row["label"], row["source_row"]) for row in rows] == [
        ("song", "yes", 3), ("film", "no", 5), ("song", "no", 6)
    ]  # fmt: skip
    assert parts.counts(2)["rows"] == 3 and parts.counts(2)["new_rows"] == 3


def test_a_part_without_its_counts_is_not_whole(parts, augmenter, monkeypatch):
    """Prevents a part that was killed while it was written from being taken for whole."""

    def killed(self, rows, first=0):
        yield {"text": "song", "label": 1, "source_row": 0, "copy": 0}
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Augmenter, "new_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            list(parts.write(PARTS, augmenter))
    assert not parts.is_whole(0)
    list(parts.write(PARTS, augmenter))
    assert parts.is_whole(0) and parts.is_whole(1)
    parts.remove(2)
    assert not list(parts.folder.glob("part-*.json*"))


def test_processes_write_what_one_writes_and_say_what_went_wrong(parts, augmenter, tmp_path):
    """Prevents other rows, and a failure in a process from being lost."""
    list(parts.write(PARTS, augmenter))
    alone = [file.read_bytes() for file in sorted(tmp_path.glob("part-*"))]
    parts.remove(2)
    assert list(parts.write_in_processes(PARTS, 2)) == [1, 2]
    assert [file.read_bytes() for file in sorted(tmp_path.glob("part-*"))] == alone
    with pytest.raises(TypeError):
        list(parts.write_in_processes([(2, 3, [{"text": 7, "label": 1}])], 2))
    assert not parts.is_whole(2)
