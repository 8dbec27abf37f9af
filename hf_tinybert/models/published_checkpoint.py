"""Reading the folders of the original TinyBERT release.

Source: the layouts are those of huawei-noah/Pretrained-Language-Model, folder TinyBERT.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BertTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.models.checkpoint_folder import CONFIG_FILE, read_json, read_vocabulary, read_weights
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForMaskedLM,
    TinyBertForPreTraining,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertModel,
)

# The first class all of whose heads a checkpoint has is the one it was saved from.
_CLASS_OF_HEADS: tuple[tuple[tuple[str, ...], type[PreTrainedModel]], ...] = (
    (("classifier.",), TinyBertForSequenceClassification),
    (("qa_outputs.",), TinyBertForQuestionAnswering),
    (("cls.predictions.", "cls.seq_relationship."), TinyBertForPreTraining),
    (("cls.predictions.",), TinyBertForMaskedLM),
)
# Without these in config.json a default would stand in silently; the number of heads shows in no weight's shape.
_REQUIRED_CONFIG_FIELDS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
_TOKENIZER_SETTINGS = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_BUFFERS = ("bert.embeddings.position_ids", "bert.embeddings.token_type_ids")
_PROJECTION_KEY = re.compile(r"fit_dense(?:s\.(?P<index>\d+))?\.(?P<part>weight|bias)")


@dataclass(frozen=True)
class PublishedCheckpoint:
    """What a published TinyBERT folder holds.

    Attributes:
        model: The TinyBERT model, on the CPU and in evaluation mode.
        tokenizer: Its tokenizer.
        projections: The linear maps from the student's to its teacher's width, for further distillation:
            `projections.{i}.weight` (teacher_width, student_width) and `projections.{i}.bias` (teacher_width,). One
            entry serves all states, `layers + 1` entries one state each (0 is the embedding output); empty where the
            checkpoint has none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    projections: dict[str, Tensor]


def load_published_checkpoint(
    folder: str | Path,
    model_class: type[PreTrainedModel] | None = None,
    *,
    id2label: Mapping[int, str] | None = None,
) -> PublishedCheckpoint:
    """Load a folder in the format of the original TinyBERT release; every weight in it is accounted for.

    Args:
        folder: Folder with config.json, vocab.txt and pytorch_model.bin (or model.safetensors).
        model_class: A TinyBERT class, or None to take the one that the heads in the checkpoint tell. A class without
            one of these heads drops it. A sequence classification reads `relu(pooled_output)`, as published.
        id2label: Names of the labels, for a checkpoint with a classification head; by default those in config.json,
            or LABEL_0, LABEL_1, ...

    Returns:
        Model, tokenizer and projections.

    Raises:
        FileNotFoundError: A file of the folder is missing.
        ValueError: A file is damaged, the files do not fit together, or weights are missing, unexpected or of
            another shape than config.json says; the message names them.
    """
    folder = Path(folder)
    settings = _read_settings(folder)
    tokenizer = _read_tokenizer(folder, settings)
    weights = _rename_to_bert(read_weights(folder))
    projections = _take_projections(weights, settings)
    model_class = _infer_model_class(weights) if model_class is None else model_class
    if model_class.config_class is not TinyBertConfig:
        raise ValueError(
            f"expected a TinyBERT class as `model_class`, got `{model_class.__name__}`; because its configuration is "
            "another; leave `model_class` out to take the class that the checkpoint was saved from"
        )
    model = model_class(_build_config(settings, weights, model_class, id2label))
    _load_every_weight(model, weights)
    model.eval()
    return PublishedCheckpoint(model, tokenizer, projections)


