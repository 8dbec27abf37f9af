"""YAML as recipes use it: plain values, each with the place where it stands."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RECIPE_ENDINGS = (".yaml", ".yml")
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))
# Numbers and truth values of YAML 1.2. By 1.1, which PyYAML follows, `1e-4` is a text, `no` is false and `010` is 8.
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_RESOLVED = (
    ("null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
)

Keys = tuple[str, ...]
"""Keys from the outermost to a value."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own is a class variable too)

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 (untyped in PyYAML)
        """No aliases: a recipe has no need of them, and a few of them make gigabytes."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, f"an alias, `*{event.anchor}`", event.start_mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what either version of YAML would take for something else than a text, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 (untyped in PyYAML)
        """Always."""
        return True


for _name, _pattern, _first in _RESOLVED:
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, _first)
_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


@dataclass(frozen=True)
class PlacedValues:
    """Values, and where each stands.

    Attributes:
        values: plain ones, by key.
        places: keys from the outermost on -> file and line, for errors.
    """

    values: Mapping[str, Any]
    places: Mapping[Keys, str]

    def place(self, *path: str) -> str:
        """Where a value stands, or the nearest one around it; empty where that is not known."""
        known = (self.places[path[:depth]] for depth in range(len(path), 0, -1) if path[:depth] in self.places)
        return next(known, "")

    def overlaid(self, others: "PlacedValues") -> "PlacedValues":
        """These with others over them; mappings are put together entry by entry."""
        return PlacedValues(overlaid(self.values, others.values), {**self.places, **others.places})


def overlaid(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others over them; mappings are put together entry by entry, everything else is replaced."""
    merged = dict(values)
    for key, value in others.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = overlaid(known, value)
        else:
            merged[key] = value
    return merged


def read_values(file: Path) -> PlacedValues:
    """The keys of a YAML file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: no YAML, or more than plain values by different names; it says the line.
    """
    if not file.is_file():
        raise FileNotFoundError(f"expected a recipe, got no file `{file}`")
    read = _read(file.read_bytes(), str(file))
    if not isinstance(read.values.get(""), Mapping):
        raise ValueError(f"{file}: expected keys and values, got {read.values.get('')!r}; write `epochs: 3`")
    places = {path[1:]: place for path, place in read.places.items() if len(path) > 1}
    return PlacedValues(read.values[""], places)


def read_value(text: str, place: str) -> Any:  # noqa: ANN401 (any plain value)
    """One value, as it would stand in a file.

    Raises:
        ValueError: no YAML, or more than plain values.
    """
    return _read(text.encode(), place).values[""]


def write_values(values: Mapping[str, Any]) -> str:
    """Plain values as YAML that gives them back."""
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _read(content: bytes, origin: str) -> PlacedValues:
    """The document under the empty key."""
    places: dict[Keys, str] = {}
    try:
        loader = _Loader(content)
        try:
            node = loader.get_single_node()
            value = None if node is None else _plain(loader, node, ("",), origin, places)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ValueError(f"{origin}{line}: expected YAML, got {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{origin}: expected YAML in UTF-8, got {error}") from error
    return PlacedValues({"": value}, places)


def _plain(loader: _Loader, node: yaml.Node, path: Keys, origin: str, places: dict[Keys, str]) -> Any:  # noqa: ANN401
    here = f"{origin}, line {node.start_mark.line + 1}"
    if node.tag not in _PLAIN_TAGS:
        tag = node.tag.replace(_TAG, "!!")
        raise ValueError(f"{here}: expected a plain value, got one with the tag `{tag}`; leave the tag out")
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, origin, places)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, (*path, str(number)), origin, places) for number, item in enumerate(node.value)]
    value = loader.construct_object(node)
    # as a shell does with an option: the folder `~` is nobody's wish
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value


def _mapping(
    loader: _Loader, node: yaml.MappingNode, path: Keys, origin: str, places: dict[Keys, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        here = f"{origin}, line {key_node.start_mark.line + 1}"
        key = loader.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise ValueError(f"{here}: expected a text as key, got `{key_node.value}`; put it in quotes")
        if key in values:
            raise ValueError(f"{here}: expected each key once, got `{key}` again; leave one out")
        places[(*path, key)] = here
        values[key] = _plain(loader, value_node, (*path, key), origin, places)
    return values


__all__ = ["RECIPE_ENDINGS", "PlacedValues", "overlaid", "read_value", "read_values", "write_values"]
