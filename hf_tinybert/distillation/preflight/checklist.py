"""All checks of a distillation, in order."""

from collections.abc import Callable

import torch

from hf_tinybert.distillation.preflight.first_step import check_first_losses, check_mean_loss
from hf_tinybert.distillation.preflight.labels import check_label_names, check_teacher_score, check_training_rows
from hf_tinybert.distillation.preflight.memory import check_memory
from hf_tinybert.distillation.preflight.models import (
    check_attention,
    check_frozen_teacher,
    check_heads,
    check_layer_mapping,
    check_weights,
)
from hf_tinybert.distillation.preflight.report import Check, PreflightReport
from hf_tinybert.distillation.preflight.settings import check_accumulation, check_loss_settings, check_steps
from hf_tinybert.distillation.preflight.setup import Setup
from hf_tinybert.distillation.preflight.tokens import (
    check_lengths,
    check_special_tokens,
    check_tokenizers,
    check_vocabulary,
)

_CHECKS: tuple[Callable[[Setup], Check], ...] = (
    check_weights,
    check_frozen_teacher,
    check_layer_mapping,
    check_heads,
    check_attention,
    check_vocabulary,
    check_tokenizers,
    check_special_tokens,
    check_lengths,
    check_label_names,
    check_training_rows,
    check_loss_settings,
    check_accumulation,
    check_steps,
    check_memory,
    check_mean_loss,
)


def run_preflight(setup: Setup) -> PreflightReport:
    """Run every check; what the setup does not hold is skipped, and said so.

    Neither model is changed, and random state stays as it is. Costs a few forwards: `setup.score_rows` rows of the
    teacher for its score, some ten of both for the losses.
    """
    with torch.random.fork_rng(devices=[]):  # collators that mask at random
        torch.manual_seed(0)
        rows = [check(setup) for check in _CHECKS]
        return PreflightReport((*rows, *check_teacher_score(setup), *check_first_losses(setup)))


__all__ = ["run_preflight"]
