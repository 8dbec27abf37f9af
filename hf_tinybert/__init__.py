"""TinyBERT for Hugging Face: a small student for any BERT-like teacher and any text task.

Importing the package registers the TinyBERT models with the Auto classes. What only training needs is imported on
first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.conversion import (
    PublishedCheckpoint,
    convert_published_checkpoint,
    export_to_bert,
    load_published_checkpoint,
)
from hf_tinybert.models.initialization import StudentInitialization, initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForCausalLM,
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.modeling_tinybert_summarization import TinyBertForExtractiveSummarization
from hf_tinybert.models.multitask_initialization import initialize_heads_from_teachers
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
from hf_tinybert.registration import register_auto_classes

if TYPE_CHECKING:
    from hf_tinybert.distillation.arguments import DistillationArguments
    from hf_tinybert.distillation.multitask_objectives import DistillationTask
    from hf_tinybert.distillation.multitask_trainer import MultiTaskDistillationTrainer
    from hf_tinybert.distillation.trainer import DistillationTrainer

__version__ = "0.1.0"

__all__ = [
    "DistillationArguments",
    "DistillationTask",
    "DistillationTrainer",
    "MultiTaskDistillationTrainer",
    "PublishedCheckpoint",
    "StudentInitialization",
    "TinyBertConfig",
    "TinyBertForCausalLM",
    "TinyBertForExtractiveSummarization",
    "TinyBertForMaskedLM",
    "TinyBertForMultiTask",
    "TinyBertForMultipleChoice",
    "TinyBertForPreTraining",
    "TinyBertForQuestionAnswering",
    "TinyBertForSentenceEmbedding",
    "TinyBertForSequenceClassification",
    "TinyBertForTokenClassification",
    "TinyBertModel",
    "__version__",
    "convert_published_checkpoint",
    "export_to_bert",
    "initialize_from_teacher",
    "initialize_heads_from_teachers",
    "load_published_checkpoint",
    "register_auto_classes",
    "save_as_sentence_transformer",
]

# Trainer and datasets take seconds to import, and a process that only loads a model needs neither.
_ON_FIRST_USE = {
    "DistillationArguments": "hf_tinybert.distillation.arguments",
    "DistillationTask": "hf_tinybert.distillation.multitask_objectives",
    "DistillationTrainer": "hf_tinybert.distillation.trainer",
    "MultiTaskDistillationTrainer": "hf_tinybert.distillation.multitask_trainer",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the types stand under TYPE_CHECKING)
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


register_auto_classes()
