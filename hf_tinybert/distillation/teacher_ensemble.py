"""Several teachers of one task as one: the predictions are those of all, the layers those of the first."""

import copy
import functools
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.adapters import merged_teacher
from hf_tinybert.distillation.compatibility.labels import label_names
from hf_tinybert.distillation.compatibility.models import position_limit
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.frozen_weights import freeze, weights_sha256
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.record import public_name
from hf_tinybert.distillation.task_head import names_classes, predicts_vocabulary, problem_of

if TYPE_CHECKING:
    from peft import PeftModel

_OTHERS = "other_teachers"
_SHARES = "teacher_shares"
_HASHED_SHARES = "shares"
_TOKEN_TYPES = "token_type_ids"
_PREDICTIONS = ("logits", "start_logits", "end_logits")
_NO_PREDICTIONS = frozenset({"output_hidden_states", "output_attentions", "return_dict"})


def join_teachers(
    teachers: "Sequence[PreTrainedModel | PeftModel]", weights: Sequence[float] | None = None
) -> PreTrainedModel:
    """One teacher of several, for `DistillationTrainer(teacher=...)`: an ensemble's predictions in one student.

    Its logits are the weighted mean of the teachers' logits, which at any temperature is the geometric mean of their
    distributions; its embeddings, hidden states and attention are those of the first teacher, which alone runs where
    no term reads predictions. A teacher of another family reads the columns that its forward takes. The models are
    frozen and shared, not copied; the first stays usable by itself.

    Args:
        teachers: two or more with the same kind of head, classes and vocabulary; adapters are merged in place.
        weights: of each, above 0; equal when None.

    Returns:
        A model of the first teacher's class and configuration.

    Raises:
        ValueError: fewer than two, one of them twice, or joined already, heads, problem types, classes or
            vocabularies that differ, heads that predict no classes, numbers or spans, weights of another number or
            not above 0, or a later teacher that reads shorter texts than the first, or token types that it does not.

    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network (arXiv 1503.02531), section 1.
    """
    merged = [merged_teacher(teacher) for teacher in teachers]
    shares = [1.0] * len(merged) if weights is None else [float(weight) for weight in weights]
    _check_count(merged, shares)
    first, *others = merged
    for number, other in enumerate(others, start=2):
        _check_alike(first, other, number)
    joined = copy.copy(first)
    joined.__dict__["_modules"], joined.__dict__["_buffers"] = dict(first._modules), dict(first._buffers)
    joined.__class__ = _class_of_all(type(first))
    joined.add_module(_OTHERS, nn.ModuleList(others))
    # the numbers are computed with, which no cast to bfloat16 rounds; the buffer is what the hash of the weights reads
    setattr(joined, _SHARES, tuple(shares))
    joined.register_buffer(_HASHED_SHARES, torch.tensor(shares, dtype=torch.float64, device=first.device))
    return freeze(joined)


def teachers_of(teacher: PreTrainedModel) -> list[PreTrainedModel]:
    """The models of a joined teacher, each usable by itself, in their order; of any other the teacher alone."""
    if not hasattr(teacher, _OTHERS):
        return [teacher]
    first = copy.copy(teacher)
    first.__dict__["_modules"] = {name: one for name, one in teacher._modules.items() if name != _OTHERS}
    first.__dict__["_buffers"] = {name: one for name, one in teacher._buffers.items() if name != _HASHED_SHARES}
    del first.__dict__[_SHARES]
    first.__class__ = type(teacher).__mro__[1]
    return [first, *getattr(teacher, _OTHERS)]


def told_ensemble(teacher: PreTrainedModel) -> dict[str, Any] | None:
    """What `distillation.json` tells of a joined teacher: `teachers`, each with name, class, hash and weight.

    Of a teacher that ZeRO-3 has partitioned every process calls this.

    Returns:
        None of a teacher that is one model.
    """
    if not hasattr(teacher, _OTHERS):
        return None
    told = [
        {
            "teacher": public_name(str(one.config._name_or_path)),
            "teacher_class": type(one).__name__,
            "teacher_sha256": weights_sha256(one),
            "weight": share,
        }
        for one, share in zip(teachers_of(teacher), getattr(teacher, _SHARES), strict=True)
    ]
    return {"teachers": told}


def teacher_name(teacher: "PreTrainedModel | PeftModel") -> str:
    """What a teacher in memory was loaded from; of several joined, all of them."""
    names = [str(one.config._name_or_path) for one in (teacher, *getattr(teacher, _OTHERS, ()))]
    return names[0] if len(names) == 1 else " + ".join(public_name(name) for name in names)


