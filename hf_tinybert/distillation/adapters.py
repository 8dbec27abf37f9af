"""PEFT adapters on either side: merged into a teacher, trained on a student.

A teacher is merged before anything reads it: its hash, its cache and its speed are those of a plain model. A student
stays a `PeftModel`: the adapter and the projections are trained, checkpoints hold `adapter_model.safetensors` and
`distillation_projections.safetensors`, and `trainer.model.merge_and_unload()` gives the plain student.

peft is imported by the functions that need it.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import CONFIG_NAME
from transformers.utils.hub import cached_file

from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

logger = logging.getLogger(__name__)

ADAPTER_CONFIG_FILE = "adapter_config.json"

_ONLY_ADAPTER = "default"  # the one that peft saves into the folder itself, where Trainer looks for it
# adapters that no resumed run can go on with, or whose training Trainer does not drive
_NO_STUDENTS = {
    "ADALORA": "its ranks are set by `update_and_allocate`, which nothing calls at the end of a step",
    "CARTRIDGE": "it is trained on cached keys and values of a decoder",
    "CPT": "it is made for decoders",
    "MULTITASK_PROMPT_TUNING": "every row would have to say its task",
    "P_TUNING": "only what its encoder gives is saved, and a resumed run starts its encoder anew",
}


def is_adapter(name: str | Path) -> bool:
    """Whether a folder or a Hub model is an adapter, which is loaded on its base.

    Args:
        name: folder or Hub name; of one that neither can have it says nothing.

    Raises:
        FileNotFoundError: the Hub does not answer, or is not asked, and no such model lies in the local cache: whoever
            asks for its files next would wait as long again.
    """
    if Path(name).is_dir():
        return (Path(name) / ADAPTER_CONFIG_FILE).is_file()
    try:
        return cached_file(str(name), ADAPTER_CONFIG_FILE) is not None
    except OSError as error:
        unanswered = isinstance(error.__cause__, LocalEntryNotFoundError)
        if unanswered and not isinstance(try_to_load_from_cache(str(name), CONFIG_NAME), str):
            raise unknown_model(name, error) from error
        return False


def unknown_model(name: str | Path, error: OSError) -> FileNotFoundError:
    """What is said of a model that is found neither on this machine nor on the Hub."""
    return FileNotFoundError(
        f"expected a model folder or a Hub name, got `{name}`; because there is no configuration ({error}); check "
        "the spelling, the connection and HF_HUB_OFFLINE"
    )


def is_adapter_model(model: object) -> "TypeGuard[PeftModel]":
    """Whether a model is a `PeftModel`; does not import peft, without which there is none."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def transformers_model(model: "PreTrainedModel | PeftModel") -> PreTrainedModel:
    """The transformers model: the one inside a `PeftModel`, adapter layers in place, or the model itself.

    Configuration, class name, forward signature and attention implementation are read off and set on this one. Run,
    train, wrap and save the model that was given.

    Raises:
        ValueError: neither a transformers model nor a `PeftModel` of one.
    """
    inner = model.get_base_model() if is_adapter_model(model) else model
    if not isinstance(inner, PreTrainedModel):
        raise ValueError(
            f"expected a transformers model or a `PeftModel` of one, got `{type(inner).__name__}`; because models are "
            "read and trained as such; pass what `from_pretrained` gives (`torch_compile` compiles it in training)"
        )
    return inner


