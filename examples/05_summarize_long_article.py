"""Summarisation: the sentences that say most of a long article.

Pipeline: all-MiniLM-L6-v2 fine-tuned to score sentences, on documents with reference summaries (the sentences that
agree best with them, found greedily by ROUGE, are the ones to keep) -> distilled student -> ROUGE of both -> a summary
of an article longer than the model reads at once, in overlapping windows of whole sentences.

    python examples/05_summarize_long_article.py --data path/to/scitldr --summaries all_summaries --output summaries
    python examples/05_summarize_long_article.py --tiny                      # the sample articles of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: ROUGE of teacher and student on the validation split, and three sentences of a long article.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, finetune, predict

SAMPLE = Path(__file__).parent / "data" / "articles.jsonl"
TINY = {"max_length": 64, "batch_size": 8, "epochs": 1}
TINY_STUDENT = {"layers": 2, "width": 96, "preflight": False}


def main() -> None:
    """Fine-tune, distil, summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SAMPLE), help="Hub name, folder or file with documents and summaries")
    parser.add_argument("--summaries", default="summaries", help="name of the column of reference summaries")
    parser.add_argument("--sentences", type=int, default=1, help="sentences of a summary")
    parser.add_argument("--output", type=Path, default=Path("summaries"), help="folder for teacher and student")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    tiny, tiny_student = (TINY, TINY_STUDENT) if options.tiny else ({}, {})
    data = {
        "data": options.data,
        "kind": "extractive-summarization",
        "columns": {"summaries": options.summaries},
        "summary_sentences": options.sentences,
    }
    display = ProgressDisplay(Console())

    finetune(FinetuneSettings(**data, **tiny), options.output / "teacher", display)
    settings = DistilSettings(**data, teacher=str(options.output / "teacher"), **tiny, **tiny_student)
    figures = distil(settings, options.output / "student", display)
    for model, scores in figures["scores"]["validation"].items():
        print(f"{model}: {scores}")

    # all documents of the sample as one long article
    documents = [json.loads(line)["document"] for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    article = " ".join(documents)
    (answer,) = predict(options.output / "student", [json.dumps({"document": article})])
    print(f"{len(article.split())} words, {len(answer['scores'])} sentences, summary: {answer['summary']}")


if __name__ == "__main__":
    main()
