"""Tests of which class carries a head."""

import pytest
import torch
from transformers import AutoConfig, BertConfig, BertModel, NomicBertConfig, RobertaConfig, RobertaModel

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.distillation.embedding_teacher import Pooling, pooled
from hf_tinybert.workflow.heads import STUDENT_CLASSES, head_class, load_with_head


@pytest.mark.parametrize("kind", list(TaskKind), ids=str)
def test_every_kind_has_a_student_and_a_teacher(kind):
    """Prevents a kind whose student cannot be built, or whose teacher cannot be loaded."""
    head = KINDS[kind].head
    assert head_class(head, TinyBertConfig()) is STUDENT_CLASSES[head]
    for config in (BertConfig(), RobertaConfig()):
        assert hasattr(head_class(head, config), "from_pretrained")


@pytest.mark.parametrize("kind", [TaskKind.MULTIPLE_CHOICE, TaskKind.QUESTION_ANSWERING], ids=str)
def test_a_family_without_such_a_head_is_refused_by_its_name(kind):
    """Prevents a list of a hundred configurations in the place of a reason."""
    with pytest.raises(ValueError, match=f"`{KINDS[kind].head}`, got one of the family `nomic_bert`"):
        head_class(KINDS[kind].head, NomicBertConfig())


def test_a_head_that_was_never_trained_is_refused(tmp_path, tiny_teacher_config):
    """Prevents tags at random."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path)
    task = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("O", "B-thing")))
    with pytest.raises(ValueError, match=r"`classifier\.weight`"):
        load_with_head(tmp_path, tiny_teacher_config, task)


@pytest.mark.parametrize("family", [BertModel, RobertaModel])
def test_a_published_encoder_gives_embeddings(tmp_path, family):
    """Prevents an index out of range where `predict` meets an encoder, as embedding students are pushed by default."""
    shape = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 8}
    encoder = family(family.config_class(vocab_size=20, max_position_embeddings=12, **shape)).eval()
    encoder.save_pretrained(tmp_path)
    task = Task(TaskSettings(TaskKind.SENTENCE_EMBEDDING))
    model = load_with_head(tmp_path, AutoConfig.from_pretrained(tmp_path), task)
    ids, mask = torch.tensor([[5, 6, 7], [8, 9, 1]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    with torch.no_grad():
        states = encoder(ids, attention_mask=mask).last_hidden_state
        given = model(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(given, pooled(states, mask, Pooling.MEAN))
