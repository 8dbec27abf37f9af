"""Tests of telling the teacher and the texts of a quickstart from others."""

import pytest
from datasets import Dataset, DatasetDict

from hf_tinybert.models.checkpoint_folder import weight_files_sha256
from hf_tinybert.quickstart.sources import check_same_sources
from hf_tinybert.run_folder import RunFolder


def _texts(*rows):
    split = Dataset.from_dict({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    return DatasetDict(train=split, validation=split, test=split)


def test_another_teacher_or_other_texts_under_the_same_names_are_refused(tmp_path):
    """Prevents figures of a file that was mended since, and a student of a former teacher, given again as new ones."""
    teacher, texts = tmp_path / "teacher", _texts(("a film", 0), ("a game", 1))
    teacher.mkdir()
    (teacher / "model.safetensors").write_bytes(b"first")

    def call(texts):
        check_same_sources(RunFolder(tmp_path / "out", {}), str(teacher), texts)

    call(texts)
    call(_texts(("a film", 0), ("a game", 1)))
    with pytest.raises(ValueError, match="the quickstart in `.*out` was made of, got another content of `dataset`; "):
        call(_texts(("a film", 1), ("a game", 1)))
    (teacher / "model.safetensors").write_bytes(b"second")
    with pytest.raises(ValueError, match="another content of `teacher`; because its models and figures"):
        call(texts)


def test_training_arguments_beside_a_teacher_are_no_weights(tmp_path):
    """Prevents a refusal where they were removed, also of a run that counted them as weights."""
    teacher, texts, folder = tmp_path / "teacher", _texts(("a film", 0)), RunFolder(tmp_path / "out", {})
    teacher.mkdir()
    (teacher / "model.safetensors").write_bytes(b"first")
    (teacher / "training_args.bin").write_bytes(b"{}")
    check_same_sources(folder, str(teacher), texts)
    earlier = weight_files_sha256(teacher, all_bin=True)
    assert folder.finished("sources")["teacher"] != earlier
    folder.finish("sources", {**folder.finished("sources"), "teacher": earlier})
    check_same_sources(folder, str(teacher), texts)


def test_of_a_name_on_the_hub_nothing_is_known(tmp_path):
    """Prevents a refusal of a teacher that is no folder."""
    for _ in range(2):
        check_same_sources(RunFolder(tmp_path / "out", {}), "owner/name", _texts(("a film", 0)))
