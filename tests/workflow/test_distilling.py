"""Tests of the whole workflow on tiny models: every kind once from data to scores and answers."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from hf_tinybert.data.tasks import KINDS as DEFINITIONS
from hf_tinybert.data.tasks import Task, TaskKind
from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.teacher_ensemble import join_teachers, teachers_of
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.hub.card_tables import method_words
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.progress import ProgressDisplay, TrainingProgress
from hf_tinybert.workflow import (
    DistilSettings,
    PretrainSettings,
    TrimSettings,
    distil,
    distilling,
    evaluate_folder,
    load_model_folder,
    predict,
    pretrain,
    trim_vocabulary,
)
from hf_tinybert.workflow.kept_answers import read_answers
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.model_folder import load_task
from hf_tinybert.workflow.task_data import read_data
from hf_tinybert.workflow.teacher_search import find_teacher, recorded_teacher
from hf_tinybert.workflow.teacher_source import TeacherSource
from hf_tinybert.workflow.teachers import one_teacher

KINDS = [str(kind) for kind in TaskKind]
FEW = {"max_length": 32, "batch_size": 8, "epochs": 1}
SMALL = {"layers": 2, "width": 16, "heads": 4, "units": 40, "preflight": False}


def _settings(data_of, teacher_of, kind="text-classification", **changes):
    return DistilSettings(data=data_of(kind), teacher=teacher_of(kind), kind=kind, **{**FEW, **SMALL, **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_from_data_to_answers(kind, student_of, data_of):
    """Prevents a kind that trains and cannot be scored, or is scored and cannot answer."""
    folder, figures = student_of(kind)
    definition = DEFINITIONS[TaskKind(kind)]
    assert figures["kind"] == kind and figures["main_metric"] == definition.metrics[0]
    for split in ("validation", "test"):
        assert list(figures["scores"][split]["student"]) == list(definition.metrics)
    assert figures["parameters"]["student"] < figures["parameters"]["teacher"]
    again = evaluate_folder(folder, data_of(kind), "test", kind=kind)
    assert again == pytest.approx(figures["scores"]["test"]["student"], abs=1e-4)
    task, kept = load_task(folder), read_answers(Path(folder))
    validation = read_data(data_of(kind), kind, {}, 0).splits["validation"]
    for model, answers in kept.predictions.items():  # what is kept is what was scored
        assert task.score(answers, validation) == pytest.approx(figures["scores"]["validation"][model])
    assert kept.weights.keys() == kept.predictions.keys() == figures["scores"]["validation"].keys()
    rows = Path(data_of(kind), "test.jsonl").read_text().splitlines()
    answers = list(predict(folder, rows))
    assert len(answers) == len(rows) and json.loads(json.dumps(answers)) == answers


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sentence-embedding"])
def test_teacher_and_student_stand_beside_each_other(kind, student_of):
    """Prevents a share of a teacher that was not scored on the same rows."""
    _, figures = student_of(kind)
    scores = figures["scores"]["test"]
    for metric, kept in figures["retention"]["test"].items():
        assert kept == pytest.approx(scores["student"][metric] / scores["teacher"][metric], abs=1e-3)


def test_summaries_of_teacher_and_student_stand_beside_lead_and_oracle(student_of, teacher_of):
    """Prevents a model that gives the first sentences alone from passing for one that chooses."""
    folder, figures = student_of("extractive-summarization")
    rows = read_data(figures["settings"]["data"], figures["kind"], {}, 0).splits
    for split, found in figures["without_model"].items():
        assert found == load_task(folder).score_without_model(rows[split])
        assert found["oracle"]["rougeL"] >= figures["scores"][split]["student"]["rougeL"]
    assert figures["without_model"].keys() == figures["scores"].keys()
    of_teacher = json.loads(Path(teacher_of("extractive-summarization"), "figures.json").read_text())
    assert of_teacher["without_model"] == {"validation": figures["without_model"]["validation"]}
    assert "without_model" not in student_of("text-classification")[1]


def test_the_folder_tells_its_own_story(student_of):
    """Prevents a student that nobody knows the task, the teacher or the figures of, or that carries machine paths."""
    folder, figures = student_of("text-classification")
    assert Task.load(Path(folder)).settings.labels == ("business", "culture", "sport")
    assert DistillationRecord.load(Path(folder)).teacher == "text-classification"
    assert json.loads(Path(folder, "figures.json").read_text()) == json.loads(json.dumps(figures))
    assert not Path(folder, ".checkpoints").exists() and not Path(folder, "training_args.bin").exists()
    assert not [name for name in load_file(Path(folder, "model.safetensors")) if "projection" in name]
    assert AutoConfig.from_pretrained(folder).id2label == {0: "business", 1: "culture", 2: "sport"}


def test_an_embedding_student_comes_as_a_sentence_transformers_folder(student_of):
    """Prevents vectors that only this package can compute."""
    folder, _ = student_of("sentence-embedding")
    assert Path(folder, "sentence-transformers", "modules.json").is_file()


def test_a_student_without_distillation_learns_from_labels_alone(data_of, teacher_of, tmp_path, display, monkeypatch):
    """Prevents a baseline that is distilled after all."""

    def distilled(*args, **kwargs):
        raise RuntimeError("distilled")

    monkeypatch.setattr("hf_tinybert.workflow.distilling.DistillationTrainer.train", distilled)
    settings = _settings(data_of, teacher_of, learn_from="labels", start="random")
    figures = distil(settings, tmp_path / "out", display)
    assert figures["scores"]["validation"]["student"].keys() == {"accuracy", "f1", "matthews_correlation"}
    assert not (tmp_path / "out" / "distillation.json").exists()


def test_a_teacher_that_has_learnt_the_rows_it_is_scored_on_is_told(data_of, teacher_of, tmp_path, display, caplog):
    """Prevents a share of a teacher's score on rows that another seed had left among its training rows."""
    data, teacher = tmp_path / "reviews.jsonl", tmp_path / "teacher"
    shutil.copyfile(Path(data_of("text-classification"), "train.jsonl"), data)
    shutil.copytree(teacher_of("text-classification"), teacher)
    run = json.loads((teacher / "run.json").read_text())
    (teacher / "run.json").write_text(json.dumps({**run, "settings": {**run["settings"], "data": str(data)}}))
    settings = DistilSettings(data=str(data), teacher=str(teacher), **FEW, **SMALL)
    distilling._Distillation(settings, tmp_path / "out", display)
    assert not caplog.messages
    distilling._Distillation(replace(settings, seed=1), tmp_path / "out", display)
    (said,) = caplog.messages
    assert "`validation` and `test`" in said and "by seed 1, and `teacher` was trained on what seed 0 leaves" in said


