"""peft adapts a TinyBERT as it adapts BERT, whichever of the packages is imported first."""

import subprocess
import sys

import pytest
from peft import LoraConfig, get_peft_model
from peft.utils import constants
from transformers import BertConfig, BertForSequenceClassification

import hf_tinybert
from hf_tinybert.adapter_targets import register_adapter_targets

SHAPE = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}


def adapted(model):
    return sorted(name for name, one in get_peft_model(model, LoraConfig()).named_parameters() if one.requires_grad)


def test_an_adapter_without_target_modules_adapts_what_it_adapts_of_bert():
    """Prevents an error about `target_modules` where BERT needs none."""
    names = adapted(hf_tinybert.TinyBertForSequenceClassification(hf_tinybert.TinyBertConfig(**SHAPE)))
    assert names == adapted(BertForSequenceClassification(BertConfig(**SHAPE)))
    assert len(names) == 4


@pytest.mark.parametrize("first", ["peft", "hf_tinybert"])
def test_the_order_of_imports_does_not_matter(first):
    """Prevents tables that are completed in one order alone, or a finder that stays and finds every import again."""
    second = "hf_tinybert" if first == "peft" else "peft"
    code = (
        f"import {first}, {second}, sys\n"
        "from peft.utils import constants\n"
        "print(constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING['tinybert'], constants.__file__)\n"
        "print([finder for finder in sys.meta_path if 'hf_tinybert' in type(finder).__module__])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"['query', 'value'] {constants.__file__}", "[]"]


def test_registering_again_changes_nothing():
    """Prevents a second finder, and targets of one's own that are lost."""
    finders = list(sys.meta_path)
    table = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    before = dict(table)
    register_adapter_targets()
    assert (table, sys.meta_path) == (before, finders)
