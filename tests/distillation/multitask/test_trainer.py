"""Tests of the training of one student by several teachers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import BertTokenizer

from hf_tinybert.data.multitask import SingleTaskSteps
from hf_tinybert.distillation.encodings import encode_for_both
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from tests.distillation.multitask import multitask_setup as tiny
from tests.distillation.multitask import multitask_worker as worker

NAMES = ("mood", "ner", "words")


@pytest.fixture
def start(build_arguments):
    """`start(arguments={...}, **trainer arguments)`: three kinds of task at once, 8 rows and a teacher each."""

    def build(arguments=None, names=NAMES, **overrides):
        defaults = {
            "model": overrides.pop("model", None) or tiny.student(names),
            "tasks": overrides.pop("tasks", None),
        }
        defaults["tasks"] = defaults["tasks"] or tiny.tasks(names)
        return MultiTaskDistillationTrainer(args=build_arguments(**(arguments or {})), **defaults, **overrides)

    return build


def _weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _unmoved(model, before):
    after = model.state_dict()
    return sorted(name for name, tensor in before.items() if torch.equal(after[name], tensor))


def _seen(trainer):
    """The tasks of all batches that are trained on from now on."""
    seen, compute = [], trainer.compute_loss

    def noting(model, inputs, *args, **kwargs):
        if model.training:
            seen.append(inputs["task"])
        return compute(model, inputs, *args, **kwargs)

    trainer.compute_loss = noting
    return seen


def _accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean()), "other": 7.0}


# what moves


def test_every_student_weight_moves_and_no_teacher_weight_does(start):
    """Prevents a head that no batch reaches, projections outside the optimizer, and teachers that drift."""
    trainer = start({"phases": ["joint"], "weight_decay": 0.0, "max_steps": 9})
    before = _weights(trainer.model)
    hashes = {name: weights_sha256(model) for name, model in trainer.teachers.items()}
    seen = _seen(trainer)
    trainer.train()
    assert set(seen) == set(NAMES)
    assert any(name.startswith(PROJECTIONS_ATTRIBUTE) for name in before)
    assert _unmoved(trainer.model, before) == []
    assert {name: weights_sha256(model) for name, model in trainer.teachers.items()} == hashes
    assert not any("teacher" in name for name, _ in trainer.model.named_parameters())


def test_all_kinds_are_trained_evaluated_and_taken_apart_at_once(start):
    """Prevents a kind of task that works alone and not beside others."""
    tasks = {
        name: tiny.task(name, eval_dataset=tiny.rows(name, 4), lengths=(8,), compute_metrics=lambda _: {"f1": 0.5})
        for name in tiny.HEADS
    }
    trainer = start({"phases": ["joint"], "weight_decay": 0.0, "max_steps": 27}, tuple(tasks), tasks=tasks)
    before = _weights(trainer.model)
    trainer.train()
    assert _unmoved(trainer.model, before) == []
    metrics = trainer.evaluate()
    assert all(np.isfinite(metrics[f"eval_{name}_loss"]) for name in tasks)
    assert all(metrics[f"eval_{name}_f1"] == 0.5 for name in tasks)
    assert {type(trainer.model.for_task(name)).__name__ for name in tasks} >= {
        "TinyBertForQuestionAnswering",
        "TinyBertForSentenceEmbedding",
        "TinyBertForExtractiveSummarization",
    }


def test_each_phase_moves_what_it_trains(start):
    """Prevents heads that are trained on states, and projections that a phase without any carries along."""
    trainer = start({"phases": ["intermediate-layer"], "weight_decay": 0.0, "intermediate_max_steps": 6})
    before = _weights(trainer.model)
    trainer.train()
    unmoved = _unmoved(trainer.model, before)
    assert {name.split(".")[1] for name in unmoved} == set(NAMES)
    assert not [name for name in unmoved if name.startswith("bert.")]
    second = start({"phases": ["prediction-layer"], "weight_decay": 0.0, "max_steps": 6}, model=trainer.model)
    before = _weights(second.model)
    second.train()
    assert not _unmoved(second.model, before)
    assert not [name for name in before if name.startswith(PROJECTIONS_ATTRIBUTE)]


def test_rows_of_ones_own_are_evaluated_by_task_with_workers_that_stay(start):
    """Prevents every task from being evaluated on the rows of the first, by the loader that was kept for them."""
    rows = {"mood": tiny.rows("mood", 4), "stars": tiny.rows("stars", 6)}
    figures = []
    for stay in (False, True):
        arguments = {"phases": ["joint"], "dataloader_num_workers": 1, "dataloader_persistent_workers": stay}
        figures.append(start(arguments, names=tuple(rows)).evaluate(rows))
    for name in rows:
        assert figures[0][f"eval_{name}_loss"] == pytest.approx(figures[1][f"eval_{name}_loss"], rel=1e-5)


def test_training_brings_every_head_nearer_to_its_teacher(start):
    """Prevents a head that imitates another task's teacher."""
    tasks = {name: tiny.task(name, eval_dataset=tiny.rows(name)) for name in ("mood", "ner", "stars")}
    arguments = {"phases": ["joint"], "max_steps": 45, "learning_rate": 1e-2, "logging_steps": 50}
    trainer = start(arguments, names=tuple(tasks), tasks=tasks)
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    for name in ("mood_prediction_loss", "ner_prediction_loss", "stars_regression_prediction_loss"):
        assert after[f"eval_{name}"] < before[f"eval_{name}"], name
    for name in tasks:
        assert after[f"eval_{name}_attention_scores_loss"] < before[f"eval_{name}_attention_scores_loss"]


