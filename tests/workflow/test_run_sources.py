"""Tests of telling what a run is made of from what lies under the same names later."""

import pytest
from datasets import Dataset, DatasetDict

from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.run_sources import RunSources, check_finished, keep_sources


@pytest.fixture
def sources(tmp_path):
    """A model, a text and rows, and the folder of a run that keeps them."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"first")
    (tmp_path / "model" / "tokenizer.json").write_text('{"model": {"vocab": {"film": 0}}}')
    (tmp_path / "texts.txt").write_text("a film\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"text": "a film"}\n')
    (tmp_path / "data" / "dev.jsonl").write_text('{"text": "a game"}\n')
    return RunSources(
        models=(str(tmp_path / "model"), "public/model"),
        files=(str(tmp_path / "texts.txt"),),
        data=(str(tmp_path / "data"), "public/data"),
    )


CHANGED = {
    "model": ("model/model.safetensors", b"second"),
    "model/tokenizer.json": ("model/tokenizer.json", b'{"model": {"vocab": {"game": 0}}}'),
    "texts.txt": ("texts.txt", b"a game\n"),
    "data": ("data/dev.jsonl", b'{"text": "a song"}\n'),
}


@pytest.mark.parametrize("name", CHANGED)
def test_another_content_under_the_same_name_is_named(sources, tmp_path, name):
    """Prevents a finished run from passing for one of what was written there since."""
    folder = RunFolder(tmp_path / "run", {})
    check_finished(folder, sources)  # of an older version, which kept nothing
    keep_sources(folder, sources, leads=False)
    assert folder.finished("sources") is None
    keep_sources(folder, sources, leads=True)
    check_finished(folder, sources)
    file, content = CHANGED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=rf"the finished run in `.*run` .* another content of `[^`]*{name}`; because"):
        check_finished(RunFolder(tmp_path / "run", {}), sources)
    if name != "data":  # of which another split would be left
        (tmp_path / file.split("/")[0]).rename(tmp_path / "elsewhere")
        check_finished(folder, sources)


def test_a_file_more_or_less_of_a_model_is_another_model(sources, tmp_path):
    """Prevents a finished run from passing for one whose teacher has its labels or its tokenizer from elsewhere."""
    folder = RunFolder(tmp_path / "run", {})
    keep_sources(folder, sources, leads=True)
    (tmp_path / "model" / "README.md").write_text("A model.")
    check_finished(folder, sources)
    (tmp_path / "model" / "task.json").write_text("{}")
    with pytest.raises(ValueError, match=r"another content of `[^`]*model`; because"):
        check_finished(folder, sources)
    (tmp_path / "model" / "task.json").unlink()
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"another content of `[^`]*model`; because"):
        check_finished(folder, sources)


def test_what_only_training_has_is_no_part_of_a_model(sources, tmp_path):
    """Prevents a refusal where training arguments were removed, also of a run that counted them as weights."""
    model, folder = tmp_path / "model", RunFolder(tmp_path / "run", {})
    keep_sources(folder, sources, leads=True)
    told = folder.finished("sources")
    for name in ("training_args.bin", "optimizer.bin", "scheduler.bin", "optimizer.pt", "trainer_state.json"):
        (model / name).write_bytes(b"{}")
    check_finished(folder, sources)
    assert sources.contents() == told
    earlier = {str(model): stored_weights_sha256(str(model), all_bin=True)}
    assert earlier != told["models"]
    folder.finish("sources", {**told, "models": earlier})
    check_finished(folder, sources)
    (model / "model.safetensors").write_bytes(b"second")
    with pytest.raises(ValueError, match="another content of"):
        check_finished(folder, sources)


def test_a_run_of_before_the_files_beside_the_weights_were_known_is_taken_as_it_is(sources, tmp_path):
    """Prevents finished runs of an earlier version from being refused, and one that goes on from knowing none."""
    folder = RunFolder(tmp_path / "run", {})
    folder.finish("sources", {what: told for what, told in sources.contents().items() if what != "model_files"})
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    check_finished(folder, sources)
    keep_sources(folder, sources, leads=True)
    (tmp_path / "model" / "tokenizer.json").write_text('{"model": {}}')
    with pytest.raises(ValueError, match="another content of"):
        check_finished(folder, sources)


def test_a_run_goes_on_with_its_models_and_files_and_with_the_same_rows(sources, tmp_path):
    """Prevents half a training from another start, and a refusal of rows that were saved again."""
    folder = RunFolder(tmp_path / "run", {})
    keep_sources(folder, sources, leads=True)
    for name in ("model", "model/tokenizer.json", "texts.txt"):
        file, content = CHANGED[name]
        before = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes(content)
        with pytest.raises(ValueError, match=rf"what the run in `.*run` began with, .* of `[^`]*{name}`; because"):
            keep_sources(folder, sources, leads=True)
        (tmp_path / file).write_bytes(before)
    (tmp_path / "data" / "train.jsonl").write_text('{"text":"a film"}\n')
    keep_sources(folder, sources, leads=True)
    check_finished(folder, sources)


def test_what_a_library_writes_beside_saved_rows_is_no_data(tmp_path):
    """Prevents a finished run from being refused because its rows were read."""
    rows = Dataset.from_dict({"text": ["a film", "a game"]})
    DatasetDict(train=rows, test=rows).save_to_disk(tmp_path / "saved")
    sources = RunSources(data=(str(tmp_path / "saved"),))
    before = sources.contents()["data"]
    (tmp_path / "saved" / "train" / "cache-1.arrow").write_bytes(b"0")
    assert before and sources.contents()["data"] == before
    DatasetDict(train=rows.select([1, 0]), test=rows).save_to_disk(tmp_path / "saved")
    assert sources.contents()["data"] != before
