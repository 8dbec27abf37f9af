"""Tests of publishing, end to end against a Hub on this machine."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from transformers import AutoTokenizer

from hf_tinybert.hub import CardDetails, Publication, PublishedForm, publish
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from tests.hub.fake_hub import TOKEN

PLAIN = {"README.md", "config.json", "distillation.json", "model.safetensors", "task.json", "tokenizer.json"}
PLAIN |= {"tokenizer_config.json"}
_RELOAD = """
import sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

for name in ("plain", "coded"):
    trusted = name == "coded"
    tokenizer = AutoTokenizer.from_pretrained(f"tester/{name}", trust_remote_code=trusted)
    model = AutoModelForSequenceClassification.from_pretrained(f"tester/{name}", trust_remote_code=trusted).eval()
    with torch.inference_mode():
        print("=", model.config.model_type, model(**tokenizer("a great song .", return_tensors="pt")).logits.tolist())
try:
    AutoModelForSequenceClassification.from_pretrained("tester/coded", trust_remote_code=False)
except ValueError:
    print("= refused")
print("=", "hf_tinybert" in sys.modules)
"""


def _state(folder):
    return {
        path.relative_to(folder): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _main(hub, name):
    return {path for path in hub.files(name) if path != ".gitattributes"}


def test_another_process_without_this_package_loads_what_was_pushed(student_folder, hub, tmp_path):
    """Prevents a published model that loads only where it was made, or that answers differently there."""
    publish(student_folder, Publication("tester/plain"))
    publish(student_folder, Publication("tester/coded", PublishedForm.TINYBERT, remote_code=True))
    model = TinyBertForSequenceClassification.from_pretrained(student_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(student_folder)
    with torch.inference_mode():
        expected = model(**tokenizer("a great song .", return_tensors="pt")).logits
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", _RELOAD], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [line.removeprefix("= ") for line in done.stdout.splitlines() if line.startswith("= ")]
    plain, coded, refused, imported = answers
    assert (plain.split()[0], coded.split()[0], refused, imported) == ("bert", "tinybert", "refused", "False")
    for line in (plain, coded):
        torch.testing.assert_close(torch.tensor(json.loads(line.split(maxsplit=1)[1])), expected)


def test_only_named_files_go_up_and_the_folder_stays_as_it_was(student_folder, hub):
    """Prevents optimizer states, projections, training arguments and settings of a run in public."""
    before = _state(student_folder)
    done = publish(student_folder, Publication("tester/model"))
    assert _main(hub, "tester/model") == PLAIN == set(done.files)
    assert _state(student_folder) == before
    assert hub.files("tester/model")["model.safetensors"] in hub.large_files.values()


def test_what_an_earlier_model_left_is_told(student_folder, hub, caplog):
    """Prevents a repository in which two models are mixed, and nobody knows."""
    coded = Publication("tester/model", PublishedForm.TINYBERT, remote_code=True)
    assert publish(student_folder, coded).left_over == ()
    assert publish(student_folder, coded).left_over == ()  # a second time changes nothing
    done = publish(student_folder, Publication("tester/model"))
    assert "modeling_tinybert.py" in done.left_over and not set(done.files) & set(done.left_over)
    assert "expected the files of one model in `tester/model`, got `configuration_tinybert.py`" in caplog.text


@pytest.mark.parametrize("step", ["lfs", "commit"])
def test_a_failed_upload_changes_nothing_and_can_be_repeated(student_folder, hub, step):
    """Prevents half a model on the Hub, or a folder that a second try finds changed."""
    before, hub.broken = _state(student_folder), step
    with pytest.raises((OSError, RuntimeError)):
        publish(student_folder, Publication("tester/model"))
    assert _main(hub, "tester/model") == set()
    assert _state(student_folder) == before
    hub.broken = None
    publish(student_folder, Publication("tester/model"))
    assert _main(hub, "tester/model") == PLAIN


def test_private_revision_and_pull_request_arrive(student_folder, hub):
    """Prevents a private model in public, and commits to `main` that were meant for a branch."""
    publish(student_folder, Publication("tester/model", private=True, revision="v2"))
    assert hub.repositories["tester/model"].private
    assert _main(hub, "tester/model") == set()
    assert set(hub.files("tester/model", "v2")) > PLAIN
    done = publish(student_folder, Publication("tester/model", create_pr=True))
    assert str(done.commit.pr_url).endswith("/discussions/1")
    assert _main(hub, "tester/model") == set()
    assert set(hub.files("tester/model", "refs/pr/1")) > PLAIN


def test_private_is_refused_where_the_repository_is_public(student_folder, hub):
    """Prevents an upload in public that its owner believes to be private."""
    publish(student_folder, Publication("tester/model"))
    with pytest.raises(ValueError, match="expected a private repository, got `tester/model`, which is public"):
        publish(student_folder, Publication("tester/model", private=True))


def test_public_is_refused_where_the_repository_is_private(student_folder, hub):
    """Prevents a model that its owner believes to be published and nobody finds."""
    publish(student_folder, Publication("tester/model", private=True))
    with pytest.raises(ValueError, match="expected a public repository, got `tester/model`, which is private"):
        publish(student_folder, Publication("tester/model", private=False))
    publish(student_folder, Publication("tester/model"))  # whatever it is


def test_the_card_of_the_folder_goes_up_with_more_tags(student_folder, hub):
    """Prevents words of the owner replaced by written ones."""
    (student_folder / "README.md").write_text("---\ntags:\n- mine\n---\nMy own words.\n")
    publish(student_folder, Publication("tester/model", tags=("news",)))
    card = hub.files("tester/model")["README.md"].decode()
    assert "My own words." in card and "- mine" in card and "- news" in card


def test_what_only_a_new_card_would_tell_is_refused_beside_one(student_folder, hub):
    """Prevents a license that is given and stands nowhere."""
    details = CardDetails(license="mit", language="en", tags=("news",))
    publish(student_folder, Publication("tester/told", details=details))
    assert b"license: mit" in hub.files("tester/told")["README.md"]
    (student_folder / "README.md").write_text("My own words.\n")
    with pytest.raises(
        ValueError, match="expected no `README.md` in `.*` with `license`, `language`, `tags`, got one"
    ):
        publish(student_folder, Publication("tester/model", details=details))
    assert "tester/model" not in hub.repositories


def test_a_card_for_another_form_is_refused(student_folder, hub):
    """Prevents a card that tells people to load what is not there."""
    (student_folder / "README.md").write_text("<!-- hf-tinybert card: bert -->\n")
    with pytest.raises(ValueError, match="expected a card of the form `tinybert`, got one of `bert`"):
        publish(student_folder, Publication("tester/model", PublishedForm.TINYBERT))
    assert hub.repositories == {}


def test_metadata_that_the_hub_refuses_stops_before_anything_goes_up(student_folder, hub):
    """Prevents weights on the Hub without a card."""
    with pytest.raises(ValueError, match="license"):
        publish(student_folder, Publication("tester/model", details=CardDetails(license="Apache Licence")))
    assert _main(hub, "tester/model") == set()
    assert hub.large_files == {}


def test_a_token_stands_nowhere(student_folder, hub, caplog):
    """Prevents a token that everyone who reads the model, its card or a log could use."""
    caplog.set_level("DEBUG")
    publish(student_folder, Publication("tester/model"), token=TOKEN)
    assert all(TOKEN.encode() not in content for content in hub.files("tester/model").values())
    assert TOKEN not in caplog.text
    (student_folder / "distillation.json").write_text(json.dumps({"teacher": f"https://user:{TOKEN}@x"}))
    with pytest.raises(ValueError, match="expected no access token in") as refused:
        publish(student_folder, Publication("tester/model"))
    assert TOKEN not in str(refused.value)


def test_paths_of_this_machine_stand_nowhere(student_folder, hub):
    """Prevents names of users and customers in public, from the settings of a run."""
    publish(student_folder, Publication("tester/model"))
    for name, content in hub.files("tester/model").items():
        assert b"somebody" not in content and str(student_folder.parent).encode() not in content, name


def test_a_pull_request_to_a_branch_is_refused():
    """Prevents a refusal of the Hub after the upload."""
    with pytest.raises(ValueError, match="expected a pull request to `main`"):
        Publication("tester/model", revision="v2", create_pr=True)


def test_a_hub_that_cannot_be_reached_is_a_connection_error(student_folder, hub, monkeypatch):
    """Prevents an error of the HTTP library, which is no `OSError` and ends a training that pushes."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="expected an answer of the Hub, got .* give the same command again"):
        publish(student_folder, Publication("tester/model"))