def check_adapter_student(
    student: "PreTrainedModel | PeftModel", *, reads_layers: bool, reads_predictions: bool
) -> None:
    """Refuse an adapter that cannot be distilled into; a student without adapter passes.

    Warns where the adapter would be of no use alone, and where the head stays as it is.

    Args:
        student: the student as given.
        reads_layers: whether a term of any phase compares embeddings, hidden states or attention.
        reads_predictions: whether a term of any phase compares predictions.

    Raises:
        ValueError: more than one adapter, one of another name than `default`, a frozen one, one that lives inside the
            model without a `PeftModel` around it, a prompt where layers are compared, or a kind that cannot resume.
    """
    inner = transformers_model(student)
    if not is_adapter_model(student):
        if inner._hf_peft_config_loaded:
            raise ValueError(
                f"expected a `PeftModel`, got a `{type(inner).__name__}` with an adapter inside; because its "
                "checkpoints could not be resumed; load the base and wrap it by "
                "`PeftModel.from_pretrained(base, folder, is_trainable=True)`"
            )
        return
    names = list(student.peft_config)
    if names != [_ONLY_ADAPTER] or student.active_adapters != names:
        raise ValueError(
            f"expected one active adapter named `{_ONLY_ADAPTER}`, got {names} with {student.active_adapters} active; "
            "because a checkpoint restores that one only; merge or delete the others first"
        )
    kind = _kind(student.peft_config[_ONLY_ADAPTER])
    if kind in _NO_STUDENTS:
        raise ValueError(
            f"expected an adapter that can be distilled into, got {kind}; because {_NO_STUDENTS[kind]}; use LoRA"
        )
    if student.peft_config[_ONLY_ADAPTER].is_prompt_learning:
        _check_prompt(kind, inner, reads_layers=reads_layers)
    if not any(parameter.requires_grad for parameter in student.parameters()):
        raise ValueError(
            "expected an adapter that learns, got a frozen one; because only projections would be trained; load it by "
            "`PeftModel.from_pretrained(base, folder, is_trainable=True)`"
        )
    _warn_of_the_base(inner)
    if reads_predictions:
        _warn_of_a_frozen_head(inner)


def merged_teacher(teacher: "PreTrainedModel | PeftModel") -> PreTrainedModel:
    """The teacher with its active adapters merged into its weights, heads of `modules_to_save` in place.

    Merges in place: the `PeftModel` that was given is used up. A teacher without adapter comes back as it is.

    Raises:
        ValueError: the base is quantised, the adapter cannot be merged or gives NaN or infinity, or it lives inside
            the model without a `PeftModel` around it.
    """
    inner = transformers_model(teacher)
    if not is_adapter_model(teacher):
        if inner._hf_peft_config_loaded:
            raise ValueError(
                f"expected a merged teacher, got a `{type(inner).__name__}` with an adapter inside; because it would "
                "be computed anew in every step; pass the adapter's folder, or "
                "`PeftModel.from_pretrained(base, folder)`"
            )
        return inner
    kinds = ", ".join(_kind(config) for config in teacher.peft_config.values())
    check_not_quantised(inner)
    if any(config.is_prompt_learning for config in teacher.peft_config.values()):
        raise ValueError(
            f"expected an adapter that can be merged, got {kinds}; because a prompt is an input and not a weight, and "
            "moves every position; pass a teacher tuned by LoRA or in full"
        )
    try:
        merged: object = teacher.merge_and_unload(safe_merge=True)  # missing, or raises, where it cannot be done
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected an adapter that can be merged, got {kinds}; because peft says: {error}; pass a teacher tuned "
            "by LoRA or in full"
        ) from error
    if not isinstance(merged, PreTrainedModel):
        raise ValueError(f"expected a transformers model after merging, got `{type(merged).__name__}`")
    return merged


def check_not_quantised(model: PreTrainedModel) -> None:
    """Refuse to merge into quantised weights.

    Raises:
        ValueError: the configuration names a quantisation.
    """
    quantisation = model.config.to_dict().get("quantization_config")
    if quantisation:
        method = quantisation.get("quant_method", "unknown") if isinstance(quantisation, Mapping) else "unknown"
        raise ValueError(
            f"expected a base with plain weights, got one quantised by `{method}`; because merging would round the "
            "adapter to its few levels; load the base unquantised (`base_model_name_or_path` in "
            f"`{ADAPTER_CONFIG_FILE}`) and merge there"
        )


