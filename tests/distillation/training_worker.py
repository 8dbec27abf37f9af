"""Trains tiny students in processes of their own, for the tests of set-ups that one test process cannot be.

Alone, each run has a process of its own, which may be killed; together, all runs follow each other in one group. Each
run leaves its `end` in its folder: `history` (losses of every log), `predictions` of the evaluated rows, `weights`
(student and projections, whole) and what became of models and checkpoints.
"""

import gc
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from accelerate.utils import DistributedType
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    TrainerCallback,
    TrainerState,
)
from transformers import trainer_utils as stock

from hf_tinybert import TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.distillation import DistillationArguments, DistillationTrainer, join_teachers
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, DistillationProjections
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.sharding import partitioned_parameters, whole_tensors
from tests.processes import check_ended_well, run_alone, run_together

CONFIGS = Path(__file__).parents[2] / "examples" / "configs"
FIRST, SECOND = "intermediate-layer", "prediction-layer"
# the highest loss is called the best: that of the first evaluation, so that something has to be loaded
FIRST_IS_BEST = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
CHECKPOINT_FILES = [
    "distillation.json",
    "distillation_projections.safetensors",
    "model.safetensors",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
]  # in the order in which they are written
ROWS = 16
EVALUATED = 13  # their last batches hold one row, so that one process of two is left with doubles alone
SHAPE = {"vocab_size": 40, "max_position_embeddings": 16, "num_attention_heads": 4, "num_labels": 3}
STUDENT = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
TEACHER = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "BertLayer",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}


@dataclass
class Run:
    """One training.

    Attributes:
        folder: `output_dir`.
        setup: "plain" (one process, or DDP), "zero2", "zero3" or "fsdp2".
        arguments: of `DistillationArguments`, beyond the defaults below.
        models: folder with `student` and `teacher` to load by name; None makes both in memory.
        dropout: of the student.
        adapter: whether the student trains a LoRA adapter and its head alone.
        joined: whether a second teacher teaches beside the first, with half its weight.
        resume: True, or the folder of a checkpoint.
        early_stopping: stops a phase after its second evaluation.
        kill: where the process kills itself, see `_arm`.
        end: file with what it leaves; a run and its resume share a folder.
    """

    folder: str
    setup: str = "plain"
    arguments: dict[str, object] = field(default_factory=dict)
    models: str | None = None
    dropout: float = 0.0
    adapter: bool = False
    joined: bool = False
    resume: bool | str | None = None
    early_stopping: bool = False
    kill: dict[str, object] | None = None
    end: str = "end.pt"


def models(dropout=0.0):
    torch.manual_seed(1)
    teacher = BertForSequenceClassification(BertConfig(**SHAPE, **TEACHER))
    with torch.no_grad():  # a fresh BERT says nearly the same of every text
        for parameter in teacher.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return TinyBertForSequenceClassification(TinyBertConfig(**SHAPE, **STUDENT, **rates)), teacher


def other_teacher(run):
    """A narrower one that says something else."""
    if run.models:
        return AutoModelForSequenceClassification.from_pretrained(f"{run.models}/other")
    torch.manual_seed(2)
    other = BertForSequenceClassification(BertConfig(**SHAPE, **{**TEACHER, "hidden_size": 16}))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return other


def rows():
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(4, 12, (ROWS,), generator=generator).tolist()
    ids = [torch.randint(5, 40, (length,), generator=generator).tolist() for length in lengths]
    masks = [[1] * length for length in lengths]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": masks, "labels": [row % 3 for row in range(ROWS)]})


def collator():
    return DataCollatorWithPadding(BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}))


def arguments(run):
    defaults = {
        "recipe": "tinybert",
        "use_cpu": True,
        "bf16_where_fast": False,  # what is compared here is compared to the precision of float32
        "report_to": "none",
        "disable_tqdm": True,
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 3,
        "logging_steps": 1,
        "intermediate_max_steps": 5,
        "max_steps": 4,
        "save_strategy": "steps",
        "save_steps": 2,
        "learning_rate": 1e-2,
        "intermediate_learning_rate": 1e-2,
        "lr_scheduler_type": "constant_with_warmup",  # a rate of zero at the end would hide a step too many
        "warmup_steps": 2,
        "train_sampling_strategy": "group_by_length",
        "seed": 0,
    }
    if run.setup in ("zero2", "zero3"):
        defaults["deepspeed"] = deepspeed_config(int(run.setup[-1]))
    return DistillationArguments(run.folder, **{**defaults, **run.arguments})


