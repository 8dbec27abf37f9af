"""Which teacher layers a student should imitate: dev scores of fixed and learned layer mappings.

all-MiniLM-L6-v2 (6 layers x 384) fine-tuned on sentences -> 4 layers x 312 from the teacher's weights, one joint phase
of all terms. Only the validation split is read. The teacher is fine-tuned once and kept in `--teacher`; runs that the
result file holds already are not repeated.

Cost: 2 minutes for the teacher and 2 to 3 minutes a run on 2 cores.

    python benchmarks/layer_mapping.py --data FOLDER                                # all mappings, 3 seeds
    python benchmarks/layer_mapping.py --data FOLDER --mapping transport --seed 0   # one run
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser
from datasets import Dataset, DatasetDict
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.layer_mapping import MappingStrategy, is_learned, resolve_layer_mapping
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification

MAX_LENGTH, BATCH_SIZE, CALIBRATION_ROWS = 64, 32, 512
TEACHER_EPOCHS, TEACHER_LEARNING_RATE, LEARNING_RATE = 1.0, 2e-4, 3e-4
RESULTS = Path(__file__).parent / "results" / "layer_mapping.json"
MAPPINGS = [str(strategy) for strategy in MappingStrategy]
SCORES = ("accuracy", "agreement", "divergence")
STOCK: dict[str, Any] = {
    "per_device_train_batch_size": BATCH_SIZE,
    "per_device_eval_batch_size": 128,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": True,
}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train and validation sentences")
    parser.add_only("--mapping", MAPPINGS)
    parser.add_seeds()
    parser.add_argument("--steps", type=int, default=400, help="training steps (default 400)")
    parser.add_argument("--rows", type=int, help="use only so many rows of each split")
    parser.add_threads()
    parser.add_argument("--teacher", type=Path, default=Path("runs/layer_mapping_teacher"), help="fine-tuned teacher")
    parser.add_output(RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(packaged_teacher())
    rows, labels = _rows(arguments.data, tokenizer, arguments.rows)
    results = _read(arguments.output, _setting(arguments.data.name, arguments.steps, rows))
    known = {(run["mapping"], run["seed"]) for run in results["runs"]}
    wanted = [(name, seed) for seed in arguments.seed or SEEDS for name in arguments.mapping or MAPPINGS]
    missing = [run for run in wanted if run not in known]
    if missing and not (arguments.teacher / "config.json").exists():
        finetune_teacher(arguments.teacher, rows, labels, tokenizer)
    for mapping, seed in missing:
        results["runs"].append(measure(mapping, seed, arguments.steps, arguments.teacher, rows, tokenizer))
        results["summary"] = _summary(results["runs"])
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(results["summary"], indent=1) + "\n")


def measure(
    mapping: str, seed: int, steps: int, teacher_folder: Path, rows: DatasetDict, tokenizer: PreTrainedTokenizerBase
) -> dict[str, object]:
    """One mapping with one seed.

    Args:
        mapping: A `MappingStrategy`.
        seed: Of random weights and of the order of sentences.
        steps: Training steps.
        teacher_folder: The fine-tuned teacher.
        rows: Tokenised `train` and `validation`.
        tokenizer: Of both models.

    Returns:
        Dev accuracy, share of dev rows with the teacher's answer, mean divergence from the teacher's probabilities
        (nats), the teacher's accuracy, seconds of training, and the weights of a learned mapping.
    """
    teacher = AutoModelForSequenceClassification.from_pretrained(teacher_folder).eval()
    set_seed(seed)
    sizes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    student = TinyBertForSequenceClassification(TinyBertConfig.from_teacher(teacher.config, **sizes))
    layers = resolve_layer_mapping(mapping, student.config.num_hidden_layers, teacher.config.num_hidden_layers)
    collator = DataCollatorWithPadding(tokenizer)
    first = rows["train"].shuffle(seed=seed).select(range(min(CALIBRATION_ROWS, len(rows["train"]))))
    calibration = torch.utils.data.DataLoader(first, batch_size=BATCH_SIZE, collate_fn=collator)
    initial = initialize_from_teacher(student, teacher, layer_mapping=layers, calibration=calibration, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        settings = DistillationArguments(
            **STOCK,
            output_dir=folder,
            phases=["joint"],
            layer_mapping=mapping,
            learning_rate=LEARNING_RATE,
            max_steps=steps,
            seed=seed,
        )
        trainer = DistillationTrainer(
            student,
            settings,
            teacher=teacher,
            initialization=initial,
            train_dataset=rows["train"],
            processing_class=tokenizer,
            data_collator=collator,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    run: dict[str, object] = {"mapping": mapping, "seed": seed, "layers": list(layers)}
    run |= _scores(student, teacher, rows["validation"], collator)
    run["seconds"] = round(seconds, 1)
    if is_learned(mapping):
        run["learned"] = trainer.phase_objective.learned_mapping.to_json()
    return run


def finetune_teacher(folder: Path, rows: DatasetDict, labels: list[str], tokenizer: PreTrainedTokenizerBase) -> None:
    """Fine-tune the packaged teacher on the labels and save it.

    Args:
        folder: Where to.
        rows: Tokenised `train`.
        labels: Class names in the order of their ids.
        tokenizer: The teacher's.
    """
    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        packaged_teacher(),
        id2label=dict(enumerate(labels)),
        label2id={name: label for label, name in enumerate(labels)},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            **STOCK, output_dir=output, num_train_epochs=TEACHER_EPOCHS, learning_rate=TEACHER_LEARNING_RATE
        )
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(model, settings, train_dataset=rows["train"], data_collator=collator).train()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.inference_mode()
def _scores(
    student: torch.nn.Module, teacher: torch.nn.Module, rows: Dataset, collator: DataCollatorWithPadding
) -> dict[str, float]:
    right, same, teacher_right, divergence = 0, 0, 0, 0.0
    student.eval()
    for batch in torch.utils.data.DataLoader(rows, batch_size=128, collate_fn=collator):
        labels = batch.pop("labels")
        own, wanted = (model(**batch).logits.float().log_softmax(-1) for model in (student, teacher))
        right += int((own.argmax(-1) == labels).sum())
        teacher_right += int((wanted.argmax(-1) == labels).sum())
        same += int((own.argmax(-1) == wanted.argmax(-1)).sum())
        divergence += float(functional.kl_div(own, wanted, log_target=True, reduction="sum"))
    totals = {"accuracy": right, "agreement": same, "divergence": divergence, "teacher_accuracy": teacher_right}
    return {name: round(total / len(rows), 4) for name, total in totals.items()}


def _rows(folder: Path, tokenizer: PreTrainedTokenizerBase, limit: int | None) -> tuple[DatasetDict, list[str]]:
    """Tokenised train and validation rows and the class names; the test split is left alone."""
    texts = load_task_data(folder).splits
    texts = DatasetDict({split: texts[split] for split in ("train", "validation")})
    if limit is not None:
        texts = DatasetDict(
            {name: rows.shuffle(seed=0).select(range(min(limit, len(rows)))) for name, rows in texts.items()}
        )
    return tokenize_texts(texts, tokenizer, MAX_LENGTH), label_names(texts)


def _summary(runs: list[dict[str, Any]]) -> dict[str, object]:
    """Mean and spread over seeds of every score, by mapping."""
    summary: dict[str, object] = {}
    for mapping in MAPPINGS:
        own = [run for run in runs if run["mapping"] == mapping]
        if own:
            summary[mapping] = {"seeds": len(own)} | {score: _spread([run[score] for run in own]) for score in SCORES}
            summary[mapping] |= {"seconds": round(statistics.fmean(run["seconds"] for run in own), 1)}
    return summary


def _spread(scores: list[float]) -> dict[str, float]:
    return {"mean": round(statistics.fmean(scores), 4), "min": min(scores), "max": max(scores)}


def _setting(data: str, steps: int, rows: DatasetDict) -> dict[str, object]:
    return {
        "teacher": "sentence-transformers/all-MiniLM-L6-v2, fine-tuned for one epoch with learning rate 2e-4",
        "student": "4 layers x 312, 12 heads, initialised from the teacher",
        "data": data,
        "rows": {name: len(split) for name, split in rows.items()},
        "max_length": MAX_LENGTH,
        "phase": "joint",
        "steps": steps,
        "batch": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
    }


def _read(file: Path, setting: dict[str, object]) -> dict[str, Any]:
    machine = {"cpu": _cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    if not file.exists():
        return {"setting": setting, "machine": machine, "summary": {}, "runs": []}
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if (results["setting"], results["machine"]) != (setting, machine):
        raise SystemExit(f"`{file}` holds runs of another setting or machine; give another `--output`")
    return results


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
