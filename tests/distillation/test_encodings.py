import pytest
import torch
from datasets import Dataset
from transformers import BertTokenizer

from hf_tinybert.distillation.encodings import (
    PairedCollator,
    check_separate_encodings,
    encode_for_both,
    has_teacher_encoding,
    input_columns,
    join_encodings,
    model_input_names,
    student_inputs,
    teacher_inputs,
)
from tests.distillation.families import FAMILIES

TEXTS = ["the team wins the match .", "a player loses", "the film is slow and old"]


@pytest.fixture
def letters(tmp_path):
    """Another tokenizer: words of one letter and their continuations, so every text is longer; [PAD] is 3."""
    alphabet = "abcdefghijklmnopqrstuvwxyz."
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *alphabet, *(f"##{letter}" for letter in alphabet)]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    return BertTokenizer(vocab=str(tmp_path / "vocab.txt"), model_max_length=32)


@pytest.fixture
def rows():
    return Dataset.from_dict({"text": TEXTS, "labels": [0, 1, 2]})


@pytest.fixture
def encoded(rows, tokenizer, letters):
    return encode_for_both(rows, tokenizer, letters, text_columns=["text"], max_length=32).remove_columns("text")


# encoding


def test_each_model_gets_the_encoding_of_its_own_tokenizer(rows, tokenizer, letters):
    """Prevents the ids of one vocabulary from being looked up in the other: no error where the sizes agree."""
    encoded = encode_for_both(rows, tokenizer, letters, text_columns=["text"], max_length=32)
    assert encoded["text"][:] == TEXTS
    assert encoded["labels"][:] == [0, 1, 2]
    for row, text in zip(encoded, TEXTS, strict=True):
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            assert row[name] == tokenizer(text)[name]
            assert row[f"teacher_{name}"] == letters(text)[name]
        assert len(row["teacher_input_ids"]) > len(row["input_ids"])


def test_pairs_and_lengths_are_those_of_each_model(tokenizer, letters):
    """Prevents the second text from being dropped, and the shorter limit from cutting both."""
    rows = Dataset.from_dict({"first": TEXTS, "second": TEXTS[::-1]})
    encoded = encode_for_both(
        rows, tokenizer, letters, text_columns=["first", "second"], max_length=8, teacher_max_length=20
    )
    expected = tokenizer(TEXTS[0], TEXTS[2], truncation=True, max_length=8)
    assert encoded[0]["input_ids"] == expected["input_ids"]
    assert 1 in encoded[0]["token_type_ids"]
    assert {len(ids) for ids in encoded["teacher_input_ids"]} == {20}


def test_pairs_of_long_texts_are_cut_before_they_are_encoded(tokenizer, letters, watch_pairs):
    """Prevents minutes and gigabytes for pairs of documents, of which the library makes every pair of parts."""
    rows = Dataset.from_dict({"first": ["a film " * 2000], "second": ["the game " * 2000]})
    asked = watch_pairs(tokenizer)
    (row,) = encode_for_both(rows, tokenizer, letters, text_columns=["first", "second"], max_length=16)
    assert len(asked) == 2 and max(asked) < 500
    assert len(row["input_ids"]) == len(row["teacher_input_ids"]) == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_columns": "text"}, "as a list, got 'text'"),
        ({"text_columns": []}, r"expected one text column or two of pairs as a list, got \[\]"),
        ({"text_columns": ["sentence"]}, "none named `sentence`"),
        ({"text_columns": ["labels"]}, "expected a text in every row of `labels`, got int"),
        ({"max_length": 100}, "between 5 and 64 tokens for the student, got 100"),
        ({"teacher_max_length": 33}, "between 5 and 32 tokens for the teacher, got 33; .* `teacher_max_length`"),
        ({"max_length": 2}, "between 5 and 64 tokens for the student, got 2"),
    ],
)
def test_wrong_columns_and_lengths_are_refused(rows, tokenizer, letters, changes, message):
    """Prevents an index error of an embedding in the middle of training."""
    arguments = {"text_columns": ["text"], "max_length": 16, **changes}
    with pytest.raises(ValueError, match=message):
        encode_for_both(rows, tokenizer, letters, **arguments)


