"""Publishing: a model folder's card, the files that go up, and their upload."""

from hf_tinybert.hub.card_metadata import CardDetails
from hf_tinybert.hub.model_card import model_card, write_model_card
from hf_tinybert.hub.publish import Publication, Published, publish
from hf_tinybert.hub.published_files import PublishedForm

__all__ = [
    "CardDetails",
    "Publication",
    "Published",
    "PublishedForm",
    "model_card",
    "publish",
    "write_model_card",
]
