"""Where an augmentation's words and their candidates come from, as its settings say."""

from pathlib import Path

from transformers import AutoModel

from hf_tinybert.data.augmentation import (
    Augmenter,
    CandidateFinder,
    MaskedWords,
    PassageReader,
    WordVectors,
    has_packaged_glove,
    load_masked_words,
    load_segmenter,
    model_vectors,
    packaged_glove,
    read_stop_words,
    read_vectors,
    stop_words,
)
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow.augment_settings import AugmentSettings
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.word_settings import GLOVE, NO_VECTORS, WordSettings

ALIGNED_COLUMNS = frozenset({"tags", "answers"})
"""Gold that stays right whichever words change: tags stay with their words, answers are found where they moved to."""
_VECTOR_ENDINGS = (".txt", ".vec", ".npy")
_PACKAGED = "packaged"


def make_reader(settings: WordSettings, kind: TaskKind) -> PassageReader:
    """Finds the words of rows.

    Raises:
        ValueError: unknown language, empty file of stop words or wrong segmenter.
        FileNotFoundError: no such file of stop words.
        ModuleNotFoundError: the segmenter is not installed.
    """
    words = read_stop_words(Path(settings.stop_words)) if settings.stop_words else stop_words(settings.language)
    return PassageReader(kind, words, None if settings.segmenter is None else load_segmenter(settings.segmenter))


def make_augmenter(settings: AugmentSettings, kind: TaskKind, vectors: str) -> Augmenter:
    """Reads vectors and models, for rows on disk.

    Args:
        settings: of the augmentation.
        kind: of the rows.
        vectors: what `choose_vectors` gave.

    Raises:
        ValueError: unusable vectors or model.
        OSError: no such model or file.
    """
    masked_words = _load_masked_words(settings)
    reader = make_reader(settings, kind)
    return Augmenter(reader, settings.replacement, vectors=_load_vectors(vectors), masked_words=masked_words)


def make_finder(settings: WordSettings, vectors: str) -> CandidateFinder:
    """Reads vectors and models, for rows that change while training runs.

    Args:
        settings: of the words.
        vectors: what `choose_vectors` gave.

    Raises:
        ValueError: unusable vectors or model.
        OSError: no such model or file.
    """
    masked_words = _load_masked_words(settings)
    return CandidateFinder(settings.candidates, vectors=_load_vectors(vectors), masked_words=masked_words)


def choose_vectors(settings: WordSettings) -> str:
    """Which vectors the settings mean on this machine.

    Raises:
        ValueError: there are none of the language.
    """
    if settings.vectors is not None:
        return settings.vectors
    if settings.language == "en" and has_packaged_glove():
        return GLOVE
    if settings.masked_lm is not None:
        return settings.masked_lm
    if settings.language == "en":
        return _PACKAGED
    raise ValueError(
        f"expected vectors or a masked language model of the language `{settings.language}`, got none; because those "
        "that come as packages are English; name some by `vectors` or `masked_lm`"
    )


def _load_masked_words(settings: WordSettings) -> MaskedWords | None:
    if settings.masked_lm is None:
        return None
    load_config(settings.masked_lm)  # says what is wrong with a name
    return load_masked_words(
        settings.masked_lm, beside_original=settings.beside_original, batch_size=settings.batch_size
    )


def _load_vectors(name: str) -> WordVectors | None:
    if name == NO_VECTORS:
        return None
    if name == GLOVE:
        return packaged_glove()
    if Path(name).suffix.lower() in _VECTOR_ENDINGS or Path(name).is_file():
        return read_vectors(Path(name))
    folder = str(packaged_teacher()) if name == _PACKAGED else name
    load_config(folder)  # says what is wrong with a name
    return model_vectors(AutoModel.from_pretrained(folder), load_tokenizer(folder), f"`{name}`")


__all__ = ["ALIGNED_COLUMNS", "choose_vectors", "make_augmenter", "make_finder", "make_reader"]
