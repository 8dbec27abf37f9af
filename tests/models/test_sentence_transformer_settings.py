"""What a folder of sentence-transformers says of its embeddings is read, and what is not done here is refused."""

import json

import pytest

from hf_tinybert.models.sentence_transformer_settings import (
    SentenceTransformerSettings,
    check_same_letters,
    read_pooled_states,
    read_sentence_transformer,
)


def write_folder(folder, kinds, pooling, transformer=None):
    """A teacher's folder, as far as it is read."""
    modules = []
    for index, kind in enumerate(kinds):
        path = "" if index == 0 else f"{index}_{kind}"
        (folder / path).mkdir(exist_ok=True)
        modules.append(
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    if transformer:
        (folder / "sentence_bert_config.json").write_text(json.dumps(transformer), encoding="utf-8")


OLD_MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (OLD_MEAN, "mean"),
        ({**OLD_MEAN, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"embedding_dimension": 16, "pooling_mode": "cls", "include_prompt": True}, "cls"),
        ({"embedding_dimension": 16, "pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_the_pooling_of_a_teacher_is_read(tmp_path, pooling, expected):
    """A student that pools otherwise than its teacher learns vectors that nobody uses."""
    write_folder(tmp_path, ["Transformer", "Pooling", "Normalize"], pooling, {"max_seq_length": 256})
    assert read_sentence_transformer(tmp_path) == SentenceTransformerSettings(expected, normalize=True, max_length=256)
    write_folder(tmp_path, ["Transformer", "Pooling"], pooling)
    assert read_sentence_transformer(str(tmp_path)).normalize is False


def test_an_ordinary_folder_says_nothing_of_pooling(tmp_path):
    """A plain encoder must not be mistaken for a broken folder of sentence-transformers."""
    assert read_sentence_transformer(tmp_path) is None


@pytest.mark.parametrize(
    ("kinds", "pooling", "match"),
    [
        (["Transformer", "Pooling", "LayerNorm"], OLD_MEAN, "got Transformer, Pooling, LayerNorm"),
        (["Transformer", "Pooling", "Normalize", "Dense"], OLD_MEAN, "got Transformer, Pooling, Normalize, Dense"),
        (["Transformer", "Pooling"], {"pooling_mode": "lasttoken"}, "got lasttoken"),
        (
            ["Transformer", "Pooling"],
            {**OLD_MEAN, "pooling_mode_max_tokens": True},
            "got mean, pooling_mode_max_tokens",
        ),
        (["Transformer", "Pooling"], {"embedding_dimension": 16}, "got none"),
    ],
)
def test_a_teacher_that_does_more_is_refused(tmp_path, kinds, pooling, match):
    """Its encoder, pooled by us, would be another teacher than the one that was chosen."""
    write_folder(tmp_path, kinds, pooling)
    with pytest.raises(ValueError, match=match):
        read_sentence_transformer(tmp_path)


def test_a_linear_layer_is_told_and_refused_where_states_alone_are_pooled(tmp_path):
    """Prevents a student of vectors that its teacher does not give."""
    write_folder(tmp_path, ["Transformer", "Pooling", "Dense"], OLD_MEAN)
    linear = {"in_features": 16, "out_features": 10, "activation_function": "torch.nn.modules.linear.Identity"}
    (tmp_path / "2_Dense" / "config.json").write_text(json.dumps(linear))
    said = read_sentence_transformer(tmp_path)
    assert (said.linear_folder, said.linear_size) == ("2_Dense", 10)
    with pytest.raises(ValueError, match="got a Dense besides"):
        read_pooled_states(tmp_path)


@pytest.mark.parametrize(
    "dense",
    [
        {"out_features": 10, "activation_function": "torch.nn.modules.activation.Tanh"},
        {"out_features": 10, "activation_function": "torch.nn.modules.linear.Identity", "use_residual": True},
        {"out_features": 10},  # the library's own choice is Tanh
    ],
)
def test_a_layer_that_is_not_linear_is_refused(tmp_path, dense):
    """Prevents embeddings without a step that their folder names."""
    write_folder(tmp_path, ["Transformer", "Pooling", "Dense"], OLD_MEAN)
    (tmp_path / "2_Dense" / "config.json").write_text(json.dumps(dense))
    with pytest.raises(ValueError, match="expected a linear Dense"):
        read_sentence_transformer(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
            "puts `query: ` before each",
        ),
        ("config_sentence_transformers.json", {"truncate_dim": 8}, "`truncate_dim` 8"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "jaccard"}, "got `jaccard`"),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 8}}}, "`processing_kwargs`"),
    ],
)
def test_what_changes_texts_or_vectors_is_refused(tmp_path, file, content, match):
    """Prevents other vectors than those that sentence-transformers gives for the same folder, without a word."""
    write_folder(tmp_path, ["Transformer", "Pooling"], OLD_MEAN)
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=match):
        read_sentence_transformer(tmp_path)


def test_prompts_that_nobody_asks_for_are_no_obstacle(tmp_path):
    """`encode` uses none of them unless it is told to."""
    write_folder(tmp_path, ["Transformer", "Pooling"], OLD_MEAN)
    told = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": None}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(told))
    assert read_sentence_transformer(tmp_path).pooling == "mean"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sentence_roberta_config.json", {"max_seq_length": 24}),  # as versions before 2.0 called it
        ("sentence_bert_config.json", {"max_seq_length": 512, "tokenizer_args": {"model_max_length": 24}}),
    ],
)
def test_the_length_is_found_where_the_library_finds_it(tmp_path, file, content):
    """Prevents embeddings of more or fewer tokens than the folder's own."""
    write_folder(tmp_path, ["Transformer", "Pooling"], OLD_MEAN)
    (tmp_path / file).write_text(json.dumps(content))
    assert read_sentence_transformer(tmp_path).max_length == 24


def test_lower_casing_before_the_tokenizer_is_refused_unless_it_changes_nothing(tmp_path, tokenizer, vocabulary):
    """Prevents other tokens for every text with a capital letter."""
    from transformers import BertTokenizer

    write_folder(tmp_path, ["Transformer", "Pooling"], OLD_MEAN, {"do_lower_case": True})
    said = read_sentence_transformer(tmp_path)
    check_same_letters(said, tokenizer, tmp_path)
    cased = BertTokenizer(vocab=str(vocabulary), do_lower_case=False)
    with pytest.raises(ValueError, match="tells capital letters apart"):
        check_same_letters(said, cased, tmp_path)


def test_a_module_outside_the_folder_is_not_read(tmp_path):
    """Prevents a downloaded model that has other files of this machine read."""
    kinds = [("Transformer", ""), ("Pooling", "../elsewhere")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in kinds]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match="expected the name of a folder for the modules"):
        read_sentence_transformer(tmp_path)
