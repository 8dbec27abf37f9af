"""A student before its first step: its shape, and weights of its teacher, of a trained student, or none."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.layer_mapping import MappingStrategy, resolve_layer_mapping
from hf_tinybert.distillation.token_map import find_token_map
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import StudentInitialization, initialize_from_teacher
from hf_tinybert.models.start_checks import InitializationMethod, check_start, left_out_of_start
from hf_tinybert.models.vocabulary import trim_model
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder, wait_for_stage
from hf_tinybert.workflow.distil_settings import DistilSettings
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer

_Model = TypeVar("_Model", bound=PreTrainedModel)
_LAYOUTS = ("bert", "tinybert")
_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
_LAYERS_STAGE = "layers"
_CALIBRATED = frozenset({InitializationMethod.PROJECTION, InitializationMethod.TRAINED})


def student_config(settings: DistilSettings, teacher: PreTrainedConfig, **fields: Any) -> TinyBertConfig:  # noqa: ANN401
    """The configuration of a student of the shape that was asked for, or of the trained student that it starts as.

    Args:
        settings: of the run.
        teacher: configuration of the teacher.
        **fields: others of `TinyBertConfig`.

    Raises:
        ValueError: sizes that no student can have.
        FileNotFoundError: no such trained student.
    """
    everything = {**settings.dropout_fields, **fields}
    if settings.start_folder is None:
        return settings.student_shape.config(teacher, **everything)
    known = load_config(settings.start_folder)
    if known.model_type not in _LAYOUTS:
        raise ValueError(
            f"expected a TinyBERT or a BERT as `start`, got `{settings.start_folder}` of the type "
            f"`{known.model_type}`; because its weights become those of a TinyBERT; name the folder of a trained "
            "student, as `hf-tinybert pretrain` writes it"
        )
    sizes = {name: getattr(known, name) for name in _SIZES}
    # what the trained student answered, if it did, is no matter
    return TinyBertConfig.from_teacher(known, **{**sizes, "problem_type": teacher.problem_type, **everything})


def student_tokenizer(settings: DistilSettings, teacher: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer that a student reads by: its teacher's, or its own where it starts with a part of the pieces.

    Args:
        settings: of the run.
        teacher: tokenizer of the teacher.
    """
    if settings.start_folder is None:
        return teacher
    own = load_tokenizer(settings.start_folder)
    return teacher if find_token_map(own, teacher) is None else own


def new_student(
    model_class: type[_Model], config: TinyBertConfig, settings: DistilSettings, tokenizer: PreTrainedTokenizerBase
) -> _Model:
    """A student with random weights, or with those of a trained one; a head that this one lacks is random.

    Args:
        model_class: of the student.
        config: see `student_config`.
        settings: of the run.
        tokenizer: see `student_tokenizer`.

    Raises:
        ValueError: the trained student has another vocabulary, or lacks weights of the encoder.
    """
    set_seed(settings.seed)
    folder = settings.start_folder
    if folder is None:
        return model_class(config)
    check_weights(Path(folder))
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise ValueError(
            f"expected a student with all or a part of the vocabulary of its teacher as `start`, got another one in "
            f"`{folder}`; because both read the same tokens; take a student of this teacher's family, or `start` "
            "projection"
        )
    loader: Any = model_class  # its return type leaves out the loading info
    student, info = loader.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,  # whatever its file is in: it is trained
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # a head for other labels
    )
    missing = sorted(name for name in info["missing_keys"] if "encoder.layer." in name or "embeddings." in name)
    if missing:
        raise ValueError(
            f"expected the weights of an encoder in `{folder}`, got none of {', '.join(missing[:5])}; name the folder "
            "of a trained student, as `hf-tinybert pretrain` writes it"
        )
    trained: _Model = student
    return trained


def start_layers(
    layer_mapping: str, student: PreTrainedModel, teacher: PreTrainedModel
) -> MappingStrategy | tuple[int, ...]:
    """The teacher layers that a student starts from: those that it imitates; `search` where they are to be found.

    Args:
        layer_mapping: of the run's `DistillationArguments`.
        student: its shape is read.
        teacher: likewise.

    Raises:
        ValueError: see `resolve_layer_mapping`.
    """
    if layer_mapping == MappingStrategy.SEARCH:
        return MappingStrategy.SEARCH
    return resolve_layer_mapping(layer_mapping, student.config.num_hidden_layers, teacher.config.num_hidden_layers)


