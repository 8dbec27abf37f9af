"""Masks, records and padding for the tests of losses."""

import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord


@pytest.fixture(scope="session")
def build_mask():
    """`build_mask(batch, length)`: the first text is whole, each further one is a third shorter."""

    def build(batch, length, padded=True):
        mask = torch.ones(batch, length, dtype=torch.long)
        if padded:
            for row in range(1, batch):
                mask[row, max(1, length - row * (length // 3 + 1)) :] = 0
        return mask

    return build


@pytest.fixture(scope="session")
def build_record():
    """`build_record(batch, heads, length, head_width)`: a random record; further keywords go to `torch.randn`."""

    def build(batch, heads, length, width, scaling=0.5, window=None, **tensor):
        shape = (batch, heads, length, width)
        query, key, value = (torch.randn(shape, **tensor) for _ in range(3))
        return AttentionRecord(query, key, value, scaling, window)

    return build


@pytest.fixture(scope="session")
def padded():
    """`padded(tensor, dim)`: the tensor with columns of large garbage behind its end along `dim`."""

    def build(tensor, dim, garbage=1e3, columns=3):
        shape = [*tensor.shape]
        shape[dim] = columns
        return torch.cat([tensor, torch.full(shape, garbage, dtype=tensor.dtype)], dim)

    return build


@pytest.fixture(scope="session")
def padded_record(padded):
    """`padded_record(record)`: the record with garbage behind its last position."""

    def build(record):
        return record._replace(query=padded(record.query, 2), key=padded(record.key, 2), value=padded(record.value, 2))

    return build
