"""Closed-form fits between matrices of states; factorisations run in fp64."""

from typing import NamedTuple

import torch
from torch import Tensor

# Strength of every prior: it weighs as much as this many tokens per fitted coefficient of one output dimension.
# Measured on held-out text (all-MiniLM-L6-v2 -> 4 x 312, 8k and 16k calibration tokens), flat around this value.
PRIOR_TOKENS_PER_FEATURE = 2.0


def with_ones(features: Tensor) -> Tensor:
    """Appends the column that a bias multiplies: `(tokens, features + 1)`."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


def ridge_correction(features: Tensor, residual: Tensor, weights: Tensor | None = None) -> Tensor:
    """The small matrix that, added to a prior one, explains what the prior leaves unexplained.

    Minimises `sum_t w_t |features_t B - residual_t|^2 + penalty |B|^2`; the bias row is not penalised.

    Args:
        features: `(tokens, features + 1)`, the last column ones.
        residual: `(tokens, outputs)`, target minus what the prior gives.
        weights: `(tokens, 1)` weight of each token, all equal when None.

    Returns:
        `B`, `(features + 1, outputs)`; zero where the residual is.
    """
    weighted = features if weights is None else features * (weights / weights.mean())
    gram = (weighted.T @ features).double()
    count = gram.shape[0] - 1
    penalty = torch.full((count + 1,), PRIOR_TOKENS_PER_FEATURE * count / len(features), dtype=gram.dtype)
    penalty = penalty.to(gram.device) * gram.diagonal()[:-1].mean().clamp_min(1e-12)
    penalty[-1] = 0.0
    solution: Tensor = torch.linalg.solve(gram + penalty.diag(), (weighted.T @ residual).double())
    return solution.to(residual.dtype)


def layer_norm_correction(normal: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares scale and shift, per dimension, of `normal` that explain `residual`.

    Args:
        normal: `(tokens, width)` normalised states.
        residual: `(tokens, width)`.

    Returns:
        Scale and shift, each `(width,)`.
    """
    mean = normal.mean(0)
    centred = normal - mean
    scale = (centred * residual).mean(0) / centred.square().mean(0).clamp_min(1e-12)
    return scale, residual.mean(0) - scale * mean


class MomentRoot(NamedTuple):
    """Symmetric root of a second moment, and its inverse, each fp64 `(n, n)`."""

    root: Tensor
    inverse: Tensor


def moment_root(features: Tensor) -> MomentRoot:
    """The root of the second moment of `(tokens, n)` features; directions without variance get a tiny one."""
    moment = (features.T @ features).double() / len(features)
    eigenvalues, vectors = torch.linalg.eigh(moment)
    root = eigenvalues.clamp_min(eigenvalues.max() * 1e-8).sqrt()
    return MomentRoot((vectors * root) @ vectors.T, (vectors / root) @ vectors.T)


def low_rank_factors(
    left: Tensor, right: Tensor, rank: int, *, left_moment: MomentRoot | None, right_moment: MomentRoot
) -> tuple[Tensor, Tensor]:
    """Two thinner matrices whose product is nearest to that of two given ones, on the data that they will see.

    Minimises `|R_l (L' K - M' N) R_r|` over `M` and `N` with `rank` rows, where `R` are roots of second moments; for
    queries and keys of independent tokens that is the mean squared error of the scores. Singular values are split
    evenly. Only the small core of the product is decomposed.

    Args:
        left: `L`, fp64 `(inner, left_features)`.
        right: `K`, fp64 `(inner, right_features)`.
        rank: Rows wanted, at most `inner`.
        left_moment: Of what `L` is applied to; None to weight all alike.
        right_moment: Of what `K` is applied to.

    Returns:
        `M` `(rank, left_features)` and `N` `(rank, right_features)`.
    """
    left_basis, left_core = torch.linalg.qr((left if left_moment is None else left @ left_moment.root).T)
    right_basis, right_core = torch.linalg.qr((right @ right_moment.root).T)
    outer, singular, inner = torch.linalg.svd(left_core @ right_core.T)
    split = singular[:rank].sqrt()
    thin_left = (left_basis @ outer[:, :rank] * split).T
    thin_right = (right_basis @ inner[:rank].T * split).T @ right_moment.inverse
    return (thin_left if left_moment is None else thin_left @ left_moment.inverse), thin_right


def principal_basis(covariance: Tensor, width: int) -> Tensor:
    """Orthonormal directions that keep most of the variance in a narrower LayerNorm'ed state.

    A LayerNorm takes the mean out of its input: it deletes the all-ones direction. So that this costs nothing, the
    basis holds the `width - 1` principal directions and, as its all-ones direction, the one with the least variance.

    Args:
        covariance: fp64 `(teacher_width, teacher_width)`.
        width: Of the student, below the teacher's.

    Returns:
        fp64 `(teacher_width, width)`, orthonormal columns.
    """
    _, vectors = torch.linalg.eigh(covariance)
    vectors = vectors.flip(1)
    # eigenvectors have no sign of their own: fix it, so that the result does not depend on the LAPACK at hand
    vectors = vectors * torch.sign(vectors.gather(0, vectors.abs().argmax(0, keepdim=True)))
    basis = torch.cat([vectors[:, : width - 1], vectors[:, -1:]], dim=1)
    reflector = -torch.full((width,), width**-0.5, dtype=basis.dtype, device=basis.device)
    reflector[-1] += 1.0
    reflector = reflector / reflector.norm()
    return basis - 2.0 * torch.outer(basis @ reflector, reflector)


__all__ = [
    "PRIOR_TOKENS_PER_FEATURE",
    "MomentRoot",
    "layer_norm_correction",
    "low_rank_factors",
    "moment_root",
    "principal_basis",
    "ridge_correction",
    "with_ones",
]
