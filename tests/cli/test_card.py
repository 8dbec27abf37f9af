"""Tests of `hf-tinybert card`."""

import json
import shutil

from huggingface_hub import ModelCard


def test_card_writes_what_a_real_distillation_left(run_cli, student, tmp_path):
    """Prevents a card that knows the figures of tests only."""
    folder = shutil.copytree(student, tmp_path / "student")  # other tests push the original, without a card
    done = run_cli("card", folder, "--license", "apache-2.0", "--tag", "news", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"card": str(folder / "README.md")}
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "apache-2.0" and "news" in card.data.tags
    assert {one.metric_type for one in card.data.eval_results} >= {"accuracy"}
    assert "| embeddings | embeddings |" in card.text and "Cost:" in card.text


def test_a_folder_without_a_model_is_one_message(run_cli, tmp_path):
    """Prevents a traceback in the face of somebody who mistyped a folder."""
    done = run_cli("card", tmp_path)
    assert done.exit_code == 2 and "Traceback" not in done.output


def test_a_name_that_the_hub_cannot_have_is_refused_before_a_card_is_written(run_cli, student, tmp_path):
    """Prevents a card that tells to load `a b/c`."""
    folder = shutil.copytree(student, tmp_path / "student")
    done = run_cli("card", folder, "--repo-id", "a b/c")
    assert done.exit_code == 2 and "as `repo_id`, got `a b/c`" in done.output
    assert not (folder / "README.md").exists()