def check_student_start(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    settings: DistilSettings,
    layer_mapping: str,
    token_map: Tensor | None = None,
) -> None:
    """Refuse what `start_student` would refuse, before the teacher is scored.

    Args:
        student: as of `start_student`, like the others.
        teacher: it is read only.
        settings: of the run.
        layer_mapping: as of `start_student`.
        token_map: as of `start_student`.

    Raises:
        TypeError: a start for which the teacher has to be of a family that `encoder_names` knows, and is not.
        ValueError: see `check_start`, and `trim_model` of a teacher that the student knows a part of.
    """
    layers = start_layers(layer_mapping, student, teacher)
    check_start(student, _as_student_reads(teacher, token_map), method=settings.start_method, layer_mapping=layers)


def show_what_is_left_out(display: ProgressDisplay, teacher: PreTrainedModel, method: InitializationMethod) -> None:
    """Say in a line what of its teacher the student starts without, if anything.

    Args:
        display: of the run.
        teacher: whose weights the student starts with.
        method: of the start.
    """
    left_out = left_out_of_start(teacher, method)
    if left_out:
        display.line(f"  start: without the teacher's {left_out}, which a BERT does not have")


def layers_of_run(folder: RunFolder, layer_mapping: str, *, leads: bool) -> str:
    """The layer mapping to start a student by: of a search the layers that this run has found, if it has.

    So an interrupted run goes on with its own layers wherever it does, and several processes with those of the first,
    for which the others wait.

    Args:
        folder: of the run.
        layer_mapping: of the run's `DistillationArguments`.
        leads: whether this process is the first of them, or the only one.
    """
    if layer_mapping != MappingStrategy.SEARCH:
        return layer_mapping
    found = folder.finished(_LAYERS_STAGE) if leads else wait_for_stage(folder.path, _LAYERS_STAGE)
    return layer_mapping if found is None else ",".join(map(str, found["layers"]))


def keep_found_layers(
    folder: RunFolder, layer_mapping: str, initial: StudentInitialization, display: ProgressDisplay, *, leads: bool
) -> None:
    """Say in a line which layers a search found, and keep them for `layers_of_run`.

    Args:
        folder: of the run.
        layer_mapping: of the run's `DistillationArguments`.
        initial: how the student was started.
        display: of the run.
        leads: as of `layers_of_run`.
    """
    if layer_mapping != MappingStrategy.SEARCH:
        return
    layers = list(initial.mapping[1:])
    display.line(f"  start: from the teacher's layers {', '.join(map(str, layers))}")
    if leads:
        folder.finish(_LAYERS_STAGE, {"layers": layers})


def start_student(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    settings: DistilSettings,
    calibration: Iterable[Mapping[str, Tensor]],
    layer_mapping: str,
    token_map: Tensor | None = None,
) -> StudentInitialization:
    """Fill what a student takes over from its teacher: all of it, or what a trained student lacks.

    Args:
        student: to fill, in place.
        teacher: to read.
        settings: of the run.
        calibration: batches of texts to fit on, in the student's ids; not read where nothing is fitted.
        layer_mapping: see `layers_of_run`; the student starts from the layers that it imitates.
        token_map: the teacher's id of each id of the student where the student's vocabulary is a part of it.
    """
    teacher, method = _as_student_reads(teacher, token_map), settings.start_method
    return initialize_from_teacher(
        student,
        teacher,
        method=method,
        calibration=calibration if method in _CALIBRATED else None,
        layer_mapping=start_layers(layer_mapping, student, teacher),
        seed=settings.seed,
    )


def _as_student_reads(teacher: PreTrainedModel, token_map: Tensor | None) -> PreTrainedModel:
    """The teacher, or a copy of it that reads and predicts the student's tokens alone."""
    return teacher if token_map is None else trim_model(teacher, token_map.tolist())


__all__ = [
    "check_student_start",
    "keep_found_layers",
    "layers_of_run",
    "new_student",
    "show_what_is_left_out",
    "start_layers",
    "start_student",
    "student_config",
    "student_tokenizer",
]
