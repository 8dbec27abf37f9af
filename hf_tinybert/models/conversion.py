"""Published TinyBERT folders become folders of this package, and these become plain BERT folders."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hf_tinybert.models.checkpoint_folder import (
    CONFIG_FILE,
    check_output_folder,
    read_json,
    staged_folder,
)
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForCausalLM,
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForNextSentencePrediction,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
    TinyBertModel,
)
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.modeling_tinybert_summarization import TinyBertForExtractiveSummarization
from hf_tinybert.models.published_checkpoint import PublishedCheckpoint, load_published_checkpoint

logger = logging.getLogger(__name__)

PROJECTIONS_FILE = "distillation_projections.safetensors"

# Each TinyBERT class and the BERT class with the same parameters.
_BERT_COUNTERPARTS: dict[type[PreTrainedModel], type[PreTrainedModel]] = {
    TinyBertModel: BertModel,
    TinyBertForCausalLM: BertLMHeadModel,
    TinyBertForExtractiveSummarization: BertForTokenClassification,
    TinyBertForMaskedLM: BertForMaskedLM,
    TinyBertForMultipleChoice: BertForMultipleChoice,
    TinyBertForNextSentencePrediction: BertForNextSentencePrediction,
    TinyBertForPreTraining: BertForPreTraining,
    TinyBertForQuestionAnswering: BertForQuestionAnswering,
    TinyBertForSequenceClassification: BertForSequenceClassification,
    TinyBertForTokenClassification: BertForTokenClassification,
}
# What to do with the others.
_OTHER_WAYS: dict[str, str] = {
    TinyBertForMultiTask.__name__: (
        "export one task at a time, `hf-tinybert export --task NAME --to bert` or "
        "`export_to_bert(model.for_task(name), folder)`"
    ),
    TinyBertForSentenceEmbedding.__name__: (
        "write it as plain BERT with its pooling, `hf-tinybert export --to sentence-transformers` or "
        "`save_as_sentence_transformer`"
    ),
}
_PLAIN = {bert.__name__: "it is plain BERT as it is, and loads everywhere" for bert in _BERT_COUNTERPARTS.values()}


def convert_published_checkpoint(
    source: str | Path,
    output: str | Path,
    *,
    id2label: Mapping[int, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a published TinyBERT folder as one that `from_pretrained` of this package and the Auto classes load.

    Args:
        source: Folder in the format of the original release, see `load_published_checkpoint`.
        output: Folder to write: config.json, model.safetensors, the tokenizer, and the projections, where there are
            any, as distillation_projections.safetensors. Written as a whole or not at all.
        id2label: Names of the labels, see `load_published_checkpoint`.
        overwrite: Whether a checkpoint already in `output` may be replaced, all its files included.

    Returns:
        `output`.

    Raises:
        FileNotFoundError: A file of the source is missing.
        FileExistsError: `output` holds something that must not be replaced.
        ValueError: The source cannot be converted, or is the output.
    """
    output = Path(output)
    _check_apart(Path(source), output)
    check_output_folder(output, overwrite=overwrite)
    checkpoint = load_published_checkpoint(source, id2label=id2label)
    with staged_folder(output, overwrite=overwrite) as staged:
        checkpoint.model.save_pretrained(staged)
        checkpoint.tokenizer.save_pretrained(staged)
        if checkpoint.projections:
            save_file(checkpoint.projections, staged / PROJECTIONS_FILE, metadata={"format": "pt"})
    return output


