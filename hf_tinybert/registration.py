"""Makes the Auto classes of transformers know TinyBERT. The only module that calls `register`."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTextEncoding,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertTokenizer,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForCausalLM,
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForNextSentencePrediction,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding

_MODEL_OF_AUTO_CLASS = {
    AutoModel: TinyBertModel,
    AutoModelForCausalLM: TinyBertForCausalLM,
    AutoModelForMaskedLM: TinyBertForMaskedLM,
    AutoModelForMultipleChoice: TinyBertForMultipleChoice,
    AutoModelForNextSentencePrediction: TinyBertForNextSentencePrediction,
    AutoModelForPreTraining: TinyBertForPreTraining,
    AutoModelForQuestionAnswering: TinyBertForQuestionAnswering,
    AutoModelForSequenceClassification: TinyBertForSequenceClassification,
    AutoModelForTextEncoding: TinyBertForSentenceEmbedding,
    AutoModelForTokenClassification: TinyBertForTokenClassification,
}


def register_auto_classes() -> None:
    """Register TinyBERT's configuration, models and tokenizer; calling it again changes nothing.

    Afterwards `AutoConfig`, `AutoTokenizer`, the `AutoModel*` classes and `pipeline` load folders whose config.json
    says `model_type: tinybert`.
    """
    # exist_ok: a later transformers that brings a "tinybert" of its own must not make the import fail.
    AutoConfig.register(TinyBertConfig.model_type, TinyBertConfig, exist_ok=True)
    AutoTokenizer.register(TinyBertConfig, tokenizer_class=BertTokenizer, exist_ok=True)
    for auto_class, model_class in _MODEL_OF_AUTO_CLASS.items():
        auto_class.register(TinyBertConfig, model_class, exist_ok=True)
