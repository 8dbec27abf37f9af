"""Words of data and folders in markdown: shown as they are, whatever they hold."""

import re

# what begins markup anywhere in a line, and an underscore at the edge of a word
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])")


def plain_text(words: str) -> str:
    """Words that stand in a paragraph or heading: on one line, and nothing of them is markup.

    Args:
        words: such as the name of a label.
    """
    return _MARKUP.sub(r"\\\g<0>", _one_line(words))


def code_span(name: str) -> str:
    """A name in backticks, of which it may hold some itself.

    Args:
        name: such as that of a file.
    """
    name = _one_line(name)
    fence = "`" * (max((len(run) for run in re.findall("`+", name)), default=0) + 1)
    return f"{fence} {name} {fence}" if name[:1] == "`" or name[-1:] == "`" else f"{fence}{name}{fence}"


def _one_line(words: str) -> str:
    return " ".join(words.split())


__all__ = ["code_span", "plain_text"]