def test_a_one_task_model_of_the_result_answers_as_the_whole(start):
    """Prevents a task that works inside of the multi-task model only."""
    trainer = start({"phases": ["joint"], "max_steps": 3})
    trainer.train()
    model = trainer.model.eval()
    for name in NAMES:
        batch = dict(tiny.collator(name)([{k: r[k] for k in r if k != "row_number"} for r in tiny.rows(name)]))
        batch.pop("labels")
        with torch.no_grad():
            torch.testing.assert_close(
                model.for_task(name)(**batch).logits, model(**batch, task=name).logits, rtol=0, atol=0
            )


# batches


def test_batches_of_a_step_are_of_one_task_and_come_by_their_shares(start):
    """Prevents gradients of two heads in one step, and a sampling that is not used."""
    tasks = {"mood": tiny.task("mood", count=48), "ner": tiny.task("ner", count=16), "words": tiny.task("words")}
    arguments = {"phases": ["prediction-layer"], "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer = start({**arguments, "num_train_epochs": 2}, tasks=tasks)
    seen = _seen(trainer)
    trainer.train()
    assert len(seen) == 2 * 18 * 2
    assert all(seen[place] == seen[place + 1] for place in range(0, len(seen), 2))
    assert seen.count("mood") == pytest.approx(48, abs=4)
    assert seen[:36] != seen[36:]  # the epochs are not one and the same
    equal = start(arguments, tasks=tasks, sampling="annealed")
    assert isinstance(equal._get_train_sampler(), SingleTaskSteps)
    assert equal.sampling.strategy == "annealed"


def test_rows_are_grouped_by_a_column_of_lengths(start):
    """Prevents `length_column_name` from being without effect because no model reads that column."""
    lengths = [row % 2 for row in range(16)]  # those of the tokens are all the same
    rows = tiny.rows("stars", 16, lengths=(6,)).add_column("length", lengths)
    trainer = start(
        {"per_device_train_batch_size": 8}, names=("stars",), tasks={"stars": tiny.task("stars", train_dataset=rows)}
    )
    loader = trainer.get_train_dataloader()
    assert [len({lengths[row.row] for row in step}) for step in loader.batch_sampler] == [1, 1]
    assert "length" not in loader.dataset.rows["stars"].column_names


def test_accumulating_four_batches_of_one_is_one_batch_of_four(start):
    """Prevents gradients that grow with the accumulation steps, and steps of other rows."""
    finals, logged = [], []
    for batch, accumulation in ((4, 1), (1, 4)):
        arguments = {"phases": ["joint"], "per_device_train_batch_size": batch, "learning_rate": 1e-2, "optim": "sgd"}
        trainer = start(
            {**arguments, "gradient_accumulation_steps": accumulation, "max_grad_norm": 0.0},
            names=("mood", "stars"),
            tasks=tiny.tasks(("mood", "stars"), lengths=(6,)),
        )
        trainer.train()
        finals.append(_weights(trainer.model))
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)
    for name, tensor in finals[0].items():
        torch.testing.assert_close(finals[1][name], tensor, rtol=1e-4, atol=1e-6, msg=name)


