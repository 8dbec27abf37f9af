"""Which first weights suit a student best: intermediate losses before any training and after a short one.

all-MiniLM-L6-v2 (6 layers x 384) -> 4 layers x 312, BBC News packed to 128 tokens, losses on held-out articles. For
each choice: AdamW, 3e-4 after 6 steps of warm-up, 32 x 128 tokens a step, fp32, no dropout, one training projection
per state that starts where the initialisation says. `calibrate-4k` and `calibrate-random` are the best choice with
less or no real text to fit on.

Cost: about 3 minutes and 3 GiB a run on 2 cores. Runs that the result file holds already are not repeated.

    python benchmarks/initialization.py                                      # all choices, 3 seeds
    python benchmarks/initialization.py --choice reconstruction --seed 0     # one run
"""

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from command_line import SEEDS, BenchmarkParser
from datasets import Dataset
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.packages import packaged_bbc_news, packaged_teacher
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.distillation.states import student_states, teacher_states
from hf_tinybert.distillation.terms import Term
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import StudentInitialization, initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertModel

LENGTH, BATCH_SIZE, CALIBRATION_BLOCKS, VALIDATION_BLOCKS = 128, 32, 128, 256
LEARNING_RATE, WARMUP_STEPS = 3e-4, 6
RESULTS = Path(__file__).parent / "results" / "initialization.json"
# choice -> arguments of initialize_from_teacher, and calibration blocks (None: no text)
CHOICES: dict[str, tuple[dict[str, str], int | None]] = {
    "random": ({"method": "random"}, None),
    "project": ({"layer_norm": "project"}, CALIBRATION_BLOCKS),
    "fold": ({"layer_norm": "fold"}, CALIBRATION_BLOCKS),
    "least_squares": ({"layer_norm": "least_squares"}, CALIBRATION_BLOCKS),
    "reconstruction": ({"layer_norm": "reconstruction"}, CALIBRATION_BLOCKS),
    "calibrate-4k": ({"layer_norm": "reconstruction"}, 32),
    "calibrate-random": ({"layer_norm": "reconstruction"}, None),
}
TERMS = (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES)
OBJECTIVE = DistillationObjective(weights=dict.fromkeys(TERMS, 1.0))


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_only("--choice", CHOICES)
    parser.add_seeds()
    parser.add_argument("--steps", type=int, default=60, help="training steps (default 60)")
    parser.add_threads()
    parser.add_output(RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = _read(arguments.output, arguments.steps)
    wanted = [(choice, seed) for seed in arguments.seed or SEEDS for choice in arguments.choice or CHOICES]
    known = {(run["choice"], run["seed"]) for run in results["runs"]}
    missing = [run for run in wanted if run not in known]
    texts = _packed_texts() if missing else {}
    for choice, seed in missing:
        results["runs"].append(measure(choice, seed, arguments.steps, texts))
        results["summary"] = _summary(results["runs"])
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(results["summary"], indent=1) + "\n")


