"""Each closed form against its definition."""

import torch

from hf_tinybert.models.least_squares import (
    layer_norm_correction,
    low_rank_factors,
    moment_root,
    principal_basis,
    ridge_correction,
    with_ones,
)


def test_a_perfect_prior_is_left_alone():
    """Would catch a penalty on the weights themselves, which would shrink a teacher that needs no correction."""
    assert ridge_correction(with_ones(torch.randn(50, 4)), torch.zeros(50, 3)).abs().max() == 0


def test_many_tokens_overrule_the_prior_and_the_bias_is_free():
    """Would catch a prior so strong that nothing is fitted, or means that are not matched."""
    features, truth = with_ones(torch.randn(20000, 4)), torch.randn(5, 3)
    correction = ridge_correction(features, features @ truth)
    torch.testing.assert_close(correction, truth, atol=5e-3, rtol=0)
    few = with_ones(torch.randn(6, 4))
    residual = few @ ridge_correction(few, torch.full((6, 3), 7.0))
    torch.testing.assert_close(residual, torch.full((6, 3), 7.0))


def test_heavy_tokens_count_more():
    """Would catch weights that are dropped: two contradicting halves, one with almost no weight."""
    features = with_ones(torch.randn(4000, 2))
    wanted = torch.cat([torch.ones(2000, 1), -torch.ones(2000, 1)]) * features[:, :1]
    weights = torch.cat([torch.ones(2000, 1), torch.full((2000, 1), 1e-4)])
    assert ridge_correction(features, wanted, weights)[0, 0] > 0.98


def test_scale_and_shift_are_recovered():
    """Would catch a scale fitted without taking the means out."""
    normal = torch.randn(500, 6) + 3
    scale, shift = torch.randn(6), torch.randn(6)
    for got, wanted in zip(layer_norm_correction(normal, normal * scale + shift), (scale, shift), strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_the_root_squares_to_the_second_moment():
    """Would catch a covariance in the place of the second moment: biases would not count."""
    features = with_ones(torch.randn(300, 4) + 1)
    root, inverse = moment_root(features)
    torch.testing.assert_close(root @ root, (features.T @ features).double() / 300, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(root @ inverse, torch.eye(5, dtype=torch.float64))


def test_factors_are_exact_when_the_rank_allows():
    """Would catch transposed factors or a weight that is not taken out again."""
    moment = moment_root(with_ones(torch.randn(100, 7)))
    inner = torch.randn(3, 6, dtype=torch.float64)
    left, right = (inner.T @ torch.randn(3, 8, dtype=torch.float64) for _ in range(2))
    for left_moment in (moment, None):
        got = low_rank_factors(left, right, 3, left_moment=left_moment, right_moment=moment)
        torch.testing.assert_close(got[0].T @ got[1], left.T @ right, atol=1e-9, rtol=1e-9)


def test_factors_suit_the_data_better_than_a_plain_truncation():
    """Would catch weights that are ignored: scores on the data would be needlessly wrong."""
    states = with_ones(torch.randn(400, 7) * torch.logspace(1, -1, 7) + 1)
    left, right = torch.randn(2, 6, 8, dtype=torch.float64)
    outer, singular, inner = torch.linalg.svd(left.T @ right)
    plain = outer[:, :3] * singular[:3] @ inner[:3]
    moment = moment_root(states)
    thin = low_rank_factors(left, right, 3, left_moment=moment, right_moment=moment)
    exact = states.double() @ left.T @ right @ states.double().T
    errors = [
        float((states.double() @ product @ states.double().T - exact).square().mean())
        for product in (thin[0].T @ thin[1], plain)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_the_basis_keeps_the_variance_and_its_ones_direction_is_the_poorest():
    """Would catch a student LayerNorm that deletes a direction which carries information."""
    root = torch.randn(10, 10, dtype=torch.float64)
    covariance = root @ root.T
    eigenvalues = torch.linalg.eigvalsh(covariance)
    basis = principal_basis(covariance, 6)
    torch.testing.assert_close(basis.T @ basis, torch.eye(6, dtype=torch.float64), atol=1e-12, rtol=0)
    kept = torch.trace(basis.T @ covariance @ basis)
    torch.testing.assert_close(kept, eigenvalues[-5:].sum() + eigenvalues[0])
    ones = basis @ torch.full((6,), 6**-0.5, dtype=torch.float64)
    torch.testing.assert_close(ones @ covariance @ ones, eigenvalues[0])
