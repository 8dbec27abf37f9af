"""The contract that transformers keeps for its own models, under the names of its tests, and equality with BERT."""

import inspect

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    Trainer,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForNextSentencePrediction,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)

BERT_CLASSES = {
    TinyBertModel: BertModel,
    TinyBertForPreTraining: BertForPreTraining,
    TinyBertForMaskedLM: BertForMaskedLM,
    TinyBertForSequenceClassification: BertForSequenceClassification,
    TinyBertForTokenClassification: BertForTokenClassification,
    TinyBertForQuestionAnswering: BertForQuestionAnswering,
    TinyBertForMultipleChoice: BertForMultipleChoice,
    TinyBertForNextSentencePrediction: BertForNextSentencePrediction,
}
HEADS = [head for head in BERT_CLASSES if head is not TinyBertModel]
HEADS_WITH_POOLER = (
    TinyBertForPreTraining,
    TinyBertForNextSentencePrediction,
    TinyBertForSequenceClassification,
    TinyBertForMultipleChoice,
)
SHAPE = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "num_labels": 3,
}
LENGTHS = (9, 6, 4)

every_model = pytest.mark.parametrize("model_class", BERT_CLASSES, ids=lambda cls: cls.__name__)
every_head = pytest.mark.parametrize("model_class", HEADS, ids=lambda cls: cls.__name__)


def build(model_class, **overrides):
    """Build a seeded tiny model in evaluation mode, with weights large enough for differences to show."""
    torch.manual_seed(0)
    labels = {"num_labels": 2} if model_class is TinyBertForQuestionAnswering else {}
    config = TinyBertConfig(**{**SHAPE, "initializer_range": 0.3, **labels, **overrides})
    return model_class(config).eval()


def make_inputs(model_class, *, labels=False):
    """Make a seeded padded batch of 3 texts of length 9, 6 and 4; 2 choices for each in multiple choice."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[1] * length + [0] * (9 - length) for length in LENGTHS])
    inputs = {
        "input_ids": torch.randint(5, 60, (3, 9), generator=generator) * mask,
        "attention_mask": mask,
        "token_type_ids": (torch.arange(9) > 3).long().expand(3, 9) * mask,
    }
    if model_class is TinyBertForMultipleChoice:
        inputs = {name: torch.stack([value, value.roll(1, 0)], 1) for name, value in inputs.items()}
    return {**inputs, **(make_labels(model_class, inputs) if labels else {})}


def make_labels(model_class, inputs):
    token_labels = torch.where(inputs["attention_mask"].bool(), inputs["input_ids"], -100)
    return {
        TinyBertForPreTraining: {"labels": token_labels, "next_sentence_label": torch.tensor([0, 1, 0])},
        TinyBertForMaskedLM: {"labels": token_labels},
        TinyBertForSequenceClassification: {"labels": torch.tensor([0, 2, 1])},
        TinyBertForTokenClassification: {"labels": torch.where(token_labels >= 0, token_labels % 3, -100)},
        TinyBertForQuestionAnswering: {
            "start_positions": torch.tensor([1, 2, 1]),
            "end_positions": torch.tensor([3, 4, 2]),
        },
        TinyBertForMultipleChoice: {"labels": torch.tensor([0, 1, 1])},
        TinyBertForNextSentencePrediction: {"labels": torch.tensor([0, 1, 1])},
    }[model_class]


def compute_loss(model, **overrides):
    """Compute the head's loss, or for the encoder a scalar that needs both of its outputs."""
    if isinstance(model, TinyBertModel):
        outputs = model(**make_inputs(TinyBertModel), **overrides)
        return outputs.last_hidden_state.square().mean() + outputs.pooler_output.square().mean()
    return model(**make_inputs(type(model), labels=True), **overrides).loss


def run(model, inputs=None, **overrides):
    """Run a model without gradients and give all its tensors in order."""
    with torch.no_grad():
        return model(**(make_inputs(type(model)) if inputs is None else inputs), **overrides).to_tuple()


def assert_equal_outputs(first, second, tolerance=1e-6):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


