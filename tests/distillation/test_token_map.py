"""Tests of students whose vocabulary is a part of their teacher's: the terms are those of one vocabulary."""

import pytest
import torch
from datasets import Dataset
from transformers import BertTokenizer, DataCollatorForLanguageModeling, DataCollatorWithPadding

from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.compatibility.tokens import check_tokenizers, check_vocabulary_sizes
from hf_tinybert.distillation.preflight import Setup
from hf_tinybert.distillation.preflight.tokens import check_special_tokens, check_vocabulary
from hf_tinybert.distillation.preflight.tokens import check_tokenizers as preflight_tokenizers
from hf_tinybert.distillation.states import StateRequest
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.token_map import find_token_map, reading_differences, token_map_sha256
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.models.vocabulary import trim_model

KEPT = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 18, 24, 26, 30, 31, 35, 39]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def trimmed_tokenizer(tokenizer):
    return trim_tokenizer(tokenizer, KEPT)


@pytest.fixture
def rows(tokenizer, trimmed_tokenizer):
    """Texts of kept pieces, encoded by the whole and by the smaller vocabulary."""
    words = tokenizer.convert_ids_to_tokens([one for one in KEPT if one > 4])
    texts = [" ".join(words[first : first + 3 + first % 3]) for first in range(0, 8)]

    def encode(by):
        return Dataset.from_dict({**by(texts), "labels": [row % 3 for row in range(len(texts))]})

    return encode(tokenizer), encode(trimmed_tokenizer)


@pytest.fixture
def run(build_trainer, build_student, build_teacher, tokenizer, trimmed_tokenizer, rows):
    """`run(small=True, **arguments)`: the trainer after a run with the whole or the smaller vocabulary."""

    def start(*, small, head="ForSequenceClassification", train=True, resume=False, **arguments):
        student, own = build_student(head, **NO_DROPOUT), trimmed_tokenizer if small else tokenizer
        trainer = build_trainer(
            arguments,
            model=trim_model(student, KEPT) if small else student,
            teacher=build_teacher(head),
            train_dataset=rows[small],
            processing_class=own,
            teacher_processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(own),
        )
        if train:
            trainer.train(resume_from_checkpoint=resume or None)
        return trainer

    return start


def _losses(trainer):
    kept = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [value for entry in kept for name, value in sorted(entry.items()) if name.endswith("loss")]


def _forwards(trainer):
    calls = []
    trainer._plain_teacher.base_model.register_forward_hook(lambda *args: calls.append(1))
    return calls


# the map


def test_each_token_of_the_student_is_found_by_its_name(tokenizer, trimmed_tokenizer):
    """Prevents a map by position, which is right for no token behind the first one left out."""
    assert find_token_map(trimmed_tokenizer, tokenizer).tolist() == KEPT


def test_equal_other_and_larger_vocabularies_have_no_map(tokenizer, trimmed_tokenizer, tmp_path):
    """Prevents a student that knows pieces which its teacher does not."""
    assert find_token_map(tokenizer, tokenizer) is None
    assert find_token_map(tokenizer, trimmed_tokenizer) is None
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nzebra", encoding="utf-8")
    assert find_token_map(BertTokenizer(vocab=str(tmp_path / "vocab.txt")), tokenizer) is None
    with pytest.raises(ValueError, match="expected one tokenizer"):
        check_tokenizers(tokenizer, trimmed_tokenizer)


def test_a_part_of_the_pieces_that_is_read_otherwise_is_refused(tokenizer, trimmed_tokenizer):
    """Prevents a cased student of an uncased teacher: the same pieces for other texts."""
    cased = BertTokenizer(vocab=trimmed_tokenizer.get_vocab(), do_lower_case=False)
    assert reading_differences(cased, tokenizer) == ["normalizer"]
    assert find_token_map(cased, tokenizer) is None
    with pytest.raises(ValueError, match="got another normalizer; because the same text"):
        check_tokenizers(cased, tokenizer)
    other = BertTokenizer(vocab=trimmed_tokenizer.get_vocab(), unk_token="[MASK]")
    assert reading_differences(other, tokenizer) == ["kind of pieces", "special tokens"]
    assert reading_differences(object(), tokenizer) == ["a tokenizer.json"]


def test_embedding_tables_have_the_size_of_the_map(build_student, build_teacher, tokenizer, trimmed_tokenizer):
    """Prevents a student of the whole table beside a smaller tokenizer whose ids mean other rows, unseen in MLM."""
    token_map = find_token_map(trimmed_tokenizer, tokenizer)
    student = build_student("ForMaskedLM")
    check_vocabulary_sizes(trim_model(student, KEPT), build_teacher("ForMaskedLM"), token_map)
    with pytest.raises(ValueError, match="expected 18 student and more than 39 teacher entries"):
        check_vocabulary_sizes(student, build_teacher("ForMaskedLM"), token_map)
    with pytest.raises(ValueError, match="got 17 and 40"):
        check_vocabulary_sizes(trim_model(student, KEPT[:-1]), build_teacher("ForMaskedLM"), token_map)


# the teacher


