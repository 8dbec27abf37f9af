"""Which hf_tinybert the tests meet: the checkout's, or the one that pip installed from it.

`python -m pytest` puts the checkout before everything else, `pytest` leaves it out. In the second way the tests, and
the processes that they start, meet the package as its users have it: what a wheel lacks is missing here too.
"""

import filecmp
import os
import sys
from importlib.util import find_spec
from pathlib import Path

REQUIRED = "HF_TINYBERT_REQUIRE_INSTALLED"
ROOT = Path(__file__).resolve().parent.parent
CHECKOUT = ROOT / "hf_tinybert"


def leave_the_checkout_last() -> None:
    """Where it is not on the path of imports, the root goes behind all: for `tests`, which worker processes import.

    Processes that are started in the root would else import from there first.
    """
    if not any(Path(entry).resolve() == ROOT for entry in sys.path):
        sys.path.append(str(ROOT))
        os.environ["PYTHONSAFEPATH"] = "1"


def imported_package() -> Path:
    """The folder of the package that `import hf_tinybert` gives."""
    return Path(find_spec("hf_tinybert").origin).resolve().parent


def package_files(package: Path) -> list[str]:
    """Its files by their paths within it, without what Python compiled."""
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(package).as_posix() for path in files)


def differing_files(package: Path, other: Path) -> list[str]:
    """Files that only one of two packages has, or whose content differs."""
    names = set(package_files(package)) | set(package_files(other))
    return sorted(
        name
        for name in names
        if not ((package / name).is_file() and (other / name).is_file())
        or not filecmp.cmp(package / name, other / name, shallow=False)
    )


def refusal(package: Path) -> str:
    """Why the tests must not run with a package, in a sentence; empty where they may.

    Args:
        package: of `imported_package`.
    """
    if package == CHECKOUT:
        if os.environ.get(REQUIRED):
            return (
                f"expected the package that pip installed, got the checkout's ({package}); because {REQUIRED} is set, "
                "and what the wheel lacks would not be missed; `pip install .` without `-e`, then start `pytest`, not "
                "`python -m pytest`"
            )
    elif different := differing_files(package, CHECKOUT):
        return (
            f"expected {package} as the checkout has it, got other files ({', '.join(different[:3])}; "
            f"{len(different)} in all); because the tests would tell of an older package; install again, or use "
            "`python -m pytest`"
        )
    return ""