def _read_settings(folder: Path) -> dict[str, Any]:
    """Read config.json of a published folder, checked to be one."""
    settings = read_json(folder / CONFIG_FILE)
    # The original release has no model type; copies of it on the Hub say bert.
    model_type = settings.get("model_type", "bert")
    if model_type != "bert":
        raise ValueError(
            f"expected a published TinyBERT folder, whose config.json has no model type or `bert`, got "
            f"`{model_type}` in `{folder}`; because only the published layout is converted; a `tinybert` folder "
            "loads with `AutoModel.from_pretrained` as it is"
        )
    missing = [name for name in _REQUIRED_CONFIG_FIELDS if not isinstance(settings.get(name), int)]
    if missing:
        raise ValueError(
            f"expected the shape of the model in `{folder / CONFIG_FILE}`, got no number for {_quoted(missing)}; "
            "because a default may not be what the weights were trained with; add the fields"
        )
    return settings


def _read_tokenizer(folder: Path, settings: dict[str, Any]) -> BertTokenizer:
    """Build the tokenizer from vocab.txt, lower-casing unless tokenizer_config.json says otherwise."""
    path = folder / "vocab.txt"
    vocabulary = read_vocabulary(path)
    missing = [token for token in _SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        raise ValueError(
            f"expected BERT's special tokens in `{path}`, got {len(vocabulary)} tokens without {_quoted(missing)}; "
            "because they would get ids that the model has no embedding for; use the vocabulary of this checkpoint"
        )
    if max(vocabulary.values()) >= settings["vocab_size"]:
        raise ValueError(
            f"expected at most {settings['vocab_size']} tokens in `{path}` (`vocab_size` of config.json), got "
            f"{max(vocabulary.values()) + 1}; because the others have no embedding; use the vocabulary of this "
            "checkpoint"
        )
    own = folder / "tokenizer_config.json"
    own_settings = read_json(own) if own.is_file() else {}
    positions = settings["max_position_embeddings"]
    return BertTokenizer(
        vocab=vocabulary,
        # Text longer than the position embeddings fails deep inside the model unless the tokenizer cuts it.
        model_max_length=min(own_settings.get("model_max_length", positions), positions),
        **{name: own_settings[name] for name in _TOKENIZER_SETTINGS if name in own_settings},
    )


def _rename_to_bert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give every weight the name it has in a BERT model with a head; published projections keep theirs."""
    renamed: dict[str, Tensor] = {}
    for published_name, weight in weights.items():
        name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", published_name)
        name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)
        name = re.sub(r"^(embeddings|encoder|pooler)\.", r"bert.\1.", name)
        if name in renamed:
            raise ValueError(
                f"expected one weight per name, got two for `{name}` (one of them as `{published_name}`); because "
                "old and new names stand side by side; remove one of the two"
            )
        if name not in _BUFFERS:
            renamed[name] = weight
    return renamed


def _take_projections(weights: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
    """Move the published projections out of `weights`, checked and under the names of the projections file."""
    published = {match[0]: match for match in map(_PROJECTION_KEY.fullmatch, weights) if match is not None}
    taken = {
        f"projections.{match['index'] or 0}.{match['part']}": weights.pop(name) for name, match in published.items()
    }
    if not taken:
        return {}
    shared = any(match["index"] is None for match in published.values())
    count = 1 if shared else settings["num_hidden_layers"] + 1
    teacher_width = next(len(weight) for weight in taken.values())
    expected: dict[str, tuple[int, ...]] = {}
    for index in range(count):
        expected[f"projections.{index}.weight"] = (teacher_width, settings["hidden_size"])
        expected[f"projections.{index}.bias"] = (teacher_width,)
    if len(taken) != len(published) or {name: tuple(weight.shape) for name, weight in taken.items()} != expected:
        shapes = ", ".join(f"`{name}` {tuple(weight.shape)}" for name, weight in taken.items())
        raise ValueError(
            f"expected one projection `fit_dense` or {settings['num_hidden_layers'] + 1} projections `fit_denses.N` "
            f"of {settings['hidden_size']} columns and as many rows as the teacher is wide, each with its bias, got "
            f"{_quoted(published)}, that is {shapes}; because one serves all states or each state has its own; use "
            "a complete checkpoint"
        )
    # Each a tensor of its own: published files may share storage between them, which safetensors refuses to write.
    return {name: taken[name].float().clone(memory_format=torch.contiguous_format) for name in expected}


def _infer_model_class(weights: Mapping[str, Tensor]) -> type[PreTrainedModel]:
    """Tell the class that a checkpoint was saved from by the heads in it."""
    for heads, model_class in _CLASS_OF_HEADS:
        if all(any(name.startswith(head) for name in weights) for head in heads):
            return model_class
    unknown = [name for name in weights if not name.startswith("bert.")]
    if unknown:
        raise ValueError(
            f"expected the weights of an encoder and of a known head, got {_quoted(unknown)} besides; because no "
            "TinyBERT class has them; pass `model_class=TinyBertModel` to load the encoder alone, if they belong to "
            "a head, or remove them"
        )
    return TinyBertModel


def _build_config(
    settings: dict[str, Any],
    weights: Mapping[str, Tensor],
    model_class: type[PreTrainedModel],
    id2label: Mapping[int, str] | None,
) -> TinyBertConfig:
    """Build the configuration from what TinyBertConfig knows in config.json; the rest described the training."""
    known = {field.name for field in fields(TinyBertConfig)} - {"architectures", "transformers_version", "dtype"}
    values = {name: value for name, value in settings.items() if name in known}
    for name in ("id2label", "label2id"):
        values.pop(name, None)
    names = id2label if id2label is not None else settings.get("id2label")
    head = weights.get("classifier.weight", weights.get("qa_outputs.weight"))
    if head is not None:
        labels = {int(index): label for index, label in (names or _default_labels(len(head))).items()}
        if sorted(labels) != list(range(len(head))):
            raise ValueError(
                f"expected names for the labels 0 to {len(head) - 1}, got {labels}; because the head of the "
                f"checkpoint has {len(head)} outputs; pass `id2label` with one name for each"
            )
        values["id2label"] = labels
        values["label2id"] = {label: index for index, label in labels.items()}
    elif id2label is not None:
        raise ValueError(
            "expected no `id2label` for a checkpoint without a classification head, got "
            f"{dict(id2label)}; because there is no output to name; leave it out"
        )
    if issubclass(model_class, TinyBertForSequenceClassification):
        values["classifier_activation"] = "relu"
    return TinyBertConfig(**values)


def _load_every_weight(model: PreTrainedModel, weights: dict[str, Tensor]) -> None:
    """Copy `weights` into `model`; whatever is missing, left over or of another shape raises."""
    if isinstance(model, TinyBertModel):
        weights = {name.removeprefix("bert."): weight for name, weight in weights.items()}
    unused = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_unexpected or ()]
    weights = {name: weight for name, weight in weights.items() if not any(key.search(name) for key in unused)}
    for target, source in model.all_tied_weights_keys.items():
        if source in weights and not torch.equal(weights.setdefault(target, weights[source]), weights[source]):
            raise ValueError(
                f"expected `{target}` to equal `{source}`, got different values; because the two are one parameter "
                "in a published TinyBERT; the checkpoint comes from another model"
            )
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    problems = [f"`{name}` is missing" for name in expected if name not in weights]
    problems += [f"`{name}` is unexpected" for name in weights if name not in expected]
    problems += [
        f"`{name}` has shape {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in expected.items()
        if name in weights and tuple(weights[name].shape) != shape
    ]
    if problems:
        raise ValueError(
            f"expected exactly the weights of `{type(model).__name__}` in the shape config.json gives, got: "
            f"{'; '.join(problems)}; because a weight left out or made up would change the model silently; check that "
            "config.json and weights belong together, or choose the `model_class` that the checkpoint was saved from"
        )
    model.load_state_dict(weights)


def _default_labels(count: int) -> dict[int, str]:
    return {index: f"LABEL_{index}" for index in range(count)}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
