"""Many tasks at once: one small encoder with a head for sentiment, one for entities and one for similarity.

Pipeline: all-MiniLM-L6-v2 fine-tuned on each task -> one student that learns from all three teachers, a batch of a
single task per step -> scores of every head beside its teacher's -> answers of each head, and one head as a plain
model of its own.

    python examples/07_multitask.py --sentiment path/to/rotten_tomatoes --entities path/to/wnut17 \
        --similarity path/to/stsb --output several
    python examples/07_multitask.py --tiny                                   # the sample data of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: a line of scores for each head, an answer of each, and `several/sentiment-alone`, which AutoModel loads.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from hf_tinybert import TinyBertForMultiTask
from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import FinetuneSettings, MultiTaskSettings, distil_tasks, finetune, predict

SAMPLES = Path(__file__).parent / "data"
TINY = {"max_length": 32, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}
KINDS = {"sentiment": "text-classification", "entities": "token-classification", "similarity": "regression"}
ROWS = {
    "sentiment": {"text": "A film that stays with you."},
    "entities": {"tokens": ["Mara", "Lindqvist", "works", "in", "Oslo", "."]},
    "similarity": {"text": "A man is playing a guitar.", "text_pair": "Someone plays the guitar."},
}


def main() -> None:
    """Fine-tune three teachers, distil one student, use its heads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentiment", default=str(SAMPLES / "reviews.jsonl"), help="texts and labels")
    parser.add_argument("--entities", default=str(SAMPLES / "entities.jsonl"), help="tokens and tags")
    parser.add_argument("--similarity", default=str(SAMPLES / "similar_pairs.jsonl"), help="pairs and scores")
    parser.add_argument("--sampling", default="proportional", help="proportional, temperature or annealed")
    parser.add_argument("--output", type=Path, default=Path("several"), help="folder for teachers and student")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    display = ProgressDisplay(Console())

    tasks = {}
    for name, kind in KINDS.items():
        data, teacher = vars(options)[name], options.output / f"{name}-teacher"
        finetune(FinetuneSettings(data=data, kind=kind, **tiny), teacher, display)
        tasks[name] = {"data": data, "kind": kind, "teacher": str(teacher)}

    student = options.output / "student"
    settings = MultiTaskSettings(tasks=tasks, shared={**tiny, **tiny_student}, sampling=options.sampling)
    figures = distil_tasks(settings, student, display)
    for name, own in figures["tasks"].items():
        print(f"{name}: {own['scores']['validation']}")

    for name, row in ROWS.items():
        (answer,) = predict(student, [json.dumps(row)], task=name)
        print(f"{name}: {json.dumps({key: value for key, value in answer.items() if key != 'tokens'})}")

    alone = TinyBertForMultiTask.from_pretrained(student).for_task("sentiment")
    alone.save_pretrained(options.output / "sentiment-alone")
    print(f"{type(alone).__name__}: {alone.num_parameters():,} parameters of {figures['parameters']['student']:,}")


if __name__ == "__main__":
    main()
