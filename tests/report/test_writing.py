"""Tests of the page from folder to browser."""

import io
import json
import shutil
import struct
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from docs.screenshots import draw
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report import ReportSettings, comparing, write_report
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.workflow.kept_answers import keep_answers
from tests.headless_browser import brightness, shown_as
from tests.report.conftest import LABELS, TRAP
from tests.screenshots import keep_screenshots


@pytest.fixture(scope="module")
def written(models, tmp_path_factory):
    """The folder of a student after its report."""
    folder = Path(shutil.copytree(models / "student", tmp_path_factory.mktemp("written") / "student"))
    done = write_report(ReportSettings(folder=folder), ProgressDisplay(Console(file=io.StringIO())))
    assert done.path == folder / "report.html" and not done.without_comparison
    return folder


@pytest.mark.browser
def test_a_browser_shows_the_story_the_curves_and_the_comparison(browser, written):
    """Prevents a page that is written and shows nothing: broken markup, empty sections, pictures without lines."""
    browser.get((written / "report.html").as_uri())
    assert browser.title == "student: report"
    story = browser.find_element("id", "story").text
    assert "teacher (BertForSequenceClassification, 38,787 parameters" in story
    assert "2 layers of width 16" in story and "24 train, 13 validation rows" in story
    strip = browser.find_element("css selector", ".layers").text.splitlines()
    assert strip[0].split()[2:] == ["emb.", "1", "2", "3", "4"] and strip[1].split()[2:] == ["emb.", "1", "2"]
    assert "93.8%" in browser.find_element("css selector", ".tiles").text
    titles = [one.text for one in browser.find_elements("css selector", "#curves figure")]
    assert [
        title
        for title in ("accuracy on validation rows", "hidden states", "prediction")
        if not any(title in one for one in titles)
    ] == []
    assert len(browser.find_elements("css selector", "#agreement figure svg")) == 2
    assert len(browser.find_elements("css selector", "#answers figure svg")) == 3
    pictures = browser.find_elements("css selector", "figure svg")
    assert all(one.size["height"] > 40 and one.get_attribute("aria-label") for one in pictures)
    keep_screenshots(browser, "report")


@pytest.mark.browser
def test_the_page_says_where_the_two_disagree(browser, written):
    """Prevents examples in which both say the same, or counts of other rows."""
    found = json.loads((written / "comparison.json").read_text())
    browser.get((written / "report.html").as_uri())
    examples = browser.find_elements("css selector", ".examples li")
    assert 0 < len(examples) == found["answers"]["other"] == 13 - found["answers"]["same"]
    for example in examples:
        said = example.find_elements("css selector", "dd")
        assert said[0].text.split()[0] != said[1].text.split()[0]
    assert f"say the same in {found['answers']['same']}" in browser.find_element("id", "answers").text


@pytest.mark.browser
def test_texts_and_labels_stay_letters(browser, written):
    """Prevents data that run as a script, or change the page, where somebody opens its report."""
    browser.get((written / "report.html").as_uri())
    assert browser.title == "student: report"
    body = browser.find_element("tag name", "body")
    assert LABELS[1] in body.text and body.find_elements("tag name", "b") == []
    assert body.find_elements("css selector", "script") == []


@pytest.mark.browser
def test_the_pictures_of_the_documentation_are_drawn_from_a_report(browser, written, tmp_path):
    """Prevents pictures in the documentation that cannot be drawn again when a page has changed."""
    draw(browser, written, "the film is good", tmp_path)
    heights = {file.name: struct.unpack(">II", file.read_bytes()[16:24]) for file in tmp_path.iterdir()}
    assert set(heights) == {"report.png", "report-answers.png", "demo.png"}
    assert all(width == 1100 and height > 500 for width, height in heights.values())


