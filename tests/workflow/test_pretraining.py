"""Tests of general distillation on tiny models: from raw text to a student that starts on tasks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from hf_tinybert.data import blocks
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.progress import TrainingProgress
from hf_tinybert.workflow import PretrainSettings, pretrain

BATCH = 8
LENGTH = 16
TERMS = {"embedding_loss", "hidden_states_loss", "attention_scores_loss"}
TINY = {
    "layers": 2,
    "width": 16,
    "heads": 4,
    "units": 40,
    "block_length": LENGTH,
    "batch_size": BATCH,
    "epochs": 2.0,
    "held_out_blocks": 4,
    "checkpoint_steps": 3,
    "preflight": False,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, sentences) -> str:
    """A text file of 80 documents, no two alike."""
    file = tmp_path_factory.mktemp("corpus") / "texts.txt"
    documents = [
        " ".join(["the"] * (index // 24) + sentences[index % 24 : index % 24 + 1 + index % 4]) for index in range(80)
    ]
    file.write_text("\n\n".join(documents), encoding="utf-8")
    return str(file)


@pytest.fixture
def settings(corpus, encoder):
    return PretrainSettings(texts=(corpus,), teacher=encoder, **TINY)


@pytest.fixture
def seen(monkeypatch):
    """The blocks of every training step in order, as tuples of token ids."""
    steps: list[list[tuple[int, ...]]] = []
    original = DistillationTrainer.training_step

    def record(self, model, inputs, *args, **kwargs):
        steps.append([tuple(row) for row in inputs["input_ids"].tolist()])
        return original(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "training_step", record)
    return steps


def interrupt(monkeypatch, after):
    """From now on training is interrupted after so many steps of a call."""
    original, steps = TrainingProgress.on_step_end, 0

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingProgress, "on_step_end", stop)
    return lambda: monkeypatch.setattr(TrainingProgress, "on_step_end", original)


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def same_weights(first, second):
    one, other = weights_of(first), weights_of(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_student_comes_out_nearer_to_its_teacher(settings, tmp_path, display, encoder):
    """Prevents a run that trains nothing, and a folder that does not say what it is."""
    figures = pretrain(replace(settings, epochs=6.0, learning_rate=5e-3), tmp_path / "out", display)
    before, after = figures["held_out"]["before"], figures["held_out"]["after"]
    assert set(before) == set(after) >= TERMS
    assert sum(after[term] for term in TERMS) < sum(before[term] for term in TERMS)
    curve = figures["curves"]["intermediate-layer"]["training"]  # what its report and its card draw
    assert all(set(row) >= {"epoch", *TERMS} for row in curve) and curve[0]["epoch"] < curve[-1]["epoch"]
    student = AutoModel.from_pretrained(tmp_path / "out")
    assert (student.config.num_hidden_layers, student.config.hidden_size) == (2, 16)
    vocabulary = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    assert vocabulary == AutoTokenizer.from_pretrained(encoder).get_vocab()
    assert DistillationRecord.load(tmp_path / "out").teacher == Path(encoder).name
    assert json.loads((tmp_path / "out" / "figures.json").read_text()) == json.loads(json.dumps(figures))
    saved = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))
    assert saved["truncation"] is saved["padding"] is None
    left = {file.name for file in (tmp_path / "out").iterdir()}
    assert not left & {".checkpoints", ".blocks", "training_args.bin"}
    assert not [name for name in weights_of(tmp_path / "out") if "projection" in name or "pooler" in name]


def test_every_block_but_the_held_out_ones_is_seen_once_a_pass(settings, tmp_path, display, seen):
    """Prevents training on what is compared, and blocks that are drawn twice or never."""
    figures = pretrain(settings, tmp_path / "out", display, blocks=tmp_path / "blocks")
    blocks = figures["blocks"]
    per_pass = blocks // BATCH
    assert figures["steps"] == len(seen) == 2 * per_pass and figures["tokens_seen"] == 2 * blocks * LENGTH
    held_out = figures["tokens"] // (LENGTH - 2) - blocks
    assert blocks % BATCH == 0 and 4 <= held_out < 4 + BATCH
    first, second = ([block for step in part for block in step] for part in (seen[:per_pass], seen[per_pass:]))
    assert sorted(first) == sorted(second) and first != second and len(first) == blocks
    again = pretrain(replace(settings, max_steps=1), tmp_path / "again", display, blocks=tmp_path / "blocks")
    assert again["blocks"] == blocks and (tmp_path / "blocks").is_dir()


@pytest.mark.parametrize("after", [2, 5, 11], ids=["before a checkpoint", "first pass", "second pass"])
def test_interrupted_it_ends_with_the_same_student_and_no_block_is_lost_or_seen_twice(
    settings, tmp_path, display, monkeypatch, seen, after
):
    """Prevents a resumed run that starts its pass anew, skips a block, or ends somewhere else."""
    straight = pretrain(settings, tmp_path / "straight", display)
    wanted = list(seen)
    assert after < len(wanted) and straight["steps"] == len(wanted)
    seen.clear()
    go_on = interrupt(monkeypatch, after)
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings, tmp_path / "resumed", display)
    go_on()
    # what came after the last checkpoint, every three steps, is trained again
    done = seen[: (after - 1) // 3 * 3]
    seen.clear()
    figures = pretrain(settings, tmp_path / "resumed", display)
    assert [*done, *seen] == wanted
    assert same_weights(tmp_path / "straight", tmp_path / "resumed")
    for name in ("held_out", "steps", "tokens_seen", "tokens", "blocks", "curves"):
        assert figures[name] == straight[name], name


def test_interrupted_twice_it_ends_with_the_same_student(settings, tmp_path, display, monkeypatch, seen):
    """Prevents what is right after one interruption only, and layers that are searched anew."""
    settings = replace(settings, layer_mapping="search")
    pretrain(settings, tmp_path / "straight", display)
    wanted = list(seen)
    seen.clear()
    done = []
    for after in (5, 5):
        go_on = interrupt(monkeypatch, after)
        with pytest.raises(KeyboardInterrupt):
            pretrain(settings, tmp_path / "resumed", display)
        go_on()
        monkeypatch.setattr("hf_tinybert.models.initialization.search_layer_mapping", None)
        done += seen[:3]
        seen.clear()
    pretrain(settings, tmp_path / "resumed", display)
    assert [*done, *seen] == wanted and same_weights(tmp_path / "straight", tmp_path / "resumed")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Every training step takes ten seconds, and nothing else takes any."""
    made, original = Clock(), DistillationTrainer.training_step

    def slow(self, *args, **kwargs):
        made.now += 10.0
        return original(self, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "training_step", slow)
    monkeypatch.setattr("hf_tinybert.distillation.run_phases.time", made)
    return made


