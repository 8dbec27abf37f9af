"""Trains the tiny multi-task student, here or in processes of their own, for the tests of several processes.

A run is a dictionary: `folder`, `accumulation` (1), `resume` (a checkpoint below the folder), `end`.
"""

import torch

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from tests.distillation.multitask import multitask_setup as tiny
from tests.processes import check_ended_well, run_together


def train(run):
    arguments = DistillationArguments(
        run["folder"],
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        preflight=False,
        phases=["joint"],
        per_device_train_batch_size=2,
        per_device_eval_batch_size=4,
        gradient_accumulation_steps=run.get("accumulation", 1),
        max_steps=10,
        save_strategy="steps",
        save_steps=4,
        eval_strategy="steps",
        eval_steps=5,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        seed=0,
    )
    names = ("mood", "ner", "words")
    tasks = {name: tiny.task(name, eval_dataset=tiny.rows(name, 7), lengths=(5, 6, 8, 9)) for name in names[:2]}
    tasks["words"] = tiny.task("words", lengths=(7,), loss_weights={"prediction_loss": 0})
    trainer = MultiTaskDistillationTrainer(tiny.student(names), arguments, tasks=tasks)
    seen, compute = [], trainer.compute_loss

    def noting(model, inputs, *args, **kwargs):
        if model.training:
            seen.append(inputs["task"])
        return compute(model, inputs, *args, **kwargs)

    trainer.compute_loss = noting
    resume = run.get("resume")
    trainer.train(resume_from_checkpoint=f"{run['folder']}/{resume}" if resume else None)
    if trainer.is_world_process_zero():
        weights = {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}
        metrics = {k: v for k, v in trainer.state.log_history[-2].items() if k.endswith("loss")}
        torch.save({"weights": weights, "tasks": seen, "metrics": metrics}, run["end"])


def train_all(runs):
    """What each process of a group does."""
    for run in runs:
        train(run)
    torch.distributed.destroy_process_group()


def start(tmp_path, runs, processes=None):
    """Called by tests: carries out runs one after the other, here or in several processes; gives their ends."""
    runs = [{**run, "end": str(tmp_path / f"{processes}-{number}.pt")} for number, run in enumerate(runs)]
    if processes is None:
        for run in runs:
            train(run)
    else:
        log = tmp_path / "processes.log"
        check_ended_well(run_together(train_all, runs, log=log, processes=processes), log)
    return [torch.load(run["end"], weights_only=True) for run in runs]
