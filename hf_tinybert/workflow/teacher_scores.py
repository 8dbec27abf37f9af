"""The scores of a teacher, which an interrupted run does not take again while its weights are the same."""

from collections.abc import Callable

from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.kept_answers import stored_weights_sha256

Scores = dict[str, dict[str, float]]
"""By split and metric."""


def kept_scores(folder: RunFolder, stage: str, teacher: str, score: Callable[[], Scores]) -> Scores:
    """What an earlier call of the run found of these weights, or what is found now, and kept.

    Args:
        folder: of the run.
        stage: where they are kept.
        teacher: Hub name or folder; another model may lie there than at the earlier call.
        score: scores the teacher.
    """
    weights, kept = stored_weights_sha256(teacher), folder.finished(stage) or {}
    if "scores" in kept and kept["weights"] == weights:
        return dict(kept["scores"])
    scores = score()
    folder.finish(stage, {"weights": weights, "scores": scores})
    return scores


__all__ = ["Scores", "kept_scores"]
