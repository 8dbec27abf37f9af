"""Tests of the speed measurement."""

import time

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.benchmark import sentences_per_second


class _Slow(TinyBertForSequenceClassification):
    def forward(self, *args, **kwargs):
        self.batches = [*getattr(self, "batches", []), kwargs["input_ids"].shape]
        time.sleep(0.02)
        return super().forward(*args, **kwargs)


def test_throughput_is_batch_size_over_the_median_seconds(tiny_student_config, tokenizer, sentences):
    """Prevents a figure that leaves out the model's time or counts batches for sentences."""
    slow, fast = _Slow(tiny_student_config), TinyBertForSequenceClassification(tiny_student_config)
    rates = sentences_per_second(
        {"slow": slow, "fast": fast}, tokenizer, sentences, batch_size=5, max_length=8, runs=3
    )
    assert 0 < rates["slow"] < 5 / 0.02
    assert rates["fast"] > rates["slow"]
    assert len(slow.batches) == 4
    assert all(shape[0] == 5 and shape[1] <= 8 for shape in slow.batches)
    assert not slow.training


def test_few_texts_are_repeated(tiny_student_config, tokenizer):
    """Prevents an index error on a small test split."""
    model = TinyBertForSequenceClassification(tiny_student_config)
    rates = sentences_per_second({"model": model}, tokenizer, ["the film"], batch_size=3, max_length=8, runs=1)
    assert rates["model"] > 0
