"""What all verbs have in common: errors as JSON where figures are, and the exit codes in the help."""

from typing import Any

from typer.core import TyperCommand

from hf_tinybert.cli.refusals import EXIT_CODES, errors_told

_GO_ON = frozenset({"augment", "distill", "finetune", "pretrain", "quickstart"})


class Verb(TyperCommand):
    """A verb; `app.command(cls=Verb)` makes one."""

    def __init__(self, name: str | None, **attributes: Any) -> None:  # noqa: ANN401 (those of its base)
        super().__init__(name, **{**attributes, "epilog": attributes.get("epilog") or EXIT_CODES})

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 (its base has types of a private package)
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Parse the words; a machine is told of wrong ones too."""
        with errors_told("--json" in args):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run."""
        with errors_told(bool(ctx.params.get("as_json")), goes_on=self.name in _GO_ON):
            return super().invoke(ctx)


__all__ = ["Verb"]
