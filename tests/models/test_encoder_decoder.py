"""Abstractive use: an EncoderDecoderModel with TinyBERT on both sides trains, generates, and comes back from disk."""

import copy

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertLMHeadModel,
    EncoderDecoderModel,
    Trainer,
)

import hf_tinybert
from hf_tinybert.models.configuration_tinybert import TinyBertConfig

SHAPE = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
SHAPE |= {"intermediate_size": 24, "max_position_embeddings": 32, "initializer_range": 0.3}
START, END, PADDING = 2, 3, 0


def build():
    torch.manual_seed(0)
    encoder = hf_tinybert.TinyBertModel(TinyBertConfig(**SHAPE))
    decoder = hf_tinybert.TinyBertForCausalLM(TinyBertConfig(**SHAPE, is_decoder=True, add_cross_attention=True))
    model = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    model.config.decoder_start_token_id, model.config.pad_token_id = START, PADDING
    model.generation_config.decoder_start_token_id, model.generation_config.pad_token_id = START, PADDING
    model.generation_config.eos_token_id = END
    return model.eval()


def make_batch():
    generator = torch.Generator().manual_seed(1)
    words = torch.randint(5, 40, (2, 9), generator=generator)
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    return {"input_ids": words * mask, "attention_mask": mask}, torch.tensor([[7, 8, END], [9, END, -100]])


def test_it_is_built_from_folders_of_encoders(tmp_path):
    """A distilled encoder on both sides is the start of every summariser."""
    hf_tinybert.TinyBertModel(TinyBertConfig(**SHAPE)).save_pretrained(tmp_path)
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(str(tmp_path), str(tmp_path))
    assert type(model.encoder) is hf_tinybert.TinyBertModel
    assert type(model.decoder) is hf_tinybert.TinyBertForCausalLM
    assert model.decoder.config.is_decoder and model.decoder.config.add_cross_attention


def test_every_side_learns():
    """Cross attention that is not there leaves the encoder without a gradient, and the loss still falls."""
    model = build()
    inputs, labels = make_batch()
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    unmoved = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unmoved == {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    assert model(**inputs, labels=labels).loss < loss / 2
    with torch.no_grad():
        generated = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert generated[0, :4].tolist() == [START, 7, 8, END]
    assert generated[1, :3].tolist() == [START, 9, END]


def test_the_decoder_sees_no_word_before_it_is_said():
    """Without the causal mask training copies, and generation fails."""
    model = build()
    inputs, _ = make_batch()
    words = torch.tensor([[START, 7, 8, 9], [START, 9, 11, 12]])
    changed = words.clone()
    changed[:, -1] = 20
    with torch.no_grad():
        first, second = (model(**inputs, decoder_input_ids=ids).logits for ids in (words, changed))
    torch.testing.assert_close(first[:, :-1], second[:, :-1], atol=1e-6, rtol=0)
    assert not torch.allclose(first[:, -1], second[:, -1])


@pytest.mark.parametrize("loader", [EncoderDecoderModel, AutoModelForSeq2SeqLM])
def test_it_comes_back_from_disk(loader, tmp_path):
    """A side that loads in another class, or without its cross attention, says something else."""
    model = build()
    inputs, labels = make_batch()
    model.save_pretrained(tmp_path)
    again, report = loader.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert type(again.encoder) is hf_tinybert.TinyBertModel
    assert type(again.decoder) is hf_tinybert.TinyBertForCausalLM
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(**inputs, labels=labels).loss, model(**inputs, labels=labels).loss)
        options = {"max_new_tokens": 5, "num_beams": 2, "do_sample": False}
        assert torch.equal(again.generate(**inputs, **options), model.generate(**inputs, **options))


def test_a_decoder_alone_is_the_stock_one(tmp_path):
    """The decoder must export as plain BERT and load by its Auto class."""
    torch.manual_seed(0)
    decoder = hf_tinybert.TinyBertForCausalLM(TinyBertConfig(**SHAPE, is_decoder=True)).eval()
    decoder.save_pretrained(tmp_path / "native")
    hf_tinybert.export_to_bert(tmp_path / "native", tmp_path / "bert")
    words = torch.tensor([[START, 7, 8]])
    for loader, folder in ((AutoModelForCausalLM, "native"), (BertLMHeadModel, "bert")):
        again = loader.from_pretrained(tmp_path / folder).eval()
        with torch.no_grad():
            torch.testing.assert_close(again(words).logits, decoder(words).logits, atol=1e-6, rtol=0)


def test_gradient_accumulation_of_a_decoder_counts_the_tokens_of_the_whole_step(one_step):
    """Prevents a mean of means, in which the words of short texts count more than those of long ones."""
    config = TinyBertConfig(**SHAPE, is_decoder=True, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    rows = [{"input_ids": torch.arange(5, 14), "labels": torch.arange(5, 14)} for _ in range(4)]
    for row, length in zip(rows, (9, 9, 3, 3), strict=True):
        row["labels"][length:] = -100
    torch.manual_seed(0)
    model = hf_tinybert.TinyBertForCausalLM(config)
    loss = model(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]}).loss.item()
    for batch in (4, 2, 1):
        arguments = one_step(batch, 4 // batch)
        trainer = Trainer(copy.deepcopy(model), arguments, train_dataset=rows)
        trainer.train()
        assert trainer.state.log_history[0]["loss"] == pytest.approx(loss, rel=1e-4)
