"""Tests of which package is tested."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hf_tinybert
from tests import tested_package
from tests.tested_package import CHECKOUT, ROOT, differing_files, refusal

_PLACE = "import importlib.util; print(importlib.util.find_spec('hf_tinybert').origin)"


@pytest.fixture
def installed(tmp_path) -> Path:
    """A copy of the package, as pip would make it."""
    return Path(shutil.copytree(CHECKOUT, tmp_path / "hf_tinybert"))


def test_the_header_names_the_package_that_is_imported():
    """Prevents a report that names one package and tests another."""
    assert tested_package.imported_package() == Path(hf_tinybert.__file__).resolve().parent


@pytest.mark.parametrize("inside", [True, False], ids=["in the root", "elsewhere"])
def test_a_process_that_a_test_starts_meets_the_same_package(tmp_path, inside):
    """Prevents commands that are tested with other code: the checkout's, or an older one that pip installed."""
    command = [sys.executable, "-c", _PLACE]
    done = subprocess.run(command, cwd=ROOT if inside else tmp_path, capture_output=True, text=True, check=True)
    met, here = Path(done.stdout.strip()).resolve().parent, tested_package.imported_package()
    assert met == here if inside else not differing_files(met, here)


def test_the_checkout_is_refused_where_the_installed_package_is_required(monkeypatch):
    """Prevents a CI that promises tests of what users install, and runs those of the source beside it."""
    monkeypatch.setenv(tested_package.REQUIRED, "1")
    assert "`pip install .` without `-e`" in refusal(CHECKOUT)
    monkeypatch.delenv(tested_package.REQUIRED)
    assert refusal(CHECKOUT) == ""


def test_an_installed_package_is_refused_unless_it_is_the_checkout_s(installed, monkeypatch):
    """Prevents tests that pass with the package of last week, with a module that is gone, without a template."""
    monkeypatch.setenv(tested_package.REQUIRED, "1")
    assert refusal(installed) == ""
    (installed / "py.typed").unlink()
    (installed / "gone.py").write_text("")
    (installed / "doctor.py").write_text("older")
    assert "(doctor.py, gone.py, py.typed; 3 in all)" in refusal(installed)
