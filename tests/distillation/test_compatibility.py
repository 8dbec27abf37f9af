import logging

import datasets
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from torch import nn
from transformers import (
    BertTokenizer,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    FNetConfig,
    FNetModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.compatibility import (
    check_attention,
    check_dataset,
    check_encodings,
    check_frozen,
    check_label_names,
    check_loss_settings,
    check_models,
    check_tokenizers,
    check_two_models,
    position_limit,
)
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term

INTERMEDIATE = [DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})]
HIDDEN_STATES = [DistillationObjective({Term.HIDDEN_STATES: 1.0})]
PREDICTION = [DistillationObjective({Term.PREDICTION: 1.0})]
EVERYTHING = [DistillationObjective(dict.fromkeys(Term, 1.0))]


@pytest.fixture
def pair(build_student, build_teacher):
    def build(student=None, teacher=None, head="ForSequenceClassification"):
        models = build_student(head, **(student or {})), build_teacher(head, **(teacher or {}))
        for model in models:
            record_attention(model)
        return models

    return build


def test_a_pair_that_fits_passes_silently(pair, caplog):
    """Prevents warnings that teach people to ignore warnings."""
    student, teacher = pair()
    student.train()
    with caplog.at_level(logging.WARNING):
        check_models(student, teacher, EVERYTHING)
    assert not caplog.records
    assert student.training


def test_one_model_as_both_is_refused(pair):
    """Prevents a student that imitates itself, with a loss of zero."""
    student, _ = pair()
    with pytest.raises(ValueError, match="expected two models, got one object"):
        check_models(student, student, EVERYTHING)


def test_other_vocabulary_sizes_are_refused(pair):
    """Prevents an index error on a device, or words that mean something else to the teacher."""
    with pytest.raises(ValueError, match="got 41 student and 40 teacher entries"):
        check_models(*pair(student={"vocab_size": 41}), HIDDEN_STATES)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_head_counts_of_which_one_divides_the_other_pass(pair, heads):
    """Prevents a refusal of heads that compare in groups."""
    check_models(*pair(student={"num_attention_heads": heads}), INTERMEDIATE)


def test_head_counts_that_cannot_be_grouped_are_refused_where_attention_is_compared(pair):
    """Prevents heads from broadcasting."""
    models = pair(student={"num_attention_heads": 3, "hidden_size": 18})
    with pytest.raises(ValueError, match=r"got 3 student and 4 teacher heads.*set `num_attention_heads=4`"):
        check_models(*models, INTERMEDIATE)
    check_models(*models, HIDDEN_STATES)


