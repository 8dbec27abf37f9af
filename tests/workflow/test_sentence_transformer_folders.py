"""Embeddings here are those of sentence-transformers: of folders that it wrote, and of those that it reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizer, MPNetConfig, MPNetModel, RobertaConfig, RobertaModel

from hf_tinybert.data.tasks import Task
from hf_tinybert.hub.published_files import PublishedForm, prepared_files
from hf_tinybert.workflow import DistilSettings, TrimSettings, distil, load_model_folder, trim_vocabulary
from hf_tinybert.workflow.inference import Inference
from tests.workflow.conftest import FEW, SMALL

LIMIT = 12
SHORT = "the market falls today ."
LONG = " ".join(f"{SHORT} a great song and the team wins the match" for _ in range(6))  # 84 words
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}


@pytest.fixture
def save_folder(tmp_path, tokenizer):
    """`save_folder(family, config, normalize=, pooling=, similarity=, **settings)`: with modules as of version 2."""

    def save(family, config, *, normalize=True, pooling="mean", similarity="cosine", **settings):
        torch.manual_seed(0)
        shape = {**SHAPE, "vocab_size": len(tokenizer), "pad_token_id": 0, "initializer_range": 0.5}
        model = family(config(max_position_embeddings=70, **shape))
        folder = tmp_path / "published"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
        modules = [
            {
                "idx": index,
                "name": str(index),
                "path": f"{index}_{kind}" if index else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, kind in enumerate(kinds)
        ]
        modes = {f"pooling_mode_{mode}": mode.startswith(pooling) for mode in ("cls_token", "mean_tokens")}
        files = {
            "modules.json": modules,
            "1_Pooling/config.json": {"word_embedding_dimension": 16, **modes},
            "config_sentence_transformers.json": {"similarity_fn_name": similarity},
            "sentence_bert_config.json": {"max_seq_length": LIMIT, "do_lower_case": False, **settings},
        }
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return str(folder)

    return save


def embeddings_here(folder):
    loaded = load_model_folder(folder)
    rows = Dataset.from_dict({"text": [SHORT, LONG]})
    return [one["embedding"] for one in Inference(loaded.model, loaded.tokenizer, loaded.task).predict(rows)]


def embeddings_there(folder):
    return SentenceTransformer(str(folder), device="cpu").encode([SHORT, LONG])


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("family", "config"), [(BertModel, BertConfig), (MPNetModel, MPNetConfig), (RobertaModel, RobertaConfig)]
)
def test_a_published_folder_gives_the_vectors_of_sentence_transformers(save_folder, family, config, normalize):
    """Prevents scores of a teacher that read more of a text than it does, or of vectors of another length."""
    folder = save_folder(family, config, normalize=normalize, pooling="cls" if normalize else "mean")
    np.testing.assert_allclose(embeddings_here(folder), embeddings_there(folder), atol=2e-5)


def test_without_a_length_the_tokenizer_decides(save_folder):
    """Prevents a cut at 128 tokens, or at none."""
    folder = save_folder(BertModel, BertConfig, max_seq_length=None)
    assert load_model_folder(folder).task.settings.max_length == 64
    np.testing.assert_allclose(embeddings_here(folder), embeddings_there(folder), atol=2e-5)


def test_letters_are_read_as_the_folder_says(save_folder, vocabulary):
    """Prevents `do_lower_case` from being passed over where the tokenizer tells capital letters apart."""
    folder = save_folder(BertModel, BertConfig, do_lower_case=True)
    BertTokenizer(vocab=str(vocabulary), do_lower_case=False).save_pretrained(folder)
    with pytest.raises(ValueError, match="tells capital letters apart"):
        load_model_folder(folder)


@pytest.fixture
def distilled(save_folder, data_of, tmp_path, display):
    """Folder of a student of a published encoder, whose teacher decided the length."""
    few = {name: value for name, value in FEW.items() if name != "max_length"}
    settings = DistilSettings(
        data=data_of("sentence-embedding"),
        teacher=save_folder(BertModel, BertConfig, normalize=False, similarity="dot"),
        kind="sentence-embedding",
        **few,
        **SMALL,
    )
    distil(settings, tmp_path / "student", display)
    return tmp_path / "student"


def test_a_student_reads_as_much_as_its_teacher_wherever_it_is_loaded(distilled, tmp_path, display):
    """Prevents long texts that get other vectors in sentence-transformers, as trained, trimmed and published."""
    assert Task.load(distilled).settings.max_length == LIMIT
    own = embeddings_here(distilled)
    np.testing.assert_allclose(own, embeddings_there(distilled / "sentence-transformers"), atol=2e-5)
    with prepared_files(distilled, PublishedForm.BERT) as published:
        np.testing.assert_allclose(own, embeddings_there(published), atol=2e-5)
        np.testing.assert_allclose(own, embeddings_here(published), atol=2e-5)
    (tmp_path / "texts.txt").write_text(LONG, encoding="utf-8")
    small = TrimSettings(model=str(distilled), texts=(str(tmp_path / "texts.txt"),))
    trim_vocabulary(small, tmp_path / "small", display)
    np.testing.assert_allclose(own, embeddings_there(tmp_path / "small" / "sentence-transformers"), atol=2e-5)


def test_a_student_is_compared_as_its_teacher_is(distilled):
    """Prevents a student of dot products that is taught, scored and published for the cosine."""
    folder = load_model_folder(distilled)
    assert folder.task.settings.similarity == folder.model.config.similarity == "dot"
    rows = Dataset.from_dict({"text": [SHORT], "text_pair": [LONG]})
    (answer,) = Inference(folder.model, folder.tokenizer, folder.task).predict(rows)
    product = sum(one * other for one, other in zip(answer["embedding"], answer["embedding_pair"], strict=True))
    assert answer["similarity"] == pytest.approx(product, rel=1e-3) and abs(product) > 1.5
    assert SentenceTransformer(str(distilled / "sentence-transformers"), device="cpu").similarity_fn_name == "dot"
    with prepared_files(distilled, PublishedForm.BERT) as published:
        assert load_model_folder(published).task.settings.similarity == "dot"


def test_more_tokens_than_the_teacher_reads_are_refused(save_folder, data_of, display):
    """Prevents a student of vectors that its teacher never gives."""
    settings = DistilSettings(
        data=data_of("sentence-embedding"),
        teacher=save_folder(BertModel, BertConfig),
        kind="sentence-embedding",
        **{**FEW, "max_length": LIMIT + 1},
        **SMALL,
    )
    with pytest.raises(ValueError, match=f"`max_length` of at most {LIMIT}, got {LIMIT + 1}"):
        distil(settings, Path("unused"), display)
    assert not Path("unused").exists()