def export_to_bert(
    source: str | Path | PreTrainedModel,
    output: str | Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a TinyBERT model as a plain BERT folder, which loads everywhere without this package; same outputs.

    Args:
        source: A TinyBERT folder or model. Projections of a distillation in progress are left out.
        output: Folder to write, with `model_type: bert`. Written as a whole or not at all.
        tokenizer: The tokenizer to write; by default the one in the source folder.
        overwrite: Whether a checkpoint already in `output` may be replaced, all its files included.

    Returns:
        `output`.

    Raises:
        FileNotFoundError: A file of the source folder is missing.
        FileExistsError: `output` holds something that must not be replaced.
        ValueError: The source is not a TinyBERT model or not complete, it is the output, or its classification head
            has an activation, which BERT has not.
    """
    output = Path(output)
    check_output_folder(output, overwrite=overwrite)
    if isinstance(source, PreTrainedModel):
        model = source
    else:
        source = Path(source)
        _check_apart(source, output)
        model = _load_native(source)
        tokenizer = _load_native_tokenizer(source) if tokenizer is None else tokenizer
    bert = _to_bert(model)
    if tokenizer is None:
        logger.warning(
            f"expected a tokenizer to write beside the weights, got none; `{output}` will not load in a pipeline; "
            "pass `tokenizer=` to `export_to_bert`"
        )
    with staged_folder(output, overwrite=overwrite) as staged:
        # The original names of a checkpoint with gamma and beta are not BERT's names today.
        bert.save_pretrained(staged, save_original_format=False)
        if tokenizer is not None:
            tokenizer.save_pretrained(staged)
    return output


def _load_native(folder: Path) -> PreTrainedModel:
    """Load a TinyBERT folder in the class it was saved from, with all its weights."""
    settings = read_json(folder / CONFIG_FILE)
    if settings.get("model_type") != TinyBertConfig.model_type:
        raise ValueError(
            f"expected a folder with model type `tinybert`, got `{settings.get('model_type')}` in `{folder}`; because "
            "only these are exported; convert a published folder with `convert_published_checkpoint` first, a plain "
            "BERT folder needs no export"
        )
    architecture = (settings.get("architectures") or [None])[0]
    classes = {model_class.__name__: model_class for model_class in _BERT_COUNTERPARTS}
    if architecture not in classes:
        raise ValueError(
            f"expected one of {_class_names()} as first of `architectures` in `{folder / CONFIG_FILE}`, got "
            f"`{architecture}`; because it says which head to export; "
            f"{_OTHER_WAYS.get(str(architecture), 'load the model yourself and pass it instead')}"
        )
    try:
        loaded: Any = classes[architecture].from_pretrained(folder, output_loading_info=True, local_files_only=True)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"expected the complete weights of a `{architecture}` in `{folder}`, got weights that cannot be loaded "
            f"({error}); because the file is truncated or belongs to another config.json; save the model again"
        ) from error
    model: PreTrainedModel
    model, report = loaded
    missing, unexpected = set(report["missing_keys"]), set(report["unexpected_keys"])
    if missing and all(name.startswith("pooler.") for name in missing):
        # The encoder was saved without its pooler; random weights must not take its place.
        model = TinyBertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
    elif missing or unexpected:
        raise ValueError(
            f"expected exactly the weights of a `{architecture}` in `{folder}`, got none for "
            f"{_quoted(sorted(missing))} and left over {_quoted(sorted(unexpected))}; because random weights would "
            "take the place of missing ones; save the model again"
        )
    return model


def _load_native_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """Load the tokenizer of a folder, or give None where it has none (BertTokenizer would make one of 5 tokens up)."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
        return None
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer


def _to_bert(model: PreTrainedModel) -> PreTrainedModel:
    """Copy a TinyBERT model into the BERT class with the same parameters."""
    if type(model) not in _BERT_COUNTERPARTS:
        ways = {**_OTHER_WAYS, **_PLAIN}
        way = ways.get(type(model).__name__, "merge an adapter into its model first")
        raise ValueError(
            f"expected one of {_class_names()}, got `{type(model).__name__}`; because only these have a BERT class "
            f"with the same parameters; {way}"
        )
    activation = model.config.classifier_activation
    if isinstance(model, TinyBertForSequenceClassification) and activation is not None:
        raise ValueError(
            f"expected a classification head without activation, got `classifier_activation={activation}`; because "
            "BERT's head has none and the exported model would answer differently; keep the TinyBERT folder, or set "
            "`classifier_activation=None` and fine-tune the model again before the export"
        )
    config = plain_bert_config(model.config)
    without_pooler = isinstance(model, TinyBertModel) and model.pooler is None
    arguments = {"add_pooling_layer": False} if without_pooler else {}
    bert = _BERT_COUNTERPARTS[type(model)](config, **arguments)
    weights = model.state_dict()
    nn.Module.to(bert, model.dtype)
    bert.load_state_dict({name: weights[name] for name in bert.state_dict()})
    return bert


def plain_bert_config(config: PreTrainedConfig) -> BertConfig:
    """The configuration of the BERT model with the same encoder: what only TinyBERT knows is left out."""
    values = config.to_dict()
    names = {field.name for field in fields(BertConfig)} - {"architectures", "transformers_version"}
    return BertConfig(**{name: values[name] for name in names if name in values})


def _check_apart(source: Path, output: Path) -> None:
    if source.resolve() == output.resolve():
        raise ValueError(
            f"expected two different folders, got `{source}` as source and output; because the source would be lost; "
            "name another output folder"
        )


def _class_names() -> str:
    return ", ".join(f"`{model_class.__name__}`" for model_class in _BERT_COUNTERPARTS)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


__all__ = [
    "PROJECTIONS_FILE",
    "PublishedCheckpoint",
    "convert_published_checkpoint",
    "export_to_bert",
    "load_published_checkpoint",
    "plain_bert_config",
]
