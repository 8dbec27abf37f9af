"""Tests of the measurement of augmentation."""

import json

import pytest
from rich.console import Console
from transformers import BertConfig, BertForMaskedLM

from hf_tinybert.benchmark import AugmentationBenchmark, AugmentationWorkload, WordSource, augmentation
from hf_tinybert.benchmark.augmentation import augmentation_table
from hf_tinybert.benchmark.textbook_augmentation import TextbookAugmentation
from hf_tinybert.data.augmentation import Augmenter
from hf_tinybert.progress import ProgressDisplay

BOTH = {WordSource.VECTORS: 6, WordSource.MASKED_LM: 4}
TURNS = dict.fromkeys(WordSource, 2)


@pytest.fixture
def build(tmp_path, tokenizer):
    """`build(**overrides)`: six rows, two turns, a tiny model."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path / "masked")
    tokenizer.save_pretrained(tmp_path / "masked")

    def make(masked_lm=tmp_path / "masked", **overrides):
        name = None if masked_lm is None else str(masked_lm)
        workload = AugmentationWorkload(masked_lm=name, vectors=200, width=4, words_per_row=8)
        given = {"rows": BOTH, "textbook_rows": TURNS, "repeats": 2, "file": tmp_path / "speed.json", **overrides}
        return AugmentationBenchmark(
            workload, given.pop("rows"), display=ProgressDisplay(Console(quiet=True)), **given
        )

    return make


def test_both_take_turns_on_the_same_rows_and_seconds_are_per_word(build, monkeypatch):
    """Prevents ratios of other work: the textbook's rows are among the package's, and each repeat begins anew."""
    clock, done = [0.0], []
    monkeypatch.setattr(augmentation, "synchronized_seconds", lambda: clock[0])

    def textbook(self, text):
        done.append(("textbook", text))
        clock[0] += 10 * len(self._reader.read({"text": text})[0].words)

    def package(self, rows, first=0):
        done.append(("package", [row["text"] for row in rows]))
        clock[0] += 2 * sum(len(self._reader.read(row)[0].words) for row in rows)
        return iter(())

    monkeypatch.setattr(TextbookAugmentation, "new_texts", textbook)
    monkeypatch.setattr(Augmenter, "new_rows", package)
    run = build(masked_lm=None, rows={WordSource.VECTORS: 6}).run()
    assert [arm for arm, _ in done] == ["textbook", "package"] * 6  # a repeat to warm up and two that count
    assert all(theirs in ours and len(ours) == 3 for (_, theirs), (_, ours) in zip(done[::2], done[1::2], strict=True))
    assert run["repeats"]["vectors"] == [{"textbook": 10.0, "package": 2.0}] * 2
    assert run["summary"]["vectors"]["speedup"] == {"median": 5.0, "min": 5.0, "max": 5.0}


def test_both_sources_are_measured_kept_and_found_again(build, tmp_path, monkeypatch):
    """Prevents a source without figures, machine paths in results, and measurements made twice."""
    run = build().run()
    assert set(run["summary"]) == {"vectors", "masked-lm"}
    assert all(figures["speedup"]["min"] > 0 for figures in run["summary"].values())
    kept = (tmp_path / "speed.json").read_text()
    assert str(tmp_path) not in kept and json.loads(kept)["runs"] == [json.loads(json.dumps(run))]
    monkeypatch.setattr(AugmentationBenchmark, "_measured", None)
    assert build().run() == json.loads(json.dumps(run))
    console = Console(record=True, width=120)
    console.print(augmentation_table(run))
    shown = console.export_text()
    assert "masked-lm" in shown and "vectors" in shown and "200 x 4 random" in shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": {}}, "source"),
        ({"repeats": 0}, "repeat"),
        ({"textbook_rows": dict.fromkeys(WordSource, 4)}, "turns"),
        ({"rows": {WordSource.VECTORS: 6}}, "the source `masked-lm` with `masked_lm`, got none"),
    ],
    ids=["no source", "no repeat", "uneven", "a model for vectors"],
)
def test_numbers_that_do_not_fit_are_refused(build, wrong, message):
    """Prevents turns of unequal shares."""
    with pytest.raises(ValueError, match=message):
        build(**wrong)
