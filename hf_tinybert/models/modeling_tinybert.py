"""TinyBERT models: BERT's own modules and forward passes under a student's configuration.

Every class of this module has exactly the parameters and parameter names of its `Bert*` parent, so that weights
move between the two by renaming nothing.

Source: Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding", arXiv 1909.10351.
"""

from typing import Any

from torch import nn
from transformers import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
)
from transformers.activations import ACT2FN

from .configuration_tinybert import TinyBertConfig

# Projections from the student's width to its teacher's: needed while training, never in a model for use. The published
# checkpoints call them `fit_dense` (one for all states) or `fit_denses.N` (one per state).
TRAINING_ONLY_KEYS = [r"^distillation_projections\.", r"^fit_dense\.", r"^fit_denses\.\d+\."]
_HEAD_KEYS = [r"^cls\.", r"^classifier\.", r"^embedding\.", r"^heads\.", r"^qa_outputs\."]
_MASKED_WORDS_KEYS = [r"^cls\.predictions\."]
POOLER_KEYS = [r"^(bert\.)?pooler\."]


class OneTaskModel(nn.Module):
    """A model with the one head of its class.

    Args:
        config: Shape and settings of the model.
        **kwargs: Of the class beside it.

    Raises:
        ValueError: The configuration is a multi-task model's, whose heads have other names: this one would be random.
    """

    def __init__(self, config: TinyBertConfig, **kwargs: Any) -> None:  # noqa: ANN401
        if config.tasks is not None:
            raise ValueError(
                f"expected the configuration of a one-task model for `{type(self).__name__}`, got one with the tasks "
                f"{', '.join(f'`{name}`' for name in config.tasks)}; because the head would start at random; load "
                "the folder with `TinyBertForMultiTask.from_pretrained(folder)` and take one head with "
                "`.for_task(name)`"
            )
        super().__init__(config, **kwargs)


class TinyBertModel(BertModel):
    """The encoder alone: hidden states of every token and a pooled output of the first one.

    Args:
        config: Shape and settings of the model.
        add_pooling_layer: Whether to compute `pooler_output`.
    """

    config: TinyBertConfig
    config_class = TinyBertConfig
    # Heads of a task checkpoint are dropped silently: asking for the encoder means not wanting them.
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + _HEAD_KEYS


class TinyBertForPreTraining(OneTaskModel, BertForPreTraining):
    """The encoder with the two heads of BERT's pretraining: masked words and next sentence."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    # The loss of every head is a plain mean over the batch. Without this the stock Trainer takes it for one already
    # divided by `num_items_in_batch` and gradient accumulation over N steps makes every gradient N times too large.
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS


class TinyBertForNextSentencePrediction(OneTaskModel, BertForNextSentencePrediction):
    """The encoder with a head that says whether a text follows another one, as BERT's pretraining asks."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + _MASKED_WORDS_KEYS


class TinyBertForMaskedLM(OneTaskModel, BertForMaskedLM):
    """The encoder with a head that predicts masked words; its output matrix is the embedding matrix."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    # A pretraining checkpoint brings the pooler and the next-sentence head, which this class has no use for.
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + POOLER_KEYS + [r"^cls\.seq_relationship\."]


class TinyBertForCausalLM(OneTaskModel, BertLMHeadModel):
    """The encoder as a decoder that predicts the next word, for the decoder side of an `EncoderDecoderModel`.

    The configuration needs `is_decoder=True`, and `add_cross_attention=True` behind an encoder.
    """

    config: TinyBertConfig
    config_class = TinyBertConfig
    # alone among the heads its loss is divided by `num_items_in_batch`, so that it takes it
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + POOLER_KEYS + [r"^cls\.seq_relationship\."]


class TinyBertForSequenceClassification(OneTaskModel, BertForSequenceClassification):
    """The encoder with a head for one label, several labels or a score per text or pair of texts.

    With `config.classifier_activation` set, the head reads `activation(pooled_output)` as the published TinyBERT task
    checkpoints do; otherwise it is BERT's head.

    Args:
        config: Shape and settings of the model.
    """

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__(config)
        if config.classifier_activation is not None:
            # BERT's forward computes classifier(dropout(pooled)). A sequence without parameters in the place of the
            # dropout adds the activation and leaves forward and parameter names as they are.
            self.add_module("dropout", nn.Sequential(ACT2FN[config.classifier_activation], self.dropout))


class TinyBertForTokenClassification(OneTaskModel, BertForTokenClassification):
    """The encoder with a head for one label per token."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + POOLER_KEYS


class TinyBertForQuestionAnswering(OneTaskModel, BertForQuestionAnswering):
    """The encoder with a head for the start and the end of an answer in a text."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + POOLER_KEYS


class TinyBertForMultipleChoice(OneTaskModel, BertForMultipleChoice):
    """The encoder with a head that scores each of several continuations."""

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS


__all__ = [
    "POOLER_KEYS",
    "TRAINING_ONLY_KEYS",
    "OneTaskModel",
    "TinyBertForCausalLM",
    "TinyBertForMaskedLM",
    "TinyBertForMultipleChoice",
    "TinyBertForNextSentencePrediction",
    "TinyBertForPreTraining",
    "TinyBertForQuestionAnswering",
    "TinyBertForSequenceClassification",
    "TinyBertForTokenClassification",
    "TinyBertModel",
]
