"""What a general distillation computes per token: a model of two configurations, beside what is measured."""

from transformers import PreTrainedConfig

from hf_tinybert.data.block_masking import hidden_tokens
from hf_tinybert.workflow.student_shape import feed_forward_units

# a product with weights costs once in the forward and twice in the backward pass, for its input and for its weights
_WITH_BACKWARD = 3


def forward_operations(config: PreTrainedConfig, length: int) -> int:
    """Floating-point operations of an encoder's forward pass per token; a multiplication and an addition are two.

    Of every layer: query, key, value and output `8 width^2`, the two feed-forward products `4 width units`, and
    attention over all positions of a block `4 length width`. Look-ups, LayerNorms, softmax and activations are left
    out: no products of matrices.

    Args:
        config: of a model laid out as BERT.
        length: tokens of a block.
    """
    width = config.hidden_size
    layer = 8 * width**2 + 4 * width * feed_forward_units(config) + 4 * length * width
    return int(config.num_hidden_layers * layer)


def masked_lm_operations(config: PreTrainedConfig, length: int) -> float:
    """Floating-point operations of a masked-LM head's forward pass per token of a block.

    The transform of every token `2 width^2`, and of the hidden ones the product with the vocabulary
    `2 width vocabulary`.

    Args:
        config: of a model laid out as BERT.
        length: tokens of a block.
    """
    width = config.hidden_size
    return float(2 * width**2 + 2 * width * config.vocab_size * hidden_tokens(length) / length)


def training_operations(
    student: PreTrainedConfig,
    teacher: PreTrainedConfig,
    length: int,
    *,
    masked_lm: bool = False,
    teacher_predicts: bool = False,
) -> int:
    """Floating-point operations of a step per token.

    The teacher's forward, three forwards of the student for its forward and backward, its projections to the
    teacher's width, one for each state, and heads where they are read. The terms themselves and the optimizer are left
    out.

    Args:
        student: its configuration.
        teacher: its configuration.
        length: tokens of a block.
        masked_lm: whether the student predicts hidden tokens.
        teacher_predicts: whether the teacher does, too.
    """
    projections = (student.num_hidden_layers + 1) * 2 * student.hidden_size * teacher.hidden_size
    learned = forward_operations(student, length) + projections
    predicted = masked_lm_operations(student, length) if masked_lm else 0.0
    taught = forward_operations(teacher, length)
    said = masked_lm_operations(teacher, length) if teacher_predicts else 0.0
    return int(taught + said + _WITH_BACKWARD * (learned + predicted))


__all__ = ["forward_operations", "masked_lm_operations", "training_operations"]
