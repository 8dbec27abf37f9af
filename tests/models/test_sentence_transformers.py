"""An embedding student gives the same vectors in sentence-transformers, and is read back from what was written."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertModel

import hf_tinybert
from hf_tinybert.models.sentence_transformer_settings import SentenceTransformerSettings, read_sentence_transformer
from hf_tinybert.models.sentence_transformers import load_sentence_transformer, save_as_sentence_transformer

TEXTS = ["the market falls today .", "a great song", "the team wins the match and a bank share rises today .", "goal"]


@pytest.fixture
def build_embedder(tiny_student_config):
    """`build_embedder(**config)`: seeded, weights large enough for differences to show."""

    def build(**overrides):
        torch.manual_seed(0)
        config = tiny_student_config.to_dict() | {"initializer_range": 0.3} | overrides
        return hf_tinybert.TinyBertForSentenceEmbedding(hf_tinybert.TinyBertConfig(**config)).eval()

    return build


def embeddings(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("size", [None, 10])
@pytest.mark.parametrize("normalize", [True, False])
def test_sentence_transformers_gives_the_same_embeddings(
    build_embedder, tokenizer, tmp_path, pooling, size, normalize
):
    """Another pooling, a dropped linear layer or padding that counts would give other neighbours, and no error."""
    from sentence_transformers import SentenceTransformer

    similarity = "cosine" if normalize else "dot"
    model = build_embedder(pooling=pooling, embedding_size=size, normalize=normalize, similarity=similarity)
    folder = save_as_sentence_transformer(model, tokenizer, tmp_path / "embedder")
    loaded = SentenceTransformer(str(folder), device="cpu")
    assert loaded.similarity_fn_name == ("cosine" if normalize else "dot")
    np.testing.assert_allclose(loaded.encode(TEXTS), embeddings(model, tokenizer), atol=1e-5)
    assert loaded.max_seq_length == 64
    assert loaded.get_embedding_dimension() == (size or 16)


def test_it_loads_in_a_process_without_this_package_and_in_silence(build_embedder, tokenizer, tmp_path):
    """A random pooler reported as missing, or a deprecated name, makes users doubt the folder."""
    folder = save_as_sentence_transformer(build_embedder(embedding_size=10), tokenizer, tmp_path / "embedder")
    code = (
        "import sys\nfrom sentence_transformers import SentenceTransformer\n"
        f"model = SentenceTransformer({str(folder)!r}, device='cpu')\n"
        "print('hf_tinybert' in sys.modules, model.encode('the film').shape)"
    )
    done = subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False (10,)", done.stderr
    assert "MISSING" not in done.stderr and "UNEXPECTED" not in done.stderr and "eprecat" not in done.stderr


def test_the_encoder_of_the_folder_is_plain_bert(build_embedder, tokenizer, tmp_path):
    """A `tinybert` in config.json could be read by no server."""
    model = build_embedder(embedding_size=10)
    folder = save_as_sentence_transformer(model, tokenizer, tmp_path / "embedder")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "bert"
    assert not {"tasks", "pooling", "embedding_size", "normalize", "classifier_activation"} & set(config)
    encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    assert type(encoder) is BertModel
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(**inputs).last_hidden_state, model.bert(**inputs).last_hidden_state)


def test_nothing_is_overwritten_and_only_embedders_are_written(build_embedder, tokenizer, tmp_path):
    """A folder of another model that is half replaced is neither."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError):
        save_as_sentence_transformer(build_embedder(), tokenizer, tmp_path)
    with pytest.raises(ValueError, match="expected a `TinyBertForSentenceEmbedding`"):
        save_as_sentence_transformer(build_embedder().bert, tokenizer, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_our_own_folder_is_read_back(build_embedder, tokenizer, tmp_path):
    """What is written must be what is read."""
    folder = save_as_sentence_transformer(build_embedder(pooling="cls"), tokenizer, tmp_path / "embedder")
    assert read_sentence_transformer(folder) == SentenceTransformerSettings("cls", normalize=True, max_length=64)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("size", [None, 10])
def test_our_own_folder_gives_its_embeddings_again(build_embedder, tokenizer, tmp_path, size, normalize):
    """Prevents a pushed embedding student that this package itself cannot answer with, or without its linear layer."""
    model = build_embedder(embedding_size=size, normalize=normalize, pooling="cls")
    folder = save_as_sentence_transformer(model, tokenizer, tmp_path / "folder")
    np.testing.assert_array_equal(
        embeddings(load_sentence_transformer(folder), tokenizer), embeddings(model, tokenizer)
    )


def test_a_module_that_is_not_known_is_refused(build_embedder, tokenizer, tmp_path):
    """Prevents embeddings without a step that their folder names."""
    folder = save_as_sentence_transformer(build_embedder(embedding_size=10), tokenizer, tmp_path / "folder")
    dense = json.loads((folder / "2_Dense" / "config.json").read_text())
    (folder / "2_Dense" / "config.json").write_text(json.dumps({**dense, "activation_function": "torch.nn.Tanh"}))
    with pytest.raises(ValueError, match="a linear Dense"):
        load_sentence_transformer(folder)
