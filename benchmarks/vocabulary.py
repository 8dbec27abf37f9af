"""What a finished model loses when it keeps only the pieces that its training texts need.

The vocabulary is chosen on the training split's texts alone, nothing is trained again, and the smaller model is scored
on validation and test beside the whole one. `coverage` is the share of the training tokens that stay as they are; 1
keeps every piece of the training texts. `--texts` adds files of general text, which has words that new texts of the
task may hold. Runs that the result file holds are not repeated.

    python benchmarks/vocabulary.py --data DATA/rotten_tomatoes --model STUDENT    # a folder of `hf-tinybert distill`
    python benchmarks/vocabulary.py --data DATA/rotten_tomatoes --model STUDENT --texts DATA/books_lm/train.jsonl
    python benchmarks/vocabulary.py --table                                        # the results as Markdown

Cost: about half a minute a coverage on one core.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from command_line import BenchmarkParser
from result_file import add_run, holds, read_results
from rich.console import Console
from tasks import TEXT_COLUMNS

from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import TrimSettings, evaluate_folder, trim_vocabulary

RESULTS = Path(__file__).parent / "results" / "vocabulary.json"
COVERAGES = (1.0, 0.999, 0.99, 0.97, 0.9)
SPLITS = ("validation", "test")


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of the task, with a train.jsonl")
    parser.add_argument("--model", type=Path, action="append", default=[], help="folder of a model (repeatable)")
    parser.add_argument("--coverage", type=float, action="append", help="only this one (repeatable)")
    parser.add_argument("--texts", type=Path, action="append", default=[], help="more texts that choose (repeatable)")
    parser.add_table()
    parser.add_threads(1)
    parser.add_output(RESULTS)
    options = parser.parse_args()
    if not options.table:
        if options.data is None or not options.model:
            parser.error("expected --data and --model, or --table")
        torch.set_num_threads(options.threads)
        for model in options.model:
            measure(model, options.data, options.texts, options.coverage or list(COVERAGES), options.output)
    sys.stdout.write(table(read_results(options.output)["runs"]))


def measure(model: Path, data: Path, more: list[Path], coverages: list[float], output: Path) -> None:
    """The whole model and one smaller one for each coverage, unless the result file holds them."""
    display = ProgressDisplay(Console(stderr=True))
    for coverage in (None, *coverages):
        named = [] if coverage is None else [f"{file.parent.name}/{file.name}" for file in more]
        key = {"task": data.name, "model": model.name, "coverage": coverage, "more_texts": named}
        if holds(output, key):
            continue
        display.line(f"{model.name}, coverage {coverage}")
        with tempfile.TemporaryDirectory() as folder:
            figures: dict[str, Any] = {}
            scored = model
            if coverage is not None:
                scored = Path(folder) / "small"
                texts = (str(data / "train.jsonl"), *map(str, more))
                settings = TrimSettings(model=str(model), texts=texts, columns=TEXT_COLUMNS, coverage=coverage)
                figures = trim_vocabulary(settings, scored, display)
            scores = {split: evaluate_folder(scored, data, split) for split in SPLITS}
        kept = ("pieces", "parameters", "embedding_parameters", "covered", "tokens", "unknown")
        told = {name: figures[name] for name in kept if name in figures}
        add_run(output, {**key, "scores": scores, **told, "machine": machine()})


def table(runs: list[dict[str, Any]]) -> str:
    """The runs as a table in Markdown; scores by 100, and what the smaller model has more or less."""
    lines = ["| task, model | coverage | pieces | embeddings | parameters | validation | test |", "|---" * 7 + "|"]
    whole = {(run["task"], run["model"]): run for run in runs if run["coverage"] is None}
    for run in runs:
        name = f"{run['task']}, {run['model']}"
        if run["coverage"] is None:
            scores = [f"{100 * next(iter(run['scores'][split].values())):.2f}" for split in SPLITS]
            lines.append(f"| {name} | whole | | | | " + " | ".join(scores) + " |")
            continue
        before = whole[run["task"], run["model"]]["scores"]
        scores = []
        for split in SPLITS:
            own, other = (next(iter(one[split].values())) for one in (run["scores"], before))
            scores.append(f"{100 * own:.2f} ({100 * (own - other):+.2f})")
        shares = [run[key]["after"] / run[key]["before"] for key in ("embedding_parameters", "parameters")]
        more = "".join(f", with {name}" for name in run["more_texts"])
        pieces = f"{run['pieces']['after']:,} | {shares[0]:.1%} | {run['parameters']['after']:,} ({shares[1]:.1%})"
        lines.append(f"| {name} | {run['coverage']:g}{more} | {pieces} | " + " | ".join(scores) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
