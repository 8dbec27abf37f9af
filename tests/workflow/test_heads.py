"""Tests of which class carries a head."""

import pytest
from transformers import BertConfig, BertModel, RobertaConfig

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.workflow.heads import STUDENT_CLASSES, head_class, load_with_head


@pytest.mark.parametrize("kind", list(TaskKind), ids=str)
def test_every_kind_has_a_student_and_a_teacher(kind):
    """Prevents a kind whose student cannot be built, or whose teacher cannot be loaded."""
    head = KINDS[kind].head
    assert head_class(head, TinyBertConfig()) is STUDENT_CLASSES[head]
    for config in (BertConfig(), RobertaConfig()):
        assert hasattr(head_class(head, config), "from_pretrained")


def test_a_head_that_was_never_trained_is_refused(tmp_path, tiny_teacher_config):
    """Prevents tags at random."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path)
    task = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("O", "B-thing")))
    with pytest.raises(ValueError, match=r"`classifier\.weight`"):
        load_with_head(tmp_path, tiny_teacher_config, task)