# logs and evaluation


def test_losses_are_logged_by_task(start):
    """Prevents one number for all tasks, which hides the task that does not learn."""
    annealing = {"prediction_loss": [1, 0], "label_loss": [0, 1]}
    arguments = {"phases": ["prediction-layer"], "loss_weights": annealing, "max_steps": 8, "logging_steps": 4}
    trainer = start(arguments, names=("mood", "ner"), tasks=tiny.tasks(("mood", "ner")))
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    for name in ("mood", "ner"):
        for entry in entries:
            assert {f"{name}/loss", f"{name}/prediction_loss", f"{name}/label_loss"} <= set(entry)
            assert 0 < entry[f"{name}/label_loss_weight"] == 1 - entry[f"{name}/prediction_loss_weight"]
    assert entries[0]["mood/label_loss_weight"] < entries[1]["mood/label_loss_weight"]


def test_two_figures_of_one_name_are_refused_as_soon_as_they_are_found(start):
    """Prevents the score of one task in the place of another's: what `compute_metrics` gives is not known before."""

    def scores(**figures):
        return lambda prediction: figures

    tasks = {
        "mood": tiny.task(
            "mood", eval_dataset=tiny.rows("mood", 4), compute_metrics=scores(accuracy=0.1, last_f1=0.2)
        ),
        "mood_last": tiny.task("mood", eval_dataset=tiny.rows("mood", 4), compute_metrics=scores(f1=0.3)),
    }
    model = tiny.student(("mood",))
    model.add_task("mood_last", model.config.tasks["mood"])
    trainer = start({"phases": ["joint"]}, model=model, tasks=tasks)
    with pytest.raises(ValueError, match="got `eval_mood_last_f1` of `mood_last` and of a task before it; .*rename"):
        trainer.evaluate()


def test_every_task_is_evaluated_by_its_own_head_and_metrics(start):
    """Prevents scores of another task's head, and a mean over figures of different scale."""
    tasks = tiny.tasks()
    seen = {}

    def spans(prediction):
        seen["shape"], seen["labels"] = prediction.predictions.shape, prediction.label_ids
        return {"f1": 40.0}

    tasks["mood"] = tiny.task("mood", eval_dataset=tiny.rows("mood", 6), compute_metrics=_accuracy)
    tasks["ner"] = tiny.task(
        "ner", eval_dataset=tiny.rows("ner", 5, labels=False), compute_metrics=spans, full_score=100.0
    )
    trainer = start({"phases": ["joint"], "per_device_eval_batch_size": 4}, tasks=tasks)
    metrics = trainer.evaluate()
    assert seen["shape"] == (5, 9, 3)
    assert seen["labels"] is None  # metrics that look at raw rows need none
    expected = trainer.model.eval()(**_without_labels("mood", 6), task="mood").logits.argmax(-1)
    accuracy = float((expected.numpy() == np.arange(6) % 3).mean())
    assert metrics["eval_mood_accuracy"] == pytest.approx(accuracy)
    assert metrics["eval_ner_f1"] == 40.0
    assert metrics["eval_mean_score"] == pytest.approx((accuracy + 0.4) / 2)
    assert metrics["eval_loss"] == pytest.approx((metrics["eval_mood_loss"] + metrics["eval_ner_loss"]) / 2)
    assert "eval_mood_hidden_states_loss" in metrics and "eval_words_loss" not in metrics
    assert trainer.state.log_history[-1]["eval_mean_score"] == metrics["eval_mean_score"]
    output = trainer.predict(tiny.rows("mood", 6), task="mood")
    np.testing.assert_array_equal(output.predictions.argmax(-1), expected.numpy())
    with pytest.raises(ValueError, match="expected `task` of `mood`, `ner`, `words`, got None"):
        trainer.predict(tiny.rows("mood", 6))
    with pytest.raises(ValueError, match="expected rows to evaluate on by the tasks"):
        trainer.evaluate(tiny.rows("mood"))


