"""Tests of model cards."""

import json

import pytest
from safetensors.torch import load_file, save_file

from hf_tinybert.hub import CardDetails, PublishedForm, model_card, write_model_card
from hf_tinybert.hub.model_card import TEMPLATE, check_card
from tests.tested_package import ROOT


def test_a_card_tells_what_the_folder_says(student_folder):
    """Prevents a card that leaves out teacher, scores, mapping, cost, licence or how to load the model."""
    text = str(model_card(student_folder, CardDetails(repo_id="me/it", license="mit", teacher_license="apache-2.0")))
    for part in (
        "# it",
        "[google-bert/bert-base-uncased](https://huggingface.co/google-bert/bert-base-uncased)",
        "Its licence: apache-2.0.",
        "`reviews.csv`; 48 train rows, 12 test rows.",
        "| test | accuracy | 0.8 | 0.75 | 93.8% |",
        "The same shape trained without a teacher was not measured.",
        "Speed and latency were not measured.",
        "recipe `tinybert-joint`; phases: joint; 6 optimizer steps",
        "| 2 | 4 |",
        'AutoModelForSequenceClassification.from_pretrained("me/it")',
        "up to 32 tokens",
        "jiao2020tinybert",
    ):
        assert part in text
    assert "{{" not in text.replace("{{TinyBERT}", "") and "None" not in text


def test_without_figures_nothing_is_claimed(student_folder):
    """Prevents numbers from nowhere."""
    for name in ("figures.json", "distillation.json", "task.json"):
        (student_folder / name).unlink()
    text = str(model_card(student_folder))
    assert "It was not measured, or the folder does not tell." in text
    assert "Teacher:" not in text and "distilled" not in text and "None" not in text


def test_a_student_of_labels_alone_is_not_called_distilled(student_folder):
    """Prevents a baseline that is published as a distilled student, and is said to lack itself."""
    (student_folder / "distillation.json").unlink()
    figures = json.loads((student_folder / "figures.json").read_text())
    figures["settings"] |= {"learn_from": "labels", "start": "random"}
    (student_folder / "figures.json").write_text(json.dumps(figures))
    text = str(model_card(student_folder))
    assert "trained on labels alone, to be compared with students of" in text
    assert "- Model it is compared with:" in text and "- Method: labels alone; started as random weights." in text
    assert "distilled from" not in text and "without a teacher was not measured" not in text


def test_a_card_of_a_trimmed_model_tells_of_its_vocabulary(student_folder):
    """Prevents a folder of `trim-vocab` without a card, or one that is called fine-tuned."""
    trimmed = {
        "model": "student",
        "pieces": {"before": 40, "after": 20},
        "documents": 3,
        "tokens": {"before": 9, "after": 9},
    }
    (student_folder / "figures.json").write_text(json.dumps(trimmed))
    text = str(model_card(student_folder))
    assert "Vocabulary: 20 of the 40 pieces of `student`, chosen by 3 documents." in text
    (student_folder / "distillation.json").unlink()
    assert "fine-tuned from" not in str(model_card(student_folder))


def test_a_card_is_not_written_over_another(student_folder):
    """Prevents words of the owner lost."""
    assert write_model_card(student_folder).read_text().startswith("---\n")
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_model_card(student_folder)
    write_model_card(student_folder, form=PublishedForm.TINYBERT, overwrite=True)
    text = (student_folder / "README.md").read_text()
    check_card(text, student_folder, PublishedForm.TINYBERT)
    with pytest.raises(ValueError, match="of the form `bert`"):
        check_card(text, student_folder, PublishedForm.BERT)


def test_a_card_of_a_form_that_the_model_cannot_have_is_refused(student_folder):
    """Prevents a card that tells people to load several heads as plain BERT, or code that does not go along."""
    with pytest.raises(ValueError, match="for remote code"):
        write_model_card(student_folder, remote_code=True)
    config = json.loads((student_folder / "config.json").read_text())
    config |= {"architectures": ["TinyBertForMultiTask"], "tasks": {"news": {"kind": "regression"}}}
    (student_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="with `news`; .* by `--form tinybert`"):
        write_model_card(student_folder)
    assert "import TinyBertForMultiTask" in write_model_card(student_folder, form=PublishedForm.TINYBERT).read_text()


