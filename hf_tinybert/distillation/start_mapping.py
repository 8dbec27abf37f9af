"""The layer mapping of a run beside the one that its student was built by."""

import logging
from pathlib import Path

from hf_tinybert.distillation.layer_mapping import MappingStrategy, resolve_layer_mapping
from hf_tinybert.distillation.projections import ProjectionStart
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord

logger = logging.getLogger(__name__)


def mapping_of_run(
    mapping: str,
    depths: tuple[int, int],
    initialization: ProjectionStart | str | Path | None,
    *,
    task: str | None = None,
) -> tuple[int, ...]:
    """The teacher layer of every student state; a searched mapping is the one that the start was made by.

    Args:
        mapping: as `DistillationArguments` have it.
        depths: transformer layers of student and teacher.
        initialization: what `initialize_from_teacher` returned, or a folder with `distillation.json`.
        task: of a multi-task student.

    Raises:
        ValueError: as `resolve_layer_mapping`; `search` without a start that tells its mapping.
    """
    if mapping == MappingStrategy.SEARCH:
        return resolve_layer_mapping(_searched(initialization, task), *depths)
    resolved = resolve_layer_mapping(mapping, *depths)
    if initialization is not None and not isinstance(initialization, str | Path):
        _warn_of_other_mapping(resolved, tuple(initialization.mapping))
    return resolved


def _searched(initialization: ProjectionStart | str | Path | None, task: str | None) -> tuple[int, ...]:
    if isinstance(initialization, str | Path):
        folder = Path(initialization)
        if (folder / RECORD_FILE).is_file():
            record = DistillationRecord.load(folder)
            return tuple((record if task is None else record.of_task(task)).layer_mapping)
    elif initialization is not None:
        return tuple(initialization.mapping)
    got = "none" if initialization is None else f"`{initialization}` without `{RECORD_FILE}`"
    raise ValueError(
        f"expected an `initialization` with `layer_mapping` {MappingStrategy.SEARCH}, got {got}; because the layers "
        "are those that the student was built from; pass what `initialize_from_teacher(..., layer_mapping='search')` "
        "returned, or name the layers"
    )


def _warn_of_other_mapping(mapping: tuple[int, ...], start: tuple[int, ...]) -> None:
    """A student built from other teacher layers than it imitates starts far from them."""
    if start != mapping:
        logger.warning(
            "the student was initialised by the layer mapping %s and imitates %s; pass the same mapping to both",
            start,
            mapping,
        )


__all__ = ["mapping_of_run"]
