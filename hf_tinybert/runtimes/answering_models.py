"""The two models of a measurement, and the folders that their runtimes open."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.adapted_model import base_of_adapter
from hf_tinybert.distillation.adapters import is_adapter
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.export.formats import WEIGHT_ENDINGS
from hf_tinybert.export.graphs import write_graph
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.exported_runtime import is_exported
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.runtimes.inference_settings import InferenceSettings
from hf_tinybert.runtimes.runtime import Runtime
from hf_tinybert.workflow.heads import head_class
from hf_tinybert.workflow.model_folder import answering_config, heads_of, load_config, load_model_folder
from hf_tinybert.workflow.teacher_search import recorded_teacher
from hf_tinybert.workflow.teachers import is_finetuned

OWN_TEACHER = "own-teacher"
"""As results name the teacher that a student was distilled from, beside one of random weights."""
_CLASSIFIER = "ForSequenceClassification"
_TOKENIZER_COLUMNS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_SAMPLE = (3, 16)  # batch and length that a graph is traced with


@dataclass(frozen=True)
class AnsweringFolder:
    """All that a process needs to answer.

    Attributes:
        runtime: that opens the folder.
        folder: weights or graph.
        model_class: of the weights.
    """

    runtime: Runtime
    folder: Path
    model_class: type[PreTrainedModel]

    @property
    def file_bytes(self) -> int:
        """Of weights and graph, not of the configuration."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.suffix in WEIGHT_ENDINGS)


def make_models(settings: InferenceSettings) -> dict[str, PreTrainedModel]:
    """`student`, `teacher` and, where it is asked for, `own-teacher`, in float32 and evaluation mode.

    A model without `task.json` gets the head of a classifier, trained or not: it computes as long.

    Raises:
        FileNotFoundError: no such model.
        ValueError: a model that is exported, reads several texts at once, or has too few positions.
    """
    torch.manual_seed(settings.seed)
    models = {
        "student": TinyBertForSequenceClassification(TinyBertConfig())
        if settings.student is None
        else _load(settings.student, settings.task),
        "teacher": BertForSequenceClassification(BertConfig())
        if settings.teacher is None
        else _load(settings.teacher, None),
        **_own_teacher(settings),
    }
    for name, model in models.items():
        positions, longest = int(model.config.max_position_embeddings), max(settings.lengths)
        if positions < longest:
            raise ValueError(
                f"expected a {name} of at least {longest} positions, got {positions}; because texts are that long; "
                "lower `lengths`"
            )
    return {name: model.eval().float() for name, model in models.items()}


def random_inputs(model: PreTrainedModel, batch_size: int, length: int, seed: int) -> dict[str, Tensor]:
    """Token ids without padding, and what else of a tokenizer's columns the model takes; int64, `(batch, seq_len)`."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, model.config.vocab_size, (batch_size, length), generator=generator)
    padding = model.config.pad_token_id
    if padding is not None:
        ids[ids == padding] = (padding + 1) % model.config.vocab_size
    columns = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    names = model_input_names(model) & _TOKENIZER_COLUMNS
    return {name: column for name, column in columns.items() if name in names}


def write_folder(model: PreTrainedModel, runtime: Runtime, folder: Path, *, longest: int) -> AnsweringFolder:
    """Write what a runtime opens.

    Args:
        model: in float32 and evaluation mode.
        runtime: that is to open it.
        folder: to write; not there yet.
        longest: tokens of the longest texts.
    """
    folder.mkdir(parents=True)
    if runtime.form is not None:
        sample = random_inputs(model, _SAMPLE[0], min(_SAMPLE[1], longest), seed=0)
        write_graph(model, sample, runtime.form, folder, longest=longest)
    else:
        saved = copy.deepcopy(model).bfloat16() if runtime is Runtime.BF16 else model
        saved.save_pretrained(folder)
    return AnsweringFolder(runtime, folder, type(model))


def _own_teacher(settings: InferenceSettings) -> dict[str, PreTrainedModel]:
    if settings.own_teacher is None or settings.student is None:
        return {}
    recorded = recorded_teacher(settings.student, settings.task)
    tasks = heads_of(answering_config(settings.own_teacher))
    return {OWN_TEACHER: _load(settings.own_teacher, recorded.head(tasks, settings.task))}


def _load(name: str, task: str | None) -> PreTrainedModel:
    if is_adapter(name):
        name = base_of_adapter(name)  # merged into its base, as teachers are, it computes as long as the base
    config = load_config(name)
    if is_exported(name):
        raise ValueError(
            f"expected a model with weights, got `{name}`, which is exported; because every runtime is made of the "
            "weights; name the model that it was made of"
        )
    if is_finetuned(name) or heads_of(config):
        known = load_model_folder(name, task=task)
        if known.task.kind is TaskKind.MULTIPLE_CHOICE:
            raise ValueError(
                f"expected a model that reads a text at a time, got `{name}` for {known.task.kind}; because sentences "
                "per second are counted; measure a model of another kind"
            )
        if isinstance(known.model, PreTrainedModel):
            return known.model
    model: PreTrainedModel = head_class(_CLASSIFIER, config).from_pretrained(name)
    return model


__all__ = ["OWN_TEACHER", "AnsweringFolder", "make_models", "random_inputs", "write_folder"]
