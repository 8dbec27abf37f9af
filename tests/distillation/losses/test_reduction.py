import pytest
import torch

from hf_tinybert.distillation.losses import (
    AttentionForm,
    attention_scores_loss,
    embedding_loss,
    hidden_states_loss,
    prediction_loss,
)

FORMS = [AttentionForm.DIRECT, AttentionForm.FACTORED]


@pytest.mark.parametrize("autocast", [True, False])
def test_losses_of_bfloat16_are_finite_and_computed_in_float32(autocast, build_mask, build_record):
    """Prevents a squared difference with 8 bits, and sums that lose all but the first terms."""
    student, teacher, mask = torch.randn(2, 7, 5).bfloat16(), torch.randn(2, 7, 5).bfloat16(), build_mask(2, 7)
    records = [
        record._replace(query=record.query.bfloat16(), key=record.key.bfloat16())
        for record in (build_record(2, 2, 7, 4), build_record(2, 2, 7, 4))
    ]
    wide = [record._replace(query=record.query.float(), key=record.key.float()) for record in records]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        pairs = [
            (loss(student, teacher, mask), loss(student.float(), teacher.float(), mask))
            for loss in (embedding_loss, hidden_states_loss, prediction_loss)
        ]
        for form in FORMS:
            pairs.append(
                (attention_scores_loss(*records, mask, form=form), attention_scores_loss(*wide, mask, form=form))
            )
    for narrow, full in pairs:
        assert narrow.dtype is torch.float32
        assert torch.isfinite(narrow)
        torch.testing.assert_close(narrow, full, rtol=1e-6, atol=0)
