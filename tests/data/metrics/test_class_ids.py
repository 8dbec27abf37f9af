"""What the metrics of classes are given."""

import datasets
import pytest

from hf_tinybert.data.metrics.accuracy import Accuracy
from hf_tinybert.data.metrics.class_ids import MULTI_LABEL, class_id_features


def test_a_row_is_one_id_or_a_list_of_zeros_and_ones():
    """Prevents a metric of several labels that takes only the first of them."""
    assert class_id_features("default")["predictions"] == datasets.Value("int64")
    assert class_id_features(MULTI_LABEL)["references"] == datasets.List(datasets.Value("int64"))


def test_ids_where_lists_belong_are_refused():
    """Prevents class ids that are read as marks of labels."""
    with pytest.raises(ValueError, match="don't match"):
        Accuracy(MULTI_LABEL).compute(predictions=[0, 1], references=[0, 1])
