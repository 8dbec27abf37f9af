"""Tests of the verbs together: what a person sees, and a machine."""

import json
import os
import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest
from typer.main import get_command

from hf_tinybert.cli import app, main
from hf_tinybert.cli.recipe import RECIPE_VERBS
from hf_tinybert.cli.recipe_verb import RecipeVerb
from hf_tinybert.cli.refusals import EXIT_CODES
from hf_tinybert.cli.verb import Verb
from tests.tested_package import imported_package


def _verbs(group, *names):
    """Every verb by its words: `benchmark train` among them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _verbs(command, *names, name)
        else:
            yield " ".join([*names, name]), command


VERBS = dict(_verbs(get_command(app)))
every_verb = pytest.mark.parametrize("verb", VERBS)
_COMMAND = """
import sys, time
sys.argv[0] = "hf-tinybert"
from typer.main import get_command
from hf_tinybert.cli import app, main
group = get_command(app)
for words in sys.argv[1].split("/"):
    start = time.process_time()
    assert group.main([*words.split(), "--help"], standalone_mode=False) == 0
    print(f"seconds {time.process_time() - start:.3f}")
print("heavy", sorted({"torch", "transformers", "datasets", "numpy"} & set(sys.modules)))
print(f"seconds {time.process_time():.3f}")
"""


@every_verb
def test_every_verb_has_an_example_in_its_help(run_cli, verb):
    """Prevents a help page that leaves people guessing."""
    done = run_cli(*verb.split(), "--help")
    shown = re.sub(r"\s+", " ", done.output)
    assert done.exit_code == 0
    assert re.search(rf"Example: [^:]*hf-tinybert {verb} ", shown) and EXIT_CODES in shown


@every_verb
def test_every_verb_speaks_to_machines(run_cli, verb):
    """Prevents a verb whose figures or errors a program cannot read; `predict` gives JSON lines, `demo` a page."""
    assert isinstance(VERBS[verb], Verb)
    if verb not in ("predict", "demo"):
        assert "--json" in {name for param in VERBS[verb].params for name in param.opts}
        told = json.loads(run_cli(*verb.split(), "--json", "--no-such-option").stdout)
        assert told["exit_code"] == 2 and "--no-such-option" in told["error"]


def test_the_verbs_with_settings_take_recipes():
    """Prevents a verb with a recipe that its list does not name, whose section other verbs would refuse."""
    assert tuple(sorted(RECIPE_VERBS)) == tuple(sorted(n for n, verb in VERBS.items() if isinstance(verb, RecipeVerb)))


def test_the_help_of_every_verb_takes_less_than_a_second():
    """Prevents an import at the top of a module that makes everybody wait for torch."""
    command = [sys.executable, "-c", _COMMAND, "/".join(VERBS)]
    environment = {**os.environ, "PYTHONPATH": str(imported_package().parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
    assert "heavy []" in done.stdout
    *verbs, whole = (float(one) for one in re.findall(r"^seconds (\S+)$", done.stdout, re.MULTILINE))
    # processor time of this thread: what the machine does besides does not count; imports and one help page
    assert len(verbs) == len(VERBS) and whole - sum(verbs) + max(verbs) < 1.0


def test_no_verb_shows_the_verbs(run_cli):
    """Prevents an empty answer to the bare command."""
    output = run_cli().output
    assert "quickstart" in output and "convert" in output


def test_letters_that_the_output_lacks_are_escaped(monkeypatch, capsys):
    """Prevents a run from ending in an error of a codec because a path is shown where standard output is not UTF-8."""
    output = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "argv", ["hf-tinybert", "trim-vocab", "gone", "texts.txt", "--output", "größer"])
    with pytest.raises(SystemExit):
        main()
    output.flush()
    assert rb"gr\xf6\xdfer/recipe.yaml" in output.buffer.getvalue()
    assert "texts.txt" in capsys.readouterr().err
