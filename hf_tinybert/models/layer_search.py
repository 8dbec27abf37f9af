"""Which layers of a teacher a student should start from, found by trying them."""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, takewhile
from math import comb

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.models.calibration import CalibrationTokens
from hf_tinybert.models.encoder_layout import EncoderLayout
from hf_tinybert.models.encoder_projection import EncoderProjection, LayerNormTreatment
from hf_tinybert.models.layout_reading import student_layout, teacher_layout
from hf_tinybert.models.least_squares import with_ones
from hf_tinybert.models.teacher_states import TeacherStates, read_hidden_states, read_states

logger = logging.getLogger(__name__)

SEARCH = "search"
"""In the place of a layer mapping: find one."""
_MAXIMUM_TOKENS = 8_192
_HELD_OUT = 4  # every fourth sequence: a start fits its own texts too well to be judged by them
_TRIED_ONE_AND_ALL = 24

_LayerMapping = tuple[int, ...]


def search_layer_mapping(
    student: PreTrainedModel, teacher: PreTrainedModel, tokens: CalibrationTokens, *, seed: int = 0
) -> tuple[int, ...]:
    """The layer mapping whose projected start tells most of the teacher's last states, on texts held out.

    Each mapping is tried: a copy of the student is filled from three quarters of the texts by projection, and on the
    last quarter it is measured which share of the variance of the teacher's last hidden states an affine map of the
    student's leaves. The teacher's last layer need not be among the chosen ones. Up to 24 mappings are all tried; of
    more, the better of the uniform one and of the first layers with the last is where a descent begins, in which each
    layer in turn gives way to the best one, until none does. Neither model is changed.

    Args:
        student: Model of the shape that is wanted, laid out as BERT.
        teacher: Model to read, of a family that `projection` takes weights of.
        tokens: Texts, of which the first 8192 tokens are used.
        seed: Of noise in heads wider than the teacher's.

    Returns:
        `mapping[student_layer] = teacher_layer`, 0 = embedding output.

    Raises:
        ValueError: If there are fewer than 4 sequences.

    Source: Jiao et al. 2021 ("Improving task-agnostic BERT distillation with layer mapping search") search by a
    genetic algorithm, with a short training as the proxy; here the closed-form start is the proxy. What it is worth:
    docs/choosing_a_student.md.
    """
    layout, other = student_layout(student), teacher_layout(teacher)
    depth, layers = len(layout.layers), len(other.layers)
    if depth == layers:
        return tuple(range(layers + 1))
    fitted, held_out = _split(tokens)
    with torch.no_grad():
        states = read_states(teacher, other, fitted, range(layers + 1))
        wanted = read_hidden_states(teacher, held_out, {layers})[layers]
        trials = _Trials(student_layout(copy.deepcopy(student)), states, (fitted, held_out), wanted, seed)
        tried = _try(depth, layers, trials.unexplained)
    ranked = sorted(tried, key=lambda mapping: (tried[mapping], mapping))
    told = ", ".join(f"{'-'.join(map(str, mapping[1:]))} {tried[mapping]:.3f}" for mapping in ranked)
    logger.info("share of the teacher's last states that a start from its layers leaves unexplained: %s", told)
    return ranked[0]


def _split(tokens: CalibrationTokens) -> tuple[CalibrationTokens, CalibrationTokens]:
    """The sequences to fit on and those to judge by."""
    lengths = tokens.lengths
    used = lengths.cumsum(0) <= _MAXIMUM_TOKENS
    used[:_HELD_OUT] = True
    held_out = torch.arange(len(lengths), device=lengths.device) % _HELD_OUT == _HELD_OUT - 1
    if not held_out.any():
        raise ValueError(
            f"expected at least {_HELD_OUT} calibration sequences to search a layer mapping with, got {len(lengths)}; "
            "because some are held out to judge by; give more texts, or the layers themselves"
        )
    return tokens.select(used & ~held_out), tokens.select(used & held_out)


@dataclass(frozen=True)
class _Filled:
    """Where a student stands that is filled up to some layer.

    Attributes:
        fitted: Its states on the texts to fit on, `(tokens, student_width)`.
        held_out: The same on those to judge by.
        generator: State of the noise.
    """

    fitted: Tensor
    held_out: Tensor
    generator: Tensor


class _Trials:
    """Students of one mapping after the other, in one model: the first layers that two in a row share are kept.

    Args:
        student: Encoder to fill, in place.
        states: The teacher's of all layers on the texts to fit on, and its weights.
        tokens: Texts to fit on, and to judge by.
        wanted: The teacher's last states on the latter, `(tokens, teacher_width)`.
        seed: Of noise in heads wider than the teacher's.
    """

    def __init__(
        self,
        student: EncoderLayout,
        states: TeacherStates,
        tokens: tuple[CalibrationTokens, CalibrationTokens],
        wanted: Tensor,
        seed: int,
    ) -> None:
        fitted, self._held_out = tokens
        self._student, self._wanted = student, wanted
        self._generator = torch.Generator().manual_seed(seed)
        self._projection = EncoderProjection(
            student, states, fitted, LayerNormTreatment.RECONSTRUCTION, self._generator
        )
        self._projection.embeddings()
        self._mapping: _LayerMapping = (0,)
        self._path = [self._filled(self._held_out.embedding_states(student))]

    def unexplained(self, mapping: _LayerMapping) -> float:
        """The share of the variance of the teacher's last states that the student of a mapping leaves."""
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._mapping, mapping, strict=False)))
        del self._path[shared:]
        self._projection.student_states = self._path[-1].fitted
        self._generator.set_state(self._path[-1].generator)
        for layer, source in zip(self._student.layers[shared - 1 :], mapping[shared:], strict=True):
            self._projection.layer(layer, source)
            self._path.append(self._filled(self._held_out.layer_states(layer, self._path[-1].held_out)))
        self._mapping = mapping
        reader = self._projection.last_reader()
        left = with_ones(self._path[-1].held_out) @ reader.T - self._wanted
        return float(left.square().sum() / (self._wanted - self._wanted.mean(0)).square().sum())

    def _filled(self, held_out: Tensor) -> _Filled:
        return _Filled(self._projection.student_states, held_out, self._generator.get_state())


def _try(depth: int, layers: int, unexplained: Callable[[_LayerMapping], float]) -> dict[_LayerMapping, float]:
    """What every tried mapping leaves unexplained."""
    tried: dict[_LayerMapping, float] = {}

    def measure(mapping: _LayerMapping) -> float:
        if mapping not in tried:
            tried[mapping] = unexplained(mapping)
        return tried[mapping]

    if comb(layers, depth) <= _TRIED_ONE_AND_ALL:
        for chosen in combinations(range(1, layers + 1), depth):
            measure((0, *chosen))
        return tried
    uniform = tuple(round(layer * layers / depth) for layer in range(depth + 1))
    best = min((uniform, (*range(depth), layers)), key=measure)
    before = None
    while best != before:
        before = best
        for layer in before[1:]:
            others = [one for one in best if one != layer]
            free = (one for one in range(1, layers + 1) if one not in others)
            best = min((best, *(tuple(sorted([*others, one])) for one in free)), key=measure)
    return tried


__all__ = ["SEARCH", "search_layer_mapping"]
