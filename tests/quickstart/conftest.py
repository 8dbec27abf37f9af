"""What the tests of the quickstart share: a tiny teacher, a tiny data set, and one whole run on them."""

import io
import json

import pytest
import torch
from rich.console import Console
from transformers import BertConfig, BertModel, BertTokenizer

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.quickstart import Quickstart, QuickstartSettings


@pytest.fixture(scope="session")
def settings(tmp_path_factory, vocabulary, sentences, sentence_labels) -> QuickstartSettings:
    """A tiny teacher folder without a head and a JSONL data set of 72 rows."""
    folder = tmp_path_factory.mktemp("quickstart")
    torch.manual_seed(0)
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    shape = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64}
    layers = 5  # one more than the student gets
    BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=layers, **shape)).save_pretrained(
        folder / "encoder"
    )
    tokenizer.save_pretrained(folder / "encoder")
    names = ["business", "culture", "sport"]
    rows = [
        {"text": f"{'a ' * copy}{text}", "label": names[label]}
        for copy in range(3)
        for text, label in zip(sentences, sentence_labels, strict=True)
    ]
    data = folder / "reviews.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return QuickstartSettings(
        teacher=str(folder / "encoder"), dataset=str(data), max_length=16, intermediate_epochs=2, prediction_epochs=2
    )


@pytest.fixture(scope="session")
def straight(settings, tmp_path_factory):
    """The folder of a whole run, and what it returned; nothing changes it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("quickstart") / "out"
    return folder, Quickstart(settings, folder, ProgressDisplay(Console(file=io.StringIO()))).run()