def test_a_finished_run_of_another_teacher_is_refused(student_of, tmp_path, display, train_anew):
    """Prevents the student of a teacher from before it was trained anew, given again as that of the new one."""
    folder, figures = student_of("text-classification")
    before, teacher, out = figures["settings"]["teacher"], tmp_path / "teacher", tmp_path / "out"
    shutil.copytree(before, teacher)
    shutil.copytree(folder, out)
    run = (out / "run.json").read_text()
    (out / "run.json").write_text(run.replace(before, str(teacher)))
    settings = DistilSettings(**{**figures["settings"], "teacher": str(teacher)})
    assert distil(settings, out, display)["scores"] == figures["scores"]
    train_anew(teacher)
    with pytest.raises(ValueError, match="the finished run in .*, got another content of `.*teacher`"):
        distil(settings, out, display)


def test_a_run_is_one_of_its_own_start(general, data_of, teacher_of, tmp_path, display, monkeypatch, train_anew):
    """Prevents a student that goes on from another start, or is given again as that of another one."""
    start, few = shutil.copytree(general, tmp_path / "start"), {**FEW, "phases": ("joint",), "preflight": False}
    settings = DistilSettings(
        data=data_of("regression"), teacher=teacher_of("regression"), start=str(start), train_rows=8, **few
    )

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(DistillationTrainer, "train", killed)
        distil(settings, tmp_path / "out", display)
    train_anew(start)
    with pytest.raises(ValueError, match=r"began with, got another content of `.*start`; "):
        distil(settings, tmp_path / "out", display)
    shutil.rmtree(start)
    shutil.copytree(general, start)
    distil(settings, tmp_path / "out", display)
    train_anew(start)
    with pytest.raises(ValueError, match=r"finished run in .*, got another content of `.*start`; "):
        distil(settings, tmp_path / "out", display)