@pytest.mark.parametrize("after", [[], [2], [5], [5, 2, 5]], ids=str)
def test_the_cost_is_that_of_all_calls_together(settings, tmp_path, display, monkeypatch, clock, after):
    """Prevents steps of all calls from being divided by the seconds of the last one."""
    for steps in after:
        go_on = interrupt(monkeypatch, steps)
        with pytest.raises(KeyboardInterrupt):
            pretrain(settings, tmp_path / "out", display)
        go_on()
    figures = pretrain(settings, tmp_path / "out", display)
    assert figures["seconds"] == 10.0 * figures["steps"]
    speed = figures["tokens_seen"] / figures["seconds"]
    assert figures["tokens_per_second"] == pytest.approx(speed, abs=0.05)
    assert figures["operations_per_second"] == pytest.approx(figures["operations_per_token"] * speed, rel=1e-6)
    assert figures["hours_per_billion_tokens"] == pytest.approx(1e9 / speed / 3600, rel=1e-4)


def test_killed_between_the_last_step_and_the_figures_it_has_a_cost(settings, tmp_path, display, monkeypatch, clock):
    """Prevents a division by no step at all."""

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(DistillationTrainer, "save_model", _only_checkpoints(DistillationTrainer.save_model, killed))
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings, tmp_path / "out", display)
    monkeypatch.undo()  # the clock too: real seconds from here on
    figures = pretrain(settings, tmp_path / "out", display)
    assert figures["seconds"] == pytest.approx(10.0 * figures["steps"], abs=9.0)


def _only_checkpoints(original, otherwise):
    def save(self, output_dir=None, _internal_call=False):
        return original(self, output_dir, _internal_call) if _internal_call else otherwise()

    return save


def test_interrupted_while_it_packs_it_goes_on(settings, tmp_path, display, monkeypatch, corpus):
    """Prevents an output folder that is refused, or blocks that differ, after an interruption in tokenising."""
    pretrain(settings, tmp_path / "straight", display)
    monkeypatch.setattr("hf_tinybert.data.blocks._CHUNK_CHARACTERS", 400)
    pretrain(settings, tmp_path / "parts", display)
    monkeypatch.setattr("hf_tinybert.data.blocks._pack", _stopped(3))
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings, tmp_path / "resumed", display)
    assert len(list((tmp_path / "resumed" / ".blocks").glob("part-*.json"))) == 3
    monkeypatch.undo()
    monkeypatch.setattr("hf_tinybert.data.blocks._CHUNK_CHARACTERS", 400)
    pretrain(settings, tmp_path / "resumed", display)
    assert same_weights(tmp_path / "parts", tmp_path / "resumed")


