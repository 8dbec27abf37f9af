"""How a published model is loaded: the lines of code that its card shows, with this package and without."""

import json
from dataclasses import dataclass

from hf_tinybert.hub.card_metadata import head_of
from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.hub.published_files import PublishedForm
from hf_tinybert.models.configuration_tinybert import TinyBertConfig

_EMBEDDING = "ForSentenceEmbedding"
# Classes of this package that no Auto class gives.
_OWN_CLASSES = ("ForExtractiveSummarization", "ForMultiTask")


@dataclass(frozen=True)
class LoadingWay:
    """One way to load a model.

    Attributes:
        title: when it is the one.
        code: lines of Python, or of a shell after a `#`.
    """

    title: str
    code: str


def library_of(facts: ModelFacts, form: PublishedForm) -> str:
    """The library that loads the published form, by the Hub's name."""
    return "sentence-transformers" if _as_sentence_transformer(facts, form) else "transformers"


def loading_ways(
    facts: ModelFacts, form: PublishedForm, repo_id: str, *, remote_code: bool = False
) -> list[LoadingWay]:
    """Every way to load a published model, the shortest first.

    Args:
        facts: of the source folder.
        form: that is published.
        repo_id: Hub name or folder name.
        remote_code: whether the model code goes along.
    """
    if facts.model_type != TinyBertConfig.model_type or form is PublishedForm.BERT:
        return _plain_ways(facts, form, repo_id)
    ways = [LoadingWay("With hf_tinybert installed", _native(facts, repo_id))]
    if remote_code:
        trusted = _by_auto_class(facts, repo_id, ", trust_remote_code=True") + _head(facts)
        ways.append(LoadingWay("Without it, running the model code in this repository", trusted))
    elif facts.head not in (_EMBEDDING, *_OWN_CLASSES) and facts.config.get("classifier_activation") is None:
        # the same weights by the same names; transformers warns of the model type
        stock = "BertLMHeadModel" if facts.head == "ForCausalLM" else f"Bert{facts.head}"
        ways.append(LoadingWay("Without it", _load(stock, repo_id)))
    return ways


def _plain_ways(facts: ModelFacts, form: PublishedForm, repo_id: str) -> list[LoadingWay]:
    if _as_sentence_transformer(facts, form):
        code = (
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer({_quoted(repo_id)})\nembeddings = model.encode(["A text.", "Another one."])'
        )
        return [LoadingWay("With sentence-transformers; this package is not needed", code)]
    return [LoadingWay("With transformers alone", _by_auto_class(facts, repo_id))]


def _as_sentence_transformer(facts: ModelFacts, form: PublishedForm) -> bool:
    return facts.head == _EMBEDDING and form is PublishedForm.BERT


def _native(facts: ModelFacts, repo_id: str) -> str:
    if facts.head not in _OWN_CLASSES:
        return f"import hf_tinybert  # registers TinyBERT\n{_by_auto_class(facts, repo_id)}"
    return _load(facts.architecture, repo_id, package="hf_tinybert") + _head(facts)


def _head(facts: ModelFacts) -> str:
    """A line more where the model has several heads, of which one answers."""
    if facts.head != "ForMultiTask" or not facts.heads:
        return ""
    return f"\nhead = model.for_task({_quoted(next(iter(facts.heads)))})  # of {', '.join(facts.heads)}"


def _by_auto_class(facts: ModelFacts, repo_id: str, argument: str = "") -> str:
    return _load(head_of(facts).auto_class, repo_id, argument)


def _load(name: str, repo_id: str, argument: str = "", *, package: str = "transformers") -> str:
    imports = (
        f"from transformers import {', '.join(sorted(('AutoTokenizer', name)))}"
        if package == "transformers"
        else f"from {package} import {name}\nfrom transformers import AutoTokenizer"
    )
    return (
        f"{imports}\n\ntokenizer = AutoTokenizer.from_pretrained({_quoted(repo_id)}{argument})\n"
        f"model = {name}.from_pretrained({_quoted(repo_id)}{argument})"
    )


def _quoted(text: str) -> str:
    """As Python reads it again: what JSON escapes, Python does too."""
    return json.dumps(text, ensure_ascii=False)


__all__ = ["LoadingWay", "library_of", "loading_ways"]
