"""The shape of a student: a published one, or any number of layers, width, heads and feed-forward units."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig

from hf_tinybert.models.configuration_tinybert import PRESETS, TinyBertConfig, encoder_fields


@dataclass(frozen=True)
class StudentShape:
    """A student's sizes; what is None comes from the preset, or from the teacher with a width of one's own.

    Attributes:
        preset: "4L-312" or "6L-768".
        layers: transformer layers.
        width: of the hidden states; a multiple of the heads.
        heads: attention heads of a layer.
        units: of the feed-forward layers.
    """

    preset: str = "4L-312"
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    units: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a teacher."""
        if self.preset not in PRESETS:
            raise ValueError(
                f"expected a preset out of {sorted(PRESETS)}, got `{self.preset}`; give any other shape "
                "by layers, width, heads and units"
            )
        for name in ("layers", "width", "heads", "units"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {value}")

    def config(self, teacher: PreTrainedConfig, **fields: Any) -> TinyBertConfig:  # noqa: ANN401 (of TinyBertConfig)
        """The configuration of a student of this shape.

        A preset larger than the teacher is cut down to it, because a student's weights are a part of its teacher's;
        sizes given one by one are taken as they are. Four units stand for each dimension of a width of one's own.

        Args:
            teacher: the teacher's configuration.
            **fields: other fields of the configuration.
        """
        preset = PRESETS[self.preset]
        # a preset's heads may not divide a smaller width; the teacher's always fit what is cut down to it
        heads = self.heads or min(preset["num_attention_heads"], teacher.num_attention_heads)
        width = self.width or _down_to(min(preset["hidden_size"], teacher.hidden_size), heads)
        if width % heads and self.heads is None:
            # of those that divide the width, one that also compares with the teacher's, in groups
            fitting = [count for count in range(1, heads + 1) if width % count == 0]
            heads = max(count for count in fitting if teacher.num_attention_heads % count == 0)
        units = min(preset["intermediate_size"] if self.width is None else 4 * self.width, feed_forward_units(teacher))
        return TinyBertConfig.from_teacher(
            teacher,
            num_hidden_layers=self.layers or min(preset["num_hidden_layers"], teacher.num_hidden_layers),
            hidden_size=width,
            num_attention_heads=heads,
            intermediate_size=self.units or units,
            **fields,
        )


def feed_forward_units(config: PreTrainedConfig) -> int:
    """Feed-forward units of a layer; four for each dimension where the configuration names none, as of XLM.

    Args:
        config: of an encoder of any family.
    """
    return int(encoder_fields(config).get("intermediate_size", 4 * config.hidden_size))


def _down_to(width: int, heads: int) -> int:
    return width - width % heads


__all__ = ["StudentShape", "feed_forward_units"]
