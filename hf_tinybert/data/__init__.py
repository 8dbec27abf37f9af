"""Data: from any source to the columns a model reads, and the scores that judge it."""

from hf_tinybert.data.metrics import Accuracy, accuracy_from_logits
from hf_tinybert.data.packages import packaged_bbc_news, packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import TaskData, load_task_data

__all__ = [
    "Accuracy",
    "TaskData",
    "accuracy_from_logits",
    "label_names",
    "load_task_data",
    "packaged_bbc_news",
    "packaged_teacher",
    "tokenize_texts",
]
