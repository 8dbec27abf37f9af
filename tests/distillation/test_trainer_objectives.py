"""Terms, weights and recipes in real runs of the trainer."""

import pytest
import torch
from transformers import BertTokenizer, DataCollatorForLanguageModeling, TrainerCallback

from hf_tinybert.distillation.encodings import PairedCollator
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.terms import CustomTerm, Phase, Reads, Term


class _Logs(TrainerCallback):
    """What is logged in all phases; the trainer's own history is that of the last."""

    def __init__(self):
        self.steps = []

    def on_log(self, args, state, control, logs, **kwargs):
        self.steps += [dict(logs)] if "loss" in logs else []


def _logs(trainer):
    recorder = _Logs()
    trainer.add_callback(recorder)
    trainer.train()
    return recorder.steps


@pytest.mark.parametrize("recipe", list(RecipeName))
def test_every_recipe_trains_a_classifier(build_trainer, build_student, build_teacher, recipe):
    """Prevents a preset that fails, or a term of it that stays out of the logs."""
    trainer = build_trainer({"recipe": str(recipe)})
    logs = _logs(trainer)
    expected = {name for objective in trainer.objectives.values() for name in objective.weights}
    seen = {name for entry in logs for name in entry} & set(Term)
    assert seen == expected
    assert all(torch.isfinite(torch.tensor(entry["loss"])) for entry in logs)


@pytest.mark.parametrize("strategy", ["attention", "transport"])
def test_a_learned_mapping_trains_and_is_told(build_trainer, strategy):
    """Prevents a learned mapping that falls back to the fixed one in silence."""
    trainer = build_trainer({"layer_mapping": strategy, "phases": ["intermediate-layer"]})
    assert all(entry["hidden_states_loss"] > 0 and entry["attention_scores_loss"] > 0 for entry in _logs(trainer))
    weights = trainer.phase_objective.learned_mapping.mean_weights()
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {
        "hidden_states_loss": (2, 4),
        "attention_scores_loss": (2, 4),
    }
    assert trainer._record().learned_mapping is not None


def test_weights_move_with_the_steps_and_are_logged(build_trainer):
    """Prevents annealing that is configured and not applied: the logged loss is the sum at the step's weights."""
    arguments = {"phases": ["prediction-layer"], "max_steps": 4, "lr_scheduler_type": "constant"}
    trainer = build_trainer({**arguments, "loss_weights": {"prediction_loss": [1, 0], "label_loss": [0, 1]}})
    logs = _logs(trainer)
    assert [entry["label_loss_weight"] for entry in logs] == [0.25, 0.5, 0.75, 1.0]
    for step, entry in enumerate(logs):
        share = step / 4  # of the steps done before this one
        total = (1 - share) * entry["prediction_loss"] + share * entry["label_loss"]
        assert entry["loss"] == pytest.approx(total, rel=1e-3)


def test_labels_alone_need_no_teacher_forward(build_trainer, monkeypatch):
    """Prevents a run on gold labels that pays for a teacher."""
    trainer = build_trainer({"phases": ["prediction-layer"], "loss_weights": {"prediction_loss": 0, "label_loss": 1}})
    monkeypatch.setattr(TeacherForward, "__call__", None)
    assert all(entry["label_loss"] == pytest.approx(entry["loss"], rel=1e-3) for entry in _logs(trainer))


