"""Pictures of a distillation, drawn from plain numbers, for reports and cards."""

from hf_tinybert.pictures.answers import confusion_matrix, score_scatter
from hf_tinybert.pictures.drawing import Picture, check_matplotlib
from hf_tinybert.pictures.layer_agreement import AgreementMap, layer_agreement_maps
from hf_tinybert.pictures.loss_curves import CurvePanel, curve_panels, loss_curve, loss_curves
from hf_tinybert.pictures.size_and_speed import bars, size_against_score
from hf_tinybert.pictures.task_curves import figures_of_task, overview_panels

__all__ = [
    "AgreementMap",
    "CurvePanel",
    "Picture",
    "bars",
    "check_matplotlib",
    "confusion_matrix",
    "curve_panels",
    "figures_of_task",
    "layer_agreement_maps",
    "loss_curve",
    "loss_curves",
    "overview_panels",
    "score_scatter",
    "size_against_score",
]
