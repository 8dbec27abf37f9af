"""The house rules that a machine can read, held against the source of the package."""

import ast
import configparser
import importlib
from pathlib import Path

import pytest

import hf_tinybert

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hf_tinybert"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {module: ast.parse(module.read_text(encoding="utf-8")) for module in MODULES}

# What may import what inside the package: a module may import its own room and the rooms listed for it, nothing else.
ROOMS_BELOW = {
    "models": set(),
    "data": {"run_folder", "worker_processes"},
    "pictures": set(),
    "hub": {"models", "pictures", "weight_index", "idle_settings"},
    "distillation": {"data", "hub", "machine", "weight_index"},
    "benchmark": {"models", "data", "distillation", "idle_settings", "machine", "progress"},
    "idle_settings": set(),
    "machine": set(),
    "progress": set(),
    "run_folder": set(),
    "weight_index": set(),
    "worker_processes": set(),
    "registration": {"models"},
    "__init__": {"models", "distillation", "registration"},
    "workflow": {
        "models",
        "data",
        "distillation",
        "idle_settings",
        "machine",
        "progress",
        "run_folder",
        "worker_processes",
    },
    "quickstart": {
        "models",
        "data",
        "distillation",
        "benchmark",
        "idle_settings",
        "machine",
        "progress",
        "run_folder",
    },
    "doctor": {"models", "data", "distillation", "idle_settings", "workflow"},
    "export": {"models", "data", "distillation", "idle_settings", "machine", "progress", "workflow"},
    "report": {
        "idle_settings",
        "models",
        "data",
        "pictures",
        "hub",
        "distillation",
        "benchmark",
        "machine",
        "progress",
        "workflow",
    },
    "demo": {"models", "data", "distillation", "benchmark", "workflow"},
    "runtimes": {
        "idle_settings",
        "models",
        "data",
        "pictures",
        "distillation",
        "benchmark",
        "machine",
        "progress",
        "registration",
        "workflow",
        "export",
    },
    "cli": {
        "__init__",
        "demo",
        "export",
        "report",
        "run_folder",
        "runtimes",
        "models",
        "distillation",
        "benchmark",
        "progress",
        "quickstart",
        "doctor",
        "hub",
        "registration",
        "workflow",
    },
}
TRAVELLING = sorted(file.name for file in (PACKAGE / "models").glob("*_tinybert*.py"))
NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "common", "misc"}


def _name(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def _room(module: Path) -> str:
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _package_imports(module: Path) -> set[str]:
    """Gives the dotted names of this package that a module imports, relative ones resolved."""
    folder = list(module.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "hf_tinybert"}


def _imported_room(name: str) -> str:
    parts = name.split(".")
    known = len(parts) > 1 and ((PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file())
    return parts[1] if known else "__init__"


def test_every_room_has_its_place_in_the_order():
    """Prevents a new room that no rule covers, whose imports would then go unread."""
    assert {_room(module) for module in MODULES} <= set(ROOMS_BELOW)


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_imports_go_down_only(module):
    """Prevents an arrow upwards: losses that need a model class, data code that needs the trainer, import cycles."""
    room = _room(module)
    imported = {_imported_room(name) for name in _package_imports(module)}
    assert imported <= ROOMS_BELOW[room] | {room}


def test_no_import_is_allowed_that_nobody_needs():
    """Prevents a list of arrows that tells of a house which has been rebuilt since."""
    needed: dict[str, set[str]] = {}
    for module in MODULES:
        needed.setdefault(_room(module), set()).update(_imported_room(name) for name in _package_imports(module))
    assert {room: below - needed[room] for room, below in ROOMS_BELOW.items() if below - needed[room]} == {}


@pytest.mark.parametrize("name", TRAVELLING)
def test_files_that_travel_with_a_checkpoint_import_only_their_siblings(name):
    """Prevents remote code that cannot be saved, or that runs only where this package is installed."""
    module = PACKAGE / "models" / name
    imports = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom) and node.level]
    assert all(node.level == 1 and f"{node.module}.py" in TRAVELLING for node in imports)
    absolute = [n for n in ast.walk(TREES[module]) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not any("hf_tinybert" in (getattr(node, "module", None) or "") for node in absolute)
    assert not any(alias.name.startswith("hf_tinybert") for n in absolute for alias in n.names)


@pytest.mark.parametrize("module", [module for module in MODULES if module.name not in TRAVELLING], ids=_name)
def test_other_imports_of_the_package_are_absolute(module):
    """Prevents a second spelling of the same import, which moves break one at a time."""
    assert not [n.lineno for n in ast.walk(TREES[module]) if isinstance(n, ast.ImportFrom) and n.level]


@pytest.mark.parametrize("module", [module for module in MODULES if module.stem != "__init__"], ids=_name)
def test_every_module_has_its_test_module(module):
    """Prevents a module that nothing tests."""
    relative = module.relative_to(PACKAGE)
    assert (ROOT / "tests" / relative.parent / f"test_{relative.name}").is_file()


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_no_module_has_a_name_that_says_nothing(module):
    """Prevents the drawer into which everything falls that has no place."""
    assert module.stem not in NAMES_THAT_SAY_NOTHING


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_no_bare_assert_and_no_print(module):
    """Prevents checks that vanish under `python -O`, and a library that writes into its user's output."""
    asserts = [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Assert)]
    calls = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not asserts
    assert not prints


