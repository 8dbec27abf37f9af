"""Where an untrained encoder tells which sentence of a document to keep: at the marker before it, or at its tokens.

States of all-MiniLM-L6-v2 as it is published, of the documents of a data set for extractive summarisation; a logistic
regression on those of the training split (keep or skip, by the oracle) chooses the sentence of each validation
document. Features of a sentence are its marker's last state, or the mean of its tokens' last states. No test rows are
read.

    python benchmarks/sentence_reading.py --data DATA/scitldr

Cost: 2 minutes on 2 cores without bf16.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import BenchmarkParser
from datasets import Dataset
from result_file import change_results
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data import packaged_teacher
from hf_tinybert.data.kinds.definition import ROW_NUMBER, TaskKind, TaskSettings
from hf_tinybert.data.kinds.documents import lead_summaries, oracle_summaries, score_summaries
from hf_tinybert.data.kinds.sentence_windows import SENTENCE_NUMBERS, encode_documents
from hf_tinybert.data.sentences import split_sentences
from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.task_data import read_data

RESULTS = Path(__file__).parent / "results" / "sentence_reading.json"
SETTINGS = TaskSettings(TaskKind.EXTRACTIVE_SUMMARIZATION, max_length=512)
FEATURES = ("marker", "mean of tokens")


def main() -> None:
    """Measures both features and writes the result file."""
    parser = BenchmarkParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with documents and summaries")
    parser.add_threads()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure(options)
    change_results(options.output, lambda results: results.update(machine=machine(), summary=figures))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Metrics on validation by what was read, those of the first and of the best sentences beside them."""
    rows = read_data(str(options.data), str(SETTINGS.kind), {}, seed=0).splits
    tokenizer = AutoTokenizer.from_pretrained(packaged_teacher())
    model = AutoModel.from_pretrained(packaged_teacher()).eval()
    train, validation = (features(model, tokenizer, rows[split], split) for split in ("train", "validation"))
    kept = [oracle["sentences"] for oracle in oracle_summaries(rows["train"], 1)]
    gold = np.concatenate([[place in own for place in range(len(one))] for own, one in zip(kept, train, strict=True)])
    found = {
        "first sentence": score_summaries(lead_summaries(rows["validation"], 1), rows["validation"], SETTINGS),
        "best sentence": score_summaries(oracle_summaries(rows["validation"], 1), rows["validation"], SETTINGS),
    }
    for number, name in enumerate(FEATURES):
        scaler = StandardScaler().fit(np.concatenate(train)[:, number])
        fitted = LogisticRegression(C=0.01, max_iter=500)
        fitted.fit(scaler.transform(np.concatenate(train)[:, number]), gold)
        chosen = [int(fitted.decision_function(scaler.transform(one[:, number])).argmax()) for one in validation]
        predictions = [_summary(text, one) for text, one in zip(rows["validation"]["document"], chosen, strict=True)]
        found[name] = score_summaries(predictions, rows["validation"], SETTINGS)
    return found


def features(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, title: str
) -> list[np.ndarray[Any, Any]]:
    """Of every document `(sentences, 2, width)`: state of the marker, and mean of those of the tokens.

    Args:
        model: encoder.
        tokenizer: of the encoder.
        rows: documents.
        title: of the rows, in the display.
    """
    counts = [len(split_sentences(document)) for document in rows["document"]]
    found = [np.zeros((count, len(FEATURES), model.config.hidden_size)) for count in counts]
    encoded = encode_documents(rows.remove_columns("summaries"), tokenizer, SETTINGS)
    with torch.no_grad(), ProgressDisplay(Console(stderr=True)).bar(f"reading {title}", total=len(encoded)) as bar:
        for window in encoded:
            inputs = {name: torch.tensor([window[name]]) for name in ("input_ids", "attention_mask")}
            states, numbers = model(**inputs).last_hidden_state[0].numpy(), np.asarray(window[SENTENCE_NUMBERS])
            for sentence in set(numbers.tolist()) - {-1}:
                tokens = np.flatnonzero(numbers == sentence)
                marker = max(int(tokens[0]) - 1, 0)
                found[window[ROW_NUMBER]][sentence] = states[marker], states[tokens].mean(0)
            bar.advance(1)
    return found


def _summary(document: str, sentence: int) -> dict[str, Any]:
    start, end = split_sentences(document)[sentence]
    return {"summary": document[start:end], "sentences": [sentence]}


if __name__ == "__main__":
    main()
