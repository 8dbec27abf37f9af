"""Tests of heads that cannot teach."""

import json

import pytest

from hf_tinybert.distillation.teacher import load_teacher
from tests.distillation.families import FAMILIES


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "teacher"


def test_a_teacher_without_the_head_is_refused_with_the_missing_names(build_student, build_teacher, folder):
    """Prevents a randomly initialised head from teaching noise: an accuracy of chance without any error."""
    build_teacher("ForMaskedLM").save_pretrained(folder)
    with pytest.raises(ValueError, match=r"without .*`classifier.bias`, `classifier.weight`; because"):
        load_teacher(folder, build_student(), needs_head=True)


def test_a_head_that_tells_replaced_tokens_apart_is_refused(build_student, folder):
    """Prevents one number per token from being compared with a distribution over the vocabulary."""
    electra = next(family for family in FAMILIES if family.name == "ELECTRA")
    electra.build_model("ForPreTraining").save_pretrained(folder)
    with pytest.raises(ValueError, match="predicts masked tokens, got `ElectraForPreTraining`"):
        load_teacher(folder, build_student("ForPreTraining"), needs_head=True)


def test_a_family_without_the_head_is_refused_by_name(build_student, folder):
    """Prevents a list of all families that transformers knows as the only answer."""
    eurobert = next(family for family in FAMILIES if family.name == "EuroBERT")
    eurobert.build_model("ForMaskedLM").save_pretrained(folder)
    with pytest.raises(ValueError, match="kind ForMultipleChoice, got .* of the family `eurobert`"):
        load_teacher(folder, build_student("ForMultipleChoice"), needs_head=True)


@pytest.mark.parametrize("entries", [{"auto_map": {"AutoConfig": "own.OwnConfig"}, "model_type": "own"}, {}])
def test_a_family_that_transformers_does_not_know_is_refused_and_its_code_not_run(build_student, folder, entries):
    """Prevents code of a downloaded folder from running, and a question on the terminal of a batch job."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "own.py").write_text("raise SystemExit('code was run')", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a teacher of a family that transformers knows"):
        load_teacher(folder, build_student(), needs_head=True)