def measure(choice: str, seed: int, steps: int, texts: dict[str, Tensor]) -> dict[str, object]:
    """One choice with one seed.

    Args:
        choice: Key of `CHOICES`.
        seed: Of random weights, of the calibration blocks drawn and of the order of training blocks.
        steps: Training steps.
        texts: `train` and `validation`, int64 `(blocks, 128)`.

    Returns:
        Held-out losses `before` and `after` training, seconds of both parts.
    """
    teacher = AutoModel.from_pretrained(packaged_teacher()).eval()
    sizes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    student = TinyBertModel(TinyBertConfig.from_teacher(teacher.config, **sizes), add_pooling_layer=False)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(texts["train"]), generator=generator)
    options, blocks = CHOICES[choice]
    rows = None if blocks is None else texts["train"][order[-blocks:]].split(BATCH_SIZE)
    calibration = None if rows is None else [{"input_ids": block} for block in rows]
    start = time.perf_counter()
    initial = initialize_from_teacher(student, teacher, calibration=calibration, seed=seed, **options)
    initialized = time.perf_counter()
    _prepare(student, teacher, initial)
    before = _evaluate(student, teacher, initial, texts["validation"])
    training = time.perf_counter()
    _train(student, teacher, initial, [texts["train"][order[i * BATCH_SIZE :][:BATCH_SIZE]] for i in range(steps)])
    seconds = {"initialization": initialized - start, "training": time.perf_counter() - training}
    after = _evaluate(student, teacher, initial, texts["validation"])
    return {
        "choice": choice,
        "seed": seed,
        "before": before,
        "after": after,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _prepare(student: PreTrainedModel, teacher: PreTrainedModel, initial: StudentInitialization) -> None:
    widths = student.config.hidden_size, teacher.config.hidden_size
    projections = DistillationProjections(*widths, states=len(initial.mapping))
    projections.start_at(initial)
    for model in (student, teacher):
        record_attention(model)
    attach_projections(student, projections)


def _losses(
    student: PreTrainedModel, teacher: PreTrainedModel, initial: StudentInitialization, block: Tensor
) -> dict[str, Tensor]:
    inputs = {"input_ids": block, "attention_mask": torch.ones_like(block)}
    with torch.no_grad():
        wanted = teacher(**inputs, output_hidden_states=True, output_attentions=True)
    output = student(**inputs, output_hidden_states=True, output_attentions=True)
    return OBJECTIVE.losses(student_states(output, inputs), teacher_states(wanted, inputs, initial.mapping))


def _train(
    student: PreTrainedModel, teacher: PreTrainedModel, initial: StudentInitialization, blocks: list[Tensor]
) -> None:
    student.train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS))
    for block in blocks:
        optimizer.zero_grad()
        OBJECTIVE.total(_losses(student, teacher, initial, block)).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _evaluate(
    student: PreTrainedModel, teacher: PreTrainedModel, initial: StudentInitialization, texts: Tensor
) -> dict[str, float]:
    student.eval()
    blocks = texts[:VALIDATION_BLOCKS].split(BATCH_SIZE)
    per_block = [_losses(student, teacher, initial, block) for block in blocks]
    return {name: round(statistics.fmean(float(loss[name]) for loss in per_block), 5) for name in per_block[0]}


def _packed_texts() -> dict[str, Tensor]:
    tokenizer = AutoTokenizer.from_pretrained(packaged_teacher())
    news = packaged_bbc_news()
    return {split: _packed(news[split], tokenizer) for split in ("train", "validation")}


def _packed(articles: Dataset, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """All articles, one after the other, in blocks of 128 tokens: int64 `(blocks, 128)`."""
    encoded = tokenizer(articles["text"][:], add_special_tokens=False, verbose=False)["input_ids"]
    stream = [token for article in encoded for token in [*article, tokenizer.sep_token_id]]
    content = LENGTH - 2
    blocks = [stream[start : start + content] for start in range(0, len(stream) - content + 1, content)]
    return torch.tensor([[tokenizer.cls_token_id, *block, tokenizer.sep_token_id] for block in blocks])


def _summary(runs: list[dict[str, object]]) -> dict[str, object]:
    """Mean and spread over seeds of every loss, by choice."""
    summary: dict[str, object] = {}
    for choice in CHOICES:
        own = [run for run in runs if run["choice"] == choice]
        if own:
            summary[choice] = {"seeds": len(own)} | {
                f"{moment} {name}": _spread([run[moment][name] for run in own])
                for moment in ("before", "after")
                for name in map(str, OBJECTIVE.weights)
            }
    return summary


def _spread(losses: list[float]) -> dict[str, float]:
    return {"mean": round(statistics.fmean(losses), 5), "min": min(losses), "max": max(losses)}


def _read(file: Path, steps: int) -> dict:
    setting = {
        "teacher": "sentence-transformers/all-MiniLM-L6-v2",
        "student": "4 layers x 312, 12 heads, 1200 units",
        "text": "BBC News, train and validation of packaged_bbc_news(), packed to 128 tokens",
        "steps": steps,
        "batch": f"{BATCH_SIZE} x {LENGTH} tokens",
        "learning_rate": LEARNING_RATE,
        "held_out_blocks": VALIDATION_BLOCKS,
    }
    machine = {"cpu": _cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    if not file.exists():
        return {"setting": setting, "machine": machine, "summary": {}, "runs": []}
    results = json.loads(file.read_text(encoding="utf-8"))
    if (results["setting"], results["machine"]) != (setting, machine):
        raise SystemExit(f"`{file}` holds runs of another setting or machine; give another `--output`")
    return results


def _cpu() -> str:
    names = [line.split(":")[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


if __name__ == "__main__":
    main()
