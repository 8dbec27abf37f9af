"""Distil with an objective of one's own: chosen terms, layers, schedules, and a term that the package does not have.

Pipeline: teacher folder + texts -> student initialised from the teacher -> a joint phase of this objective -> folder.

The objective below
* compares hidden states at the last two student layers only,
* adds a term of its own: the similarities between the sentences of a batch, as the teacher sees them
  (relational distillation, Park et al. 2019),
* hands over from the teacher's predictions to the gold labels while it trains (teacher annealing, Clark et al. 2019).

    python examples/custom_objective.py quickstart-output/teacher my-student

Cost: about a minute on two cores at the defaults; `--rows 96` for a first look.
Result: every term in the logs under its name, and the student's accuracy on the validation split.
"""

import argparse

import torch
from torch.nn.functional import normalize
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from hf_tinybert import (
    DistillationArguments,
    DistillationTrainer,
    TinyBertConfig,
    TinyBertForSequenceClassification,
    initialize_from_teacher,
)
from hf_tinybert.data import accuracy_from_logits, packaged_bbc_news, tokenize_texts
from hf_tinybert.distillation import (
    CustomTerm,
    DistillationObjective,
    DistillationStates,
    Phase,
    Reads,
    Term,
    teacher_annealing,
)


def sentence_similarities(states: DistillationStates) -> torch.Tensor:
    """Cosines between the mean last hidden states of the batch's texts, `(batch, batch)`."""
    mask = states.mask[:, :, None].float()
    means = (states.hidden_states[-1].float() * mask).sum(1) / mask.sum(1)
    return normalize(means, dim=-1) @ normalize(means, dim=-1).T


def similarities_loss(student: DistillationStates, teacher: DistillationStates) -> torch.Tensor:
    """Mean squared difference of the similarities, `()`; student states come projected to the teacher's width."""
    return (sentence_similarities(student) - sentence_similarities(teacher)).square().mean()


def main() -> None:
    """Parse, distil, score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", help="Hub name or folder of a classifier of the five BBC news classes")
    parser.add_argument("output", help="folder for the student")
    parser.add_argument("--rows", type=int, default=1440, help="training rows")
    parser.add_argument("--epochs", type=float, default=1.0)
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.teacher)
    teacher = AutoModelForSequenceClassification.from_pretrained(options.teacher)
    texts = tokenize_texts(packaged_bbc_news(), tokenizer, max_length=64)
    train = texts["train"].select(range(min(options.rows, len(texts["train"]))))
    collator = DataCollatorWithPadding(tokenizer)

    student = TinyBertForSequenceClassification(TinyBertConfig.from_teacher(teacher.config, preset="4L-312"))
    sentences = DataLoader(train.select(range(min(256, len(train)))), batch_size=32, collate_fn=collator)
    start = initialize_from_teacher(student, teacher, calibration=sentences)

    from_teacher, from_labels = teacher_annealing()
    objective = DistillationObjective(
        weights={
            Term.HIDDEN_STATES: 1.0,
            Term.ATTENTION_SCORES: 0.5,
            "similarities_loss": 10.0,
            Term.PREDICTION: from_teacher,
            Term.LABEL: from_labels,
        },
        layers={Term.HIDDEN_STATES: (-2, -1)},
        custom_terms=(CustomTerm("similarities_loss", Reads.HIDDEN_STATES, similarities_loss),),
    )
    trainer = DistillationTrainer(
        student,
        DistillationArguments(
            options.output,
            phases=[Phase.JOINT],
            per_device_train_batch_size=32,
            num_train_epochs=options.epochs,
            learning_rate=2e-4,
            logging_steps=5,
            report_to="none",
        ),
        teacher=teacher,
        objectives={Phase.JOINT: objective},
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


if __name__ == "__main__":
    main()