def _stopped(after):
    original, calls = blocks._pack, 0

    def pack(*args):
        nonlocal calls
        if calls == after:
            raise KeyboardInterrupt
        calls += 1
        original(*args)

    return pack


def test_a_finished_run_is_not_trained_again(settings, tmp_path, display, monkeypatch):
    """Prevents hours lost by a second look at the table."""
    figures = pretrain(replace(settings, max_steps=1), tmp_path / "out", display)

    def trained(*args, **kwargs):
        raise RuntimeError("trained again")

    monkeypatch.setattr(DistillationTrainer, "train", trained)
    for left in (".blocks", ".checkpoints"):  # by a call that was killed while it removed them
        (tmp_path / "out" / left).mkdir()
    again = pretrain(replace(settings, max_steps=1), tmp_path / "out", display)
    assert again == json.loads(json.dumps(figures))
    assert not {file.name for file in (tmp_path / "out").iterdir()} & {".blocks", ".checkpoints"}
    with pytest.raises(ValueError, match="max_steps: 1 there, 2 now"):
        pretrain(replace(settings, max_steps=2), tmp_path / "out", display)


@pytest.mark.parametrize("changed", ["teacher", "texts"])
def test_a_run_is_one_of_its_own_teacher_and_texts(settings, tmp_path, display, monkeypatch, train_anew, changed):
    """Prevents a student of a former teacher or of former texts, gone on with or given again as that of new ones."""
    teacher, texts = tmp_path / "teacher", tmp_path / "texts.txt"

    def bring_back():
        shutil.copytree(settings.teacher, teacher, dirs_exist_ok=True)
        shutil.copyfile(settings.texts[0], texts)

    def write_anew():
        if changed == "teacher":
            train_anew(teacher)
        else:
            texts.write_text(texts.read_text() + " film")

    bring_back()
    own = replace(settings, teacher=str(teacher), texts=(str(texts),), max_steps=2, checkpoint_steps=1)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        interrupt(patched, 2)
        pretrain(own, tmp_path / "out", display)
    write_anew()
    with pytest.raises(ValueError, match=rf"began with, got another content of `.*{changed}"):
        pretrain(own, tmp_path / "out", display)
    bring_back()
    pretrain(replace(own, checkpoint_steps=9, preflight=True), tmp_path / "out", display)  # which decide nothing
    write_anew()
    with pytest.raises(ValueError, match=rf"finished run in .*, got another content of `.*{changed}"):
        pretrain(own, tmp_path / "out", display)


def test_documents_that_come_again_are_counted_once(settings, tmp_path, display, corpus):
    """Prevents a corpus that was given twice from counting double, unless it is wanted."""
    once, twice, kept = (
        pretrain(replace(settings, texts=texts, deduplicate=deduplicate, max_steps=1), tmp_path / name, display)
        for name, texts, deduplicate in (
            ("once", (corpus,), True),
            ("twice", (corpus, corpus), True),
            ("kept", (corpus, corpus), False),
        )
    )
    assert once["documents"] == twice["documents"] == 80 and kept["documents"] == 160
    assert once["tokens"] == twice["tokens"] and kept["tokens"] == 2 * once["tokens"]


def test_preflight_passes_on_raw_text(settings, tmp_path, display):
    """Prevents checks that want labels from refusing a run that has none."""
    pretrain(replace(settings, preflight=True, max_steps=1), tmp_path / "out", display)


@pytest.mark.parametrize("start", ["layers", "random"])
def test_other_starts_train_too(settings, tmp_path, display, start):
    """Prevents a start that asks for texts to fit on."""
    sizes = {"width": 32, "units": 64} if start == "layers" else {}
    pretrain(replace(settings, start=start, max_steps=1, **sizes), tmp_path / "out", display)


