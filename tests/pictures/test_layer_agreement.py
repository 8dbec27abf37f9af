"""Tests of the map of layers."""

import pytest

from hf_tinybert.pictures.layer_agreement import layer_agreement_map

VALUES = [[0.9, 0.2, 0.1], [0.1, 0.3, 0.8]]


@pytest.mark.parametrize(("first_layer", "mapping"), [(0, [0, 2]), (1, [0, 1, 3])])
def test_the_pairs_of_the_mapping_are_framed(first_layer, mapping):
    """Prevents frames one layer beside the pair, as of hidden states on a map of attention."""
    picture = layer_agreement_map(VALUES, mapping, first_layer=first_layer, name="map", title="Layers")
    framed = [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in picture.figure.axes[0].patches]
    assert framed == [(0, 0), (2, 1)]
    assert "0.90" in picture.description and "0.80" in picture.description


def test_rows_are_the_students_layers():
    """Prevents a map the wrong way round."""
    axes = layer_agreement_map(VALUES, [], first_layer=0, name="map", title="Layers").figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["emb.", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["emb.", "1", "2"]
    assert axes.images[0].get_array().tolist() == VALUES