def deepspeed_config(stage):
    """The ready configuration; for ZeRO-3 without its exception for parameters as small as these."""
    config = json.loads((CONFIGS / f"zero{stage}.json").read_text(encoding="utf-8"))
    if stage == 3:
        config["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    return config


def train(run):
    """Trains once and leaves its `end`."""
    os.environ.update(FSDP2 if run.setup == "fsdp2" else {})
    args = arguments(run)
    if run.setup == "fsdp2":
        # Accelerate knows FSDP for devices only and would fall back to DDP here without a word; gloo carries it well.
        args.distributed_state.distributed_type = DistributedType.MULTI_GPU
    if run.models:
        student = AutoModelForSequenceClassification.from_pretrained(f"{run.models}/student")
        teacher = f"{run.models}/teacher"
    else:
        student, teacher = models(run.dropout)
    if run.joined:
        first = AutoModelForSequenceClassification.from_pretrained(teacher) if run.models else teacher
        teacher = join_teachers([first, other_teacher(run)], [1.0, 0.5])
    if run.adapter:
        lora = LoraConfig("SEQ_CLS", r=4, target_modules=["query", "value"], modules_to_save=["classifier"])
        student = get_peft_model(student, lora)
    data = rows()
    evaluated = data.select(range(EVALUATED))
    trainer = DistillationTrainer(
        student, args, teacher=teacher, train_dataset=data, eval_dataset=evaluated, data_collator=collator()
    )
    if run.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(1, early_stopping_threshold=100.0))
    if run.kill:
        _arm(trainer, **run.kill)
    history = []
    log = trainer.log

    def remembering(logs, start_time=None):
        log(logs, start_time)
        kept = {name: value for name, value in logs.items() if name.endswith("loss") or name == "grad_norm"}
        if "train_loss" not in logs:  # of a resumed run it covers the steps since
            history.append({"phase": str(trainer.phase), "step": trainer.state.global_step, **kept})

    trainer.log = remembering
    sharded = bool(partitioned_parameters(student)), bool(partitioned_parameters(trainer.teacher))
    teacher_sha256 = trainer._teacher_sha256
    output = trainer.train(resume_from_checkpoint=run.resume)
    projections = dict(_cloned(trainer.model.get_submodule(PROJECTIONS_ATTRIBUTE)))
    trainer.save_model(f"{run.folder}/export")
    predictions = trainer.predict(evaluated).predictions
    if trainer.is_world_process_zero():
        weights = load_file(next(Path(run.folder, "export").glob("*model.safetensors")))
        end = {
            "history": history,
            "weights": {
                **weights,
                **{f"{PROJECTIONS_ATTRIBUTE}.{name}": value for name, value in projections.items()},
            },
            "exported": sorted(weights),
            "predictions": torch.from_numpy(predictions),
            "steps": output.global_step,
            "best": str(trainer.state.best_model_checkpoint),
            "sharded": sharded,
            "teacher_sha256": teacher_sha256,
        }
        torch.save(end, f"{run.folder}/{run.end}")
    for name in FSDP2:
        os.environ.pop(name, None)


def _cloned(module):
    return ((name, tensor.cpu().clone()) for name, tensor in whole_tensors(module))


# killing


class _KillAtStep(TrainerCallback):
    def __init__(self, trainer, phase, step):
        self.trainer, self.phase, self.step = trainer, phase, step

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        """In the middle of a step: gradients are there, weights are not moved."""
        if (self.trainer.phase, state.global_step) == (self.phase, self.step):
            die()