@pytest.mark.parametrize(
    "names", [["culture", "business", "sport"], ["business", "culture"], ["business", "culture", "politics"]]
)
def test_other_label_names_or_another_order_are_refused_where_predictions_are_compared(pair, names):
    """Prevents class i of the student from learning class j of the teacher: accuracy of chance, no error."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    models = pair(student=labels)
    with pytest.raises(ValueError, match="expected the teacher to have the student's labels"):
        check_models(*models, PREDICTION)
    check_models(*models, INTERMEDIATE)


def test_labels_that_were_never_named_fit_any_of_their_number():
    """Prevents old checkpoints, whose labels are LABEL_0 and so on, from being refused."""
    unnamed = {0: "LABEL_0", 1: "LABEL_1"}
    check_label_names({0: "no", 1: "yes"}, unnamed, "the teacher")
    check_label_names(unnamed, {0: "no", 1: "yes"}, "the teacher")
    with pytest.raises(ValueError, match="expected the teacher"):
        check_label_names(unnamed, {0: "no", 1: "yes", 2: "maybe"}, "the teacher")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_teacher_is_refused_by_the_name_of_its_weight(pair, value):
    """Prevents a run of which every loss is NaN."""
    student, teacher = pair()
    with torch.no_grad():
        teacher.bert.encoder.layer[1].output.dense.weight[0, 0] = value
    with pytest.raises(ValueError, match=r"NaN or infinity in `bert.encoder.layer.1.output.dense.weight`"):
        check_models(student, teacher, HIDDEN_STATES)


def _mpnet():
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    return MPNetModel(MPNetConfig(**shape, intermediate_size=48, max_position_embeddings=32))


def _deberta():
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    return DebertaV2ForSequenceClassification(
        DebertaV2Config(**shape, intermediate_size=48, max_position_embeddings=32, num_labels=3)
    )


@pytest.mark.parametrize("build", [_mpnet, _deberta], ids=["mpnet", "deberta"])
def test_encoders_off_the_attention_interface_are_teachers_where_score_maps_do(pair, build):
    """Prevents a refusal of teachers that can be read, and relations of vectors that nobody hands out."""
    student, _ = pair(student={"id2label": None, "label2id": None, "num_labels": 3})
    teacher = build()
    check_models(student, teacher, INTERMEDIATE)
    assert check_attention(teacher, "teacher", INTERMEDIATE, is_teacher=True) is AttentionAccess.FALLBACK
    relations = [DistillationObjective({Term.VALUE_RELATIONS: 1.0})]
    with pytest.raises(ValueError, match="expected a teacher on the attention interface of transformers, got `"):
        check_attention(teacher, "teacher", relations, is_teacher=True)


@pytest.mark.parametrize("build", [_mpnet, _deberta], ids=["mpnet", "deberta"])
def test_students_off_the_attention_interface_are_refused_where_attention_is_compared(pair, build):
    """Prevents an attention loss without gradient."""
    _, teacher = pair(teacher={"id2label": None, "label2id": None, "num_labels": 3})
    with pytest.raises(
        ValueError, match="because score maps carry no gradient; set the weights of the attention terms"
    ):
        check_models(build(), teacher, INTERMEDIATE)
    check_models(build(), teacher, HIDDEN_STATES)


def test_encoders_without_score_maps_are_refused_by_what_they_do_instead(pair):
    """Prevents an attention loss of nothing at all."""
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
    teacher = FNetModel(FNetConfig(**shape, max_position_embeddings=32))
    with pytest.raises(ValueError, match=r"got one that cannot: `FNetModel` mixes positions by a Fourier transform"):
        check_attention(teacher, "teacher", INTERMEDIATE, is_teacher=True)


@pytest.mark.parametrize(
    "task",
    [
        {"problem_type": "regression", "num_labels": 1, "id2label": None, "label2id": None},
        {"problem_type": "multi_label_classification"},
        {"num_labels": 1, "id2label": None, "label2id": None},
    ],
    ids=["regression", "multi-label", "one label"],
)
def test_tasks_without_exclusive_classes_pass(pair, task):
    """Prevents a refusal of tasks that have prediction terms of their own."""
    check_models(*pair(student=task, teacher=task), PREDICTION)


def test_models_that_answer_different_questions_are_refused(pair):
    """Prevents independent labels from being learned as shares of one."""
    models = pair(
        student={"problem_type": "multi_label_classification"}, teacher={"problem_type": "single_label_classification"}
    )
    with pytest.raises(ValueError, match="expected one problem type, got `multi_label_classification` of the student"):
        check_models(*models, PREDICTION)
    check_models(*models, INTERMEDIATE)


def test_a_broken_student_is_refused_by_the_name_of_its_weight(pair):
    """Prevents a student restored from a run that had diverged from training on."""
    student, teacher = pair()
    with torch.no_grad():
        student.classifier.bias[0] = float("nan")
    with pytest.raises(ValueError, match="expected finite student weights, got NaN or infinity in `classifier.bias`"):
        check_models(student, teacher, HIDDEN_STATES)


def test_a_teacher_inside_the_student_or_in_its_memory_is_refused(pair):
    """Prevents a teacher that moves with its student: a loss that falls while nothing is learned."""
    student, teacher = pair()
    check_two_models(student, teacher)
    student.add_module("teacher", teacher)
    with pytest.raises(ValueError, match="got one inside the other"):
        check_two_models(student, teacher)
    del student.teacher
    student.bert.embeddings.word_embeddings.weight = teacher.bert.embeddings.word_embeddings.weight
    with pytest.raises(ValueError, match=r"such as `bert.embeddings.word_embeddings.weight`.*copy the weights"):
        check_two_models(student, teacher)


def test_a_teacher_that_learns_or_drops_out_is_refused(pair):
    """Prevents random targets, and gradients for a model that is not trained."""
    _, teacher = pair()
    teacher.requires_grad_(False)
    teacher.eval()
    check_frozen(teacher)
    teacher.bert.encoder.layer[0].train()
    with pytest.raises(ValueError, match=r"got 0 parameters .* modules in training mode, such as `bert.encoder.layer"):
        check_frozen(teacher)
    teacher.eval()
    teacher.classifier.bias.requires_grad_(True)
    with pytest.raises(ValueError, match="got 1 parameters .* such as `classifier.bias`"):
        check_frozen(teacher)


def test_other_vocabularies_pass_only_with_separate_encodings_and_predictions(pair):
    """Prevents token i of one text from being compared with another token i."""
    models = pair(student={"vocab_size": 41})
    check_models(*models, PREDICTION, separate_encodings=True)
    with pytest.raises(ValueError, match="expected equal vocabularies"):
        check_models(*models, PREDICTION)
    for objectives in (INTERMEDIATE, HIDDEN_STATES, [*PREDICTION, *HIDDEN_STATES]):
        with pytest.raises(ValueError, match="expected terms that compare predictions only, got `hidden_states_loss`"):
            check_encodings(objectives, separate_encodings=True)


def test_label_smoothing_that_nothing_would_apply_is_refused(pair, build_arguments):
    """Prevents a setting from being ignored in silence because the loss is another one."""
    student, _ = pair()
    arguments = build_arguments()
    check_loss_settings(student, PREDICTION, arguments)
    arguments.label_smoothing_factor = 0.1
    with pytest.raises(ValueError, match="expected `label_smoothing_factor` 0, got 0.1"):
        check_loss_settings(student, PREDICTION, arguments)


def _config_weights(student):
    student.config.class_weights = [1.0, 2.0, 3.0]


def _buffer(student):
    student.register_buffer("class_weights", torch.ones(3))


def _loss_module(student):
    student.add_module("criterion", nn.CrossEntropyLoss(weight=torch.ones(3)))


def _loss_function(student):
    student.loss_function = nn.functional.cross_entropy


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (_config_weights, "class_weights"),
        (_buffer, "class_weights"),
        (_loss_module, "criterion"),
        (_loss_function, "loss_function"),
    ],
    ids=["config", "buffer", "module", "function"],
)
def test_class_weights_that_nothing_would_apply_are_refused(pair, spoil, name):
    """Prevents rare classes from being lost because the student's own weighted loss is never called."""
    student, _ = pair()
    spoil(student)
    with pytest.raises(ValueError, match=f"expected a student without a loss of its own, got `{name}`"):
        check_loss_settings(student, PREDICTION)


