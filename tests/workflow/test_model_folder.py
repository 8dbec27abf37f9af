"""Tests of model folders: what they say, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import peft
import pytest
import torch
from datasets import DatasetDict
from transformers import (
    AutoTokenizer,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    ModernBertConfig,
)
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from hf_tinybert import TinyBertForMultiTask
from hf_tinybert.data.sources import TaskData
from hf_tinybert.data.tasks import TASK_FILE, Task, TaskKind, TaskSettings
from hf_tinybert.distillation.adapters import is_adapter
from hf_tinybert.hub import PublishedForm
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
from hf_tinybert.workflow import evaluate_folder, load_model_folder, model_folder, predict
from hf_tinybert.workflow.model_folder import (
    answering_config,
    folder_of_file,
    load_config,
    load_task,
    load_tokenizer,
    ready_to_save,
    stored_folder,
    task_folder,
)
from hf_tinybert.workflow.task_data import check_labels

LABELS = {0: "business", 1: "culture", 2: "sport"}


@pytest.fixture
def published(tmp_path, tiny_teacher_config, tokenizer):
    """A classifier as others publish it: without task.json."""
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def several(tmp_path, tiny_student_config, tokenizer):
    """A multi-task folder with two heads, one of which has a task.json."""
    torch.manual_seed(0)
    tasks = {
        "news": {"kind": "text-classification", "id2label": LABELS},
        "things": {"kind": "token-classification", "id2label": {0: "O", 1: "B-thing"}},
    }
    TinyBertForMultiTask.from_encoder(BertModel(tiny_student_config), tasks).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("O", "B-thing"), max_length=20)).save(
        task_folder(tmp_path, "things")
    )
    return tmp_path


def test_a_published_model_needs_its_kind_only(published, data_of):
    """Prevents models of others from being out of reach."""
    task = load_model_folder(published, kind="text-classification").task
    assert task.settings.labels == ("business", "culture", "sport")
    assert "accuracy" in evaluate_folder(published, data_of("text-classification"), kind="text-classification")


@pytest.mark.parametrize("tasks", [["NER"], {"../../elsewhere": {"kind": "text-classification"}}])
def test_what_another_model_calls_its_tasks_is_no_head(published, tasks):
    """Prevents a traceback over a field of somebody else, and a `task.json` that is read outside the folder."""
    config = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps({**config, "tasks": tasks}))
    assert load_task(published, kind="text-classification").settings.labels == ("business", "culture", "sport")


def test_a_published_model_reads_long_texts_as_finetune_does(tmp_path, tiny_teacher_config, tokenizer):
    """Prevents answers that are lost between windows of 128 tokens, which share none, of a model trained for more."""
    tiny_teacher_config.max_position_embeddings = tokenizer.model_max_length = 512
    BertForQuestionAnswering(tiny_teacher_config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    settings = load_task(tmp_path, kind="question-answering").settings
    assert (settings.max_length, settings.stride) == (384, 128)
    settings = load_task(tmp_path, kind="token-classification").settings
    assert (settings.max_length, settings.stride) == (128, 42)
    assert load_task(tmp_path, kind="text-classification").settings.stride == 0


def test_embeddings_are_compared_as_the_configuration_says(tmp_path, tiny_student_config, tokenizer):
    """Prevents embeddings that were learnt with their lengths from being scored by the cosine, without a task.json."""
    tiny_student_config.similarity, tiny_student_config.normalize = "dot", False
    TinyBertForSentenceEmbedding(tiny_student_config).save_pretrained(tmp_path / "one")
    spec = {"kind": "sentence-embedding", "similarity": "dot", "normalize": False}
    several = TinyBertForMultiTask.from_encoder(BertModel(tiny_student_config), {"sts": spec})
    several.save_pretrained(tmp_path / "several")
    for name in ("one", "several"):
        tokenizer.save_pretrained(tmp_path / name)
    assert load_task(tmp_path / "one", kind="sentence-embedding").settings.similarity == "dot"
    assert load_task(tmp_path / "several", task="sts").settings.similarity == "dot"


def test_without_a_kind_it_says_what_is_missing(published):
    """Prevents a guess of what a model answers."""
    with pytest.raises(ValueError, match=r"task\.json"):
        load_model_folder(published)


def test_a_folder_of_sentence_transformers_says_its_kind(tmp_path, tiny_student_config, tokenizer, data_of):
    """Prevents `evaluate` and `predict` from asking for a kind that the folder's `modules.json` tells."""
    torch.manual_seed(0)
    folder = save_as_sentence_transformer(
        TinyBertForSentenceEmbedding(tiny_student_config), tokenizer, tmp_path / "embedder"
    )
    told = load_model_folder(folder).task.settings
    assert told == load_model_folder(folder, kind="sentence-embedding").task.settings
    data = data_of("sentence-embedding")
    assert evaluate_folder(folder, data) == evaluate_folder(folder, data, kind="sentence-embedding")
    # a cross-encoder is listed there too, and pools nothing
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "x.Transformer"}]))
    with pytest.raises(ValueError, match="or give the kind"):
        load_model_folder(folder)


