"""What the tests of the workflow share: a tiny encoder, data of every kind, a silent display, few steps."""

import io
import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from datasets import Dataset
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    MobileBertConfig,
    MobileBertForSequenceClassification,
    set_seed,
)

from hf_tinybert.data.block_masking import BlockMaskingCollator
from hf_tinybert.data.blocks import PackedBlocks
from hf_tinybert.data.tasks import Task
from hf_tinybert.hub.published_files import PublishedForm, prepared_files
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, PretrainSettings, distil, finetune
from hf_tinybert.workflow.corpus import split_corpus
from hf_tinybert.workflow.general_models import general_teacher, student_of_text, untrained_student
from hf_tinybert.workflow.general_parts import GeneralParts
from hf_tinybert.workflow.general_tasks import heads_of, read_tasks
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer, save_model_folder

KINDS = [
    "text-classification",
    "pair-classification",
    "multi-label-classification",
    "regression",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "masked-lm",
    "extractive-summarization",
    "sentence-embedding",
]
FEW = {"max_length": 32, "batch_size": 8, "epochs": 1}
SMALL = {"layers": 2, "width": 16, "heads": 4, "units": 40, "preflight": False}
GENERAL = {"layers": 2, "width": 16, "heads": 4, "units": 40, "block_length": 16, "batch_size": 8}
GENERAL |= {"held_out_blocks": 4, "preflight": False}
NOUNS = {"film", "game", "match", "player", "team", "bank", "market", "song"}
NAMES = ["business", "culture", "sport"]


@pytest.fixture
def display() -> ProgressDisplay:
    """Shows nothing."""
    return ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory, vocabulary) -> str:
    """A folder with a tiny BERT of 4 layers x 32 without a head, and its tokenizer."""
    from transformers import BertConfig, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def data_of(tmp_path_factory, sentences, sentence_labels):
    """Gives the folder of a data set of a kind: 48 training, 24 validation and 24 test rows as JSONL."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            rows = [_row(kind, index, sentences, sentence_labels) for index in range(96)]
            for split, part in (("train", rows[:48]), ("validation", rows[48:72]), ("test", rows[72:])):
                lines = "".join(json.dumps(row) + "\n" for row in part)
                (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
            made[kind] = str(folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def teacher_of(tmp_path_factory, encoder, data_of):
    """Gives the folder of a teacher of a kind; of sentence embedding the encoder itself."""
    made: dict[str, str] = {"sentence-embedding": encoder}
    quiet = ProgressDisplay(Console(file=io.StringIO()))

    def make(kind: str) -> str:
        if kind not in made:
            folder = tmp_path_factory.mktemp("teachers") / kind
            finetune(FinetuneSettings(data=data_of(kind), model=encoder, kind=kind, **FEW), folder, quiet)
            made[kind] = str(folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def student_of(tmp_path_factory, data_of, teacher_of):
    """Gives the folder of a student of a kind and its figures."""
    made: dict[str, tuple[str, dict]] = {}
    quiet = ProgressDisplay(Console(file=io.StringIO()))

    def make(kind: str) -> tuple[str, dict]:
        if kind not in made:
            folder = tmp_path_factory.mktemp("students") / kind
            settings = DistilSettings(
                data=data_of(kind), teacher=teacher_of(kind), kind=kind, score_test=True, **FEW, **SMALL
            )
            made[kind] = str(folder), distil(settings, folder, quiet)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def adapter_teacher(tmp_path_factory, encoder, teacher_of) -> str:
    """The folder of a LoRA adapter on the encoder, trained on nothing, that names the news' classes."""
    import peft
    from transformers import AutoModelForSequenceClassification

    folder, news = tmp_path_factory.mktemp("adapter") / "lora", Path(teacher_of("text-classification"))
    torch.manual_seed(3)
    base = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3)
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"])
    adapted = peft.get_peft_model(base, lora)
    with torch.no_grad():  # a fresh adapter changes nothing
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    adapted.save_pretrained(folder)
    shutil.copy(news / "config.json", folder)
    return str(folder)


@pytest.fixture
def on_hub():
    """`on_hub(folder, name)`: a folder as it lies in the cache of the Hub, once it was pushed and fetched."""

    def fetched(folder: str | Path, name: str, form: PublishedForm = PublishedForm.BERT) -> str:
        cache = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
        (cache / "refs").mkdir(parents=True)
        (cache / "refs" / "main").write_text("0" * 40)
        with prepared_files(Path(folder), form) as files:
            shutil.copytree(files, cache / "snapshots" / ("0" * 40))
        return name

    return fetched