def test_a_masked_lm_teacher_predicts_the_tokens_of_the_student(build_teacher):
    """Prevents predictions of the teacher's pieces from being compared with those of others."""
    teacher, token_map = build_teacher("ForMaskedLM").eval(), torch.tensor(KEPT)
    forward = TeacherForward(teacher, teacher, AttentionAccess.INTERFACE, token_map)
    forward.ask_for(StateRequest(logits=True))
    ids = torch.tensor([[2, 9, 10, 3]])
    given = forward({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, (0,)).logits
    with torch.no_grad():
        assert torch.equal(given, teacher(token_map[ids]).logits[..., KEPT])


# training


@pytest.mark.parametrize("phases", [["intermediate-layer", "prediction-layer"], ["joint"]])
def test_every_loss_is_that_of_the_whole_vocabulary(run, phases):
    """Prevents a teacher that reads other words than its student, without any error."""
    whole, small = run(small=False, phases=phases), run(small=True, phases=phases)
    assert len(_losses(small)) >= 4  # of the last phase
    assert _losses(small) == pytest.approx(_losses(whole), abs=1e-6)
    moved = small.model.get_input_embeddings().weight - trim_model(whole.model, KEPT).get_input_embeddings().weight
    assert moved.abs().max() < 1e-6


def test_embeddings_of_the_student_learn(run, build_student, rows):
    """Prevents a map that cuts the student's gradient."""
    start = trim_model(build_student(**NO_DROPOUT), KEPT).get_input_embeddings().weight
    moved = (run(small=True, learning_rate=1e-2).model.get_input_embeddings().weight - start).abs().sum(1)
    read = sorted({one for ids in rows[1]["input_ids"] for one in ids})
    assert len(read) > 10 and (moved[read] > 0).all()


def test_the_cache_is_one_of_its_own_and_gives_the_same(run, tmp_path):
    """Prevents outputs for other words from being read because rows and teacher are the same."""
    cache = {"phases": ["prediction-layer"], "teacher_cache_dir": str(tmp_path / "cache")}
    small = run(small=True, **cache)
    assert _losses(small) == pytest.approx(_losses(run(small=False, phases=["prediction-layer"])), abs=1e-5)
    again = run(small=True, train=False, **cache)
    calls = _forwards(again)
    again.train()
    assert not calls and _losses(again) == _losses(small)
    folders = {one.name for one in (tmp_path / "cache").iterdir() if one.is_dir()}
    other = run(small=True, train=False, **cache)
    other._tasks[""].outputs._forward.token_map = torch.tensor(KEPT).roll(1)
    calls = _forwards(other)
    other.train()
    assert calls and len({one.name for one in (tmp_path / "cache").iterdir() if one.is_dir()}) == len(folders) + 1


def test_a_resumed_run_equals_a_straight_one(run, tmp_path):
    """Prevents a map that is lost with the process."""
    saving = {"phases": ["joint"], "num_train_epochs": 2, "save_strategy": "steps", "save_steps": 2}
    straight = run(small=True, **saving)
    resumed = run(small=True, resume=str(tmp_path / "run" / "checkpoint-2"), **saving)
    assert _losses(resumed)[-3:] == pytest.approx(_losses(straight)[-3:], abs=1e-6)
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_masked_words_are_learnt_over_the_smaller_vocabulary(
    build_trainer, build_student, build_teacher, tokenizer, trimmed_tokenizer, rows
):
    """Prevents a term between predictions of different lengths."""
    trainer = build_trainer(
        {"phases": ["joint"]},
        model=trim_model(build_student("ForMaskedLM"), KEPT),
        teacher=build_teacher("ForMaskedLM"),
        train_dataset=rows[1].remove_columns("labels"),
        processing_class=trimmed_tokenizer,
        teacher_processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(trimmed_tokenizer, mlm_probability=0.5),
    )
    trainer.train()
    assert all(torch.isfinite(torch.tensor(_losses(trainer)))) and trainer.model.config.vocab_size == len(KEPT)


def test_without_the_tokenizers_the_sizes_are_refused_with_the_cure(build_trainer, build_student, rows):
    """Prevents an index error in the teacher, or words that mean something else there."""
    with pytest.raises(ValueError, match="got 18 student and 40 teacher entries; .* pass both tokenizers"):
        build_trainer(model=trim_model(build_student(), KEPT), train_dataset=rows[1])


# checks before training


def test_the_checks_tell_the_part_and_compare_what_can_be_compared(run, tokenizer, trimmed_tokenizer):
    """Prevents a table that calls both vocabularies equal, and probe texts that no smaller one could read."""
    trainer = run(small=True, train=False)
    setup = Setup(
        trainer.model,
        trainer._plain_teacher,
        objectives=tuple(trainer.objectives.values()),
        student_tokenizer=trimmed_tokenizer,
        teacher_tokenizer=tokenizer,
    )
    checks = [check(setup) for check in (check_vocabulary, preflight_tokenizers, check_special_tokens)]
    assert {str(check.status) for check in checks} == {"ok"}, checks
    assert "student 18 entries, teacher 40" in checks[0].found
    assert "18 of the teacher's 40 tokens" in checks[1].found


def test_maps_are_told_apart():
    """Prevents two vocabularies from sharing a cache."""
    assert token_map_sha256(torch.tensor(KEPT)) == token_map_sha256(torch.tensor(KEPT))
    assert token_map_sha256(torch.tensor(KEPT)) != token_map_sha256(torch.tensor(KEPT[::-1]))