def test_an_untrained_head_is_refused(tmp_path, tiny_teacher_config, tokenizer):
    """Prevents answers at random."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="classifier"):
        load_model_folder(tmp_path, kind="text-classification")


def test_another_kind_than_the_model_was_trained_for_is_refused(student_of):
    """Prevents numbers of one kind from being read as another."""
    with pytest.raises(ValueError, match="text-classification"):
        load_model_folder(student_of("text-classification")[0], kind="regression")


def test_a_head_of_a_multi_task_model_answers_as_a_model_of_its_own(several):
    """Prevents the wrong head, or lengths of another task."""
    (answer,) = predict(several, "the film is good", task="news")
    assert answer["label"] in LABELS.values()
    assert load_model_folder(several, task="things").task.settings.max_length == 20
    assert load_task(several, task="things").settings == load_model_folder(several, task="things").task.settings
    assert load_model_folder(several, task="news").task.settings.labels == tuple(LABELS.values())


def test_a_pushed_model_answers_by_its_hub_name_as_from_its_folder(student_of, several, on_hub):
    """Prevents a kind that must be told, and texts that are cut at 128 tokens whatever the model was trained with."""
    own, _ = student_of("text-classification")
    pushed = on_hub(own, "tester/student")
    assert load_task(pushed).settings == load_task(own).settings
    assert list(predict(pushed, "the film is good")) == list(predict(own, "the film is good"))
    pushed = on_hub(several, "tester/several", PublishedForm.TINYBERT)
    assert load_task(pushed, task="things").settings.max_length == 20
    assert load_task(pushed, task="news").settings == load_task(several, task="news").settings


def test_a_file_that_a_model_lacks_is_none(several, on_hub):
    """Prevents a model without a task from stopping with an error of the Hub's client."""
    pushed = on_hub(several, "tester/lacking", PublishedForm.TINYBERT)
    assert [folder_of_file(name, TASK_FILE) for name in (several, pushed, "tester/nobody")] == [None] * 3


def test_another_kind_than_that_of_the_head_is_refused(several):
    """Prevents a kind that is given and passed over without a word."""
    assert load_task(several, task="news", kind="text-classification").kind is TaskKind.TEXT_CLASSIFICATION
    with pytest.raises(ValueError, match="the kind `token-classification` that the head `things` .* got `regression`"):
        load_model_folder(several, task="things", kind="regression")


def test_a_head_without_a_length_reads_no_more_than_its_encoder(several):
    """Prevents an `IndexError` in the middle of a long text where the tokenizer knows no limit."""
    tokenizer = AutoTokenizer.from_pretrained(several)
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(several)
    assert load_task(several, task="news").settings.max_length == 64
    (answer,) = predict(several, "the film is good " * 100, task="news")
    assert answer["label"] in LABELS.values()


@pytest.mark.parametrize("task", [None, "weather"])
def test_a_head_that_is_not_there_is_refused_by_name(several, task):
    """Prevents a head that is chosen by chance."""
    with pytest.raises(ValueError, match="`news`, `things`"):
        load_model_folder(several, task=task)


def test_files_are_found_in_folders_and_in_the_cache(tmp_path, monkeypatch):
    """Prevents a model that was downloaded from being taken for one that is not here, and odd names from failing."""
    cached = tmp_path / "snapshot" / "config.json"
    monkeypatch.setattr(
        model_folder, "try_to_load_from_cache", lambda name, file: str(cached) if name == "somebody/small" else None
    )
    assert stored_folder("somebody/small") == cached.parent and stored_folder("somebody/other") is None
    assert stored_folder(tmp_path) == tmp_path
    monkeypatch.undo()
    assert [stored_folder(name) for name in ("my old teacher", "./gone", "a/b/c")] == [None] * 3


