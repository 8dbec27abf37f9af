"""What earlier calls of an interrupted general distillation left for its figures."""

from collections.abc import Callable

from hf_tinybert.run_folder import RunFolder

_BEFORE = "before"


def terms_before(folder: RunFolder, evaluate: Callable[[], dict[str, float]], *, leads: bool) -> dict[str, float]:
    """The terms on held-out rows before the first step, of this call or of one that was interrupted.

    Args:
        folder: of the run, claimed.
        evaluate: gives them; not called where an earlier call did.
        leads: whether this process writes.
    """
    known = folder.finished(_BEFORE)
    if known is None:
        known = evaluate()
        if leads:
            folder.finish(_BEFORE, known)
    return known


__all__ = ["terms_before"]
