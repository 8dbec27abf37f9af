"""Distil a fine-tuned text classifier into a TinyBERT with `DistillationTrainer`, and use it.

Pipeline: teacher folder + texts -> student initialised from the teacher -> intermediate-layer phase ->
prediction-layer phase -> folder that AutoModel, AutoTokenizer and pipeline load.

The teacher is any BERT-like classifier, for example the one that `hf-tinybert quickstart` leaves in
`quickstart-output/teacher`. The texts are BBC news articles from the package of the `quickstart` extra.

    python examples/distil_classifier.py quickstart-output/teacher my-student

Cost: about a minute and a half on two cores at the defaults; `--rows 96 --epochs 1` for a first look.
Result: the student's accuracy on the validation split beside the teacher's, and one classified sentence.
"""

import argparse

from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, pipeline

from hf_tinybert import (
    DistillationArguments,
    DistillationTrainer,
    TinyBertConfig,
    TinyBertForSequenceClassification,
    initialize_from_teacher,
)
from hf_tinybert.data import accuracy_from_logits, packaged_bbc_news, tokenize_texts


def main() -> None:
    """Parse, distil, use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", help="Hub name or folder of a classifier of the five BBC news classes")
    parser.add_argument("output", help="folder for the student")
    parser.add_argument("--rows", type=int, default=1440, help="training rows")
    parser.add_argument("--epochs", type=float, default=1.0, help="of each phase")
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.teacher)
    teacher = AutoModelForSequenceClassification.from_pretrained(options.teacher)
    texts = tokenize_texts(packaged_bbc_news(), tokenizer, max_length=64)
    train = texts["train"].select(range(min(options.rows, len(texts["train"]))))
    collator = DataCollatorWithPadding(tokenizer)

    student = TinyBertForSequenceClassification(TinyBertConfig.from_teacher(teacher.config, preset="4L-312"))
    sentences = DataLoader(train.select(range(min(256, len(train)))), batch_size=32, collate_fn=collator)
    start = initialize_from_teacher(student, teacher, calibration=sentences)

    trainer = DistillationTrainer(
        student,
        DistillationArguments(
            options.output,
            per_device_train_batch_size=32,
            intermediate_num_train_epochs=options.epochs,
            intermediate_learning_rate=2e-4,
            num_train_epochs=options.epochs,
            learning_rate=1e-4,
            report_to="none",
        ),
        teacher=teacher,
        initialization=start,
        train_dataset=train,
        eval_dataset=texts["validation"],
        processing_class=tokenizer,
        data_collator=collator,
        compute_metrics=accuracy_from_logits,
    )
    trainer.train()
    print(f"student, validation accuracy: {trainer.evaluate()['eval_accuracy']:.3f}")
    trainer.save_model(options.output)

    classify = pipeline("text-classification", model=options.output)
    print(classify("The central bank raised interest rates for the third time this year."))


if __name__ == "__main__":
    main()