def test_a_saved_tokenizer_cuts_and_pads_by_what_a_call_asks_for_alone(
    tokenizer, tiny_student_config, tmp_path, teacher_of, student_of
):
    """Prevents a program that reads `tokenizer.json` without transformers from cutting texts as the last call did."""
    tokenizer("the film is good", truncation=True, max_length=4, padding="max_length")
    ready_to_save(tokenizer, tiny_student_config)
    tokenizer.save_pretrained(tmp_path)
    for folder in (tmp_path, teacher_of("text-classification"), student_of("text-classification")[0]):
        saved = json.loads(Path(folder, "tokenizer.json").read_text(encoding="utf-8"))
        assert saved["truncation"] is saved["padding"] is None


@pytest.mark.parametrize("said", [VERY_LARGE_INTEGER, 32])
def test_a_saved_tokenizer_says_how_much_its_model_reads(said, tokenizer, tiny_student_config):
    """Prevents an index error of `pipeline(..., truncation=True)`: DeBERTa-v3's tokenizer knows no limit."""
    tokenizer.model_max_length = said
    ready_to_save(tokenizer, tiny_student_config)
    assert tokenizer.model_max_length == min(said, 64)


def test_a_folder_that_does_not_exist_is_one_sentence(tmp_path):
    """Prevents a traceback of the Hub's client for a typing mistake."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model_folder(tmp_path / "nowhere")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path, tiny_teacher_config):
    """Prevents an empty tokenizer, which transformers makes up, from reading every word as unknown."""
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path)
    with pytest.raises((ValueError, OSError)):
        load_model_folder(tmp_path, kind="text-classification")


def test_a_tokenizer_of_sentence_piece_alone_names_the_package_that_reads_it(tmp_path, monkeypatch):
    """Prevents the advice to install tiktoken, with which a DeBERTa-v3 from the Hub cannot be read either."""
    DebertaV2Config().save_pretrained(tmp_path)
    (tmp_path / "spm.model").write_bytes(b"no model")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "DebertaV2Tokenizer", "vocab_type": "spm"})
    )
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ModuleNotFoundError, match=r"hf-tinybert\[sentencepiece\]"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "spm.model").unlink()
    with pytest.raises(ValueError, match="expected tokenizer files|expected a tokenizer"):
        load_tokenizer(str(tmp_path))


def test_a_tokenizer_that_cannot_be_read_is_one_sentence(tmp_path):
    """Prevents a list of ways to make a backend in the place of what is missing."""
    ModernBertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected a tokenizer in .*; save the tokenizer beside the model"):
        load_tokenizer(str(tmp_path))


def test_a_folder_of_another_kind_is_named_with_its_cure(tmp_path):
    """Prevents a sentence of another library, without what to do, for a folder of data."""
    with pytest.raises(ValueError, match="name a folder as `hf-tinybert finetune`"):
        load_config(str(tmp_path))


def test_an_adapter_is_refused_with_the_way_to_merge_it(tmp_path):
    """Prevents the advice to fine-tune anew, for a teacher that only has to be merged."""
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ValueError, match=r"got the adapter .*merge_and_unload"):
        load_config(str(tmp_path))


def test_an_adapter_answers_as_its_merged_model(adapter_teacher, encoder):
    """Prevents a LoRA folder whose answers are those of its base, or whose classes have no names."""
    folder = load_model_folder(adapter_teacher, kind="text-classification")
    assert folder.task.settings.labels == ("business", "culture", "sport") and is_adapter(adapter_teacher)
    adapted = peft.AutoPeftModelForSequenceClassification.from_pretrained(adapter_teacher, num_labels=3).eval()
    batch = folder.tokenizer(["the film is good", "a bank falls"], return_tensors="pt", padding=True)
    with torch.no_grad():
        torch.testing.assert_close(folder.model(**batch).logits, adapted(**batch).logits, rtol=1e-4, atol=1e-5)
    assert answering_config(adapter_teacher).num_labels == 3 and not is_adapter(encoder)


def test_classes_without_names_are_told_with_their_cure(adapter_teacher, tmp_path):
    """Prevents the advice to fine-tune anew, for an adapter that only says no names of its classes."""
    bare = Path(shutil.copytree(adapter_teacher, tmp_path / "bare"))
    (bare / "config.json").unlink()
    task = load_task(bare, kind="text-classification")
    with pytest.raises(ValueError, match=r"LABEL_0 and so on.*write `id2label` into its `config\.json`"):
        check_labels(TaskData(task.kind, DatasetDict(), ("business",), {"business": ("train", 0)}), task)
