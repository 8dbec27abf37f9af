"""Tests of the two models of a general distillation."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertForSequenceClassification

from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertModel
from hf_tinybert.workflow import PretrainSettings
from hf_tinybert.workflow.general_models import general_teacher, untrained_student

SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
SHAPE = {"layers": 2, "width": 16, "heads": 4, "units": 40}


@pytest.fixture(scope="module")
def config() -> BertConfig:
    return BertConfig(vocab_size=40, max_position_embeddings=64, **SIZES)


@pytest.fixture(scope="module")
def predicting(tmp_path_factory, config) -> str:
    """A folder with a teacher that has a masked-LM head."""
    folder = tmp_path_factory.mktemp("predicting")
    torch.manual_seed(3)
    BertForMaskedLM(config).save_pretrained(folder)
    return str(folder)


def settings(**changes):
    return PretrainSettings(texts=("books.txt",), **{**SHAPE, **changes})


def test_a_student_of_masked_lm_alone_has_a_head(config):
    """Prevents a head that every general student would carry, and one that learns classes of its teacher's task."""
    plain = untrained_student(settings(), config, {})
    assert type(plain) is TinyBertModel and plain.pooler is None and plain.config.hidden_dropout_prob == 0
    regression = BertConfig(**{**config.to_dict(), "problem_type": "regression"})
    masked = untrained_student(settings(masked_lm=1.0), regression, {})
    assert type(masked) is TinyBertForMaskedLM and masked.config.problem_type is None
    assert masked.config.hidden_dropout_prob == 0


def test_the_teacher_keeps_its_head_where_it_is_trained_and_the_student_has_one(config, predicting, encoder, tmp_path):
    """Prevents a head of random weights that teaches or starts a student, and one in memory that nothing reads."""
    masked, plain = settings(masked_lm=1.0), settings()
    student = untrained_student(masked, config, {})
    arguments = masked.arguments(tmp_path)
    assert isinstance(general_teacher(predicting, student, arguments), BertForMaskedLM)
    assert general_teacher(encoder, student, arguments).get_output_embeddings() is None
    headless = general_teacher(predicting, untrained_student(plain, config, {}), plain.arguments(tmp_path))
    assert headless.get_output_embeddings() is None


def test_predictions_of_a_teacher_without_a_head_are_refused(config, predicting, encoder, tmp_path):
    """Prevents a student that learns the predictions of random weights."""
    compares = settings(masked_lm=1.0, loss_weights={"prediction_kl_loss": 1.0})
    student, arguments = untrained_student(compares, config, {}), compares.arguments(tmp_path)
    assert isinstance(general_teacher(predicting, student, arguments), BertForMaskedLM)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "classifier")
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / "classifier")
    for folder in (encoder, str(tmp_path / "classifier")):
        with pytest.raises(
            ValueError, match=f"got `{Path(folder)}` without `cls.predictions.*leave prediction_kl_loss out"
        ):
            general_teacher(folder, student, arguments)
