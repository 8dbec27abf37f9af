import pytest
import torch

from hf_tinybert.distillation.losses import ProblemType
from hf_tinybert.distillation.task_head import (
    leaves_out_vocabulary_logits,
    predicts_vocabulary,
    problem_of,
    vocabulary_logits_at,
    without_vocabulary_logits,
)


@pytest.mark.parametrize(
    ("head", "config", "problem"),
    [
        ("ForSequenceClassification", {}, ProblemType.SINGLE_LABEL),
        ("ForSequenceClassification", {"num_labels": 1, "id2label": {0: "score"}}, ProblemType.REGRESSION),
        ("ForSequenceClassification", {"problem_type": "multi_label_classification"}, ProblemType.MULTI_LABEL),
        ("ForSequenceClassification", {"problem_type": "regression"}, ProblemType.REGRESSION),
        ("ForMultipleChoice", {}, ProblemType.SINGLE_LABEL),
        ("ForQuestionAnswering", {}, ProblemType.SPAN),
        ("ForSentenceEmbedding", {}, ProblemType.EMBEDDING),
        ("ForSentenceEmbedding", {"similarity": "dot"}, ProblemType.VECTOR),
    ],
)
def test_the_problem_is_that_of_the_stock_heads(build_student, head, config, problem):
    """Prevents a regression from being trained as a classification of one class, whose loss is always 0."""
    if "num_labels" in config:
        config = {"id2label": config["id2label"], "label2id": {"score": 0}}
    assert problem_of(build_student(head, **config)) is problem


def test_a_head_of_ones_own_has_the_problem_of_its_base(build_student):
    """Prevents a regression whose class has another name from being trained as one class, whose loss is always 0."""
    model = build_student(id2label={0: "score"}, label2id={"score": 0})
    model.__class__ = type("MyRegressor", (type(model),), {})
    assert problem_of(model) is ProblemType.REGRESSION


def test_the_vocabulary_product_is_left_out_and_comes_back(build_student):
    """Prevents time spent on logits that no term reads, and a head that stays broken after the phase."""
    model = build_student("ForMaskedLM").eval()
    ids = torch.randint(5, 40, (2, 6))
    before, keys = model(input_ids=ids).logits, list(model.state_dict())
    with without_vocabulary_logits(model):
        assert model(input_ids=ids).logits.shape == (2, 6, 16)
        assert list(model.state_dict()) == keys
        assert leaves_out_vocabulary_logits(model)
    assert not leaves_out_vocabulary_logits(model)
    assert torch.equal(model(input_ids=ids).logits, before)
    with without_vocabulary_logits(model, when=False):
        assert torch.equal(model(input_ids=ids).logits, before)


def test_other_heads_are_left_alone(build_student):
    """Prevents a classifier from losing its predictions."""
    model = build_student().eval()
    assert predicts_vocabulary(build_student("ForMaskedLM"))
    assert not predicts_vocabulary(model)
    with without_vocabulary_logits(model):
        assert model(input_ids=torch.tensor([[5, 6]])).logits.shape == (1, 3)


def test_the_vocabulary_is_predicted_at_some_positions_alone_and_everywhere_afterwards(build_student):
    """Prevents logits of other positions than those asked for, and a head that stays narrowed after the step."""
    model = build_student("ForMaskedLM").eval()
    ids = torch.randint(5, 40, (2, 6))
    positions = torch.tensor([0, 1, 1]), torch.tensor([4, 1, 2])
    before = model(input_ids=ids).logits
    with vocabulary_logits_at(model, positions):
        assert torch.allclose(model(input_ids=ids).logits, before[positions], atol=1e-6)
    assert torch.equal(model(input_ids=ids).logits, before)
    with vocabulary_logits_at(model, None):
        assert torch.equal(model(input_ids=ids).logits, before)
    with vocabulary_logits_at(build_student("Model").eval(), positions) as nothing:
        assert nothing is None
    with without_vocabulary_logits(model), vocabulary_logits_at(model, positions):
        assert model(input_ids=ids).logits.shape == (3, 16)
    assert torch.equal(model(input_ids=ids).logits, before)
