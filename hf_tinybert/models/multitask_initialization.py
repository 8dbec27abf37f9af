"""The heads of a multi-task student, each started at its teacher's."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.models.calibration import CalibrationTokens, read_calibration
from hf_tinybert.models.encoder_layout import EncoderLayout, encoder_layout
from hf_tinybert.models.encoder_projection import ProjectedEncoder
from hf_tinybert.models.head_projection import HeadProjection
from hf_tinybert.models.initialization import StudentInitialization
from hf_tinybert.models.least_squares import ridge_correction, with_ones
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask

Batches = Iterable[Mapping[str, Tensor]]


def initialize_heads_from_teachers(
    student: TinyBertForMultiTask,
    teachers: Mapping[str, PreTrainedModel],
    *,
    calibration: Mapping[str, Batches],
    start: StudentInitialization | None = None,
    seed: int = 0,
) -> tuple[str, ...]:
    """Fill heads of a multi-task student from one-task teachers, for the student's encoder as it is now.

    The encoder is filled before, by `initialize_from_teacher` from any teacher: of tasks whose teachers differ it can
    follow one only. What a head reads of it is mapped to the states of the head's own teacher by ridge regression on
    texts of the task, and the head is projected through that map as that of a one-task student.

    Args:
        student: Model whose heads are filled, in place.
        teachers: By task; the one-task models, of a multi-task teacher `teacher.for_task(name)`. A teacher of sentence
            embeddings may be an encoder. Tasks without one keep their heads.
        calibration: By task; batches of tokenised texts of which up to 16384 tokens are used.
        start: How the encoder was filled: its map to its own teacher's states, from which the other teachers' differ
            little where all were fine-tuned from one model. None for an encoder that was trained since.
        seed: Of random sequences, where a task has no calibration.

    Returns:
        Names of the parameters of these heads that hold nothing of a teacher's, because it has no such head.

    Raises:
        TypeError: A model is not laid out as BERT.
        ValueError: There is no such task, or a calibration holds no usable tokens.
    """
    untouched: list[str] = []
    for name, teacher in teachers.items():
        own = student.for_task(name)
        layouts = encoder_layout(own, "student"), encoder_layout(teacher, "teacher")
        with torch.no_grad():
            tokens = read_calibration(calibration.get(name), layouts[1], seed=seed)
            heads = HeadProjection(own, teacher, layouts, _encoder(layouts, tokens, start), tokens, refit=True)
            heads.run()
        filled = {id(parameter) for module in heads.filled for parameter in module.parameters()}
        student.copy_head(name, own)
        untouched += [
            f"heads.{name}.{key.removeprefix('bert.')}"
            for key, parameter in own.named_parameters()
            if not key.startswith(("bert.embeddings.", "bert.encoder.")) and id(parameter) not in filled
        ]
    return tuple(untouched)


def _encoder(
    layouts: tuple[EncoderLayout, EncoderLayout], tokens: CalibrationTokens, start: StudentInitialization | None
) -> ProjectedEncoder:
    """What a projection of the encoder would have found out, of one that is filled already."""
    student_states, teacher_states = (list(tokens.encoder_states(layout))[-1] for layout in layouts)
    features = with_ones(student_states)
    prior = features.new_zeros(layouts[1].width, features.shape[1])
    if start is not None and start.state_projections[-1].shape[0] == layouts[1].width:
        prior = torch.cat([start.state_projections[-1], start.state_offsets[-1][:, None]], dim=1).to(prior)
    reader = prior + ridge_correction(features, teacher_states - features @ prior.T).T
    return ProjectedEncoder(reader[:, :-1].contiguous(), (), reader, student_states, teacher_states)


__all__ = ["initialize_heads_from_teachers"]
