"""A model in the class that it was saved from, whatever its head."""

from pathlib import Path
from typing import Any

import transformers
from transformers import PreTrainedModel

from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForCausalLM,
    TinyBertForNextSentencePrediction,
    TinyBertForPreTraining,
    TinyBertModel,
)
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.workflow.heads import STUDENT_CLASSES
from hf_tinybert.workflow.model_folder import load_config

_OURS: dict[str, type[PreTrainedModel]] = {
    one.__name__: one
    for one in (
        *STUDENT_CLASSES.values(),
        TinyBertForCausalLM,
        TinyBertForMultiTask,
        TinyBertForNextSentencePrediction,
        TinyBertForPreTraining,
        TinyBertModel,
    )
}
_POOLER = "pooler."


def load_as_saved(name: str) -> PreTrainedModel:
    """A model with all weights that were saved and no others, in evaluation mode.

    Args:
        name: folder or Hub name.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: truncated weights, some that are not there, or a class that is not known.
    """
    check_weights(Path(name))
    saved = str((load_config(name).architectures or ["none"])[0])
    found = _OURS.get(saved, getattr(transformers, saved, None))
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
        raise ValueError(
            f"expected a class of transformers or of this package as `architectures` of `{name}`, got `{saved}`; "
            "because it says which head the weights are of; save the model by `save_pretrained`"
        )
    loader: Any = found  # its return type leaves out the loading info
    model, info = loader.from_pretrained(name, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing and all(key.startswith(_POOLER) for key in missing):
        model, missing = loader.from_pretrained(name, add_pooling_layer=False), []
    if missing:
        raise ValueError(
            f"expected all weights of a `{saved}` in `{name}`, got none of {', '.join(missing[:5])}; because they "
            "would be drawn at random and saved as if trained; name the folder of a whole model"
        )
    loaded: PreTrainedModel = model.eval()
    return loaded


__all__ = ["load_as_saved"]