@pytest.mark.browser
def test_it_loads_nothing_and_fits_a_phone(browser, written):
    """Prevents a page that is empty without a network, or runs out of a narrow screen."""
    with shown_as(browser, width=360):
        browser.get((written / "report.html").as_uri())
        loaded = "return performance.getEntriesByType('resource').filter(one => !one.name.startsWith('data:')).length"
        assert browser.execute_script(loaded) == 0
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_letters_can_be_read_in_both_schemes(browser, written):
    """Prevents black lines on a black ground."""
    colours = {}
    for scheme in ("light", "dark"):
        with shown_as(browser, scheme=scheme):
            browser.get((written / "report.html").as_uri())
            ground = browser.find_element("tag name", "body").value_of_css_property("background-color")
            ink = browser.find_element("css selector", "#curves svg text").value_of_css_property("fill")
            colours[scheme] = brightness(ground), brightness(ink)
    assert colours["light"][0] - colours["light"][1] > 150
    assert colours["dark"][1] - colours["dark"][0] > 150


def test_the_trap_is_in_the_page(written):
    """Prevents a test of escaping that never meets what it is about."""
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;culture" in page and TRAP not in page


def test_a_teacher_that_is_gone_is_said_and_the_rest_is_drawn(student, display):
    """Prevents a run without a page because its teacher was moved, and a page that hides it."""
    figures = json.loads((student / "figures.json").read_text())
    figures["settings"]["teacher"] = "nowhere/gone"
    (student / "figures.json").write_text(json.dumps(figures))
    done = write_report(ReportSettings(folder=student), display)
    page = done.path.read_text(encoding="utf-8")
    assert "nowhere/gone" in done.without_comparison and "This part is missing:" in page
    assert 'id="curves"' in page and 'id="answers"' not in page


def test_a_model_without_a_teacher_lacks_nothing(models, tmp_path, display):
    """Prevents the page of a teacher that asks for a teacher."""
    folder = Path(shutil.copytree(models / "teacher", tmp_path / "teacher"))
    done = write_report(ReportSettings(folder=folder), display)
    assert not done.without_comparison and "no-comparison" not in done.path.read_text(encoding="utf-8")


def test_a_teacher_that_is_asked_for_must_be_there(student, display):
    """Prevents a mistyped teacher that only leaves a part of the page out."""
    with pytest.raises(FileNotFoundError, match="nowhere/gone"):
        write_report(ReportSettings(folder=student, teacher="nowhere/gone"), display)
    assert not (student / "report.html").exists()


def test_files_alone_show_what_an_earlier_report_found(written, display):
    """Prevents models that run again, or figures that are lost, where only the page is drawn anew."""
    before = (written / "comparison.json").stat().st_mtime_ns
    done = write_report(ReportSettings(folder=written, compare=False), display)
    assert 'id="disagreements"' in done.path.read_text(encoding="utf-8")
    assert (written / "comparison.json").stat().st_mtime_ns == before


@pytest.fixture
def asked(monkeypatch):
    """Which models were loaded and asked for a page, in order."""
    done = []
    for name in ("load_pair", "ask"):
        original = getattr(comparing, name)
        monkeypatch.setattr(comparing, name, _noted(done, name, original))
    return done


def _noted(done, name, original):
    def call(*arguments, **options):
        done.append(name)
        return original(*arguments, **options)

    return call


def _keep_answers(folder, teacher):
    """As `distil` leaves them: here both always say sport."""
    rows = load_rows(ReportSettings(folder=folder), read_facts(folder))
    for model, weights in (("student", folder), ("teacher", teacher)):
        said = [{"label": "sport"}] * len(rows.rows)
        keep_answers(folder, model, said, rows=rows.rows, task=rows.task, seed=0, weights=weights)


