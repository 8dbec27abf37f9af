"""A model folder with a smaller vocabulary: weights, tokenizer, task, record and the map to the old ids."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.raw_text import check_sources, read_documents
from hf_tinybert.data.tasks import TASK_FILE, Task
from hf_tinybert.data.text_encoding import read_text
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord, public_name
from hf_tinybert.machine import machine
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.piece_choice import choose_pieces
from hf_tinybert.models.pieces import PieceInventory, read_pieces
from hf_tinybert.models.sentence_transformer_settings import MODULES_FILE, module_folders
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.models.vocabulary import required_ids, trim_model
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder, claim_folder
from hf_tinybert.workflow.corpus_pieces import PieceCounts, compare_pieces, count_pieces
from hf_tinybert.workflow.distilling import SENTENCE_TRANSFORMERS_FOLDER
from hf_tinybert.workflow.figures import finished_figures, model_size, save_figures
from hf_tinybert.workflow.model_folder import load_tokenizer
from hf_tinybert.workflow.run_sources import keep_sources
from hf_tinybert.workflow.saved_class import load_as_saved
from hf_tinybert.workflow.trim_settings import TrimSettings

logger = logging.getLogger(__name__)

VOCABULARY_MAP_FILE = "vocabulary_map.json"
_STAGE = "trimming"
_MOST_UNKNOWN = 0.05  # of the tokens
# what a folder tells beside weights and tokenizer, and no vocabulary changes
_CARRIED = (TASK_FILE, "tasks", MODULES_FILE, "sentence_bert_config.json", "config_sentence_transformers.json")
# the same of a Hub model, by patterns of its files
_FETCHED = (*_CARRIED, RECORD_FILE, "tasks/*/task.json", "*_*/config.json", "*_*/model.safetensors")


def trim_vocabulary(settings: TrimSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Write a model folder anew with the pieces that texts need, without the embeddings of the others.

    Finished, the same call gives the figures again.

    Args:
        settings: what to do.
        output: folder of the smaller model.
        display: where progress is shown.

    Returns:
        Pieces, parameters and megabytes before and after; of the texts the share of tokens that stay as they were, and
        tokens and unknown ones before and after.

    Raises:
        ValueError: texts or settings that choose nothing or everything, a vocabulary that would lose special tokens, a
            tokenizer or model that cannot be trimmed, or an output folder that holds something else, also a finished
            run of another model or other texts under the same names.
        FileNotFoundError: no such model, texts or list.
    """
    finished = finished_figures(output, settings.to_json(), _STAGE, settings.sources)
    if finished is not None:
        display.line("  finished before")
        return finished
    return _Trimming(settings, output, display).run()


