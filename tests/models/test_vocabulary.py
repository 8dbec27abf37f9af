"""Tests of models with a smaller vocabulary."""

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertForPreTraining, RobertaConfig, RobertaModel

import hf_tinybert
from hf_tinybert.models.vocabulary import required_ids, trim_model, vocabulary_dimensions
from tests.distillation.families import FAMILIES

KEPT = [0, 1, 2, 3, 4, *range(6, 40, 2)]
NEW = torch.tensor([[2, 7, 9, 20, 3, 0], [2, 5, 6, 21, 13, 3]])
OLD = torch.tensor(KEPT)[NEW]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_family_predicts_the_kept_pieces_as_before(family):
    """Prevents a head that is not cut, cut in another order, or no longer tied to the embeddings."""
    model = family.build_model("ForMaskedLM").eval()
    trimmed = trim_model(model, KEPT)
    with torch.no_grad():
        assert torch.equal(trimmed(NEW).logits, model(OLD).logits[..., KEPT])
    assert trimmed.config.vocab_size == len(KEPT) == trimmed.get_input_embeddings().num_embeddings
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert (trimmed.get_output_embeddings().weight is trimmed.get_input_embeddings().weight) == tied


def test_a_folder_of_it_loads_with_the_same_weights(build_encoder, tmp_path):
    """Prevents a configuration that does not fit the weights beside it."""
    model = build_encoder(BertForPreTraining, vocab_size=40)
    trimmed = trim_model(model, KEPT)
    trimmed.save_pretrained(tmp_path)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(NEW).logits, trimmed(NEW).prediction_logits)


@pytest.mark.parametrize(
    "head",
    [
        "Model",
        "ForCausalLM",
        "ForExtractiveSummarization",
        "ForMaskedLM",
        "ForSentenceEmbedding",
        "ForTokenClassification",
    ],
)
def test_our_own_heads_answer_as_before(build_encoder, head):
    """Prevents a student of some kind that cannot be trimmed."""
    model = build_encoder(getattr(hf_tinybert, f"TinyBert{head}"), hf_tinybert.TinyBertConfig, vocab_size=40)
    trimmed = trim_model(model, KEPT)
    with torch.no_grad():
        after, before = trimmed(NEW)[0], model(OLD)[0]
    assert torch.equal(after, before[..., KEPT] if before.shape[-1] == 40 else before)


def test_a_multi_task_student_keeps_all_heads(build_encoder):
    """Prevents heads with a configuration of their own from keeping the old size."""
    encoder = build_encoder(hf_tinybert.TinyBertModel, hf_tinybert.TinyBertConfig, vocab_size=40)
    tasks = {"topic": {"kind": "text-classification", "num_labels": 3}, "words": {"kind": "masked-lm"}}
    model = hf_tinybert.TinyBertForMultiTask.from_encoder(encoder, tasks).eval()
    trimmed = trim_model(model, KEPT)
    with torch.no_grad():
        for task in tasks:
            after, before = trimmed.for_task(task)(NEW).logits, model.for_task(task)(OLD).logits
            assert torch.equal(after, before[..., KEPT] if task == "words" else before)
            assert trimmed.for_task(task).config.vocab_size == len(KEPT)


def test_the_model_itself_is_not_changed_and_shares_no_weight(build_encoder):
    """Prevents a teacher that is trimmed, or trained, together with its smaller copy."""
    model = build_encoder(vocab_size=40)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trimmed = trim_model(model, KEPT)
    with torch.no_grad():
        for parameter in trimmed.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.config.vocab_size == 40


def test_rows_stand_in_the_order_of_the_ids(build_encoder):
    """Prevents a teacher that reads another order of pieces than its student has."""
    model = build_encoder(vocab_size=40)
    kept = [7, 0, 30]
    with torch.no_grad():
        after, before = trim_model(model, kept)(torch.tensor([[0, 2]]))[0], model(torch.tensor([[7, 30]]))[0]
    assert torch.equal(after, before)


def test_token_ids_of_the_configuration_are_renumbered(build_encoder):
    """Prevents padding whose embedding is another piece's."""
    model = build_encoder(vocab_size=40, pad_token_id=8, eos_token_id=10, bos_token_id=None)
    kept = [2, 8, 10, 30]
    trimmed = trim_model(model, kept)
    assert (trimmed.config.pad_token_id, trimmed.config.eos_token_id, trimmed.config.bos_token_id) == (1, 2, None)
    assert trimmed.get_input_embeddings().padding_idx == 1
    assert model.config.pad_token_id == 8


def test_positions_counted_from_padding_stay(build_encoder):
    """Prevents every word of a RoBERTa from moving by as many positions as pieces before the padding are lost."""
    model = build_encoder(RobertaModel, RobertaConfig, vocab_size=40, pad_token_id=3, bos_token_id=5, eos_token_id=6)
    assert required_ids(model) == {0, 1, 2, 3, 5, 6}
    with pytest.raises(ValueError, match=r"a vocabulary without \[1, 2\]"):
        trim_model(model, [0, 3, 5, 6, 9])


def test_only_what_is_as_long_as_the_vocabulary_is_named(build_encoder):
    """Prevents a weight from being cut because its size happens to be that of the vocabulary."""
    model = build_encoder(vocab_size=24)  # as wide as its hidden states
    assert vocabulary_dimensions(model) == {"embeddings.word_embeddings.weight": (0,)}


def test_an_encoder_without_pooler_stays_without(build_encoder):
    """Prevents weights drawn at random from slipping into a folder."""
    model = build_encoder(
        lambda config: hf_tinybert.TinyBertModel(config, add_pooling_layer=False),
        vocab_size=40,
        config_class=hf_tinybert.TinyBertConfig,
    )
    assert trim_model(model, KEPT).state_dict().keys() == model.state_dict().keys()


def test_wrong_ids_and_what_is_no_model_are_refused(build_encoder):
    """Prevents an index error without a word of which rows were meant."""
    model = build_encoder(vocab_size=40)
    for kept in ([], [0, 0], [0, 40], [-1, 0]):
        with pytest.raises(ValueError, match="expected ids from 0 to 39"):
            trim_model(model, kept)
    with pytest.raises(ValueError, match="expected a model of transformers, got `Linear`"):
        trim_model(torch.nn.Linear(2, 2), [0])
