import pytest
import torch

from hf_tinybert.distillation.losses import shifted_to_labels


def test_the_highest_and_the_gold_logit_change_places():
    """Prevents a teacher that teaches its errors, and one whose other classes move."""
    teacher = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [5.0, 0.0, 4.0]])
    shifted = shifted_to_labels(teacher, torch.tensor([0, 1, 2]))
    assert shifted.tolist() == [[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [4.0, 0.0, 5.0]]
    assert teacher[0].tolist() == [1.0, 3.0, 2.0]  # the cache's, perhaps


def test_probabilities_change_places_at_any_temperature():
    """Prevents a swap that holds at temperature 1 alone."""
    teacher, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    for temperature in (0.5, 1.0, 8.0):
        before, after = (
            (logits / temperature).softmax(-1) for logits in (teacher, shifted_to_labels(teacher, labels))
        )
        torch.testing.assert_close(before.sort().values, after.sort().values)
        assert after.argmax(-1).tolist() == labels.tolist()


@pytest.mark.parametrize("label", [-100, -1, 3, 99])
def test_what_no_class_is_labelled_stays_as_it_is(label):
    """Prevents the last class from being taken for the gold one of rows without a label, and a crash."""
    teacher = torch.tensor([[[1.0, 3.0, 2.0], [0.0, 1.0, 2.0]]])
    shifted = shifted_to_labels(teacher, torch.tensor([[label, 1]]))
    assert shifted.tolist() == [[[1.0, 3.0, 2.0], [0.0, 2.0, 1.0]]]


def test_a_gold_class_that_is_left_out_stays_left_out():
    """Prevents infinity as the logit of a class that takes part."""
    teacher = torch.tensor([[1.0, 3.0, -torch.inf]])
    assert shifted_to_labels(teacher, torch.tensor([2])).tolist() == teacher.tolist()


def test_labels_of_another_shape_are_refused():
    """Prevents labels of texts from being spread over their tokens."""
    with pytest.raises(ValueError, match=r"expected labels of shape \(2, 4\) for `probability_shift`, got \(2,\)"):
        shifted_to_labels(torch.randn(2, 4, 3), torch.tensor([0, 1]))
