"""Tests of what stands on a page, drawn from files alone."""

import json
from html.parser import HTMLParser

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report.comparing import ComparedTasks
from hf_tinybert.report.page import _breakable, render_page


def _page(folder, without="", **changes):
    for file, content in changes.items():
        path = folder / f"{file}.json"
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(json.dumps({**json.loads(path.read_text()), **content}))
    return render_page(read_facts(folder), compared=ComparedTasks(missing={None: without}))


def test_a_model_without_teacher_or_run_has_its_page(student):
    """Prevents a report that fails for a model that was fine-tuned, or came from elsewhere."""
    page = _page(student, distillation=None, figures=None)
    assert "TinyBertForSequenceClassification: 2 layers of width 16" in page
    for section in ("scores", "curves", "agreement", "answers"):
        assert f'id="{section}"' not in page


def test_a_model_of_several_tasks_shows_all_of_them(student):
    """Prevents a multi-task student whose report is that of one task."""
    score = {"student": {"f1": 0.4}, "teacher": {"f1": 0.8}}
    tasks = {
        name: {
            "kind": "regression",
            "main_metric": "f1",
            "teacher": name,
            "scores": {"validation": score},
            "retention": {"validation": {"f1": kept}},
        }
        for name, kept in (("news", 0.5), ("names", 0.75))
    }
    mappings = {"news": {"layer_mapping": [0, 2, 4]}, "names": {"layer_mapping": [0, 1, 2]}}
    settings = {"tasks": {"news": {"data": "news.csv"}, "names": {"data": "names.csv"}}, "shared": {"epochs": 7.5}}
    figures = {"tasks": tasks, "curves": {}, "settings": settings, "teacher": "one, other"}
    page = _page(student, figures=figures, distillation={"tasks": mappings, "teacher": "one, other"})
    assert "names: data" in page and "7.5" in page and "{&#39;" not in page
    assert "the teachers together have" in page
    assert "50.0%" in page and "of the teacher&#39;s f1 of names kept on validation rows" in page
    assert page.count("Which layer imitates which") == page.count('class="layers"') == 2
    assert page.index('id="tasks"') < page.index('id="task-1"') < page.index('id="task-2"') < page.index('id="size"')


def test_tasks_that_are_left_out_are_named(several):
    """Prevents a page of one task that passes for that of the whole student."""
    page = render_page(read_facts(several), ["closeness"])
    assert "Not on this page: news, free." in page and 'id="task-1"' in page and 'id="task-2"' not in page
    whole = render_page(read_facts(several))
    assert ">All tasks<" in whole and "Not on this page" not in whole and ">All tasks<" not in page


def test_a_student_of_labels_alone_is_compared_not_taught(student):
    """Prevents a story that is silent on how a student learnt, or names a teacher that did not teach."""
    settings = {"learn_from": "labels", "start": "projection", "augment": "join"}
    page = _page(student, distillation=None, figures={"settings": settings})
    assert "Compared with" in page and "labels alone; started as a projection of its teacher; other variants" in page


def test_a_trimmed_model_is_not_called_fine_tuned(student):
    """Prevents the source of a smaller vocabulary told as the start of a training, and empty pictures of its size."""
    trimmed = {
        "model": "student",
        "pieces": {"before": 40, "after": 20},
        "parameters": {"before": 40, "after": 20},
        "megabytes": {"before": 0.1, "after": 0.1},
        "documents": 3,
        "tokens": {"before": 9, "after": 9},
    }
    (student / "figures.json").write_text(json.dumps(trimmed))
    page = _page(student)
    assert "Fine-tuned from" not in page and "20 of the 40 pieces of student, chosen by 3 documents." in page
    assert "size-1" not in page


def test_a_general_student_shows_its_held_out_terms(student):
    """Prevents a general student's only figures lost."""
    held_out = {"before": {"hidden_states_loss": 2.0}, "after": {"hidden_states_loss": 1.0}}
    page = _page(student, figures={"scores": {}, "held_out": held_out, "curves": {}, "epochs": []})
    assert 'id="held-out"' in page and "<code>hidden_states_loss</code>" in page


@pytest.mark.parametrize("words", ["</style><script>alert(1)</script>", '" onmouseover="alert(1)'])
def test_names_of_a_run_are_escaped(student, words):
    """Prevents a folder from elsewhere whose report runs what stands in its files."""
    speeds = {words: {"student": 2.0, "teacher": 1.0}}
    figures = {
        "sentences_per_second": speeds,
        "teacher": words,
        "main_metric": words,
        "settings": {"data": words},
        "curves": {"joint": {}},
    }
    page = _page(student, words, figures=figures, distillation={"recipe": words, "teacher_class": words})
    several = {"tasks": {words: {"kind": words, "teacher": words, "main_metric": words}}}
    for elements in (_Elements(page), _Elements(_page(student, words, figures=several))):
        assert "script" not in elements.names and "onmouseover" not in elements.attributes
        assert words in elements.text


def test_long_names_break_after_an_underscore_and_stay_escaped():
    """Prevents names cut in the middle of a word, and markup that the breaks let through."""
    assert _breakable("card_<b>lost") == "card_<wbr>&lt;b&gt;lost"


class _Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_several_teachers_of_one_task_are_told_as_such(student):
    """Prevents a page on which an ensemble stands as one model, and its members have no scores."""
    figures = json.loads((student / "figures.json").read_text())
    (split,) = list(figures["scores"])[:1]
    metric = figures["main_metric"]
    told = [
        {"teacher": name, "weight": weight, "scores": {split: {metric: score}}}
        for name, weight, score in (("big", 1.0, 0.4321), ("other", 0.5, 0.3214))
    ]
    ensemble = {"teacher": "big + other", "ensemble": {"teachers": told}}
    page = _page(student, figures=ensemble, distillation=ensemble)
    assert "2 as one: big (weight 1), other (weight 0.5); together" in page and ">Teachers<" in page
    assert "0.4321" in page and "0.3214" in page and "other alone" in page and "teachers as one" in page
    assert "the teachers together have" in page and "of the teachers&#39;" in page
