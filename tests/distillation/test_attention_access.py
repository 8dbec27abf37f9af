import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers.utils import logging as transformers_logging

from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access, refusal
from tests.distillation.families import FAMILIES, HEADS, HIDDEN_SIZE, LAYERS, SHAPE, VOCABULARY_SIZE

BY_NAME = {family.name: family for family in FAMILIES}
T5 = {"vocab_size": 40, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 4, "num_heads": 4}
FUNNEL = {"vocab_size": 40, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "block_sizes": [2, 2]}
# prefix of the class, its settings, words of the reason
UNREADABLE = [
    ("BigBird", {**SHAPE, "sep_token_id": 3}, "sparse blocks; load it with `attention_type='original_full'`"),
    ("Canine", SHAPE, "blocks of characters"),
    ("ConvBert", {**SHAPE, "embedding_size": HIDDEN_SIZE}, "half of its heads by convolutions"),
    ("FNet", SHAPE, "has no attention"),
    ("Funnel", FUNNEL, "shortens the text"),
    ("GPT2", {**SHAPE, "attn_implementation": "eager"}, "got causal attention in `GPT2Attention`"),
    ("Longformer", {**SHAPE, "attention_window": 8, "sep_token_id": 3}, "sliding window"),
    ("Mra", SHAPE, "several resolutions"),
    ("Nystromformer", SHAPE, "landmarks"),
    ("T5", T5, "got `position_bias` in `T5Attention`"),
    ("Yoso", SHAPE, "hashing"),
]


def _build(prefix, settings):
    torch.manual_seed(0)
    return getattr(transformers, f"{prefix}Model")(getattr(transformers, f"{prefix}Config")(**settings))


@pytest.mark.parametrize(("prefix", "settings", "words"), UNREADABLE, ids=[prefix for prefix, _, _ in UNREADABLE])
def test_encoders_whose_attention_cannot_be_read_are_refused_with_the_reason(prefix, settings, words):
    """Prevents a silent zero, or maps of something that is not attention over pairs."""
    model = _build(prefix, settings)
    assert attention_access(model) is AttentionAccess.NONE
    assert refusal(model).startswith(f"`{prefix}Model` ")
    assert words in refusal(model)


def test_an_encoder_whose_reported_attention_is_something_else_is_refused():
    """Prevents maps that merely have the right shape from being believed."""
    model = _build("SqueezeBert", {**SHAPE, "embedding_size": HIDDEN_SIZE})  # reports scores, not probabilities
    assert attention_access(model) is AttentionAccess.NONE
    assert "expected the attention probabilities that the model reports" in refusal(model)


def test_big_bird_with_full_attention_is_readable_and_its_blocks_are_left_as_they_are():
    """Prevents the probe from turning off sparse attention for good, which BigBird does at its first short text."""
    blocks = _build("BigBird", {**SHAPE, "sep_token_id": 3})
    assert attention_access(blocks) is AttentionAccess.NONE
    assert blocks.attention_type == "block_sparse"
    full = _build("BigBird", {**SHAPE, "sep_token_id": 3, "attention_type": "original_full"})
    assert attention_access(full) is AttentionAccess.FALLBACK
    assert refusal(full) == ""


@pytest.mark.parametrize("name", ["BERT", "MPNet"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_probe_leaves_the_model_as_it_was(name, implementation):
    """Prevents a preflight that puts dropout back on, thaws a frozen part, or changes the kernel."""
    model = BY_NAME[name].build_model("ForSequenceClassification")
    if name == "BERT":
        model.set_attn_implementation(implementation)
    model.base_model.encoder.eval()
    modes = [module.training for module in model.modules()]
    before, weights = model.config._attn_implementation, {k: v.clone() for k, v in model.state_dict().items()}
    random_state = torch.get_rng_state()
    transformers_logging.set_verbosity_info()
    attention_access(model)
    assert transformers_logging.get_verbosity() == transformers_logging.INFO
    transformers_logging.set_verbosity_warning()
    assert [module.training for module in model.modules()] == modes
    assert model.config._attn_implementation == before
    assert torch.equal(torch.get_rng_state(), random_state)
    torch.testing.assert_close(model.state_dict(), weights, rtol=0, atol=0)


def test_the_probe_leaves_the_model_as_it_was_when_the_forward_fails():
    """Prevents a refused model from staying in evaluation mode on the recording attention."""
    model = _build("T5", T5).train()
    attention_access(model)
    assert all(module.training for module in model.modules())
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_precision_of_the_model_does_not_matter(dtype):
    """Prevents a teacher in half precision from being refused for rounding."""
    assert attention_access(BY_NAME["DeBERTa-v3"].build_model().to(dtype)) is AttentionAccess.FALLBACK
    assert attention_access(BY_NAME["BERT"].build_model().to(dtype)) is AttentionAccess.INTERFACE


def test_an_adapted_model_has_the_access_of_its_base():
    """Prevents a LoRA teacher or student from being refused for its wrapper."""
    lora = LoraConfig(target_modules=["query"])
    assert (
        attention_access(get_peft_model(BY_NAME["BERT"].build_model("ForSequenceClassification"), lora)) == "interface"
    )


def test_the_tiny_families_have_the_shape_that_they_promise():
    """Prevents tests that compare layers and heads which are not there."""
    for family in FAMILIES:
        config = family.build_config()
        assert (config.num_hidden_layers, config.num_attention_heads) == (LAYERS, HEADS)
        assert (config.hidden_size, config.vocab_size) == (HIDDEN_SIZE, VOCABULARY_SIZE)