def _without_labels(name, count):
    batch = dict(tiny.collator(name)([{k: r[k] for k in r if k != "row_number"} for r in tiny.rows(name, count)]))
    return {key: value for key, value in batch.items() if key != "labels"}


def test_the_best_student_of_each_task_and_of_all_is_kept(start, tmp_path):
    """Prevents the best of one task from being lost to the mean, and projections in a folder for use."""
    scores = {"mood": iter([0.9, 0.1, 0.5]), "ner": iter([0.1, 0.6, 0.9])}
    tasks = {
        name: tiny.task(
            name, eval_dataset=tiny.rows(name, 4), compute_metrics=lambda _, name=name: {"f1": next(scores[name])}
        )
        for name in scores
    }
    arguments = {
        "phases": ["joint"],
        "max_steps": 3,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "mean_score",
        "learning_rate": 1e-2,
    }
    trainer = start(arguments, names=tuple(scores), tasks=tasks)
    trainer.train()
    folder = Path(trainer.args.output_dir)
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-3")
    assert trainer.state.best_metric == pytest.approx(0.7)
    for name, step in (("mood", 1), ("ner", 3)):
        assert trainer.best_folder(name) == folder / "best" / name
        kept = load_file(trainer.best_folder(name) / "model.safetensors")
        there = load_file(folder / f"checkpoint-{step}" / "model.safetensors")
        assert all(torch.equal(kept[key], tensor) for key, tensor in there.items())
        assert not (trainer.best_folder(name) / PROJECTIONS_FILE).exists()
        assert DistillationRecord.load(trainer.best_folder(name)).global_step == step
        assert TinyBertForMultiTask.from_pretrained(trainer.best_folder(name)).task_names == ("mood", "ner")
    assert sorted(path.name for path in (folder / "best").iterdir()) == ["mood", "ner"]


# teachers


def test_a_task_without_labels_and_one_without_teacher_are_learned(start):
    """Prevents a label term that fails where there are none, and a task without teacher that trains nothing."""
    tasks = {"mood": tiny.task("mood", labels=False), "ner": tiny.task("ner", taught=False)}
    annealing = {"prediction_loss": [1, 0], "label_loss": [0, 1]}
    trainer = start(
        {"loss_weights": annealing, "intermediate_max_steps": 3, "max_steps": 8}, ("mood", "ner"), tasks=tasks
    )
    assert list(trainer.teachers) == ["mood"]
    before, seen = _weights(trainer.model), _seen(trainer)
    trainer.train()
    assert set(seen[:3]) == {"mood"}  # there is nothing to imitate in the other
    assert set(seen[3:]) == {"mood", "ner"}
    assert not [name for name in _unmoved(trainer.model, before) if name.startswith(("bert", "heads"))]
    logs = {key for entry in trainer.state.log_history for key in entry}
    assert {"ner/label_loss", "mood/prediction_loss"} <= logs
    assert not {"mood/label_loss", "ner/prediction_loss", "mood/prediction_loss_weight"} & logs


def test_one_multi_task_teacher_teaches_all_its_heads(start, tmp_path):
    """Prevents a teacher's head from being paired with another task."""
    whole = tiny.student(NAMES, **tiny.TEACHER)
    whole.save_pretrained(tmp_path / "teacher")
    tiny.tokenizer().save_pretrained(tmp_path / "teacher")
    losses = []
    for teacher in (whole, tmp_path / "teacher"):
        trainer = start(
            {"phases": ["joint"], "max_steps": 4},
            tasks=tiny.tasks(taught=False),
            teacher=teacher,
            processing_class=tiny.tokenizer(),
        )
        for name in NAMES:
            batch = _without_labels(name, 4)
            torch.testing.assert_close(
                trainer.teachers[name](**batch).logits, whole.eval()(**batch, task=name).logits, rtol=0, atol=0
            )
        losses.append(trainer.train().training_loss)
    assert losses[0] == losses[1]
    assert DistillationRecord.load(_saved(trainer, tmp_path)).tasks["ner"]["teacher"] == "teacher"


def _saved(trainer, folder):
    trainer.save_model(str(folder / "saved"))
    return folder / "saved"


