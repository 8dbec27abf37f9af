"""Tests of figures as tables."""

import io

from rich.console import Console

from hf_tinybert.cli.tables import (
    augmentation_table,
    metrics_table,
    pretraining_table,
    retention_table,
    scores_table,
    tasks_table,
    vocabulary_table,
)


def _shown(table, width=100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def test_a_fine_tuning_shows_scores_size_and_time():
    """Prevents a split or metric without its figure."""
    shown = _shown(
        scores_table(
            {
                "kind": "regression",
                "rows": {"train": 5734},
                "scores": {"validation": {"spearmanr": 0.8712}, "test": {"spearmanr": 0.8345}},
                "parameters": 22713601,
                "megabytes": 90.9,
                "seconds": 61.25,
            }
        )
    )
    for figure in ("5,734", "0.8712", "0.8345", "22,713,601", "90.9", "61.2"):
        assert figure in shown


def test_a_model_in_a_folder_with_brackets_is_named_as_it_is():
    """Prevents figures from being lost at the end of a run: `[/old]` would be taken for a mark of colour."""
    assert "[v2]/student [/old]" in _shown(metrics_table({"accuracy": 0.5, "f1_macro": 0.25}, "[v2]/student [/old]"))


def test_a_distillation_shows_teacher_student_and_what_was_kept():
    """Prevents the student's score from standing in its teacher's place."""
    shown = _shown(
        retention_table(
            {
                "kind": "question-answering",
                "rows": {"train": 100},
                "scores": {"validation": {"student": {"f1": 60.0}, "teacher": {"f1": 80.0}}},
                "retention": {"validation": {"f1": 0.75}},
                "parameters": {"student": 50, "teacher": 100},
                "megabytes": {"student": 1.0, "teacher": 2.0},
                "seconds": {"initialization": 1.0, "total": 10.0},
            }
        )
    )
    (line,) = [line for line in shown.splitlines() if "validation f1" in line]
    assert line.index("80") < line.index("60") < line.index("75.0%")
    assert "50.0%" in shown and "10.0" in shown


def test_a_student_without_a_scored_teacher_has_a_table():
    """Prevents a traceback after hours of training."""
    figures = {
        "kind": "masked-lm",
        "rows": {"train": 1},
        "scores": {"validation": {"student": {"accuracy": 0.5}}},
        "retention": {},
        "parameters": {"student": 1, "teacher": 2},
        "megabytes": {"student": 1.0, "teacher": 2.0},
        "seconds": {},
    }
    assert "0.5" in _shown(retention_table(figures))


def test_a_teacher_of_less_than_a_megabyte_is_shown():
    """Prevents a run that ends in a division by zero after all its training, where a size is rounded to nothing."""
    sizes = {"parameters": {"student": 50, "teacher": 100}, "megabytes": {"student": 0.0, "teacher": 0.0}}
    figures = {"kind": "regression", "rows": {"train": 9}, "scores": {}, "retention": {}, "seconds": {"total": 1.0}}
    (line,) = [line for line in _shown(retention_table({**figures, **sizes})).splitlines() if "megabytes" in line]
    assert line.count("0.0") == 2 and "%" not in line


def test_several_tasks_stand_in_one_table():
    """Prevents the scores of one task from standing under the name of another."""
    taught = {
        "scores": {"test": {"student": {"f1": 60.0}, "teacher": {"f1": 80.0}}},
        "retention": {"test": {"f1": 0.75}},
    }
    alone = {"scores": {"validation": {"student": {"accuracy": 0.5}}}, "retention": {}}
    sizes = {"parameters": {"student": 50, "teacher": 100}, "megabytes": {"student": 1.0, "teacher": 2.0}}
    shown = _shown(tasks_table({"tasks": {"names": taught, "stars": alone}, **sizes, "seconds": {"total": 12.5}}))
    (names,) = [line for line in shown.splitlines() if "names, test f1" in line]
    assert names.index("80") < names.index("60") < names.index("75.0%")
    (stars,) = [line for line in shown.splitlines() if "stars, validation accuracy" in line]
    assert "0.5" in stars and "%" not in stars and "12.5" in shown


def test_no_figure_of_a_task_with_a_long_name_is_cut_on_a_narrow_screen():
    """Prevents a table of dots at the end of a run of hours: 80 columns are the usual width of a terminal."""
    beside = {"validation": {"lead": {"rougeL": 0.2385}, "oracle": {"rougeL": 0.3931}}}
    scores = {"validation": {"student": {"rougeL": 0.2536}, "teacher": {"rougeL": 0.2612}}}
    own = {"scores": scores, "retention": {"validation": {"rougeL": 0.971}}, "without_model": beside}
    sizes = {
        "parameters": {"student": 14350248, "teacher": 109486085},
        "megabytes": {"student": 57.4, "teacher": 438.0},
    }
    name = "summaries-of-scientific-articles-and-of-everything-else-there-is"
    shown = _shown(tasks_table({"tasks": {name: own}, **sizes, "seconds": {"total": 12.5}}), width=80)
    for figure in ("0.2612", "0.2536", "97.1%", "0.2385", "0.3931", "109,486,085", "14,350,248"):
        assert figure in shown


def test_no_figure_of_a_run_is_cut_on_a_narrow_screen():
    """Prevents a table of names alone, with columns of no width where the figures were."""
    scores = {"student": {"matthews_correlation": 0.4321}, "teacher": {"matthews_correlation": 0.5432}}
    figures = {
        "kind": "text-classification",
        "rows": {"train": 96},
        "scores": {"validation": scores},
        "retention": {"validation": {"matthews_correlation": 0.795}},
        "parameters": {"student": 4386048, "teacher": 22713601},
        "megabytes": {"student": 17.5, "teacher": 90.9},
        "seconds": {"total": 1234.5},
    }
    shown = _shown(retention_table(figures), width=46)
    for figure in ("0.4321", "0.5432", "79.5%", "4,386,048", "22,713,601", "17.5", "90.9", "1234.5"):
        assert figure in shown
    before = {"validation": {"matthews_correlation": 0.4321}, "test": {"matthews_correlation": 0.5432}}
    one = {"scores": before, "parameters": 22713601, "megabytes": 90.9, "seconds": 61.25}
    shown = _shown(scores_table({**figures, **one}), width=30)
    for figure in ("0.4321", "0.5432", "22,713,601", "90.9", "61.2"):
        assert figure in shown


def test_what_needs_no_model_stands_beside_the_scores():
    """Prevents a summariser that is judged without the first sentences, and these under the name of the oracle."""
    beside = {"validation": {"lead": {"rougeL": 0.238}, "oracle": {"rougeL": 0.393}}}
    scores = {"validation": {"student": {"rougeL": 0.25}, "teacher": {"rougeL": 0.26}}}
    own = {"scores": scores, "retention": {}, "without_model": beside, "kind": "k", "rows": {"train": 1}}
    sizes = {"parameters": {"student": 50, "teacher": 100}, "megabytes": {"student": 1.0, "teacher": 2.0}}
    other = {"scores": {"validation": {"student": {"f1": 0.5}}}, "retention": {}}
    seconds = {"seconds": {"total": 12.5}}
    for table in (
        retention_table({**own, **sizes, **seconds}),
        tasks_table({"tasks": {"stars": other, "tldr": own}, **sizes, **seconds}),
        metrics_table({"rougeL": 0.25}, "tldr", beside["validation"]),
    ):
        shown = _shown(table)
        (line,) = [line for line in shown.splitlines() if "rougeL" in line]
        (head,) = [line for line in shown.splitlines() if "lead" in line and "oracle" in line and "takes" not in line]
        assert line.index("0.25") < line.index("0.238") < line.index("0.393")
        assert head.index("lead") < head.index("oracle") and "the first sentences" in shown
    of_teacher = {"scores": {"validation": {"rougeL": 0.26}}, "parameters": 1, "megabytes": 1.0, "seconds": 1.0}
    shown = _shown(scores_table({**own, **of_teacher}))
    for name, figure in (("rougeL ", "0.26"), ("rougeL, lead", "0.238"), ("rougeL, oracle", "0.393")):
        (line,) = [line for line in shown.splitlines() if name in line]
        assert figure in line


def test_a_general_distillation_shows_its_terms_and_its_cost():
    """Prevents a term whose values before and after change places, and a cost without its figure."""
    shown = _shown(
        pretraining_table(
            {
                "documents": 12345,
                "tokens": 678901,
                "blocks": 5301,
                "steps": 498,
                "tokens_seen": 2039808,
                "held_out": {"before": {"hidden_states_loss": 0.25}, "after": {"hidden_states_loss": 0.125}},
                "parameters": 14350248,
                "megabytes": 57.4,
                "seconds": 321.5,
                "tokens_per_second": 6344.7,
                "hours_per_billion_tokens": 43.8,
            }
        )
    )
    (line,) = [line for line in shown.splitlines() if "hidden_states_loss" in line]
    assert line.index("0.25") < line.index("0.125")
    for figure in ("12,345", "678,901", "5,301", "498", "2,039,808", "14,350,248", "57.4", "321.5", "6,345", "43.8"):
        assert figure in shown


def test_metrics_are_one_a_row():
    """Prevents a metric that is left out."""
    shown = _shown(metrics_table({"f1": 88.5, "exact_match": 80.25}, "answers"))
    assert "88.5" in shown and "80.25" in shown


def test_an_augmentation_shows_what_changed_and_what_did_not():
    """Prevents rows that gave nothing from going unseen."""
    figures = {"new_rows": 5432, "rows": 321, "unchanged_rows": 12, "words": 987, "words_with_candidates": 876}
    shown = _shown(augmentation_table({"kind": "regression", "seconds": 4.56, **figures}))
    for figure in ("regression", "5,432", "321", "12", "987", "876", "4.6"):
        assert figure in shown


def test_a_smaller_vocabulary_has_a_table_with_and_without_texts():
    """Prevents a division by no unknown token, and a table that needs texts where a list chose."""
    sizes = ("pieces", "parameters", "embedding_parameters", "megabytes", "tokens")
    figures = {name: {"before": 4000, "after": 1000} for name in sizes} | {"unknown": {"before": 0, "after": 3}}
    told = {"covered": 0.9991, "documents": 20, "documents_as_before": 19}
    shown = _shown(vocabulary_table({**figures, **told}))
    for word in ("1,000 of 4,000 pieces", "25.0%", "99.91%", "95.0%"):
        assert word in shown
    assert "cut as before" not in _shown(vocabulary_table({**figures, **told, "covered": None}))


def test_teachers_that_taught_as_one_stand_below_their_mean():
    """Prevents the score of one of several teachers from passing for that of all, or another metric's from joining."""
    models = {"student": {"f1": 0.6, "accuracy": 0.5}, "teacher": {"f1": 0.8, "accuracy": 0.7}}
    alone = [{"teacher": name, "scores": {"test": {"f1": f1}}} for name, f1 in (("[big]", 0.75), ("other", 0.71))]
    figures = {
        "kind": "regression",
        "main_metric": "f1",
        "rows": {"train": 9},
        "scores": {"test": models},
        "ensemble": {"teachers": alone},
        "retention": {},
        "parameters": {"student": 1, "teacher": 2},
        "megabytes": {"student": 1.0, "teacher": 2.0},
        "seconds": {},
    }
    lines = _shown(retention_table(figures)).splitlines()
    found = [[cell.strip() for cell in line.split("\u2502")[1:4]] for line in lines if "test" in line]
    assert found == [
        ["test f1", "0.8", "0.6"],
        ["test f1, [big] alone", "0.75", ""],
        ["test f1, other alone", "0.71", ""],
        ["test accuracy", "0.7", "0.5"],
    ]
