"""More training rows of known ones, by words that fit in the place of others."""

from hf_tinybert.data.augmentation.augmenter import COPY, SOURCE_ROW, Augmenter
from hf_tinybert.data.augmentation.candidates import CandidateFinder
from hf_tinybert.data.augmentation.fresh_variants import FreshVariants
from hf_tinybert.data.augmentation.masked_words import MaskedWords, load_masked_words
from hf_tinybert.data.augmentation.passages import Passage, PassageReader
from hf_tinybert.data.augmentation.replacement import Replacement
from hf_tinybert.data.augmentation.stop_words import read_stop_words, stop_words
from hf_tinybert.data.augmentation.vector_files import (
    has_packaged_glove,
    model_vectors,
    packaged_glove,
    read_vectors,
)
from hf_tinybert.data.augmentation.word_spans import Segmenter, load_segmenter
from hf_tinybert.data.augmentation.word_vectors import WordVectors

__all__ = [
    "COPY",
    "SOURCE_ROW",
    "Augmenter",
    "CandidateFinder",
    "FreshVariants",
    "MaskedWords",
    "Passage",
    "PassageReader",
    "Replacement",
    "Segmenter",
    "WordVectors",
    "has_packaged_glove",
    "load_masked_words",
    "load_segmenter",
    "model_vectors",
    "packaged_glove",
    "read_stop_words",
    "read_vectors",
    "stop_words",
]