@every_model
def test_equals_stock_bert_weight_for_weight(model_class):
    """Any difference in a name, shape or computation would break the export to plain BERT."""
    model = build(model_class)
    config = BertConfig(**{**SHAPE, "num_labels": model.config.num_labels})
    bert = BERT_CLASSES[model_class](config).eval()
    bert.load_state_dict(model.state_dict(), strict=True)
    inputs = make_inputs(model_class)
    assert_equal_outputs(run(model), run(bert, inputs))
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states
        assert_equal_outputs(hidden, bert(**inputs, output_hidden_states=True).hidden_states)


@every_model
def test_save_load(model_class, tmp_path):
    """A weight lost on the way to the disk comes back random."""
    model = build(model_class)
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    reloaded, report = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert type(reloaded.config) is TinyBertConfig
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, reloaded.state_dict()[name]), name
    assert_equal_outputs(run(model), run(reloaded))


@every_model
def test_determinism(model_class):
    """Dropout left on in evaluation mode would make every score a draw."""
    model = build(model_class)
    assert_equal_outputs(run(model), run(model))


@every_model
def test_batching_equivalence(model_class):
    """A text must get the same answer alone as in a padded batch."""
    model = build(model_class)
    together = run(model)
    for row, length in enumerate(LENGTHS[:1] if model_class is TinyBertForMultipleChoice else LENGTHS):
        inputs = {name: value[row : row + 1, ..., :length] for name, value in make_inputs(model_class).items()}
        for batched, alone in zip(together, run(model, inputs), strict=True):
            per_token = batched.shape[1:2] == (9,)
            expected = batched[row : row + 1, :length] if per_token else batched[row : row + 1]
            torch.testing.assert_close(alone, expected, atol=1e-5, rtol=0)


@every_model
def test_hidden_states_output(model_class):
    """A distillation reads these: one state per layer and the embeddings first, all of the model's width."""
    model, inputs = build(model_class), make_inputs(model_class)
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states
    rows = inputs["input_ids"].reshape(-1, 9).shape[0]
    assert [tuple(state.shape) for state in hidden] == [(rows, 9, 16)] * 3
    encoder = getattr(model, "bert", model)
    flat = {name: value.reshape(-1, 9) for name, value in inputs.items()}
    embeddings = encoder.embeddings(input_ids=flat["input_ids"], token_type_ids=flat["token_type_ids"])
    torch.testing.assert_close(hidden[0], embeddings)


@every_model
def test_attention_outputs(model_class):
    """Attention probabilities must cover every layer, sum to one and leave padding out."""
    model, inputs = build(model_class, attn_implementation="eager"), make_inputs(model_class)
    with torch.no_grad():
        attentions = model(**inputs, output_attentions=True).attentions
    mask = inputs["attention_mask"].reshape(-1, 9)
    assert [tuple(layer.shape) for layer in attentions] == [(len(mask), 4, 9, 9)] * 2
    for layer in attentions:
        torch.testing.assert_close(layer.sum(-1), torch.ones(len(mask), 4, 9))
        assert layer.masked_select(~mask[:, None, None, :].bool()).max() == 0


@every_model
def test_model_outputs_equivalence(model_class):
    """Tuple and named outputs must hold the same tensors, or exports read another one than users do."""
    model, inputs = build(model_class), make_inputs(model_class)
    with torch.no_grad():
        named = model(**inputs, output_hidden_states=True)
        plain = model(**inputs, output_hidden_states=True, return_dict=False)
    assert_equal_outputs(named.to_tuple()[:-1], plain[:-1])
    assert_equal_outputs(named.hidden_states, plain[-1])


@every_model
def test_initialization(model_class):
    """A module skipped by the initialisation keeps torch's default, which trains worse without any sign of it."""
    torch.manual_seed(0)
    for name, weight in model_class(TinyBertConfig(**{**SHAPE, "hidden_size": 64})).named_parameters():
        if name.endswith("LayerNorm.weight"):
            assert weight.eq(1).all(), name
        elif name.endswith("bias"):
            assert weight.eq(0).all(), name
        else:
            assert weight.std().item() == pytest.approx(0.02, rel=0.25), name