class _KillAtEnd(TrainerCallback):
    def __init__(self, trainer, phase):
        self.trainer, self.phase = trainer, phase

    def on_train_end(self, args, state, control, **kwargs):
        if self.trainer.phase == self.phase:
            die()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def cut_and_die(path):
    """Dies as if in the middle of writing a file."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    die()


def _arm(trainer, phase, step=None, file=None, rotation=False):
    """Kills this process: at a step, at the end of a phase, while a file of a checkpoint or of an old one is handled.

    Args:
        trainer: of the run.
        phase: the phase in which it dies.
        step: with nothing else, before the weights move from this step; with `file`, the checkpoint's step.
        file: dies with half of this file of the checkpoint written.
        rotation: dies with an old checkpoint half deleted.
    """
    if rotation:
        stock.shutil.rmtree = lambda folder, **_: (Path(folder, "model.safetensors").unlink(), die())
    elif file:
        _arm_file(f"{phase}/checkpoint-{step}/{file}")
    elif step is None:
        trainer.add_callback(_KillAtEnd(trainer, phase))
    else:
        trainer.add_callback(_KillAtStep(trainer, phase, step))


def _arm_file(end):
    """Wraps what writes the files of a checkpoint: each dies after the file whose path ends so."""

    def wrapped(write, path_of):
        def writing(*args, **kwargs):
            write(*args, **kwargs)
            path = path_of(*args[:2])
            if str(path).endswith(end):
                cut_and_die(path)

        return writing

    folder, name = end.rpartition("/")[::2]
    torch.save = wrapped(torch.save, lambda content, path: path)
    TrainerState.save_to_json = wrapped(TrainerState.save_to_json, lambda state, path: path)
    DistillationRecord.save = wrapped(DistillationRecord.save, lambda record, path: Path(path, "distillation.json"))
    DistillationProjections.save = wrapped(
        DistillationProjections.save, lambda self, path: Path(path, "distillation_projections.safetensors")
    )
    save = TinyBertForSequenceClassification.save_pretrained
    TinyBertForSequenceClassification.save_pretrained = wrapped(
        save, lambda self, path, **_: Path(path, "model.safetensors")
    )
    if name not in CHECKPOINT_FILES or not folder:
        raise ValueError(f"expected one of {CHECKPOINT_FILES}, got {end}")


# starting


def start(tmp_path, runs, processes=None):
    """Called by tests: carries out runs in a process each, or all in several together; gives what they left.

    A run that was killed, as it should be, gives its signal instead.
    """
    runs = [Run(**{**run, "end": f"end-{number}.pt"}) for number, run in enumerate(runs)]
    log = tmp_path / "processes.log"
    if processes:
        check_ended_well(run_together(train_all, runs, log=log, processes=processes), log)
        return [_end(run) for run in runs]
    return [_alone(run, log) for run in runs]


def _alone(run, log):
    code = run_alone(train, run, log=log)
    if run.kill and code < 0:
        return -code
    check_ended_well([code or ("was not killed" if run.kill else 0)], log)
    return _end(run)


def _end(run):
    return torch.load(Path(run.folder, run.end), weights_only=True)


def check_close(got, expected):
    """Two ends agree up to rounding: every loss and gradient norm of every log, every prediction, every weight."""
    assert got["steps"] == expected["steps"]
    assert len(got["history"]) == len(expected["history"])
    for one, other in zip(got["history"], expected["history"], strict=True):
        assert (one["phase"], one["step"], set(one)) == (other["phase"], other["step"], set(other))
        values = {name: value for name, value in other.items() if name != "phase"}
        assert {name: one[name] for name in values} == pytest.approx(values, rel=1e-4, abs=1e-5)
    assert set(got["weights"]) == set(expected["weights"])
    torch.testing.assert_close(got["predictions"], expected["predictions"], rtol=1e-4, atol=1e-5)
    for name, weight in expected["weights"].items():
        torch.testing.assert_close(got["weights"][name], weight, rtol=1e-4, atol=1e-5, msg=name)


def check_same_end(resumed, whole):
    """A resumed run logged what the whole one did from its first step on, and ended with the same weights."""
    assert resumed["history"] == whole["history"][-len(resumed["history"]) :]
    assert resumed["history"]
    assert [
        name for name, weight in whole["weights"].items() if not torch.equal(resumed["weights"][name], weight)
    ] == []


def train_all(runs):
    """What each process of a group does."""
    if any(run.setup.startswith("zero") for run in runs):
        import deepspeed

        # DeepSpeed's shared-memory collectives are compiled at first use, which takes minutes; gloo has them all
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    for run in runs:
        train(run)
        gc.collect()  # the DeepSpeed configuration of a run is in force as long as its arguments live
    torch.distributed.destroy_process_group()
