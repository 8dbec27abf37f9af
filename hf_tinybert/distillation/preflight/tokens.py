"""Checks of what the models read: vocabulary, tokenizers, special tokens, lengths."""

from transformers import PreTrainedTokenizerBase

from hf_tinybert.distillation.compatibility import tokens
from hf_tinybert.distillation.compatibility.models import position_limit
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.preflight.report import Check, Status, checked, failed, skipped
from hf_tinybert.distillation.preflight.setup import Setup

# Short texts in which tokenizers differ: case, accents, scripts, digits, white space, control and special tokens.
PROBE_TEXTS = (
    "The film is good.",
    "THE FILM IS GOOD",
    "Crème brûlée à la carte",
    "naïve façade, coöperate",
    "Straße, İstanbul, Ångström",
    "don't, can't, it's",
    "state-of-the-art, e-mail",
    "3.14, 1,000,000 and 50 %",
    "  two  spaces\tand a tab ",
    "line one\nline two",
    "price: $5 (~4 €)",
    "我喜歡這部電影",
    "映画は良かった",
    "Фильм хороший",
    "فيلم جيد",
    "so good 😀👍",
    "https://example.org/a?b=c",
    "supercalifragilisticexpialidocious",
    "[MASK] </s> <unk>",
    "\u200bzero\u00a0width\ufeff",
)
_CUT_SHARE = 0.1
_HEAP = 3


def check_vocabulary(setup: Setup) -> Check:
    """Embedding tables of other sizes than each other or the tokenizer: words that mean something else."""
    name = "vocabulary"
    sizes = {"student": setup.student.config.vocab_size, "teacher": setup.teacher.config.vocab_size}

    def refusal() -> None:
        tokens.check_encodings(setup.objectives, separate_encodings=setup.separate_encodings)
        if not setup.separate_encodings:
            tokens.check_vocabulary_sizes(setup.student, setup.teacher, setup.token_map)
        for role, tokenizer in _tokenizers(setup).items():
            largest = max(tokenizer.get_vocab().values(), default=0)
            if largest >= sizes[role]:
                raise ValueError(
                    f"expected token ids below {sizes[role]}, the {role}'s `vocab_size`, got {largest} from its "
                    "tokenizer; because the embedding table has no such row; use the tokenizer the model was trained "
                    "with, or call `resize_token_embeddings`"
                )

    found = f"{sizes['student']} entries on both sides"
    if sizes["student"] != sizes["teacher"]:
        how = "each with an encoding of its own" if setup.token_map is None else "the student's are a part of them"
        found = f"student {sizes['student']} entries, teacher {sizes['teacher']}, {how}"
    return checked(name, refusal, found)


def check_tokenizers(setup: Setup) -> Check:
    """Tokenizers that read the same text as other token ids."""
    name, student, teacher = "tokenizers", setup.student_tokenizer, setup.teacher_tokenizer
    if student is None or teacher is None:
        return skipped(name, f"no tokenizer of the {'student' if student is None else 'teacher'} given")
    if setup.separate_encodings:
        return Check(name, Status.OK, "each model reads an encoding of its own")
    try:
        tokens.check_tokenizers(student, teacher)
    except ValueError as error:
        return failed(name, str(error))
    covered = _covered_probes(setup, student, teacher)
    different = [text for text, own, other in covered if own != other]
    if different:
        text = different[0]
        return Check(
            name,
            Status.FAIL,
            f"expected equal token ids, got other ones for {len(different)} of {len(covered)} probe texts, such "
            f"as {text!r}: student {student.tokenize(text)}, teacher {teacher.tokenize(text)}; because the vocabulary "
            "is the same but case, accents or special tokens are treated otherwise, so one model reads texts it was "
            "not trained on",
            "give the student the teacher's tokenizer",
        )
    if student.padding_side != teacher.padding_side:
        return Check(
            name,
            Status.WARN,
            f"expected one padding side, got {student.padding_side} of the student and {teacher.padding_side} of the "
            "teacher; because models with absolute positions expect texts where they were in training",
            f"set `padding_side` of the student's tokenizer to {teacher.padding_side!r}",
        )
    entries = len(student.get_vocab())
    if setup.token_map is not None:
        part = f"{entries} of the teacher's {len(teacher.get_vocab())} tokens, {len(covered)} of {len(PROBE_TEXTS)}"
        return Check(name, Status.OK, f"{part} probe texts in these alone, encoded alike")
    return Check(name, Status.OK, f"{entries} equal token ids, {len(PROBE_TEXTS)} probe texts encoded alike")


