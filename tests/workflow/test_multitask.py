"""Tests of one student for several tasks, on tiny models."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_tinybert import TinyBertConfig, TinyBertForMultiTask, TinyBertModel
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.models.vocabulary import trim_model
from hf_tinybert.progress import TrainingProgress
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow import (
    MultiTaskSettings,
    distil_tasks,
    evaluate_folder,
    load_model_folder,
    multitask,
    predict,
)
from hf_tinybert.workflow.kept_answers import read_answers
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.teacher_search import find_teacher, recorded_teacher
from hf_tinybert.workflow.teacher_source import TeacherSource

SIZES = ("layers", "width", "heads", "units")
SHARED = {
    "layers": 2,
    "width": 16,
    "heads": 4,
    "units": 40,
    "batch_size": 8,
    "epochs": 1,
    "max_length": 32,
    "preflight": False,
}
KINDS = {
    "news": "text-classification",
    "things": "token-classification",
    "answers": "question-answering",
    "words": "masked-lm",
    "sts": "sentence-embedding",
    "summaries": "extractive-summarization",
}


@pytest.fixture
def settings_of(data_of, teacher_of):
    """Settings of the tasks of given names."""

    def make(*names, changes=None, **shared):
        tasks = {
            name: {
                "data": data_of(KINDS[name]),
                "teacher": teacher_of(KINDS[name]),
                "kind": KINDS[name],
                **(changes or {}).get(name, {}),
            }
            for name in names
        }
        return MultiTaskSettings(tasks=tasks, shared={**SHARED, **shared})

    return make


def test_tasks_share_an_encoder_with_a_part_of_the_pieces(
    settings_of, teacher_of, data_of, encoder, tmp_path, display
):
    """Prevents a smaller general student from being refused, or its whole teachers from being scored by its pieces."""
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 40}
    general, kept = TinyBertModel(TinyBertConfig.from_teacher(load_config(encoder), **shape)), list(range(34))
    trim_model(general, kept).save_pretrained(tmp_path / "small")
    trim_tokenizer(load_tokenizer(encoder), kept).save_pretrained(tmp_path / "small")
    tasks = ("news", "words")
    settings = settings_of(*tasks, start=str(tmp_path / "small"), **dict.fromkeys(SIZES))
    figures = distil_tasks(settings, tmp_path / "out", display)
    assert TinyBertForMultiTask.from_pretrained(tmp_path / "out").config.vocab_size == len(kept)
    assert len(load_tokenizer(str(tmp_path / "out"))) == len(kept)
    for name in tasks:
        alone = evaluate_folder(teacher_of(KINDS[name]), data_of(KINDS[name]), "validation")
        assert figures["tasks"][name]["scores"]["validation"]["teacher"] == pytest.approx(alone, abs=1e-4)


def test_tasks_of_six_kinds_share_an_encoder(settings_of, data_of, tmp_path, display):
    """Prevents a task that trains and cannot be scored, or whose head answers alone another way."""
    figures = distil_tasks(settings_of(*KINDS), tmp_path / "out", display)
    assert list(figures["tasks"]) == list(KINDS)
    model = TinyBertForMultiTask.from_pretrained(tmp_path / "out")
    assert set(model.heads) == set(KINDS) and not (tmp_path / "out" / ".checkpoints").exists()
    for name, kind in KINDS.items():
        own = figures["tasks"][name]
        assert (
            own["kind"] == kind
            and own["retention"]["validation"].keys() <= own["scores"]["validation"]["student"].keys()
        )
        again = evaluate_folder(tmp_path / "out", data_of(kind), "validation", task=name)
        assert again == pytest.approx(own["scores"]["validation"]["student"], abs=1e-4)
        assert list(own.get("without_model", {})) == (["validation"] if name == "summaries" else [])
        kept = read_answers(tmp_path / "out", name)
        assert {model: len(answers) for model, answers in kept.predictions.items()} == {"student": 24, "teacher": 24}
        rows = Path(data_of(kind), "test.jsonl").read_text().splitlines()[:3]
        assert len(list(predict(tmp_path / "out", rows, task=name))) == 3
    assert load_model_folder(tmp_path / "out", task="things").task.settings.labels == ("O", "B-thing", "I-thing")


def test_a_task_without_a_teacher_learns_from_its_labels(settings_of, tmp_path, display):
    """Prevents a task from being left out because nobody teaches it."""
    changes = {"things": {"teacher": None}}
    figures = distil_tasks(settings_of("news", "things", changes=changes), tmp_path / "out", display)
    own = figures["tasks"]["things"]
    assert own["teacher"] is None and own["retention"] == {} and "f1" in own["scores"]["validation"]["student"]


def test_teachers_of_tasks_are_those_of_the_run_and_have_not_learnt_its_rows(
    settings_of, data_of, teacher_of, tmp_path, display, caplog
):
    """Prevents a student of former teachers that is given again, and scores on rows that a teacher has learnt."""
    data, teacher = tmp_path / "reviews.jsonl", tmp_path / "teacher"
    shutil.copyfile(Path(data_of(KINDS["news"]), "train.jsonl"), data)
    shutil.copytree(teacher_of(KINDS["news"]), teacher)
    run = json.loads((teacher / "run.json").read_text())
    (teacher / "run.json").write_text(json.dumps({**run, "settings": {**run["settings"], "data": str(data)}}))
    changes = {"news": {"data": str(data), "teacher": str(teacher)}, "things": {"teacher": None}}
    settings = settings_of("news", "things", changes=changes, seed=1)
    figures = distil_tasks(settings, tmp_path / "out", display)
    assert [said for said in caplog.messages if "was trained on what seed 0 leaves" in said]
    assert distil_tasks(settings, tmp_path / "out", display) == json.loads(json.dumps(figures))
    weights = load_file(teacher / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, teacher / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="the finished run in .*, got another content of `.*teacher`"):
        distil_tasks(settings, tmp_path / "out", display)


def test_tasks_imitate_the_layers_that_the_encoder_starts_from(settings_of, tmp_path, display, caplog):
    """Prevents tasks of one encoder from imitating other layers than those that it was built from."""
    distil_tasks(settings_of("news", "things", layer_mapping="search"), tmp_path / "out", display)
    found = DistillationRecord.load(tmp_path / "out").tasks
    assert found["news"]["layer_mapping"] == found["things"]["layer_mapping"]
    assert len(found["news"]["layer_mapping"]) == 3
    distil_tasks(settings_of("news", "things", layer_mapping="1,4"), tmp_path / "named", display)
    assert DistillationRecord.load(tmp_path / "named").tasks["things"]["layer_mapping"] == [0, 1, 4]
    assert "initialised by the layer mapping" not in caplog.text


def test_interrupted_it_ends_with_the_same_student(settings_of, tmp_path, display, monkeypatch, earlier_calls_took):
    """Prevents a resumed run that starts again, ends elsewhere than the straight one, or tells half of its cost."""
    passes = {"epochs": 2, "intermediate_epochs": 1}
    settings = settings_of("news", "things", **passes, recipe="tinybert", layer_mapping="search")
    distil_tasks(settings, tmp_path / "straight", display)
    original, steps = TrainingProgress.on_step_end, 0

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == 30:  # 12 steps of the first phase, 12 an epoch of the second
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingProgress, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        distil_tasks(settings, tmp_path / "resumed", display)
    monkeypatch.undo()
    monkeypatch.setattr("hf_tinybert.models.initialization.search_layer_mapping", None)  # it is not searched again
    earlier_calls_took(tmp_path / "resumed", 5000.0)
    resumed = distil_tasks(settings, tmp_path / "resumed", display)
    assert resumed["seconds"]["total"] > 5000.0 and resumed["seconds"]["intermediate-layer"] >= 5000.0
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("straight", "resumed"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert distil_tasks(settings, tmp_path / "resumed", display) == json.loads(json.dumps(resumed))


def test_teachers_of_other_vocabularies_are_refused(settings_of, teacher_of, tmp_path, display):
    """Prevents one teacher from reading the ids of another one's words."""
    other = tmp_path / "other"
    other.mkdir()
    for file in Path(teacher_of("token-classification")).iterdir():
        if file.is_file():
            text = file.read_bytes()
            (other / file.name).write_bytes(text.replace(b'"film"', b'"movie"') if "tokenizer" in file.name else text)
    settings = settings_of("news", "things", changes={"things": {"teacher": str(other)}})
    with pytest.raises(ValueError, match="vocabulary.*`things`"):
        distil_tasks(settings, tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_a_run_does_not_go_on_with_its_tasks_in_another_order(settings_of, tmp_path, display):
    """Prevents a resumed run from going on with another teacher's start and other rows than those it began with."""
    settings, again = settings_of("news", "things"), settings_of("things", "news")
    assert settings.to_json() == again.to_json()
    RunFolder(tmp_path / "out", settings.to_json())
    with pytest.raises(ValueError, match="began, `news`, `things`, got `things`, `news`"):
        distil_tasks(again, tmp_path / "out", display)
    assert RunFolder(tmp_path / "out", settings.to_json()).settings == settings.to_json()


def test_loss_weights_of_the_first_task_are_not_those_of_the_others(settings_of, tmp_path, display):
    """Prevents every task from being learned by the weights of the one that the encoder starts from."""
    changes = {"news": {"loss_weights": {"label_loss": 0.5}}}
    run = multitask._MultiTaskDistillation(settings_of("news", "things", changes=changes), tmp_path / "out", display)
    terms = {
        name: {str(term) for one in part.objectives(run.student, run.arguments).values() for term in one.weights}
        for name, part in run.parts.items()
    }
    assert terms["news"] - terms["things"] == {"label_loss"} and run.arguments.loss_weights is None


@pytest.mark.parametrize("own", [{"teacher": None}, {"loss_weights": {"label_loss": 1.0}}])
def test_unlabeled_rows_of_a_task_that_is_learned_from_labels_are_refused(settings_of, tmp_path, display, own):
    """Prevents texts without labels from being learned as texts of the first tag, which only stands for none."""
    (tmp_path / "extra.txt").write_text("a new film\n", encoding="utf-8")
    changes = {"things": {"unlabeled": (str(tmp_path / "extra.txt"),), **own}}
    with pytest.raises(ValueError, match="the `unlabeled` rows of the task `things`, got one that reads labels"):
        distil_tasks(settings_of("news", "things", changes=changes), tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_compared_is_refused_before_any_teacher_is_scored(
    settings_of, teacher_of, tmp_path, display, monkeypatch
):
    """Prevents hours of several teachers on their validation rows before a pair that does not fit is told."""
    monkeypatch.setattr(multitask, "score_rows", None)
    weights = {"attention_scores_loss": 1.0}
    for changes in ({"width": 18, "heads": 6}, {"layers": 5}):
        settings = settings_of("news", "things", changes={"things": {"loss_weights": weights}}, **changes)
        with pytest.raises(
            ValueError, match="task `things`: expected numbers of attention|no deeper than its teacher"
        ):
            distil_tasks(settings, tmp_path / "out", display)
        assert not (tmp_path / "out").exists()


def test_a_start_that_the_first_teacher_does_not_allow_is_refused_before_any_teacher_is_scored(
    settings_of, unlike_teacher, tmp_path, display, monkeypatch
):
    """Prevents hours of scoring before it is told that a MobileBERT is not laid out as the student."""
    monkeypatch.setattr(multitask, "score_rows", None)
    for start in ("projection", "layers"):
        settings = settings_of("news", changes={"news": {"teacher": unlike_teacher}}, start=start)
        with pytest.raises(TypeError, match="`--start random`"):
            distil_tasks(settings, tmp_path / "out", display)
        assert not (tmp_path / "out").exists()


def test_a_wrong_objective_is_refused_before_a_model_or_data_is_read(tmp_path, display):
    """Prevents minutes of tokenising, once for every task, before a misspelt recipe is told."""
    tasks = {"news": {"data": "nowhere.csv", "teacher": "nowhere"}}
    with pytest.raises(ValueError, match="expected `recipe` of"):
        distil_tasks(MultiTaskSettings(tasks=tasks, shared={"recipe": "nope"}), tmp_path / "out", display)


def test_a_name_that_no_head_can_have_is_refused_before_data_is_read(tmp_path, display):
    """Prevents a large data set from being tokenised for a task that is called like a method of the heads."""
    settings = MultiTaskSettings(tasks={"forward": {"data": "nowhere.csv", "teacher": "nowhere"}})
    with pytest.raises(ValueError, match="can name a module, got `forward`"):
        distil_tasks(settings, tmp_path / "out", display)


def test_a_teacher_that_is_not_there_is_told_as_for_one_task(tmp_path, display):
    """Prevents the first teacher's misspelt folder from being answered with the Hub's rules for names."""
    settings = MultiTaskSettings(tasks={"news": {"data": "nowhere.csv", "teacher": "some/where/else"}})
    with pytest.raises(
        (FileNotFoundError, ValueError), match="expected a model folder or a Hub name, got `some/where"
    ):
        distil_tasks(settings, tmp_path / "out", display)


def test_tasks_start_as_one_trained_student(settings_of, encoder, tmp_path, display, monkeypatch):
    """Prevents an encoder that is projected from the first teacher anew, and sizes that are not the student's."""
    torch.manual_seed(5)
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 40}
    trained = TinyBertModel(TinyBertConfig.from_teacher(load_config(encoder), **sizes), add_pooling_layer=False)
    trained.save_pretrained(tmp_path / "general")
    load_tokenizer(encoder).save_pretrained(tmp_path / "general")
    started = []

    def train(self, *args, **kwargs):
        started.append({name: value.clone() for name, value in self.model.state_dict().items()})
        return original(self, *args, **kwargs)

    original = MultiTaskDistillationTrainer.train
    monkeypatch.setattr(MultiTaskDistillationTrainer, "train", train)
    settings = settings_of(*KINDS, start=str(tmp_path / "general"), **dict.fromkeys(SIZES))
    figures = distil_tasks(settings, tmp_path / "out", display)
    assert list(figures["tasks"]) == list(KINDS)
    for name, value in trained.state_dict().items():
        assert torch.equal(started[0][f"bert.{name}"], value), name
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert weights["bert.encoder.layer.1.output.dense.weight"].shape == (16, 40)
    assert not torch.equal(
        weights["bert.encoder.layer.1.output.dense.weight"], trained.encoder.layer[1].output.dense.weight
    )


def test_sizes_beside_a_trained_student_are_refused(settings_of):
    """Prevents sizes that are ignored."""
    with pytest.raises(ValueError, match="no `layers`, `width`, `heads`, `units` with a trained student"):
        settings_of("news", start="owner/general")


def test_a_task_may_have_several_teachers(settings_of, teacher_of, data_of, adapter_teacher, tmp_path, display):
    """Prevents a task that learns from the first of its teachers, or a record without the others."""
    several = (teacher_of("text-classification"), adapter_teacher)
    changes = {"news": {"teacher": list(several), "teacher_weights": [2.0, 1.0]}}
    figures = distil_tasks(settings_of("news", "things", changes=changes), tmp_path / "out", display)
    own, record = figures["tasks"]["news"], json.loads((tmp_path / "out" / "distillation.json").read_text())
    assert own["teacher"] == "text-classification + lora" and "ensemble" not in figures["tasks"]["things"]
    told = record["tasks"]["news"]["ensemble"]
    assert told == own["ensemble"] and [one["weight"] for one in told["teachers"]] == [2.0, 1.0]
    assert told["scores"]["validation"] == own["scores"]["validation"]["teacher"]
    assert "ensemble" not in record["tasks"]["things"]
    single = load_model_folder(several[0]).model.num_parameters()
    assert figures["parameters"]["teacher"] > 2.5 * single
    found = find_teacher(recorded_teacher(tmp_path / "out", "news"), "news", "text-classification")
    assert found == TeacherSource(several, (2.0, 1.0))


def test_a_task_without_labels_learns_from_its_teacher(settings_of, data_of, tmp_path, display):
    """Prevents a task from being refused for labels that no term reads; the others decide which epoch is best."""
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "validation"):
        rows = [json.loads(line) for line in Path(data_of(KINDS["things"]), f"{split}.jsonl").read_text().splitlines()]
        (data / f"{split}.jsonl").write_text("".join(json.dumps({"tokens": row["tokens"]}) + "\n" for row in rows))
    settings = settings_of("news", "things", changes={"things": {"data": str(data)}})
    figures = distil_tasks(settings, tmp_path / "out", display)
    things = figures["tasks"]["things"]
    assert things["scores"] == {} and things["teacher"] is not None
    assert "things_loss" in figures["epochs"][-1]
    weights = DistillationRecord.load(tmp_path / "out").loss_weights
    assert "things/prediction_loss" in weights and "things/label_loss" not in weights
    changes = {"things": {"data": str(data), "teacher": None}}
    with pytest.raises(ValueError, match=r"^task `things`: .*`tags`"):
        distil_tasks(settings_of("news", "things", changes=changes), tmp_path / "other", display)
