"""Refusals: what cannot work is refused before anything is spent, with the reason and the cure.

Each function looks at one thing and raises; `check_models` and `check_dataset` are what the trainer calls, and the
preflight turns the same functions into the rows of its table.
"""

import logging
from collections.abc import Mapping, Sequence

import torch
from datasets import ClassLabel, Dataset, Value
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access, refusal
from hf_tinybert.distillation.embedding_teacher import embedding_size, gives_embeddings
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term
from hf_tinybert.distillation.token_map import find_token_map, reading_differences

logger = logging.getLogger(__name__)

LABEL_COLUMNS = ("labels", "label", "label_ids", "start_positions")
_BY_HEAD = frozenset({Term.ATTENTION_SCORES, Term.ATTENTION_PROBABILITIES})
_CLASS_WEIGHTS = frozenset({"class_weight", "class_weights", "label_weights", "pos_weight"})
_WEIGHTED_LOSSES = (nn.CrossEntropyLoss, nn.NLLLoss, nn.BCEWithLogitsLoss)


def check_models(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    *,
    separate_encodings: bool = False,
    token_map: Tensor | None = None,
) -> None:
    """Refuse a pair of models that these objectives cannot compare.

    Args:
        student: the student.
        teacher: the teacher.
        objectives: those of all phases.
        separate_encodings: each model reads an encoding of its own of the same texts.
        token_map: the teacher's id of each id of the student, where the student's vocabulary is a part of it.

    Raises:
        ValueError: models that are not two, vocabularies, head counts, problem types, label names or embedding sizes
            that differ, NaN or infinity in either, or an encoder off the attention interface.
    """
    check_two_models(student, teacher)
    check_encodings(objectives, separate_encodings=separate_encodings)
    if not separate_encodings:
        check_vocabulary_sizes(student, teacher, token_map)
    check_finite(teacher, "teacher")
    check_finite(student, "student")
    if any(compares_heads(objective) for objective in objectives):
        check_heads(student, teacher)
    if any(objective.reads_attention for objective in objectives):
        check_attention(student, "student", objectives, is_teacher=False)
        check_attention(teacher, "teacher", objectives, is_teacher=True)
    if any(objective.compares_predictions for objective in objectives):
        check_predictions(student, teacher)
    student_positions, teacher_positions = position_limit(student), position_limit(teacher)
    if student_positions is not None and teacher_positions is not None and student_positions > teacher_positions:
        logger.warning(
            "the student has %d positions and the teacher %d: longer texts fail in the teacher; truncate to %d",
            student_positions,
            teacher_positions,
            teacher_positions,
        )