# changes, and the name and content of a file of texts; after a good one, where it is not for the amount of text
REFUSALS = {
    "no text": ({}, "texts.txt", b"", r"got an empty file"),
    "encoding": ({}, "texts.txt", b"a film\n" * 200 + b"gr\xf6\xdfer", r"the byte 0xf6 at offset 1,402"),
    "ending": ({}, "texts.pdf", b"a film", r"got the file `.*texts.pdf`"),
    "columns": ({}, "texts.jsonl", b'{"a": "one", "b": "two"}\n', r"columns `text` in .*, got `a`, `b`"),
    "spaces": ({"texts": ()}, "texts.txt", b"\n \n", r"at least 140 tokens, 10 blocks of 16, got 0 in `.*texts.txt`"),
    "too little": ({"texts": ()}, "texts.txt", b"a film\n\na film\n\na film\n", r"10 blocks of 16, got 3 in"),
    "nowhere": ({"texts": ("nowhere.txt",)}, None, None, r"`nowhere.txt`"),
    "length": ({"block_length": 65}, None, None, r"expected blocks of 3 to 64 tokens, got 65"),
    "deeper": ({"layers": 5}, None, None, r"no deeper than its teacher, got 5"),
    "wider": ({"width": 64}, None, None, r"`hidden_size` of at most the teacher's 32, got 64"),
    "layers": ({"start": "layers"}, None, None, r"`hidden_size` as in the teacher, 32, got 16"),
    "mapping": ({"layer_mapping": "2,9"}, None, None, r"2 strictly increasing teacher layers from 1 to 4"),
    "heads": ({"heads": 3, "width": 24, "start": "random"}, None, None, r"heads of which one divides the other"),
    "term": ({"loss_weights": {"magic_loss": 1.0}}, None, None, r"magic_loss"),
    "teacher": ({"teacher": "nowhere/nothing"}, None, None, r"a model folder or a Hub name, got `nowhere/nothing`"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_work_is_refused_before_anything_is_spent(settings, tmp_path, display, case, monkeypatch):
    """Prevents a folder that is claimed by a run that never was, and hours of tokenising for nothing."""

    def packed(*args, **kwargs):
        raise RuntimeError("packed")

    monkeypatch.setattr("hf_tinybert.workflow.pretraining.pack_corpus", packed)
    changes, name, content, message = REFUSALS[case]
    if name is not None:
        (tmp_path / name).write_bytes(content)
        changes = {"texts": (*changes.get("texts", settings.texts), str(tmp_path / name))}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        pretrain(replace(settings, **changes), tmp_path / "out", display, blocks=tmp_path / "blocks")
    assert not (tmp_path / "out").exists() and not (tmp_path / "blocks").exists()


def test_a_failed_check_before_training_comes_before_the_texts_are_packed(settings, tmp_path, display, encoder):
    """Prevents hours of tokenising for a teacher whose tokenizer has tokens that it does not know."""
    folder = tmp_path / "teacher"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.add_tokens(["brontosaurus"])
    tokenizer.save_pretrained(folder)
    BertModel.from_pretrained(encoder).save_pretrained(folder)
    unfit = replace(settings, teacher=str(folder), preflight=True)
    with pytest.raises(ValueError, match="expected token ids below 40, the student's `vocab_size`, got 40"):
        pretrain(unfit, tmp_path / "out", display, blocks=tmp_path / "blocks")
    assert not (tmp_path / "out").exists() and not (tmp_path / "blocks").exists()


def test_a_length_beyond_the_positions_of_the_model_is_refused(settings, tmp_path, display, encoder):
    """Prevents an index error in the middle of training with tokenizers that know no limit."""
    folder = tmp_path / "teacher"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, **sizes)).save_pretrained(folder)
    with pytest.raises(ValueError, match="expected blocks of 3 to 24 tokens, got 32"):
        pretrain(replace(settings, teacher=str(folder), block_length=32), tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_kept_blocks_of_other_texts_are_refused(settings, tmp_path, display, corpus):
    """Prevents training on a file's old content because its name is the same."""
    file = tmp_path / "texts.txt"
    file.write_text(Path(corpus).read_text())
    own = replace(settings, texts=(str(file),), max_steps=1)
    pretrain(own, tmp_path / "first", display, blocks=tmp_path / "blocks")
    file.rename(tmp_path / "moved.txt")
    moved = replace(own, texts=(str(tmp_path / "moved.txt"),))
    pretrain(moved, tmp_path / "moved", display, blocks=tmp_path / "blocks")
    file.write_text(Path(corpus).read_text().replace("film", "song"))
    with pytest.raises(ValueError, match="got `.*blocks` with blocks of other texts"):
        pretrain(own, tmp_path / "second", display, blocks=tmp_path / "blocks")
    assert not (tmp_path / "second").exists()
