import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores, record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access
from hf_tinybert.distillation.embedding_teacher import Pooling, pool_states, pooled, pooling_of
from hf_tinybert.distillation.states import StateRequest
from hf_tinybert.distillation.teacher_forward import TeacherForward
from tests.distillation.families import FALLBACK_FAMILIES

MAPPING = (0, 2, 4)


@pytest.fixture
def batch():
    """Two texts of length 6, the second padded from position 4, with labels."""
    ids = torch.randint(5, 40, (2, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": torch.tensor([0, 1])}


def _forward(teacher, request):
    forward = TeacherForward(teacher, teacher, attention_access(teacher))
    forward.ask_for(request)
    return forward


def test_only_what_is_asked_for_comes(build_teacher, batch):
    """Prevents a teacher that keeps all layers in memory, or that predicts where no term reads predictions."""
    states = _forward(build_teacher(), StateRequest((0, 4), (2,)))(batch, MAPPING)
    assert [state is None for state in states.hidden_states] == [False, True, False]
    assert [record is None for record in states.attentions] == [False, True]
    assert states.logits is None
    assert not states.hidden_states[2].requires_grad
    only_logits = _forward(build_teacher(), StateRequest(logits=True))(batch, MAPPING)
    assert only_logits.logits.shape == (2, 3)
    assert (only_logits.hidden_states, only_logits.attentions) == ((), ())


def test_values_come_only_where_they_are_read(build_teacher, batch):
    """Prevents a fifth of the states in memory that no term reads, and relation terms without their vectors."""
    without = _forward(build_teacher(), StateRequest((), (2, 4)))(batch, MAPPING)
    assert [record.value for record in without.attentions] == [None, None]
    read = _forward(build_teacher(), StateRequest((), (2, 4), values=True))(batch, MAPPING)
    assert all(record.value.shape == record.key.shape for record in read.attentions)


def test_the_precision_is_that_of_what_runs(build_teacher):
    """Prevents answers of half precision under the name of float32 ones, where autocast makes them or the weights."""
    teacher = build_teacher()
    forward = TeacherForward(teacher, teacher, AttentionAccess.INTERFACE, autocast="float16")
    forward.ask_for(StateRequest(logits=True))
    assert forward.precision == "float16"
    forward.ask_for(StateRequest((0, 4)))  # by the encoder, around which no autocast was put
    assert forward.precision == "float32"
    assert TeacherForward(teacher.bfloat16(), teacher, AttentionAccess.INTERFACE).precision == "bfloat16"


def test_two_runs_may_share_a_teacher(build_teacher, batch):
    """Prevents an error in the evaluation of one student after another of the same teacher was set up."""
    teacher = build_teacher()
    first, second = _forward(teacher, StateRequest((), (2, 4), values=True)), _forward(teacher, StateRequest((), (1,)))
    assert all(record.value is not None for record in first(batch, MAPPING).attentions)
    assert second(batch, (0, 1)).attentions[0].value is None


def test_two_runs_that_share_a_teacher_pool_it_each_in_its_own_way(build_teacher, batch):
    """Prevents a student of mean pooling from learning first tokens because another run was set up since."""
    teacher = build_teacher("Model").eval()
    forwards = {}
    for pooling in Pooling:
        pool_states(teacher, pooling)
        forwards[pooling] = _forward(teacher, StateRequest(logits=True))
    for pooling, forward in forwards.items():
        states = teacher(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        expected = pooled(states, batch["attention_mask"], pooling)
        torch.testing.assert_close(forward(batch, MAPPING).logits, expected)
        forward.ask_for(StateRequest(logits=True))  # as before a cache is named
        assert pooling_of(teacher)["pooling"] == pooling


def test_the_states_are_those_of_the_model_in_evaluation_mode(build_teacher, batch):
    """Prevents a teacher with dropout on, and states of other layers than the mapping says."""
    teacher = build_teacher().train()
    states = _forward(teacher, StateRequest((0, 2, 4), (2, 4), True))(batch, MAPPING)
    teacher.eval()
    record_attention(teacher)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    output = teacher(**inputs, output_hidden_states=True, output_attentions=True)
    torch.testing.assert_close(states.logits, output.logits)
    for layer, state in zip(MAPPING, states.hidden_states, strict=True):
        torch.testing.assert_close(state, output.hidden_states[layer])
    for layer, record in zip(MAPPING[1:], states.attentions, strict=True):
        assert isinstance(record, AttentionRecord)
        torch.testing.assert_close(record.query, output.attentions[layer - 1].query)


def test_a_teacher_in_evaluation_mode_is_not_set_to_it_again(build_teacher, batch, monkeypatch):
    """Prevents a walk over all modules of the teacher at every step."""
    teacher = build_teacher().train()
    forward = _forward(teacher, StateRequest(logits=True))
    forward(batch, MAPPING)
    monkeypatch.setattr(teacher, "train", lambda mode=True: pytest.fail("set again"))
    forward(batch, MAPPING)


def test_a_teacher_off_the_interface_gives_score_maps(batch):
    """Prevents DeBERTa and MPNet from being refused, or from teaching nothing."""
    teacher = FALLBACK_FAMILIES[0].build_model()
    assert attention_access(teacher) is AttentionAccess.FALLBACK
    states = _forward(teacher, StateRequest((4,), (2, 4)))(batch, MAPPING)
    assert all(isinstance(scores, AttentionScores) for scores in states.attentions)
    assert states.attentions[0].scores.shape == (2, 4, 6, 6)


def test_a_teacher_reads_its_own_encoding_where_there_is_one(build_teacher, batch):
    """Prevents a teacher with another tokenizer from reading the student's token ids."""
    forward = _forward(build_teacher(), StateRequest(logits=True))
    expected = forward({"input_ids": batch["input_ids"][:, :3]}, MAPPING).logits
    both = {**batch, "teacher_input_ids": batch["input_ids"][:, :3]}
    torch.testing.assert_close(forward(both, MAPPING).logits, expected)
