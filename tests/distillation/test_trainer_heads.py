"""Students that give embeddings or pick sentences train as others do: both phases, their teacher's start, a cache."""

import pytest
import torch
from datasets import Dataset
from transformers import BertForTokenClassification, DataCollatorForTokenClassification

import hf_tinybert
from hf_tinybert.distillation.embedding_teacher import teach_embeddings
from hf_tinybert.models.initialization import initialize_from_teacher

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SKIP_KEEP = {"id2label": {0: "skip", 1: "keep"}, "label2id": {"skip": 0, "keep": 1}}
ROUNDS = {"num_train_epochs": 12, "intermediate_num_train_epochs": 6, "learning_rate": 3e-3}


@pytest.fixture
def embedder(build_student):
    return build_student("ForSentenceEmbedding", embedding_size=32, **NO_DROPOUT)


def losses(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def batch_of(rows, collator):
    return collator([{key: rows[index][key] for key in rows.column_names} for index in range(len(rows))])


@pytest.mark.parametrize("phases", [["intermediate-layer", "prediction-layer"], ["joint"]])
def test_an_embedding_student_comes_close_to_its_teacher(
    build_trainer, build_teacher, build_rows, collator, embedder, phases
):
    """Prevents a term that is left out, and logits that are compared as classes."""
    rows, teacher = build_rows(8, labels=False), build_teacher("Model")
    trainer = build_trainer(
        {"phases": phases, **ROUNDS}, model=embedder, teacher=teacher, train_dataset=rows, data_collator=collator
    )
    trainer.train()
    assert "prediction_loss" not in trainer.objectives[trainer.phase].weights
    seen = losses(trainer, "sentence_embedding_loss")
    assert seen[-1] < 0.5 * seen[0]
    with torch.no_grad():
        inputs = batch_of(rows, collator)
        similarity = (embedder.eval()(**inputs).logits * teacher(**inputs).logits).sum(-1)
    assert similarity.mean() > 0.6


def test_an_embedding_student_starts_close_to_its_teacher(build_teacher, build_student, build_rows, collator):
    """Prevents a random linear layer behind an encoder that was projected with care."""
    student = build_student("ForSentenceEmbedding", embedding_size=32, hidden_size=28, intermediate_size=48)
    teacher = build_teacher("Model", num_hidden_layers=2)
    rows = build_rows(64, labels=False)
    inputs = batch_of(rows, collator)
    start = initialize_from_teacher(student, teacher, calibration=[inputs])
    assert not [name for name in start.random_parameters if name.startswith("embedding")]
    teach_embeddings(teacher, student)
    with torch.no_grad():
        similarity = (student.eval()(**inputs).logits * teacher.eval()(**inputs).logits).sum(-1)
    assert similarity.min() > 0.95


def test_embeddings_come_from_the_cache(build_trainer, build_teacher, build_rows, embedder, tmp_path):
    """Prevents vectors of other rows, or a teacher that runs in every epoch."""
    state = {name: value.clone() for name, value in embedder.state_dict().items()}
    seen = []
    for directory in (None, str(tmp_path / "cache")):
        embedder.load_state_dict(state, strict=False)
        teacher = build_teacher("Model")
        trainer = build_trainer(
            {"phases": ["prediction-layer"], "teacher_cache_dir": directory, "num_train_epochs": 3},
            model=embedder,
            teacher=teacher,
            train_dataset=build_rows(8, labels=False),
        )
        trainer.train()
        seen.append(losses(trainer, "sentence_embedding_loss"))
    assert seen[1] == pytest.approx(seen[0], rel=1e-5)


def test_a_teacher_is_named_by_its_folder_and_pooled_as_the_student(
    build_trainer, build_teacher, build_student, build_rows, tmp_path
):
    """Prevents the pooling of another student, or a teacher whose pooler must be trained."""
    build_teacher("ForMaskedLM").save_pretrained(tmp_path / "teacher")
    student = build_student("ForSentenceEmbedding", embedding_size=32, pooling="cls")
    trainer = build_trainer(
        model=student, teacher=str(tmp_path / "teacher"), train_dataset=build_rows(8, labels=False)
    )
    trainer.train()
    assert losses(trainer, "sentence_embedding_loss")
    trainer.save_model(str(tmp_path / "student"))
    again = hf_tinybert.TinyBertForSentenceEmbedding.from_pretrained(tmp_path / "student")
    assert (again.config.pooling, again.config.embedding_size) == ("cls", 32)
    (weight,) = (value for name, value in again.state_dict().items() if name == "embedding.projection.weight")
    assert torch.equal(weight, trainer.model.embedding.projection.weight)


def test_evaluation_gives_the_embeddings(build_trainer, build_teacher, build_rows, embedder):
    """Prevents an evaluation that skips rows because they have no labels."""
    rows = build_rows(8, labels=False)
    trainer = build_trainer(
        model=embedder,
        teacher=build_teacher("Model"),
        train_dataset=rows,
        eval_dataset=rows,
    )
    output = trainer.predict(rows)
    assert output.predictions.shape == (8, 32)
    trainer.train()
    metrics = trainer.evaluate()
    assert metrics["eval_sentence_embedding_loss"] == pytest.approx(metrics["eval_loss"])


def test_embeddings_of_another_width_are_refused(build_trainer, build_teacher, build_student, build_rows):
    """Prevents an error deep inside of the first batch."""
    student = build_student("ForSentenceEmbedding")
    with pytest.raises(ValueError, match="expected embeddings as wide as the teacher's 32, got 16"):
        build_trainer(model=student, teacher=build_teacher("Model"), train_dataset=build_rows(8, labels=False))


def test_preflight_lets_an_embedding_student_pass(build_trainer, build_teacher, build_rows, embedder):
    """Prevents checks of classes and labels that embeddings do not have."""
    trainer = build_trainer(
        {"preflight": True}, model=embedder, teacher=build_teacher("Model"), train_dataset=build_rows(8, labels=False)
    )
    trainer.train()


@pytest.fixture
def documents(build_rows):
    """Eight rows of `build_rows` whose tokens 0 and 3 begin a sentence."""
    rows = build_rows(8, labels=False)
    labels = [[-100] * len(ids) for ids in rows["input_ids"]]
    for number, row in enumerate(labels):
        row[0], row[3] = number % 2, 1 - number % 2
    return Dataset.from_dict({**{name: list(rows[name]) for name in rows.column_names}, "labels": labels})


@pytest.mark.parametrize("phases", [["intermediate-layer", "prediction-layer"], ["joint"]])
def test_a_summariser_learns_from_a_token_classifier(
    build_trainer, build_teacher, build_student, documents, tokenizer, tmp_path, phases
):
    """Prevents predictions of tokens that begin no sentence from being learned, and a teacher's head that is lost."""
    teacher = build_teacher("ForTokenClassification", **SKIP_KEEP)
    teacher.save_pretrained(tmp_path / "teacher")
    student = build_student("ForExtractiveSummarization", **NO_DROPOUT)
    collator = DataCollatorForTokenClassification(tokenizer)
    batch = batch_of(documents, collator)
    start = initialize_from_teacher(student, teacher, calibration=[batch])
    assert not start.random_parameters
    trainer = build_trainer(
        {"phases": phases, **ROUNDS},
        model=student,
        teacher=str(tmp_path / "teacher"),
        train_dataset=documents,
        data_collator=collator,
        initialization=start,
    )
    assert type(trainer.teacher) is BertForTokenClassification
    trainer.train()
    seen = losses(trainer, "prediction_loss")
    assert seen[-1] <= seen[0]
    marked = batch["labels"] != -100
    del batch["labels"]
    with torch.no_grad():
        answers = [model.eval()(**batch).logits[marked].softmax(-1) for model in (student, teacher)]
    assert (answers[0] - answers[1]).abs().mean() < 0.1
    trainer.save_model(str(tmp_path / "student"))
    again, report = hf_tinybert.TinyBertForExtractiveSummarization.from_pretrained(
        tmp_path / "student", output_loading_info=True
    )
    assert not report["missing_keys"] and again.config.id2label == SKIP_KEEP["id2label"]