def _public_names(module: Path) -> list[str] | None:
    for node in TREES[module].body:
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("module", [module for module in MODULES if module.stem == "__init__"], ids=_name)
def test_a_package_that_imports_names_lists_them(module):
    """Prevents a public name that is exported by accident, or that no one may rely on."""
    origins = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in origins if (node.module or "").startswith("hf_tinybert")]
    imported = {alias.asname or alias.name for node in ours for alias in node.names}
    assert imported == set(_public_names(module) or ()) - {"__version__"}


@pytest.mark.parametrize("module", [module for module in MODULES if _public_names(module) is not None], ids=_name)
def test_public_names_are_sorted_and_there(module):
    """Prevents names listed twice, lost in an unordered list, or gone; order: constants, classes, the rest."""
    names = _public_names(module)
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    defined = importlib.import_module(
        ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    )
    assert [name for name in names if not hasattr(defined, name)] == []


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=_name)
def test_a_benchmark_imports_what_the_package_has(script):
    """Prevents a script that stops at its first line, months after a name has moved: no test runs it whole."""
    imports = [node for node in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if (node.module or "").split(".")[0] == "hf_tinybert":
            origin = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(origin, alias.name)] == [], node.module


def test_the_version_is_the_same_in_the_metadata_and_in_the_package():
    """Prevents a release whose `__version__` names another one."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["version"] == hf_tinybert.__version__


def test_every_dependency_is_pinned_in_the_constraints():
    """Prevents an install that is not the tested one, because a dependency was added to setup.cfg only."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["quickstart"]
    for extra in ("deepspeed", "augment", "demo", "docs", "onnx", "openvino", "report", "sentencepiece"):
        wanted += setup["options.extras_require"][extra]
    wanted += setup["options.extras_require"]["test"].replace(
        "hf-tinybert[deepspeed,demo,onnx,openvino,quickstart,report]", ""
    )
    lines = [line for line in wanted.splitlines() if line.strip() and not line.strip().startswith("#")]
    names = {_distribution(line) for line in lines}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert names <= {_distribution(pin) for pin in pins if "==" in pin}


def test_no_distribution_is_pinned_twice():
    """Prevents two pins of one package, which no installation satisfies, left by branches that were merged."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    names = [_distribution(pin) for pin in pins if "==" in pin]
    assert sorted(names) == sorted(set(names))


def _distribution(requirement: str) -> str:
    name = requirement.strip()
    for sign in "=<>~!;[":
        name = name.split(sign)[0]
    return name.strip().lower().replace("_", "-")
