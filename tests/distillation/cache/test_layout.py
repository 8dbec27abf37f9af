import json

import numpy as np
import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import (
    ATTENTIONS_FILE,
    HIDDEN_STATES_FILE,
    LOGITS_FILE,
    SEQUENCES_FILE,
    AttentionLayout,
    CacheLayout,
    LogitsKind,
    UncacheableError,
    layout_of,
)
from hf_tinybert.distillation.states import DistillationStates

MASK = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]])
VALID = MASK.bool()
CONTENTS = CacheContents((0, None, 4), (None, 4), value=True)


@pytest.fixture
def states():
    """Two texts of 3 and 2 tokens, one padded right and one left; the middle state and first record are not there."""
    query, key = torch.randn(2, 2, 2, 4, 3)
    record = AttentionRecord(query, key, torch.randn(2, 2, 4, 5), 0.5, 128)
    hidden_states = (torch.randn(2, 4, 6), None, torch.randn(2, 4, 7))
    return DistillationStates(MASK, hidden_states, (None, record), torch.randn(2, 3))


def test_the_layout_is_read_off_the_states(states):
    """Prevents a shape, scaling or window that is assumed."""
    layout = layout_of(states, CONTENTS)
    assert layout.hidden_widths == (6, None, 7)
    assert layout.attentions == (None, AttentionLayout(2, 3, 5, 0.5, 128))
    assert (layout.logits, layout.classes) == (LogitsKind.TEXT, 3)
    assert (layout.hidden_width, layout.attention_width) == (13, 2 * (3 + 3 + 5))


def test_a_layout_survives_json(states):
    """Prevents a layout that comes back from the manifest as another one."""
    for contents in (CONTENTS, CacheContents(), CacheContents((0, 2, 4), logits=False)):
        whole = DistillationStates(MASK, (states.hidden_states[0],) * 3, states.attentions, states.logits)
        layout = layout_of(whole, contents)
        assert CacheLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


def test_packed_arrays_hold_the_valid_tokens_in_order(states):
    """Prevents padding from being stored, and tokens, layers or heads from changing places."""
    arrays = layout_of(states, CONTENTS).pack(states, MASK)
    hidden = torch.from_numpy(arrays[HIDDEN_STATES_FILE]).view(torch.bfloat16)
    expected = torch.cat([states.hidden_states[0][VALID], states.hidden_states[2][VALID]], dim=1)
    assert torch.equal(hidden, expected.bfloat16())
    attention = torch.from_numpy(arrays[ATTENTIONS_FILE]).view(torch.bfloat16)
    record = states.attentions[1]
    for head in range(2):
        assert torch.equal(attention[:, 3 * head : 3 * head + 3], record.query[:, head][VALID].bfloat16())
        assert torch.equal(attention[:, 6 + 3 * head : 9 + 3 * head], record.key[:, head][VALID].bfloat16())
        assert torch.equal(attention[:, 12 + 5 * head : 17 + 5 * head], record.value[:, head][VALID].bfloat16())
    np.testing.assert_array_equal(arrays[LOGITS_FILE], states.logits.numpy())


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("dtype", [None, torch.float32])
def test_unpacked_states_are_the_packed_ones(states, value, dtype):
    """Prevents a head or layer from coming back as another, and a record from losing its window."""
    layout = layout_of(states, CacheContents((0, None, 4), (None, 4), value=value))
    arrays = layout.pack(states, MASK)

    def padded(name):
        flat = torch.from_numpy(arrays[name])
        bits = torch.zeros(2, 4, flat.shape[1], dtype=torch.int16)
        bits[VALID] = flat
        return bits

    hidden = layout.unpack_hidden_states(padded(HIDDEN_STATES_FILE), dtype)
    assert hidden[1] is None
    for own, other in ((hidden[0], states.hidden_states[0]), (hidden[2], states.hidden_states[2])):
        assert own.dtype == (dtype or torch.bfloat16)
        assert torch.equal(own.float(), other.bfloat16().float() * MASK[..., None])
    nothing, record = layout.unpack_attentions(padded(ATTENTIONS_FILE), dtype)
    assert nothing is None
    original = states.attentions[1]
    assert (record.scaling, record.window) == (0.5, 128)
    for own, other in zip(record[: 2 + value], original, strict=False):
        assert torch.equal(own.float(), other.bfloat16().float() * MASK[:, None, :, None])
    if not value:  # a term that reads it must fail rather than compare something else
        assert record.value is None


@pytest.mark.parametrize(
    ("shape", "kind", "classes", "packed"),
    [
        ((2, 3), LogitsKind.TEXT, 3, (2, 3)),
        ((2, 1), LogitsKind.TEXT, 1, (2, 1)),
        ((2, 4, 3), LogitsKind.TOKEN, 3, (5, 3)),
        ((2, 2, 4), LogitsKind.SPAN, 2, (5, 2)),
    ],
)
def test_every_kind_of_prediction_is_told_apart(shape, kind, classes, packed):
    """Prevents the predictions of tokens from being cut into those of texts."""
    logits = torch.randn(shape)
    states = DistillationStates(MASK, logits=logits)
    layout = layout_of(states, CacheContents())
    assert (layout.logits, layout.classes) == (kind, classes)
    array = layout.pack(states, MASK)[LOGITS_FILE]
    assert array.shape == packed
    if kind is LogitsKind.SPAN:
        np.testing.assert_array_equal(array[:, 1], logits[:, 1][VALID].numpy())
    elif kind is LogitsKind.TOKEN:
        np.testing.assert_array_equal(array, logits[VALID].numpy())


def test_sizes_are_those_of_the_packed_arrays(states):
    """Prevents a disk that fills up although the budget was checked."""
    for logits in (torch.randn(2, 3), torch.randn(2, 4, 3), torch.randn(2, 2, 4)):
        given = DistillationStates(MASK, states.hidden_states, states.attentions, logits)
        layout = layout_of(given, CONTENTS)
        sizes = layout.file_bytes(rows=2, sequences=2, tokens=5)
        packed = {name: array.nbytes for name, array in layout.pack(given, MASK).items()}
        assert sizes == {SEQUENCES_FILE: 48, **packed}
        alone = layout.logits_only().file_bytes(rows=2, sequences=2, tokens=5)
        assert alone == {SEQUENCES_FILE: 48, LOGITS_FILE: packed[LOGITS_FILE]}


@pytest.mark.parametrize(
    ("changes", "contents", "message"),
    [
        ({"attentions": (None, AttentionScores(torch.zeros(2, 2, 4, 4)))}, CONTENTS, "got `AttentionScores`"),
        ({"attentions": ()}, CONTENTS, "expected attentions of the teacher layers"),
        ({}, CacheContents((0, 2, 4)), r"expected hidden states of .*\[0, 2, 4\], got 2 of 3"),
        ({}, CacheContents((0, 4)), "got 2 of 3 entries"),
        ({"logits": None}, CONTENTS, "expected predictions of the teacher, got none"),
        ({"logits": torch.zeros(2, 5, 7)}, CONTENTS, r"got `\(batch, ...\)` \(2, 5, 7\)"),
    ],
)
def test_what_cannot_be_kept_is_refused(states, changes, contents, message):
    """Prevents score maps, which grow with the square of the length, and states that were never asked for."""
    given = DistillationStates(**{**vars(states), **changes})
    with pytest.raises(UncacheableError, match=message):
        layout_of(given, contents)
