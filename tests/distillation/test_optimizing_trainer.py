"""Tests of runs in which parts of a student have learning rates of their own."""

import peft
import pytest
import torch

from hf_tinybert.distillation.optimizing_trainer import OptimizingTrainer
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.record import DistillationRecord

FACTORS = {"bert.embeddings": 0.5, "classifier": 10, PROJECTIONS_ATTRIBUTE: 3.0}


def _rates(optimizer, model):
    """The rate of every weight that learns, by its name."""
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    return {name: rates[id(one)] for name, one in model.named_parameters() if id(one) in rates}


def test_parts_have_their_rates_in_both_phases_and_by_the_schedule(build_trainer, tmp_path):
    """Prevents a second phase at one rate, a schedule that forgets the factors, and a log of another rate."""
    trainer = build_trainer(
        {
            "learning_rate_factors": FACTORS,
            "learning_rate": 1e-3,
            "intermediate_learning_rate": 1e-2,
            "lr_scheduler_type": "linear",
            "save_strategy": "steps",
            "save_steps": 1,
        }
    )
    seen, logs = {}, []
    own = trainer.training_step

    def noting(model, inputs, *args, **kwargs):
        seen[trainer.phase, trainer.state.global_step] = _rates(trainer.optimizer, trainer.model)
        return own(model, inputs, *args, **kwargs)

    trainer.training_step = noting
    log = trainer.log
    trainer.log = lambda given, start=None: (log(given, start), logs.append(given))
    trainer.train()
    assert len(seen) == 4
    for (phase, step), rates in seen.items():
        base = (1e-3 if phase == "prediction-layer" else 1e-2) * (1.0, 0.5)[step]  # two steps each
        factors = {"bert.embeddings.": 0.5, "classifier.": 10.0, f"{PROJECTIONS_ATTRIBUTE}.": 3.0}
        for name, rate in rates.items():
            factor = next((by for start, by in factors.items() if name.startswith(start)), 1.0)
            assert rate == pytest.approx(base * factor), name
        assert any(name.startswith(PROJECTIONS_ATTRIBUTE) for name in rates)
    assert [given["learning_rate"] for given in logs if "learning_rate" in given] == pytest.approx(
        [1e-2, 5e-3, 1e-3, 5e-4]
    )
    assert (
        DistillationRecord.load(tmp_path / "run" / "prediction-layer" / "checkpoint-1").learning_rate_factors
        == FACTORS
    )


def test_a_resumed_run_ends_as_the_straight_one_and_is_refused_with_other_factors(
    build_trainer, build_student, tmp_path
):
    """Prevents moments of one group that are taken for another's."""
    settings = {"learning_rate_factors": FACTORS, "save_strategy": "steps", "save_steps": 1, "learning_rate": 1e-2}
    settings["phases"] = ["joint"]
    straight = build_trainer(settings, model=build_student())
    straight.train()
    checkpoint = tmp_path / "run" / "checkpoint-1"
    other = {**settings, "output_dir": str(tmp_path / "other")}
    resumed = build_trainer(other, model=build_student())
    resumed.train(resume_from_checkpoint=str(checkpoint))
    weights = resumed.model.state_dict()
    assert all(torch.equal(weights[name], one) for name, one in straight.model.state_dict().items())
    changed = build_trainer({**other, "learning_rate_factors": {"classifier": 10}}, model=build_student())
    with pytest.raises(ValueError, match="expected `learning_rate_factors` as in"):
        changed.train(resume_from_checkpoint=str(checkpoint))


def test_an_optimizer_of_the_caller_is_refused_beside_factors(build_trainer, build_student):
    """Prevents factors that an optimizer of the caller knows nothing of."""
    student = build_student()
    optimizers = (torch.optim.AdamW(student.parameters(), lr=1e-3), None)
    arguments = {"phases": ["joint"], "learning_rate_factors": {"classifier": 10}}
    with pytest.raises(ValueError, match="expected no `optimizers` with `learning_rate_factors`"):
        build_trainer(arguments, model=student, optimizers=optimizers)


def test_parts_of_an_adapter_student_have_rates_too(build_student, build_trainer):
    """Prevents the names of an adapter's weights, which begin otherwise, from meaning nothing."""
    adapted = peft.get_peft_model(build_student(), peft.LoraConfig("SEQ_CLS", r=2, target_modules=["query"]))
    trainer = build_trainer({"phases": ["joint"], "learning_rate_factors": {"lora_B": 16}}, model=adapted)
    assert isinstance(trainer, OptimizingTrainer)
    rates = _rates(trainer.create_optimizer(), trainer.model)
    assert any("lora_A" in name for name in rates)
    rate = trainer.args.learning_rate
    assert rates == pytest.approx({name: rate * (16 if "lora_B" in name else 1) for name in rates})
