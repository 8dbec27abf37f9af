"""What stands over an answer, as HTML in which every text is escaped: role, model, answer and time."""

from html import escape

from hf_tinybert.demo.comparison import ModelAnswer
from hf_tinybert.demo.model_clock import RUNS


def answer_html(role: str, model: str, answer: ModelAnswer | None = None, teacher: ModelAnswer | None = None) -> str:
    """The head of a column.

    Args:
        role: `Student` or `Teacher`.
        model: its name, shape and size in a line.
        answer: of the model; None before there is one.
        teacher: the teacher's answer, which a student's time is compared with; None where there is none.
    """
    lines = [f"<h2>{escape(role)}</h2>", f'<p class="model">{escape(model)}</p>']
    if answer is not None:
        lines.append(f'<p class="headline">{escape(answer.shown.headline)}</p>')
        lines.append(f'<p class="time">{escape(time_text(answer, teacher))}</p>')
        if answer.cut is not None:
            tokens, read = answer.cut
            lines.append(f'<p class="cut">The text has {tokens:,} tokens; the model read {read:,} of them.</p>')
    return "".join(lines)


def time_text(answer: ModelAnswer, teacher: ModelAnswer | None = None) -> str:
    """Milliseconds, how often they were timed where that is less than usual, and how they compare with the teacher's.

    Args:
        answer: of a model.
        teacher: of its teacher; None where there is nothing to compare with.
    """
    runs = "" if answer.runs >= RUNS else f" ({answer.runs} {'run' if answer.runs == 1 else 'runs'})"
    text = f"{answer.milliseconds:.1f} ms{runs}"
    if teacher is None or teacher is answer or not answer.milliseconds:
        return text
    ratio = teacher.milliseconds / answer.milliseconds
    return f"{text} · {ratio:.1f} times as fast as the teacher" if ratio >= 1 else f"{text} · slower than the teacher"


def message_html(message: str) -> str:
    """A message to whoever typed; empty without one."""
    return f'<p role="alert">{escape(message)}</p>' if message else ""


__all__ = ["answer_html", "message_html", "time_text"]
