"""Tests of supervised tasks beside the text of a general distillation, on tiny models."""

import io
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, BertConfig

from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.hub.model_card import model_card
from hf_tinybert.hub.published_files import PublishedForm
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.progress import ProgressDisplay, TrainingProgress
from hf_tinybert.workflow import PretrainSettings, load_model_folder, pretrain
from hf_tinybert.workflow.general_tasks import heads_of, read_tasks

BATCH, LENGTH = 8, 16
TINY = {"layers": 2, "width": 16, "heads": 4, "units": 40, "block_length": LENGTH, "batch_size": BATCH}
TINY |= {"held_out_blocks": 4, "checkpoint_steps": 3, "preflight": True, "masked_lm": 1.0, "learning_rate": 5e-3}
QUIET = ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def settings(tmp_path_factory, sentences, encoder, data_of):
    """Two tasks beside a text file of 80 documents, no two alike."""
    file = tmp_path_factory.mktemp("corpus") / "texts.txt"
    documents = [
        " ".join(["the"] * (index // 24) + sentences[index % 24 : index % 24 + 1 + index % 4]) for index in range(80)
    ]
    file.write_text("\n\n".join(documents), encoding="utf-8")
    tasks = {
        "news": {"data": data_of("text-classification"), "weight": 2.0, "train_rows": 16},
        "things": {"data": data_of("token-classification"), "kind": "token-classification", "train_rows": 32},
    }
    few = {name: {**task, "validation_rows": 12} for name, task in tasks.items()}
    return PretrainSettings(texts=(str(file),), teacher=encoder, tasks=few, epochs=2.0, **TINY)


@pytest.fixture(scope="module")
def seen():
    """The task and the rows of every training step of this module, in order."""
    steps: list[tuple[str, list[list[int]], list]] = []
    original = DistillationTrainer.training_step

    def record(self, model, inputs, *args, **kwargs):
        steps.append((inputs["task"], inputs["input_ids"].tolist(), inputs["labels"].tolist()))
        return original(self, model, inputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DistillationTrainer, "training_step", record)
        yield steps


@pytest.fixture(scope="module")
def straight(tmp_path_factory, settings, seen):
    """A run that was not interrupted: its folder, figures and steps."""
    folder = tmp_path_factory.mktemp("straight") / "out"
    figures = pretrain(settings, folder, QUIET)
    return folder, figures, list(seen)


def test_the_text_and_every_task_are_learned_in_steps_of_their_own(straight):
    """Prevents a task that never comes, blocks that are lost beside it, and tokens of tasks counted as text."""
    _, figures, steps = straight
    counted = {name: sum(task == name for task, *_ in steps) for name in ("text", "news", "things")}
    assert {name: part["steps"] for name, part in figures["tasks"].items()} == {
        name: counted[name] for name in ("news", "things")
    }
    assert min(counted.values()) > 0 and sum(counted.values()) == figures["steps"]
    assert figures["tokens_seen"] == counted["text"] * BATCH * LENGTH
    assert abs(counted["text"] - 2 * figures["blocks"] / BATCH) <= 1
    seconds = figures["tokens_seen"] / figures["tokens_per_second"]
    assert seconds == pytest.approx(figures["seconds"], abs=0.051)  # told with one decimal
    assert "operations_per_token" not in figures
    before, after = figures["held_out"]["before"], figures["held_out"]["after"]
    terms = {"text_embedding_loss", "text_hidden_states_loss", "text_attention_scores_loss", "text_masked_lm_loss"}
    assert set(before) == set(after) >= {*terms, "news_label_loss", "things_label_loss", "news_accuracy", "things_f1"}
    for name in ("text_masked_lm_loss", "things_label_loss", "loss"):
        assert after[name] < before[name], name
    assert after["news_loss"] == pytest.approx(2 * after["news_label_loss"], rel=1e-4)


def test_the_student_has_a_head_for_the_text_and_for_each_task(straight, encoder):
    """Prevents a folder whose heads nothing finds, and one that tells another teacher."""
    folder, figures, _ = straight
    model = TinyBertForMultiTask.from_pretrained(folder)
    assert set(model.task_names) == {"text", "news", "things"}
    assert figures["parameters"] == model.num_parameters()
    starts_at_zero = ("text.cls.predictions.bias", "news.classifier.bias", "things.classifier.bias")
    assert all(model.heads.get_parameter(name).abs().min() > 0 for name in starts_at_zero)
    assert not [name for name in load_file(folder / "model.safetensors") if "projection" in name]
    kinds = {name: str(load_model_folder(folder, task=name).task.kind) for name in model.task_names}
    assert kinds == {"text": "masked-lm", "news": "text-classification", "things": "token-classification"}
    assert len(load_model_folder(folder, task="news").task.settings.labels) == 3
    batch = AutoTokenizer.from_pretrained(folder)("the market falls today .", return_tensors="pt")
    states = AutoModel.from_pretrained(folder).eval()(**batch).last_hidden_state
    assert torch.allclose(states, model.eval().bert(**batch).last_hidden_state)
    record = json.dumps(DistillationRecord.load(folder).__dict__, default=str)
    assert encoder not in record and encoder.rsplit("/", 1)[-1] in record


def test_the_card_tells_of_the_tasks(straight):
    """Prevents a card that says of a student with tasks that it has none yet."""
    card = str(model_card(straight[0], form=PublishedForm.TINYBERT))
    assert "| `news_accuracy` |" in card and "no task yet" not in card and "validation rows of the tasks" in card


def test_interrupted_it_goes_on_with_the_same_tasks_rows_and_masks(straight, settings, seen, monkeypatch, tmp_path):
    """Prevents a resumed run that takes another task's turn, other rows or other masks, and ends elsewhere."""
    folder, figures, wanted = straight
    settings = replace(settings, preflight=False)
    original, count, after = TrainingProgress.on_step_end, 0, len(wanted) // 2 + 3

    def stop(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count == after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(settings, tmp_path / "out", QUIET)
    done = seen[: (after - 1) // 3 * 3]
    assert done
    seen.clear()
    resumed = pretrain(settings, tmp_path / "out", QUIET)
    assert [*done, *seen] == wanted
    for name in ("held_out", "steps", "tokens_seen"):
        assert resumed[name] == figures[name], name
    assert {name: task["steps"] for name, task in resumed["tasks"].items()} == {
        name: task["steps"] for name, task in figures["tasks"].items()
    }
    one, other = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "out"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_heads_know_their_labels(settings, encoder):
    """Prevents a head of another size than its task's labels."""
    tokenizer, config = AutoTokenizer.from_pretrained(encoder), BertConfig.from_pretrained(encoder)
    heads = heads_of(read_tasks(settings, tokenizer, config))
    assert heads["news"] == {"kind": "text-classification", "id2label": {0: "business", 1: "culture", 2: "sport"}}
    assert set(heads["things"]["id2label"].values()) == {"O", "B-thing", "I-thing"}


@pytest.mark.parametrize(
    ("kind", "message"),
    [("masked-lm", "got `masked-lm`"), ("sentence-embedding", "got `sentence-embedding`")],
)
def test_what_has_no_gold_labels_is_refused_before_anything_is_spent(settings, data_of, tmp_path, kind, message):
    """Prevents a task that has nothing to learn from, found when the texts are packed."""
    wrong = replace(settings, tasks={"wrong": {"data": data_of(kind), "kind": kind}})
    with pytest.raises(ValueError, match=f"expected a kind with gold labels for the task `wrong`, {message}"):
        pretrain(wrong, tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()
