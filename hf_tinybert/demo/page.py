"""The page of a student, and the server that shows it: nothing is loaded from elsewhere, nothing is sent there."""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from typing import Any

from hf_tinybert.demo.comparison import Comparison
from hf_tinybert.demo.task_panel import TaskPanel

FONTS = ("system-ui", "sans-serif")
MONOSPACE_FONTS = ("ui-monospace", "monospace")
STYLE = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
.title h1 { font-size: 1.6rem; font-weight: 650; margin: 0.4rem 0 0; overflow-wrap: anywhere; }
.title p, .explained p { color: var(--body-text-color-subdued); margin: 0.15rem 0; font-size: 0.92rem; }
.message p { border-left: 3px solid #b45309; padding: 0.35rem 0.8rem; margin: 0; overflow-wrap: anywhere; }
.answer h2 { font-size: 0.8rem; letter-spacing: 0.08em; text-transform: uppercase; font-weight: 650; margin: 0;
  color: var(--body-text-color-subdued); }
.answer p { margin: 0.1rem 0; overflow-wrap: anywhere; }
.answer .model { color: var(--body-text-color-subdued); font-size: 0.88rem; }
.answer .headline { font-size: 1.3rem; font-weight: 600; margin: 0.6rem 0 0.2rem; }
.answer .time { font-variant-numeric: tabular-nums; }
.answer .cut { font-size: 0.88rem; color: #b45309; }
.column .text { overflow-wrap: anywhere; }
.tab-wrapper { contain: inline-size; } /* a row of many tabs would make the page of a phone as wide as itself */
button[role=tab][aria-selected=true] { color: var(--body-text-color); font-weight: 600; }
"""


_MOST_PORTS = 65_535
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class ServeSettings:
    """Where a page is shown.

    Attributes:
        host: address to listen on; 127.0.0.1 is this machine alone, 0.0.0.0 whoever reaches it.
        port: None takes the first free one from 7860 on.
        share: whether gradio's servers pass a public address on to this machine for a week.
        open_browser: whether a browser is opened.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    share: bool = False
    open_browser: bool = False

    def __post_init__(self) -> None:
        """Check before models are loaded."""
        if self.port is not None and not 1 <= self.port <= _MOST_PORTS:
            raise ValueError(f"expected a `port` from 1 to {_MOST_PORTS}, got {self.port}; name another")


def build_page(comparisons: Mapping[str, Comparison], title: str) -> Any:  # noqa: ANN401 (gradio.Blocks)
    """The page of one student, a tab for each of its tasks.

    Args:
        comparisons: by the name of the task.
        title: above it; shown as it stands, never as HTML.

    Raises:
        ModuleNotFoundError: gradio is not installed.
    """
    gradio = import_gradio()
    # one thread computes for all visitors and tabs: a time is that of one model alone
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="answers")
    with gradio.Blocks(title=title, analytics_enabled=False) as page:
        kinds = ", ".join(dict.fromkeys(str(one.task.kind) for one in comparisons.values()))
        gradio.HTML(f"<h1>{escape(title)}</h1><p>{escape(kinds)}</p>", elem_classes="title")
        if len(comparisons) == 1:
            for comparison in comparisons.values():
                TaskPanel(gradio, comparison, worker)
        else:
            for name, comparison in comparisons.items():
                with gradio.Tab(name):
                    TaskPanel(gradio, comparison, worker)
    return page


def serve(page: Any, settings: ServeSettings) -> str:  # noqa: ANN401 (gradio.Blocks)
    """Shows a page in threads of this process, until `page.close()`.

    Args:
        page: of `build_page`.
        settings: where.

    Returns:
        Its address.

    Raises:
        OSError: the port is taken.
    """
    gradio = import_gradio()
    theme = gradio.themes.Base(font=list(FONTS), font_mono=list(MONOSPACE_FONTS), primary_hue="slate")
    theme = theme.set(body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300")
    try:
        _, local, shared = page.launch(
            server_name=settings.host,
            server_port=settings.port,
            share=settings.share,
            inbrowser=settings.open_browser,
            prevent_thread_lock=True,
            quiet=True,
            theme=theme,
            css=STYLE,
            footer_links=[],
            run_history=False,  # texts are not kept in the browser either
            ssr_mode=False,
            max_file_size="1kb",  # no part of the page takes files, its server does
        )
    except OSError as error:
        raise OSError(
            f"expected an address to listen on, got {settings.host}, port {settings.port or 'from 7860 on'}; because "
            "another program may hold the port, or the host may be none of this machine; name others by `--port` and "
            "`--host`"
        ) from error
    return str(shared or local)


def hold(page: Any) -> None:  # noqa: ANN401 (gradio.Blocks)
    """Keep a page that `serve` shows until this process is interrupted, and close it then.

    Gradio's own wait keeps the interruption to itself, SIGTERM too where it is one.

    Raises:
        KeyboardInterrupt: the interruption.
    """
    try:
        while page.is_running:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    finally:
        page.close(verbose=False)


def import_gradio() -> Any:  # noqa: ANN401 (a module)
    """The package gradio, told to send nothing before it is imported.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise ModuleNotFoundError(
            f"expected the package `gradio`, got none ({error}); because it draws the page; "
            '`pip install "hf-tinybert[demo]"`',
            name="gradio",
        ) from error
    return gradio


__all__ = ["ServeSettings", "build_page", "hold", "import_gradio", "serve"]
