"""The card of a model, from its folder alone: what is not in the files is left out or said to be not measured."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from hf_tinybert.hub.card_metadata import (
    CardDetails,
    card_metadata,
    card_name,
    head_of,
    is_hub_name,
    teacher_of,
    teachers_of,
)
from hf_tinybert.hub.card_pictures import card_pictures, image_links, save_pictures
from hf_tinybert.hub.card_tables import (
    markdown_table,
    method_words,
    shape_words,
    speed_note,
    training_cost,
    vocabulary_words,
    without_model_note,
)
from hf_tinybert.hub.fact_tables import (
    held_out_table,
    losses_table,
    mapping_table,
    names_without_model,
    scores_table,
    size_table,
)
from hf_tinybert.hub.loading_code import library_of, loading_ways
from hf_tinybert.hub.markdown import code_span, plain_text
from hf_tinybert.hub.model_facts import ModelFacts, read_facts
from hf_tinybert.hub.published_files import CARD_FILE, PublishedForm, check_form
from hf_tinybert.models.checkpoint_folder import weight_files_sha256
from hf_tinybert.pictures import Picture

TEMPLATE = Path(__file__).with_name("model_card_template.md")
_ORIGIN = re.compile(r"<!-- hf-tinybert card: ([\w+ ]+?)(?:, weights (\w+))? -->")
_HASH_DIGITS = 12
_MOST_LABELS = 100  # are named; those of all heads are in `config.json`


def model_card(
    folder: Path,
    details: CardDetails | None = None,
    form: PublishedForm = PublishedForm.BERT,
    *,
    remote_code: bool = False,
    pictures: Sequence[Picture] = (),
) -> ModelCard:
    """The card of a model folder.

    Args:
        folder: With config.json and weights, and what there is of task.json, distillation.json and figures.json.
        details: What no folder knows.
        form: That will be published; the card says how that is loaded.
        remote_code: Whether the model code goes along.
        pictures: That will lie beside it, see `save_card`.

    Raises:
        FileNotFoundError: Configuration or weights are missing.
        ValueError: A file is damaged, metadata is not allowed, or the model cannot have the form.
    """
    details = details or CardDetails()
    facts = read_facts(folder)
    check_form(folder, facts, form, remote_code=remote_code)
    repo_id = details.repo_id or facts.name
    scores, record, figures = facts.scores, facts.record or {}, facts.figures or {}
    card: ModelCard = ModelCard.from_template(
        card_metadata(facts, details, library=library_of(facts, form)),
        template_path=str(TEMPLATE),
        form=_form_words(form, remote_code),
        weights=_short_hash(folder),
        name=plain_text(card_name(facts, details)),
        summary=_summary(facts, details),
        ways=loading_ways(facts, form, repo_id, remote_code=remote_code),
        max_length=(facts.task or {}).get("max_length"),
        pictures=image_links(pictures),
        scores=markdown_table(scores_table(scores)),
        score_notes=_score_notes(facts),
        held_out=markdown_table(held_out_table(figures)),
        has_tasks=bool(figures.get("tasks")),
        size=markdown_table(size_table(facts)),
        speed_note=speed_note(facts),
        teacher=teacher_of(facts, details),
        teacher_part=_teacher_part(facts, details),
        teacher_link=_links(facts, details),
        teacher_class=record.get("teacher_class"),
        teacher_hash=str(record.get("teacher_sha256", ""))[:_HASH_DIGITS],
        teacher_license=details.teacher_license,
        data=_data(facts, details),
        rows=_rows(figures),
        vocabulary=vocabulary_words(facts),
        method=method_words(facts),
        cost=training_cost(facts),
        versions=", ".join(f"{name} {number}" for name, number in (record.get("versions") or {}).items()),
        losses=markdown_table(losses_table(record)),
        mapping=markdown_table(mapping_table(record)),
        intended_use=details.intended_use or _intended_use(facts),
        limits=_limits(facts),
        license=details.license,
    )
    return card


def write_model_card(
    folder: Path,
    details: CardDetails | None = None,
    form: PublishedForm = PublishedForm.BERT,
    *,
    remote_code: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the card of a folder into it, as README.md with its pictures; see `model_card`.

    Raises:
        FileExistsError: There is a card, and it may have been edited.
    """
    path = folder / CARD_FILE
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"expected no `{CARD_FILE}` in `{folder}`, got one; because it may hold words of yours; move it away, or "
            "have it replaced with `--overwrite`"
        )
    save_card(folder, folder, details or CardDetails(), form, remote_code=remote_code)
    return path


def save_card(
    folder: Path, target: Path, details: CardDetails, form: PublishedForm, *, remote_code: bool = False
) -> None:
    """Write the card of one folder into another, or into itself, with its pictures.

    Args:
        folder: That the card tells of.
        target: That gets README.md and `pictures`.
        details: What no folder knows.
        form: That will be published.
        remote_code: Whether the model code goes along.
    """
    facts = read_facts(folder)
    check_form(folder, facts, form, remote_code=remote_code)  # before pictures, which take seconds
    pictures = card_pictures(facts)
    card = model_card(folder, details, form, remote_code=remote_code, pictures=pictures)
    save_pictures(pictures, target)
    card.save(target / CARD_FILE)


