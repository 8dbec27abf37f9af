"""A verb that takes a recipe: among its words, as `recipe.yaml` before its other arguments, and by `--set`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from hf_tinybert.cli.recipe import RUN_KEYS, checked, read_recipe
from hf_tinybert.cli.recipe_file import RECIPE_ENDINGS, PlacedValues
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal
from hf_tinybert.cli.verb import Verb

RECIPE = "hf_tinybert.recipe"
"""Where a context keeps the values of its recipe."""
MISSING_KEYS = "hf_tinybert.missing_keys"
"""Where a context keeps the keys that are needed, and stand neither in the recipe nor beside it."""
_ASSIGNMENTS = "assignments"
_MARK = "\0"
_ON_COMMAND_LINE = "COMMANDLINE"


class RecipeVerb(Verb):
    """A verb whose settings may come from YAML; options on the command line win, then `--set`, then the recipe.

    The recipe is the first argument that ends in `.yaml` or `.yml`; the verb's own arguments may follow, or stand in
    it. `configured` makes the settings, `recipe_kept` writes them.
    """

    def __init__(self, name: str | None, **attributes: Any) -> None:  # noqa: ANN401 (those of its base)
        super().__init__(name, **attributes)
        self.params.append(_assignments_option())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (of a private package)
        """Take the recipe out of the words, and its values as defaults of what is needed."""
        position = self._recipe_position(ctx, args)
        file = None if position is None else Path(args[position])
        words = [word for number, word in enumerate(args) if number != position]
        assignments = self.make_parser(ctx).parse_args(args=list(words))[0].get(_ASSIGNMENTS) or ()
        try:
            recipe = read_recipe(file, assignments, str(ctx.info_name))
            ctx.default_map = self._defaults(recipe)
        except EXPECTED_ERRORS as error:
            raise refusal(error) from error
        ctx.meta[RECIPE] = recipe
        needed = self._needed(recipe) if recipe.values else []
        repeated = {param.name for param in self.params if param.param_type_name == "option" and param.multiple}
        ctx.default_map |= {name: [""] if name in repeated else "" for name in needed}
        left = super().parse_args(ctx, words)
        ctx.meta[MISSING_KEYS] = [key for key in needed if not stands_on_command_line(ctx, key)]
        return left

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """The recipe among the arguments."""
        return [*super().collect_usage_pieces(ctx)[:1], "[recipe.yaml]", *super().collect_usage_pieces(ctx)[1:]]

    def _recipe_position(self, ctx: Any, args: list[str]) -> int | None:  # noqa: ANN401
        """Which word is the first argument and a recipe; a value of an option is none."""
        first = next(param.name for param in self.params if param.param_type_name == "argument")
        for position, word in enumerate(args):
            if word.endswith(RECIPE_ENDINGS):
                marked = [*args[:position], _MARK, *args[position + 1 :]]
                found = self.make_parser(ctx).parse_args(args=marked)[0].get(first)
                if (found[0] if isinstance(found, tuple) else found) == _MARK:
                    return position
        return None

    def _defaults(self, recipe: PlacedValues) -> dict[str, Any]:
        """Values for options that are no settings, and for what is needed, so that nobody misses it.

        The latter are texts here; `configured` takes the recipe's own values, and checks them.
        """
        defaults: dict[str, Any] = {}
        for param in self.params:
            if param.name in recipe.values:
                value = recipe.values[param.name]
                if param.name in RUN_KEYS:
                    defaults[param.name] = checked(value, RUN_KEYS[param.name], param.name, recipe.place(param.name))
                elif param.required:
                    several = [str(one) for one in (value if isinstance(value, list) else [value])]
                    defaults[param.name] = several if _takes_several(param) else str(value)
        return defaults

    def _needed(self, recipe: PlacedValues) -> list[str]:
        """Keys that are needed and not in the recipe; each has the name of its option.

        Nobody misses them before the keys of the recipe have been read: one of those may be misspelt.
        """
        return [param.name for param in self.params if param.required and param.name not in recipe.values]


def _takes_several(param: Any) -> bool:  # noqa: ANN401 (of a private package)
    return bool(param.nargs != 1 or (param.param_type_name == "option" and param.multiple))


def stands_on_command_line(context: Any, option: str) -> bool:  # noqa: ANN401 (of a private package)
    """Whether the value of an option is the person's own, and no default.

    Args:
        context: of the verb.
        option: its name as a parameter; False for one that there is not.
    """
    source = context.get_parameter_source(option)
    return source is not None and source.name == _ON_COMMAND_LINE


def _assignments_option() -> Any:  # noqa: ANN401 (a class of a private package)
    """`--set` as an option that no verb is called with."""

    def declared(
        assignments: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help="Any setting, as a recipe has it, in YAML; repeat it."),
        ] = None,
    ) -> None:
        pass

    app = typer.Typer(add_completion=False)
    app.command()(declared)
    (option,) = get_command(app).params
    option.expose_value = False
    return option


__all__ = ["MISSING_KEYS", "RECIPE", "RecipeVerb", "stands_on_command_line"]
