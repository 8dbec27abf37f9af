"""What of a teacher's states a cache keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CacheContents:
    """What a cache keeps, in the order in which the teacher's forward gives it.

    Attributes:
        hidden_layers: the teacher layer of every entry of `hidden_states`, 0 = embedding output; None where no term
            reads the entry.
        attention_layers: the teacher layer of every entry of `attentions`, from 1; None as above. Query and key.
        value: whether the value is kept beside query and key; only relation terms read it.
        logits: whether predictions are kept.
    """

    hidden_layers: tuple[int | None, ...] = ()
    attention_layers: tuple[int | None, ...] = ()
    value: bool = False
    logits: bool = True

    @property
    def has_states(self) -> bool:
        """Whether anything but predictions is kept."""
        return any(layer is not None for layer in (*self.hidden_layers, *self.attention_layers))

    def logits_only(self) -> "CacheContents":
        """The same without states."""
        return CacheContents(logits=self.logits)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "CacheContents":
        """What `dataclasses.asdict` gave, back from a file."""
        return cls(
            tuple(fields["hidden_layers"]), tuple(fields["attention_layers"]), fields["value"], fields["logits"]
        )

    def covers(self, other: "CacheContents") -> bool:
        """Whether everything that `other` asks for is kept here."""
        return (
            _covers(self.hidden_layers, other.hidden_layers)
            and _covers(self.attention_layers, other.attention_layers)
            and self.value >= (other.value and any(layer is not None for layer in other.attention_layers))
            and self.logits >= other.logits
        )


def _covers(kept: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    if not any(layer is not None for layer in wanted):
        return True
    return len(kept) == len(wanted) and all(
        layer is None or layer == own for own, layer in zip(kept, wanted, strict=True)
    )


__all__ = ["CacheContents"]
