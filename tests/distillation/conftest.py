"""Tiny students, teachers, data sets and arguments for the tests of distillation; every one seeded."""

import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset
from transformers import BertConfig, BertTokenizer, DataCollatorWithPadding

import hf_tinybert
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.cache.builder import CacheSource
from hf_tinybert.distillation.cache.plan import teacher_identity
from hf_tinybert.distillation.frozen_weights import freeze, weights_sha256
from hf_tinybert.distillation.states import teacher_states
from hf_tinybert.distillation.trainer import DistillationTrainer

VOCABULARY_SIZE = 40
CLASSES = ["business", "culture", "sport"]
SHARED_SHAPE = {
    "vocab_size": VOCABULARY_SIZE,
    "max_position_embeddings": 32,
    "num_attention_heads": 4,
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: label for label, name in enumerate(CLASSES)},
}


@pytest.fixture(autouse=True)
def one_thread(seeded):
    """A second thread costs these tiny models more than it brings."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def build_student():
    """`build_student("ForSequenceClassification", **config)`: 2 layers x 16, 4 heads; "Model" is the encoder alone."""

    def build(head="ForSequenceClassification", **overrides):
        torch.manual_seed(1)
        config = {**SHARED_SHAPE, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24, **overrides}
        return getattr(hf_tinybert, f"TinyBert{head}")(hf_tinybert.TinyBertConfig(**_fit(head, config)))

    return build


@pytest.fixture(scope="session")
def build_teacher():
    """`build_teacher("ForSequenceClassification", **config)`: a BERT of 4 layers x 32, 4 heads."""

    def build(head="ForSequenceClassification", **overrides):
        torch.manual_seed(2)
        config = {**SHARED_SHAPE, "hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48, **overrides}
        model = getattr(transformers, f"Bert{head}")(BertConfig(**_fit(head, config)))
        with torch.no_grad():  # a fresh BERT says nearly the same of every text
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        return model

    return build


@pytest.fixture(scope="session")
def build_rows():
    """`build_rows(count, lengths=(5, 9))`: token ids without [PAD] (0), of lengths in turn, labels in turn."""

    def build(count=8, lengths=(5, 9), labels=True, seed=3):
        generator = torch.Generator().manual_seed(seed)
        wanted = [lengths[row % len(lengths)] for row in range(count)]
        columns = {
            "input_ids": [torch.randint(5, VOCABULARY_SIZE, (n,), generator=generator).tolist() for n in wanted],
            "token_type_ids": [[0] * (n // 2) + [1] * (n - n // 2) for n in wanted],
            "attention_mask": [[1] * n for n in wanted],
        }
        if not labels:
            return Dataset.from_dict(columns)
        dataset = Dataset.from_dict({**columns, "labels": [row % len(CLASSES) for row in range(count)]})
        return dataset.cast_column("labels", ClassLabel(names=CLASSES))

    return build


@pytest.fixture(scope="session")
def collator(vocabulary):
    return DataCollatorWithPadding(BertTokenizer(vocab=str(vocabulary)))


@pytest.fixture
def build_arguments(tmp_path):
    """`build_arguments(**overrides)`: CPU, silent, one batch of 4 a step, one step a log, no checkpoints."""

    def build(**overrides):
        defaults = {
            "output_dir": str(tmp_path / "run"),
            "recipe": "tinybert",  # whose two phases are what most tests are about
            "use_cpu": True,
            "bf16_where_fast": False,  # the same on every processor; tests of bf16 ask for it
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
            "logging_steps": 1,
            "per_device_train_batch_size": 4,
            "num_train_epochs": 1,
            "intermediate_num_train_epochs": 1,
            "seed": 0,
            "preflight": False,  # random teachers answer no better than chance
        }
        return DistillationArguments(**{**defaults, **overrides})

    return build


@pytest.fixture(scope="session")
def build_cache_source(collator):
    """`build_cache_source(teacher, dataset, mapping)`: `source.forward.calls` counts the forwards."""
    columns = ("input_ids", "token_type_ids", "attention_mask")

    class Forward:
        def __init__(self, teacher, mapping):
            self.teacher, self.mapping, self.calls = freeze(teacher), mapping, 0

        def __call__(self, inputs):
            self.calls += 1
            read = {name: inputs[name] for name in columns if name in inputs}
            output = self.teacher(**read, output_hidden_states=True, output_attentions=True)
            return teacher_states(output, inputs, self.mapping)

    def build(teacher, dataset, mapping=(0, 2, 4), collate=collator):
        record_attention(teacher)
        return CacheSource(
            dataset=dataset,
            collator=collate,
            forward=Forward(teacher, mapping),
            teacher=teacher_identity(teacher, weights_sha256(teacher)),
            columns=columns,
        )

    return build


@pytest.fixture
def build_trainer(build_student, build_teacher, build_rows, build_arguments, collator):
    """`build_trainer(arguments={...}, **trainer arguments)`: student and teacher of one head, 8 rows to train on."""

    def build(arguments=None, head="ForSequenceClassification", **overrides):
        defaults = {
            "model": overrides.pop("model", None) or build_student(head),
            "teacher": overrides.pop("teacher", None) or build_teacher(head),
            "train_dataset": build_rows(8),
            "data_collator": collator,
        }
        return DistillationTrainer(args=build_arguments(**(arguments or {})), **{**defaults, **overrides})

    return build


def _fit(head, config):
    """Heads of two outputs and heads without classes keep BERT's default labels."""
    if "Classification" in head:
        return config
    return {name: value for name, value in config.items() if name not in ("id2label", "label2id")}
