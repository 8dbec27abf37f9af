"""Tests of a student before its first step."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    MPNetConfig,
    MPNetModel,
    RoFormerConfig,
    RoFormerForMultipleChoice,
)

from hf_tinybert import (
    TinyBertConfig,
    TinyBertForMaskedLM,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.models.layer_search import SEARCH
from hf_tinybert.models.start_checks import InitializationMethod
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.models.vocabulary import trim_model
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow import DistilSettings
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.student_start import (
    check_student_start,
    keep_found_layers,
    layers_of_run,
    new_student,
    show_what_is_left_out,
    start_student,
    student_config,
    student_tokenizer,
)

SHAPE = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 40}


@pytest.fixture
def trained(encoder, tmp_path):
    """Saves a trained student of a class with its tokenizer; gives its folder."""

    def save(model_class=TinyBertModel, name="trained", **fields):
        torch.manual_seed(5)
        config = TinyBertConfig.from_teacher(load_config(encoder), **{**SHAPE, "hidden_dropout_prob": 0.0, **fields})
        model_class(config).save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    return save


@pytest.fixture
def make(encoder):
    """Gives a student of a class for settings, and the settings."""

    def build(start, model_class=TinyBertForSequenceClassification, **fields):
        settings = DistilSettings(data="data", teacher=encoder, start=start, dropout=0.1)
        config = student_config(settings, load_config(encoder), **fields)
        return new_student(model_class, config, settings, load_tokenizer(encoder)), settings

    return build


def encoder_of(model):
    """Weights of embeddings and layers by their name inside the encoder."""
    return {name: value for name, value in model.base_model.state_dict().items() if not name.startswith("pooler")}


def same_encoder(model, folder):
    own, other = encoder_of(model), encoder_of(AutoModel.from_pretrained(folder))
    return own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)


@pytest.mark.parametrize(
    "model_class",
    [TinyBertForSequenceClassification, TinyBertForMaskedLM, TinyBertModel],
    ids=lambda one: one.__name__,
)
def test_a_trained_student_hands_on_shape_and_encoder(make, trained, model_class):
    """Prevents a random student of the default shape in the place of the trained one."""
    folder = trained()
    student, _ = make(folder, model_class)
    assert {name: getattr(student.config, name) for name in SHAPE} == SHAPE
    assert same_encoder(student, folder)


def test_dropout_is_that_of_the_run(make, trained):
    """Prevents a student without dropout because general distillation is without."""
    student, _ = make(trained())
    assert (student.config.hidden_dropout_prob, student.config.attention_probs_dropout_prob) == (0.1, 0.1)


def test_a_plain_bert_is_a_trained_student(make, encoder, tmp_path):
    """Prevents small BERTs that others have published from being refused, or read without their encoder."""
    sizes = {**SHAPE, "vocab_size": len(load_tokenizer(encoder)), "max_position_embeddings": 64}
    for name, model in (
        ("encoder", BertModel(BertConfig(**sizes), add_pooling_layer=False)),
        ("with head", BertForSequenceClassification(BertConfig(**sizes, num_labels=5))),
    ):
        model.save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / name)
        student, _ = make(str(tmp_path / name), id2label={0: "a", 1: "b", 2: "c"})
        assert isinstance(student.config, TinyBertConfig) and student.num_labels == 3
        assert same_encoder(student, tmp_path / name)


def test_a_student_of_another_task_hands_on_its_encoder_alone(make, trained):
    """Prevents labels, or a kind of answer, of the task before; and a traceback where heads differ in size."""
    folder = trained(TinyBertForSequenceClassification, num_labels=1, problem_type="regression")
    student, _ = make(folder, TinyBertForTokenClassification, id2label={0: "O", 1: "B", 2: "I"})
    assert same_encoder(student, folder)
    assert student.config.problem_type is None and student.classifier.weight.shape == (3, 16)


def test_a_trained_student_of_half_precision_trains_in_float32(make, trained, tmp_path):
    """Prevents Adam in float16, in which small steps are lost."""
    folder = trained()
    AutoModel.from_pretrained(folder).half().save_pretrained(tmp_path)
    load_tokenizer(folder).save_pretrained(tmp_path)
    student, _ = make(str(tmp_path))
    assert student.dtype is torch.float32


def test_a_head_of_the_same_form_is_kept(make, trained):
    """Prevents a student that has learnt the task already from losing it before its teacher is read."""
    folder = trained(TinyBertForSequenceClassification, num_labels=3)
    student, _ = make(folder, id2label={0: "a", 1: "b", 2: "c"})
    assert torch.equal(student.classifier.weight, load_file(Path(folder, "model.safetensors"))["classifier.weight"])


@pytest.mark.parametrize("start", ["projection", "layers", "random"])
def test_without_a_folder_the_shape_is_that_of_the_settings(encoder, start):
    """Prevents a start of the teacher from being read as a folder."""
    settings = DistilSettings(data="data", teacher=encoder, start=start, layers=3, width=8, heads=2, units=20)
    config = student_config(settings, load_config(encoder))
    student = new_student(TinyBertModel, config, settings, load_tokenizer(encoder))
    assert (student.config.num_hidden_layers, student.config.hidden_size) == (3, 8)
    again = new_student(TinyBertModel, config, settings, load_tokenizer(encoder))
    assert all(torch.equal(one, other) for one, other in zip(student.parameters(), again.parameters(), strict=True))


def test_starting_leaves_a_trained_encoder_and_fits_its_head(make, trained, encoder):
    """Prevents general distillation that is overwritten by the projection of the teacher."""
    torch.manual_seed(3)
    folder = trained()
    student, settings = make(folder, id2label={0: "a", 1: "b", 2: "c"})
    teacher = BertForSequenceClassification.from_pretrained(encoder, num_labels=3).eval()
    texts = [{"input_ids": torch.randint(5, 40, (8, 16))} for _ in range(8)]
    before = student.classifier.weight.clone()
    initial = start_student(student, teacher, settings, texts, "uniform")
    assert initial.method is InitializationMethod.TRAINED and initial.random_parameters == ()
    assert same_encoder(student, folder) and not torch.equal(student.classifier.weight, before)


def test_a_search_is_called_alike_on_both_sides():
    """Prevents a run that is told to search and a start that takes the word for layers."""
    assert MappingStrategy.SEARCH == SEARCH


def test_an_interrupted_run_goes_on_with_the_layers_that_it_found(tmp_path, display):
    """Prevents layers that another machine finds for the rest of a run, and a search by every process."""
    folder = RunFolder(tmp_path / "run", {})
    assert layers_of_run(folder, "search", leads=True) == "search"
    keep_found_layers(folder, "search", SimpleNamespace(mapping=(0, 1, 4)), display, leads=True)
    for leads in (True, False):
        assert layers_of_run(RunFolder(tmp_path / "run", {}), "search", leads=leads) == "1,4"
    assert layers_of_run(folder, "last", leads=True) == "last"


@pytest.mark.parametrize(("start", "reads"), [("projection", True), ("layers", False), ("random", False)])
def test_texts_are_read_where_something_is_fitted(encoder, start, reads):
    """Prevents minutes of tokenising for a start that reads no text."""
    sizes = {} if start == "layers" else {"width": 16, "heads": 4, "units": 40}
    settings = DistilSettings(data="data", teacher=encoder, start=start, layers=2, **sizes)
    config = load_config(encoder)
    student = new_student(TinyBertModel, student_config(settings, config), settings, load_tokenizer(encoder))
    asked = []

    def texts():
        asked.append(True)
        yield {"input_ids": torch.randint(5, 40, (8, 16))}

    assert start_student(student, BertModel(config), settings, texts(), "uniform").method == start
    assert bool(asked) is reads


def test_another_vocabulary_is_refused(make, trained):
    """Prevents words that stand for other words: ids are the same, and nothing fails."""
    folder = trained()
    file = Path(folder, "tokenizer.json")
    file.write_text(file.read_text().replace('"film"', '"movie"'))
    with pytest.raises(ValueError, match="vocabulary of its teacher as `start`, got another one in `.*trained`"):
        make(folder)


@pytest.mark.parametrize("model_class", [TinyBertForSequenceClassification, TinyBertModel], ids=["head", "encoder"])
def test_a_folder_without_an_encoder_is_refused(make, trained, model_class):
    """Prevents layers at random that are taken for trained ones: of transformers that is a warning only."""
    folder = trained()
    weights = load_file(Path(folder, "model.safetensors"))
    kept = {name: value for name, value in weights.items() if "layer.1." not in name}
    assert len(kept) < len(weights)
    save_file(kept, Path(folder, "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"the weights of an encoder in `.*trained`, got none of .*layer\.1\."):
        make(folder, model_class)


def test_truncated_weights_are_refused(make, trained):
    """Prevents half a download from being trained on."""
    folder = trained()
    file = Path(folder, "model.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ValueError, match="expected whole weights"):
        make(folder)


def test_another_family_is_refused(make, tmp_path, encoder):
    """Prevents an attribute error, or a student whose weights were not found."""
    DistilBertConfig(vocab_size=40).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="a TinyBERT or a BERT as `start`, got `.*other` of the type `distilbert`"):
        make(str(tmp_path / "other"))


def test_a_folder_that_is_nowhere_is_named(make):
    """Prevents a traceback of the hub's client."""
    with pytest.raises(FileNotFoundError, match="expected a model folder or a Hub name, got `runs/general`"):
        make("runs/general")