def _other_weights(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def test_kept_answers_are_not_asked_again_and_the_next_page_is_drawn_alone(student, models, display, asked):
    """Prevents models that run for minutes to say once more what the folder holds."""
    _keep_answers(student, models / "teacher")
    write_report(ReportSettings(folder=student), display)
    kept = json.loads((student / "comparison.json").read_text())
    assert asked == ["load_pair"] and kept["answers"]["same"] == 13 and kept["agreement"]
    write_report(ReportSettings(folder=student), display)
    assert asked == ["load_pair"] and 'id="answers"' in (student / "report.html").read_text()
    write_report(ReportSettings(folder=student, rows=5), display)  # other rows than those of the answers
    assert asked == ["load_pair", "load_pair", "ask"]


def test_weights_that_changed_are_asked_anew_and_old_findings_not_shown(student, models, display, asked):
    """Prevents the page of a student that was trained again from telling of the one before."""
    _keep_answers(student, models / "teacher")
    write_report(ReportSettings(folder=student), display)
    _other_weights(student)
    alone = write_report(ReportSettings(folder=student, compare=False), display)
    assert "other weights" in alone.without_comparison and 'id="answers"' not in alone.path.read_text()
    again = write_report(ReportSettings(folder=student), display)
    assert asked[-1] == "ask" and not again.without_comparison
    assert json.loads((student / "comparison.json").read_text())["answers"]["same"] < 13


def test_answers_are_told_where_the_teacher_is_gone(student, models, display, asked):
    """Prevents answers that are kept, and of no use without the model that gave them."""
    _keep_answers(student, models / "teacher")
    figures = json.loads((student / "figures.json").read_text())
    figures["settings"]["teacher"] = "nowhere/gone"
    (student / "figures.json").write_text(json.dumps(figures))
    done = write_report(ReportSettings(folder=student), display)
    page = done.path.read_text()
    assert not done.without_comparison and asked == ["load_pair"]
    assert 'id="answers"' in page and "The layers were not compared" in page


def test_a_kept_comparison_without_the_hash_of_weights_is_made_anew(student, display):
    """Prevents a report that fails on the file of an older one, or tells what it found of who knows which weights."""
    (student / "comparison.json").write_text(json.dumps({"split": "validation", "agreement": None, "answers": {}}))
    alone = write_report(ReportSettings(folder=student, compare=False), display)
    assert alone.without_comparison
    assert not write_report(ReportSettings(folder=student), display).without_comparison
    assert json.loads((student / "comparison.json").read_text())["rows"] == 13


@pytest.fixture(scope="module")
def written_of_tasks(multitask_models, tmp_path_factory):
    """The folder of a student of several tasks after its report."""
    folder = Path(shutil.copytree(multitask_models / "several", tmp_path_factory.mktemp("tasks") / "several"))
    done = write_report(ReportSettings(folder=folder), ProgressDisplay(Console(file=io.StringIO())))
    assert not done.without_comparison and done.missing == {}
    return folder


@pytest.mark.browser
def test_a_page_of_several_tasks_tells_of_all_and_leads_to_each(browser, written_of_tasks):
    """Prevents a task without its section, and a link that leads to another one's."""
    browser.get((written_of_tasks / "report.html").as_uri())
    rows = [row.text.split() for row in browser.find_elements("css selector", "#tasks tbody tr")]
    assert [row[0] for row in rows] == ["news", "closeness", "free"]
    assert rows[0][1:7] == ["text-classification", "accuracy", "validation", "0.8", "0.4", "50.0%"]
    for link in browser.find_elements("css selector", "#tasks a"):
        section = browser.find_element("css selector", link.get_attribute("href").partition(".html")[2])
        assert section.find_element("css selector", "h2").text == link.text
    compared = [browser.find_elements("css selector", f"#task-{number}-answers figure svg") for number in (1, 2, 3)]
    assert [len(pictures) for pictures in compared] == [3, 3, 0]
    assert "No teacher taught this task" in browser.find_element("id", "task-3").text
    assert "not scored" in browser.find_element("id", "task-2-scores").text
    assert len(browser.find_elements("id", "size")) == 1
    assert "The teacher that was timed is that of news" in browser.find_element("id", "size").text
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(set(ids)) == len(ids)
    keep_screenshots(browser, "report-tasks")


@pytest.mark.browser
def test_a_page_of_several_tasks_fits_a_phone_with_its_scores(browser, written_of_tasks):
    """Prevents a table whose figures lie outside of a narrow screen."""
    with shown_as(browser, width=360):
        browser.get((written_of_tasks / "report.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
        cells = browser.find_elements("css selector", "#tasks td")
        assert all(0 < one.rect["x"] + one.rect["width"] <= 360 for one in cells)
