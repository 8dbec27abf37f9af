"""A tiny multi-task student with its teachers, for the tests of multi-task distillation."""

import torch
from datasets import ClassLabel, Dataset
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForMultipleChoice,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask

SHAPE = {"vocab_size": 40, "max_position_embeddings": 32, "num_attention_heads": 4}
STUDENT = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
TEACHER = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
MOODS, TAGS = ["business", "culture", "sport"], ["O", "B-X", "I-X"]
HEADS = {
    "mood": {"kind": "text-classification", "id2label": dict(enumerate(MOODS))},
    "ner": {"kind": "token-classification", "id2label": dict(enumerate(TAGS))},
    "words": {"kind": "masked-lm"},
    "stars": {"kind": "regression"},
    "answers": {"kind": "question-answering"},
    "endings": {"kind": "multiple-choice"},
    "topics": {"kind": "multi-label-classification", "num_labels": 3},
    "summary": {"kind": "extractive-summarization"},
    "vectors": {"kind": "sentence-embedding", "embedding_size": 32},
}
TEACHERS = {
    "mood": (BertForSequenceClassification, {"id2label": dict(enumerate(MOODS))}),
    "ner": (BertForTokenClassification, {"id2label": dict(enumerate(TAGS))}),
    "words": (BertForMaskedLM, {}),
    "stars": (BertForSequenceClassification, {"num_labels": 1, "problem_type": "regression"}),
    "answers": (BertForQuestionAnswering, {}),
    "endings": (BertForMultipleChoice, {}),
    "topics": (BertForSequenceClassification, {"num_labels": 3, "problem_type": "multi_label_classification"}),
    "summary": (BertForTokenClassification, {}),
    "vectors": (BertModel, {}),
}


def student(names=("mood", "ner", "words"), dropout=0.0, **shape):
    torch.manual_seed(1)
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    tasks = {name: HEADS[name] for name in names}
    return TinyBertForMultiTask(TinyBertConfig(**{**SHAPE, **STUDENT, **rates, **shape}, tasks=tasks))


def teacher(name, **shape):
    torch.manual_seed(2)
    model_class, fields = TEACHERS[name]
    model = model_class(BertConfig(**{**SHAPE, **TEACHER, **fields, **shape}))
    with torch.no_grad():  # a fresh BERT says nearly the same of every text
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def rows(name, count=8, lengths=(5, 9), labels=True):
    generator = torch.Generator().manual_seed(len(name))
    wanted = [lengths[row % len(lengths)] for row in range(count)]
    columns = {
        "input_ids": [torch.randint(5, 40, (n,), generator=generator).tolist() for n in wanted],
        "attention_mask": [[1] * n for n in wanted],
        "row_number": list(range(count)),
    }
    if name == "mood" and labels:
        marked = Dataset.from_dict({**columns, "labels": [row % 3 for row in range(count)]})
        return marked.cast_column("labels", ClassLabel(names=MOODS))
    if name == "ner" and labels:
        columns["labels"] = [[-100, *(place % 3 for place in range(n - 2)), -100] for n in wanted]
    if name == "stars" and labels:
        columns["labels"] = [row / 3 for row in range(count)]
    if name == "answers" and labels:
        columns |= {"start_positions": [1] * count, "end_positions": [2] * count}
    if name == "topics" and labels:
        columns["labels"] = [[float(row % 2), 1.0, 0.0] for row in range(count)]
    if name == "summary" and labels:
        columns["labels"] = [[row % 2, *[-100] * (n - 1)] for row, n in enumerate(wanted)]
    if name == "endings":
        columns = {key: [[value, value[::-1]] for value in columns[key]] for key in ("input_ids", "attention_mask")}
        columns |= {"labels": [row % 2 for row in range(count)]} if labels else {}
    return Dataset.from_dict(columns)


def tokenizer():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer(vocab={token: place for place, token in enumerate([*special, *(f"w{n}" for n in range(35))])})


def collator(name):
    if name == "words":
        return DataCollatorForLanguageModeling(tokenizer(), mlm_probability=0.4)
    if name == "endings":
        return DataCollatorForMultipleChoice(tokenizer())
    by_token = name in ("ner", "summary")
    return DataCollatorForTokenClassification(tokenizer()) if by_token else DataCollatorWithPadding(tokenizer())


def task(name, count=8, labels=True, taught=True, lengths=(5, 9), **fields):
    """One task with its rows and, if taught, its teacher."""
    defaults = {
        "train_dataset": rows(name, count, lengths, labels),
        "teacher": teacher(name) if taught else None,
        "collator": collator(name),
    }
    return DistillationTask(**{**defaults, **fields})


def tasks(names=("mood", "ner", "words"), **fields):
    return {name: task(name, **fields) for name in names}
