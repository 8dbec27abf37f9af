"""Sentiment: does a small student need its teacher?

Pipeline: all-MiniLM-L6-v2 fine-tuned on reviews -> three students of the same shape: distilled from a start in the
teacher, trained on the labels from the same start, and trained on the labels from a random start -> their scores.

    python examples/02_sentiment.py --data path/to/rotten_tomatoes --output sentiment
    python examples/02_sentiment.py --tiny                                    # the sample reviews of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: one line for each model with its scores on the validation split.
"""

import argparse
from pathlib import Path

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, evaluate_folder, finetune, predict

SAMPLE = str(Path(__file__).parent / "data" / "reviews.jsonl")
TINY = {"max_length": 32, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}
ARMS = {
    "distilled": {},
    "labels, from the teacher": {"learn_from": "labels"},
    "labels, from random": {"learn_from": "labels", "start": "random"},
}


def main() -> None:
    """Fine-tune, train three students, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SAMPLE, help="Hub name, folder or file with text and label")
    parser.add_argument("--output", type=Path, default=Path("sentiment"), help="folder for the models")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    display = ProgressDisplay(Console())

    teacher = options.output / "teacher"
    finetune(FinetuneSettings(data=options.data, **tiny), teacher, display)
    folders = {"teacher": teacher}
    for arm, changes in ARMS.items():
        folders[arm] = options.output / arm.replace(", ", "-").replace(" ", "-")
        settings = {**tiny, **tiny_student, **changes}
        distil(DistilSettings(data=options.data, teacher=str(teacher), **settings), folders[arm], display)

    for name, folder in folders.items():
        print(f"{name:<26}", evaluate_folder(folder, options.data, "validation"))
    for answer in predict(folders["distilled"], ["A film that stays with you.", "Two hours I will not get back."]):
        print(f"{answer['score']:.0%} {answer['label']}")


if __name__ == "__main__":
    main()