def test_labels_of_another_column_are_learned_where_the_collator_names_them(build_trainer, build_rows, collator):
    """Prevents a refusal of what the stock Trainer takes, in training and in evaluations."""
    arguments = {"phases": ["prediction-layer"], "loss_weights": {"prediction_loss": 0, "label_loss": 1}}
    rows = build_rows(8)

    def naming(batch):
        return collator([{("labels" if name == "gold" else name): row[name] for name in row} for row in batch])

    trainer = build_trainer(
        {**arguments, "remove_unused_columns": False, "eval_strategy": "epoch", "preflight": True},
        train_dataset=rows.rename_column("labels", "gold"),
        eval_dataset=rows.rename_column("labels", "gold"),
        data_collator=naming,
    )
    trainer.train()
    plain = build_trainer({**arguments, "eval_strategy": "epoch"}, train_dataset=rows, eval_dataset=rows)
    plain.train()
    for name in ("loss", "eval_label_loss"):
        assert [log[name] for log in trainer.state.log_history if name in log] == [
            log[name] for log in plain.state.log_history if name in log
        ]
    with pytest.raises(ValueError, match="expected a `labels` column in the training set"):  # no model reads `gold`
        build_trainer(arguments, train_dataset=rows.rename_column("labels", "gold"), data_collator=naming)


def test_an_objective_of_ones_own_is_trained(build_trainer):
    """Prevents custom terms from being ignored by the trainer."""
    own = CustomTerm(
        "mean_loss", Reads.HIDDEN_STATES, lambda s, t: (s.hidden_states[2] - t.hidden_states[2]).abs().mean()
    )
    objective = DistillationObjective({"mean_loss": 2.0, Term.PREDICTION: 1.0}, custom_terms=(own,))
    trainer = build_trainer({"phases": ["joint"]}, objectives={Phase.JOINT: objective})
    for entry in _logs(trainer):
        assert entry["loss"] == pytest.approx(2 * entry["mean_loss"] + entry["prediction_loss"], rel=1e-3)
    assert trainer._record().recipe is None  # it was no recipe's
    with pytest.raises(ValueError, match="expected objectives of the phases intermediate-layer"):
        build_trainer({"phases": ["intermediate-layer"]}, objectives={Phase.JOINT: objective})


@pytest.mark.parametrize(
    ("problem", "labels", "term"),
    [
        ("multi_label_classification", [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]] * 4, "multi_label_prediction_loss"),
        ("regression", [0.5, 2.0] * 4, "regression_prediction_loss"),
    ],
)
def test_the_prediction_term_fits_the_task(
    build_trainer, build_student, build_teacher, build_rows, problem, labels, term
):
    """Prevents a softmax over labels that are independent, and over the single output of a regression."""
    names = {0: "score"} if problem == "regression" else dict(enumerate(["a", "b", "c"]))
    config = {"problem_type": problem, "id2label": names, "label2id": {name: index for index, name in names.items()}}
    trainer = build_trainer(
        {"phases": ["prediction-layer"], "loss_weights": {"label_loss": 0.5}},
        model=build_student(**config),
        teacher=build_teacher(**config),
        train_dataset=build_rows(8, labels=False).add_column("labels", labels),
    )
    for entry in _logs(trainer):
        assert entry[term] > 0
        assert entry["loss"] == pytest.approx(entry[term] + 0.5 * entry["label_loss"], rel=1e-3)


def test_a_masked_lm_student_learns_states_without_its_vocabulary_product(build_trainer, build_rows, vocabulary):
    """Prevents time spent on logits of the whole vocabulary in a phase that reads none, and a head left broken."""
    tokenizer = BertTokenizer(vocab=str(vocabulary))
    trainer = build_trainer(
        {"loss_weights": {"masked_lm_loss": 1.0}},
        head="ForMaskedLM",
        train_dataset=build_rows(8, labels=False),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5, seed=1),
    )
    shapes = []
    decoder = trainer.model.get_output_embeddings()
    decoder.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[-1]))
    logs = _logs(trainer)
    assert set(shapes[:2]) == {16}  # the width: the product is left out
    assert set(shapes[2:]) == {40}
    assert [("masked_lm_loss" in entry, "hidden_states_loss" in entry) for entry in logs] == [(False, True)] * 2 + [
        (True, False)
    ] * 2