@pytest.fixture(scope="session")
def build_parts(encoder, tmp_path_factory):
    """`build_parts(**settings)`: the parts of a tiny general distillation, 40 blocks of 16 tokens."""

    def build(**changes):
        folder = tmp_path_factory.mktemp("general")
        settings = PretrainSettings(texts=("texts.txt",), teacher=encoder, **{**GENERAL, **changes})
        tokenizer, config = load_tokenizer(encoder), load_config(encoder)
        tasks, arguments = read_tasks(settings, tokenizer, config), settings.arguments(folder)
        set_seed(settings.seed)
        student = untrained_student(settings, config, heads_of(tasks))
        words = np.random.default_rng(0).integers(5, len(tokenizer), (40, settings.block_length))
        words[:, 0], words[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
        rows = Dataset.from_dict({"input_ids": words}).with_format("numpy")
        train_rows, held_out_rows = split_corpus(rows, settings)
        return GeneralParts(
            settings=settings,
            arguments=arguments,
            student=student,
            teacher=general_teacher(encoder, student_of_text(student), arguments),
            teacher_name="public/teacher",
            tokenizer=tokenizer,
            blocks=PackedBlocks(rows, documents=7, tokens=40 * 14, left_out=0),
            train_rows=train_rows,
            held_out_rows=held_out_rows,
            masks=None if settings.masked_lm is None else BlockMaskingCollator(tokenizer, settings.seed),
            tasks=tasks,
        )

    return build


def _row(kind, index, sentences, labels):
    sentence, label = sentences[index % 24], labels[index % 24]
    # no two rows alike, or they would be taken out
    sentence = " ".join(["the"] * (index // 24) + [sentence])
    other = sentences[(index + 1 + index // 24) % 24]
    words = sentence.split()
    if kind == "text-classification":
        return {"text": sentence, "label": NAMES[label]}
    if kind == "pair-classification":
        return {"text": sentence, "text_pair": other, "label": "same" if index % 2 else "different"}
    if kind == "multi-label-classification":
        return {"text": sentence, "labels": [NAMES[label]] + (["good"] if "good" in words else [])}
    if kind == "regression":
        return {"text": sentence, "score": float(label) + index / 100}
    if kind == "token-classification":
        return {"tokens": words, "tags": ["B-thing" if word in NOUNS else "O" for word in words]}
    if kind == "question-answering":
        answer = words[-1]
        answers = {"text": [answer], "answer_start": [sentence.rindex(answer)]}
        return {"id": str(index), "question": "what is it", "context": sentence, "answers": answers}
    if kind == "multiple-choice":
        return {"text": sentence, "choices": ["a film", "a game", "a bank"], "label": label}
    if kind == "masked-lm":
        return {"text": sentence}
    if kind == "extractive-summarization":
        parts = [" ".join(part.replace(".", "").split()).capitalize() + "." for part in (sentence, other)]
        return {"document": " ".join(parts), "summaries": [parts[index % 2]]}
    return {"text": sentence, "text_pair": other, "score": float(index % 6)}


@pytest.fixture
def earlier_calls_took():
    """Sets the seconds that an interrupted run says of each of its phases."""

    def change(folder, seconds):
        for file in (folder / ".checkpoints").rglob("distillation.json"):
            told = json.loads(file.read_text())
            file.write_text(json.dumps({**told, "phase_seconds": dict.fromkeys(told["phase_seconds"], seconds)}))
        clock = folder / ".checkpoints" / "seconds.json"  # of a training on labels
        if clock.is_file():
            clock.write_text(json.dumps(dict.fromkeys(json.loads(clock.read_text()), seconds)))

    return change


@pytest.fixture(scope="session")
def train_anew():
    """Gives a model other weights in the same folder, as another training would."""

    def change(folder):
        file = Path(folder, "model.safetensors")
        weights = load_file(file)
        save_file({name: value + 1 for name, value in weights.items()}, file, {"format": "pt"})

    return change


@pytest.fixture(scope="session")
def save_other_teacher(tmp_path_factory, teacher_of):
    """Saves a tiny model for classes of another family, with random weights; gives its folder."""

    def save(model_class, config_class, **sizes):
        known = teacher_of("text-classification")
        tokenizer, task = AutoTokenizer.from_pretrained(known), Task.load(Path(known))
        torch.manual_seed(0)
        config = config_class(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes, **task.model_settings())
        folder = tmp_path_factory.mktemp(config.model_type)
        save_model_folder(folder, model_class(config), tokenizer, task)
        return str(folder)

    return save


@pytest.fixture(scope="session")
def other_teacher(save_other_teacher):
    """The folder of a tiny DistilBERT for classes."""
    sizes = {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64}
    return save_other_teacher(DistilBertForSequenceClassification, DistilBertConfig, **sizes)


@pytest.fixture(scope="session")
def unlike_teacher(save_other_teacher):
    """The folder of a tiny MobileBERT for classes, whose layers have no counterpart in BERT."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
    narrow = {"embedding_size": 16, "intra_bottleneck_size": 16}
    return save_other_teacher(MobileBertForSequenceClassification, MobileBertConfig, **sizes, **narrow)
