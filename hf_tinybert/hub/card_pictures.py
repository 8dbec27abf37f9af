"""The pictures of a card: PNG files beside it, drawn from what the folder tells."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.pictures import (
    AgreementMap,
    Picture,
    curve_panels,
    layer_agreement_maps,
    loss_curves,
    overview_panels,
    size_against_score,
)

logger = logging.getLogger(__name__)

PICTURES_FOLDER = "pictures"
_AGREEMENTS = (("hidden_states", 0, "hidden-states", "Hidden states"), ("attention", 1, "attention", "Attention"))
_NAMES = ("size-against-score", "loss-curves", "hidden-states", "attention")
_NO_WORDS_OF_A_LINK = re.compile(r"[\[\]`\s]+")


def card_pictures(facts: ModelFacts) -> list[Picture]:
    """Curves, agreement of layers where a report measured it, size against score; what there is of them.

    Of several tasks the curves are each one's main metric and whole loss, and each has a map of its layers. What a
    report found of other weights than those of the folder is not drawn. Without matplotlib there are none, and the log
    says so.

    Args:
        facts: of the folder.
    """
    figures = facts.figures or {}
    try:
        size = size_against_score(figures)
        panels = overview_panels(figures) if figures.get("tasks") else curve_panels(figures)
        return [
            *([size] if size else []),
            *([loss_curves(panels)] if panels else []),
            *agreement_pictures(facts.record or {}, facts.comparisons.of_tasks),
        ]
    except ModuleNotFoundError as error:
        logger.info("The card has no pictures: %s", error)
        return []


def agreement_pictures(
    record: Mapping[str, Any], comparisons: Mapping[str | None, Mapping[str, Any]], *, prefix: str = ""
) -> list[Picture]:
    """The agreement of hidden states and of attention, a map for each task; none where it was not measured.

    Args:
        record: `distillation.json`, for the layer mappings.
        comparisons: what a report found, by task.
        prefix: of the names of the pictures, which then stand under the name of a task.
    """
    pictures = []
    for key, first, name, title in _AGREEMENTS:
        measured = {task: (one.get("agreement") or {}).get(key) for task, one in comparisons.items()}
        maps = [
            AgreementMap(f"{title}\n{task}" if task and not prefix else title, values, _mapping(record, task))
            for task, values in measured.items()
            if values
        ]
        if maps:
            pictures.append(layer_agreement_maps(maps, first_layer=first, name=f"{prefix}{name}"))
    return pictures


def _mapping(record: Mapping[str, Any], task: str | None) -> Sequence[int]:
    """Of a task of several its own, which there is not where nobody taught it."""
    own = (record.get("tasks") or {}).get(task)
    return (record if own is None else own).get("layer_mapping") or ()


def image_links(pictures: Sequence[Picture]) -> dict[str, str]:
    """By the name of each picture, its image in markdown, with what it shows for those who do not see it."""
    return {
        one.name: f"![{_NO_WORDS_OF_A_LINK.sub(' ', one.description)}]({PICTURES_FOLDER}/{one.name}.png)"
        for one in pictures
    }


def save_pictures(pictures: Sequence[Picture], folder: Path) -> None:
    """Write them beside a card, into a folder of their own; those of an earlier card that this one lacks are removed.

    Args:
        pictures: of the card.
        folder: of the card.
    """
    drawn = {picture.name for picture in pictures}
    for name in _NAMES:
        if name not in drawn:  # it may be of other weights, and would be published
            (folder / PICTURES_FOLDER / f"{name}.png").unlink(missing_ok=True)
    if pictures:
        (folder / PICTURES_FOLDER).mkdir(exist_ok=True)
    for picture in pictures:
        (folder / PICTURES_FOLDER / f"{picture.name}.png").write_bytes(picture.png())


__all__ = ["PICTURES_FOLDER", "agreement_pictures", "card_pictures", "image_links", "save_pictures"]