def test_teachers_of_different_shapes_have_projections_of_their_own_width(start):
    """Prevents a wide and a narrow teacher from excluding each other."""
    tasks = {
        "mood": tiny.task("mood"),
        "ner": tiny.task("ner", teacher=tiny.teacher("ner", hidden_size=24, num_hidden_layers=6)),
        "words": tiny.task("words"),
    }
    trainer = start({"phases": ["joint"], "max_steps": 9, "weight_decay": 0.0}, tasks=tasks)
    projections = getattr(trainer.model, PROJECTIONS_ATTRIBUTE)
    widths = {name: projections.of(name).projections[0].out_features for name in tasks}
    assert widths == {"mood": 32, "ner": 24, "words": 32}
    before = _weights(trainer.model)
    trainer.train()
    assert _unmoved(trainer.model, before) == []
    assert trainer.paired["ner"].pair.layer_mapping == (0, 3, 6)


def test_one_model_may_teach_two_tasks(start):
    """Prevents the states that one task asks for from being given to the other."""
    shared = tiny.teacher("mood")
    student = TinyBertForMultiTask(
        tiny.student(("mood",)).config.__class__(
            **{**tiny.SHAPE, **tiny.STUDENT}, tasks={"mood": tiny.HEADS["mood"], "again": tiny.HEADS["mood"]}
        )
    )
    tasks = {"mood": tiny.task("mood", teacher=shared), "again": tiny.task("mood", teacher=shared)}
    trainer = start({"max_steps": 2, "intermediate_max_steps": 2}, model=student, tasks=tasks)
    assert trainer.teachers["mood"] is not trainer.teachers["again"]
    trainer.train()


def test_a_task_may_have_weights_of_its_own(start):
    """Prevents one task's factors from being those of all."""
    tasks = tiny.tasks(("mood", "ner"))
    tasks["ner"] = tiny.task("ner", loss_weights={"hidden_states_loss": 0, "prediction_loss": 3})
    trainer = start({"phases": ["joint"]}, ("mood", "ner"), tasks=tasks)
    weights = {name: trainer.paired[name].objectives["joint"].weights for name in tasks}
    assert "hidden_states_loss" in weights["mood"] and "hidden_states_loss" not in weights["ner"]
    assert weights["ner"]["prediction_loss"].start == 3 and weights["mood"]["prediction_loss"].start == 1


def test_a_task_may_do_without_projections_beside_one_that_has_them(start):
    """Prevents states of a task whose terms know no width from being sought at another teacher's."""
    tasks = tiny.tasks(("mood", "ner"))
    weights = {"embedding_loss": 0, "hidden_states_loss": 0, "hidden_similarity_loss": 1}
    tasks["ner"] = tiny.task("ner", loss_weights=weights)
    trainer = start({"phases": ["joint"], "max_steps": 4}, ("mood", "ner"), tasks=tasks)
    trainer.train()
    terms = {key for entry in trainer.state.log_history for key in entry}
    assert {"mood/hidden_states_loss", "ner/hidden_similarity_loss"} <= terms
    assert not {"ner/hidden_states_loss", "mood/hidden_similarity_loss"} & terms


def test_teachers_outputs_come_from_a_cache_where_batches_repeat(start, tmp_path):
    """Prevents a cache of one task from serving another, and one of masked words, which are drawn anew."""
    results = []
    for folder in (None, str(tmp_path / "cache")):
        trainer = start({"phases": ["prediction-layer"], "max_steps": 6, "teacher_cache_dir": folder})
        calls = []
        for name, model in trainer.teachers.items():
            model.register_forward_hook(lambda *_, name=name, calls=calls: calls.append(name))
        opened = trainer._open_cache

        def open_and_forget(opened=opened, calls=calls):
            opened()
            calls.clear()  # those that filled the cache

        trainer._open_cache = open_and_forget
        trainer.train()
        results.append((_weights(trainer.model), set(calls)))
    assert results[0][1] == set(NAMES)
    assert results[1][1] == {"words"}
    for name, tensor in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], tensor, rtol=1e-5, atol=1e-6, msg=name)


