"""Question answering: the span of a text that answers a question.

Pipeline: all-MiniLM-L6-v2 fine-tuned on questions with their contexts (SQuAD's form) -> distilled student -> exact
match and F1 of both -> an answer out of a text longer than the model reads at once. Long contexts are read in windows
that share a third; the best span of all windows is the answer.

    python examples/04_question_answering.py --data path/to/squad_subset --output answers
    python examples/04_question_answering.py --tiny                          # the sample questions of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: F1 and exact match of teacher and student on the validation split, and one answer with its place in the text.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, finetune, predict

SAMPLE = Path(__file__).parent / "data" / "questions.jsonl"
TINY = {"max_length": 64, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}


def main() -> None:
    """Fine-tune, distil, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SAMPLE), help="Hub name, folder or file in SQuAD's form")
    parser.add_argument("--output", type=Path, default=Path("answers"), help="folder for teacher and student")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    data = {"data": options.data, "kind": "question-answering"}
    display = ProgressDisplay(Console())

    finetune(FinetuneSettings(**data, **tiny), options.output / "teacher", display)
    settings = DistilSettings(**data, teacher=str(options.output / "teacher"), **tiny, **tiny_student)
    figures = distil(settings, options.output / "student", display)
    for model, scores in figures["scores"]["validation"].items():
        print(f"{model}: {scores}")

    # all contexts of the sample as one long text
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    long_text = " ".join(dict.fromkeys(row["context"] for row in rows))
    question = {"question": "When was the lighthouse built?", "context": long_text}
    (answer,) = predict(options.output / "student", [json.dumps(question)])
    print(f"{len(long_text.split())} words, answer: {json.dumps(answer)}")


if __name__ == "__main__":
    main()