@pytest.fixture
def trimmed(trained, tmp_path):
    """The folder of a trained student with twenty of the pieces."""
    folder = Path(trained(TinyBertForMaskedLM, name="whole"))
    kept = list(range(20))
    model = trim_model(TinyBertForMaskedLM.from_pretrained(folder), kept)
    model.save_pretrained(tmp_path / "trimmed")
    trim_tokenizer(load_tokenizer(str(folder)), kept).save_pretrained(tmp_path / "trimmed")
    return str(tmp_path / "trimmed")


def test_a_student_with_a_part_of_the_pieces_reads_by_its_own_tokenizer(encoder, trained, trimmed):
    """Prevents ids of the teacher from being looked up in the student's smaller table."""
    teacher = load_tokenizer(encoder)
    whole = DistilSettings(data="data", teacher=encoder, start=trained())
    part = DistilSettings(data="data", teacher=encoder, start=trimmed)
    assert student_tokenizer(whole, teacher) is teacher
    assert student_tokenizer(DistilSettings(data="data", teacher=encoder), teacher) is teacher
    own = student_tokenizer(part, teacher)
    assert len(own) == 20
    student = new_student(TinyBertForSequenceClassification, student_config(part, load_config(encoder)), part, own)
    assert student.config.vocab_size == 20 and same_encoder(student, trimmed)