def test_models_with_different_tokenizers_meet_at_their_predictions(
    build_trainer, build_teacher, build_rows, vocabulary
):
    """Prevents a teacher from reading token ids of another vocabulary."""
    rows = build_rows(8)
    teacher_ids = [[token + 20 for token in ids] for ids in rows["input_ids"]]
    rows = rows.add_column("teacher_input_ids", teacher_ids)
    rows = rows.add_column("teacher_attention_mask", [[1] * len(ids) for ids in teacher_ids])
    tokenizer = BertTokenizer(vocab=str(vocabulary))
    arguments = {"phases": ["prediction-layer"], "max_steps": 1}
    teacher = build_teacher(vocab_size=60)
    trainer = build_trainer(
        arguments, teacher=teacher, train_dataset=rows, data_collator=PairedCollator(tokenizer, tokenizer)
    )
    seen = []
    teacher.register_forward_pre_hook(lambda module, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True)
    _logs(trainer)
    assert all(int(ids[ids > 0].min()) >= 25 for ids in seen)
    with pytest.raises(ValueError, match="token by token|encoding"):
        build_trainer({"phases": ["joint"]}, teacher=teacher, train_dataset=rows)


def test_heads_in_groups_are_compared(build_trainer, build_student):
    """Prevents a refusal of a student with half of the teacher's heads, or a loss over some of the heads only."""
    trainer = build_trainer({"phases": ["intermediate-layer"]}, model=build_student(num_attention_heads=2))
    assert all(entry["attention_scores_loss"] > 0 for entry in _logs(trainer))
    with pytest.raises(ValueError, match="divide"):
        build_trainer({"phases": ["joint"]}, model=build_student(num_attention_heads=3, hidden_size=24))


def test_label_smoothing_reaches_the_label_term(build_trainer):
    """Prevents a stock setting that an overridden loss would ignore."""
    values = []
    for smoothing in (0.0, 0.5):
        arguments = {"phases": ["prediction-layer"], "loss_weights": {"prediction_loss": 0, "label_loss": 1}}
        trainer = build_trainer({**arguments, "label_smoothing_factor": smoothing, "max_steps": 1})
        values.append(_logs(trainer)[0]["loss"])
    assert values[0] != values[1]


@pytest.mark.parametrize(("bar", "told"), [(False, True), (True, False)])
def test_the_mapping_is_shown_where_progress_is(build_trainer, capsys, bar, told):
    """Prevents a mapping that nobody sees, and text in the output of a run that was asked to be silent."""
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1, "disable_tqdm": bar})
    trainer.train()
    assert ("2 layers x 16, 4 heads" in capsys.readouterr().out) is told


def test_a_fixed_objective_of_ones_own_keeps_the_layer_mapping(build_trainer, build_rows):
    """Prevents a student layer from imitating the teacher layer of its own number when only the arguments learn."""
    objective = DistillationObjective({Term.HIDDEN_STATES: 1.0})
    fixed, named = (
        build_trainer({"phases": ["joint"], "layer_mapping": mapping}, objectives={Phase.JOINT: objective})
        for mapping in ("uniform", "transport")
    )
    losses = [trainer.evaluate(build_rows(4))["eval_hidden_states_loss"] for trainer in (named, fixed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_fixed_and_learned_mappings_are_not_mixed(build_trainer):
    """Prevents one phase from being compared along the layers of another."""
    learned = DistillationObjective(
        {Term.HIDDEN_STATES: 1.0}, learned_mapping=LearnedMapping(MappingStrategy.TRANSPORT)
    )
    objectives = {Phase.INTERMEDIATE: learned, Phase.JOINT: DistillationObjective({Term.HIDDEN_STATES: 1.0})}
    with pytest.raises(ValueError, match="one kind of layer mapping"):
        build_trainer({"phases": ["intermediate-layer", "joint"]}, objectives=objectives)


def test_training_again_tells_the_weights_of_that_run_alone(build_trainer):
    """Prevents mean weights of a learned mapping over the texts of two trainings of one trainer."""
    trainer = build_trainer({"layer_mapping": "attention", "phases": ["intermediate-layer"], "max_steps": 1})
    texts = trainer.phase_objective.learned_mapping._texts
    trainer.train()
    once = dict(texts)
    trainer.train()
    assert texts == once != {}
