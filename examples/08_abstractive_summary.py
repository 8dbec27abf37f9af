"""Abstractive summaries: a distilled encoder on both sides of a stock encoder-decoder model.

Pipeline: general student of all-MiniLM-L6-v2, from the documents alone -> `EncoderDecoderModel` whose encoder and
decoder both start from it (the attention between them is new) -> trained on reference summaries by the stock
`Seq2SeqTrainer` -> ROUGE of what it writes on the validation split -> a summary of one document.

    python examples/08_abstractive_summary.py --data path/to/scitldr --summaries all_summaries --output abstracts
    python examples/08_abstractive_summary.py --tiny                         # the sample articles of this repository

Cost: `--tiny` takes about a quarter of a minute on one core; on whole data sets it has not been timed.
Result: ROUGE on the validation split (that of `--tiny` is of no use), a summary, and the folder `abstracts/model`,
which `AutoModelForSeq2SeqLM` loads once hf_tinybert is imported.
"""

import argparse
import json
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    EncoderDecoderModel,
    EvalPrediction,
    PreTrainedTokenizerBase,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from hf_tinybert.data import load_task_data
from hf_tinybert.data.metrics import Rouge
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.progress import ProgressDisplay, quiet_libraries
from hf_tinybert.workflow import PretrainSettings, pretrain

SAMPLE = str(Path(__file__).parent / "data" / "articles.jsonl")
TINY_STUDENT = {
    "layers": 2,
    "width": 96,
    "block_length": 32,
    "held_out_blocks": 2,
    "batch_size": 4,
    "start": "random",
    "preflight": False,
}


def main() -> None:
    """Distil, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SAMPLE, help="Hub name, folder or file with documents and summaries")
    parser.add_argument("--summaries", default="summaries", help="name of the column of reference summaries")
    parser.add_argument("--epochs", type=float, default=10.0, help="passes over the documents")
    parser.add_argument("--output", type=Path, default=Path("abstracts"), help="folder for student and model")
    parser.add_argument("--tiny", action="store_true", help="few steps and a smaller student, for a first look")
    options = parser.parse_args()
    quiet_libraries()
    columns = {"summaries": options.summaries}
    splits = load_task_data(options.data, TaskKind.EXTRACTIVE_SUMMARIZATION, columns=columns).splits

    texts = options.output / "documents.jsonl"
    texts.parent.mkdir(parents=True, exist_ok=True)
    texts.write_text(
        "".join(json.dumps({"text": one}) + "\n" for one in splits["train"]["document"]), encoding="utf-8"
    )
    tiny = TINY_STUDENT if options.tiny else {}
    pretrain(PretrainSettings(texts=(str(texts),), **tiny), options.output / "student", ProgressDisplay(Console()))

    student = str(options.output / "student")
    tokenizer = AutoTokenizer.from_pretrained(student)
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(student, student)
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id, config.pad_token_id = tokenizer.cls_token_id, tokenizer.pad_token_id
        config.eos_token_id = tokenizer.sep_token_id
    trainer = Seq2SeqTrainer(
        model,
        Seq2SeqTrainingArguments(
            str(options.output / "model"),
            num_train_epochs=1 if options.tiny else options.epochs,
            learning_rate=3e-4,
            warmup_steps=0.1,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=32,
            predict_with_generate=True,
            generation_max_length=16 if options.tiny else 64,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=encoded(splits["train"], tokenizer),
        eval_dataset=encoded(splits["validation"], tokenizer),
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        compute_metrics=lambda evaluation: rouge(evaluation, tokenizer),
    )
    trainer.train()
    print(f"validation: {trainer.evaluate()}")
    trainer.save_model()

    document = splits["validation"][0]["document"]
    inputs = tokenizer(document, truncation=True, return_tensors="pt").to(model.device)
    written = model.generate(**inputs, max_length=trainer.args.generation_max_length, num_beams=4)
    print(f"{document}\n-> {tokenizer.decode(written[0], skip_special_tokens=True)}")


def encoded(rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Ids of documents, and of the first reference summary as labels, without the first special token."""

    def encode(batch: dict[str, list]) -> dict[str, list]:
        summaries = tokenizer([some[0] for some in batch["summaries"]], truncation=True, max_length=64)
        return {**tokenizer(batch["document"], truncation=True), "labels": [ids[1:] for ids in summaries["input_ids"]]}

    return rows.map(encode, batched=True, remove_columns=rows.column_names)


def rouge(evaluation: EvalPrediction, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """F1 of stems of what was written, against the first reference summary."""
    written, wanted = (
        tokenizer.batch_decode(ids.clip(min=tokenizer.pad_token_id), skip_special_tokens=True)
        for ids in (evaluation.predictions, evaluation.label_ids)
    )
    return Rouge().compute(predictions=written, references=wanted)


if __name__ == "__main__":
    main()
