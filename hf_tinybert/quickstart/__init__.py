"""From a real teacher and real text to a TinyBERT that is saved, reloaded and measured, in stages that resume.

Stages: data -> teacher (fine-tuned) -> undistilled (same shape, random start, no teacher) -> student (initialised from
the teacher, then distilled) -> scores, speed, reload. Every figure ends in `summary.json`.
"""

from hf_tinybert.quickstart.run import SUMMARY_FILE, Quickstart
from hf_tinybert.quickstart.settings import FAST, QuickstartSettings
from hf_tinybert.quickstart.student_figures import FIGURES_FILE
from hf_tinybert.quickstart.workspace import STUDENT_FOLDER

__all__ = ["FAST", "FIGURES_FILE", "STUDENT_FOLDER", "SUMMARY_FILE", "Quickstart", "QuickstartSettings"]
