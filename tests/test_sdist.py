"""What a user gets from an sdist: built, installed into a folder of its own, and used from there."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # pip builds a wheel, and every module is imported in a process of its own

ROOT = Path(__file__).parent.parent
# What .gitignore leaves out of the copy, and figures, which no one installs.
_NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "results", "quickstart-output", "runs"
)
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
# Every module but those that run when they are imported; nothing of the checkout may be among them.
_IMPORT_ALL = """
import importlib, pkgutil, sys
import hf_tinybert
for module in pkgutil.walk_packages(hf_tinybert.__path__, "hf_tinybert."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
files = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "hf_tinybert"]
print(len(files), *sorted({file.split("hf_tinybert")[0] for file in files}), sep="\\n")
"""


def _run(*command: str, cwd: Path, path: Path | None = None) -> str:
    environment = dict(os.environ) | ({} if path is None else {"PYTHONPATH": str(path)})
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The archive, built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "source", ignore=_NOT_SOURCE)
    name = _run(sys.executable, "-c", _BUILD, str(folder), cwd=folder / "source").splitlines()[-1]
    return folder / name


@pytest.fixture(scope="module")
def installed(sdist) -> Path:
    """A folder with the package as pip installs it from the archive."""
    place = sdist.parent / "installed"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(place)]
    _run(sys.executable, "-m", "pip", "install", *options, str(sdist), cwd=sdist.parent)
    return place


def test_the_archive_holds_what_a_packager_needs(sdist):
    """Prevents an sdist from which neither tests nor documentation can be run."""
    with tarfile.open(sdist) as archive:
        names = {"/".join(name.split("/")[1:]) for name in archive.getnames()}
    wanted = {"README.md", "README.zh-CN.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "mkdocs.yml", "setup.cfg"}
    assert wanted <= names
    for folder in ("tests", "docs", "examples", "benchmarks"):
        kept = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in (".py", ".md")]
        missing = {path.relative_to(ROOT).as_posix() for path in kept if "results" not in path.parts} - names
        assert not missing


def test_the_installed_package_has_every_file_of_the_package(installed):
    """Prevents a template, data file or py.typed that stands in the checkout and in no wheel."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hf_tinybert").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert "hf_tinybert/py.typed" in expected
    assert expected <= found


def test_every_module_of_the_installed_package_imports_and_the_command_answers(installed):
    """Prevents a module that leans on the checkout: tests run there pass, and every user's import fails."""
    count, *places = _run(sys.executable, "-c", _IMPORT_ALL, cwd=installed.parent, path=installed).split("\n")
    assert [place for place in places if place] == [f"{installed}/"]
    assert int(count) > 100
    shown = _run(str(installed / "bin" / "hf-tinybert"), "--help", cwd=installed.parent, path=installed)
    assert "quickstart" in shown
