"""Tests of several teachers that teach as one."""

import copy

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.teacher_ensemble import join_teachers, teacher_name, teachers_of, told_ensemble
from tests.distillation.conftest import SHARED_SHAPE


@pytest.fixture
def teachers(build_teacher):
    """Two of one shape with other weights."""
    first, second = build_teacher(), build_teacher()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(-0.7)
    return first.eval(), second.eval()


def _distilbert():
    labels = {name: SHARED_SHAPE[name] for name in ("id2label", "label2id")}
    shape = {"vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24}
    return DistilBertForSequenceClassification(DistilBertConfig(max_position_embeddings=32, **shape, **labels)).eval()


@pytest.fixture
def batch(build_rows, collator):
    return dict(collator([dict(row) for row in build_rows(4, labels=False)]))


@torch.no_grad()
def test_predictions_are_the_mean_and_layers_those_of_the_first(teachers, batch):
    """Prevents one teacher that teaches in the name of several, or layers of which nobody knows whose they are."""
    first, second = teachers
    joined = join_teachers(teachers, weights=[3, 1])
    output, own = joined(**batch, output_hidden_states=True), first(**batch, output_hidden_states=True)
    torch.testing.assert_close(output.logits, 0.75 * own.logits + 0.25 * second(**batch).logits)
    assert not torch.allclose(output.logits, own.logits)
    torch.testing.assert_close(output.hidden_states, own.hidden_states)
    by_place = joined(batch["input_ids"], batch["attention_mask"], token_type_ids=batch["token_type_ids"])
    torch.testing.assert_close(by_place.logits, output.logits)
    assert type(first).__name__ == type(joined).__name__
    assert not hasattr(first, "other_teachers")


@torch.no_grad()
def test_the_others_are_asked_for_predictions_alone(teachers, batch):
    """Prevents hidden states of every teacher in memory, and arguments that no forward knows."""
    asked = []
    teachers[1].register_forward_pre_hook(lambda _, args, kwargs: asked.append(set(kwargs)), with_kwargs=True)
    join_teachers(teachers)(**batch, output_hidden_states=True, output_attentions=False)
    assert asked == [{*batch, "return_dict"}]


@torch.no_grad()
def test_start_and_end_of_answers_are_means_too(build_teacher, batch):
    """Prevents an ensemble of question answering that is its first teacher alone."""
    several = [build_teacher("ForQuestionAnswering"), build_teacher("ForQuestionAnswering", hidden_size=16)]
    output = join_teachers(several)(**batch)
    for name in ("start_logits", "end_logits"):
        torch.testing.assert_close(output[name], sum(one(**batch)[name] for one in several) / 2)


@torch.no_grad()
def test_a_teacher_of_another_family_reads_what_it_takes(build_teacher, batch):
    """Prevents `token_type_ids` in a model that has none."""
    other = _distilbert()
    first = build_teacher().eval()
    wanted = first(**batch).logits / 2
    wanted = wanted + other(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits / 2
    torch.testing.assert_close(join_teachers([first, other])(**batch).logits, wanted)


@pytest.mark.parametrize("arguments", [{"phases": ["joint"]}, {"bf16": True}, {"cached": True}])
def test_a_student_learns_from_all(build_trainer, teachers, tmp_path, arguments):
    """Prevents an ensemble that the trainer runs, hashes, caches or records as its first teacher."""
    arguments = dict(arguments)
    if arguments.pop("cached", False):
        arguments["teacher_cache_dir"] = str(tmp_path / "cache")
    for number, one in enumerate(teachers):
        one.config._name_or_path = f"someone/teacher-{number}"
    joined = join_teachers(teachers)
    alone = copy.deepcopy(teachers[0])
    assert weights_sha256(joined) not in (weights_sha256(alone), weights_sha256(join_teachers(teachers, [2, 1])))
    losses = []
    for teacher in (joined, alone):
        trainer = build_trainer(arguments, teacher=teacher)
        trainer.train()
        losses.append([entry["prediction_loss"] for entry in trainer.state.log_history if "prediction_loss" in entry])
        trainer.save_model(str(tmp_path / "student"))
        record = (tmp_path / "student" / "distillation.json").read_text(encoding="utf-8")
        assert ("someone/teacher-0 + someone/teacher-1" in record) == (teacher is joined)
    assert losses[0]
    assert losses[0] != pytest.approx(losses[1], rel=1e-5)


def test_the_name_of_one_teacher_is_what_it_was_loaded_from(teachers):
    """Prevents a plain teacher with a name that no Hub has."""
    teachers[0].config._name_or_path = "someone/teacher"
    assert teacher_name(teachers[0]) == "someone/teacher"


@torch.no_grad()
def test_each_of_several_can_be_had_again(teachers, batch):
    """Prevents scores of one teacher that are those of all, or a first that is asked through the whole."""
    joined = join_teachers(teachers, weights=[2, 0.1])
    again = teachers_of(joined)
    assert [weights_sha256(one) for one in again] == [weights_sha256(one) for one in teachers]
    assert [type(one) for one in again] == [type(one) for one in teachers]
    for one, teacher in zip(again, teachers, strict=True):
        torch.testing.assert_close(one(**batch).logits, teacher(**batch).logits)
    assert teachers_of(teachers[0]) == [teachers[0]] and told_ensemble(teachers[0]) is None
    told = told_ensemble(joined)["teachers"]
    assert [(one["weight"], one["teacher_sha256"]) for one in told] == [
        (2.0, weights_sha256(teachers[0])),
        (0.1, weights_sha256(teachers[1])),
    ]


def test_the_shares_stay_as_they_are_in_bfloat16(teachers, batch):
    """Prevents a teacher of weight 0.1 from having 0.1001 in training, where weights are cast, and 0.1 elsewhere."""
    joined = join_teachers(teachers, weights=[1, 0.1]).bfloat16()
    first, second = (one(**batch).logits.float() for one in teachers_of(joined))
    wanted = 1 / 1.1 * first + 0.1 / 1.1 * second
    torch.testing.assert_close(joined(**batch).logits, wanted.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("changed", ["weights", "shares"])
def test_a_resumed_run_and_its_cache_know_every_teacher(build_trainer, teachers, tmp_path, caplog, changed):
    """Prevents a run that goes on, or reads a cache, with another teacher among several and says nothing."""
    cache = tmp_path / "cache"
    arguments = {"phases": ["joint"], "max_steps": 2, "save_steps": 1, "save_strategy": "steps"}
    arguments |= {"teacher_cache_dir": str(cache), "output_dir": str(tmp_path / "run")}
    whole = build_trainer(arguments, teacher=join_teachers(teachers))
    whole.train()
    history = [entry["prediction_loss"] for entry in whole.state.log_history if "prediction_loss" in entry]
    resumed = build_trainer(arguments, teacher=join_teachers(teachers))
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-1"))
    again = [entry["prediction_loss"] for entry in resumed.state.log_history if "prediction_loss" in entry]
    assert again == history and "otherwise" not in caplog.text
    assert len([one for one in cache.iterdir() if one.is_dir()]) == 1
    if changed == "weights":
        with torch.no_grad():
            teachers[1].classifier.bias[0] += 0.5
    other = join_teachers(teachers, weights=[1, 1] if changed == "weights" else [1, 2])
    build_trainer(arguments, teacher=other).train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-1"))
    assert "was trained otherwise than the run goes on: teacher" in caplog.text
    assert len([one for one in cache.iterdir() if one.is_dir()]) == 2


def test_teachers_that_cannot_be_joined_are_refused(build_teacher, teachers):
    """Prevents a mean of predictions that mean different things."""
    first, second = teachers
    with pytest.raises(ValueError, match="expected two or more different teachers, got 1 in 2"):
        join_teachers([first, first])
    with pytest.raises(ValueError, match="expected teachers that are each one model, got teacher 1 of several"):
        join_teachers([join_teachers(teachers), build_teacher()])
    with pytest.raises(ValueError, match="expected 2 weights above 0, got"):
        join_teachers(teachers, weights=[1, 0])
    with pytest.raises(ValueError, match="expected teachers that predict classes, numbers or spans"):
        join_teachers([build_teacher("ForMaskedLM"), build_teacher("ForMaskedLM")])
    other_order = build_teacher(id2label={0: "sport", 1: "culture", 2: "business"})
    with pytest.raises(ValueError, match="expected the first teacher's labels .* of teacher 2, got"):
        join_teachers([first, other_order])
    with pytest.raises(ValueError, match="expected the first teacher's head"):
        join_teachers([first, build_teacher("ForTokenClassification")])
    with pytest.raises(ValueError, match="expected the first teacher's problem type"):
        join_teachers([first, build_teacher(problem_type="multi_label_classification")])
    with pytest.raises(ValueError, match="expected the first teacher's vocabulary 40 of teacher 2, got 50"):
        join_teachers([first, build_teacher(vocab_size=50)])
    with pytest.raises(ValueError, match="expected teacher 2 to read texts as long as the first, 32, got 16 tokens"):
        join_teachers([second, build_teacher(max_position_embeddings=16)])
    with pytest.raises(ValueError, match="expected a first teacher that reads `token_type_ids` as teacher 2 does"):
        join_teachers([_distilbert(), first])
