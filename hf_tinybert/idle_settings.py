"""Settings that nothing reads without another one: given all the same, they are refused."""

from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from typing import Any


def given_settings(settings: Any, names: Iterable[str]) -> list[str]:  # noqa: ANN401 (a dataclass)
    """Those of a dataclass that have another value than by default, in order.

    Args:
        settings: a dataclass.
        names: of its fields that have a default.
    """
    defaults = {field.name: _default(field) for field in fields(settings)}
    return [name for name in names if getattr(settings, name) != defaults[name]]


def check_not_idle(settings: Any, names: Iterable[str], needed: str, reason: str, got: str = "none") -> None:  # noqa: ANN401
    """Refuse settings that were given and would do nothing.

    Args:
        settings: a dataclass.
        names: of its fields that nothing reads as the others are.
        needed: what would have them read, such as "`data`".
        reason: why nothing reads them.
        got: what stands in the place of what is needed.

    Raises:
        ValueError: one of them was given.
    """
    given = given_settings(settings, names)
    if given:
        raise ValueError(
            f"expected {needed} with {', '.join(f'`{name}`' for name in given)}, got {got}; because {reason}; leave "
            f"{'it' if len(given) == 1 else 'them'} out, or give {needed}"
        )


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 (of any type)
    return field.default if field.default_factory is MISSING else field.default_factory()


__all__ = ["check_not_idle", "given_settings"]
