import pytest
import torch
from torch import nn
from torch.nn import functional

from hf_tinybert.distillation.attention_fallback import record_softmax
from tests.distillation.families import FALLBACK_FAMILIES, HEADS, LAYERS

BY_NAME = {family.name: family for family in FALLBACK_FAMILIES}
MAP = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def teacher():
    return BY_NAME["MPNet"].build_model().eval()


@pytest.fixture
def batch():
    """Two texts, the second padded from position 4."""
    ids = torch.randint(5, 40, (2, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.mark.parametrize(
    "softmax",
    [
        lambda scores: torch.softmax(scores, dim=-1),
        lambda scores: torch.softmax(input=scores, dim=3),
        lambda scores: functional.softmax(scores, -1, dtype=torch.float32),
        lambda scores: scores.softmax(dim=-1),
        nn.Softmax(dim=-1),
    ],
    ids=["torch", "keywords", "functional", "method", "module"],
)
def test_every_spelling_of_softmax_is_recorded_once(softmax):
    """Prevents an encoder from being missed for its spelling, and counted twice where one softmax calls another."""
    with record_softmax() as recorder:
        probabilities = softmax(MAP)
    (scores,) = recorder.scores(layers=1, heads=2)
    torch.testing.assert_close(scores.scores, MAP, rtol=0, atol=0)
    torch.testing.assert_close(probabilities, MAP.exp() / MAP.exp().sum(-1, keepdim=True))


def test_softmaxes_that_are_not_over_key_positions_are_left_out():
    """Prevents a head's class probabilities or a gate over dimension 1 from standing in for attention."""
    with record_softmax() as recorder:
        torch.softmax(MAP[0], dim=-1)
        torch.softmax(MAP, dim=1)
        torch.softmax(MAP, dim=-1)
    assert len(recorder.scores(layers=1, heads=2)) == 1


def test_nothing_is_recorded_outside_the_context():
    """Prevents the student's forward from being added to the teacher's."""
    with record_softmax() as recorder:
        torch.softmax(MAP, dim=-1)
    torch.softmax(MAP, dim=-1)
    assert len(recorder.scores(layers=1, heads=2)) == 1


def test_recording_changes_no_output(teacher, batch):
    """Prevents a teacher that says something else when it is watched."""
    with torch.no_grad():
        stock = teacher(**batch).last_hidden_state
        with record_softmax():
            watched = teacher(**batch).last_hidden_state
    torch.testing.assert_close(watched, stock, rtol=0, atol=0)


def test_masked_pairs_hold_a_very_negative_number(teacher, batch):
    """Prevents a loss that tells pairs apart by value from meeting zeros at padding."""
    with torch.no_grad(), record_softmax() as recorder:
        teacher(**batch)
    for scores in recorder.scores(LAYERS, HEADS):
        assert scores.scores.shape == (2, HEADS, 7, 7)
        assert scores.scores[1, :, :, 4:].max() < -1e9
        assert scores.scores[0].min() > -1e4


def test_layers_that_are_not_wanted_are_not_kept(teacher, batch):
    """Prevents L x L maps of all layers from being held where a few are compared, and maps of the wrong layers."""
    with torch.inference_mode(), record_softmax() as recorder:
        teacher(**batch)
    everything = recorder.scores(LAYERS, HEADS)
    with torch.inference_mode(), record_softmax({2, 4}) as recorder:
        teacher(**batch)
    wanted = recorder.scores(LAYERS, HEADS)
    assert [scores is None for scores in wanted] == [True, False, True, False]
    torch.testing.assert_close(wanted[1], everything[1], rtol=0, atol=0)
    torch.testing.assert_close(wanted[3], everything[3], rtol=0, atol=0)


@pytest.mark.parametrize("forwards", [0, 2])
def test_another_number_of_maps_than_layers_is_refused(teacher, batch, forwards):
    """Prevents a zip over too few maps, which is a loss of 0, and maps of two batches taken for one."""
    with torch.no_grad(), record_softmax() as recorder:
        for _ in range(forwards):
            teacher(**batch)
    with pytest.raises(ValueError, match=f"expected 4 softmaxes over score maps, one per layer, got {4 * forwards}"):
        recorder.scores(LAYERS, HEADS)


@pytest.mark.parametrize("layers", [None, {2}], ids=["kept", "not kept"])
def test_maps_of_another_shape_are_refused(layers):
    """Prevents heads that do not pair up, and windows stored by offsets, from being compared."""
    with record_softmax(layers) as recorder:
        torch.softmax(torch.zeros(1, 2, 5, 5), dim=-1)
    with pytest.raises(
        ValueError, match=r"expected score maps of shape \(batch, 4, seq_len, seq_len\), got \(1, 2, 5"
    ):
        recorder.scores(layers=1, heads=4)
    with record_softmax(layers) as recorder:
        torch.softmax(torch.zeros(1, 4, 5, 9), dim=-1)
    with pytest.raises(ValueError, match=r"got \(1, 4, 5, 9\)"):
        recorder.scores(layers=1, heads=4)


def test_a_forward_with_gradient_is_refused(teacher, batch):
    """Prevents a teacher's graph of L x L maps from being kept, and a student from being read this way."""
    with record_softmax(), pytest.raises(ValueError, match="expected a forward without gradient"):
        teacher(**batch)
