"""TinyBERT for Hugging Face: a small student for any BERT-like teacher and any text task.

Importing the package registers the TinyBERT models with the Auto classes. What else it has is imported
on first use.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_tinybert.distillation.arguments import DistillationArguments
    from hf_tinybert.distillation.multitask.objectives import DistillationTask
    from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
    from hf_tinybert.distillation.teacher_ensemble import join_teachers
    from hf_tinybert.distillation.trainer import DistillationTrainer
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
        TinyBertForNextSentencePrediction,
        TinyBertForPreTraining,
        TinyBertForQuestionAnswering,
        TinyBertForSequenceClassification,
        TinyBertForTokenClassification,
        TinyBertModel,
    )
    from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
    from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
    from hf_tinybert.models.modeling_tinybert_summarization import TinyBertForExtractiveSummarization
    from hf_tinybert.models.multitask_initialization import initialize_tasks_from_teachers
    from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
    from hf_tinybert.registration import register_auto_classes

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
    "TinyBertForNextSentencePrediction",
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
    "initialize_tasks_from_teachers",
    "join_teachers",
    "load_published_checkpoint",
    "register_auto_classes",
    "save_as_sentence_transformer",
]

# Trainer and datasets take seconds to import, and a process that only loads a model needs neither.
_ON_FIRST_USE = {
    "DistillationArguments": "hf_tinybert.distillation.arguments",
    "DistillationTask": "hf_tinybert.distillation.multitask.objectives",
    "DistillationTrainer": "hf_tinybert.distillation.trainer",
    "MultiTaskDistillationTrainer": "hf_tinybert.distillation.multitask.trainer",
    "PublishedCheckpoint": "hf_tinybert.models.conversion",
    "StudentInitialization": "hf_tinybert.models.initialization",
    "TinyBertConfig": "hf_tinybert.models.configuration_tinybert",
    "TinyBertForCausalLM": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForExtractiveSummarization": "hf_tinybert.models.modeling_tinybert_summarization",
    "TinyBertForMaskedLM": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForMultiTask": "hf_tinybert.models.modeling_tinybert_multitask",
    "TinyBertForMultipleChoice": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForNextSentencePrediction": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForPreTraining": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForQuestionAnswering": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForSentenceEmbedding": "hf_tinybert.models.modeling_tinybert_sentence_embedding",
    "TinyBertForSequenceClassification": "hf_tinybert.models.modeling_tinybert",
    "TinyBertForTokenClassification": "hf_tinybert.models.modeling_tinybert",
    "TinyBertModel": "hf_tinybert.models.modeling_tinybert",
    "convert_published_checkpoint": "hf_tinybert.models.conversion",
    "export_to_bert": "hf_tinybert.models.conversion",
    "initialize_from_teacher": "hf_tinybert.models.initialization",
    "initialize_tasks_from_teachers": "hf_tinybert.models.multitask_initialization",
    "join_teachers": "hf_tinybert.distillation.teacher_ensemble",
    "load_published_checkpoint": "hf_tinybert.models.conversion",
    "register_auto_classes": "hf_tinybert.registration",
    "save_as_sentence_transformer": "hf_tinybert.models.sentence_transformers",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the types stand under TYPE_CHECKING)
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def _is_the_command() -> bool:
    """Whether this process is `hf-tinybert` or `python -m hf_tinybert.cli`, whose name is not known yet."""
    name = sys.argv[0] if sys.argv else ""
    return Path(name).stem == "hf-tinybert" or (name == "-m" and "hf_tinybert.cli" in sys.orig_argv)


# The command answers `--help` in half a second, without torch: there the verbs register, when they run.
if not _is_the_command():
    import_module("hf_tinybert.registration").register_auto_classes()
