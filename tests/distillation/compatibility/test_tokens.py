"""Tests of the refusals of what the two models read."""

import pytest
from transformers import BertTokenizer

from hf_tinybert.distillation.compatibility.models import check_models
from hf_tinybert.distillation.compatibility.tokens import check_encodings, check_tokenizers
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term

INTERMEDIATE = [DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})]
HIDDEN_STATES = [DistillationObjective({Term.HIDDEN_STATES: 1.0})]
PREDICTION = [DistillationObjective({Term.PREDICTION: 1.0})]


def test_other_vocabulary_sizes_are_refused(pair):
    """Prevents an index error on a device, or words that mean something else to the teacher."""
    with pytest.raises(ValueError, match="got 41 student and 40 teacher entries"):
        check_models(*pair(student={"vocab_size": 41}), HIDDEN_STATES)


def test_other_vocabularies_pass_only_with_separate_encodings_and_predictions(pair):
    """Prevents token i of one text from being compared with another token i."""
    models = pair(student={"vocab_size": 41})
    check_models(*models, PREDICTION, separate_encodings=True)
    with pytest.raises(ValueError, match="expected equal vocabularies"):
        check_models(*models, PREDICTION)
    for objectives in (INTERMEDIATE, HIDDEN_STATES, [*PREDICTION, *HIDDEN_STATES]):
        with pytest.raises(ValueError, match="expected terms that compare predictions only, got `hidden_states_loss`"):
            check_encodings(objectives, separate_encodings=True)


def test_tokenizers_of_one_size_with_swapped_ids_are_refused(tokenizer, vocabulary, tmp_path):
    """Prevents the same size of vocabulary from passing for the same vocabulary."""
    words = vocabulary.read_text(encoding="utf-8").split()
    words[-1], words[-2] = words[-2], words[-1]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    swapped = BertTokenizer(vocab=str(tmp_path / "vocab.txt"))
    assert len(swapped) == len(tokenizer)
    with pytest.raises(ValueError, match="expected one tokenizer, got 2 tokens with different ids"):
        check_tokenizers(tokenizer, swapped)
    check_tokenizers(tokenizer, BertTokenizer(vocab=str(vocabulary)))
