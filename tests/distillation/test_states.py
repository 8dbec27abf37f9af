import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from hf_tinybert.distillation.attention import AttentionRecord, record_attention
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.distillation.states import student_states, teacher_states

MAPPING = (0, 2, 4)
FLAGS = {"output_hidden_states": True, "output_attentions": True}


@pytest.fixture
def batch():
    """Two texts of length 6, the second padded from position 4."""
    ids = torch.randint(5, 40, (2, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def _teacher(build_teacher, head):
    teacher = build_teacher(head).eval()
    record_attention(teacher)
    return teacher


def test_teacher_states_come_in_the_students_order(build_teacher, batch):
    """Prevents attention that is off by one against hidden states: layer i is entry i - 1 of the attentions."""
    teacher = _teacher(build_teacher, "ForSequenceClassification")
    output = teacher(**batch, **FLAGS)
    states = teacher_states(output, batch, MAPPING)
    assert [id(state) for state in states.hidden_states] == [id(output.hidden_states[layer]) for layer in MAPPING]
    assert [id(record) for record in states.attentions] == [id(output.attentions[1]), id(output.attentions[3])]


def test_teacher_states_are_the_same_when_only_mapped_layers_are_kept(build_teacher, batch):
    """Prevents the memory saving of the trainer from changing what is compared."""
    teacher = _teacher(build_teacher, "ForSequenceClassification")
    for mapping in (MAPPING, (0, 1, 2)):
        everything = teacher_states(teacher(**batch, **FLAGS), batch, mapping)
        selected = teacher_states(
            teacher(**batch, output_hidden_states=list(mapping), output_attentions=True), batch, mapping
        )
        for one, other in zip(everything.hidden_states, selected.hidden_states, strict=True):
            torch.testing.assert_close(one, other)


def test_student_states_are_the_projected_ones(build_student, batch):
    """Prevents states of student width from being compared with the teacher's."""
    student = build_student().eval()
    record_attention(student)
    attach_projections(student, DistillationProjections(16, 32, 3))
    output = student(**batch, **FLAGS)
    states = student_states(output, batch)
    assert states.hidden_states is output.projected_hidden_states
    assert len(states.attentions) == 2
    assert all(isinstance(record, AttentionRecord) for record in states.attentions)


def test_a_term_that_reads_nothing_gets_nothing(build_student, batch):
    """Prevents states of an earlier phase from being compared."""
    states = student_states(build_student().eval()(**batch), batch)
    assert states.hidden_states == ()
    assert states.attentions == ()
    assert states.logits.shape == (2, 3)


def test_stock_attentions_are_refused(build_teacher, batch):
    """Prevents the empty tuple of SDPA, and eager probabilities, from becoming a loss of zero or of another thing."""
    teacher = build_teacher().eval()
    with pytest.raises(ValueError, match="expected one attention record per layer, got 0 entries"):
        teacher_states(teacher(**batch, output_attentions=True), batch, MAPPING)
    teacher.set_attn_implementation("eager")
    with pytest.raises(ValueError, match=r"got 4 entries of \['Tensor'\]"):
        teacher_states(teacher(**batch, output_attentions=True), batch, MAPPING)


def test_an_output_without_names_is_refused(batch):
    """Prevents an `AttributeError` of a tuple from a model of one's own."""
    with pytest.raises(ValueError, match="expected a model's output by name, got a tuple of 1"):
        student_states((torch.zeros(2, 3),), batch)
    with pytest.raises(ValueError, match="expected a model's output by name, got a tuple of 1"):
        teacher_states((torch.zeros(2, 3),), batch, (0, 2, 4))


def test_a_sequence_prediction_counts_once_per_text(build_teacher, batch):
    """Prevents the mask of tokens from being put on texts."""
    states = teacher_states(build_teacher().eval()(**batch), {**batch, "labels": torch.tensor([0, 1])}, MAPPING)
    assert states.logits_mask is None
    assert torch.equal(states.mask, batch["attention_mask"])


def test_without_an_attention_mask_every_position_is_valid(build_teacher, batch):
    """Prevents a batch without padding, which needs no mask, from failing."""
    inputs = {"input_ids": batch["input_ids"].clamp(min=5)}
    assert torch.equal(teacher_states(build_teacher().eval()(**inputs), inputs, MAPPING).mask, torch.ones(2, 6).long())


def test_labelled_tokens_count_in_token_classification(build_teacher, batch):
    """Prevents special tokens and later pieces of a word, labelled -100, from counting."""
    labels = torch.tensor([[-100, 1, 0, -100, 2, -100], [-100, 1, 1, -100, -100, -100]])
    states = teacher_states(
        build_teacher("ForTokenClassification").eval()(**batch), {**batch, "labels": labels}, MAPPING
    )
    assert states.logits.shape == (2, 6, 3)
    assert torch.equal(states.logits_mask, (labels != -100).long())


def test_valid_tokens_count_in_token_classification_without_labels(build_teacher, batch):
    """Prevents padding from counting where nobody labelled anything."""
    states = teacher_states(build_teacher("ForTokenClassification").eval()(**batch), batch, MAPPING)
    assert torch.equal(states.logits_mask, batch["attention_mask"])


def test_masked_words_count_in_masked_language_modelling(build_teacher, batch):
    """Prevents 85 % of trivial positions from drowning the masked ones."""
    labels = torch.full((2, 6), -100)
    labels[0, 2] = labels[1, 1] = 7
    states = teacher_states(build_teacher("ForMaskedLM").eval()(**batch), {**batch, "labels": labels}, MAPPING)
    assert states.logits.shape == (2, 6, 40)
    assert states.logits_mask.sum() == 2
    assert states.logits_mask[0, 2] == states.logits_mask[1, 1] == 1


def test_a_pretraining_head_is_compared_on_its_words(build_teacher, batch):
    """Prevents a head whose logits have another name from being taken for none."""
    states = teacher_states(build_teacher("ForPreTraining").eval()(**batch), batch, MAPPING)
    assert states.logits.shape == (2, 6, 40)
    assert torch.equal(states.logits_mask, batch["attention_mask"])


def test_multiple_choice_has_a_row_per_choice_and_a_prediction_per_text(build_teacher, batch):
    """Prevents states of (batch x choices) rows from meeting a mask of (batch, choices) ones."""
    teacher = _teacher(build_teacher, "ForMultipleChoice")
    choices = {name: torch.stack([tensor, tensor.flip(0), tensor], dim=1) for name, tensor in batch.items()}
    output = teacher(**choices, **FLAGS)
    states = teacher_states(output, {**choices, "labels": torch.tensor([0, 1])}, MAPPING)
    assert states.logits.shape == (2, 3)
    assert states.logits_mask is None
    assert states.mask.shape == states.hidden_states[0].shape[:2] == (6, 6)
    assert torch.equal(states.mask[1], batch["attention_mask"][1])


def test_question_answering_has_positions_as_classes_without_padding(build_teacher, batch):
    """Prevents an answer that starts in the padding, and start from being compared with end."""
    output = build_teacher("ForQuestionAnswering").eval()(**batch)
    states = teacher_states(output, {**batch, "start_positions": torch.tensor([1, 1])}, MAPPING)
    assert states.logits.shape == (2, 2, 6)
    assert states.logits_mask is None
    torch.testing.assert_close(states.logits[0], torch.stack([output.start_logits[0], output.end_logits[0]]))
    assert torch.isneginf(states.logits[1, :, 4:]).all()
    assert torch.isfinite(states.logits[1, :, :4]).all()


def test_an_encoder_has_no_predictions(batch):
    """Prevents hidden states from being taken for logits."""
    output = BaseModelOutput(last_hidden_state=torch.zeros(2, 6, 4))
    states = student_states(output, batch)
    assert states.logits is None
    assert states.logits_mask is None


@pytest.mark.parametrize("given", ["pairs", "embeddings"])
def test_batches_that_do_not_name_their_tokens_are_refused(build_student, batch, given):
    """Prevents an error about the sizes of tensors deep in a loss, or means over pairs in place of tokens."""
    pairs = (batch["attention_mask"] != 0)[:, None, None, :].expand(2, 1, 6, 6)
    changed = {
        "pairs": {**batch, "attention_mask": pairs},
        "embeddings": {"inputs_embeds": torch.zeros(2, 6, 16), "attention_mask": batch["attention_mask"]},
    }[given]
    why = {"pairs": "an `attention_mask` of one number per token", "embeddings": "`input_ids` in the batch"}[given]
    with pytest.raises(ValueError, match=f"expected {why}, "):
        student_states(build_student()(**changed), changed)
