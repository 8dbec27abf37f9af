"""Scores as `evaluate` metrics whose code is in this package, so that they work without the network.

Each is named, called and answers as the one of its name on the Hub, so that results carry over.
"""

from hf_tinybert.data.metrics.accuracy import Accuracy, accuracy_from_logits
from hf_tinybert.data.metrics.answers import Squad
from hf_tinybert.data.metrics.correlations import Pearsonr, Spearmanr
from hf_tinybert.data.metrics.entities import Seqeval
from hf_tinybert.data.metrics.f1 import F1
from hf_tinybert.data.metrics.matthews_correlation import MatthewsCorrelation
from hf_tinybert.data.metrics.rouge import Rouge

__all__ = [
    "F1",
    "Accuracy",
    "MatthewsCorrelation",
    "Pearsonr",
    "Rouge",
    "Seqeval",
    "Spearmanr",
    "Squad",
    "accuracy_from_logits",
]
