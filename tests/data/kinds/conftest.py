"""Tokenizers of other families than BERT's, for kinds that ask where a token comes from."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast, Trainer, TrainingArguments

SPECIALS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def _wrapped(backend):
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    )


@pytest.fixture
def byte_level_tokenizer():
    """RoBERTa-like, of single bytes: a word after a space begins with Ġ."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({**SPECIALS, **{letter: number + 4 for number, letter in enumerate(letters)}}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _wrapped(backend)


@pytest.fixture
def sentence_piece_tokenizer():
    """XLM-R-like, of single characters and a few pieces: the space before a word is part of its first piece."""
    pieces = ["▁", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?", "▁the", "▁bank", "film"]
    backend = Tokenizer(models.Unigram([*((name, 0.0) for name in SPECIALS), *((each, -1.0) for each in pieces)], 3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _wrapped(backend)


@pytest.fixture
def gathered(tmp_path, tokenizer):
    """What the stock Trainer gathers of a model for encoded rows, in batches of three: `(task, model, encoded)`."""

    def predict(task, model, encoded):
        arguments = TrainingArguments(
            tmp_path / "run", per_device_eval_batch_size=3, report_to="none", use_cpu=True, disable_tqdm=True
        )
        trainer = Trainer(
            model,
            arguments,
            data_collator=task.collator(tokenizer),
            preprocess_logits_for_metrics=task.definition.reduce_logits,
        )
        return trainer.predict(encoded).predictions

    return predict


@pytest.fixture
def trained(tmp_path, tokenizer):
    """A model after some epochs of the stock Trainer, and its scores on the same rows: `(task, model, rows)`."""

    def train(task, model, rows, epochs=40):
        encoded = task.encode(rows, tokenizer)
        arguments = TrainingArguments(
            tmp_path / "run",
            per_device_train_batch_size=6,
            num_train_epochs=epochs,
            learning_rate=3e-3,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        )
        fixed = task.fix_masks(encoded, tokenizer, 0)
        trainer = Trainer(
            model,
            arguments,
            train_dataset=encoded,
            eval_dataset=fixed,
            data_collator=task.collator(tokenizer),
            preprocess_logits_for_metrics=task.definition.reduce_logits,
            compute_metrics=task.compute_metrics(fixed, rows),
        )
        trainer.train()
        return trainer.evaluate()

    return train


@pytest.fixture
def small_config(tokenizer):
    """Settings of a BERT of one layer without dropout, for the shared vocabulary: `small_config(num_labels=2)`."""

    def make(**fields):
        return BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=32,
            max_position_embeddings=64,
            initializer_range=0.2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **fields,
        )

    return make
