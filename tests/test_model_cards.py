"""The cards of model_cards/: as the Hub wants them, whole, and in the index."""

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_tinybert.hub.disclosure import check_disclosure

FOLDER = Path(__file__).parent.parent / "model_cards"
CARDS = sorted(FOLDER.glob("*/README.md"))
HELD_OUT = re.compile(r"^\| `attention_scores_loss` \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_a_card_has_scores_that_the_hub_reads_and_every_picture_that_it_shows(card):
    """Prevents a card without a model-index, with a picture that is not there, or with paths of a machine."""
    told = ModelCard.load(card)
    assert told.data.license == "apache-2.0" and {"tinybert", "distillation"} <= set(told.data.tags)
    results = told.data.eval_results or []
    if HELD_OUT.search(told.text):  # a general student, without a task
        assert not results and told.data.pipeline_tag == "feature-extraction"
    else:
        assert {"validation", "test"} <= {result.dataset_split for result in results}
        most = {"question-answering": 100}  # F1 and exact match of SQuAD are hundredths
        assert all(0 < result.metric_value <= most.get(result.task_type, 1) for result in results)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", told.text)
    assert "pictures/loss-curves.png" in pictures
    assert {path.relative_to(card.parent).as_posix() for path in card.parent.rglob("*.png")} == set(pictures)
    check_disclosure(card.parent, private_paths=(Path.home(), Path.cwd(), Path("/tmp")))


def test_the_index_has_every_card_and_its_score():
    """Prevents a card that nobody finds, and an index that says another figure than the card."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[([^\]]+)\]\(\1/README\.md\) \|(.*)\|$", index, re.MULTILINE))
    assert sorted(rows) == [card.parent.name for card in CARDS] != []
    for card in CARDS:
        nearer = HELD_OUT.search(card.read_text(encoding="utf-8"))
        if nearer:
            assert " to ".join(nearer.groups()) in rows[card.parent.name]
            continue
        lines = r"^\| (?:(\w+) \| )?test \| \w+ \| [\d.]+ \| [\d.]+ \| ([\d.]+)% \|$"
        kept = {}  # by task, of the main metric, which comes first
        for task, share in re.findall(lines, card.read_text(encoding="utf-8"), re.MULTILINE):
            kept.setdefault(task, share)
        assert kept and ", ".join(f"{share} %" for share in kept.values()) in rows[card.parent.name]
