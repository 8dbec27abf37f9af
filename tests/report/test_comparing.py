"""Tests of the comparisons of several tasks: made once each, kept, and read again."""

import json

import pytest
from safetensors.torch import load_file, save_file

from hf_tinybert.hub.kept_comparisons import COMPARISON_FILE
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report import ReportSettings, comparing
from hf_tinybert.report.comparing import compare_tasks, kept_comparisons
from hf_tinybert.report.told_tasks import told_tasks


@pytest.fixture
def loaded(monkeypatch):
    """Of which tasks models were loaded, in order."""
    done, original = [], comparing.load_pair

    def load(asked, *arguments):
        done.append(asked.name)
        return original(asked, *arguments)

    monkeypatch.setattr(comparing, "load_pair", load)
    return done


@pytest.fixture
def compared(display):
    """`compared(folder, **settings)`: the comparisons of a page."""

    def compare(folder, **given):
        settings, facts = ReportSettings(folder=folder, **given), read_facts(folder)
        return compare_tasks(settings, facts, told_tasks(settings, facts), display)

    return compare


def _kept(folder):
    return json.loads((folder / COMPARISON_FILE).read_text())["tasks"]


def test_every_taught_task_is_compared_with_its_own_teacher_and_speed_is_measured_once(several, compared, loaded):
    """Prevents a page that tells of one task as if it were all, and a task that nobody taught beside a teacher."""
    done = compared(several)
    assert loaded == ["news", "closeness"] == list(done.found) and done.missing == {}
    news, closeness = done.found.values()
    assert news["confusion"] and news["rows"] == 13 and closeness["numbers"] and closeness["rows"] == 6
    assert [bool(one["sentences_per_second"]) for one in (news, closeness)] == [True, False]
    assert news["fingerprints"]["teacher"] != closeness["fingerprints"]["teacher"]
    assert read_facts(several).speed_task == "news"
    again = compared(several)
    assert loaded == ["news", "closeness"] and again.found == json.loads(json.dumps(done.found)) == _kept(several)


def test_one_task_that_is_made_anew_leaves_the_others(several, compared, loaded):
    """Prevents findings of all tasks from being lost when one is asked on other rows."""
    compared(several)
    before = _kept(several)
    done = compared(several, tasks=("news",), rows=5)
    assert list(done.found) == ["news"] and loaded == ["news", "closeness", "news"]
    assert _kept(several)["closeness"] == before["closeness"] and _kept(several)["news"]["rows"] == 5
    assert list(_kept(several)) == ["news", "closeness"] and _kept(several)["news"]["sentences_per_second"]


def test_a_teacher_that_is_gone_is_told_of_its_task_alone(several, compared, loaded):
    """Prevents a page without any comparison because one of five teachers was moved."""
    figures = json.loads((several / "figures.json").read_text())
    figures["settings"]["tasks"]["closeness"]["teacher"] = "nowhere/gone"
    (several / "figures.json").write_text(json.dumps(figures))
    done = compared(several)
    assert list(done.found) == ["news"] and "nowhere/gone" in done.missing["closeness"]


def test_an_old_file_of_one_task_still_counts(several, compared, loaded):
    """Prevents models that run again because all tasks are in one file now."""
    compared(several, tasks=("closeness",))
    (several / COMPARISON_FILE).write_text(json.dumps(_kept(several)["closeness"]))
    done = compared(several)
    assert loaded == ["closeness", "news"] and list(_kept(several)) == ["news", "closeness"] == list(done.found)
    assert read_facts(several).speed_task == "closeness"


def test_what_is_of_other_weights_is_neither_shown_nor_kept(several, compared):
    """Prevents the page of a student that was trained again from telling of the one before, task by task."""
    compared(several)
    weights = load_file(several / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, several / "model.safetensors", {"format": "pt"})
    alone = compared(several, compare=False)
    assert alone.found == {} and set(alone.missing) == {"news", "closeness"}
    assert all("other weights" in reason for reason in alone.missing.values())
    compared(several, tasks=("news",))
    assert list(_kept(several)) == ["news"] == list(kept_comparisons(read_facts(several)))
