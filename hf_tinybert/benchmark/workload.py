"""What is trained in a measurement: rows of real text, and a teacher and a student made anew for each arm."""

from dataclasses import dataclass

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.sources import load_rows, load_task_data
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.idle_settings import check_not_idle
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification

_LABELS = {0: "no", 1: "yes"}  # without names, a warning that labels cannot be compared


@dataclass(frozen=True)
class Workload:
    """Everything that a step's seconds depend on, except who makes the step.

    Attributes:
        dataset: Hub name, folder or file, see `load_task_data`; its training rows are read.
        text_columns: one or two columns of a data set without labels; None finds them as `load_task_data` does.
        tokenizer: Hub name or folder; None takes that of the packaged all-MiniLM-L6-v2, BERT's uncased vocabulary.
        teacher: Hub name or folder; None takes random weights in the shape of BERT-base.
        student: Hub name or folder; None takes random weights, 4 layers x 312 with 12 heads.
        max_length: longest row, in tokens; longer ones are cut.
        batch_size: rows per step.
        steps: steps per pass; `steps * batch_size` rows are drawn, and every pass reads each of them once.
        phase: which terms are trained.
        dropout: of a student with random weights.
        seed: of the rows drawn, of random weights and of the order of rows.
    """

    dataset: str
    text_columns: tuple[str, ...] | None = None
    tokenizer: str | None = None
    teacher: str | None = None
    student: str | None = None
    max_length: int = 128
    batch_size: int = 32
    steps: int = 40
    phase: Phase = Phase.JOINT
    dropout: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers before anything is loaded."""
        for name in ("max_length", "batch_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected a positive `{name}`, got {getattr(self, name)}")
        if self.student is not None:
            check_not_idle(self, ["dropout"], "a random student", "a folder says its own", f"`{self.student}`")
        if self.text_columns is not None and len(self.text_columns) not in (1, 2):
            raise ValueError(f"expected one or two `text_columns`, got {self.text_columns}")

    def make_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of both models."""
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(self.tokenizer or packaged_teacher())
        return tokenizer

    def make_rows(self) -> Dataset:
        """The rows of a pass, tokenised and not padded, in no particular order.

        Raises:
            ValueError: the data set has too few.
        """
        texts, wanted = self._texts(), self.steps * self.batch_size
        if len(texts) < wanted:
            raise ValueError(
                f"expected at least {wanted} rows ({self.steps} steps of {self.batch_size}) in `{self.dataset}`, got "
                f"{len(texts)}; because every row is trained once a pass; lower `steps`"
            )
        drawn = torch.randperm(len(texts), generator=torch.Generator().manual_seed(self.seed))[:wanted]
        columns = texts.select(drawn.tolist())[:]
        encoded = self.make_tokenizer()(*columns.values(), truncation="longest_first", max_length=self.max_length)
        return Dataset.from_dict(dict(encoded))

    def make_models(self) -> tuple[PreTrainedModel, PreTrainedModel]:
        """Student and teacher; the same weights at every call.

        Raises:
            ValueError: one of them has fewer positions than `max_length`.
        """
        torch.manual_seed(self.seed)
        teacher: PreTrainedModel = (
            BertForSequenceClassification(BertConfig(vocab_size=len(self.make_tokenizer()), id2label=_LABELS))
            if self.teacher is None
            else AutoModelForSequenceClassification.from_pretrained(self.teacher)
        )
        student: PreTrainedModel = (
            TinyBertForSequenceClassification(
                TinyBertConfig.from_teacher(
                    teacher.config, hidden_dropout_prob=self.dropout, attention_probs_dropout_prob=self.dropout
                )
            )
            if self.student is None
            else AutoModelForSequenceClassification.from_pretrained(self.student)
        )
        for name, model in (("student", student), ("teacher", teacher)):
            if model.config.max_position_embeddings < self.max_length:
                raise ValueError(
                    f"expected a {name} of at least {self.max_length} positions, got "
                    f"{model.config.max_position_embeddings}; because rows are that long; lower `max_length`"
                )
        return student, teacher

    def _texts(self) -> Dataset:
        """The training rows, with one or two columns of text."""
        if self.text_columns is None:
            train = load_task_data(self.dataset).splits["train"]
            return train.select_columns([name for name in ("text", "text_pair") if name in train.column_names])
        columns = dict(zip(("text", "text_pair"), self.text_columns, strict=False))
        return load_rows(self.dataset, TaskKind.SENTENCE_EMBEDDING, columns=columns)


__all__ = ["Workload"]
