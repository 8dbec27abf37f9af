"""Named entities: persons, places and organisations in a sentence.

Pipeline: all-MiniLM-L6-v2 fine-tuned on tagged words (IOB2) -> distilled student -> entity F1 of both -> the entities
of two sentences. Words are cut into pieces; the first piece of a word carries its tag.

    python examples/03_named_entities.py --data path/to/wnut17 --tags ner_tags --output entities
    python examples/03_named_entities.py --tiny                             # the sample sentences of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: entity F1, precision and recall of teacher and student on the validation split, and entities as JSON.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, finetune, predict

SAMPLE = str(Path(__file__).parent / "data" / "entities.jsonl")
TINY = {"max_length": 48, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}
SENTENCES = ["Mara Lindqvist works at Northwind Energy in Oslo .", "The ferry to Kiel was late again ."]


def main() -> None:
    """Fine-tune, distil, use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SAMPLE, help="Hub name, folder or file with tokens and tags")
    parser.add_argument("--tags", default="tags", help="name of the column of tags")
    parser.add_argument("--output", type=Path, default=Path("entities"), help="folder for teacher and student")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    data = {"data": options.data, "kind": "token-classification", "columns": {"tags": options.tags}}
    display = ProgressDisplay(Console())

    finetune(FinetuneSettings(**data, **tiny), options.output / "teacher", display)
    settings = DistilSettings(**data, teacher=str(options.output / "teacher"), **tiny, **tiny_student)
    figures = distil(settings, options.output / "student", display)
    for model, scores in figures["scores"]["validation"].items():
        print(f"{model}: {scores}")

    rows = [json.dumps({"tokens": sentence.split()}) for sentence in SENTENCES]
    for answer in predict(options.output / "student", rows):
        print(json.dumps({"entities": answer["entities"], "tags": answer["tags"]}))


if __name__ == "__main__":
    main()
