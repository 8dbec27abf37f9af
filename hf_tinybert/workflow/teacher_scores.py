"""The scores of a teacher, which an interrupted run does not take again while its weights are the same."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from transformers import PreTrainedModel

from hf_tinybert.distillation.teacher_ensemble import teachers_of
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.teacher_source import TeacherSource

Scores = dict[str, dict[str, float]]
"""By split and metric."""


def kept_scores(folder: RunFolder, stage: str, teacher: str | TeacherSource, score: Callable[[], Scores]) -> Scores:
    """What an earlier call of the run found of these weights, or what is found now, and kept.

    Args:
        folder: of the run.
        stage: where they are kept.
        teacher: Hub name or folder, or several; another model may lie there than at the earlier call.
        score: scores the teacher.
    """
    weights, kept = stored_weights_sha256(teacher), folder.finished(stage) or {}
    if "scores" in kept and kept["weights"] == weights:
        return dict(kept["scores"])
    scores = score()
    folder.finish(stage, {"weights": weights, "scores": scores})
    return scores


def score_teachers(
    folder: RunFolder,
    stage: str,
    source: TeacherSource,
    teacher: PreTrainedModel,
    score: Callable[[PreTrainedModel, str], Scores],
) -> tuple[Scores, list[Scores]]:
    """The scores of a teacher, and those of each model of a joined one, kept as `kept_scores` keeps them.

    Args:
        folder: of the run.
        stage: where they are kept, and what is shown; that of the whole is finished last.
        source: of the run.
        teacher: one model, or a joined one.
        score: scores a model, shown by a name.
    """
    models, singly = teachers_of(teacher), list[Scores]()
    if source.is_joined:
        for place, (name, model) in enumerate(zip(source.names, models, strict=True), start=1):
            singly.append(kept_scores(folder, f"{stage}, {place}", name, partial(score, model, f"{stage}, {place}")))
    return kept_scores(folder, stage, source, partial(score, teacher, stage)), singly


def scored_ensemble(
    told: Mapping[str, Any] | None, source: TeacherSource, singly: Sequence[Scores], together: Scores
) -> dict[str, Any] | None:
    """What a record and figures tell of several teachers that teach as one: names, and how good each and all are.

    Args:
        told: of the joined teacher, see `told_ensemble`; None of one model.
        source: of the run.
        singly: scores of each; empty where they were not scored.
        together: of all as one.

    Returns:
        None of one model.
    """
    if told is None:
        return None
    teachers = [{**one, "teacher": name} for one, name in zip(told["teachers"], source.different_names, strict=True)]
    for one, scores in zip(teachers, singly, strict=False):
        one |= {"scores": scores} if scores else {}
    return {"teachers": teachers, **({"scores": together} if together else {})}


__all__ = ["Scores", "kept_scores", "score_teachers", "scored_ensemble"]