class _Trimming:
    """One run: what can be refused is refused before the output folder is claimed."""

    def __init__(self, settings: TrimSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        check_sources(settings.texts, settings.columns)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(settings.model)
        self.inventory = read_pieces(self.tokenizer)
        self.source = _described_folder(settings.model)
        self.carried = carried_names(self.source)
        listed = read_piece_list(Path(settings.keep), self.inventory) if settings.keep else []
        self.model: PreTrainedModel = load_as_saved(settings.model)
        with display.bar("counting pieces"):
            self.counted = self._counted()
        self.kept = choose_pieces(
            self.inventory,
            self.counted.counts,
            settings.choice,
            also=listed,
            required_ids=required_ids(self.model) & set(self.inventory.ids.values()),
        )
        self.trimmed_tokenizer = trim_tokenizer(self.tokenizer, self.kept)
        with display.bar("comparing the texts"):
            self.compared = compare_pieces(
                self._documents(warns=False), self.tokenizer, self.trimmed_tokenizer, self.kept
            )
        _warn_of_unknown(self.compared)
        self.trimmed = trim_model(self.model, self.kept)

    def run(self) -> dict[str, Any]:
        """Write everything."""
        with claim_folder(self.output, self.settings.to_json(), leads=True) as folder:
            keep_sources(folder, self.settings.sources, leads=True)
            return self._write(folder)

    def _write(self, folder: RunFolder) -> dict[str, Any]:
        self.trimmed.save_pretrained(self.output, save_original_format=False)
        self.trimmed_tokenizer.save_pretrained(self.output)
        _carry_over(self.source, self.output, self.carried)
        if isinstance(self.trimmed, TinyBertForSentenceEmbedding):
            folder_of_both = self.output / SENTENCE_TRANSFORMERS_FOLDER
            shutil.rmtree(folder_of_both, ignore_errors=True)  # of an earlier try of this run
            length = Task.load(self.output).settings.max_length if (self.output / TASK_FILE).is_file() else None
            save_as_sentence_transformer(self.trimmed, self.trimmed_tokenizer, folder_of_both, max_length=length)
        figures = self._figures()
        write_map(self.output, self.inventory, self.kept)
        if (self.source / RECORD_FILE).is_file():
            told = {name: figures[name] for name in ("pieces", "covered", "texts")}
            replace(DistillationRecord.load(self.source), vocabulary=told).save(self.output)
        save_figures(self.output, figures)
        folder.finish(_STAGE, figures)
        return figures

    def _documents(self, *, warns: bool = True) -> Iterator[str]:
        return read_documents(self.settings.texts, self.settings.columns, warns=warns)

    def _counted(self) -> PieceCounts:
        if self.settings.texts:
            return count_pieces(self._documents(), self.tokenizer)
        nothing = count_pieces(["0"], self.tokenizer)  # a list alone chooses
        return PieceCounts(nothing.counts * 0, 0)

    def _figures(self) -> dict[str, Any]:
        sizes = {"before": model_size(self.model), "after": model_size(self.trimmed)}
        tokens = self.compared
        return {
            "model": public_name(self.settings.model),
            "pieces": {"before": len(self.inventory.ids), "after": len(self.kept)},
            **{name: {when: size[name] for when, size in sizes.items()} for name in ("parameters", "megabytes")},
            "embedding_parameters": {
                "before": _embedding_size(self.model),
                "after": _embedding_size(self.trimmed),
            },
            "texts": [public_name(text) for text in self.settings.texts],
            "documents": tokens["documents"],
            "documents_as_before": tokens["same"],
            "covered": self.counted.share(self.kept) if self.counted.documents else None,
            "tokens": {"before": tokens["tokens"], "after": tokens["tokens_after"]},
            "unknown": {"before": tokens["unknown"], "after": tokens["unknown_after"]},
            "settings": self.settings.to_json(),
            "machine": machine(),
        }


def _warn_of_unknown(compared: Mapping[str, int]) -> None:
    """Say how much of the texts is unknown now, and how much was before, where that is much."""
    told = {when: compared[f"unknown{when}"] / max(compared[f"tokens{when}"], 1) for when in ("", "_after")}
    if told[""] > _MOST_UNKNOWN:
        logger.warning(
            "%.0f %% of the texts' tokens are unknown to the tokenizer. Are they of its language?", 100 * told[""]
        )
    elif told["_after"] - told[""] > _MOST_UNKNOWN:
        logger.warning(
            "%.0f %% of the texts' tokens become unknown: characters are left out with the pieces. Keep those of one "
            "character (`all_characters`), or more of all.", 100 * told["_after"],
        )  # fmt: skip


def _embedding_size(model: PreTrainedModel) -> int:
    table: Any = model.get_input_embeddings()
    return int(table.weight.numel())


def read_piece_list(file: Path, inventory: PieceInventory) -> list[str]:
    """The pieces that a file lists, one a line; empty lines are none.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a piece that is not of the vocabulary, with the number of its line, no piece at all, or a file that
            is not UTF-8.
    """
    pieces = []
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        piece = line.rstrip("\r")
        if piece and piece not in inventory.ids:
            raise ValueError(
                f"expected pieces of the vocabulary in `{file}`, got `{piece}` in line {number}; because there is no "
                "embedding of it to keep; write pieces as the tokenizer does (`##ing`, `Ġthe`), or leave the line out"
            )
        pieces += [piece] if piece else []
    if not pieces:
        raise ValueError(f"expected pieces in `{file}`, a piece a line, got none; list some, or leave the file out")
    return pieces


def write_map(folder: Path, inventory: PieceInventory, kept: tuple[int, ...]) -> None:
    """Write which old id each new one had: `old_ids[new_id]`, of a vocabulary of so many pieces."""
    content = {"pieces_before": len(inventory.ids), "old_ids": list(kept)}
    (folder / VOCABULARY_MAP_FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")


def carried_names(source: Path) -> list[str]:
    """What a folder tells beside weights, tokenizer and figures: its task, and how it makes embeddings.

    Raises:
        ValueError: the folder names modules outside itself.
    """
    names = [name for name in _CARRIED if (source / name).exists()]
    if MODULES_FILE in names:
        modules = json.loads((source / MODULES_FILE).read_text(encoding="utf-8"))
        names += module_folders([module for module in modules if module["path"]], source)
    return names


def _described_folder(name: str) -> Path:
    """The folder that tells what a model is for: its own, or what is fetched of a Hub model besides weights."""
    return Path(name) if Path(name).is_dir() else Path(snapshot_download(name, allow_patterns=list(_FETCHED)))


def _carry_over(source: Path, output: Path, names: list[str]) -> None:
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, output / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / name, output / name)


__all__ = ["VOCABULARY_MAP_FILE", "carried_names", "read_piece_list", "trim_vocabulary", "write_map"]
