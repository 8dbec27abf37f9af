"""Data: from any source to the columns a model reads, and the scores that judge it."""

from hf_tinybert.data.kinds import ROW_NUMBER, KindDefinition, TaskKind, TaskSettings
from hf_tinybert.data.metrics import (
    F1,
    Accuracy,
    MatthewsCorrelation,
    Pearsonr,
    Rouge,
    Seqeval,
    Spearmanr,
    Squad,
    accuracy_from_logits,
)
from hf_tinybert.data.packages import packaged_bbc_news, packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import TaskData, load_rows, load_task_data
from hf_tinybert.data.tasks import KINDS, TASK_FILE, Task

__all__ = [
    "F1",
    "KINDS",
    "ROW_NUMBER",
    "TASK_FILE",
    "Accuracy",
    "KindDefinition",
    "MatthewsCorrelation",
    "Pearsonr",
    "Rouge",
    "Seqeval",
    "Spearmanr",
    "Squad",
    "Task",
    "TaskData",
    "TaskKind",
    "TaskSettings",
    "accuracy_from_logits",
    "label_names",
    "load_rows",
    "load_task_data",
    "packaged_bbc_news",
    "packaged_teacher",
    "tokenize_texts",
]
