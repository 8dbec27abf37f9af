"""What a training step costs the host: models so small that nothing is left of a step but Python and dispatch.

On a GPU the kernels of a small student are short, so that a step lasts as long as the host takes to launch them. That
share is measured here on a processor: hidden size 24, 2 heads, 4 student and 6 teacher layers, batches of 4 rows
padded to 10 tokens, float32, all terms of the joint phase. Arms:

- `engine`: `DistillationTrainer` with its defaults, the teacher at every step;
- `engine-cache`: the same with the teacher's outputs from a cache;
- `engine-bf16`: as `engine`, under autocast to bf16, for its operations: every weight, every input of a product and
  every gradient of them is converted (its milliseconds count where the processor computes in bf16);
- `bare-loop`: both forwards with this package's attention, which gives queries and keys, the same terms summed by
  hand, backward, clipping, fused AdamW and schedule;
- `stock-trainer`: the stock Trainer, which trains the student alone on labels.

Milliseconds are processor time of a step, which other load on the machine changes little, the least of interleaved
repetitions. Operations are those of one step that run on the device, views left out; waits are what the host asks of
the device's values in it.

Cost: about 3 minutes on one core.

    python benchmarks/host_time.py
    python benchmarks/host_time.py --arm engine --arm bare-loop --steps 300
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from command_line import BenchmarkParser
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)
from transformers.utils import logging as transformers_logging

from hf_tinybert import DistillationArguments, DistillationTrainer, TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.machine import machine

RESULTS = Path(__file__).parent / "results" / "host_time.json"
BATCH, LENGTH, VOCABULARY, BATCHES = 4, 8, 200, 64
STUDENT_LAYERS, TEACHER_LAYERS, WIDTH = 4, 6, 24
FIRST_STEPS = 20  # which are not counted
_WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal")
_FREE = ("detach", "alias", "_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")


class Operations(TorchDispatchMode):
    """What is asked of the device inside, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.counts = Counter[str]()

    def __torch_dispatch__(
        self,
        function: Any,  # noqa: ANN401 (types of torch)
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Run and count one."""
        name = function._schema.name.removeprefix("aten::")
        if not (function.is_view or name in _FREE or "::" in name):
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


class StepClock(TrainerCallback):
    """Times steps, and counts the operations of the one after them.

    Args:
        steps: that are timed.
    """

    def __init__(self, steps: int) -> None:
        self._last = FIRST_STEPS + steps
        self._started = self.seconds = 0.0
        self._steps, self._mode = steps, Operations()

    @property
    def figures(self) -> dict[str, float]:
        """Of a step."""
        waits = sum(self._mode.counts[name] for name in _WAITS)
        operations = sum(self._mode.counts.values())
        return {"milliseconds": 1e3 * self.seconds / self._steps, "operations": operations, "waits": waits}

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count from here, where the batch is made."""
        if state.global_step == self._last:
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Start or stop the clock."""
        if state.global_step == FIRST_STEPS:
            self._started = time.process_time()
        elif state.global_step == self._last:
            self.seconds = time.process_time() - self._started
        elif state.global_step == self._last + 1:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def main() -> None:
    """Measures every arm, prints a table in Markdown and writes the result file."""
    parser = BenchmarkParser(__doc__)
    parser.add_only("--arm", ARMS)
    parser.add_argument("--steps", type=int, default=100, help="steps of a repetition (default 100)")
    parser.add_argument("--repetitions", type=int, default=5, help="repetitions of each arm (default 5)")
    parser.add_output(RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    figures: dict[str, list[dict[str, float]]] = {arm: [] for arm in options.arm or ARMS}
    for _ in range(options.repetitions):
        for arm, found in figures.items():
            clock = StepClock(options.steps)
            with tempfile.TemporaryDirectory() as folder:
                ARMS[arm](clock, options.steps + FIRST_STEPS + 2, Path(folder))
            found.append(clock.figures)
    least = {arm: min(found, key=lambda one: one["milliseconds"]) for arm, found in figures.items()}
    sys.stdout.write("| arm | ms of a step | steps/s | operations | waits |\n" + "|---" * 5 + "|\n")
    for arm, one in least.items():
        shown = f"{one['milliseconds']:.1f} | {1e3 / one['milliseconds']:.0f}"
        sys.stdout.write(f"| {arm} | {shown} | {one['operations']:.0f} | {one['waits']:.0f} |\n")
    result = {"machine": machine(), "steps": options.steps, "least": least, "repetitions": figures}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def models() -> tuple[PreTrainedModel, PreTrainedModel]:
    """Student and teacher with random weights, the same at every call."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_attention_heads": 2}
    shape |= {"intermediate_size": 2 * WIDTH, "id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    dropout: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    teacher = BertForSequenceClassification(BertConfig(num_hidden_layers=TEACHER_LAYERS, **shape))
    config = TinyBertConfig(num_hidden_layers=STUDENT_LAYERS, **shape, **dropout)
    return TinyBertForSequenceClassification(config), teacher


def rows() -> Dataset:
    """Random tokens, between 6 and 8 in a row, with labels."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(LENGTH - 2, LENGTH + 1, (BATCH * BATCHES,), generator=generator).tolist()
    tokens = [torch.randint(5, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]
    return Dataset.from_dict(
        {
            "input_ids": tokens,
            "attention_mask": [[1] * length for length in lengths],
            "token_type_ids": [[0] * length for length in lengths],
            "labels": [row[0] % 2 for row in tokens],
        }
    )


def collate(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Rows padded to two tokens more than the longest has."""
    made = {}
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        made[name] = torch.tensor([[*row[name], *[0] * (LENGTH + 2 - len(row[name]))] for row in batch])
    return {**made, "labels": torch.tensor([row["labels"] for row in batch])}


def run_engine(clock: StepClock, steps: int, folder: Path, *, cached: bool = False, bf16: bool = False) -> None:
    """`DistillationTrainer` with its defaults."""
    student, teacher = models()
    arguments = DistillationArguments(
        **_arguments(steps, folder),
        preflight=False,
        bf16=bf16,
        bf16_where_fast=False,
        teacher_cache_dir=str(folder / "cache") if cached else None,
    )
    data: dict[str, Any] = {"train_dataset": rows(), "data_collator": collate, "callbacks": [clock]}
    trainer = DistillationTrainer(student, arguments, teacher=teacher, **data)
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def run_stock_trainer(clock: StepClock, steps: int, folder: Path) -> None:
    """The student alone."""
    student, _ = models()
    arguments = TrainingArguments(**_arguments(steps, folder))
    trainer = Trainer(student, arguments, train_dataset=rows(), data_collator=collate, callbacks=[clock])
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def run_bare_loop(clock: StepClock, steps: int, folder: Path) -> None:
    """What one would write for this pair alone."""
    student, teacher = models()
    teacher.eval().requires_grad_(False)
    mapping = resolve_layer_mapping("uniform", STUDENT_LAYERS, TEACHER_LAYERS)
    record_attention(student, values=False)
    record_attention(teacher, mapping[1:], values=False)
    projections = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in mapping)
    parameters = [*student.parameters(), *projections.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    arguments, state, control = TrainingArguments(**_arguments(steps, folder)), TrainerState(), TrainerControl()
    data = rows().remove_columns("labels").add_column("labels", [0] * BATCH * BATCHES)
    while state.global_step < steps:
        for batch in DataLoader(data, BATCH, shuffle=True, collate_fn=collate):
            clock.on_step_begin(arguments, state, control)
            del batch["labels"]
            asked = {"output_hidden_states": True, "output_attentions": True}
            own = student.train()(**batch, **asked)
            with torch.no_grad():
                other = teacher(**batch, **asked)
            loss = -(other.logits.softmax(-1) * own.logits.log_softmax(-1)).sum(-1).mean()
            for layer, taught in enumerate(mapping):
                projected = projections[layer](own.hidden_states[layer])
                loss = loss + functional.mse_loss(projected, other.hidden_states[taught])
                if layer:
                    scores = own.attentions[layer - 1].scores(), other.attentions[taught - 1].scores()
                    loss = loss + functional.mse_loss(*scores)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            state.global_step += 1
            clock.on_step_end(arguments, state, control)
            if state.global_step == steps:
                break


def _arguments(steps: int, folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": BATCH,
        "max_steps": steps,
        "logging_steps": 500,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "train_sampling_strategy": "group_by_length",
    }


ARMS: dict[str, Callable[[StepClock, int, Path], None]] = {
    "engine": run_engine,
    "engine-cache": partial(run_engine, cached=True),
    "engine-bf16": partial(run_engine, bf16=True),
    "bare-loop": run_bare_loop,
    "stock-trainer": run_stock_trainer,
}


if __name__ == "__main__":
    main()
