"""How fast models answer, and how fast they are distilled."""

from hf_tinybert.benchmark.inference import sentences_per_second
from hf_tinybert.benchmark.machine import machine

__all__ = ["machine", "sentences_per_second"]