@every_model
def test_training(model_class):
    """A parameter without a gradient never learns."""
    model = build(model_class).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    torch.manual_seed(0)
    losses = []
    for _ in range(3):
        loss = compute_loss(model)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any(), name
    assert losses[-1] < losses[0]


@every_model
@pytest.mark.parametrize("reentrant", [False, True])
def test_training_gradient_checkpointing(model_class, reentrant):
    """Recomputed layers must give every parameter the gradient it gets without recomputation."""
    plain, checkpointed = build(model_class), build(model_class)
    for model in (plain, checkpointed):
        # Train mode switches checkpointing on; without dropout the two runs are comparable.
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    checkpointed.activation_checkpointing_enable({"use_reentrant": reentrant})
    # Re-entrant checkpointing drops the gradients of everything whose inputs ask for none.
    checkpointed.enable_input_require_grads()
    assert checkpointed.is_activation_checkpointing
    for model in (plain, checkpointed):
        compute_loss(model).backward()
    expected = {name: weight.grad for name, weight in plain.named_parameters()}
    for name, weight in checkpointed.named_parameters():
        assert weight.grad is not None, name
        torch.testing.assert_close(weight.grad, expected[name], atol=1e-6, rtol=1e-4)


@every_model
def test_resize_tokens_embeddings(model_class):
    """New tokens must not disturb the answers for the old ones, and the vocabulary must be written down."""
    model = build(model_class)
    before = run(model)
    model.resize_token_embeddings(67)
    assert model.config.vocab_size == model.get_input_embeddings().num_embeddings == 67
    after = [tensor[..., :60] if tensor.shape[-1] == 67 else tensor for tensor in run(model)]
    assert_equal_outputs(before, after)
    inputs = make_inputs(model_class)
    inputs["input_ids"][0, ..., 1] = 66
    assert all(tensor.isfinite().all() for tensor in run(model, inputs))
    model.resize_token_embeddings(60)
    assert_equal_outputs(before, run(model))


@pytest.mark.parametrize("model_class", [TinyBertForMaskedLM, TinyBertForPreTraining])
def test_tied_weights_keys(model_class, tmp_path):
    """An untied output matrix doubles the model and drifts away from the embeddings in training."""
    model = build(model_class)
    model.save_pretrained(tmp_path)
    assert "cls.predictions.decoder.weight" not in load_file(tmp_path / "model.safetensors")
    for tied in (model, model_class.from_pretrained(tmp_path)):
        tied.resize_token_embeddings(61)
        assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
        assert tied.cls.predictions.decoder.bias is tied.cls.predictions.bias
        assert len(tied.cls.predictions.bias) == 61


@every_model
def test_eager_matches_sdpa(model_class):
    """The fast attention is the default and must compute what the plain one does."""
    sdpa, eager = build(model_class), build(model_class, attn_implementation="eager")
    assert sdpa.config._attn_implementation == "sdpa"
    assert eager.config._attn_implementation == "eager"
    valid = make_inputs(model_class)["attention_mask"].bool()
    for one, other in zip(run(sdpa), run(eager), strict=True):
        if one.shape[: valid.ndim] == valid.shape:  # One row per token: those of padding mean nothing.
            one, other = one[valid], other[valid]
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@every_model
def test_forward_signature(model_class):
    """Tools pass token ids first and by this name."""
    assert list(inspect.signature(build(model_class).forward).parameters)[:2] == ["input_ids", "attention_mask"]


@every_head
def test_correct_missing_keys(model_class, tmp_path):
    """A head on a saved encoder must take every encoder weight and report exactly the head as new."""
    base = build(TinyBertModel)
    base.save_pretrained(tmp_path)
    config = build(model_class).config
    model, report = model_class.from_pretrained(tmp_path, config=config, output_loading_info=True)
    heads = {name for name in model.state_dict() if not name.startswith("bert.")}
    tied = {"cls.predictions.decoder.weight"}
    assert set(report["missing_keys"]) == heads - tied and not report["unexpected_keys"]
    saved = base.state_dict()
    for name, weight in model.bert.state_dict().items():
        assert torch.equal(weight, saved[name]), name


