"""Sentence embeddings: a small model whose vectors lie where its teacher's do.

Pipeline: all-MiniLM-L6-v2 as it is published -> student that learns its pooled, normalised vectors from texts without
labels -> Spearman correlation of cosines with human scores, for both -> the student as a folder that
sentence-transformers loads.

    python examples/06_embeddings.py --data path/to/stsb --output embeddings
    python examples/06_embeddings.py --tiny                                  # the sample pairs of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: Spearman of teacher and student on the validation split, the similarity of two sentences, and the folder
`embeddings/student/sentence-transformers`.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from hf_tinybert.data import packaged_teacher
from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import DistilSettings, distil, predict

SAMPLE = str(Path(__file__).parent / "data" / "similar_pairs.jsonl")
TINY = {"max_length": 32, "batch_size": 8, "epochs": 1, "layers": 2, "width": 96}


def main() -> None:
    """Distil, compare, use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SAMPLE, help="Hub name, folder or file with texts, or pairs and scores")
    parser.add_argument("--teacher", help="sentence encoder, Hub name or folder; all-MiniLM-L6-v2 by default")
    parser.add_argument("--output", type=Path, default=Path("embeddings"), help="folder for the student")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    settings = DistilSettings(
        data=options.data,
        kind="sentence-embedding",
        teacher=options.teacher or str(packaged_teacher()),
        preflight=not options.tiny,
        **(TINY if options.tiny else {}),
    )
    figures = distil(settings, options.output / "student", ProgressDisplay(Console()))
    for model, scores in figures["scores"]["validation"].items():
        print(f"{model}: {scores}")

    pair = {"text": "A man is playing a guitar.", "text_pair": "Someone makes music."}
    (answer,) = predict(options.output / "student", [json.dumps(pair)])
    print(f"{len(answer['embedding'])} dimensions, similarity {answer['similarity']:.3f}")


if __name__ == "__main__":
    main()
