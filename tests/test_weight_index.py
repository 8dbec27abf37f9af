"""Tests of the index of weights in several files."""

import json

import pytest

from hf_tinybert.weight_index import check_weight_index

PARTS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def parted(tmp_path):
    """A folder of weights in two files; gives what writes an index of other names."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in (*PARTS, "../outside.safetensors"):
        (folder / name).write_bytes(b"")

    def index(*names):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(enumerate(names))}))
        return folder

    return index


def test_a_whole_model_in_parts_passes_and_so_does_one_in_a_single_file(parted, tmp_path):
    """Prevents a check that refuses what is right, or an old index that nothing reads."""
    check_weight_index(parted(*PARTS))
    check_weight_index(tmp_path)
    old = parted("model-00001-of-00009.safetensors")
    (old / "model.safetensors").write_bytes(b"")
    check_weight_index(old)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/hostname", "", ".."])
def test_a_part_outside_the_folder_is_refused(parted, name):
    """Prevents a downloaded model that reads other weights of this machine, which a push would publish."""
    with pytest.raises(ValueError, match="reads no weights outside its folder"):
        check_weight_index(parted(PARTS[0], name))


def test_a_missing_part_is_refused(parted):
    """Prevents a model that is published in half."""
    folder = parted(*PARTS)
    (folder / PARTS[1]).unlink()
    with pytest.raises(ValueError, match=f"got `{PARTS[1]}` in its `model.safetensors.index.json`"):
        check_weight_index(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": []}', "{}"])
def test_a_damaged_index_is_refused(tmp_path, content):
    """Prevents a traceback over half a download."""
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match="expected a `weight_map`"):
        check_weight_index(tmp_path)
