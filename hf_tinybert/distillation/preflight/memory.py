"""What a distillation takes in memory, estimated before it is taken."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.training_args import OptimizerNames

from hf_tinybert.distillation.embedding_teacher import embedding_size, gives_embeddings
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.preflight.report import Check, Status, skipped
from hf_tinybert.distillation.preflight.setup import Setup, spread
from hf_tinybert.distillation.states import IGNORED_LABEL
from hf_tinybert.distillation.task_head import predicts_vocabulary

_GIGABYTE = 1e9
_FLOAT32 = 4
_CACHED = 2  # bytes: the teacher cache keeps bfloat16
_TIGHT = 0.8
_SHARE_ROWS = 64


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes, by what takes them.

    Attributes:
        weights: parameters and buffers of both models.
        gradients: one value per trained parameter.
        optimizer: two float32 values per trained parameter, as Adam keeps them; one under SGD with momentum.
        student_activations: what the student's backward reads again, of one batch.
        teacher_activations: what the teacher hands out, and its largest layer while it runs, of one batch.
        teacher_cache: the whole training set in the teacher cache, on disk; 0 without rows.
    """

    weights: int
    gradients: int
    optimizer: int
    student_activations: int
    teacher_activations: int
    teacher_cache: int

    @property
    def working(self) -> int:
        """Bytes that training takes on top of the weights."""
        return self.gradients + self.optimizer + self.student_activations + self.teacher_activations


