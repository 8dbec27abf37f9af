import copy
import weakref

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, T5Config, T5EncoderModel

from hf_tinybert.distillation import attention
from hf_tinybert.distillation.attention import AttentionRecord, padding_mask, record_attention, recording_attention
from tests.distillation.families import FAMILIES

BY_NAME = {family.name: family for family in FAMILIES}


@pytest.fixture
def batch():
    """Two texts, the second padded from position 4."""
    ids = torch.randint(5, 40, (2, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.fixture
def recording(build_teacher):
    model = build_teacher().eval()
    record_attention(model)
    return model


def test_scores_of_the_record_softmaxed_are_eager_attention_probabilities(build_teacher, recording, batch):
    """Prevents records of another tensor than the one the softmax reads: unscaled, of another layer, after dropout."""
    eager = build_teacher().eval()
    eager.set_attn_implementation("eager")
    expected = eager(**batch, output_attentions=True).attentions
    records = recording(**batch, output_attentions=True).attentions
    hidden = (batch["attention_mask"] == 0)[:, None, None, :]
    assert len(records) == len(expected) == 4
    for record, probabilities in zip(records, expected, strict=True):
        got = record.scores().masked_fill(hidden, -torch.inf).softmax(-1)
        torch.testing.assert_close(got, probabilities, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padded", [True, False])
def test_outputs_are_those_of_sdpa(build_teacher, recording, batch, padded):
    """Prevents the mask from being dropped: transformers passes none to an attention it has no mask function for."""
    stock = build_teacher().eval()
    inputs = batch if padded else {"input_ids": batch["input_ids"].clamp(min=5)}
    assert stock.config._attn_implementation == "sdpa"
    torch.testing.assert_close(recording(**inputs).logits, stock(**inputs).logits, rtol=0, atol=0)


def test_an_accelerator_is_not_asked_for_padding(recording, batch):
    """Prevents a host that waits for the device at every forward: the stock mask asks whether all tokens are valid."""
    inputs = {name: tensor.to("meta") for name, tensor in batch.items()}  # of whose values nothing can be asked
    output = recording.to("meta")(**inputs, output_attentions=True)
    assert output.logits.shape == (2, 3)
    assert len(output.attentions) == 4


def test_an_accelerator_is_not_asked_for_padding_beside_windows(batch):
    """Prevents the same of ModernBERT, whose local layers have a mask of the stock function."""
    model = BY_NAME["ModernBERT"].build_model().to("meta")
    record_attention(model)
    inputs = {name: tensor.to("meta") for name, tensor in batch.items()}
    assert model(**inputs, output_attentions=True).attentions[0].query.shape[2] == 7


def test_the_mask_is_made_for_all_layers_at_once():
    """Prevents a bool mask, of which SDPA makes this one again in every layer."""
    valid = torch.tensor([[True, True, False], [True, True, True]])
    mask = padding_mask(
        batch_size=2, q_length=3, kv_length=3, attention_mask=valid, allow_is_bidirectional_skip=True, dtype=torch.half
    )
    assert mask.dtype is torch.half
    assert mask[:, 0, 0].tolist() == [[0.0, 0.0, -torch.inf], [0.0, 0.0, 0.0]]
    assert mask.stride() == (16, 16, 16, 1)


def test_padding_is_not_attended(recording, batch):
    """Prevents garbage in padded positions from reaching valid ones."""
    changed = {**batch, "input_ids": torch.where(batch["attention_mask"] == 0, 17, batch["input_ids"])}
    torch.testing.assert_close(recording(**batch).logits, recording(**changed).logits)


def test_records_carry_gradients_through_gradient_checkpointing(build_student, batch):
    """Prevents an attention loss without gradient when activations are recomputed."""
    student = build_student(attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
    record_attention(student)
    plain = copy.deepcopy(student)
    student.activation_checkpointing_enable()
    for model in (student, plain):
        model.train()
        records = model(**batch, output_attentions=True).attentions
        assert len(records) == 2
        assert all(isinstance(record, AttentionRecord) for record in records)
        torch.stack([record.scores().square().mean() for record in records]).sum().backward()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    gradients = [dict(model.named_parameters())[name].grad for model in (student, plain)]
    assert gradients[1].abs().max() > 0
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("layers", [None, [1, 3]], ids=["all", "two"])
def test_a_saved_and_reloaded_model_is_back_on_its_default_attention(recording, tmp_path, layers):
    """Prevents a checkpoint that only loads where this package was imported."""
    record_attention(recording, layers)
    recording.save_pretrained(tmp_path)
    assert "distillation" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


@pytest.mark.parametrize("layers", [[0, 1], [5], []])
def test_layers_that_the_model_does_not_have_are_refused(recording, layers):
    """Prevents a mapping counted from 0 from recording the layer below, and a term from finding nothing."""
    with pytest.raises(ValueError, match=r"expected layers between 1 and 4 to record, got \["):
        record_attention(recording, layers)


@pytest.fixture
def watched(monkeypatch):
    """`watched(model)`: per attention call so far, a weak reference to its query; `alive` during the last call."""
    references, alive = [], []

    def spy(module, query, *args, **kwargs):
        alive[:] = [reference() is not None for reference in references]
        references.append(weakref.ref(query))
        return stock(module, query, *args, **kwargs)

    stock = attention.sdpa_attention_forward
    monkeypatch.setattr(attention, "sdpa_attention_forward", spy)
    return references, alive


@pytest.mark.parametrize("name", ["BERT", "ALBERT", "EuroBERT"])
def test_layers_that_are_not_wanted_are_freed_while_the_forward_runs(watched, batch, name):
    """Prevents a teacher of 12 layers from holding query, key and value of all where 4 are compared."""
    model = BY_NAME[name].build_model().eval()
    references, alive = watched
    record_attention(model)
    with torch.no_grad():
        output = model(**batch, output_attentions=True)
    assert alive == [True, True, True]  # the watch itself works
    references.clear()
    record_attention(model, layers=[2])
    with torch.no_grad():
        output = model(**batch, output_attentions=True)
    assert alive == [False, True, False]
    assert [record is None for record in output.attentions] == [True, False, True, True]
    assert [reference() is not None for reference in references] == [False, True, False, False]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("layers", [None, [2, 4]], ids=["all", "two"])
def test_compiled_models_return_the_same_records(batch, layers, checkpointing):
    """Prevents a count of layers, or a context, that the compiler fixes at its first value."""
    torch.compiler.reset()
    model = BY_NAME["ModernBERT"].build_model(attention_dropout=0.0)
    record_attention(model, layers)
    if checkpointing:
        model.activation_checkpointing_enable()
    expected = model(**batch, output_attentions=True).attentions
    compiled = torch.compile(model, backend="eager")
    for _ in range(2):
        got = compiled(**batch, output_attentions=True).attentions
        assert [record is None for record in got] == [record is None for record in expected]
        torch.testing.assert_close(got, expected)
    assert got[1].window == 4
    got[1].scores().square().mean().backward()
    assert model.layers[0].attn.Wqkv.weight.grad.abs().max() > 0


def test_training_scores_are_not_dropped_out(batch):
    """Prevents zeros of dropout from being taught as attention."""
    model = BY_NAME["BERT"].build_model(attention_probs_dropout_prob=0.9, hidden_dropout_prob=0.0)
    record_attention(model)
    training = model.train()(**batch, output_attentions=True)
    evaluation = model.eval()(**batch, output_attentions=True)
    torch.testing.assert_close(training.attentions[0].scores(), evaluation.attentions[0].scores(), rtol=0, atol=0)
    assert not torch.allclose(training.attentions[1].query, evaluation.attentions[1].query)


def test_the_window_is_the_reach_of_the_mask(monkeypatch):
    """Prevents a window off by one, or halved, as local attention is counted in three ways."""
    reaches = []

    def spy(module, query, key, value, attention_mask, **kwargs):
        pairs = torch.ones(20, 20) if attention_mask is None else attention_mask[0, 0]
        reaches.append(max(abs(int(i) - int(j)) for i, j in pairs.nonzero()))
        return stock(module, query, key, value, attention_mask, **kwargs)

    stock = attention.sdpa_attention_forward
    monkeypatch.setattr(attention, "sdpa_attention_forward", spy)
    model = BY_NAME["ModernBERT"].build_model().eval()
    record_attention(model)
    records = model(input_ids=torch.arange(5, 25)[None], output_attentions=True).attentions
    assert reaches == [19, 4, 4, 19]
    assert [record.window for record in records] == [None, 4, 4, None]


def test_grouped_key_and_value_are_repeated_as_the_model_repeats_them(batch):
    """Prevents heads paired with the key of another group."""
    model = BY_NAME["EuroBERT"].build_model().eval()
    assert model.config.num_key_value_heads == 2
    record_attention(model)
    record = model(**batch, output_attentions=True).attentions[0]
    assert record.key.shape == record.value.shape == record.query.shape == (2, 4, 7, 8)
    for repeated in (record.key, record.value):
        torch.testing.assert_close(repeated[:, 0], repeated[:, 1])
        torch.testing.assert_close(repeated[:, 2], repeated[:, 3])
        assert not torch.allclose(repeated[:, 1], repeated[:, 2])


@pytest.mark.parametrize("layers", [None, [2]])
def test_values_are_left_out_on_request(layers, batch):
    """Prevents memory for vectors that nobody reads, and a choice that a later one of the same layers inherits."""
    model = BY_NAME["BERT"].build_model().eval()
    record_attention(model, layers, values=False)
    without = model(**batch, output_attentions=True).attentions[1]
    assert without.value is None
    record_attention(model, layers)
    record = model(**batch, output_attentions=True).attentions[1]
    assert record.value.shape == record.key.shape
    torch.testing.assert_close(without.scores(), record.scores())


def test_a_position_bias_is_refused(batch):
    """Prevents T5's scores from being taught without their bias, which is all that knows positions there."""
    model = T5EncoderModel(T5Config(vocab_size=40, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4))
    record_attention(model)
    with pytest.raises(ValueError, match="query times key alone, got `position_bias` in `T5Attention`"):
        model(**batch, output_attentions=True)


def test_a_bias_inside_the_mask_is_refused(recording, batch):
    """Prevents scores without the slopes that ALiBi encoders add to the mask."""
    layer = recording.bert.encoder.layer[0].attention.self
    query = torch.randn(1, 4, 3, 8)
    with pytest.raises(ValueError, match=r"got `attention_mask of torch.float32` in `BertSelfAttention`"):
        recording_attention(layer, query, query, query, torch.zeros(1, 4, 3, 3))


def test_causal_attention_is_refused(build_teacher, batch):
    """Prevents pairs that never attend from being compared."""
    decoder = build_teacher("Model", is_decoder=True)
    record_attention(decoder)
    with pytest.raises(ValueError, match="expected an encoder, got causal attention in `BertSelfAttention`"):
        decoder(**batch, output_attentions=True)


def test_an_adapted_model_records_with_its_adapter(batch):
    """Prevents a switch that stops at the wrapper, and records of the weights below the adapter."""
    model = get_peft_model(
        BY_NAME["BERT"].build_model("ForSequenceClassification", hidden_dropout_prob=0.0),
        LoraConfig(target_modules=["query"], init_lora_weights=False, lora_dropout=0.0),
    )
    record_attention(model, layers=[1])
    adapted = model(**batch, output_attentions=True).attentions
    with model.disable_adapter():
        plain = model(**batch, output_attentions=True).attentions
    assert [record is None for record in adapted] == [False, True, True, True]
    assert not torch.allclose(adapted[0].query, plain[0].query)
    torch.testing.assert_close(adapted[0].key, plain[0].key)
    adapted[0].scores().square().mean().backward()
    gradients = [p.grad for name, p in model.named_parameters() if "layer.0" in name and "lora_A" in name]
    assert gradients[0].abs().max() > 0
