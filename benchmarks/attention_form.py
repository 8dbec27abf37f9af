"""From which length the factored form of the attention term is the faster one.

Forward and backward of `attention_scores_loss` on random queries and keys, batch 32, 12 heads, float32, a quarter of
the texts half as long; each form beside the same algebra left to autograd. Seconds are processor time, which other
load on the machine hardly changes, the least of interleaved repetitions; bytes are what stays in memory between
forward and backward.

Cost: about 4 minutes and 4 GiB on one core.

    python benchmarks/attention_form.py
    python benchmarks/attention_form.py --length 64 --length 128 --repetitions 20
"""

import json
import platform
import sys
import time
from pathlib import Path

import torch
from command_line import BenchmarkParser
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.losses import AttentionForm, attention_scores_loss

BATCH_SIZE, HEADS = 32, 12
LENGTHS = [16, 32, 64, 96, 128, 160, 192, 256, 512]
WIDTHS = [(26, 64), (26, 32), (32, 32), (64, 64)]  # head widths, student and teacher
CANDIDATES = ["direct", "factored", "direct-autograd", "factored-autograd"]
RESULTS = Path(__file__).parent / "results" / "attention_form.json"


def main() -> None:
    """Measures every length and width, prints a row for each and writes the result file."""
    parser = BenchmarkParser(__doc__)
    parser.add_argument(
        "--length", action="append", type=int, help=f"only this length (repeatable); default {LENGTHS}"
    )
    parser.add_argument("--repetitions", type=int, default=4, help="repetitions of each measurement (default 4)")
    parser.add_threads(1)
    parser.add_output(RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rows = []
    sys.stdout.write(
        "student  teacher  length  " + "  ".join(f"{name + ' ms (MB)':>26}" for name in CANDIDATES) + "\n"
    )
    for widths in WIDTHS:
        for length in arguments.length or LENGTHS:
            measured = measure(widths, length, arguments.repetitions)
            rows.append({"student_width": widths[0], "teacher_width": widths[1], "length": length, **measured})
            cells = [f"{1e3 * cost['seconds']:.1f} ({cost['kept_bytes'] / 1e6:.0f})" for cost in measured.values()]
            row = f"{widths[0]:>7}  {widths[1]:>7}  {length:>6}  " + "  ".join(f"{cell:>26}" for cell in cells)
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
    result = {
        "setting": {
            "batch_size": BATCH_SIZE,
            "heads": HEADS,
            "dtype": "float32",
            "repetitions": arguments.repetitions,
            "threads": arguments.threads,
            "torch": torch.__version__,
            "machine": platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        },
        "rows": rows,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(widths: tuple[int, int], length: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Seconds and bytes of every candidate at one length and pair of head widths."""
    student, teacher = random_record(widths[0], length), random_record(widths[1], length)
    for tensor in (student.query, student.key):
        tensor.requires_grad_()
    mask = torch.ones(BATCH_SIZE, length, dtype=torch.long)
    mask[: BATCH_SIZE // 4, length // 2 :] = 0
    costs = {name: {"seconds": float("inf"), "kept_bytes": 0.0} for name in CANDIDATES}
    for _ in range(repetitions):
        for name, cost in costs.items():
            kept: dict[int, int] = {}
            student.query.grad = student.key.grad = None
            with torch.autograd.graph.saved_tensors_hooks(lambda tensor, kept=kept: _weigh(tensor, kept), lambda t: t):
                start = time.process_time()
                loss(name, student, teacher, mask).backward()
                cost["seconds"] = min(cost["seconds"], time.process_time() - start)
            inputs = {tensor.untyped_storage().data_ptr() for tensor in (*student[:2], *teacher[:2])}
            cost["kept_bytes"] = float(sum(size for pointer, size in kept.items() if pointer not in inputs))
    return costs


def loss(name: str, student: AttentionRecord, teacher: AttentionRecord, mask: Tensor) -> Tensor:
    """One candidate's value."""
    form, _, by_autograd = name.partition("-")
    if not by_autograd:
        return attention_scores_loss(student, teacher, mask, form=AttentionForm(form))
    valid = (mask != 0)[:, None, :, None]
    query = torch.cat([student.query * student.scaling, teacher.query * teacher.scaling], dim=-1) * valid
    key = torch.cat([student.key, -teacher.key], dim=-1) * valid
    if form == AttentionForm.DIRECT:
        squared_error = query.matmul(key.transpose(-1, -2)).square().sum()
    else:
        squared_error = (query.transpose(-1, -2).matmul(query) * key.transpose(-1, -2).matmul(key)).sum()
    return squared_error / (HEADS * (mask != 0).sum(-1).square().sum())


def random_record(width: int, length: int) -> AttentionRecord:
    """A record as an encoder makes it: heads are views of `(batch, seq_len, heads * head_width)`."""
    query, key = (torch.randn(BATCH_SIZE, length, HEADS, width).transpose(1, 2) for _ in range(2))
    return AttentionRecord(query, key, key, width**-0.5)


def _weigh(tensor: Tensor, kept: dict[int, int]) -> Tensor:
    storage = tensor.untyped_storage()
    kept[storage.data_ptr()] = storage.nbytes()
    return tensor


if __name__ == "__main__":
    main()
