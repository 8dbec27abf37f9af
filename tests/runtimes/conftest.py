"""What the tests of runtimes share: two tiny models in folders."""

import pytest
from transformers import BertForSequenceClassification

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.runtimes import InferenceSettings, Runtime


@pytest.fixture
def build_settings(tmp_path, tiny_teacher_config, tiny_student_config):
    """`build_settings(**overrides)`: both models in PyTorch, batches of 1 and 3, 4 and 9 tokens, two rounds."""
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(tmp_path / "small")
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "large")

    def build(**overrides):
        folders = {"student": str(tmp_path / "small"), "teacher": str(tmp_path / "large")}
        sizes = {"batch_sizes": (1, 3), "lengths": (4, 9), "rounds": 2, "turn_seconds": 0.01}
        runtimes = {"runtimes": (Runtime.FP32,), "teacher_runtimes": (Runtime.FP32,)}
        return InferenceSettings(**{**folders, **sizes, **runtimes, **overrides})

    return build