def test_a_teacher_with_words_of_its_own_reads_its_own_encoding(start):
    """Prevents rows with an encoding for each model, which one tokenizer cannot pad, from ending the first step."""
    student = tiny.tokenizer()
    vocabulary = student.get_vocab()
    places = {token: len(vocabulary) + 4 - place if place > 4 else place for token, place in vocabulary.items()}
    own, texts = BertTokenizer(vocab=places), [" ".join(["w1", "w2"] * (1 + row % 3)) for row in range(8)]
    rows = Dataset.from_dict({"text": texts, "labels": [row % 3 for row in range(8)]})
    rows = encode_for_both(rows, student, own, text_columns=["text"], max_length=16)
    task = tiny.task("mood", train_dataset=rows, teacher_processing_class=own, collator=None)
    settings = {"phases": ["prediction-layer"], "max_steps": 2}
    trainer = start(settings, names=("mood",), tasks={"mood": task}, processing_class=student)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["input_ids"].shape == batch["teacher_input_ids"].shape
    assert not torch.equal(batch["input_ids"], batch["teacher_input_ids"])
    trainer.train()


def test_the_caches_of_all_tasks_share_what_a_run_may_take(start, tmp_path):
    """Prevents a disk from being filled with as many times the allowance as there are tasks."""
    settings = {
        "phases": ["prediction-layer"],
        "teacher_cache_dir": str(tmp_path / "cache"),
        "teacher_cache_max_gb": 1e-6,
    }
    trainer = start(settings, names=("mood", "topics"))  # 8 rows of 3 float32 and of 3 int64 each: 288 bytes
    for outputs in (trainer._tasks[name].outputs for name in ("mood", "topics")):
        assert outputs.cache_bytes == 0
    trainer._open_cache()
    taken = [trainer._tasks[name].outputs.cache_bytes for name in ("mood", "topics")]
    assert taken[0] > 500 and taken[1] == 0


# folders


def test_the_record_tells_of_tasks_and_teachers(start, tmp_path):
    """Prevents a model whose origin nobody can tell."""
    tiny.teacher("mood").save_pretrained(tmp_path / "a-mood-teacher")
    tasks = {
        "mood": tiny.task("mood", teacher=tmp_path / "a-mood-teacher"),
        "ner": tiny.task("ner", taught=False),
    }
    trainer = start({"phases": ["joint"], "max_steps": 2}, ("mood", "ner"), tasks=tasks, sampling="temperature")
    trainer.train()
    record = DistillationRecord.load(_saved(trainer, tmp_path))
    assert record.teacher == "a-mood-teacher"
    assert record.student_class == "TinyBertForMultiTask"
    assert record.tasks["mood"]["teacher_class"] == "BertForSequenceClassification"
    assert record.tasks["mood"]["layer_mapping"] == [0, 2, 4]
    assert record.tasks["ner"]["teacher"] is None
    assert record.tasks["ner"]["loss_weights"] == {"label_loss": 1.0}
    assert record.task_sampling["strategy"] == "temperature"
    assert str(tmp_path) not in json.dumps(record.tasks)
    loaded = TinyBertForMultiTask.from_pretrained(tmp_path / "saved")
    weights = loaded.state_dict()
    assert all(
        torch.equal(weights[name], tensor)
        for name, tensor in trainer.model.state_dict().items()
        if not name.startswith(PROJECTIONS_ATTRIBUTE)
    )


@pytest.mark.parametrize("strategy", ["proportional", "annealed"])
def test_a_resumed_run_ends_as_the_straight_one(start, tmp_path, strategy):
    """Prevents other rows, tasks, masks, dropout or projections after a resume, in the middle of an epoch or not."""

    def run(folder):
        arguments = {
            "output_dir": str(folder),
            "save_strategy": "steps",
            "save_steps": 1,
            "intermediate_max_steps": 4,
            "max_steps": 9,  # of 6 an epoch
            "learning_rate": 1e-2,
            "lr_scheduler_type": "constant",
        }
        return start(arguments, model=tiny.student(NAMES, dropout=0.1), sampling=strategy)

    straight = run(tmp_path / "run")
    straight.train()
    expected = _weights(straight.model)
    for checkpoint in (
        "intermediate-layer/checkpoint-3",
        "prediction-layer/checkpoint-2",
        "prediction-layer/checkpoint-8",
    ):
        resumed = run(tmp_path / "run")
        resumed.train(resume_from_checkpoint=str(tmp_path / "run" / checkpoint))
        after = resumed.model.state_dict()
        assert [name for name, tensor in expected.items() if not torch.equal(after[name], tensor)] == [], checkpoint


