"""The verbs put together."""

import sys
from io import TextIOWrapper

import typer

from hf_tinybert.cli.augment import augment
from hf_tinybert.cli.benchmark import benchmark_app
from hf_tinybert.cli.card import card
from hf_tinybert.cli.convert import convert
from hf_tinybert.cli.demo import demo
from hf_tinybert.cli.distill import distill
from hf_tinybert.cli.doctor import doctor
from hf_tinybert.cli.evaluate import evaluate
from hf_tinybert.cli.export import export
from hf_tinybert.cli.finetune import finetune
from hf_tinybert.cli.predict import predict
from hf_tinybert.cli.pretrain import pretrain
from hf_tinybert.cli.push import push
from hf_tinybert.cli.quickstart import quickstart
from hf_tinybert.cli.recipe import RECIPE_VERBS
from hf_tinybert.cli.recipe_verb import RecipeVerb
from hf_tinybert.cli.refusals import EXIT_CODES
from hf_tinybert.cli.report import report
from hf_tinybert.cli.termination import raise_on_sigterm
from hf_tinybert.cli.trim_vocab import trim_vocab
from hf_tinybert.cli.verb import Verb

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Distil BERT-like encoders into TinyBERTs.",
    epilog=EXIT_CODES,
)
_VERBS = (
    quickstart,
    pretrain,
    finetune,
    augment,
    distill,
    evaluate,
    predict,
    trim_vocab,
    export,
    demo,
    doctor,
    convert,
    report,
    card,
    push,
)
for _verb in _VERBS:
    _name = _verb.__name__.replace("_", "-")
    app.command(_name, cls=RecipeVerb if _name in RECIPE_VERBS else Verb)(_verb)
for _measurement in benchmark_app.registered_commands:
    _measurement.cls = Verb
app.add_typer(benchmark_app, name="benchmark")


@app.callback()
def _verbs() -> None:
    """Distil BERT-like encoders into TinyBERTs."""


def main() -> None:
    """Entry point of the console script."""
    if isinstance(sys.stdout, TextIOWrapper):
        # a label or a path in letters that a redirected output lacks is escaped, and does not end the verb
        sys.stdout.reconfigure(errors="backslashreplace")
    raise_on_sigterm()
    app()


__all__ = ["app", "main"]
