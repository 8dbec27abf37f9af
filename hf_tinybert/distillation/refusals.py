"""What `DistillationTrainer` refuses before anything is spent: the checks of `compatibility` for one pair and run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.trainer_utils import RemoveColumnsCollator, has_length

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.kinds.definition import Collator
from hf_tinybert.distillation.adapters import check_adapter_student, is_adapter_model, transformers_model
from hf_tinybert.distillation.arguments import CacheChoice, DistillationArguments
from hf_tinybert.distillation.compatibility.loss_settings import check_loss_settings
from hf_tinybert.distillation.compatibility.models import check_learns, check_models, check_two_models
from hf_tinybert.distillation.compatibility.rows import LABEL_COLUMNS, check_dataset
from hf_tinybert.distillation.compatibility.tokens import check_tokenizers
from hf_tinybert.distillation.encodings import check_separate_encodings, has_teacher_encoding, input_columns
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.distillation.losses import Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.terms import Phase, Term
from hf_tinybert.distillation.token_map import find_token_map

if TYPE_CHECKING:
    from peft import PeftModel


# what the published arithmetic averages over padding too
_STATES_AT_PADDING = frozenset({Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES})
_PREDICTIONS_AT_PADDING = frozenset({Term.PREDICTION})
_HEADS_OF_TOKENS = ("ForExtractiveSummarization", "ForMaskedLM", "ForPreTraining", "ForTokenClassification")
_MADE_BEFORE = "the student and its projections are made before the run"


def check_trainer_arguments(arguments: object, others: Mapping[str, Any]) -> None:
    """Refuse arguments that a distillation would ignore or could not carry out.

    Args:
        arguments: those of the run.
        others: keyword arguments for the stock Trainer.

    Raises:
        ValueError: stock training arguments, a loss or a model maker of one's own, reentrant checkpointing, a static
            graph of DDP that changes, processes with different numbers of batches, an optimizer object or a checkpoint
            at SIGTERM for several phases, an optimizer object beside factors of learning rates, a phase of unknown
            length, or a teacher cache of rows that change.
    """
    if not isinstance(arguments, DistillationArguments):
        raise ValueError(f"expected `DistillationArguments`, got `{type(arguments).__name__}`")
    for name, why in {
        "model_init": f"{_MADE_BEFORE}; leave it out, and make a trainer for each trial of a search for "
        "hyperparameters",
        "compute_loss_func": "the objective is the loss; leave it out",
    }.items():
        if others.get(name) is not None:
            raise ValueError(f"expected no `{name}`, got one; because {why}")
    checkpointing = arguments.activation_checkpointing_kwargs
    if arguments.activation_checkpointing and isinstance(checkpointing, dict) and checkpointing.get("use_reentrant"):
        raise ValueError(
            "expected `use_reentrant` False, got True; because attention that is recorded under reentrant "
            "checkpointing carries no gradient, so that its terms would train nothing; leave it out"
        )
    _check_static_graph(arguments)
    _check_even_batches(arguments)
    if len(arguments.stages) > 1 and others.get("optimizers") not in (None, (None, None)):
        raise ValueError(
            "expected no `optimizers` with more than one phase, got some; because each phase starts a fresh "
            "optimizer; train one phase at a time, or choose the optimizer by `optim`"
        )
    if arguments.learning_rate_factors and others.get("optimizers", (None, None))[0] is not None:
        raise ValueError(
            "expected no `optimizers` with `learning_rate_factors`, got both; because an optimizer of the caller has "
            "its rates already; give its groups theirs, or leave it out"
        )
    if len(arguments.stages) > 1 and arguments.enable_jit_checkpoint:
        raise ValueError(
            "expected no `enable_jit_checkpoint` with more than one phase, got it; because a run that is told to end "
            "would go on with the next phase, and no phase but the first would hear of it; train one phase at a time, "
            "or save by `save_strategy` and resume"
        )
    _check_phase_lengths(arguments, others.get("train_dataset"))
    if arguments.teacher_cache_dir is not None and isinstance(others.get("train_dataset"), FreshVariants):
        raise ValueError(
            f"expected no `teacher_cache_dir` with `FreshVariants`, got `{arguments.teacher_cache_dir}`; because the "
            "rows are of other words in every epoch, and the teacher answers anew; leave it out, or write variants by "
            "`hf-tinybert augment`"
        )


def check_devices(trainer: Trainer) -> None:
    """Refuse processes that share a step otherwise than by its rows or by the weights.

    Args:
        trainer: whose accelerator knows the processes.

    Raises:
        ValueError: several GPUs of one process, or tensor, context or sequence parallelism.
    """
    if trainer.args.n_gpu > 1:
        raise ValueError(
            f"expected one GPU per process, got {trainer.args.n_gpu} in one; because DataParallel cannot carry the "
            "recorded attention; start with `torchrun --nproc_per_node` or `accelerate launch`"
        )
    sizes = {"tp": trainer.get_tp_size(), "cp": trainer.get_cp_size(), "sp": trainer.get_sp_size()}
    shared = {f"{name}_size": size for name, size in sizes.items() if size > 1}
    if shared:
        raise ValueError(
            f"expected no tensor, context or sequence parallelism, got {shared}; because each term compares whole "
            "sequences and whole layers of student and teacher, of which a process would hold a part; spread the rows "
            "by DDP, and the weights by FSDP or DeepSpeed ZeRO"
        )


def refuse_search() -> NoReturn:
    """Refuse a search for hyperparameters by the trainer itself.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"expected no `hyperparameter_search`, got it; because {_MADE_BEFORE}, and each trial needs its own; make a "
        "trainer for each trial in the objective of optuna, Ray Tune or a loop of your own"
    )


