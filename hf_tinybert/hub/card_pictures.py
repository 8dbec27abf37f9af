"""The pictures of a card: PNG files beside it, drawn from what the folder tells."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.pictures import Picture, curve_panels, layer_agreement_map, loss_curves, size_against_score

logger = logging.getLogger(__name__)

PICTURES_FOLDER = "pictures"
_NO_WORDS_OF_A_LINK = re.compile(r"[\[\]`\s]+")


def card_pictures(facts: ModelFacts) -> list[Picture]:
    """Curves of every term, agreement of layers where a report measured it, size against score; what there is of them.

    Without matplotlib there are none, and the log says so.

    Args:
        facts: of the folder.
    """
    figures = facts.figures or {}
    try:
        size, panels = size_against_score(figures), curve_panels(figures)
        return [
            *([size] if size else []),
            *([loss_curves(panels)] if panels else []),
            *agreement_pictures(facts.record or {}, facts.comparison),
        ]
    except ModuleNotFoundError as error:
        logger.info("The card has no pictures: %s", error)
        return []


def agreement_pictures(record: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> list[Picture]:
    """The agreement of hidden states and of attention; none where it was not measured.

    Args:
        record: `distillation.json`, for the layer mapping.
        comparison: `comparison.json`; None without.
    """
    agreement = (comparison or {}).get("agreement")
    if not comparison or not agreement:
        return []
    of_task = (record.get("tasks") or {}).get(comparison.get("task")) or record
    mapping = of_task.get("layer_mapping") or []
    kinds = (("hidden_states", 0, "hidden-states", "Hidden states"), ("attention", 1, "attention", "Attention"))
    return [
        layer_agreement_map(agreement[key], mapping, first_layer=first, name=name, title=title)
        for key, first, name, title in kinds
        if agreement[key]
    ]


def image_links(pictures: Sequence[Picture]) -> dict[str, str]:
    """By the name of each picture, its image in markdown, with what it shows for those who do not see it."""
    return {
        one.name: f"![{_NO_WORDS_OF_A_LINK.sub(' ', one.description)}]({PICTURES_FOLDER}/{one.name}.png)"
        for one in pictures
    }


def save_pictures(pictures: Sequence[Picture], folder: Path) -> None:
    """Write them beside a card, into a folder of their own."""
    if pictures:
        (folder / PICTURES_FOLDER).mkdir(exist_ok=True)
    for picture in pictures:
        (folder / PICTURES_FOLDER / f"{picture.name}.png").write_bytes(picture.png())


__all__ = ["PICTURES_FOLDER", "agreement_pictures", "card_pictures", "image_links", "save_pictures"]