def test_the_start_is_fitted_to_what_the_teacher_reads(encoder, trimmed, tokenizer):
    """Prevents heads and projections that are fitted to other words, or an index error on the first of them."""
    settings = DistilSettings(data="data", teacher=encoder, start=trimmed)
    config = student_config(settings, load_config(encoder))
    own = student_tokenizer(settings, load_tokenizer(encoder))
    teacher = AutoModel.from_pretrained(encoder)
    texts = ["the film game match", "a team player of law", "goal of the match"] * 20
    starts = []
    for token_map in (torch.arange(20), torch.arange(20).flip(0)):
        student = new_student(TinyBertForSequenceClassification, config, settings, own)
        rows = [own(texts, padding=True, return_tensors="pt")]
        starts.append(start_student(student, teacher, settings, rows, "uniform", token_map).projection)
    student = TinyBertForSequenceClassification(TinyBertConfig.from_pretrained(trimmed, vocab_size=40))
    student.bert.load_state_dict(AutoModel.from_pretrained(Path(trimmed).parent / "whole").state_dict(), strict=False)
    rows = [tokenizer(texts, padding=True, return_tensors="pt")]
    whole = start_student(student, teacher, settings, rows, "uniform")
    torch.testing.assert_close(starts[0], whole.projection, rtol=1e-3, atol=1e-4)
    assert (starts[0] - starts[1]).abs().max() > 1e-2
    assert teacher.config.vocab_size == 40


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda teacher: torch.nn.init.constant_(teacher.classifier.bias, torch.nan), "finite"),
        (lambda teacher: setattr(teacher.config, "eos_token_id", 30), "ids that the model itself names"),
    ],
    ids=["nan", "special token"],
)
def test_a_start_by_a_part_of_the_pieces_is_refused_before_anything_is_scored(encoder, trimmed, spoil, match):
    """Prevents a refusal that comes only when the teacher has answered all rows."""
    settings = DistilSettings(data="unused", teacher=encoder, start=trimmed)
    student = TinyBertForSequenceClassification(student_config(settings, load_config(encoder)))
    teacher = BertForSequenceClassification.from_pretrained(encoder)
    check_student_start(student, teacher, settings, "uniform", torch.arange(20))
    spoil(teacher)
    with pytest.raises(ValueError, match=match):
        check_student_start(student, teacher, settings, "uniform", torch.arange(20))


@pytest.mark.parametrize(("method", "told"), [("projection", True), ("layers", True), ("random", False)])
def test_it_is_shown_what_of_the_teacher_is_left_out(method, told):
    """Prevents a student without its teacher's relative positions from being taken for a copy."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
    shown = io.StringIO()
    display = ProgressDisplay(Console(file=shown))
    show_what_is_left_out(display, BertModel(BertConfig(vocab_size=40, **sizes)), InitializationMethod(method))
    assert not shown.getvalue()
    show_what_is_left_out(display, MPNetModel(MPNetConfig(vocab_size=40, **sizes)), InitializationMethod(method))
    assert ("without the teacher's relative positions" in shown.getvalue()) is told
    judge = RoFormerForMultipleChoice(RoFormerConfig(vocab_size=40, **sizes))
    show_what_is_left_out(display, judge, InitializationMethod(method))
    assert ("without the teacher's rotary positions and head for choices" in shown.getvalue()) is told
