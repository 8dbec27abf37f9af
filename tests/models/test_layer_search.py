"""Tests of the search for the teacher's layers that a student should start from."""

import copy
import logging

import pytest
import torch

from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.encoder_projection import LayerNormTreatment, project_encoder
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.layer_search import search_layer_mapping
from hf_tinybert.models.layout_reading import student_layout, teacher_layout
from hf_tinybert.models.least_squares import with_ones
from hf_tinybert.models.start_checks import check_start
from hf_tinybert.models.teacher_states import read_hidden_states, read_states

SMALLER = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 30}


def idle(teacher, *layers):
    """The teacher, whose layers of these numbers, from 1, add nothing."""
    for number in layers:
        layer = teacher.encoder.layer[number - 1]
        for part in (layer.attention.output, layer.output):
            torch.nn.init.zeros_(part.dense.weight)
            torch.nn.init.zeros_(part.dense.bias)
            torch.nn.init.ones_(part.LayerNorm.weight)
            torch.nn.init.zeros_(part.LayerNorm.bias)
    return teacher


@pytest.fixture
def tokens_for(batches):
    """The calibration batches as a teacher reads them."""
    return lambda teacher, count=None: read_calibration(batches[:count], teacher_layout(teacher), seed=0)


@pytest.mark.parametrize(("layer", "expected"), [(1, (0, 2, 3, 4)), (2, (0, 1, 3, 4)), (3, (0, 1, 2, 4))])
def test_layers_that_do_nothing_are_left_out(build_encoder, tokens_for, layer, expected):
    """Prevents a choice that has nothing to do with what the layers compute."""
    teacher = idle(build_encoder(), layer)
    student = build_encoder(num_hidden_layers=3, seed=9)
    assert search_layer_mapping(student, teacher, tokens_for(teacher)) == expected


def told_shares(caplog):
    """The mappings in the order of the last line told, and what each leaves unexplained."""
    told = [one.split() for one in caplog.messages[-1].split(": ")[1].split(", ")]
    return [layers for layers, _ in told], [float(share) for _, share in told]


def test_the_choice_is_by_texts_that_were_not_fitted(build_encoder, batches, tokens_for, caplog):
    """Prevents candidates from being ranked by how well they learn their own texts by heart."""
    teacher, student = build_encoder(), build_encoder(num_hidden_layers=2, seed=9, **SMALLER)
    shares = {}
    for times in (1, 4):  # four times each, every text is held out and fitted
        repeated = [{name: ids.repeat_interleave(times, dim=0) for name, ids in batch.items()} for batch in batches]
        tokens = read_calibration(repeated, teacher_layout(teacher), seed=0)
        with caplog.at_level(logging.INFO, logger="hf_tinybert"):
            found = search_layer_mapping(student, teacher, tokens)
        layers, shares[times] = told_shares(caplog)
        assert layers[0] == "-".join(map(str, found[1:])) and len(layers) == 6
        assert shares[times] == sorted(shares[times])
    assert shares[4][0] < 0.8 * shares[1][0]


def test_trials_that_share_layers_are_those_of_students_filled_alone(build_encoder, tokens_for, caplog):
    """Prevents a layer, or noise in a wider head, that a mapping took over from the one tried before it."""
    teacher, student = build_encoder(), build_encoder(num_hidden_layers=2, seed=9, num_attention_heads=2)
    tokens = tokens_for(teacher)
    with caplog.at_level(logging.INFO, logger="hf_tinybert"):
        search_layer_mapping(student, teacher, tokens, seed=5)
    held_out = torch.arange(len(tokens.lengths)) % 4 == 3
    fitted, held_out = tokens.select(~held_out), tokens.select(held_out)
    with torch.no_grad():
        wanted = read_hidden_states(teacher, held_out, {4})[4]
        states = read_states(teacher, teacher_layout(teacher), fitted, range(5))
        for layers, share in zip(*told_shares(caplog), strict=True):
            alone = student_layout(copy.deepcopy(student))
            mapping = (0, *map(int, layers.split("-")))
            noise = torch.Generator().manual_seed(5)
            reader = project_encoder(
                alone, states, fitted, mapping, LayerNormTreatment.RECONSTRUCTION, noise
            ).final_reader
            *_, last = held_out.encoder_states(alone)
            left = (with_ones(last) @ reader.T - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum()
            assert float(left) == pytest.approx(share, abs=6e-4)


def test_of_many_mappings_some_are_tried(build_encoder, tokens_for, caplog):
    """Prevents hours of trying all 495 ways to choose four of twelve layers, and a descent that goes nowhere."""
    teacher = idle(build_encoder(num_hidden_layers=12), 1, 2, 3, 4, 5, 6, 7, 8)
    student = build_encoder(num_hidden_layers=4, seed=9)
    with caplog.at_level(logging.INFO, logger="hf_tinybert"):
        found = search_layer_mapping(student, teacher, tokens_for(teacher))
    assert found == (0, 9, 10, 11, 12)
    assert len(told_shares(caplog)[0]) < 120


def test_neither_model_changes_and_the_choice_is_the_same_again(build_encoder, tokens_for):
    """Prevents a search whose trials leave traces in the student, or one that resumed runs do not repeat."""
    teacher, student = build_encoder(), build_encoder(num_hidden_layers=2, seed=9, **SMALLER)
    before = [copy.deepcopy(model.state_dict()) for model in (student, teacher)]
    state = torch.get_rng_state()
    found = {search_layer_mapping(student, teacher, tokens_for(teacher)) for _ in range(2)}
    assert len(found) == 1 and torch.equal(torch.get_rng_state(), state)
    for model, kept in zip((student, teacher), before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_where_there_is_no_choice_nothing_is_tried(build_encoder, tokens_for):
    """Prevents a refusal for want of texts where none are needed."""
    teacher = build_encoder()
    few = read_calibration([{"input_ids": torch.tensor([[7, 8, 9]])}], teacher_layout(teacher), seed=0)
    assert search_layer_mapping(build_encoder(seed=9), teacher, few) == (0, 1, 2, 3, 4)
    with pytest.raises(ValueError, match="at least 4 calibration sequences to search a layer mapping with, got 1"):
        search_layer_mapping(build_encoder(num_hidden_layers=2, seed=9), teacher, few)


def test_a_start_takes_the_mapping_that_was_found(build_encoder, batches, tokens_for):
    """Prevents a search whose result is not what the student is filled from."""
    teacher = idle(build_encoder(), 2)
    searched, named = (build_encoder(num_hidden_layers=3, seed=9) for _ in range(2))
    assert check_start(searched, teacher, layer_mapping="search") == (0, 1, 3, 4)
    assert check_start(build_encoder(num_hidden_layers=2), teacher, layer_mapping="search") == (0, 2, 4)
    start = initialize_from_teacher(searched, teacher, calibration=batches, layer_mapping="search")
    initialize_from_teacher(named, teacher, calibration=batches, layer_mapping=(0, 1, 3, 4))
    assert start.mapping == (0, 1, 3, 4)
    assert all(torch.equal(value, named.state_dict()[name]) for name, value in searched.state_dict().items())


@pytest.mark.parametrize("method", ["layers", "random", "trained"])
def test_other_starts_than_projection_refuse_a_search(build_encoder, batches, method):
    """Prevents a mapping that was searched for a start which the student does not have."""
    teacher, student = build_encoder(), build_encoder(num_hidden_layers=2, seed=9)
    with pytest.raises(ValueError, match=f"of teacher layers for the start `{method}`, got 'search'"):
        initialize_from_teacher(student, teacher, method=method, calibration=batches, layer_mapping="search")
