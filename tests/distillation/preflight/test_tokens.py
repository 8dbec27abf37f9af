import copy
from dataclasses import replace

import pytest
from datasets import Dataset
from transformers import BertTokenizer

from hf_tinybert.distillation.preflight.report import Status
from hf_tinybert.distillation.preflight.tokens import (
    PROBE_TEXTS,
    check_lengths,
    check_special_tokens,
    check_tokenizers,
    check_vocabulary,
)


def _rows(lengths):
    return Dataset.from_dict({"input_ids": [[5] * length for length in lengths]})


def test_vocabularies_of_other_sizes_fail(setup):
    """Prevents an index error on a device."""
    assert check_vocabulary(setup).status is Status.OK
    setup.student.config.vocab_size = 41
    assert "got 41 student and 40 teacher entries" in check_vocabulary(setup).found
    prediction = replace(setup, objectives=setup.objectives[1:], separate_encodings=True)
    row = check_vocabulary(prediction)
    assert row.status is Status.OK and "each with an encoding of its own" in row.found
    assert check_vocabulary(replace(setup, separate_encodings=True)).status is Status.FAIL


def test_a_token_beyond_the_embedding_table_fails(setup, tokenizer):
    """Prevents an index error in the first text that holds the added token."""
    tokenizer.add_tokens(["<new>"])
    row = check_vocabulary(setup)
    assert row.status is Status.FAIL and "got 40 from its tokenizer" in row.found


def test_a_vocabulary_that_differs_though_its_size_agrees_fails(setup, vocabulary, tmp_path):
    """Prevents the same size from passing for the same words."""
    words = vocabulary.read_text(encoding="utf-8").split()
    words[-1], words[-2] = words[-2], words[-1]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    row = check_tokenizers(replace(setup, teacher_tokenizer=BertTokenizer(vocab=str(tmp_path / "vocab.txt"))))
    assert row.status is Status.FAIL and "though their sizes agree" in row.found


def test_tokenizers_that_treat_case_otherwise_fail_with_an_example(setup, vocabulary):
    """Prevents a cased student from reading [UNK] where its teacher reads words."""
    assert len(PROBE_TEXTS) == 20
    assert check_tokenizers(setup).status is Status.OK
    cased = BertTokenizer(vocab=str(vocabulary), do_lower_case=False)
    row = check_tokenizers(replace(setup, student_tokenizer=cased))
    assert row.status is Status.FAIL and "of 20 probe texts" in row.found and "[UNK]" in row.found
    assert check_tokenizers(replace(setup, student_tokenizer=cased, separate_encodings=True)).status is Status.OK


def test_another_padding_side_is_warned_of(setup, tokenizer):
    """Prevents texts at positions where the model never saw any."""
    tokenizer.padding_side = "left"
    row = check_tokenizers(setup)
    assert row.status is Status.WARN and "got left of the student and right of the teacher" in row.found


def test_missing_tokens_fail_or_are_warned_of(setup, tokenizer, build_masked):
    """Prevents an error of the collator, and a pooled output of a word."""
    assert "pad [PAD] = 0 on both sides, [CLS] ... [SEP], mask [MASK]" in check_special_tokens(setup).found
    for name, status in (("cls_token", Status.WARN), ("sep_token", Status.WARN), ("pad_token", Status.FAIL)):
        without = copy.deepcopy(tokenizer)
        setattr(without, name, None)
        row = check_special_tokens(replace(setup, student_tokenizer=without, teacher_tokenizer=None))
        assert row.status is status, name
    without = copy.deepcopy(tokenizer)
    without.mask_token = None
    masked = replace(setup, student=build_masked(), student_tokenizer=without)
    assert "expected a mask token for `TinyBertForMaskedLM`" in check_special_tokens(masked).found


@pytest.mark.parametrize("role", ["student", "teacher"])
def test_padding_ids_that_disagree_fail(setup, role):
    """Prevents a word whose embedding is never trained."""
    getattr(setup, role).config.pad_token_id = 7
    row = check_special_tokens(setup)
    assert row.status is Status.FAIL and f"{role} 7" in row.found


def test_rows_beyond_the_positions_fail(setup):
    """Prevents an index error in the longest batch, hours into a run."""
    row = check_lengths(replace(setup, train_dataset=_rows([5, 65])))
    assert row.status is Status.FAIL and "positions of the student, got a row of 65" in row.found
    assert row.cure == "tokenise with `max_length=64`"
    assert check_lengths(replace(setup, train_dataset=_rows([5, 64]))).status is Status.OK


def test_rows_that_were_cut_are_warned_of(setup):
    """Prevents a student that never reads the ends of its texts."""
    cut = _rows([4, 5, 6, *[16] * 4])
    assert check_lengths(replace(setup, train_dataset=cut)).status is Status.WARN
    row = check_lengths(replace(setup, train_dataset=cut, max_length=16))
    assert row.status is Status.WARN and "got 57% at 16 tokens" in row.found
    assert check_lengths(replace(setup, train_dataset=cut, max_length=32)).status is Status.OK
    packed = _rows([16] * 5)
    assert check_lengths(replace(setup, train_dataset=packed)).status is Status.OK
    assert check_lengths(replace(setup, train_dataset=_rows([4, 6, 7, 8]))).status is Status.OK


def test_windows_of_long_texts_are_no_cut_texts(setup):
    """Prevents a warning at each ordinary question answering, whose long contexts are read in several windows."""
    rows = _rows([16] * 6 + [5, 6])
    for numbers, status in (([0, 0, 0, 1, 1, 1, 1, 2], Status.OK), (list(range(8)), Status.WARN)):
        for known in (None, 16):
            numbered = rows.add_column("row_number", numbers)
            assert check_lengths(replace(setup, train_dataset=numbered, max_length=known)).status is status
