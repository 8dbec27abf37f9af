"""Two processes train as one process that accumulates over two batches."""

import os
import runpy
import subprocess
import sys

import pytest
import torch

SCRIPT = """
import sys

import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification, default_data_collator

from hf_tinybert import TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.distillation import DistillationArguments, DistillationTrainer

SHAPE = dict(vocab_size=40, max_position_embeddings=16, num_attention_heads=4, num_labels=3)
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def main(folder, accumulation, checkpointing):
    torch.manual_seed(1)
    student = TinyBertForSequenceClassification(
        TinyBertConfig(hidden_size=16, num_hidden_layers=2, intermediate_size=24, **SHAPE, **NO_DROPOUT)
    )
    teacher = BertForSequenceClassification(
        BertConfig(hidden_size=32, num_hidden_layers=4, intermediate_size=48, **SHAPE, **NO_DROPOUT)
    )
    ids = torch.randint(1, 40, (16, 7)).tolist()
    rows = Dataset.from_dict({"input_ids": ids, "labels": [row % 3 for row in range(16)]})
    arguments = DistillationArguments(
        folder, use_cpu=True, report_to="none", disable_tqdm=True, per_device_train_batch_size=2,
        gradient_accumulation_steps=accumulation, activation_checkpointing=checkpointing, logging_steps=1,
        intermediate_num_train_epochs=1, num_train_epochs=1, save_strategy="epoch", optim="sgd", max_grad_norm=0.0,
        learning_rate=1e-2, intermediate_learning_rate=1e-2, eval_strategy="epoch", seed=0,
    )
    trainer = DistillationTrainer(
        student, arguments, teacher=teacher, train_dataset=rows, eval_dataset=rows, data_collator=default_data_collator
    )
    history = []

    def log(logs, start_time=None):
        DistillationTrainer.log(trainer, logs, start_time)
        history.append({name: value for name, value in logs.items() if name.endswith("loss")})

    trainer.log = log
    trainer.train()
    if trainer.is_world_process_zero():
        torch.save({"weights": student.state_dict(), "history": history}, folder + "/end.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], 1, False)
    main(sys.argv[2], 1, True)
"""


@pytest.mark.distributed
def test_two_processes_train_both_phases_as_one_that_accumulates(tmp_path):
    """Prevents gradients that are not averaged, unused parameters that stop a phase, and a second phase unwrapped."""
    script = tmp_path / "distil.py"
    script.write_text(SCRIPT, encoding="utf-8")
    folders = [str(tmp_path / name) for name in ("one", "two", "two_checkpointing")]
    runpy.run_path(str(script))["main"](folders[0], 2, False)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "2",
            str(script),
            *folders[1:],
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        timeout=200,
    )
    one, *two = (torch.load(f"{folder}/end.pt", weights_only=True) for folder in folders)
    for other in two:
        for name, tensor in one["weights"].items():
            torch.testing.assert_close(other["weights"][name], tensor, rtol=1e-4, atol=1e-6, msg=name)
        assert len(other["history"]) == len(one["history"])
        for expected, got in zip(one["history"], other["history"], strict=True):
            assert got == pytest.approx(expected, rel=1e-4)
    checkpoints = sorted(path.relative_to(folders[1]).as_posix() for path in (tmp_path / "two").glob("*/checkpoint-*"))
    assert checkpoints == ["intermediate-layer/checkpoint-4", "prediction-layer/checkpoint-4"]
