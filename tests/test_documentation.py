"""README, its Chinese version and the pages of docs/, held against the package and against each other.

`mkdocs build --strict` checks the links between pages; these tests read what it does not.
"""

import ast
import importlib
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
import typer

from hf_tinybert.cli import app

ROOT = Path(__file__).parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PAGES = [*READMES, ROOT / "examples" / "configs" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROGRAMS = ("hf-tinybert", ".venv/bin/hf-tinybert")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _fences(page: Path, language: str) -> list[str]:
    return [block for name, block in _FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def _commands(page: Path) -> list[list[str]]:
    """The arguments of every `hf-tinybert` that a bash block runs, also after `&&`, `|` or a launcher."""
    found = []
    for block in _fences(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.replace("-m hf_tinybert.cli", "&& hf-tinybert"), comments=True)
            starts = [place for place, word in enumerate(words) if word in _PROGRAMS]
            for start in starts:
                rest = words[start + 1 :]
                ends = [place for place, word in enumerate(rest) if word in ("|", "&&", ">")]
                found.append(rest[: ends[0] if ends else None])
    return found


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _tables(page: Path) -> list[list[list[str]]]:
    """The tables of a page, row by row, cell by cell."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in _prose(page).splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return tables


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d,.]*\d|\d", text)


@pytest.fixture
def readers_folder(tmp_path, monkeypatch) -> Path:
    """A folder as the reader's, with the examples; recipes are read as soon as a command is."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page, readers_folder):
    """Prevents pages that name an option which was renamed or never was: the reader's first command fails."""
    root = typer.main.get_command(app)
    for words in _commands(page):
        command, arguments = root, list(words)
        while hasattr(command, "commands"):
            assert arguments and arguments[0] in command.commands, f"no such verb: {shlex.join(words)}"
            command = command.commands[arguments.pop(0)]
        for recipe in (readers_folder / word for word in arguments if word.endswith(".yaml")):
            if not recipe.exists():  # the reader's own
                recipe.parent.mkdir(parents=True, exist_ok=True)
                recipe.write_text("data: reviews.csv\nteacher: teacher\noutput: student\n")
        try:
            command.make_context(command.name, arguments)
        except (Exception, SystemExit) as error:  # every refusal of the parser, with the line that it refuses
            pytest.fail(f"hf-tinybert {shlex.join(words)}: {error}")


def test_commands_are_found_in_the_pages():
    """Prevents the test above from passing because a changed layout hides all commands from it."""
    counts = {_name(page): len(_commands(page)) for page in PAGES}
    assert counts["README.md"] >= 10
    assert counts["docs/recipes.md"] >= 30


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_name_that_the_python_of_a_page_imports_is_there(page):
    """Prevents examples that stop at their import lines, or at a public name that has moved."""
    for block in _fences(page, "python"):
        tree = ast.parse(block)
        modules = {
            alias.asname: alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hf_tinybert"):
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tb":
                assert hasattr(importlib.import_module(modules["tb"]), node.attr), node.attr


@pytest.mark.parametrize("page", [*READMES, ROOT / "CONTRIBUTING.md"], ids=_name)
def test_links_of_the_files_outside_docs_lead_somewhere(page):
    """Prevents dead links where mkdocs does not look: a renamed page, a heading that is gone."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if target.startswith("http"):
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in headings]
            assert heading in anchors, target


def test_every_page_is_in_the_navigation():
    """Prevents a page that is written, built and found by nobody."""
    navigation = re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(navigation) == sorted(pages)


def test_every_picture_is_shown_with_a_text_and_loads_quickly():
    """Prevents pictures that nobody sees, that say nothing to who cannot see, and pages of megabytes."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    shown = {path: text for text, path in re.findall(r"!\[([^\]]*)\]\((images/[^)]+)\)", pages)}
    assert {f"images/{picture.name}" for picture in (ROOT / "docs" / "images").iterdir()} == set(shown)
    assert [path for path, text in shown.items() if len(text) < 20] == []
    assert [path for path in shown if (ROOT / "docs" / path).stat().st_size > 150_000] == []


def test_both_readmes_have_the_same_commands_and_code():
    """Prevents Chinese readers from following commands that the English README has long mended."""
    english, chinese = (_FENCE.findall(_without_comments(page)) for page in READMES)
    assert chinese == english


def test_both_readmes_have_the_same_figures_in_their_tables():
    """Prevents figures that were measured anew in one language only."""
    english, chinese = (
        [[[_numbers(cell) for cell in row] for row in table] for table in _tables(page)] for page in READMES
    )
    assert len(english) >= 4
    assert chinese == english


def test_both_readmes_have_the_same_numbers_in_their_text():
    """Prevents a score, a number of seeds or a setting in a sentence that only one language corrects."""
    english, chinese = (Counter(_numbers(re.sub(r"\]\([^)]*\)", "]", _prose(page)))) for page in READMES)
    assert english == chinese


def _without_comments(page: Path) -> str:
    """The page without what `#` says in bash and Python: comments are translated."""
    return re.sub(r"[ \t]+# .*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