def _class_of_all(first: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """The first teacher's class, whose forward asks the others too."""

    @functools.wraps(first.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> ModelOutput:  # noqa: ANN401 (of its base)
        inputs = inspect.signature(first.forward).bind(self, *args, **kwargs).arguments
        inputs |= inputs.pop("kwargs", {})  # what the forward takes without naming it
        inputs.pop("self")
        output: ModelOutput = first.forward(self, **{**inputs, "return_dict": True})
        answers = [output, *(_asked(one, inputs) for one in getattr(self, _OTHERS))]
        for name in _PREDICTIONS:
            if output.get(name) is not None:
                output[name] = _mean([answer[name] for answer in answers], getattr(self, _SHARES))
        return output

    return type(first.__name__, (first,), {"forward": forward, "__doc__": first.__doc__})


def _asked(teacher: PreTrainedModel, inputs: dict[str, Any]) -> ModelOutput:
    """The predictions of one of the others, nothing else."""
    names = model_input_names(teacher) - _NO_PREDICTIONS
    given = {name: value for name, value in inputs.items() if name in names}
    output: ModelOutput = teacher(**given, return_dict=True)
    return output


def _mean(logits: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The weighted mean, in the type of the first."""
    total = sum(share / sum(shares) * one.float() for share, one in zip(shares, logits, strict=True))
    return torch.as_tensor(total).to(logits[0].dtype)


def _check_count(teachers: Sequence[PreTrainedModel], shares: Sequence[float]) -> None:
    if len(teachers) < 2 or len({id(one) for one in teachers}) < len(teachers):
        raise ValueError(
            f"expected two or more different teachers, got {len({id(one) for one in teachers})} in "
            f"{len(teachers)}; because one alone needs no joining; pass it as `teacher`"
        )
    joined = [number for number, one in enumerate(teachers, start=1) if hasattr(one, _OTHERS)]
    if joined:
        raise ValueError(
            f"expected teachers that are each one model, got teacher {joined[0]} of several; because the shares of a "
            "mean of means would be nobody's wish; join all of them at once"
        )
    if len(shares) != len(teachers) or min(shares) <= 0:
        raise ValueError(
            f"expected {len(teachers)} weights above 0, got {list(shares)}; because each teacher has a say in the "
            "mean; leave out a teacher that shall have none"
        )
    kind = head_kind(teachers[0])
    if kind is None or kind == "ForSentenceEmbedding" or predicts_vocabulary(teachers[0]):
        raise ValueError(
            f"expected teachers that predict classes, numbers or spans, got `{type(teachers[0]).__name__}`; because "
            "predictions over a vocabulary and embeddings of several models have no common mean; choose one teacher"
        )


def _check_alike(first: PreTrainedModel, other: PreTrainedModel, number: int) -> None:
    """Refuse a later teacher whose predictions are no more of what the first predicts."""
    for what, own, got in (
        ("head", head_kind(first), head_kind(other)),
        ("problem type", problem_of(first), problem_of(other)),
        ("vocabulary", first.config.vocab_size, other.config.vocab_size),
        ("labels", *((label_names(first), label_names(other)) if names_classes(first) else (None, None))),
    ):
        if own != got:
            raise ValueError(
                f"expected the first teacher's {what} {own} of teacher {number}, got {got}; because the mean of both "
                "would be of neither; give teachers of one task, tokenizer and order of labels"
            )
    longest, reads = position_limit(first), position_limit(other)
    if reads is not None and (longest is None or reads < longest):
        raise ValueError(
            f"expected teacher {number} to read texts as long as the first, {longest or 'without limit'}, got {reads} "
            "tokens; because longer ones would fail in the middle of a run; put it first"
        )
    reads_types = _TOKEN_TYPES in model_input_names(other) and (other.config.to_dict().get("type_vocab_size") or 0) > 1
    if reads_types and _TOKEN_TYPES not in model_input_names(first):
        raise ValueError(
            f"expected a first teacher that reads `{_TOKEN_TYPES}` as teacher {number} does, got "
            f"`{type(first).__name__}`; because rows have the columns that the first reads, and the second text of a "
            "pair would pass for the first; put the other one first"
        )


__all__ = ["join_teachers", "teacher_name", "teachers_of", "told_ensemble"]
