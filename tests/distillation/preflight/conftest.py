"""A set-up of which every check says ok, to be spoiled one thing at a time."""

import copy

import pytest
import torch
from datasets import ClassLabel, Dataset
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    default_data_collator,
)

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.frozen_weights import freeze
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight.setup import Setup
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.distillation.terms import Term
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertForSequenceClassification

INTERMEDIATE = DistillationObjective({Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})
PREDICTION = DistillationObjective({Term.PREDICTION: 1.0})
ROWS = 120
CLASSES = ["business", "culture", "sport"]


@pytest.fixture
def objectives():
    """The two of the paper."""
    return INTERMEDIATE, PREDICTION


@pytest.fixture(scope="session")
def rows():
    """120 rows of 3 to 9 tokens of which the second tells the class: 5, 6 or 7."""
    generator = torch.Generator().manual_seed(3)
    labels = [row % 3 for row in range(ROWS)]
    words = [torch.randint(8, 40, (row % 7,), generator=generator).tolist() for row in range(ROWS)]
    texts = [[2, 5 + label, *text, 3] for label, text in zip(labels, words, strict=True)]
    dataset = Dataset.from_dict(
        {"input_ids": texts, "attention_mask": [[1] * len(text) for text in texts], "labels": labels}
    )
    return dataset.cast_column("labels", ClassLabel(names=CLASSES))


@pytest.fixture(scope="session")
def trained_teacher(rows):
    """A BERT of 4 layers x 32 that learned the rows; its state is read, never changed."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    labels = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(**shape, vocab_size=40, max_position_embeddings=64, **labels))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = default_data_collator([{**row, **_padded(row)} for row in rows])
    for _ in range(30):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    assert (model.eval()(**batch).logits.argmax(-1) == batch["labels"]).all()
    return model


@pytest.fixture
def teacher(trained_teacher):
    """The trained teacher, frozen and recording; new for each test."""
    model = freeze(copy.deepcopy(trained_teacher))
    record_attention(model)
    return model


@pytest.fixture
def student(tiny_student_config, teacher):
    """A student of 2 layers x 16 at a random start, with projections."""
    model = TinyBertForSequenceClassification(tiny_student_config)
    record_attention(model)
    attach_projections(model, DistillationProjections(16, 32, 3))
    return model


@pytest.fixture
def arguments(tmp_path):
    """Both phases of the paper, one epoch each, four rows a batch."""
    return DistillationArguments(
        output_dir=str(tmp_path),
        recipe="tinybert",
        use_cpu=True,
        bf16_where_fast=False,  # the same on every processor
        report_to="none",
        per_device_train_batch_size=4,
        num_train_epochs=1,
        intermediate_num_train_epochs=1,
    )


@pytest.fixture
def setup(student, teacher, objectives, rows, arguments, tokenizer):
    """All of it; `replace(setup, ...)` spoils a part."""
    return Setup(
        student=student,
        teacher=teacher,
        objectives=objectives,
        mapping=(0, 2, 4),
        student_tokenizer=tokenizer,
        teacher_tokenizer=copy.deepcopy(tokenizer),
        train_dataset=rows,
        eval_dataset=rows,
        arguments=arguments,
        trainer_class=DistillationTrainer,
    )


def _padded(row):
    missing = 9 - len(row["input_ids"])
    return {name: row[name] + [0] * missing for name in ("input_ids", "attention_mask")}


@pytest.fixture
def build_masked(tiny_student_config):
    """`build_masked()`: a student that predicts masked tokens."""
    return lambda: TinyBertForMaskedLM(tiny_student_config)


@pytest.fixture
def build_tagger(tiny_teacher_config):
    """`build_tagger()`: a teacher of classes of tokens."""
    return lambda: BertForTokenClassification(tiny_teacher_config)


@pytest.fixture
def build_reader(tiny_teacher_config):
    """`build_reader()`: a teacher of answer spans."""
    config = BertConfig(**{**tiny_teacher_config.to_dict(), "id2label": {0: "0", 1: "1"}, "label2id": None})
    return lambda: BertForQuestionAnswering(config)
