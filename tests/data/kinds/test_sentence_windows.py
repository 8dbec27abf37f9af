"""Documents as windows: every sentence is judged, at its own tokens."""

import pytest
from datasets import Dataset, Features, List, Value
from tokenizers import processors

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.sentence_windows import encode_documents
from hf_tinybert.data.kinds.windows import IGNORED, NOT_READ

DOCUMENT = "The market falls today. A bank share rises. The old player was great. New film wins. Bank loses share."


def _rows(documents, summaries=None):
    features = {"document": Value("string")}
    columns = {"document": documents}
    if summaries is not None:
        features["summaries"] = List(Value("string"))
        columns["summaries"] = summaries
    return Dataset.from_dict(columns, features=Features(features))


def _settings(max_length=64, stride=0, summary_sentences=1):
    return TaskSettings(
        TaskKind.EXTRACTIVE_SUMMARIZATION, max_length=max_length, stride=stride, summary_sentences=summary_sentences
    )


def test_a_sentence_stands_between_its_marker_and_its_end(tokenizer):
    """Prevents sentences that are judged by what their encoder says of another, or of none."""
    encoded = encode_documents(_rows(["New film wins. A bank rises."], [["a bank rising"]]), tokenizer, _settings())
    tokens = tokenizer.convert_ids_to_tokens(encoded[0]["input_ids"])
    assert tokens == ["[CLS]", "new", "film", "wins", ".", "[SEP]", "[CLS]", "a", "bank", "rises", ".", "[SEP]"]
    assert encoded[0]["labels"] == [IGNORED, *[0] * 4, IGNORED, IGNORED, *[1] * 4, IGNORED]
    assert encoded[0]["sentence_numbers"] == [NOT_READ, *[0] * 4, NOT_READ, NOT_READ, *[1] * 4, NOT_READ]
    assert encoded[0]["token_type_ids"] == [0] * 12
    assert encoded[0]["row_number"] == 0


@pytest.mark.parametrize(("max_length", "stride"), [(3, 0), (8, 0), (14, 7), (14, 11), (20, 12), (64, 0)])
def test_every_sentence_is_in_a_window_whole_or_cut_to_it(tokenizer, max_length, stride):
    """Prevents the end of a long article from never being read, and windows longer than the model reads."""
    rows = _rows([DOCUMENT, "New film wins."])
    encoded = encode_documents(rows, tokenizer, _settings(max_length, stride))
    seen = [set(), set()]
    last = [-1, -1]
    for row in encoded:
        assert len(row["input_ids"]) <= max_length
        markers = [place for place, token in enumerate(row["input_ids"]) if token == tokenizer.cls_token_id]
        ends = [place for place, token in enumerate(row["input_ids"]) if token == tokenizer.sep_token_id]
        around = [place for place, sentence in enumerate(row["sentence_numbers"]) if sentence == NOT_READ]
        assert around == sorted([*markers, *ends])
        sentences = [row["sentence_numbers"][place + 1] for place in markers]
        assert sentences == list(range(sentences[0], sentences[-1] + 1))
        seen[row["row_number"]].update(sentences)
        assert sentences[-1] > last[row["row_number"]], "a window without a new sentence"
        last[row["row_number"]] = sentences[-1]
    assert seen == [set(range(5)), {0}]


def test_windows_share_whole_sentences_of_at_most_the_stride(tokenizer):
    """Prevents neighbours that share nothing, or more than was asked for."""
    # Tokens with markers: 7, 7, 8, 6, 6.
    encoded = encode_documents(_rows([DOCUMENT]), tokenizer, _settings(max_length=22, stride=8))
    windows = [sorted(set(row["sentence_numbers"]) - {NOT_READ}) for row in encoded]
    assert windows == [[0, 1, 2], [2, 3, 4]]


def test_a_sentence_without_tokens_is_judged_at_its_marker(tokenizer):
    """Prevents a sentence of invisible characters that has no score, so that the mean divides by nothing."""
    rows = _rows(["New film wins. \u200b\u200b"], [["film"]])
    (row,) = encode_documents(rows, tokenizer, _settings())
    assert row["sentence_numbers"] == [NOT_READ, *[0] * 4, NOT_READ, 1, NOT_READ]
    assert row["labels"] == [IGNORED, *[1] * 4, IGNORED, 0, IGNORED]


def test_a_tokenizer_without_segments_gets_none(tokenizer):
    """Prevents RoBERTa-like models from being given segments they have no embeddings for."""
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    assert "token_type_ids" not in encode_documents(_rows([DOCUMENT]), tokenizer, _settings()).column_names


def test_documents_without_summaries_are_encoded_without_labels(tokenizer):
    """Prevents summaries of new documents from failing for want of references."""
    assert "labels" not in encode_documents(_rows([DOCUMENT]), tokenizer, _settings()).column_names


@pytest.mark.parametrize(
    ("document", "summaries", "message"),
    [
        (" \n", ["film"], r"at least one sentence in row 2, got ' \\n'"),
        ("New film.", [], "one or more summaries with text in row 2"),
        ("New film.", ["film", " "], "one or more summaries with text in row 2"),
    ],
)
def test_bad_rows_are_refused_with_their_number(tokenizer, document, summaries, message):
    """Prevents a document that no summary can be made of, and a search for it among thousands."""
    with pytest.raises(ValueError, match=message):
        encode_documents(_rows([DOCUMENT, document], [["film"], summaries]), tokenizer, _settings())


def test_windows_without_room_for_text_are_refused(tokenizer):
    """Prevents a search without end for a window that holds a sentence, where the tokenizer adds no markers itself."""
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    with pytest.raises(ValueError, match="`max_length` of at least 3, got 1"):
        encode_documents(_rows([DOCUMENT]), tokenizer, _settings(1))


def test_a_tokenizer_without_markers_is_refused(tokenizer):
    """Prevents sentences that nothing marks."""
    tokenizer.cls_token = None
    with pytest.raises(ValueError, match="`cls_token` and `sep_token`"):
        encode_documents(_rows([DOCUMENT]), tokenizer, _settings())
