"""The table of layouts: every name once, and paths as the models have them."""

from transformers import AlbertConfig, BertConfig

from hf_tinybert.models.encoder_names import BERT, LAYOUTS


def test_layers_are_numbered_and_shared_ones_by_group():
    """Would catch one layer read for all, or the layers of a group that another layer has."""
    assert BERT.path(BERT.key, 2, BertConfig(num_hidden_layers=4)) == "encoder.layer.2.attention.self.key"
    albert = next(names for names in LAYOUTS if "ALBERT" in names.families)
    config = AlbertConfig(num_hidden_layers=6, num_hidden_groups=2)
    groups = [albert.path(albert.key, layer, config).split(".")[2] for layer in range(6)]
    assert groups == ["0", "0", "0", "1", "1", "1"]


def test_no_layout_comes_twice():
    """Would catch an entry that can never be taken because another one is before it."""
    assert len(set(LAYOUTS)) == len(LAYOUTS)
