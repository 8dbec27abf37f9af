"""Refusals of what the two models read: token ids that do not mean the same to both."""

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.token_map import find_token_map, reading_differences


def check_encodings(objectives: Sequence[DistillationObjective], *, separate_encodings: bool) -> None:
    """Refuse to compare tokens of two encodings with each other.

    Raises:
        ValueError: separate encodings, and a term that compares states token by token.
    """
    by_token = [objective for objective in objectives if objective.reads_hidden_states or objective.reads_attention]
    if separate_encodings and by_token:
        names = ", ".join(f"`{name}`" for name in by_token[0].weights)
        raise ValueError(
            f"expected terms that compare predictions only, got {names} with an encoding for each model; because "
            "token i of one model is another piece of text than token i of the other; train the prediction-layer "
            "phase only, or give the student the teacher's tokenizer"
        )


def check_vocabulary_sizes(
    student: PreTrainedModel, teacher: PreTrainedModel, token_map: Tensor | None = None
) -> None:
    """Refuse embedding tables of different sizes where both models read the same token ids.

    Args:
        student: the student.
        teacher: the teacher.
        token_map: the teacher's id of each id of the student, where the student's vocabulary is a part of it.

    Raises:
        ValueError: the sizes differ; with a map, from what the map goes from or to.
    """
    if token_map is not None:
        _check_mapped_sizes(student, teacher, token_map)
    elif student.config.vocab_size != teacher.config.vocab_size:
        raise ValueError(
            f"expected equal vocabularies, got {student.config.vocab_size} student and {teacher.config.vocab_size} "
            "teacher entries; because both models read the same token ids; set the student's `vocab_size` (and "
            "tokenizer) to the teacher's, or pass both tokenizers where the student's has a part of the teacher's "
            "pieces"
        )


def check_tokenizers(
    student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, *, separate_encodings: bool = False
) -> None:
    """Refuse tokenizers that give a token different ids; vocabularies of one size may still differ.

    A student's may have a part of the teacher's pieces under ids of its own, if it reads texts alike.

    Raises:
        ValueError: the token -> id maps differ and both models read one encoding.
    """
    student_vocabulary, teacher_vocabulary = student.get_vocab(), teacher.get_vocab()
    if separate_encodings or student_vocabulary == teacher_vocabulary or find_token_map(student, teacher) is not None:
        return
    if len(student_vocabulary) < len(teacher_vocabulary) and student_vocabulary.keys() <= teacher_vocabulary.keys():
        raise ValueError(
            "expected a student's tokenizer with a part of the teacher's pieces to read texts as the teacher's does, "
            f"got another {', another '.join(reading_differences(student, teacher))}; because the same text would "
            "become other pieces; make the student's from the teacher's by `hf-tinybert trim-vocab`"
        )
    different = sorted(
        token
        for token in student_vocabulary.keys() | teacher_vocabulary.keys()
        if student_vocabulary.get(token) != teacher_vocabulary.get(token)
    )
    same_size = " though their sizes agree" if len(student_vocabulary) == len(teacher_vocabulary) else ""
    raise ValueError(
        f"expected one tokenizer, got {len(different)} tokens with different ids, such as {different[:5]}{same_size}; "
        "because both models read the same token ids; give the student the teacher's tokenizer"
    )


def _check_mapped_sizes(student: PreTrainedModel, teacher: PreTrainedModel, token_map: Tensor) -> None:
    largest = int(token_map.max())
    predicts = student.get_output_embeddings() is not None
    wrong = student.config.vocab_size < len(token_map) or (predicts and student.config.vocab_size != len(token_map))
    if wrong or largest >= teacher.config.vocab_size:
        raise ValueError(
            f"expected {len(token_map)} student and more than {largest} teacher entries, as the tokenizers have "
            f"tokens, got {student.config.vocab_size} and {teacher.config.vocab_size}; because a token without a row "
            "cannot be read, and a row without a token cannot be compared; take each model's own tokenizer"
        )


__all__ = ["check_encodings", "check_tokenizers", "check_vocabulary_sizes"]
