"""Calibration batches: the same states as the model's own forward, no more tokens than allowed, no side effects."""

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import BertModel, RobertaConfig, RobertaModel

from hf_tinybert.models import calibration
from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.layout_reading import student_layout, teacher_layout


def read(model, batches, seed=0):
    return read_calibration(batches, teacher_layout(model), seed=seed)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_states_equal_those_of_the_models_own_forward(build_encoder, batches, family):
    """Would catch padding that is attended to, RoBERTa's positions, or a state of another layer."""
    model = build_encoder(BertModel)
    if family == "roberta":
        model = build_encoder(RobertaModel, RobertaConfig, pad_token_id=0, type_vocab_size=2)
    tokens = read(model, batches)
    own = [model(**batch, output_hidden_states=True).hidden_states for batch in batches]
    for layer, states in enumerate(tokens.encoder_states(teacher_layout(model))):
        wanted = [h[layer][batch["attention_mask"] != 0] for h, batch in zip(own, batches, strict=True)]
        torch.testing.assert_close(states, torch.cat(wanted).detach(), atol=1e-5, rtol=1e-4)


def test_reading_stops_at_the_limit(build_encoder, batches, monkeypatch):
    """Would catch a fit on a whole corpus because its loader was passed."""
    monkeypatch.setattr(calibration, "MAXIMUM_TOKENS", 100)
    drawn = []
    tokens = read(build_encoder(), (drawn.append(1) or batch for batch in batches))
    assert 80 < sum(int(batch.mask.sum()) for batch in tokens.batches) <= 100
    assert len(drawn) == 2


def test_a_shuffling_loader_gives_the_same_batches_and_leaves_the_global_state(build_encoder, batches):
    """Would catch students that differ from run to run, or training that differs because a student was initialised."""
    model, words = build_encoder(), torch.cat([batch["input_ids"] for batch in batches])
    loader = DataLoader([{"input_ids": row} for row in words], batch_size=4, shuffle=True)
    torch.manual_seed(1)
    first = read(model, loader)
    after = torch.rand(1)
    torch.manual_seed(2)
    second = read(model, loader)
    assert all(torch.equal(a.input_ids, b.input_ids) for a, b in zip(first.batches, second.batches, strict=True))
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_choices_are_rows_of_their_own(build_encoder, batches):
    """Would catch a crash on multiple-choice batches."""
    batch = {name: ids.view(4, 2, 12) for name, ids in batches[0].items()}
    tokens = read(build_encoder(), [batch])
    assert torch.equal(tokens.batches[0].input_ids, batches[0]["input_ids"])


def test_first_tokens_leave_out_sequences_padded_on_the_left(build_encoder):
    """Would catch a pooler fitted on some token in the middle of a text."""
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 1, 1]])
    tokens = read(build_encoder(), [{"input_ids": mask * 7, "attention_mask": mask}])
    assert tokens.first_tokens.tolist() == [0, 4]


def test_without_text_random_tokens_are_used_and_said_to_be_worse(build_encoder, caplog):
    """Would catch a silent, much worse start."""
    model = build_encoder()
    tokens = read(model, None)
    assert "real sentences" in caplog.text
    assert tokens.batches[0].input_ids.shape == (128, 32)
    assert torch.equal(tokens.batches[0].input_ids, read(model, None).batches[0].input_ids)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "got none"),
        ([{"labels": torch.zeros(2)}], r"with `input_ids`, got \['labels'\]"),
        ([{"input_ids": torch.full((1, 4), 60)}], "`input_ids` below 60, got 60"),
        ([{"input_ids": torch.ones(1, 4, dtype=torch.long), "token_type_ids": torch.full((1, 4), 2)}], "below 2"),
        ([{"input_ids": torch.ones(1, 33, dtype=torch.long)}], "at most 32 tokens, got 33"),
        ([{"input_ids": torch.ones(1, 3, dtype=torch.long), "attention_mask": torch.zeros(1, 3)}], "got none"),
    ],
)
def test_batches_that_hold_nothing_usable_are_refused(build_encoder, wrong, message):
    """Would catch an index error, or a student fitted on nothing."""
    with pytest.raises(ValueError, match=message):
        read(build_encoder(), wrong)


def test_what_the_student_cannot_read_is_refused_too(build_encoder, batches):
    """Would catch an index error after the teacher has read all texts, by a student for shorter ones."""
    teacher = teacher_layout(build_encoder())
    short = student_layout(build_encoder(max_position_embeddings=8))
    with pytest.raises(ValueError, match="at most 8 tokens, got 12; because the student has no more positions"):
        read_calibration(batches, teacher, student=short, seed=0)
    assert read_calibration(None, teacher, student=short, seed=0).batches[0].input_ids.shape == (128, 8)


def test_an_encoder_of_one_token_type_reads_all_as_that(build_encoder, batches):
    """Would catch an index error for pairs of texts, where training leaves the types of such an encoder out."""
    model = build_encoder(type_vocab_size=1)
    student, teacher = student_layout(model), teacher_layout(build_encoder())
    tokens = read_calibration(batches, teacher, student=student, seed=0)
    own = [model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state for batch in batches]
    wanted = torch.cat([states[batch["attention_mask"] != 0] for states, batch in zip(own, batches, strict=True)])
    *_, last = tokens.encoder_states(student)
    torch.testing.assert_close(last, wanted.detach(), atol=1e-5, rtol=1e-4)
