"""Tests of the plot."""

import pytest

from hf_tinybert.runtimes import draw_inference


def test_every_batch_size_has_a_panel_and_every_arm_a_line(tmp_path, monkeypatch):
    """Prevents a plot that leaves out what was measured, or joins lengths in the order they came in."""
    figure_module = pytest.importorskip(
        "matplotlib.figure", reason="of the extra `report`, which the extra `test` brings"
    )
    arms = ("student onnx", "teacher fp32")
    run = {
        "settings": {"threads": 1},
        "arms": {arm: {} for arm in arms},
        "cases": [
            {"batch_size": batch, "length": length, "summary": {arm: {"sentences_per_second": speed} for arm in arms}}
            for batch, length, speed in ((1, 64, 3.0), (1, 16, 9.0), (32, 64, 30.0), (32, 16, 90.0))
        ],
    }
    drawn = []
    save = figure_module.Figure.savefig
    monkeypatch.setattr(
        figure_module.Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k))
    )
    draw_inference(run, tmp_path / "speed.png")
    panels = drawn[0].axes
    assert [panel.get_title() for panel in panels] == ["batch 1", "batch 32"]
    assert [line.get_label() for line in panels[0].lines] == list(arms)
    assert [list(line.get_xydata().ravel()) for line in panels[1].lines] == [[16, 90, 64, 30]] * 2
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
