"""The index of weights that lie in several files: every one of them is in the folder of the model."""

import json
from pathlib import Path, PurePath

# Each with the single file that is read in its place where it is there.
INDEX_FILES = {
    "model.safetensors.index.json": "model.safetensors",
    "pytorch_model.bin.index.json": "pytorch_model.bin",
}


def check_weight_index(folder: Path) -> None:
    """Refuse weights in parts of which one is missing, or is said to lie elsewhere.

    Args:
        folder: of a model; where it has no index there is nothing to check.

    Raises:
        ValueError: an index is damaged, or names a file that is not in the folder.
    """
    for name, single in INDEX_FILES.items():
        index = folder / name
        if not index.is_file() or (folder / single).is_file():
            continue
        try:
            parts = {str(part) for part in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"expected a `weight_map` in `{index}`, got what cannot be read so ({error}); because it says which "
                "file holds which weights; save or download the model again"
            ) from error
        for part in sorted(parts):
            if PurePath(part).name != part or not (folder / part).is_file():
                raise ValueError(
                    f"expected the names of files in `{folder}`, got `{part}` in its `{index.name}`; because a model "
                    "reads no weights outside its folder and is nothing without a part; save or download it again"
                )


__all__ = ["INDEX_FILES", "check_weight_index"]
