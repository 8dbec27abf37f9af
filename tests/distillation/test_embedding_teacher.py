import pytest
import torch

from hf_tinybert.distillation.embedding_teacher import (
    EncoderEmbeddingOutput,
    Pooling,
    embedding_size,
    gives_embeddings,
    pooled,
    teach_embeddings,
)
from hf_tinybert.models.modeling_tinybert_sentence_embedding import pooled_state
from tests.distillation.families import FAMILIES

INPUTS = {
    "input_ids": torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
}


@pytest.mark.parametrize("pooling", list(Pooling))
@pytest.mark.parametrize("masked", [True, False])
def test_a_teacher_pools_as_a_student_does(pooling, masked):
    """Prevents two readings of one word: the student would chase vectors that it cannot make."""
    states, mask = torch.randn(2, 4, 6), INPUTS["attention_mask"] if masked else None
    expected = torch.nn.functional.normalize(pooled_state(states, mask, pooling), dim=-1)
    torch.testing.assert_close(pooled(states, mask, pooling), expected)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_an_encoder_gives_embeddings_beside_its_states(build_student, build_teacher, pooling):
    """Prevents a teacher that loses its hidden states, which the other terms read."""
    teacher = build_teacher("Model").eval()
    with torch.no_grad():
        before = teacher(**INPUTS, output_hidden_states=True)
        teach_embeddings(teacher, build_student("ForSentenceEmbedding", pooling=pooling))
        output = teacher(**INPUTS, output_hidden_states=True)
        positional = teacher(INPUTS["input_ids"], INPUTS["attention_mask"])
    assert type(output) is EncoderEmbeddingOutput
    assert all(torch.equal(*pair) for pair in zip(before.hidden_states, output.hidden_states, strict=True))
    assert torch.equal(output.logits, pooled(before.last_hidden_state, INPUTS["attention_mask"], pooling))
    assert torch.equal(positional.logits, output.logits)
    assert isinstance(teacher(**INPUTS, return_dict=False), tuple)


def test_another_student_changes_the_pooling_and_nothing_else(build_student, build_teacher):
    """Prevents a second hook that pools what is pooled already."""
    teacher = build_teacher("Model").eval()
    weights = list(teacher.state_dict())
    for pooling in ("mean", "cls", "cls"):
        teach_embeddings(teacher, build_student("ForSentenceEmbedding", pooling=pooling))
    assert len(teacher._forward_hooks) == 1 and list(teacher.state_dict()) == weights
    output = teacher(**INPUTS)
    torch.testing.assert_close(output.logits, pooled(output.last_hidden_state, None, Pooling.CLS))


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_encoders_of_other_families_do_too(build_student, family):
    """Prevents a teacher of embeddings that must be BERT."""
    teacher = family.build_model().eval()
    teach_embeddings(teacher, build_student("ForSentenceEmbedding"))
    output = teacher(**INPUTS, output_hidden_states=True)
    assert output.logits.shape == (2, teacher.config.hidden_size)
    torch.testing.assert_close(output.logits.norm(dim=-1), torch.ones(2))
    assert len(output.hidden_states) == teacher.config.num_hidden_layers + 1


def test_other_students_leave_the_teacher_alone(build_student, build_teacher):
    """Prevents predictions in the outputs of an encoder that none asked for."""
    teacher = build_teacher("Model")
    teach_embeddings(teacher, build_student())
    assert not teacher._forward_hooks


def test_a_teacher_with_an_embedding_head_keeps_its_own(build_student):
    """Prevents a second pooling that skips the teacher's linear layer."""
    teacher = build_student("ForSentenceEmbedding", embedding_size=10).eval()
    teach_embeddings(teacher, build_student("ForSentenceEmbedding", embedding_size=10))
    assert not teacher._forward_hooks and teacher(**INPUTS).logits.shape == (2, 10)


def test_a_teacher_with_another_head_is_refused(build_student, build_teacher):
    """Prevents class scores from being taught as vectors."""
    with pytest.raises(ValueError, match="expected an encoder without a head"):
        teach_embeddings(build_teacher(), build_student("ForSentenceEmbedding"))


def test_the_size_of_an_embedding_is_that_of_its_last_layer(build_student, build_teacher):
    """Prevents ELECTRA's and ALBERT's `embedding_size`, which is another thing, from being read."""
    assert embedding_size(build_student("ForSentenceEmbedding", embedding_size=10)) == 10
    assert embedding_size(build_student("ForSentenceEmbedding")) == 16
    teacher = build_teacher("Model")
    teacher.config.embedding_size = 7
    assert embedding_size(teacher) == 32
    assert gives_embeddings(build_student("ForSentenceEmbedding")) and not gives_embeddings(teacher)