def test_checks_before_training_name_their_task(start):
    """Prevents a failed check of which nobody knows the task."""
    trainer = start({"phases": ["joint"]}, names=("mood", "ner"), tasks=tiny.tasks(("mood", "ner")))
    report = trainer.preflight(score_rows=0)
    names = {check.name for check in report.checks}
    assert {"mood: weights", "ner: weights", "ner: losses at step 0"} <= names
    assert not [check for check in report.failed if "losses" in check.name or "weights" in check.name]


# refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: {"tasks": [("mood", tiny.task("mood")), ("mood", tiny.task("mood"))]}, "a name of its own for every"),
        (
            lambda: {"tasks": {"mood": tiny.task("mood"), "other": tiny.task("ner")}},
            "of the student's heads .* got `other`",
        ),
        (
            lambda: {"tasks": {"mood": tiny.task("mood", labels=False, taught=False)}},
            "a teacher or labels for the task `mood`",
        ),
        (
            lambda: {"tasks": {"mood": tiny.task("mood", train_dataset=tiny.rows("mood").select([]))}},
            "rows of every task",
        ),
        (lambda: {"sampling": "uniform"}, "a task sampling of .* got 'uniform'"),
        (lambda: {"train_dataset": tiny.rows("mood")}, "no `train_dataset` for all tasks"),
        (lambda: {"arguments": {"train_sampling_strategy": "sequential"}}, "`train_sampling_strategy` of"),
        (
            lambda: {"arguments": {"accelerator_config": {"dispatch_batches": True}}},
            "no `accelerator_config` with `dispatch_batches`",
        ),
        (lambda: {"tasks": {"mood": tiny.task("mood", collator=None)}}, "a `collator` of the task `mood`"),
        (
            lambda: {"tasks": {"ner": tiny.task("ner", teacher=tiny.teacher("ner", vocab_size=50))}},
            "task `ner`: .*vocabular",
        ),
        (lambda: {"model": tiny.student().for_task("mood")}, "a student with a head for each task"),
        (lambda: {"tasks": {"mood": tiny.task("mood", taught=False)}}, "a task that learns in the phase"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_spent(start, change, message):
    """Prevents hours that end in an error, or in a model that nobody wanted."""
    with pytest.raises(ValueError, match=message):
        start(**change())


@pytest.mark.parametrize("metric", ["mean_score", "accuracy"])
def test_a_metric_of_no_evaluation_is_refused_before_training(start, metric):
    """Prevents a run that ends at its first evaluation."""
    settings = {"eval_strategy": "epoch", "metric_for_best_model": metric}
    task = tiny.task("mood", eval_dataset=tiny.rows("mood"), compute_metrics=None)
    with pytest.raises(ValueError, match=rf"expected .*`{metric}`"):
        start(settings, names=("mood",), tasks={"mood": task}).train()


def test_rows_to_evaluate_on_without_the_labels_that_a_term_reads_are_refused(start):
    """Prevents a run of labels from ending at its first evaluation, a whole epoch later."""
    unlabelled = tiny.rows("mood", 2, labels=False)
    tasks = {"mood": tiny.task("mood", taught=False, eval_dataset=unlabelled), "ner": tiny.task("ner")}
    settings = {"phases": ["joint"], "eval_strategy": "epoch"}
    with pytest.raises(ValueError, match="labels` column in the evaluation set `mood` for `label_loss`, got"):
        start(settings, names=("mood", "ner"), tasks=tasks).train()


def test_a_teacher_with_another_tokenizer_is_refused_by_its_task(start):
    """Prevents two vocabularies of one size from being taken for one."""
    other = tiny.tokenizer()
    words = dict(reversed(list(zip(other.get_vocab(), range(40), strict=True))))
    task = tiny.task("ner", teacher_processing_class=type(other)(vocab=words))
    with pytest.raises(ValueError, match="task `ner`: expected one tokenizer"):
        start(tasks={"mood": tiny.task("mood"), "ner": task}, processing_class=tiny.tokenizer())


# processes


@pytest.mark.distributed
def test_two_processes_train_all_tasks_as_one_that_accumulates(tmp_path):
    """Prevents processes that run different heads in a step, and a resumed second epoch with the rows of the first."""
    (one,) = worker.start(tmp_path, [{"folder": str(tmp_path / "one"), "accumulation": 2}])
    two = {"folder": str(tmp_path / "two")}
    whole, resumed = worker.start(tmp_path, [two, {**two, "resume": "checkpoint-8"}], processes=2)
    assert one["tasks"][::2] == one["tasks"][1::2] == whole["tasks"]
    assert resumed["tasks"] == whole["tasks"][8:]
    assert whole["metrics"] == pytest.approx(one["metrics"], rel=1e-4)
    assert {"eval_loss", "eval_mood_loss", "eval_ner_prediction_loss"} <= set(whole["metrics"])
    for name, tensor in one["weights"].items():
        torch.testing.assert_close(whole["weights"][name], tensor, rtol=1e-4, atol=1e-5, msg=name)
        assert torch.equal(resumed["weights"][name], whole["weights"][name]), name


def test_metrics_may_be_computed_batch_by_batch(start):
    """Prevents an error at the first evaluation, long after training began, and figures of memory that are lost."""

    def counted(prediction, compute_result):
        return {"rows": float(len(prediction.label_ids))} if compute_result else {}

    settings = {"batch_eval_metrics": True, "per_device_eval_batch_size": 4, "skip_memory_metrics": False}
    tasks = {"mood": tiny.task("mood", eval_dataset=tiny.rows("mood"), compute_metrics=counted)}
    figures = start(settings, ("mood",), tasks=tasks).evaluate()
    assert figures["eval_mood_rows"] == 4 and "eval_mem_cpu_alloc_delta" in figures
    tasks = {"mood": tiny.task("mood", eval_dataset=tiny.rows("mood"), compute_metrics=_accuracy)}
    with pytest.raises(ValueError, match="of the task `mood` to take `compute_result`"):
        start(settings, ("mood",), tasks=tasks)


def test_a_batch_size_that_was_found_still_gives_steps_of_one_task(start):
    """Prevents `auto_find_batch_size` from ending in batches of several tasks."""

    class Crowded(MultiTaskDistillationTrainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            if len(inputs["input_ids"]) > 7:
                raise RuntimeError("CUDA out of memory.")
            return super().training_step(model, inputs, num_items_in_batch)

    plain = start({"auto_find_batch_size": True, "per_device_train_batch_size": 8, "phases": ["joint"]}, NAMES[:2])
    trainer = Crowded(plain.model, plain.args, tasks=tiny.tasks(NAMES[:2]))
    seen = _seen(trainer)
    trainer.train()
    assert trainer._train_batch_size == 7 and set(seen) == set(NAMES[:2])


def test_streamed_rows_are_evaluated_as_those_in_memory(start):
    """Prevents an error at the first evaluation: a name of a task in a batch that is dispatched."""
    in_memory = {name: tiny.rows(name) for name in NAMES[:2]}
    streamed = {name: rows.to_iterable_dataset() for name, rows in in_memory.items()}
    trainer = start({"phases": ["joint"]}, NAMES[:2])
    figures = [trainer.evaluate(rows) for rows in (in_memory, streamed)]
    losses = [{key: value for key, value in one.items() if key.endswith("loss")} for one in figures]
    assert losses[0] == pytest.approx(losses[1]) and "eval_ner_prediction_loss" in losses[0]
    answers = [trainer.predict(rows["mood"], task="mood").predictions for rows in (in_memory, streamed)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)


def test_a_frozen_student_is_refused(start):
    """Prevents a run that trains the projections alone."""
    with pytest.raises(ValueError, match="frozen student"):
        start(model=tiny.student(NAMES).requires_grad_(False))


def test_frozen_parts_of_encoder_and_heads_are_bit_equal(start):
    """Prevents a head's name from being looked for in the one-task student of another, and parts that move."""
    trainer = start({"phases": ["joint"], "frozen": ["word_embeddings", "heads.mood"], "max_steps": 9})
    before = _weights(trainer.model)
    trainer.train()
    tied = {"bert.embeddings.word_embeddings.weight", "heads.words.cls.predictions.decoder.weight"}
    head = {name for name in before if name.startswith("heads.mood.")}
    assert head and set(_unmoved(trainer.model, before)) == tied | head
    with pytest.raises(ValueError, match="got `heads.news`"):
        start({"frozen": ["heads.news"]})
