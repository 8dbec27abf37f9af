"""A folder of ONNX or OpenVINO that answers as the model it was made of."""

from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig
from transformers.utils.generic import ModelOutput

from hf_tinybert.models.checkpoint_folder import read_json

MANIFEST_FILE = "export.json"
# Their packages, by the format that the manifest names.
_RUNTIMES = {"onnx": ("onnxruntime", "onnx"), "openvino": ("openvino", "openvino")}


class ExportedRuntime(nn.Module):
    """An exported graph behind the call of a model: tensors in, the output of the model's class out; on the CPU.

    Args:
        folder: what `hf-tinybert export` wrote, by `--to onnx`, `onnx-int8` or `openvino`.
        threads: that compute; None leaves it to the runtime.

    Attributes:
        config: of the model.
        input_names: what the graph reads, such as `input_ids`.

    Raises:
        FileNotFoundError: a file of the folder is missing.
        ValueError: the folder is of another format, damaged, or names files outside itself.
        ModuleNotFoundError: the runtime is not installed.
    """

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        super().__init__()
        folder = Path(folder)
        runtime, component = _read_manifest(folder)
        try:
            from transformers.exporters.base import ExportedModel

            self._exported = ExportedModel.from_pretrained(
                folder, device="cpu", local_files_only=True, **_options(runtime, threads)
            )
        except ImportError as error:
            package, extra = _RUNTIMES[runtime]
            raise ModuleNotFoundError(
                f"expected the package `{package}` for `{folder}`, got none ({error}); because it runs the exported "
                f'model; `pip install "hf-tinybert[{extra}]"`',
                name=package,
            ) from error
        self.config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        self.input_names = frozenset(component["metadata"]["kwargs"])

    @property
    def device(self) -> torch.device:
        """Where inputs are read from and outputs written to."""
        return self._exported.device

    def forward(self, **inputs: Tensor) -> ModelOutput:
        """The model's output.

        Args:
            **inputs: int64, `(batch, seq_len)`, of a multiple choice `(batch, choices, seq_len)`; what the graph does
                not read is left out.
        """
        read: dict[str, Any] = {name: value for name, value in inputs.items() if name in self.input_names}
        output: ModelOutput = self._exported(**read)
        return output


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds an exported graph."""
    return (Path(folder) / MANIFEST_FILE).is_file()


def _options(runtime: str, threads: int | None) -> dict[str, Any]:
    """What a runtime is opened with.

    OpenVINO would answer in bfloat16 where the processor has it, otherwise than the model on the next machine.
    """
    if runtime == "openvino":
        count = {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
        return {"config": {"INFERENCE_PRECISION_HINT": "f32", **count}}
    if threads is None:
        return {}
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    return {"session_options": options}


def _read_manifest(folder: Path) -> tuple[str, dict[str, Any]]:
    """Which runtime it is for, and its one graph."""
    manifest = read_json(folder / MANIFEST_FILE)
    runtime, components = manifest.get("export_format"), manifest.get("components")
    if runtime not in _RUNTIMES or not isinstance(components, dict) or len(components) != 1:
        raise ValueError(
            f"expected one graph for {' or '.join(_RUNTIMES)} in `{folder / MANIFEST_FILE}`, got "
            f"{0 if not isinstance(components, dict) else len(components)} for {runtime!r}; because other exports are "
            "not run here; export the model again with `hf-tinybert export`"
        )
    (component,) = components.values()
    file = str(component.get("file", ""))
    if PurePath(file).name != file or not file:
        raise ValueError(
            f"expected the name of a file in `{folder}`, got {file!r} in its `{MANIFEST_FILE}`; because a model reads "
            "nothing outside its folder; do not trust this one"
        )
    return str(runtime), component


__all__ = ["MANIFEST_FILE", "ExportedRuntime", "is_exported"]
