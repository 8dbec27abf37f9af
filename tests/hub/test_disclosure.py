"""Tests of what must not go up."""

import json
from pathlib import Path

import pytest

from hf_tinybert.hub.disclosure import check_disclosure
from tests.hub.fake_hub import TOKEN


def test_a_token_in_any_text_is_refused_and_not_repeated(tmp_path):
    """Prevents a token in public, or in the message about it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.json").write_text(f'{{"token": "{TOKEN}"}}')
    with pytest.raises(ValueError, match="in `sub/config.json`") as refused:
        check_disclosure(tmp_path)
    assert TOKEN not in str(refused.value)


def test_the_token_in_use_is_found_whatever_its_form(tmp_path):
    """Prevents tokens of other Hubs, whose form nobody knows, in public."""
    (tmp_path / "README.md").write_text("my-secret")
    check_disclosure(tmp_path)
    with pytest.raises(ValueError, match="expected no access token"):
        check_disclosure(tmp_path, token="my-secret")


def test_folders_of_this_machine_are_refused_but_in_vocabularies(tmp_path):
    """Prevents names of users in public; words of a language may be anything."""
    paths = (Path("/home/me"), Path("/"))
    (tmp_path / "vocab.txt").write_text("/home/me/x\n")
    check_disclosure(tmp_path, private_paths=paths)
    (tmp_path / "config.json").write_text('"/home/me/x"')
    with pytest.raises(ValueError, match="expected no folder of this machine in `config.json`"):
        check_disclosure(tmp_path, private_paths=paths)


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_folder_with_letters_of_any_language_is_found(tmp_path, ensure_ascii):
    """Prevents names of users in public because JSON writes their letters as numbers."""
    (tmp_path / "config.json").write_text(json.dumps({"at": "/home/josé/x"}, ensure_ascii=ensure_ascii), "utf-8")
    with pytest.raises(ValueError, match="got `/home/josé/`"):
        check_disclosure(tmp_path, private_paths=(Path("/home/josé"),))
