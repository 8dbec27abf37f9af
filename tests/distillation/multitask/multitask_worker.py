"""Trains the tiny multi-task student in processes of their own, for the tests of several processes.

    python -m torch.distributed.run --nproc_per_node 2 multitask_worker.py runs.json

`runs.json` is a list of runs: `folder`, `accumulation` (1), `resume` (a checkpoint below the folder), `end`.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

SECONDS = 120


def train(run):
    spec = importlib.util.spec_from_file_location("multitask_setup", Path(__file__).with_name("multitask_setup.py"))
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    from hf_tinybert.distillation.arguments import DistillationArguments
    from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer

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
    tasks = {name: tiny.task(name, eval_dataset=tiny.rows(name, 8), lengths=(5, 6, 8, 9)) for name in names[:2]}
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


def start(tmp_path, runs, processes=None):
    """Called by tests: carries out runs one after the other, here or in several processes; gives their ends."""
    runs = [{**run, "end": str(tmp_path / f"{processes}-{number}.pt")} for number, run in enumerate(runs)]
    if processes is None:
        for run in runs:
            train(run)
        return [torch.load(run["end"], weights_only=True) for run in runs]
    file = tmp_path / "runs.json"
    file.write_text(json.dumps(runs), encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, *launcher, __file__, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError("\n".join(done.stderr.splitlines()[-60:]))
    return [torch.load(run["end"], weights_only=True) for run in runs]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for requested in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        train(requested)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