def load_adapter(base: PreTrainedModel, folder: str | Path) -> "PeftModel":
    """A base with the adapter of a folder on it, frozen; every weight of the adapter has found its place.

    Args:
        base: the model the adapter was trained on, in float32.
        folder: Hub name or folder with `adapter_config.json`.

    Raises:
        ValueError: the adapter is a prompt, was trained on another base, or lacks weights.
    """
    from peft import PeftConfig, PeftModel, get_peft_model
    from peft.utils import load_peft_weights

    register_lora_targets()
    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    if config.is_prompt_learning:
        raise ValueError(
            f"expected an adapter that can be merged, got {_kind(config)} in `{folder}`; because a prompt is "
            "an input and not a weight, and moves every position; pass a teacher tuned by LoRA or in full"
        )
    try:
        model = get_peft_model(base, config)
        expected = _adapter_shapes(model)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected a base for the adapter `{folder}`, got `{type(base).__name__}`; because peft says: {error}; "
            f"set `base_model_name_or_path` in `{ADAPTER_CONFIG_FILE}` to the model that the adapter was trained on"
        ) from error
    got = {name: tuple(tensor.shape) for name, tensor in load_peft_weights(str(folder), device="cpu").items()}
    if expected != got:
        different = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
        first = different[0]
        raise ValueError(
            f"expected the adapter `{folder}` to fit `{type(base).__name__}`, got {len(different)} weights that do "
            f"not, such as `{first}`: {expected.get(first)} in the model and {got.get(first)} in the file; because an "
            f"adapter works on its own base only; set `base_model_name_or_path` in `{ADAPTER_CONFIG_FILE}` to it"
        )
    if not isinstance(model, PeftModel):
        raise ValueError(f"expected an adapter of one kind in `{folder}`, got a mixed one")
    model.load_adapter(str(folder), _ONLY_ADAPTER, torch_device="cpu")
    return model


def without_projections(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a student that are saved for use; with `bias="all"` peft would take the projections' too."""
    return {name: tensor for name, tensor in weights.items() if not name.startswith(f"{PROJECTIONS_ATTRIBUTE}.")}


def register_lora_targets() -> None:
    """Tell peft which modules of a TinyBERT an adapter goes on: those of BERT, as its layers are BERT's.

    Afterwards `LoraConfig(task_type="SEQ_CLS")` needs no `target_modules` for a TinyBERT. Loading or distilling an
    adapter calls it; call it before `get_peft_model` to fine-tune a distilled student with the stock Trainer, or pass
    `target_modules=["query", "value"]`. Calling it again changes nothing, nor does it replace an entry of peft's own.
    """
    from peft.utils import constants

    for name, targets in vars(constants).items():
        if name.endswith("_MODULES_MAPPING") and "bert" in targets:
            targets.setdefault("tinybert", targets["bert"])


def _kind(config: "PeftConfig") -> str:
    """LORA, IA3, PREFIX_TUNING, ... as in adapter_config.json."""
    from peft import PeftType

    return str(PeftType(config.peft_type).value)


def _adapter_shapes(model: "PeftModel") -> dict[str, tuple[int, ...]]:
    """Names and shapes of an adapter's weights, as in its file."""
    from peft import get_peft_model_state_dict

    weights: dict[str, Any] = get_peft_model_state_dict(model)
    return {name: tuple(tensor.shape) for name, tensor in weights.items() if isinstance(tensor, Tensor)}


def _check_prompt(kind: str, student: PreTrainedModel, *, reads_layers: bool) -> None:
    """Virtual tokens change the length of every state; only the prediction of a whole text stays comparable."""
    if reads_layers:
        raise ValueError(
            f"expected an adapter that leaves the sequence as it is, got {kind}; because its virtual tokens stand "
            "among the positions that the layer terms compare with the teacher's; train the prediction-layer phase "
            "only, or use LoRA"
        )
    if head_kind(student) != "ForSequenceClassification":
        raise ValueError(
            f"expected {kind} on a classifier of whole texts, got `{type(student).__name__}`; because virtual tokens "
            "move the predictions of tokens; use LoRA"
        )


def _warn_of_the_base(student: PreTrainedModel) -> None:
    if not student.config._name_or_path:
        logger.warning(
            "the student's base was never saved: its adapter alone will not load; save the base before wrapping it "
            "and load it again, or call `merge_and_unload()` after training"
        )


def _warn_of_a_frozen_head(student: PreTrainedModel) -> None:
    encoder = {id(parameter) for parameter in student.base_model.parameters()}
    head = [parameter for parameter in student.parameters() if id(parameter) not in encoder]
    if head and not any(parameter.requires_grad for parameter in head):
        logger.warning(
            "the student's head is frozen: predictions are learned through the adapter only; give `task_type` or "
            "`modules_to_save` to the adapter's configuration to train it"
        )


__all__ = [
    "ADAPTER_CONFIG_FILE",
    "check_adapter_student",
    "check_not_quantised",
    "is_adapter",
    "is_adapter_model",
    "load_adapter",
    "merged_teacher",
    "register_lora_targets",
    "transformers_model",
    "unknown_model",
    "without_projections",
]