def test_the_position_limit_leaves_out_what_precedes_the_first_position(build_student):
    """Prevents an index error for texts of 513 and 514 tokens with RoBERTa."""
    shape = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    roberta = RobertaModel(RobertaConfig(**shape, intermediate_size=16, max_position_embeddings=34, pad_token_id=1))
    assert position_limit(roberta) == 32
    roberta.eval()(input_ids=torch.full((1, 32), 5))
    with pytest.raises((IndexError, RuntimeError)):
        roberta(input_ids=torch.full((1, 33), 5))
    assert position_limit(build_student()) == 32


def test_a_student_for_longer_texts_than_its_teacher_is_warned_of(pair, caplog):
    """Prevents an index error in the teacher on the first long text, hours into a run."""
    with caplog.at_level(logging.WARNING):
        check_models(*pair(student={"max_position_embeddings": 64}), HIDDEN_STATES)
    assert "truncate to 32" in caplog.text


def test_tokenizers_of_one_size_with_swapped_ids_are_refused(tokenizer, vocabulary, tmp_path):
    """Prevents the same size of vocabulary from passing for the same vocabulary."""
    words = vocabulary.read_text(encoding="utf-8").split()
    words[-1], words[-2] = words[-2], words[-1]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    swapped = BertTokenizer(vocab=str(tmp_path / "vocab.txt"))
    assert len(swapped) == len(tokenizer)
    with pytest.raises(ValueError, match="expected one tokenizer, got 2 tokens with different ids"):
        check_tokenizers(tokenizer, swapped)
    check_tokenizers(tokenizer, BertTokenizer(vocab=str(vocabulary)))


def test_an_empty_training_set_is_refused(build_student, build_rows):
    """Prevents a run that ends at once and saves the untrained student."""
    with pytest.raises(ValueError, match="expected a training set with rows"):
        check_dataset(build_rows(4).select([]), build_student(), INTERMEDIATE)


def test_a_training_set_of_one_class_is_refused(build_student, build_rows):
    """Prevents the head of a sorted data set from being taken for the data set."""
    rows = build_rows(9)
    single = rows.filter(lambda row: row["labels"] == 1)
    with pytest.raises(ValueError, match=r"expected two or more classes in `labels`, got only \[1\] in 3 rows"):
        check_dataset(single, build_student(), PREDICTION)
    check_dataset(rows, build_student(), PREDICTION)
    check_dataset(single.remove_columns("labels"), build_student(), PREDICTION)
    check_dataset(single, build_student(), INTERMEDIATE)


def test_class_names_that_are_not_the_students_are_refused(build_student, build_rows):
    """Prevents accuracies computed against labels of another order."""
    features = Features(
        {"input_ids": datasets.List(Value("int64")), "label": ClassLabel(names=["sport", "culture", "business"])}
    )
    rows = Dataset.from_dict({"input_ids": [[5], [6], [7]], "label": [0, 1, 2]}, features=features)
    with pytest.raises(ValueError, match="expected the data set to have the student's labels"):
        check_dataset(rows, build_student(), PREDICTION)
    check_dataset(rows, build_student(), INTERMEDIATE)
    check_dataset(rows, build_student("ForMaskedLM"), PREDICTION)


def test_a_label_term_without_labels_is_refused(build_student, build_rows):
    """Prevents an error in the first batch, or a term that is left out in silence."""
    label_term = [DistillationObjective({Term.LABEL: 1.0})]
    rows = build_rows(9)
    check_dataset(rows, build_student(), label_term)
    with pytest.raises(ValueError, match="expected a `labels` column for `label_loss`, got"):
        check_dataset(rows.remove_columns("labels"), build_student(), label_term)


def test_labels_per_token_are_no_classes_of_texts(build_student):
    """Prevents token classification from being refused for its list of labels."""
    features = Features(
        {"input_ids": datasets.List(Value("int64")), "labels": datasets.List(ClassLabel(names=["O", "B"]))}
    )
    rows = Dataset.from_dict({"input_ids": [[5], [6]], "labels": [[0], [0]]}, features=features)
    check_dataset(rows, build_student("ForTokenClassification"), PREDICTION)
