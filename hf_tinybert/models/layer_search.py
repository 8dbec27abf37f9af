"""Which layers of a teacher a student should start from, found by trying them."""

import copy
import logging
from collections.abc import Callable
from itertools import combinations
from math import comb

import torch
from transformers import PreTrainedModel

from hf_tinybert.models.calibration import CalibrationTokens
from hf_tinybert.models.encoder_projection import LayerNormTreatment, project_encoder
from hf_tinybert.models.layout_reading import student_layout, teacher_layout
from hf_tinybert.models.least_squares import with_ones
from hf_tinybert.models.teacher_states import read_hidden_states, read_states

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
    every = tuple(range(layers + 1))
    with torch.no_grad():
        states = read_states(teacher, other, fitted, every)
        wanted = read_hidden_states(teacher, held_out, {layers})[layers]

        def unexplained(mapping: _LayerMapping) -> float:
            trial = student_layout(copy.deepcopy(student))
            generator = torch.Generator().manual_seed(seed)
            encoder = project_encoder(trial, states, fitted, mapping, LayerNormTreatment.RECONSTRUCTION, generator)
            *_, last = held_out.encoder_states(trial)
            left = with_ones(last) @ encoder.final_reader.T - wanted
            return float(left.square().sum() / (wanted - wanted.mean(0)).square().sum())

        tried = _try(depth, layers, unexplained)
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
