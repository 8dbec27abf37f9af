"""Files of a checkpoint are read whole or refused, and a folder is replaced whole or not at all."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from hf_tinybert.models.checkpoint_folder import (
    check_output_folder,
    read_json,
    read_vocabulary,
    read_weights,
    staged_folder,
    weight_files_sha256,
)

WEIGHTS = {"first": torch.arange(600.0).reshape(20, 30), "second": torch.ones(3, dtype=torch.bfloat16)}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make_checkpoint(folder):
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "notes.txt").write_text("old")


def test_weights_come_back_from_either_file(tmp_path):
    """Both files are in use on the Hub; a value changed on the way would only show as a worse score."""
    for save, name in ((torch.save, "pytorch_model.bin"), (save_file, "model.safetensors")):
        folder = tmp_path / name
        folder.mkdir()
        save(WEIGHTS, folder / name)
        read = read_weights(folder)
        assert read.keys() == WEIGHTS.keys()
        assert all(torch.equal(read[key], WEIGHTS[key]) and read[key].dtype == WEIGHTS[key].dtype for key in WEIGHTS)


def test_safetensors_win_over_a_pickle(tmp_path):
    """Reading the pickle of a folder that was converted and then trained on would bring old weights back."""
    torch.save({"first": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    assert torch.equal(read_weights(tmp_path)["first"], WEIGHTS["first"])


@pytest.mark.parametrize("kept", [0, 1, 60, 0.5, 0.98])
@pytest.mark.parametrize("file", ["pytorch_model.bin", "old pytorch_model.bin", "model.safetensors"])
def test_truncated_weights_are_refused_with_the_files_name(file, kept, tmp_path):
    """A download cut short must not end as an error about zip archives, or as a model with half its weights."""
    path = tmp_path / file.removeprefix("old ")
    if path.suffix == ".safetensors":
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path, _use_new_zipfile_serialization=not file.startswith("old"))
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ValueError, match=rf"expected named tensors in `.*{path.name}`, got a file of \d+ bytes"):
        read_weights(tmp_path)


def test_the_placeholder_of_a_large_file_is_refused(tmp_path):
    """A clone without large-file support leaves a text of three lines under the name of the weights."""
    (tmp_path / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    with pytest.raises(ValueError, match="placeholder of a large-file store"):
        read_weights(tmp_path)


def test_a_pickle_that_would_run_code_is_refused_unrun(tmp_path):
    """A checkpoint of a stranger must not be a program."""

    class Payload:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": Payload()}, file, protocol=2)
    with pytest.raises(ValueError, match="Python objects, which are never loaded"):
        read_weights(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_training_state_is_not_taken_for_weights(tmp_path):
    """A dictionary with the model inside has no weight under any expected name."""
    torch.save({"model": WEIGHTS, "epoch": 3}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"save `model.state_dict\(\)`"):
        read_weights(tmp_path)


def test_missing_weights_are_named(tmp_path):
    """The message must say which files would do."""
    with pytest.raises(FileNotFoundError, match=r"`model.safetensors` or `pytorch_model.bin`"):
        read_weights(tmp_path)


@pytest.mark.parametrize("content", ['{"a": 1', "[1, 2]", ""])
def test_a_damaged_json_is_refused_with_its_name(content, tmp_path):
    """A parser's "line 1 column 8" without a file name does not tell what to repair."""
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"expected .*JSON.*config\.json`"):
        read_json(tmp_path / "config.json")


def test_a_vocabulary_keeps_the_order_of_its_lines(tmp_path):
    """A token on a line of its own that Python takes for a line break would shift every id after it."""
    tokens = ["[PAD]", "\u2028", "\x85", "last"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert read_vocabulary(tmp_path / "vocab.txt") == {token: index for index, token in enumerate(tokens)}


def test_a_vocabulary_of_other_bytes_is_refused(tmp_path):
    """Bytes read in a guessed encoding would become tokens that no text contains."""
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\n")
    with pytest.raises(ValueError, match=r"expected UTF-8 text in .*vocab\.txt"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_a_staged_folder_appears_only_when_complete(tmp_path):
    """Half a checkpoint under the final name would be loaded by the next run."""
    output = tmp_path / "new" / "model"
    with staged_folder(output, overwrite=False) as staged:
        (staged / "config.json").write_text("{}")
        assert not output.exists()
    assert names(output) == ["config.json"]
    assert names(output.parent) == ["model"]


def test_an_error_leaves_the_previous_checkpoint_untouched(tmp_path):
    """A full disk in the middle of writing must not cost the model that was there."""
    make_checkpoint(tmp_path / "model")
    with pytest.raises(OSError, match="full"), staged_folder(tmp_path / "model", overwrite=True) as staged:
        (staged / "config.json").write_text("half")
        raise OSError("disk full")
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model" / "notes.txt").read_text() == "old"
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == {}


def test_overwriting_replaces_the_whole_checkpoint(tmp_path):
    """A file left over from the previous model, such as its projections, would be taken for one of the new."""
    make_checkpoint(tmp_path / "model")
    with staged_folder(tmp_path / "model", overwrite=True) as staged:
        (staged / "new.txt").write_text("")
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new.txt"]


def test_an_empty_folder_is_a_free_output(tmp_path):
    """Scripts create their output folder before they call."""
    with staged_folder(tmp_path, overwrite=False) as staged:
        (staged / "config.json").write_text("{}")
    assert names(tmp_path) == ["config.json"]


def test_a_checkpoint_is_not_overwritten_unasked(tmp_path):
    """A mistyped output must not cost a trained model."""
    make_checkpoint(tmp_path / "model")
    with pytest.raises(FileExistsError, match=r"with 2 entries; .*`overwrite=True`, .*`--overwrite`"):
        check_output_folder(tmp_path / "model", overwrite=False)
    with pytest.raises(FileExistsError) as refused:  # where the caller has no such choice
        check_output_folder(tmp_path / "model", overwrite=None)
    assert str(refused.value).endswith("name another folder")
    assert names(tmp_path / "model") == ["config.json", "notes.txt"]


@pytest.mark.parametrize("content", ["thesis.tex", "config.json checkpoint-500/", ".git/ config.json"])
def test_overwriting_is_refused_for_more_than_a_checkpoint(content, tmp_path):
    """`overwrite` on a home folder, a clone or a training run would delete what no one meant."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in content.split():
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("{}")
    before = names(folder)
    with pytest.raises(FileExistsError, match="expected a checkpoint folder to overwrite"):
        check_output_folder(folder, overwrite=True)
    assert names(folder) == before


def test_a_file_is_no_output_folder(tmp_path):
    """Without the check the error would come after the work, and talk of something else."""
    (tmp_path / "model").write_text("")
    with pytest.raises(FileExistsError, match="got the file"):
        check_output_folder(tmp_path / "model", overwrite=True)


def test_the_hash_of_weight_files_tells_names_and_bytes(tmp_path):
    """Prevents findings about weights that were trained again, or moved between two files, from passing for these."""
    assert weight_files_sha256(tmp_path) is None
    hashes = []
    for name, content in (("a.safetensors", b"one"), ("b.safetensors", b"one"), ("b.safetensors", b"two")):
        for file in tmp_path.iterdir():
            file.unlink()
        (tmp_path / name).write_bytes(content)
        hashes.append(weight_files_sha256(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert len(set(hashes)) == 3 and weight_files_sha256(tmp_path) == hashes[-1]