def test_encoded_rows_are_not_encoded_over(encoded, tokenizer, letters):
    """Prevents an encoding with other settings from being replaced without a word."""
    rows = encoded.add_column("text", TEXTS)
    with pytest.raises(ValueError, match="not encoded yet, got `input_ids`, `teacher_input_ids`"):
        encode_for_both(rows.select_columns(["text", "input_ids", "teacher_input_ids"]), tokenizer, letters,
                        text_columns=["text"], max_length=16)  # fmt: skip


def test_two_encoded_sets_are_joined_row_by_row(rows, encoded, tokenizer, letters):
    """Prevents a teacher that reads another text than its student."""
    sides = [
        rows.map(lambda row, side=side: dict(side(row["text"])), remove_columns="text")
        for side in (tokenizer, letters)
    ]
    joined = join_encodings(*sides)
    assert joined.to_dict() == {name: encoded.to_dict()[name] for name in joined.column_names}
    assert set(joined.column_names) == set(encoded.column_names)
    with pytest.raises(ValueError, match="got 3 student and 2 teacher rows"):
        join_encodings(sides[0], sides[1].select(range(2)))
    with pytest.raises(ValueError, match=r"expected encoded teacher rows with `input_ids`, got \['text', 'labels'\]"):
        join_encodings(sides[0], rows)


# batches


