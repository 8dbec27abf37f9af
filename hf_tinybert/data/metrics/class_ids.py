"""What the metrics of classes are given: one id per row, or zeros and ones."""

import datasets

__all__ = ["MULTI_LABEL", "class_id_features"]

MULTI_LABEL = "multilabel"
"""Configuration, as on the Hub, in which a row is a list of zeros and ones."""


def class_id_features(config_name: str) -> datasets.Features:
    """Gives the columns `predictions` and `references`: an int per row, with `MULTI_LABEL` a list of ints."""
    value = datasets.Value("int64")
    column = datasets.List(value) if config_name == MULTI_LABEL else value
    return datasets.Features({"predictions": column, "references": column})