@pytest.mark.parametrize("mapping", ["1,4", "last", "search"])
def test_a_student_starts_from_the_layers_that_it_imitates(
    mapping, data_of, teacher_of, tmp_path, monkeypatch, caplog
):
    """Prevents a mapping that is imitated by a student that was built from other layers."""
    starts = []

    def remembering(student, *args):
        starts.append(start_student(student, *args))
        return starts[-1]

    start_student = distilling.start_student
    monkeypatch.setattr(distilling, "start_student", remembering)
    shown = io.StringIO()
    settings = _settings(data_of, teacher_of, layer_mapping=mapping)
    distil(settings, tmp_path / "out", ProgressDisplay(Console(file=shown)))
    imitated = DistillationRecord.load(tmp_path / "out").layer_mapping
    assert [list(start.mapping) for start in starts] == [imitated]
    assert "initialised by the layer mapping" not in caplog.text
    expected = {"1,4": [0, 1, 4], "last": [0, 3, 4]}.get(mapping, imitated)
    assert imitated == expected
    told = f"from the teacher's layers {imitated[1]}, {imitated[2]}"
    assert (told in shown.getvalue()) is (mapping == "search")


def test_a_search_for_another_start_than_projection_is_refused_before_the_folder_is_claimed(
    data_of, teacher_of, tmp_path, display
):
    """Prevents a search whose layers nothing is built from."""
    settings = _settings(data_of, teacher_of, layer_mapping="search", start="random")
    with pytest.raises(ValueError, match="for the start `random`, got 'search'"):
        distil(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("learnt", [{"phases": ("prediction-layer",)}, {"learn_from": "labels"}])
def test_frozen_parts_are_those_of_the_start(learnt, data_of, teacher_of, tmp_path, display, monkeypatch):
    """Prevents a setting that one of the two ways to learn leaves out, and a card that does not tell of it."""
    kept = "bert.embeddings.word_embeddings.weight"
    seen = {}

    def remembering(student, *args):
        initial = start_student(student, *args)
        seen.update({name: tensor.clone() for name, tensor in student.state_dict().items()})
        return initial

    start_student = distilling.start_student
    monkeypatch.setattr(distilling, "start_student", remembering)
    settings = _settings(data_of, teacher_of, frozen=("word_embeddings",), **learnt)
    distil(settings, tmp_path / "out", display)
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(saved[kept], seen[kept])
    assert not torch.equal(saved["classifier.weight"], seen["classifier.weight"])
    assert "frozen: `word_embeddings`" in method_words(read_facts(tmp_path / "out"))


def test_frozen_parts_that_the_student_does_not_have_are_refused_before_the_folder_is_claimed(
    data_of, teacher_of, tmp_path, display
):
    """Prevents a teacher that is scored for a run that cannot begin."""
    with pytest.raises(ValueError, match="got `heads`; because"):
        distil(_settings(data_of, teacher_of, frozen=("heads",)), tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_logits_alone_are_one_phase(data_of, teacher_of, tmp_path, display):
    """Prevents a logits-only baseline that sees hidden states."""
    figures = distil(_settings(data_of, teacher_of, phases=("prediction-layer",)), tmp_path / "out", display)
    assert "intermediate-layer" not in figures["seconds"] and "prediction-layer" in figures["seconds"]


@pytest.mark.parametrize("kind", KINDS)
def test_unlabeled_rows_are_trained_on(kind, data_of, teacher_of, tmp_path, display):
    """Prevents extra texts that are read and left out, or whose form differs from that of labelled ones."""
    extra = tmp_path / "extra.jsonl"
    gold = DEFINITIONS[TaskKind(kind)].label_columns
    rows = [json.loads(line) for line in Path(data_of(kind), "test.jsonl").read_text().splitlines()]
    extra.write_text("".join(json.dumps({k: v for k, v in row.items() if k not in gold}) + "\n" for row in rows))
    settings = _settings(data_of, teacher_of, kind, unlabeled=(str(extra),), phases=("prediction-layer",))
    assert distil(settings, tmp_path / "out", display)["unlabeled_rows"] >= 24


def test_a_refused_run_leaves_its_folder_to_the_mended_command(data_of, teacher_of, tmp_path, display):
    """Prevents one layer too many from taking the folder: `layers: 5 there, 2 now` was told to whoever mended it."""
    with pytest.raises(ValueError, match="no deeper than its teacher"):
        distil(_settings(data_of, teacher_of, layers=5), tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_compared_is_refused_before_the_teacher_is_scored(
    data_of, teacher_of, tmp_path, display, monkeypatch
):
    """Prevents minutes of a large teacher on the validation rows before a misspelt mapping is told."""
    monkeypatch.setattr("hf_tinybert.workflow.distilling.score_rows", None)
    for changes in ({"layer_mapping": "learned"}, {"layers": 5}):
        with pytest.raises(ValueError, match="'attention', 'transport'|no deeper than its teacher"):
            distil(_settings(data_of, teacher_of, **changes), tmp_path / "out", display)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"recipe": "nope"}, "expected `recipe`"),
        ({"phases": ("nope",)}, "expected `phases`"),
        ({"temperature": -1.0}, "expected a positive `temperature`"),
        (
            {"loss_weights": {"attention_scores_loss": 1.0}, "phases": ("prediction-layer",)},
            "expected a phase that trains `attention_scores_loss`",
        ),
    ],
)
def test_a_wrong_objective_is_refused_before_a_model_or_data_is_read(tmp_path, display, wrong, match):
    """Prevents minutes of tokenising before a misspelt recipe is told."""
    settings = DistilSettings(data="nowhere.csv", teacher="nowhere", **wrong)
    with pytest.raises(ValueError, match=match):
        distil(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_a_start_that_the_teacher_does_not_allow_is_refused_before_it_is_scored(
    data_of, unlike_teacher, tmp_path, display, monkeypatch
):
    """Prevents the same minutes of a MobileBERT, and a way out that no option of the command has."""
    monkeypatch.setattr("hf_tinybert.workflow.distilling.score_rows", None)
    for start in ("projection", "layers"):
        settings = _settings(data_of, lambda kind: unlike_teacher, start=start)
        with pytest.raises(TypeError, match="`--start random`"):
            distil(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_a_teacher_of_another_family_is_distilled(data_of, other_teacher, general, tmp_path, display):
    """Prevents a family that is promised from being refused for the names of its configuration's fields."""
    trained = dict.fromkeys(("layers", "width", "heads", "units"))
    for start, shape in (("projection", {}), ("random", {}), (general, trained)):
        folder = tmp_path / Path(start).name
        distil(_settings(data_of, lambda kind: other_teacher, start=start, **shape), folder, display)
        first = next(iter(predict(folder, "a great song .")))
        assert first["label"] in Task.load(folder).settings.labels


def test_unlabeled_rows_and_label_terms_are_refused(data_of, teacher_of, tmp_path, display):
    """Prevents training on placeholders as if they were gold."""
    (tmp_path / "extra.txt").write_text("the film is good\n")
    settings = _settings(
        data_of, teacher_of, unlabeled=(str(tmp_path / "extra.txt"),), loss_weights={"label_loss": 1.0}
    )
    with pytest.raises(ValueError, match="label_loss"):
        distil(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_variants_of_all_rows_are_trained_on_and_no_label_is(data_of, teacher_of, encoder, tmp_path, display):
    """Prevents variants that are found and not read, texts that the teacher labels without any, and stale labels."""
    (tmp_path / "extra.txt").write_text("the film is good\na song wins\n")
    given = {
        "unlabeled": (str(tmp_path / "extra.txt"),),
        "augment": "join",
        "augment_words": {"vectors": encoder},
        "phases": ("prediction-layer",),
    }
    wrong = _settings(data_of, teacher_of, **{**given, "unlabeled": ()}, loss_weights={"label_loss": 1.0})
    with pytest.raises(ValueError, match="`augment`, got one that reads `label`"):
        distil(wrong, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()
    read = []

    class Spy(DistillationTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            if model.training:
                read.extend(tuple(ids.tolist()) for ids in inputs["input_ids"])
            return super().compute_loss(model, inputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_tinybert.workflow.distilling.DistillationTrainer", Spy)
        distil(_settings(data_of, teacher_of, **given), tmp_path / "out", display)
    assert len(read) == 2 * (48 + 2)
    assert not (tmp_path / "out" / ".checkpoints").exists()


# 24 rows in batches of 8: two epochs of 3 steps in each phase
@pytest.mark.parametrize("interrupted_after", [4, 10], ids=["intermediate layer", "prediction layer"])
def test_interrupted_it_ends_with_the_same_student(
    data_of, teacher_of, tmp_path, display, monkeypatch, earlier_calls_took, interrupted_after
):
    """Prevents a resumed run that starts again, from other layers too, ends elsewhere, or tells half of its cost."""
    passes = {"epochs": 2, "intermediate_epochs": 2, "train_rows": 24}
    settings = _settings(data_of, teacher_of, recipe="tinybert", layer_mapping="search", **passes)
    distil(settings, tmp_path / "straight", display)
    steps = 0
    original = TrainingProgress.on_step_end

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == interrupted_after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingProgress, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        distil(settings, tmp_path / "resumed", display)
    assert list((tmp_path / "resumed" / ".checkpoints").rglob("checkpoint-*"))
    monkeypatch.undo()
    monkeypatch.setattr("hf_tinybert.models.initialization.search_layer_mapping", None)  # it is not searched again
    earlier_calls_took(tmp_path / "resumed", 5000.0)
    seconds = distil(settings, tmp_path / "resumed", display)["seconds"]
    earlier = 5000.0 if interrupted_after == 4 else 10000.0  # in one phase or both
    assert earlier < seconds["total"] < earlier + 1000 and 5000.0 <= seconds["intermediate-layer"] < 6000.0
    assert earlier <= DistillationRecord.load(tmp_path / "resumed").seconds < earlier + 1000
    straight, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("straight", "resumed"))
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    kept = read_answers(tmp_path / "resumed")
    assert kept == read_answers(tmp_path / "straight") and set(kept.predictions) == {"student", "teacher"}
    read = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("straight", "resumed")]
    assert read[0] == read[1]  # of which the resumed one has read the rows last


def test_a_finished_run_is_not_trained_again(student_of, data_of, teacher_of, display, monkeypatch):
    """Prevents minutes lost by a second look at the table."""
    folder, figures = student_of("text-classification")

    def trained(*args, **kwargs):
        raise RuntimeError("trained again")

    monkeypatch.setattr("hf_tinybert.workflow.distilling.DistillationTrainer.train", trained)
    settings = _settings(data_of, teacher_of, score_test=True)
    assert distil(settings, Path(folder), display) == json.loads(json.dumps(figures))
    kept = _settings(data_of, teacher_of, score_test=True, cache_dir="elsewhere", cache_max_gb=3, preflight=True)
    assert distil(kept, Path(folder), display) == json.loads(json.dumps(figures))  # which decides nothing of them


def test_labels_that_the_teacher_does_not_have_are_refused(data_of, teacher_of, tmp_path, display):
    """Prevents a student that learns other classes than its teacher's."""
    rows = [{"text": f"the film is {word}", "label": label} for word in ("good", "bad") for label in ("war", "peace")]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = replace(_settings(data_of, teacher_of), data=str(tmp_path))
    with pytest.raises(ValueError, match="`peace`"):
        distil(settings, tmp_path / "out", display)


def test_an_untuned_encoder_is_refused_as_a_teacher(data_of, encoder, tmp_path, display):
    """Prevents a student that imitates a random head."""
    settings = DistilSettings(data=data_of("text-classification"), teacher=encoder, **FEW, **SMALL)
    with pytest.raises(ValueError, match=r"task\.json"):
        distil(settings, tmp_path / "out", display)


def test_what_was_saved_is_what_was_scored(student_of):
    """Prevents scores of weights that training has left behind."""
    folder, _ = student_of("text-classification")
    assert load_model_folder(folder).model.config.num_hidden_layers == 2
    assert last_whole_checkpoint(Path(folder) / ".checkpoints") is None


@pytest.fixture(scope="module")
def general(tmp_path_factory, encoder, sentences) -> str:
    """The folder of a general student."""
    folder = tmp_path_factory.mktemp("general")
    texts = folder / "texts.txt"
    texts.write_text("\n\n".join(f"{first} {second}" for first in sentences for second in sentences[:6]))
    shape = {"layers": 2, "width": 16, "heads": 4, "units": 40, "block_length": 32, "max_steps": 4}
    settings = PretrainSettings(texts=(str(texts),), teacher=encoder, preflight=False, **shape)
    pretrain(settings, folder / "student", ProgressDisplay(Console(file=io.StringIO())))
    return str(folder / "student")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_starts_as_a_general_student(kind, general, data_of, teacher_of, tmp_path, display, monkeypatch):
    """Prevents a kind whose head does not fit on a general student, and an encoder that is projected anew."""
    started = []

    def train(self, *args, **kwargs):
        started.append({name: value.clone() for name, value in self.model.base_model.state_dict().items()})
        return original(self, *args, **kwargs)

    original = DistillationTrainer.train
    monkeypatch.setattr(DistillationTrainer, "train", train)
    few = {**FEW, "phases": ("joint",), "preflight": False, "dropout": 0.2}
    settings = DistilSettings(data=data_of(kind), teacher=teacher_of(kind), kind=kind, start=general, **few)
    figures = distil(settings, tmp_path / "out", display)
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.num_hidden_layers, config.hidden_size, config.hidden_dropout_prob) == (2, 16, 0.2)
    weights = load_file(Path(general, "model.safetensors"))
    assert weights.keys() <= started[0].keys()
    assert all(torch.equal(started[0][name], value) for name, value in weights.items())
    trained = {
        name.removeprefix("bert."): value for name, value in load_file(tmp_path / "out/model.safetensors").items()
    }
    assert not all(torch.equal(trained[name], value) for name, value in weights.items())
    assert figures["settings"]["start"] == general


def test_a_general_student_learns_from_labels_too(general, data_of, teacher_of, tmp_path, display):
    """Prevents a baseline that cannot start where the distilled student does."""
    settings = DistilSettings(
        data=data_of("regression"), teacher=teacher_of("regression"), start=general, learn_from="labels", **FEW
    )
    assert "spearmanr" in distil(settings, tmp_path / "out", display)["scores"]["validation"]["student"]


def test_a_general_student_of_other_words_is_refused_before_the_folder_is_claimed(
    general, data_of, teacher_of, tmp_path, display
):
    """Prevents training on words that stand for others."""
    other = tmp_path / "other"
    shutil.copytree(general, other)
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text().replace('"film"', '"movie"'))
    settings = DistilSettings(data=data_of("regression"), teacher=teacher_of("regression"), start=str(other), **FEW)
    with pytest.raises(ValueError, match="vocabulary of its teacher as `start`"):
        distil(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_a_student_with_a_part_of_the_pieces_is_distilled_by_its_whole_teacher(
    student_of, teacher_of, data_of, tmp_path, display
):
    """Prevents a smaller vocabulary at the price of every further distillation; and a teacher scored by it."""
    kind = "text-classification"
    whole, before = student_of(kind)
    texts = tmp_path / "texts.txt"
    texts.write_text("the market falls today .\n\na film is good\n", encoding="utf-8")
    trim_vocabulary(TrimSettings(model=whole, texts=(str(texts),)), tmp_path / "small", display)
    few = {name: value for name, value in SMALL.items() if name not in ("layers", "width", "heads", "units")}
    settings = DistilSettings(
        data=data_of(kind), teacher=teacher_of(kind), start=str(tmp_path / "small"), score_test=True, **{**FEW, **few}
    )
    figures = distil(settings, tmp_path / "again", display)
    assert figures["scores"]["test"]["teacher"] == before["scores"]["test"]["teacher"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "again")
    small = AutoTokenizer.from_pretrained(tmp_path / "small")
    assert tokenizer.get_vocab() == small.get_vocab()
    assert figures["parameters"]["student"] < before["parameters"]["student"]


@pytest.fixture(scope="module")
def joined(tmp_path_factory, data_of, teacher_of, adapter_teacher):
    """The folder and the figures of a student of two teachers, of which the second is an adapter."""
    folder = tmp_path_factory.mktemp("joined") / "student"
    names = (teacher_of("text-classification"), adapter_teacher)
    settings = _settings(
        data_of, lambda kind: names, teacher_weights=(1.0, 0.5), phases=("joint",), cache_dir=str(folder.parent / "c")
    )
    return folder, distil(settings, folder, ProgressDisplay(Console(file=io.StringIO()))), names


def test_several_teachers_are_told_singly_and_as_one(joined, data_of):
    """Prevents a student of several whose folder tells of the first, or keeps a share of the first's score."""
    folder, figures, names = joined
    told = figures["ensemble"]["teachers"]
    assert figures["teacher"] == "text-classification + lora"
    assert [(one["teacher"], one["weight"]) for one in told] == [("text-classification", 1.0), ("lora", 0.5)]
    for name, one in zip(names, told, strict=True):  # an adapter is scored as `evaluate` scores it
        found = evaluate_folder(name, data_of("text-classification"), "validation", kind="text-classification")
        assert one["scores"]["validation"] == pytest.approx(found, abs=1e-4)
    scores = figures["scores"]["validation"]
    assert figures["ensemble"]["scores"] == {"validation": scores["teacher"]}
    for metric, kept in figures["retention"]["validation"].items():
        assert kept == pytest.approx(scores["student"][metric] / scores["teacher"][metric], abs=1e-3)
    assert figures["parameters"]["teacher"] == 2 * load_model_folder(names[0]).model.num_parameters()
    record = DistillationRecord.load(folder)
    assert record.ensemble == figures["ensemble"] and record.teacher == figures["teacher"]
    assert str(folder.parent.parent) not in (folder / "distillation.json").read_text()


def test_the_teachers_of_a_student_are_found_again(joined):
    """Prevents a report or a page that sets one of several teachers beside the student, or takes them for others."""
    folder, _, names = joined
    recorded = recorded_teacher(folder)
    source = find_teacher(recorded)
    assert source == TeacherSource(names, (1.0, 0.5))
    assert stored_weights_sha256(source) == read_answers(folder).weights["teacher"]
    student = load_model_folder(folder).model
    again = join_teachers([one_teacher(name, None, student, needs_head=True) for name in names], source.shares)
    assert recorded.unlike(again, source.public_name) == ""
    assert "another teacher" in recorded.unlike(join_teachers([*teachers_of(again)], [1.0, 1.0]), source.public_name)


@pytest.mark.parametrize(
    "kind", ["text-classification", "token-classification", "question-answering", "extractive-summarization"]
)
def test_texts_without_labels_are_learned_from_the_teacher_alone(kind, data_of, teacher_of, tmp_path, display):
    """Prevents labels from being wanted where no term reads them, and those of one split from being passed over."""
    (gold,) = DEFINITIONS[TaskKind(kind)].label_columns
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "validation", "test"):
        rows = [json.loads(line) for line in Path(data_of(kind), f"{split}.jsonl").read_text().splitlines()]
        bare = [{name: row[name] for name in row if name != gold or split == "test"} for row in rows]
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    settings = replace(_settings(data_of, teacher_of, kind), data=str(data), score_test=True, preflight=True)
    figures = distil(settings, tmp_path / "student", display)
    assert list(figures["scores"]) == ["test"] and figures["scores"]["test"].keys() == {"student", "teacher"}
    assert all("loss" in epoch for epoch in figures["epochs"])
    if kind == "text-classification":
        with pytest.raises(ValueError, match="for training rows without labels, got one that reads labels"):
            distil(replace(settings, loss_weights={"label_loss": 1.0}), tmp_path / "other", display)
        with pytest.raises(ValueError, match="can be `label` of text-classification, got none"):
            distil(replace(settings, learn_from="labels"), tmp_path / "other", display)
