"""Heads without an encoder: the parameters of one-task models, and losses that leave out what must not count."""

import pytest
import torch

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.configuration_tinybert_tasks import TASK_KINDS
from hf_tinybert.models.modeling_tinybert_heads import (
    HEAD_CLASSES,
    AnswerHead,
    ChoiceHead,
    EmbeddingHead,
    HeadInputs,
    TextHead,
    TokenHead,
    VocabularyHead,
)

SHAPE = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}


def build(kind, **spec):
    torch.manual_seed(0)
    labelled = {"num_labels": 3} if "classification" in kind and "num_labels" not in spec else {}
    config = TinyBertConfig(**SHAPE, tasks={"it": {"kind": kind, **labelled, **spec}}).for_task("it")
    head, model_class = HEAD_CLASSES[kind]
    return head(config).eval(), model_class(config)


@pytest.mark.parametrize("kind", sorted(TASK_KINDS))
def test_a_head_has_the_parameters_of_its_one_task_model(kind):
    """A name or shape of its own would have to be translated wherever a model is taken apart."""
    head, model = build(kind)
    alone = {name: value.shape for name, value in model.state_dict().items() if not name.startswith("bert.")}
    alone |= {name[5:]: value.shape for name, value in model.state_dict().items() if name.startswith("bert.pooler.")}
    assert {name: value.shape for name, value in head.state_dict().items()} == alone


def states(rows=4, length=5):
    return torch.randn(rows, length, 8, generator=torch.Generator().manual_seed(1))


def test_tokens_without_a_label_do_not_count():
    """Padding that is learned as a class drowns every other."""
    head, _ = build("token-classification")
    labels = torch.randint(0, 3, (4, 5), generator=torch.Generator().manual_seed(2))
    shorter = head(HeadInputs(states()[:, :3], labels=labels[:, :3])).loss
    labels[:, 3:] = -100
    torch.testing.assert_close(head(HeadInputs(states(), labels=labels)).loss, shorter)
    assert isinstance(head, TokenHead)


def test_answers_outside_of_the_window_do_not_count():
    """An answer that was cut off would be learned as the last token."""
    head, _ = build("question-answering")
    inside = head(HeadInputs(states()[:2], start_positions=torch.tensor([1, 2]), end_positions=torch.tensor([1, 4])))
    positions = torch.tensor([1, 2, 5, 77]), torch.tensor([1, 4, 9, 5])
    all_four = head(HeadInputs(states(), start_positions=positions[0], end_positions=positions[1]))
    torch.testing.assert_close(all_four.loss, inside.loss)
    assert isinstance(head, AnswerHead)


def test_choices_compete_with_each_other():
    """Scores softmaxed over the batch would compare continuations of different questions."""
    head, _ = build("multiple-choice")
    output = head(HeadInputs(states(), choices=2, labels=torch.tensor([0, 1])))
    assert output.logits.shape == (2, 2)
    expected = -output.logits.log_softmax(-1)[[0, 1], [0, 1]].mean()
    torch.testing.assert_close(output.loss, expected)
    assert isinstance(head, ChoiceHead)


def test_text_heads_learn_what_their_labels_say():
    """A number taken for a class, or several labels for one, trains without an error."""
    regression, _ = build("regression")
    output = regression(HeadInputs(states(), labels=torch.tensor([1, 2, 3, 4])))
    torch.testing.assert_close(output.loss, (output.logits.squeeze(-1) - torch.tensor([1.0, 2, 3, 4])).square().mean())
    several, _ = build("multi-label-classification")
    labels = torch.tensor([[1, 0, 1]] * 4)
    output = several(HeadInputs(states(), labels=labels))
    probabilities = output.logits.sigmoid()
    expected = -(labels * probabilities.log() + (1 - labels) * (1 - probabilities).log()).mean()
    torch.testing.assert_close(output.loss, expected)
    assert isinstance(regression, TextHead) and isinstance(several, TextHead)


def test_masked_words_are_scored_over_the_vocabulary():
    """A head of another width could not be tied to the embeddings."""
    head, _ = build("masked-lm")
    assert isinstance(head, VocabularyHead)
    assert head(HeadInputs(states())).logits.shape == (4, 5, 30)


def test_embeddings_have_length_one_and_no_loss():
    """Vectors of any length make cosine and dot product disagree."""
    head, _ = build("sentence-embedding", embedding_size=6)
    output = head(HeadInputs(states(), torch.ones(4, 5)))
    torch.testing.assert_close(output.logits.norm(dim=-1), torch.ones(4))
    assert output.loss is None and output.logits.shape == (4, 6)
    assert isinstance(head, EmbeddingHead)