@pytest.mark.parametrize("multiple", [None, 8])
def test_each_encoding_is_padded_to_its_own_longest_row(encoded, tokenizer, letters, multiple):
    """Prevents the student's pad id or length from being used for the teacher, whose [PAD] is another."""
    batch = PairedCollator(tokenizer, letters, pad_to_multiple_of=multiple)(list(encoded))
    for prefix, side in (("", tokenizer), ("teacher_", letters)):
        longest = max(len(ids) for ids in encoded[f"{prefix}input_ids"])
        width = longest if multiple is None else -(-longest // multiple) * multiple
        ids, mask = batch[f"{prefix}input_ids"], batch[f"{prefix}attention_mask"]
        assert ids.shape == mask.shape == batch[f"{prefix}token_type_ids"].shape == (3, width)
        assert (ids[mask == 0] == side.pad_token_id).all()
        assert mask.sum(1).tolist() == [len(row) for row in encoded[f"{prefix}input_ids"]]
    assert tokenizer.pad_token_id != letters.pad_token_id
    assert batch["labels"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("column", "labels", "dtype", "shape"),
    [
        ("label", [2, 0, 1], torch.int64, (3,)),
        ("labels", [0.5, -1.0, 2.0], torch.float32, (3,)),
        ("labels", [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], torch.float32, (3, 2)),
    ],
    ids=["classification", "regression", "multi-label"],
)
def test_labels_of_every_kind_are_kept(encoded, tokenizer, letters, column, labels, dtype, shape):
    """Prevents targets from being rounded, or lost under another name."""
    rows = encoded.remove_columns("labels").add_column(column, labels)
    batch = PairedCollator(tokenizer, letters)(list(rows))
    assert batch["labels"].dtype == dtype
    assert batch["labels"].shape == shape
    assert batch["labels"].tolist() == labels


def test_rows_without_labels_or_with_cached_predictions_are_batched(encoded, tokenizer, letters):
    """Prevents a column whose name begins with `teacher_` from being padded as token ids."""
    rows = encoded.remove_columns("labels").add_column("teacher_logits", [[0.5, 1.5]] * 3)
    batch = PairedCollator(tokenizer, letters)(list(rows))
    assert batch["teacher_logits"].tolist() == [[0.5, 1.5]] * 3
    assert "labels" not in batch


def test_rows_without_an_encoding_of_the_teacher_are_refused(encoded, tokenizer, letters):
    """Prevents a set that lost its columns on the way from training against the wrong ids."""
    with pytest.raises(ValueError, match="expected rows with `teacher_input_ids`, got"):
        PairedCollator(tokenizer, letters)(list(encoded.remove_columns("teacher_input_ids")))


# routing


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_family_gets_the_columns_that_it_can_read(family):
    """Prevents a keyword that a forward does not take, and segment ids beyond a table of one."""
    model = family.build_model("ForSequenceClassification").eval()
    names = model_input_names(model)
    assert {"input_ids", "attention_mask"} <= names
    assert ("token_type_ids" in names) == family.takes_token_types
    assert "labels" not in names
    batch = {
        "input_ids": torch.tensor([[5, 6, 7, 8]]),
        "attention_mask": torch.ones(1, 4, dtype=torch.long),
        "token_type_ids": torch.tensor([[0, 0, 1, 1]]),
        "labels": torch.tensor([1]),
    }
    inputs = student_inputs(batch, names)
    assert inputs.keys() == batch.keys() - {"labels"} - (set() if family.takes_token_types else {"token_type_ids"})
    output = model(**inputs)
    assert output.logits.shape == (1, 3)
    assert output.loss is None


def test_a_common_encoding_goes_to_both_and_an_own_one_to_the_teacher_alone():
    """Prevents the teacher from reading the student's ids, and labels from reaching a teacher."""
    common = {"input_ids": 1, "attention_mask": 2, "token_type_ids": 3, "labels": 4}
    own = {"teacher_input_ids": 5, "teacher_attention_mask": 6, "teacher_token_type_ids": 7, "teacher_logits": 8}
    names = frozenset({"input_ids", "attention_mask"})
    assert teacher_inputs(common, names) == {"input_ids": 1, "attention_mask": 2}
    assert teacher_inputs({**common, "teacher_logits": 8}, names) == {"input_ids": 1, "attention_mask": 2}
    assert teacher_inputs({**common, **own}, names) == {"input_ids": 5, "attention_mask": 6}
    assert student_inputs({**common, **own}, names | {"token_type_ids"}) == {
        name: common[name] for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    # an own encoding without a mask is not completed by the student's, which has another length
    assert teacher_inputs({**common, "teacher_input_ids": 5}, names) == {"input_ids": 5}


def test_no_column_that_either_model_reads_is_pruned(build_student):
    """Prevents a teacher of two segments behind a student of none from losing its segment ids."""
    student = next(family for family in FAMILIES if family.name == "DistilBERT").build_model()
    columns = input_columns(student, build_student())
    assert {"input_ids", "attention_mask", "token_type_ids", "teacher_input_ids", "teacher_token_type_ids"} <= columns
    assert "teacher_labels" not in columns


def test_an_own_encoding_is_told_from_other_columns_of_the_teacher():
    """Prevents cached logits from being taken for a second encoding."""
    assert has_teacher_encoding(["input_ids", "teacher_input_ids"])
    assert not has_teacher_encoding({"input_ids": 1, "teacher_logits": 2})


@pytest.mark.parametrize(
    "head", ["ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM", "ForPreTraining", "ForMultipleChoice"]
)
def test_heads_whose_predictions_do_not_correspond_are_refused(build_student, head):
    """Prevents the prediction at token i from imitating that of another piece of text."""
    with pytest.raises(ValueError, match=f"where the tokenizers differ, got `TinyBert{head}`; because"):
        check_separate_encodings(build_student(head))


def test_a_classifier_of_texts_may_have_a_tokenizer_of_its_own(build_student):
    """Prevents a refusal of the case that works."""
    check_separate_encodings(build_student())
    check_separate_encodings(build_student("ForSentenceEmbedding"))


def test_a_batch_of_two_encodings_runs_through_both_models(encoded, tokenizer, letters, build_student, build_teacher):
    """Prevents parts that fit on their own and not together."""
    student, teacher = build_student().eval(), build_teacher(vocab_size=60).eval()
    batch = PairedCollator(tokenizer, letters)(list(encoded))
    outputs = [
        student(**student_inputs(batch, model_input_names(student))),
        teacher(**teacher_inputs(batch, model_input_names(teacher))),
    ]
    assert [output.logits.shape for output in outputs] == [(3, 3), (3, 3)]
    alone = teacher(**letters(TEXTS[1], return_tensors="pt"))
    torch.testing.assert_close(outputs[1].logits[1:2], alone.logits, rtol=1e-4, atol=1e-5)
