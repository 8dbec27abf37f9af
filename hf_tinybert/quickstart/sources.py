"""Whether a quickstart that goes on, or has finished, has the teacher and the texts with which it began."""

import hashlib
import json
from pathlib import Path

from datasets import DatasetDict

from hf_tinybert.models.checkpoint_folder import weight_files_sha256
from hf_tinybert.run_folder import RunFolder

_STAGE = "sources"


def check_same_sources(folder: RunFolder, teacher: str, texts: DatasetDict) -> None:
    """Remember what a run is made of, and refuse another teacher or other texts under the same names.

    Args:
        folder: of the run.
        teacher: Hub name or folder of the teacher before it is fine-tuned; of a Hub name nothing is known.
        texts: columns `text` and `label`, by split.

    Raises:
        ValueError: one of them has changed.
    """
    rows = {name: [split["text"][:], split["label"][:]] for name, split in texts.items()}
    lies_here = Path(teacher).is_dir()
    weights = weight_files_sha256(Path(teacher)) if lies_here else None
    now = {"teacher": weights, "dataset": hashlib.sha256(json.dumps(rows).encode()).hexdigest()}
    before = folder.finished(_STAGE)
    if before is None:
        folder.finish(_STAGE, now)
        return
    if lies_here and weights != before["teacher"] == weight_files_sha256(Path(teacher), all_bin=True):
        now["teacher"] = before["teacher"]  # an earlier version told the same weights by another hash
    changed = [f"`{name}`" for name, told in now.items() if before[name] != told]
    if changed:
        raise ValueError(
            f"expected what the quickstart in `{folder.path}` was made of, got another content of "
            f"{' and '.join(changed)}; because its models and figures are of the former; name another folder, or "
            "remove it"
        )


__all__ = ["check_same_sources"]
