"""Text classification: which section of a newspaper is this article from?

Pipeline: all-MiniLM-L6-v2 fine-tuned on BBC news articles (five classes) -> student of 4 layers x 312, started from
its teacher and distilled in one phase -> scores of both -> two texts classified.

    python examples/01_text_classification.py --output news
    python examples/01_text_classification.py --data reviews.csv --output reviews     # any other data set

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: `news/teacher` and `news/student`, a line of scores for each on the test split, and two classified texts.
"""

import argparse
from pathlib import Path

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, finetune, predict

TINY = {"train_rows": 32, "validation_rows": 16, "max_length": 32, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}
TEXTS = [
    "The central bank raised interest rates for the third time this year as inflation stayed high.",
    "The striker scored twice in the second half to send his team into the cup final.",
]


def main() -> None:
    """Fine-tune, distil, use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="bbc-news", help="Hub name, folder or file; the BBC news by default")
    parser.add_argument("--output", type=Path, default=Path("news"), help="folder for teacher and student")
    parser.add_argument("--tiny", action="store_true", help="a few rows and steps, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    display = ProgressDisplay(Console())

    finetune(FinetuneSettings(data=options.data, **tiny), options.output / "teacher", display)
    figures = distil(
        DistilSettings(
            data=options.data,
            teacher=str(options.output / "teacher"),
            score_test=not options.tiny,
            **tiny,
            **tiny_student,
        ),
        options.output / "student",
        display,
    )
    for split, scores in figures["scores"].items():
        kept = figures["retention"][split].get(figures["main_metric"], 0.0)
        print(f"{split}: teacher {scores['teacher']}, student {scores['student']}, kept {kept:.1%}")

    for text, answer in zip(TEXTS, predict(options.output / "student", TEXTS), strict=True):
        print(f"{answer['score']:.0%} {answer['label']}: {text}")


if __name__ == "__main__":
    main()
