"""A run that was interrupted and resumed ends with the weights of the run that was not."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import hf_tinybert
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE
from hf_tinybert.distillation.resume import resume_point
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.trainer import DistillationTrainer

WEIGHTS = "model.safetensors"
FIRST, SECOND = "intermediate-layer", "prediction-layer"
# 4 steps an epoch: the first phase ends within its second epoch, the second within its first
STEPS = {FIRST: 6, SECOND: 3}


@pytest.fixture(scope="module")
def start(build_student, build_teacher, build_rows, collator):
    """`start(folder, **arguments)`: a fresh trainer, dropout on, a checkpoint at every step."""

    def build(folder, model=None, eval_dataset=None, teacher=None, **overrides):
        defaults = {
            "output_dir": str(folder),
            "recipe": "tinybert",
            "use_cpu": True,
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "steps",
            "save_steps": 1,
            "logging_steps": 1,
            "per_device_train_batch_size": 2,
            "intermediate_max_steps": STEPS[FIRST],
            "max_steps": STEPS[SECOND],
            "intermediate_learning_rate": 1e-2,
            "learning_rate": 1e-2,
            "lr_scheduler_type": "constant_with_warmup",  # a rate of zero at the end would hide a step too many
            "warmup_steps": 2,
            "seed": 0,
        }
        return DistillationTrainer(
            model or build_student(),
            DistillationArguments(**{**defaults, **overrides}),
            teacher=teacher or build_teacher(),
            train_dataset=build_rows(8),
            eval_dataset=eval_dataset,
            data_collator=collator,
        )

    return build


@pytest.fixture(scope="module")
def straight(start, tmp_path_factory):
    """The uninterrupted run: its folder with every checkpoint, and its final weights."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("straight")
    trainer = start(folder)
    trainer.train()
    return folder, {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


@pytest.fixture
def interrupted(straight, tmp_path):
    """`interrupted(phase, step)`: the folder as it was when the run stopped after that step."""

    def build(phase, step):
        folder = tmp_path / "run"
        shutil.copytree(straight[0], folder)
        for other in (FIRST, SECOND):
            for checkpoint in (folder / other).iterdir():
                number = int(checkpoint.name.rpartition("-")[2])
                if (other == phase and number > step) or (phase == FIRST and other == SECOND):
                    shutil.rmtree(checkpoint)
        return folder

    return build


def _check_equal(trainer, expected):
    weights = trainer.model.state_dict()
    assert set(weights) == set(expected)
    assert [name for name, tensor in expected.items() if not torch.equal(weights[name], tensor)] == []


def _cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def test_checkpoints_lie_in_a_folder_of_their_phase_with_projections(straight):
    """Prevents the checkpoints of one phase from overwriting those of another, and projections from being lost."""
    folder, _ = straight
    for phase, steps in STEPS.items():
        names = {path.name for path in (folder / phase).iterdir()}
        assert names == {f"checkpoint-{step}" for step in range(1, steps + 1)}
        assert (folder / phase / "checkpoint-1" / PROJECTIONS_FILE).is_file()
        assert not [name for name in load_file(folder / phase / "checkpoint-1" / WEIGHTS) if "projection" in name]


@pytest.mark.parametrize(
    ("phase", "step"), [(FIRST, 3), (FIRST, 4), (FIRST, 6), (SECOND, 2), (SECOND, 3)],
)  # fmt: skip
@pytest.mark.parametrize("explicit", [False, True], ids=["last", "path"])
def test_a_resumed_run_ends_with_the_weights_of_the_straight_one(start, straight, interrupted, phase, step, explicit):
    """Prevents lost projections, moments, schedule or random state, repeated phases and steps too many."""
    folder = interrupted(phase, step)
    trainer = start(folder)
    trainer.train(resume_from_checkpoint=str(folder / phase / f"checkpoint-{step}") if explicit else True)
    _check_equal(trainer, straight[1])


def test_a_resumed_single_phase_ends_with_the_weights_of_the_straight_one(start, tmp_path):
    """Prevents one phase, whose checkpoints lie in the output folder itself, from starting anew."""
    whole = start(tmp_path / "whole", phases=["joint"], max_steps=5)
    whole.train()
    resumed = start(tmp_path / "whole", phases=["joint"], max_steps=5)
    shutil.rmtree(tmp_path / "whole" / "checkpoint-5")
    resumed.train(resume_from_checkpoint=True)
    _check_equal(resumed, whole.model.state_dict())


@pytest.mark.parametrize("name", [WEIGHTS, PROJECTIONS_FILE, "optimizer.pt"])
def test_a_truncated_last_checkpoint_is_passed_over_with_a_warning(start, straight, interrupted, caplog, name):
    """Prevents a full disk at the last save from ending the whole run, or from going on with half the weights."""
    folder = interrupted(SECOND, 2)
    _cut(folder / SECOND / "checkpoint-2" / name)
    trainer = start(folder)
    with caplog.at_level(logging.WARNING):
        trainer.train(resume_from_checkpoint=True)
    assert "passing over checkpoint" in caplog.text
    assert name in caplog.text
    _check_equal(trainer, straight[1])


def test_a_phase_without_whole_checkpoint_falls_back_to_the_phase_before(start, straight, interrupted):
    """Prevents the first phase from being repeated because the only checkpoint of the second is damaged."""
    folder = interrupted(SECOND, 1)
    (folder / SECOND / "checkpoint-1" / "trainer_state.json").unlink()
    trainer = start(folder)
    folders = {Phase(phase): folder / phase for phase in (FIRST, SECOND)}
    assert resume_point(True, folders) == (FIRST, folder / FIRST / "checkpoint-6")
    trainer.train(resume_from_checkpoint=True)
    _check_equal(trainer, straight[1])


def test_an_explicit_truncated_checkpoint_is_refused(start, interrupted):
    """Prevents another checkpoint than the named one from being taken silently."""
    folder = interrupted(FIRST, 3)
    _cut(folder / FIRST / "checkpoint-3" / WEIGHTS)
    with pytest.raises(ValueError, match=r"expected a whole checkpoint, got .*truncated `model.safetensors`"):
        start(folder).train(resume_from_checkpoint=str(folder / FIRST / "checkpoint-3"))


def test_nothing_to_resume_from_is_said(start, tmp_path):
    """Prevents a typing error in a folder from starting from the beginning."""
    with pytest.raises(ValueError, match="expected a whole checkpoint in .* got none"):
        start(tmp_path / "new").train(resume_from_checkpoint=True)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        start(tmp_path / "new").train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


def test_a_checkpoint_of_a_phase_that_is_not_run_is_refused(start, straight):
    """Prevents a joint run from going on with the schedule of an intermediate-layer phase."""
    folder, _ = straight
    trainer = start(folder, phases=["joint"])
    with pytest.raises(ValueError, match="expected a checkpoint of joint, got one of intermediate-layer"):
        trainer.train(resume_from_checkpoint=str(folder / FIRST / "checkpoint-1"))


def test_a_checkpoint_without_projections_is_refused(start, interrupted):
    """Prevents trained states from being pulled towards untrained projections."""
    folder = interrupted(FIRST, 3)
    (folder / FIRST / "checkpoint-3" / PROJECTIONS_FILE).unlink()
    with pytest.raises(ValueError, match=f"expected `{PROJECTIONS_FILE}`"):
        start(folder).train(resume_from_checkpoint=True)


def test_resuming_says_nothing_of_missing_weights(start, interrupted, caplog):
    """Prevents a warning about projections that were restored, which hides the warnings that matter."""
    folder = interrupted(SECOND, 3)
    trainer = start(folder)
    logging.getLogger("transformers.trainer").addHandler(caplog.handler)
    try:
        trainer.train(resume_from_checkpoint=True)
    finally:
        logging.getLogger("transformers.trainer").removeHandler(caplog.handler)
    assert "missing keys" not in caplog.text
    assert "unexpected keys" not in caplog.text


def test_going_on_with_another_teacher_or_other_terms_is_said(start, interrupted, build_teacher, caplog):
    """Prevents half a run from imitating one teacher and half another, because of a wrong path in a script."""
    folder = interrupted(SECOND, 3)
    start(folder).train(resume_from_checkpoint=True)
    assert "was trained otherwise" not in caplog.text
    other = build_teacher()
    with torch.no_grad():
        other.classifier.weight.neg_()
    start(folder, teacher=other, temperature=3.0).train(resume_from_checkpoint=True)
    (said,) = [record.getMessage() for record in caplog.records if "was trained otherwise" in record.getMessage()]
    assert "teacher" in said and "temperature 1.0 before, 3.0 now" in said and "layer mapping" not in said


def test_the_best_model_is_loaded_with_its_projections(start, build_rows, tmp_path):
    """Prevents the projections of the last step from meeting the student of the best one."""
    trainer = start(
        tmp_path,
        eval_dataset=build_rows(4),
        phases=["joint"],
        max_steps=3,
        eval_strategy="steps",
        eval_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=True,  # the loss falls, so the first checkpoint is the "best"
    )
    trainer.train()
    best = Path(trainer.state.best_model_checkpoint)
    assert best.name == "checkpoint-1"
    weights = trainer.model.state_dict()
    for name, tensor in load_file(best / WEIGHTS).items():
        assert torch.equal(weights[name], tensor), name
    for name, tensor in load_file(best / PROJECTIONS_FILE).items():
        assert torch.equal(weights[f"{PROJECTIONS_ATTRIBUTE}.{name}"], tensor), name
        assert not torch.equal(load_file(tmp_path / "checkpoint-3" / PROJECTIONS_FILE)[name], tensor), name


def test_the_best_model_of_the_first_phase_starts_the_second_also_after_a_resume(start, build_rows, tmp_path):
    """Prevents a resumed run from starting its second phase at the last instead of the best weights of the first."""
    best = {
        "eval_strategy": "steps",
        "eval_steps": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": True,
        "intermediate_max_steps": 3,
        "max_steps": 1,
    }
    whole = start(tmp_path, eval_dataset=build_rows(4), **best)
    whole.train()
    shutil.rmtree(tmp_path / SECOND)
    resumed = start(tmp_path, eval_dataset=build_rows(4), **best)
    resumed.train(resume_from_checkpoint=True)
    _check_equal(resumed, whole.model.state_dict())


def test_a_student_of_gamma_and_beta_names_is_restored_with_its_layer_norms(start, build_student, tmp_path):
    """Prevents transformers from writing the old names again and then not finding them on resume: no error at all."""
    student = build_student()
    student.save_pretrained(tmp_path / "old")
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in load_file(tmp_path / "old" / WEIGHTS).items()
    }
    save_file(renamed, tmp_path / "old" / WEIGHTS, metadata={"format": "pt"})

    def load():
        model = hf_tinybert.TinyBertForSequenceClassification.from_pretrained(tmp_path / "old")
        assert model._weight_conversions  # the trap is there: a plain save would write gamma and beta
        return model

    whole = start(tmp_path / "run", model=load(), phases=["joint"], max_steps=4)
    whole.train()
    names = load_file(tmp_path / "run" / "checkpoint-2" / WEIGHTS)
    assert not [name for name in names if "gamma" in name or "beta" in name]
    resumed = start(tmp_path / "run", model=load(), phases=["joint"], max_steps=4)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    _check_equal(resumed, whole.model.state_dict())