def check_card(text: str, folder: Path, form: PublishedForm, *, remote_code: bool = False) -> None:
    """Refuse a card of other weights, or of another form than the one that goes up; a card of one's own may say all.

    Args:
        text: The card.
        folder: Whose weights go up.
        form: That goes up.
        remote_code: Whether the model code goes along.

    Raises:
        ValueError: It was written for another form, or before the weights were replaced.
    """
    found, wanted, weights = _ORIGIN.search(text), _form_words(form, remote_code), _short_hash(folder)
    if found and found[1] != wanted:
        raise ValueError(
            f"expected a card of the form `{wanted}`, got one of `{found[1]}`; because it would tell people to load "
            "what is not there; write it again with `hf-tinybert card --overwrite`, or delete it"
        )
    if found and found[2] not in (None, weights):
        raise ValueError(
            f"expected a card of the weights {weights}, got one of {found[2]}; because its scores and pictures are "
            "those of other weights; write it again with `hf-tinybert card --overwrite`, or delete it"
        )


def _short_hash(folder: Path) -> str:
    return str(weight_files_sha256(folder) or "")[:_HASH_DIGITS]


def _form_words(form: PublishedForm, remote_code: bool) -> str:
    return f"{form} + code" if remote_code else str(form)


def _summary(facts: ModelFacts, details: CardDetails) -> str:
    teacher, shape = teacher_of(facts, details), shape_words(facts.config)
    size = f"{shape}{' and ' if shape else ''}{facts.parameters:,} parameters"
    what = f"{'An encoder' if not facts.kind else 'A model'} of {size}"
    if not teacher:
        made = f", fine-tuned from {_link(facts.fine_tuned_from)}" if facts.fine_tuned_from else ""
    elif facts.is_taught:
        several = teachers_of(facts, details)
        whom = f"{len(several)} teachers as one, {_links(facts, details)}," if len(several) > 1 else _link(teacher)
        made = f", distilled from {whom} with the TinyBERT method"
    else:
        made = f", trained on labels alone, to be compared with students of {_links(facts, details)}"
    tasks = ", ".join(facts.heads)
    purpose = f", for {facts.kind}" if facts.kind else f", for the tasks {tasks}" if tasks else ""
    return f"{what}{purpose}{made} (made by hf_tinybert)."


def _named_labels(labels: Sequence[str]) -> str:
    named = ", ".join(plain_text(str(label)) for label in labels[:_MOST_LABELS])
    more = len(labels) - _MOST_LABELS
    return f"{named}, and {more:,} more, which `config.json` names" if more > 0 else named


def _score_notes(facts: ModelFacts) -> str:
    labels, scores = (facts.figures or {}).get("labels") or (), facts.scores
    has_teacher = any(score.teacher is not None for score in scores)
    teacher = "teachers as one" if any(score.alone for score in scores) else "teacher"
    without_model = without_model_note(names_without_model(scores))
    notes = {
        f"Labels: {_named_labels(labels)}.": labels,
        f'"kept" is the score of this model over that of its {teacher}.': has_teacher,
        without_model: without_model,
        "The same shape trained without a teacher was not measured.": facts.is_taught
        and all(score.undistilled is None for score in scores),
        "Test rows were not scored.": all(score.split != "test" for score in scores),
        "Validation rows also chose the best epoch, which flatters their scores a little.": facts.settings.get(
            "keep_best"
        ),
    }
    return " ".join(note for note, holds in notes.items() if holds)


def _link(name: str | None) -> str:
    return f"[{name}](https://huggingface.co/{name})" if is_hub_name(name) else code_span(str(name))


def _teacher_part(facts: ModelFacts, details: CardDetails) -> str:
    if not facts.is_taught and facts.teacher:
        return "Model it is compared with"
    several = len(teachers_of(facts, details)) > 1
    return "Teachers, of whose predictions it learnt the mean, and of the first the layers" if several else "Teacher"


def _links(facts: ModelFacts, details: CardDetails) -> str:
    """Of several teachers each with its weight in the mean."""
    names = teachers_of(facts, details)
    if len(names) < 2:
        return _link(teacher_of(facts, details))
    weights = [one.get("weight", 1) for one in facts.joined_teachers]
    return ", ".join(f"{_link(name)} (weight {weight:g})" for name, weight in zip(names, weights, strict=True))


def _data(facts: ModelFacts, details: CardDetails) -> str:
    if details.dataset:
        return f"[{details.dataset}](https://huggingface.co/datasets/{details.dataset})"
    return ", ".join(code_span(name) for name in facts.datasets)


def _rows(figures: Mapping[str, Any]) -> str:
    rows = {str(name): count for name, count in (figures.get("rows") or {}).items()}
    if figures.get("unlabeled_rows"):
        rows["unlabelled"] = figures["unlabeled_rows"]
    if rows:
        return ", ".join(f"{count:,} {name} rows" for name, count in rows.items())
    if figures.get("documents") and not figures.get("pieces"):  # those of a trimmed vocabulary taught nothing
        return f"{figures['documents']:,} documents, {figures['tokens']:,} tokens of raw text"
    return ""


def _intended_use(facts: ModelFacts) -> str:
    tag = head_of(facts).pipeline_tag
    if facts.kind:
        return (
            f"For {facts.kind} on text like that of its training data, where a small and fast model is wanted. For "
            "other text measure it first: `hf-tinybert evaluate`."
        )
    if facts.heads:
        return "One encoder for the tasks named above, on text like that of their training data."
    if tag == "feature-extraction":
        return "A start for students of tasks, and features of texts; it answers nothing by itself."
    return "On text like that of its training data."


def _limits(facts: ModelFacts) -> str:
    longest = facts.config.get("max_position_embeddings")
    length = f" It reads {longest} tokens at most; longer texts are cut or split." if longest else ""
    inherited = (
        "It has the biases and mistakes of its teacher and of the data, and may lose more on rare words, rare classes "
        "and long texts than the mean score shows."
        if facts.teacher
        else "It has the biases and mistakes of its pretraining and of the data."
    )
    return f"{inherited}{length} Fairness, calibration and other languages were not measured."


__all__ = ["TEMPLATE", "check_card", "model_card", "save_card", "write_model_card"]