def _check_even_batches(arguments: DistillationArguments) -> None:
    """A process without a last batch would wait for the others, and they for its gradients, until torch gives up."""
    batches: Any = arguments.accelerator_config  # an object by now, whatever was given
    even = batches.even_batches or arguments.dataloader_drop_last
    if arguments.world_size > 1 and not even:
        raise ValueError(
            f"expected `even_batches` True with {arguments.world_size} processes, got False; because all of them take "
            "every step together, and one would have no batch left for the last; leave it out of "
            "`accelerator_config`: an evaluation counts each row once; or set `dataloader_drop_last`"
        )


def _check_static_graph(arguments: DistillationArguments) -> None:
    """Refuse what DDP gives up at after some steps, of which its message tells nothing."""
    partial = [f"the {phase} phase" for phase in arguments.stages if phase is not Phase.JOINT]
    accumulated = ["`gradient_accumulation_steps`"] if arguments.gradient_accumulation_steps > 1 else []
    if arguments.ddp_static_graph and arguments.world_size > 1 and (partial or accumulated):
        raise ValueError(
            f"expected no `ddp_static_graph` with {' and '.join([*partial, *accumulated])}, got it; because DDP takes "
            "every parameter to have a gradient at every backward pass then, which head or projections have not in "
            "such a phase, and sums gradients over processes at each; leave it out"
        )


def _check_phase_lengths(arguments: DistillationArguments, train_dataset: object) -> None:
    """Refuse a phase of so many passes over rows that nobody counted."""
    if train_dataset is None or has_length(train_dataset):
        return
    for settings in arguments.phase_settings():
        name = "intermediate_max_steps" if settings.phase is Phase.INTERMEDIATE else "max_steps"
        if settings.max_steps <= 0:
            raise ValueError(
                f"expected a positive `{name}` for training rows without a length, got {settings.max_steps}; because "
                f"the steps of the {settings.phase} phase and its learning rates depend on it; set it"
            )


