import pytest
import torch

from hf_tinybert.distillation.losses import (
    hidden_gram_loss,
    hidden_similarity_loss,
    neuron_selectivity_loss,
    solution_flow_loss,
)

POSITIONS = [hidden_similarity_loss, neuron_selectivity_loss]
NEURONS = [hidden_gram_loss]
LOSSES = [*POSITIONS, *NEURONS]
SHORT, LONG = 7, 40  # of states 5 and 3 wide: score maps and Gram matrices of factors are each taken once


def _flow(student, teacher, mask):
    """From each side's states to their mirror image, so that two layers come from one tensor."""
    return solution_flow_loss((student, student.flip(-1)), (teacher, teacher.flip(-1)), mask)


def test_hidden_similarity_loss_is_the_hand_number():
    """Prevents a product that is not divided by its own width, and padding among the pairs."""
    student = torch.tensor([[[1.0, 1.0], [1.0, -1.0], [9.0, 9.0]]])  # products / 2: 1 and 1, 0 between
    teacher = torch.tensor([[[2.0], [1.0], [5.0]]])  # products / 1: 4 and 1, 2 between
    mask = torch.tensor([[1, 1, 0]])
    assert hidden_similarity_loss(student, teacher, mask).item() == pytest.approx((9 + 0 + 4 + 4) / 4)


def test_neuron_selectivity_loss_is_the_hand_number():
    """Prevents states that are scaled position by position, and a mean over pairs that shrinks with the length."""
    student = torch.tensor([[[5.0, 0.0], [0.0, 0.1], [9.0, 9.0]]])  # patterns (1, 0) and (0, 1): half of the identity
    teacher = torch.tensor([[[3.0], [4.0], [5.0]]])  # one pattern (0.6, 0.8)
    mask = torch.tensor([[1, 1, 0]])
    expected = (0.36 - 0.5) ** 2 + (0.64 - 0.5) ** 2 + 2 * 0.48**2
    assert neuron_selectivity_loss(student, teacher, mask).item() == pytest.approx(expected)


def test_solution_flow_loss_is_the_hand_number():
    """Prevents layers that are swapped, and a sum over a text in the place of its mean."""
    lower, upper = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[3.0, 1.0], [1.0, 1.0]]])
    # of the two positions: (1, 0) x (3, 1) and (0, 2) x (1, 1), halved: [[1.5, 0.5], [1, 1]]
    zero, mask = torch.zeros(1, 2, 2), torch.tensor([[1, 1]])
    value = solution_flow_loss((zero, zero), (lower, upper), mask)
    assert value.item() == pytest.approx((1.5**2 + 0.5**2 + 1 + 1) / 4)
    # with a teacher of [[1.5, 1], [0.5, 1]], layers swapped, two entries differ by 0.5
    value = solution_flow_loss((lower, upper), (upper, lower), mask)
    assert value.item() == pytest.approx(2 * 0.25 / 4)
    assert solution_flow_loss((lower, upper), (lower, upper), torch.tensor([[1, 0]])).item() == 0.0