def check_special_tokens(setup: Setup) -> Check:
    """Special tokens that a task needs, and padding ids that disagree."""
    name, tokenizers = "special tokens", _tokenizers(setup)
    if not tokenizers:
        return skipped(name, "no tokenizer given")
    masked = head_kind(setup.student) in ("ForMaskedLM", "ForPreTraining")
    for role, tokenizer in tokenizers.items():
        if tokenizer.pad_token_id is None:
            return failed(
                name,
                f"expected a padding token, got none in the {role}'s tokenizer; because texts of different lengths "
                "cannot stand in one batch; set `tokenizer.pad_token`",
            )
        if masked and tokenizer.mask_token_id is None:
            return failed(
                name,
                f"expected a mask token for `{type(setup.student).__name__}`, got none in the {role}'s tokenizer; "
                "because there is nothing to predict without it; choose a tokenizer with `mask_token`",
            )
    padding = _padding_problem(setup, tokenizers)
    if padding is not None:
        return failed(name, padding)
    tokenizer = next(iter(tokenizers.values()))
    first, last = tokenizer.cls_token or tokenizer.bos_token, tokenizer.sep_token or tokenizer.eos_token
    if first is None or last is None:
        return Check(
            name,
            Status.WARN,
            f"expected tokens that begin and end a text, got {first} and {last}; because the pooled output is read at "
            "the first token",
            "set `cls_token` and `sep_token` of the tokenizer",
        )
    mask = f", mask {tokenizer.mask_token}" if tokenizer.mask_token_id is not None else ""
    sides = " on both sides" if len({one.pad_token_id for one in tokenizers.values()}) == 1 else " of the student"
    found = f"pad {tokenizer.pad_token} = {tokenizer.pad_token_id}{sides}, {first} ... {last}{mask}"
    return Check(name, Status.OK, found)


def check_lengths(setup: Setup) -> Check:
    """Texts longer than a model reads, and texts that were cut."""
    name, lengths = "lengths", setup.lengths
    if not lengths:
        return skipped(name, "no tokenised rows given")
    found = f"{_median(lengths)} tokens in the middle, {max(lengths)} at most"
    for role, model, read in (
        ("student", setup.student, lengths),
        ("teacher", setup.teacher, setup.teacher_lengths),
    ):
        limit = position_limit(model)
        if limit is not None and max(read) > limit:
            return failed(
                name,
                f"expected at most {limit} tokens, the positions of the {role}, got a row of {max(read)}; because "
                f"there is no embedding for the positions beyond; tokenise with `max_length={limit}`",
            )
        found += "" if limit is None else f", {role} reads {limit}"
    longest = setup.max_length or max(lengths)
    cut = sum(length >= longest for length in lengths)
    # without a known limit: a heap of rows at the longest length, unless all rows are that long, as packed ones are
    almost = sum(length == longest - 1 for length in lengths)
    told = setup.max_length is not None or (cut > _HEAP * max(almost, 1) and min(lengths) < longest)
    if told and cut / len(lengths) > _CUT_SHARE and not setup.in_windows:
        return Check(
            name,
            Status.WARN,
            f"expected at most {_CUT_SHARE:.0%} of the rows at the longest length, got {cut / len(lengths):.0%} at "
            f"{longest} tokens; because what is beyond was cut off and is never learned from; {found}",
            "raise `max_length`, or split long texts",
        )
    return Check(name, Status.OK, f"{found}; {cut / len(lengths):.1%} at {longest}")


def _padding_problem(setup: Setup, tokenizers: dict[str, PreTrainedTokenizerBase]) -> str | None:
    """What is wrong with the padding ids, as a message; None when nothing is."""
    models = {"student": setup.student, "teacher": setup.teacher}
    ids = {f"{role}'s tokenizer": tokenizer.pad_token_id for role, tokenizer in tokenizers.items()}
    ids |= {f"{role}": model.config.pad_token_id for role, model in models.items()}
    apart = setup.separate_encodings or setup.token_map is not None
    groups = [("student",), ("teacher",)] if apart else [("student", "teacher")]
    for roles in groups:
        own = {who: pad for who, pad in ids.items() if who.startswith(roles) and pad is not None}
        if len(set(own.values())) > 1:
            shown = ", ".join(f"{who} {pad}" for who, pad in own.items())
            return (
                f"expected one padding id, got {shown}; because the embedding at a model's `pad_token_id` is never "
                "trained, and RoBERTa counts positions by it; set `config.pad_token_id` of the student to the "
                "tokenizer's"
            )
    return None


def _covered_probes(
    setup: Setup, student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase
) -> list[tuple[str, list[int], list[int]]]:
    """Probe texts with the teacher's ids of what the student and the teacher make of them.

    Where the student has a part of the pieces, only texts that the teacher cuts into these can be compared.
    """
    own = [list(student(text)["input_ids"]) for text in PROBE_TEXTS]
    other = [list(teacher(text)["input_ids"]) for text in PROBE_TEXTS]
    if setup.token_map is None:
        return list(zip(PROBE_TEXTS, own, other, strict=True))
    ids, unknown = setup.token_map.tolist(), teacher.unk_token_id
    mapped = [[ids[index] for index in row] for row in own]
    rows = zip(PROBE_TEXTS, mapped, other, strict=True)
    return [(text, first, second) for text, first, second in rows if set(second) <= set(ids) - {unknown}]


def _tokenizers(setup: Setup) -> dict[str, PreTrainedTokenizerBase]:
    both = {"student": setup.student_tokenizer, "teacher": setup.teacher_tokenizer}
    return {role: tokenizer for role, tokenizer in both.items() if tokenizer is not None}


def _median(lengths: list[int]) -> int:
    return sorted(lengths)[len(lengths) // 2]


__all__ = ["PROBE_TEXTS", "check_lengths", "check_special_tokens", "check_tokenizers", "check_vocabulary"]