@every_head
def test_load_save_to_base(model_class, tmp_path):
    """The encoder of a saved head must come out whole, and quietly: a warning here teaches to ignore warnings."""
    head = build(model_class)
    head.save_pretrained(tmp_path)
    model, report = TinyBertModel.from_pretrained(tmp_path, output_loading_info=True)
    pooler = set() if model_class in HEADS_WITH_POOLER else {"pooler.dense.weight", "pooler.dense.bias"}
    assert set(report["missing_keys"]) == pooler and not report["unexpected_keys"]
    for name, weight in head.bert.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name


@every_model
def test_projections_of_a_distillation_load_quietly(model_class, tmp_path):
    """A training checkpoint is also a model for use; a report of unexpected weights would look like a defect."""
    model = build(model_class)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    for name in ("distillation_projections.projections.0.weight", "fit_dense.weight", "fit_denses.2.bias"):
        weights[name] = torch.zeros(3)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    _, report = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["unexpected_keys"] and not report["missing_keys"]


@every_head
def test_unknown_weights_are_still_reported(model_class, tmp_path):
    """Too wide a pattern of ignored names would hide a checkpoint of another model."""
    build(model_class).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["bert.encoder.layer.2.output.dense.bias"] = torch.zeros(16)
    weights["my_fit_dense.weight"] = torch.zeros(3)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    _, report = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert set(report["unexpected_keys"]) == {"bert.encoder.layer.2.output.dense.bias", "my_fit_dense.weight"}


@every_model
def test_bfloat16_forward(model_class):
    """Half precision must neither fail nor leave the neighbourhood of the full one."""
    reference = run(build(model_class, initializer_range=0.05))
    for expected, half in zip(reference, run(build(model_class, initializer_range=0.05).bfloat16()), strict=True):
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), expected, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("model_class", [TinyBertForMaskedLM, TinyBertForSequenceClassification])
def test_torch_compile_without_graph_breaks(model_class):
    """A graph break would silently take the speed that compilation is for."""
    model = build(model_class, classifier_activation="relu")
    expected = run(model)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        logits = compiled(**make_inputs(model_class)).logits
    torch.testing.assert_close(logits, expected[0])
    torch.compiler.reset()


def test_the_classifier_activation_is_applied_to_the_pooled_output():
    """The published task checkpoints were trained with relu; without it their scores drop and nothing fails."""
    model = build(TinyBertForSequenceClassification, classifier_activation="relu")
    plain = build(TinyBertForSequenceClassification)
    plain.load_state_dict(model.state_dict(), strict=True)
    with torch.no_grad():
        pooled = model.bert(**make_inputs(type(model))).pooler_output
        assert pooled.min() < 0 < pooled.max()
        torch.testing.assert_close(run(model)[0], model.classifier(pooled.relu()))
        torch.testing.assert_close(run(plain)[0], model.classifier(pooled))


def test_the_classifier_activation_keeps_the_dropout():
    """Putting the activation in the dropout's place must not take the dropout away."""
    model = build(TinyBertForSequenceClassification, classifier_activation="relu", classifier_dropout=0.5)
    model.bert.eval()
    model.dropout.train()
    torch.manual_seed(0)
    assert not torch.equal(run(model)[0], run(model)[0])


@every_head
def test_gradient_accumulation_of_the_stock_trainer_changes_nothing(model_class, one_step):
    """With `accepts_loss_kwargs` left to the signature, 4 small batches give 4 times the loss and the gradient."""
    inputs = make_inputs(model_class, labels=True)
    # Equal rows: then mean over the batch and mean of means are the same for every loss.
    rows = [{name: value[0] for name, value in inputs.items()}] * 4
    logged = []
    for batch, accumulation in ((4, 1), (1, 4)):
        arguments = one_step(batch, accumulation)
        model = build(model_class, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        trainer = Trainer(model, arguments, train_dataset=rows)
        trainer.train()
        logged.append(trainer.state.log_history[0])
    assert logged[1]["loss"] == pytest.approx(logged[0]["loss"], rel=1e-4)
    assert logged[1]["grad_norm"] == pytest.approx(logged[0]["grad_norm"], rel=1e-3)
