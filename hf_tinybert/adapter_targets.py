"""What peft adapts of a TinyBERT unless it is told: the modules that it adapts of BERT, whose names are the same.

peft looks the modules up by `model_type` in tables of its own. It is not imported here, which would take longer than
all else: the tables are completed when somebody imports it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from hf_tinybert.models.configuration_tinybert import TinyBertConfig

_TABLES = "peft.utils.constants"
_TABLE = "_MODULES_MAPPING"  # how the names of the tables end


def register_adapter_targets() -> None:
    """Have peft adapt TinyBERT as BERT, now or once it is imported; calling it again changes nothing."""
    if _TABLES in sys.modules:
        _complete(sys.modules[_TABLES])
    elif not any(isinstance(finder, _TablesFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TablesFinder())


def _complete(tables: ModuleType) -> None:
    for name, table in vars(tables).items():
        if name.endswith(_TABLE) and "bert" in table:
            table.setdefault(TinyBertConfig.model_type, table["bert"])


class _TablesFinder(MetaPathFinder):
    """Finds peft's tables as they are found without it, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _TABLES:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _TablesLoader(spec.loader)
        return spec


class _TablesLoader(Loader):
    """Loads peft's tables and completes them.

    Args:
        loader: that loads them.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _complete(module)


__all__ = ["register_adapter_targets"]