def check_pair(
    model: "PreTrainedModel | PeftModel",
    teacher: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    arguments: DistillationArguments,
    *,
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None] = (None, None),
    train_dataset: object = None,
    collator: Collator | None = None,
) -> None:
    """Refuse a student and a teacher that these objectives cannot compare on this data.

    Args:
        model: the student as given, with its adapter if it has one.
        teacher: merged.
        objectives: of all phases.
        arguments: of the run.
        tokenizers: of student and teacher, where known.
        train_dataset: looked at if it is a `datasets.Dataset`.
        collator: of the run, if one was given; it may make labels.

    Raises:
        ValueError: see `distillation.compatibility`.
    """
    student = transformers_model(model)
    if not is_adapter_model(model):
        check_learns(student, objectives)
    check_adapter_student(
        model,
        reads_layers=any(one.reads_hidden_states or one.reads_attention for one in objectives),
        reads_predictions=any(one.reads_logits for one in objectives),
    )
    separate = isinstance(train_dataset, Dataset) and has_teacher_encoding(train_dataset.column_names)
    if separate:
        check_separate_encodings(student)
    own, other = tokenizers
    token_map = None
    if own is not None and other is not None:
        check_tokenizers(own, other, separate_encodings=separate)
        token_map = None if separate else find_token_map(own, other)
    check_models(student, teacher, objectives, separate_encodings=separate, token_map=token_map)
    check_loss_settings(student, objectives, arguments)
    _check_cached_padding(student, objectives, arguments)
    if isinstance(train_dataset, Dataset):
        if collator is not None and arguments.remove_unused_columns:
            columns = {*input_columns(student, teacher), *LABEL_COLUMNS, *(arguments.label_names or ())}
            collator = RemoveColumnsCollator(collator, columns)
        check_dataset(train_dataset, student, objectives, collator)


def _check_cached_padding(
    student: PreTrainedModel, objectives: Sequence[DistillationObjective], arguments: DistillationArguments
) -> None:
    """Refuse a cache, which keeps nothing of padding, for terms that are averaged over padding too."""
    kept = frozenset[Term]()
    if arguments.teacher_cache_dir is not None:
        kept |= _PREDICTIONS_AT_PADDING if head_kind(student) in _HEADS_OF_TOKENS else frozenset()
        kept |= frozenset() if arguments.teacher_cache_contents == CacheChoice.LOGITS else _STATES_AT_PADDING
    by_reference = [one for one in objectives if one.reduction is Reduction.REFERENCE]
    terms = [name for one in by_reference for name in one.weights if name in kept]
    if terms:
        raise ValueError(
            f"expected no `teacher_cache_dir` with `loss_reduction` {Reduction.REFERENCE}, got it for "
            f"{', '.join(terms)}; because these average over padding too, of which the cache keeps nothing; choose "
            f"the reduction {Reduction.MEAN}, `teacher_cache_contents` {CacheChoice.LOGITS} for predictions of whole "
            "texts, or no cache"
        )


def check_before_data(
    model: "PreTrainedModel | PeftModel",
    teacher: PreTrainedModel,
    arguments: DistillationArguments,
    *,
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None] = (None, None),
    objectives: Sequence[DistillationObjective] | None = None,
) -> list[DistillationObjective]:
    """Refuse what `DistillationTrainer` will refuse of these models and arguments, while there is no data yet.

    Neither model is changed.

    Args:
        model: the student as given, with its adapter if it has one.
        teacher: merged.
        arguments: of the run.
        tokenizers: of student and teacher, where known.
        objectives: of all phases, instead of those that the arguments describe.

    Returns:
        The objectives of all phases.

    Raises:
        ValueError: see `check_trainer_arguments`, `check_pair`, `resolve_layer_mapping` and the objectives' `request`.
    """
    check_trainer_arguments(arguments, {})
    student = transformers_model(model)
    if objectives is None:
        described = arguments.objectives(problem_of(student), masked_lm=predicts_vocabulary(student))
        objectives = list(described.values())
    check_two_models(student, teacher)
    layers = student.config.num_hidden_layers
    resolve_layer_mapping(str(arguments.layer_mapping), layers, teacher.config.num_hidden_layers)
    for objective in objectives:
        objective.request(layers)  # refuses layers that the student does not have
    check_pair(model, teacher, objectives, arguments, tokenizers=tokenizers)
    return list(objectives)


__all__ = ["check_before_data", "check_devices", "check_pair", "check_trainer_arguments", "refuse_search"]
