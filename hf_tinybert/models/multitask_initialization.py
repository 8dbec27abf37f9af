"""The tasks of a multi-task student, each started at its teacher: its head, and its training projections."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.encoder_projection import read_encoder
from hf_tinybert.models.head_projection import HeadProjection
from hf_tinybert.models.initialization import StudentInitialization, random_parameters
from hf_tinybert.models.layout_reading import student_layout
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.start_checks import InitializationMethod, check_start
from hf_tinybert.models.teacher_states import read_hidden_states

Batches = Iterable[Mapping[str, Tensor]]


def initialize_tasks_from_teachers(
    student: TinyBertForMultiTask,
    teachers: Mapping[str, PreTrainedModel],
    *,
    calibration: Mapping[str, Batches],
    start: StudentInitialization | None = None,
    heads: Collection[str] | None = None,
    layer_mapping: Sequence[int] | None = None,
    seed: int = 0,
) -> dict[str, StudentInitialization]:
    """Start every task of a multi-task student at its one-task teacher, for the student's encoder as it is now.

    The encoder is filled before, by `initialize_from_teacher` from any teacher: of tasks whose teachers differ it can
    follow one only. Each of its states is mapped to those of the task's own teacher by ridge regression on texts of
    the task: there the training projections start, and the head is projected through the last of these maps as that
    of a one-task student.

    Args:
        student: Model whose heads are filled, in place.
        teachers: By task; the one-task models, of a multi-task teacher `teacher.for_task(name)`. A teacher of sentence
            embeddings may be an encoder. Tasks without one keep their heads.
        calibration: By task; batches of tokenised texts of which up to 16384 tokens are used.
        start: How the encoder was filled: its maps to its own teacher's states, from which the other teachers' differ
            little where all were fine-tuned from one model. None for an encoder that was trained since.
        heads: Tasks whose heads are filled; None fills all that have a teacher.
        layer_mapping: As of `initialize_from_teacher`, of every teacher.
        seed: Of random sequences, where a task has no calibration.

    Returns:
        By task: what `MultiTaskDistillationTrainer` takes as `initialization`; its `random_parameters` name those of
        the head that hold nothing of a teacher's, because it has no such head or was left out.

    Raises:
        TypeError: The student is not laid out as BERT.
        ValueError: There is no such task, a calibration holds no usable tokens, or a teacher does not fit.
    """
    found = {}
    for name, teacher in teachers.items():
        own = student.for_task(name)
        method = InitializationMethod.TRAINED
        mapping = check_start(own, teacher, method=method, layer_mapping=layer_mapping)
        layout = student_layout(own)
        filled: list[torch.nn.Module] = []
        with torch.no_grad():
            tokens = read_calibration(calibration.get(name), layout, device=teacher.device, seed=seed)
            hidden = read_hidden_states(teacher, tokens, {*mapping, teacher.config.num_hidden_layers})
            encoder = read_encoder(layout, hidden, tokens, mapping, _readers(start, hidden[0].shape[1]))
            if heads is None or name in heads:
                projection = HeadProjection(own, teacher, layout, encoder, tokens, refit=True)
                projection.run()
                filled = projection.filled
                student.copy_head(name, own)
        random = random_parameters(own, layout, filled)
        found[name] = StudentInitialization.by_readers(encoder.readers, method, mapping, _of_head(name, random))
    return found


def _of_head(task: str, parameters: Sequence[str]) -> tuple[str, ...]:
    """Names of parameters as the multi-task model has them."""
    return tuple(f"heads.{task}.{key.removeprefix('bert.')}" for key in parameters)


def _readers(start: StudentInitialization | None, teacher_width: int) -> list[Tensor] | None:
    """The maps of the encoder's own start, where they go to a width like this teacher's."""
    if start is None or len(start.projection) != teacher_width:
        return None
    maps = zip(start.state_projections, start.state_offsets, strict=True)
    return [torch.cat([projection, offset[:, None]], dim=1) for projection, offset in maps]


__all__ = ["initialize_tasks_from_teachers"]