def estimate_memory(
    setup: Setup, *, batch_size: int, length: int, rows: int = 0, mean_length: float = 0
) -> MemoryEstimate:
    """The memory of one process, without sharding or gradient checkpointing.

    A transformer layer keeps about `11 hidden + 2 intermediate` values per token for its backward: its input, query,
    key, value, the attention output, sums, normalised states and dropout masks, and the feed-forward units before and
    after their activation. Where dropout of attention keeps SDPA from its fused kernels, as on the CPU, it keeps four
    maps of length x length per head too. A head that predicts tokens keeps `3 vocabulary` values per token that it
    predicts, see `predicted_share`. Against what autograd kept of students of 16 to 312 values: within 25 %.

    Args:
        setup: models and objectives.
        batch_size: rows of one forward.
        length: tokens of each of them, padding included.
        rows: rows of the training set, for the cache.
        mean_length: their mean length in tokens, for the cache.

    Source: the counting is that of Korthikanti et al. 2022 (arXiv 2205.05198), section 4.1, in values, not bytes.
    """
    tokens = batch_size * length
    trained = [parameter for parameter in setup.student.parameters() if parameter.requires_grad]
    values = sum(parameter.numel() for parameter in trained)
    state_values = {"sgd": 1, "adafactor": 0}.get(_optimizer(setup), 2)
    width = _FLOAT32
    if setup.arguments is not None and (setup.arguments.bf16 or setup.arguments.fp16):
        width = _FLOAT32 // 2
    student, teacher = setup.student.config, setup.teacher.config
    layers = student.num_hidden_layers
    states = (layers + 1) * teacher.hidden_size if setup.reads_hidden_states else 0
    records = 3 * layers * teacher.hidden_size if setup.reads_attention else 0
    # the student's states at the teacher's width
    projected = states if any(objective.reads_projections for objective in setup.objectives) else 0
    layer = _layer_values(setup.student) + _map_values(setup.student, length)
    predicted = predicted_share(setup)
    per_token = layers * layer + projected + predicted * _head_values(setup.student)
    cached_values = rows * mean_length * (states + records * 2 // 3) + rows * _logits(setup, mean_length)
    return MemoryEstimate(
        weights=_bytes(setup.student) + _bytes(setup.teacher),
        gradients=sum(parameter.numel() * parameter.element_size() for parameter in trained),
        optimizer=values * state_values * _FLOAT32,
        student_activations=int(tokens * per_token * width),
        teacher_activations=int(
            tokens
            * (states + records + _layer_values(setup.teacher) + predicted * _head_values(setup.teacher))
            * width
        ),
        teacher_cache=int(cached_values * _CACHED),
    )


def predicted_share(setup: Setup) -> float:
    """The share of the tokens whose vocabulary is predicted in training, in [0, 1]; measured on some training rows.

    In masked LM only hidden tokens are, where no term reads others; where no term reads predictions, none is. 1 of
    other heads, and where rows do not show it.
    """
    reading = [one for one in setup.objectives if one.reads_logits or one.reads_labels]
    if not predicts_vocabulary(setup.student):
        return 1.0
    if not reading:
        return 0.0
    compiled = setup.arguments is not None and setup.arguments.torch_compile
    if compiled or setup.train_dataset is None or not all(one.counts_labelled_alone for one in reading):
        return 1.0
    try:
        batch = setup.batch(setup.train_dataset, spread(len(setup.train_dataset), _SHARE_ROWS))
    except (ValueError, IndexError, RuntimeError):  # of rows that make no batch other checks tell
        return 1.0
    ids, labels, mask = (batch.get(name) for name in ("input_ids", "labels", "attention_mask"))
    if ids is None or labels is None or labels.shape != ids.shape:
        return 1.0
    return int((labels != IGNORED_LABEL).sum()) / max(1, ids.numel() if mask is None else int(mask.sum()))


def check_memory(setup: Setup) -> Check:
    """More memory than there is, by estimate."""
    name, arguments = "memory", setup.arguments
    if arguments is None or not setup.lengths:
        return skipped(name, "no training arguments given" if arguments is None else "no tokenised rows given")
    length, rows = (
        setup.max_length or max(setup.lengths),
        0 if setup.train_dataset is None else len(setup.train_dataset),
    )
    batch_size = arguments.train_batch_size
    mean_length = sum(setup.lengths) / len(setup.lengths)
    estimate = estimate_memory(setup, batch_size=batch_size, length=length, rows=rows, mean_length=mean_length)
    device = arguments.device if torch.cuda.is_available() and not arguments.use_cpu else torch.device("cpu")
    available = available_memory(device)
    here = {parameter.device.type for parameter in (*setup.student.parameters(), *setup.teacher.parameters())}
    needed = estimate.working + (0 if here == {device.type} else estimate.weights)
    activations = estimate.student_activations + estimate.teacher_activations
    found = (
        f"about {_shown(needed)} more of {_shown(available)} free on {device.type}: gradients and optimizer "
        f"{_shown(estimate.gradients + estimate.optimizer)}, activations {_shown(activations)} at {batch_size} x "
        f"{length} tokens; a teacher cache of all rows takes {_shown(estimate.teacher_cache)} on disk"
    )
    if needed <= _TIGHT * available:
        return Check(name, Status.OK, found)
    status = Status.FAIL if needed > available else Status.WARN
    return Check(
        name,
        status,
        f"expected at most {_TIGHT:.0%} of the free memory to be needed, got {found}; because the run would stop in "
        "its first or longest batch",
        "lower `per_device_train_batch_size` and raise `gradient_accumulation_steps`, or set `gradient_checkpointing`",
    )


def available_memory(device: torch.device) -> int:
    """Free bytes of a device; of the CPU, what the operating system could give now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil  # type: ignore[import-untyped]  # comes with accelerate

    return int(psutil.virtual_memory().available)


def _layer_values(model: PreTrainedModel) -> int:
    """Values per token that the backward of one layer reads again."""
    config = model.config
    intermediate = config.to_dict().get("intermediate_size", 4 * config.hidden_size)
    return 11 * int(config.hidden_size) + 2 * int(intermediate)


def _map_values(model: PreTrainedModel, length: int) -> int:
    """Values per token of the attention maps that one layer keeps; none under fused kernels."""
    config = model.config.to_dict()
    dropout = max(float(config.get(name) or 0) for name in ("attention_probs_dropout_prob", "attention_dropout"))
    fused = model.device.type != "cpu" or dropout == 0
    return 0 if fused else 4 * int(model.config.num_attention_heads) * length


def _head_values(model: PreTrainedModel) -> int:
    """Values per token that a head keeps: much where it predicts tokens, next to nothing where it predicts classes."""
    predicts_tokens = head_kind(model) in ("ForMaskedLM", "ForPreTraining")
    return 3 * int(model.config.vocab_size) if predicts_tokens else 0


def _logits(setup: Setup, mean_length: float) -> float:
    """Values of one row that the teacher predicts."""
    model = setup.teacher
    if gives_embeddings(setup.student):
        return embedding_size(setup.student)
    if head_kind(model) in ("ForMaskedLM", "ForPreTraining"):
        return mean_length * float(model.config.vocab_size)
    per_token = head_kind(model) in ("ForTokenClassification", "ForQuestionAnswering")
    return (mean_length if per_token else 1.0) * len(model.config.id2label or {})


def _bytes(model: nn.Module) -> int:
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _optimizer(setup: Setup) -> str:
    return "adamw" if setup.arguments is None else OptimizerNames(setup.arguments.optim).value


def _shown(count: int) -> str:
    return f"{count / _GIGABYTE:.2f} GB" if count >= _GIGABYTE / 100 else f"{count / 1e6:.1f} MB"


__all__ = ["MemoryEstimate", "available_memory", "check_memory", "estimate_memory", "predicted_share"]
