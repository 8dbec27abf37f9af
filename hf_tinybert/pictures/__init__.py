"""Pictures of a distillation, drawn from plain numbers, for reports and cards."""

from hf_tinybert.pictures.answers import confusion_matrix, score_scatter
from hf_tinybert.pictures.drawing import Picture, check_matplotlib
from hf_tinybert.pictures.layer_agreement import layer_agreement_map
from hf_tinybert.pictures.loss_curves import CurvePanel, curve_panels, loss_curve, loss_curves
from hf_tinybert.pictures.size_and_speed import bars, size_against_score

__all__ = [
    "CurvePanel",
    "Picture",
    "bars",
    "check_matplotlib",
    "confusion_matrix",
    "curve_panels",
    "layer_agreement_map",
    "loss_curve",
    "loss_curves",
    "score_scatter",
    "size_against_score",
]