def test_a_card_of_other_weights_is_refused(student_folder):
    """Prevents scores and pictures of one model beside the weights of another."""
    text = write_model_card(student_folder).read_text()
    check_card(text, student_folder, PublishedForm.BERT)
    check_card("<!-- hf-tinybert card: bert -->", student_folder, PublishedForm.BERT)  # as earlier versions wrote it
    weights = student_folder / "model.safetensors"
    state = load_file(weights)
    save_file({name: tensor + 1 for name, tensor in state.items()}, weights, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="expected a card of the weights .*; because its scores and pictures"):
        check_card(text, student_folder, PublishedForm.BERT)
    check_card("My own words.", student_folder, PublishedForm.BERT)


def test_the_template_is_part_of_the_package():
    """Prevents an installed package that cannot write cards."""
    assert TEMPLATE.is_file()
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "hub/*.md" in setup


def test_what_needs_no_model_stands_in_the_card_and_in_no_model_index(student_folder):
    """Prevents a summariser shown without the first sentences, and the oracle's scores published as a model's."""
    figures = json.loads((student_folder / "figures.json").read_text())
    figures["without_model"] = {"test": {"lead": {"accuracy": 0.61}, "oracle": {"accuracy": 0.97}}}
    (student_folder / "figures.json").write_text(json.dumps(figures))
    card = model_card(student_folder)
    assert "| test | accuracy | 0.8 | 0.75 | 93.8% | 0.61 | 0.97 |" in card.content
    assert '"lead" takes the first sentences' in card.content
    assert {result.metric_value for result in card.data.eval_results} == {0.75, 0.5}


def test_words_of_data_and_folders_are_no_markup(student_folder, tmp_path):
    """Prevents a label that puts a heading or HTML into a card, and a folder's name that ends its backticks."""
    folder = student_folder.rename(tmp_path / "a <b> `student`")
    figures = json.loads((folder / "figures.json").read_text())
    figures |= {"labels": ["<img src=x>", "new\n\n# heading", "card_arrival"], "teacher": "tea`cher"}
    figures["settings"]["data"] = "/home/me/my `rows`.csv"
    for file, content in (("figures", figures), ("distillation", {"teacher": "tea`cher"})):
        (folder / f"{file}.json").write_text(json.dumps(content))
    text = str(model_card(folder))
    assert "Labels: \\<img src=x\\>, new # heading, card_arrival." in text
    assert "\n# a \\<b\\> \\`student\\`\n" in text
    assert "Teacher: ``tea`cher``. Its licence" in text
    assert "Data: ``my `rows`.csv``; 48 train rows" in text


def test_of_a_thousand_labels_the_first_are_named(student_folder):
    """Prevents a card that is a list of labels."""
    figures = json.loads((student_folder / "figures.json").read_text())
    (student_folder / "figures.json").write_text(json.dumps(figures | {"labels": [f"c{i}" for i in range(1100)]}))
    text = str(model_card(student_folder))
    assert "Labels: c0, c1, " in text and ", c99, and 1,000 more, which `config.json` names." in text
    assert "c100" not in text


def test_a_card_of_several_teachers_names_and_scores_each(student_folder):
    """Prevents a student of an ensemble that passes for one of a single model, or a link that leads nowhere."""
    names = ("google-bert/bert-base-uncased", "someone/other")
    scores = ({"test": {"accuracy": 0.78, "f1": 0.1}}, {"test": {"accuracy": 0.77, "f1": 0.2}})
    told = [
        {"teacher": name, "teacher_class": "Bert", "teacher_sha256": "cd", "weight": weight, "scores": own}
        for name, weight, own in zip(names, (1.0, 0.5), scores, strict=True)
    ]
    for file in ("distillation", "figures"):
        path = student_folder / f"{file}.json"
        changes = {"teacher": " + ".join(names), "ensemble": {"teachers": told}}
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    card = model_card(student_folder)
    text = str(card)
    assert card.data.base_model == list(names)
    assert "| split | metric | google-bert/bert-base-uncased alone | someone/other alone | teachers as one |" in text
    assert "| test | accuracy | 0.78 | 0.77 | 0.8 | 0.75 | 93.8% |" in text
    links = [
        f"[{name}](https://huggingface.co/{name}) (weight {weight})"
        for name, weight in zip(names, (1, 0.5), strict=True)
    ]
    assert f"distilled from 2 teachers as one, {', '.join(links)}, with" in text
    assert (
        f"- Teachers, of whose predictions it learnt the mean, and of the first the layers: {', '.join(links)}" in text
    )
    assert '"kept" is the score of this model over that of its teachers as one.' in text
    assert model_card(student_folder, CardDetails(base_model=names[0])).data.base_model == names[0]
