"""Tests of the picture."""

from hf_tinybert.runtimes import inference_picture

ARMS = ("student onnx", "teacher fp32")
RUN = {
    "settings": {"threads": 1},
    "arms": {arm: {} for arm in ARMS},
    "cases": [
        {"batch_size": batch, "length": length, "summary": {arm: {"sentences_per_second": speed} for arm in ARMS}}
        for batch, length, speed in ((1, 64, 3.0), (1, 16, 9.0), (32, 64, 30.0), (32, 16, 90.0))
    ],
}


def test_every_batch_size_has_a_panel_and_every_arm_a_line():
    """Prevents a plot that leaves out what was measured, lengths in the order they came in, formulas at the axis."""
    picture = inference_picture(RUN)
    panels = picture.figure.axes
    assert [panel.get_title("left") for panel in panels] == ["Batch 1", "Batch 32"]
    assert [line.get_label() for line in panels[0].lines] == list(ARMS)
    assert [list(line.get_xydata().ravel()) for line in panels[1].lines] == [[16, 90, 64, 30]] * 2
    assert "batch 32, 16 tokens: student onnx 90, teacher fp32 90" in picture.description
    assert picture.png().startswith(b"\x89PNG")
    numbers = [label.get_text() for label in panels[1].get_yticklabels()]  # as they were drawn
    assert "50" in numbers and all(number.replace(".", "").isdigit() for number in numbers)