def test_hidden_gram_loss_is_the_flow_of_a_layer_into_itself(build_mask):
    """Prevents a second formula that drifts from the first."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 5), build_mask(2, 7)
    expected = solution_flow_loss((student, student), (teacher, teacher), mask)
    torch.testing.assert_close(hidden_gram_loss(student, teacher, mask), expected)


def _slow_similarity(student, teacher, mask):
    total = pairs = 0.0
    for own, other, valid in zip(student, teacher, mask, strict=True):
        own, other = own[valid != 0], other[valid != 0]
        total += (own @ own.T / own.shape[1] - other @ other.T / other.shape[1]).square().sum()
        pairs += len(own) ** 2
    return total / pairs


def _slow_selectivity(student, teacher, mask):
    values = []
    for own, other, valid in zip(student, teacher, mask, strict=True):
        own, other = ([neuron / neuron.norm() for neuron in states[valid != 0].T] for states in (own, other))
        kernel = [
            sum((a @ b) ** 2 for a in left for b in right) / (len(left) * len(right))
            for left, right in ((own, own), (own, other), (other, other))
        ]
        values.append(kernel[0] - 2 * kernel[1] + kernel[2])
    return sum(values) / len(values)


def _slow_flow(student, teacher, mask):
    values = []
    for own, other, valid in zip(student, teacher, mask, strict=True):
        flows = []
        for states in (own, other):
            states = states[valid != 0]
            flows.append(sum(torch.outer(row, row.flip(-1)) for row in states) / len(states))
        values.append((flows[0] - flows[1]).square().mean())
    return sum(values) / len(values)


def _slow_gram(student, teacher, mask):
    values = []
    for own, other, valid in zip(student, teacher, mask, strict=True):
        flows = [states[valid != 0].T @ states[valid != 0] / int(valid.sum()) for states in (own, other)]
        values.append((flows[0] - flows[1]).square().mean())
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("loss", "slow", "teacher_width"),
    [
        (hidden_similarity_loss, _slow_similarity, 3),
        (neuron_selectivity_loss, _slow_selectivity, 3),
        (hidden_gram_loss, _slow_gram, 5),
        (_flow, _slow_flow, 5),
    ],
)
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_value_and_gradient_equal_a_slow_plain_loop(loss, slow, teacher_width, length, build_mask):
    """Prevents an algebra of one of the two forms that is another loss; that of neurons is checked by its kernel."""
    student, teacher = torch.randn(3, length, 5, requires_grad=True), torch.randn(3, length, teacher_width)
    mask = build_mask(3, length)
    value, expected = loss(student, teacher, mask), slow(student, teacher, mask)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)
    gradients = [torch.autograd.grad(one, student)[0] for one in (value, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("loss", [*LOSSES, _flow])
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_equal_states_cost_nothing(loss, length, build_mask):
    """Prevents a constant that never goes away."""
    states = torch.randn(2, length, 5)
    assert loss(states, states, build_mask(2, length)).item() == pytest.approx(0, abs=1e-5)


def test_a_rotated_student_has_the_same_similarities():
    """Prevents a term of products of positions that depends on which neuron is which."""
    teacher, mask = torch.randn(2, 7, 5), torch.ones(2, 7)
    rotation, _ = torch.linalg.qr(torch.randn(5, 5))
    assert hidden_similarity_loss(teacher @ rotation, teacher, mask).item() == pytest.approx(0, abs=1e-5)


def test_a_neuron_counts_by_its_pattern_and_not_by_its_size(build_mask):
    """Prevents the few large neurons of published encoders from being all that is learned."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 3), build_mask(2, 7)
    scaled = student * torch.tensor([1.0, 100.0, 0.01, 1.0, 3.0])
    value = neuron_selectivity_loss(student, teacher, mask)
    torch.testing.assert_close(neuron_selectivity_loss(scaled, teacher, mask), value)
    assert hidden_similarity_loss(scaled, teacher, mask) > 100 * hidden_similarity_loss(student, teacher, mask)


@pytest.mark.parametrize("loss", [*LOSSES, _flow])
def test_padding_changes_neither_value_nor_gradient_of_products(loss, build_mask, padded):
    """Prevents garbage of padded positions among the products, and in the length of a neuron's pattern."""
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), build_mask(2, 7)
    value = loss(student, teacher, mask)
    (gradient,) = torch.autograd.grad(value, student)
    wide = loss(padded(student, 1), padded(teacher, 1), padded(mask, 1, garbage=0))
    (wide_gradient,) = torch.autograd.grad(wide, student)
    torch.testing.assert_close(wide, value)
    torch.testing.assert_close(wide_gradient, gradient)
    assert gradient[mask == 0].abs().max() == 0


@pytest.mark.parametrize("loss", [*LOSSES, _flow])
def test_products_send_a_gradient_to_the_student_only(loss, build_mask):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = (torch.randn(2, 7, 5, requires_grad=True) for _ in range(2))
    loss(student, teacher, build_mask(2, 7)).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [*LOSSES, _flow])
def test_a_batch_of_texts_costs_what_its_texts_cost_in_the_mean(loss):
    """Prevents a value that depends on which texts share a batch: accumulated gradients would be others."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 5), torch.ones(2, 7)
    single = [loss(student[row, None], teacher[row, None], mask[row, None]) for row in range(2)]
    torch.testing.assert_close(loss(student, teacher, mask), torch.stack(single).mean())


@pytest.mark.parametrize("loss", POSITIONS)
def test_products_of_positions_refuse_other_tokens(loss, build_mask):
    """Prevents maps of two texts from being broadcast over each other."""
    with pytest.raises(
        ValueError, match=r"expected equal batch and length, got student \(2, 7\) and teacher \(2, 6\)"
    ):
        loss(torch.randn(2, 7, 5), torch.randn(2, 6, 3), build_mask(2, 7))


@pytest.mark.parametrize("loss", [*NEURONS, _flow])
def test_products_of_neurons_refuse_other_widths(loss, build_mask):
    """Prevents neurons of a narrower student from being compared with the first of its teacher's."""
    with pytest.raises(ValueError, match="after its projection to the teacher's width"):
        loss(torch.randn(2, 7, 5), torch.randn(2, 7, 3), build_mask(2, 7))
