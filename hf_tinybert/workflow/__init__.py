"""From data to a model that answers: fine-tune a teacher, augment, distil, evaluate and predict, for every kind."""

from hf_tinybert.workflow.augment_settings import AugmentSettings
from hf_tinybert.workflow.augmenting import augment
from hf_tinybert.workflow.distil_settings import AugmentMode, DistilSettings, LearnFrom
from hf_tinybert.workflow.distilling import distil
from hf_tinybert.workflow.evaluation import FolderScores, evaluate_folder, score_folder
from hf_tinybert.workflow.finetuning import FinetuneSettings, finetune
from hf_tinybert.workflow.model_folder import ModelFolder, load_model_folder
from hf_tinybert.workflow.multitask import distil_tasks
from hf_tinybert.workflow.multitask_settings import MultiTaskSettings
from hf_tinybert.workflow.prediction import predict
from hf_tinybert.workflow.pretrain_settings import PretrainSettings
from hf_tinybert.workflow.pretraining import pretrain
from hf_tinybert.workflow.summarization import summarize
from hf_tinybert.workflow.trim_settings import TrimSettings
from hf_tinybert.workflow.trimming import trim_vocabulary
from hf_tinybert.workflow.word_settings import WordSettings

__all__ = [
    "AugmentMode",
    "AugmentSettings",
    "DistilSettings",
    "FinetuneSettings",
    "FolderScores",
    "LearnFrom",
    "ModelFolder",
    "MultiTaskSettings",
    "PretrainSettings",
    "TrimSettings",
    "WordSettings",
    "augment",
    "distil",
    "distil_tasks",
    "evaluate_folder",
    "finetune",
    "load_model_folder",
    "predict",
    "pretrain",
    "score_folder",
    "summarize",
    "trim_vocabulary",
]
