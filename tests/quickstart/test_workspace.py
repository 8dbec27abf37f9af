"""Tests of what the stages of a quickstart share."""

from hf_tinybert.quickstart.workspace import MODEL_FOLDERS


def test_every_model_lies_in_its_folder_and_no_checkpoint_is_left(straight):
    """Prevents checkpoints of finished stages beside the models: three times their size, and a second student."""
    folder, _ = straight
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(MODEL_FOLDERS)