def check_two_models(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse a teacher that training would change: the student itself, a part of it, or one with weights in common.

    Raises:
        ValueError: one object, one inside the other, or a parameter in the memory of both.
    """
    if student is teacher:
        raise ValueError("expected two models, got one object as student and teacher; load the teacher separately")
    if any(module is teacher for module in student.modules()) or any(m is student for m in teacher.modules()):
        raise ValueError(
            "expected student and teacher apart, got one inside the other; because the teacher would be trained and "
            "saved with the student; keep the teacher outside of the student"
        )
    learned = {_address(parameter): name for name, parameter in student.named_parameters() if parameter.requires_grad}
    learned.pop(None, None)
    shared = [name for name, parameter in teacher.named_parameters() if _address(parameter) in learned]
    if shared:
        raise ValueError(
            f"expected a teacher with weights of its own, got {len(shared)} in the memory of the student's, such as "
            f"`{shared[0]}`; because every step would change the teacher too; copy the weights (`load_state_dict`)"
        )


def check_frozen(teacher: PreTrainedModel) -> None:
    """Refuse a teacher that learns, or whose answers are random.

    Raises:
        ValueError: a parameter that requires a gradient, or a module in training mode.
    """
    trainable = [name for name, parameter in teacher.named_parameters() if parameter.requires_grad]
    training = [name or "the model" for name, module in teacher.named_modules() if module.training]
    if trainable or training:
        raise ValueError(
            f"expected a frozen teacher, got {len(trainable)} parameters that require a gradient and {len(training)} "
            f"modules in training mode, such as `{(trainable or training)[0]}`; because its dropout makes every "
            "target random and its gradients cost as much as the student's; call `freeze(teacher)` of "
            "`hf_tinybert.distillation.teacher`"
        )


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


def check_label_names(expected: Mapping[int, str], got: Mapping[int, str], owner: str) -> None:
    """Refuse label names or an order that differ; names that were never set (`LABEL_0`, ...) fit any of their number.

    Args:
        expected: the student's `id2label`.
        got: the other side's.
        owner: who the other side is, for the message.

    Raises:
        ValueError: number, names or order differ.
    """
    named = not (unnamed(expected) or unnamed(got))
    if len(expected) == len(got) and (not named or dict(expected) == dict(got)):
        return
    raise ValueError(
        f"expected {owner} to have the student's labels {_shown(expected)}, got {_shown(got)}; because "
        "class i of one is compared with class i of the other; set `id2label` of the student accordingly"
    )


def check_dataset(dataset: Dataset, student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> None:
    """Refuse a training set that teaches nothing or whose labels are not the student's.

    The labels are looked at only where a classifier of texts learns predictions.

    Raises:
        ValueError: no rows, no labels for a term that reads them, only one class, or class names that are not the
            student's.
    """
    check_rows(dataset, student, objectives)
    column = label_column(dataset)
    if column is not None and _reads_classes(student, objectives):
        feature = dataset.features[column]
        if isinstance(feature, ClassLabel):
            check_label_names(label_names(student), dict(enumerate(feature.names)), "the data set")


def check_rows(dataset: Dataset, student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> None:
    """Refuse a training set without rows, without the labels a term reads, or with one class only.

    Raises:
        ValueError: one of these.
    """
    if len(dataset) == 0:
        raise ValueError(
            "expected a training set with rows, got an empty one; because nothing would be trained; check the split "
            "and the filters it went through"
        )
    column = label_column(dataset)
    if column is None and any(Term.LABEL in objective.weights for objective in objectives):
        raise ValueError(
            f"expected a `labels` column for `{Term.LABEL}`, got {dataset.column_names}; because it compares with the "
            f"labels of the data; add the column, or set the weight of `{Term.LABEL}` to 0"
        )
    if column is not None and _reads_classes(student, objectives):
        _check_classes(dataset, column)


def check_finite(model: PreTrainedModel, role: str) -> None:
    """Refuse NaN and infinity among a model's weights.

    Raises:
        ValueError: the first weight that holds one, by name.
    """
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ValueError(
                f"expected finite {role} weights, got NaN or infinity in `{name}`; because every loss would be NaN; "
                f"load another checkpoint of the {role}"
            )


def compares_heads(objective: DistillationObjective) -> bool:
    """Whether a term compares attention head by head; relations cut both widths into heads of their own."""
    return any(name in _BY_HEAD for name in objective.weights)


def check_heads(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse head counts of which neither divides the other: heads compare one by one or in groups.

    Raises:
        ValueError: neither count divides the other.
    """
    student_heads, teacher_heads = student.config.num_attention_heads, teacher.config.num_attention_heads
    if student_heads % teacher_heads and teacher_heads % student_heads:
        raise ValueError(
            f"expected numbers of attention heads of which one divides the other, got {student_heads} student and "
            f"{teacher_heads} teacher heads; because attention is compared head by head, or a head with a group; set "
            f"`num_attention_heads={teacher_heads}` in the student, or train the relation terms of MiniLMv2 instead"
        )


def check_attention(
    model: PreTrainedModel, role: str, objectives: Sequence[DistillationObjective], *, is_teacher: bool
) -> AttentionAccess:
    """Refuse an encoder whose attention cannot be read, by one short text: such encoders return nothing, silently.

    A teacher off the attention interface will do where score maps do.

    Returns:
        How its attention can be read.

    Raises:
        ValueError: not at all, or not by these terms.
    """
    access = attention_access(model)
    if access is AttentionAccess.INTERFACE:
        return access
    if access is AttentionAccess.NONE:
        raise ValueError(
            f"expected a {role} whose attention can be read, got one that cannot: {refusal(model).rstrip('.')}; "
            "because an attention term would be zero; set the weights of the attention terms to 0"
        )
    vectors = any(objective.reads_values for objective in objectives)
    if not is_teacher or vectors:
        why = (
            "relations are taken between query, key or value vectors" if is_teacher else "score maps carry no gradient"
        )
        raise ValueError(
            f"expected a {role} on the attention interface of transformers, got `{type(model).__name__}`, which "
            f"computes attention in its own code; because {why}; set the weights of "
            f"{'the relation terms' if is_teacher else 'the attention terms'} to 0"
        )
    return access


def check_predictions(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse predictions that cannot be compared: of another problem, of other classes, or of another width.

    Raises:
        ValueError: problem types, label names or embedding sizes differ.
    """
    if gives_embeddings(student):
        check_embedding_sizes(student, teacher)
        return
    check_problem_types(student, teacher)
    check_label_names(label_names(student), label_names(teacher), "the teacher")


def check_embedding_sizes(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse embeddings of different widths: they are compared number by number.

    Raises:
        ValueError: the widths differ.
    """
    own, other = embedding_size(student), embedding_size(teacher)
    if own != other:
        raise ValueError(
            f"expected embeddings as wide as the teacher's {other}, got {own}; because they are compared number by "
            f"number; set `embedding_size={other}` in the student's configuration, for a linear layer to that width"
        )


def check_problem_types(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse models that answer different kinds of question.

    Raises:
        ValueError: one's problem type is set and is not the other's.
    """
    student_problem, teacher_problem = student.config.problem_type, teacher.config.problem_type
    if None not in (student_problem, teacher_problem) and student_problem != teacher_problem:
        raise ValueError(
            f"expected one problem type, got `{student_problem}` of the student and `{teacher_problem}` of the "
            "teacher; because scores of exclusive classes, of independent labels and of a quantity mean different "
            "things; set `problem_type` of the student to the teacher's"
        )


def check_loss_settings(
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    arguments: TrainingArguments | None = None,
) -> None:
    """Refuse settings of the stock loss, which the objective replaces: they would be ignored in silence.

    Raises:
        ValueError: label smoothing without a label term, class weights, or a loss function of the student's own.
    """
    smoothing = 0.0 if arguments is None else arguments.label_smoothing_factor
    if smoothing and not any(objective.reads_labels for objective in objectives):
        raise ValueError(
            f"expected `label_smoothing_factor` 0, got {smoothing}; because the targets are the teacher's predictions "
            f"and no term reads labels; raise `temperature` for softer targets, or give `{Term.LABEL}` a weight"
        )
    weighted = [name for name in student.config.to_dict() if name in _CLASS_WEIGHTS]
    weighted += [name for name, _ in student.named_buffers() if name.split(".")[-1] in _CLASS_WEIGHTS]
    weighted += [name for name, module in student.named_modules() if isinstance(module, _WEIGHTED_LOSSES)]
    if "_loss_function" in vars(student):
        weighted.append("loss_function")
    if weighted:
        raise ValueError(
            f"expected a student without a loss of its own, got {', '.join(f'`{name}`' for name in weighted)}; "
            "because the objective is the loss and would ignore it; take it out of the student and put the balance "
            "into the data, or add a custom term to the objective"
        )


def position_limit(model: PreTrainedModel) -> int | None:
    """The longest text a model reads, in tokens; None where it sets no limit.

    RoBERTa and its kin number positions from `pad_token_id + 1`, so that a table of 514 serves 512 tokens.
    """
    tables = [
        module
        for name, module in model.named_modules()
        if name.split(".")[-1] == "position_embeddings" and isinstance(module, nn.Embedding)
    ]
    if tables:
        first = 0 if tables[0].padding_idx is None else tables[0].padding_idx + 1
        return tables[0].num_embeddings - first
    limit = model.config.to_dict().get("max_position_embeddings")
    return limit if isinstance(limit, int) and limit > 0 else None


def label_column(dataset: Dataset) -> str | None:
    """The column that holds a data set's labels, or the first of them; None without."""
    return next((name for name in LABEL_COLUMNS if name in dataset.column_names), None)


def label_names(model: PreTrainedModel) -> dict[int, str]:
    """A model's class names by their ids."""
    return {int(index): name for index, name in (model.config.id2label or {}).items()}


def unnamed(id2label: Mapping[int, str]) -> bool:
    """Whether the names were never set."""
    return all(name == f"LABEL_{index}" for index, name in id2label.items())


def _check_classes(dataset: Dataset, column: str) -> None:
    """Refuse labels that are all the same.

    Raises:
        ValueError: one class only in a column of class ids.
    """
    feature = dataset.features[column]
    classes = isinstance(feature, ClassLabel | Value) and feature.dtype.startswith("int")
    if classes and len(dataset) > 1 and len(dataset.unique(column)) == 1:
        raise ValueError(
            f"expected two or more classes in `{column}`, got only {dataset.unique(column)} in {len(dataset)} rows; "
            "because such a set is usually an unshuffled slice; shuffle it, or drop the column to distil without "
            "labels"
        )


def _reads_classes(student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> bool:
    """Whether a classifier of texts learns predictions."""
    classifies = type(student).__name__.endswith("ForSequenceClassification")
    return classifies and any(objective.reads_logits for objective in objectives)


def _address(parameter: nn.Parameter) -> int | None:
    """Where a parameter lies in memory; None of one that lies elsewhere (meta device, partitioned)."""
    if parameter.is_meta or parameter.numel() == 0:
        return None
    return parameter.untyped_storage().data_ptr() or None


def _shown(names: Mapping[int, str]) -> str:
    values = list(names.values())
    return str(values) if len(values) <= 10 else f"{str(values[:10])[:-1]}, and {len(values) - 10} more]"


__all__ = [
    "LABEL_COLUMNS",
    "check_attention",
    "check_dataset",
    "check_embedding_sizes",
    "check_encodings",
    "check_finite",
    "check_frozen",
    "check_heads",
    "check_label_names",
    "check_loss_settings",
    "check_models",
    "check_predictions",
    "check_problem_types",
    "check_rows",
    "check_tokenizers",
    "check_two_models",
    "check_vocabulary_sizes",
    "compares_heads",
    "label_column",
    "label_names",
    "position_limit",
    "unnamed",
]
