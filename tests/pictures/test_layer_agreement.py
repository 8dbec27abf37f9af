"""Tests of the maps of layers."""

import pytest

from hf_tinybert.pictures.layer_agreement import AgreementMap, layer_agreement_maps

VALUES = [[0.9, 0.2, 0.1], [0.1, 0.3, 0.8]]


@pytest.mark.parametrize(("first_layer", "mapping"), [(0, [0, 2]), (1, [0, 1, 3])])
def test_the_pairs_of_the_mapping_are_framed(first_layer, mapping):
    """Prevents frames one layer beside the pair, as of hidden states on a map of attention."""
    picture = layer_agreement_maps([AgreementMap("Layers", VALUES, mapping)], first_layer=first_layer, name="map")
    framed = [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in picture.figure.axes[0].patches]
    assert framed == [(0, 0), (2, 1)]
    assert "0.90" in picture.description and "0.80" in picture.description


def test_rows_are_the_students_layers():
    """Prevents a map the wrong way round."""
    axes = layer_agreement_maps([AgreementMap("Layers", VALUES)], first_layer=0, name="map").figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["emb.", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["emb.", "1", "2"]
    assert axes.images[0].get_array().tolist() == VALUES


def test_maps_of_several_tasks_stand_side_by_side():
    """Prevents a task whose map is lost at the end of a row, or drawn with another one's values."""
    maps = [AgreementMap(f"Task {number}", [[number / 10]]) for number in range(3)]
    axes = [one for one in layer_agreement_maps(maps, first_layer=0, name="map").figure.axes if one.axison]
    shown = [(one.get_title(loc="left"), one.images[0].get_array().tolist()) for one in axes]
    assert shown == [(one.title, one.values) for one in maps]
