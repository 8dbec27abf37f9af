"""A page on which a student answers beside its teacher: type a text, see both answers and their times."""

from hf_tinybert.demo.comparison import Comparison, open_comparisons
from hf_tinybert.demo.page import ServeSettings, build_page, hold, import_gradio, serve

__all__ = ["Comparison", "ServeSettings", "build_page", "hold", "import_gradio", "open_comparisons", "serve"]
