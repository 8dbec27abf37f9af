"""Configuration of a TinyBERT model: a BERT configuration with the student's shape and fields for heads of its own."""

import copy
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import BertConfig, PreTrainedConfig

from .configuration_tinybert_tasks import check_tasks, known_task, one_task_fields, plain_tasks

# Shapes of the published students. Source: Jiao et al., arXiv 1909.10351, section 4.1.
PRESETS: dict[str, dict[str, int]] = {
    "4L-312": {"num_hidden_layers": 4, "hidden_size": 312, "num_attention_heads": 12, "intermediate_size": 1200},
    "6L-768": {"num_hidden_layers": 6, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}

# What a student must share with its teacher to read the same token ids and to compute the same function.
_ENCODER_FIELDS_OF_TEACHER = (
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "pad_token_id",
    "layer_norm_eps",
    "hidden_act",
)
# Without these there is no student that reads the same inputs; what else a family lacks, it does without.
_NEEDED_OF_TEACHER = ("vocab_size", "max_position_embeddings")
# What DistilBERT and ModernBERT call fields of BERT.
_NAMES_OF_BERT = {
    "activation": "hidden_act",
    "hidden_activation": "hidden_act",
    "hidden_dim": "intermediate_size",
    "norm_eps": "layer_norm_eps",
}
# Families whose positions are counted from the padding id on, so that a table of 514 serves 512 tokens.
_COUNTED_FROM_PADDING = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip
_LABEL_FIELDS = ("id2label", "label2id", "num_labels")
POOLINGS = ("cls", "mean")
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


@strict
class TinyBertConfig(BertConfig):
    """Configuration of a TinyBERT model; every field of `BertConfig` keeps its meaning.

    The defaults are the 4-layer student of the paper (14.5 million parameters with a vocabulary of 30522).

    Args:
        hidden_size: Width of the hidden states.
        num_hidden_layers: Number of transformer layers.
        num_attention_heads: Attention heads per layer; must divide `hidden_size`.
        intermediate_size: Width of the feed-forward layer.
        classifier_activation: Name of an activation of `transformers` that the sequence classification head applies
            to the pooled output before its linear layer, or None for BERT's own head, which applies none. The
            published task checkpoints need "relu"; a model with an activation cannot be exported as plain BERT.
        pooling: What a sentence embedding is made of: "mean" of the hidden states of all valid tokens, or "cls", that
            of the first token.
        embedding_size: Width of a sentence embedding, to which a linear layer takes the pooled state; None leaves the
            pooled state as it is.
        normalize: Whether a sentence embedding has length 1.
        similarity: By what sentence embeddings are compared: "cosine", or "dot", "euclidean" or "manhattan", for which
            their lengths count, so that a student learns these too. Names as in sentence-transformers.
        tasks: Of `TinyBertForMultiTask` alone: the heads by name, each with its `kind` (see `TASK_KINDS`) and what of
            `id2label`, `num_labels`, `problem_type`, `classifier_activation`, `pooling`, `embedding_size`,
            `normalize` and `similarity` its kind needs.
        **kwargs: Any other field of `BertConfig`.

    Raises:
        StrictDataclassFieldValidationError: A field has the wrong type.
        StrictDataclassClassValidationError: `num_attention_heads` does not divide `hidden_size`, or
            `classifier_activation` is not an activation of `transformers`, or one with weights, or `pooling`,
            `embedding_size`, `similarity` or `tasks` says something that there is not.

    Source: Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding", arXiv 1909.10351.
    """

    model_type = "tinybert"

    hidden_size: int = 312
    num_hidden_layers: int = 4
    num_attention_heads: int = 12
    intermediate_size: int = 1200
    classifier_activation: str | None = None
    pooling: str = "mean"
    embedding_size: int | None = None
    normalize: bool = True
    similarity: str = "cosine"
    tasks: dict[str, dict[str, Any]] | None = None

    def __post_init__(self, **kwargs: Any) -> None:  # noqa: ANN401 (fields of older and newer configurations)
        """Bring the label ids of tasks back from JSON, where keys are strings."""
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]  # untyped in transformers
        if self.tasks is not None:
            self.tasks = plain_tasks(self.tasks)

    def validate_attention_heads(self) -> None:
        """Check that the width splits evenly over the heads (called by `@strict` after construction)."""
        heads, width = self.num_attention_heads, self.hidden_size
        if heads < 1 or width < 1 or width % heads != 0:
            raise ValueError(
                f"expected `hidden_size` to be a positive multiple of `num_attention_heads`, got hidden_size={width} "
                f"and num_attention_heads={heads}; because every attention head gets an equal share of the width; "
                "change one of the two"
            )

    def validate_classifier_activation(self) -> None:
        """Check the name of the head's activation (called by `@strict` after construction)."""
        if self.classifier_activation is None:
            return
        # Imported here because this module imports torch, which a configuration alone does not need.
        from transformers.activations import ACT2FN

        name = self.classifier_activation
        if name not in ACT2FN:
            raise ValueError(
                f"expected `classifier_activation` to be None or one of {sorted(ACT2FN)}, got `{name}`; because the "
                'classification head looks it up by this name; use None for BERT\'s own head or "relu" for a '
                "published TinyBERT task checkpoint"
            )
        if next(ACT2FN[name].parameters(), None) is not None:
            raise ValueError(
                f"expected an activation without weights as `classifier_activation`, got `{name}`; because a TinyBERT "
                'model has exactly the parameters of its BERT counterpart; use another one, such as "relu"'
            )

    def validate_sentence_embedding(self) -> None:
        """Check how sentence embeddings are made (called by `@strict` after construction)."""
        if self.pooling not in POOLINGS:
            raise ValueError(
                f"expected `pooling` to be one of {list(POOLINGS)}, got `{self.pooling}`; because a sentence "
                'embedding is made of all tokens or of the first; use "mean" unless the teacher pools otherwise'
            )
        if self.embedding_size is not None and self.embedding_size < 1:
            raise ValueError(
                f"expected `embedding_size` of at least 1, or None, got {self.embedding_size}; because it is the "
                "width of a sentence embedding; set it to the teacher's"
            )
        if self.similarity not in SIMILARITIES:
            raise ValueError(
                f"expected `similarity` to be one of {list(SIMILARITIES)}, got `{self.similarity}`; because sentence "
                "embeddings are compared in one of these ways; set it to the teacher's"
            )

    def validate_tasks(self) -> None:
        """Check the heads of a multi-task model (called by `@strict` after construction)."""
        if self.tasks is not None:
            check_tasks(self.tasks)

    def for_task(self, name: str) -> "TinyBertConfig":
        """The configuration of the one-task model that has one of the heads.

        Args:
            name: Of a task in `tasks`.

        Raises:
            ValueError: There is no such task.
        """
        fields = one_task_fields(known_task(self.tasks, name))
        config = copy.deepcopy(self)
        config.tasks, config.architectures = None, None
        for field, value in fields.items():
            setattr(config, field, value)
        config.validate()
        return config

    @classmethod
    def from_preset(cls, preset: str, **overrides: object) -> "TinyBertConfig":
        """Build the configuration of a published student shape.

        Args:
            preset: "4L-312" or "6L-768": layers and width of the student.
            **overrides: Fields that replace or complete those of the preset.

        Returns:
            The configuration.

        Raises:
            ValueError: There is no such preset.
        """
        if preset not in PRESETS:
            raise ValueError(
                f"expected a preset out of {sorted(PRESETS)}, got `{preset}`; because only these shapes were "
                "published; give any other shape field by field, as in TinyBertConfig(hidden_size=..., "
                "num_hidden_layers=...)"
            )
        values: dict[str, Any] = {**PRESETS[preset], **overrides}
        return cls(**values)

    @classmethod
    def from_teacher(
        cls, teacher_config: PreTrainedConfig, preset: str = "4L-312", **overrides: object
    ) -> "TinyBertConfig":
        """Build the configuration of a student that reads its teacher's inputs and answers with its labels.

        The shape comes from the preset. Vocabulary size, positions, token types, padding id, layer norm epsilon,
        activation, label names and problem type come from the teacher, see `encoder_fields`; what its family does not
        have, such as token types, is as in BERT. So is dropout: 0.1 whatever the teacher's. `hf-tinybert distill`
        trains without; for the same give `hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0`.

        Args:
            teacher_config: Configuration of a BERT-like encoder.
            preset: Shape of the student, see `from_preset`.
            **overrides: Fields that replace those of preset and teacher. With `num_labels`, `id2label` or `label2id`
                among them, none of the teacher's label names is taken.

        Returns:
            The configuration of the student.

        Raises:
            ValueError: The teacher's configuration lacks a size of a BERT-like encoder, or there is no such preset.
        """
        values = encoder_fields(teacher_config)
        missing = [name for name in _NEEDED_OF_TEACHER if name not in values and name not in overrides]
        if missing:
            raise ValueError(
                "expected the configuration of a BERT-like encoder as teacher, got model type "
                f"`{teacher_config.model_type}` without {', '.join(f'`{name}`' for name in missing)}; because the "
                "student must read the same token ids and positions; pass the missing fields as keyword arguments or "
                "choose another teacher"
            )
        inherited = {name: values[name] for name in _ENCODER_FIELDS_OF_TEACHER if name in values}
        inherited["problem_type"] = teacher_config.problem_type
        if not any(name in overrides for name in _LABEL_FIELDS):
            inherited["id2label"] = dict(teacher_config.id2label or {})
            inherited["label2id"] = dict(teacher_config.label2id or {})
        return cls.from_preset(preset, **{**inherited, **overrides})


def encoder_fields(config: PreTrainedConfig) -> dict[str, Any]:
    """The fields of an encoder's configuration by BERT's names, whatever its family calls them.

    `max_position_embeddings` is the longest text in tokens: less than the table has rows where positions are counted
    from the padding id on. A `type_vocab_size` of 0, as of DeBERTa, is left out: there is no such table in BERT.

    Args:
        config: Of an encoder of any family.

    Returns:
        What the configuration says; fields of BERT that the family does not have are not there.
    """
    values: dict[str, Any] = config.to_dict()
    values |= {name: values[own] for name, own in config.attribute_map.items() if own in values}
    values = {_NAMES_OF_BERT.get(own, own): value for own, value in values.items()}
    if values.get("type_vocab_size") == 0:
        del values["type_vocab_size"]
    if config.model_type in _COUNTED_FROM_PADDING:
        values["max_position_embeddings"] -= int(values["pad_token_id"]) + 1
    return values


__all__ = ["POOLINGS", "PRESETS", "TinyBertConfig", "encoder_fields"]
