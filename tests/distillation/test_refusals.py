import pytest
import torch
from transformers import TrainingArguments

from hf_tinybert.distillation.refusals import check_before_data, check_pair, check_trainer_arguments
from hf_tinybert.distillation.trainer import DistillationTrainer


@pytest.mark.parametrize(
    ("settings", "others", "message"),
    [
        ({}, {"model_init": len}, "expected no `model_init`, got one"),
        ({}, {"compute_loss_func": len}, "expected no `compute_loss_func`, got one"),
        ({}, {"optimizers": (object(), None)}, "expected no `optimizers` with more than one phase"),
        ({"enable_jit_checkpoint": True}, {}, "expected no `enable_jit_checkpoint` with more than one phase"),
        ({"max_steps": 3}, {"train_dataset": iter(())}, "expected a positive `intermediate_max_steps`"),
        ({"intermediate_max_steps": 3}, {"train_dataset": iter(())}, "expected a positive `max_steps`"),
        (
            {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
            {},
            "expected `use_reentrant` False, got True",
        ),
    ],
)
def test_arguments_that_would_be_ignored_or_train_nothing_are_refused(build_arguments, settings, others, message):
    """Prevents a setting that changes nothing, or terms that are logged and not trained."""
    with pytest.raises(ValueError, match=message):
        check_trainer_arguments(build_arguments(**settings), others)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "with the intermediate-layer phase and the prediction-layer phase, got it"),
        ({"phases": ["joint"], "gradient_accumulation_steps": 2}, "with `gradient_accumulation_steps`, got it"),
    ],
)
def test_a_static_graph_that_changes_is_refused(build_arguments, monkeypatch, settings, message):
    """Prevents a run of several processes that ends at its third step with a message about parameter indices."""
    arguments = build_arguments(ddp_static_graph=True, **settings)
    check_trainer_arguments(arguments, {})  # of one process, which has no DDP
    monkeypatch.setattr(type(arguments), "world_size", 2)
    with pytest.raises(ValueError, match=f"expected no `ddp_static_graph` {message}"):
        check_trainer_arguments(arguments, {})
    check_trainer_arguments(build_arguments(ddp_static_graph=True, phases=["joint"]), {})


def test_processes_with_different_numbers_of_batches_are_refused(build_arguments, monkeypatch):
    """Prevents processes that wait for each other at the last step of an epoch, half an hour long."""
    uneven = {"accelerator_config": {"even_batches": False}}
    arguments = build_arguments(**uneven)
    check_trainer_arguments(arguments, {})  # of one process, which waits for nobody
    monkeypatch.setattr(type(arguments), "world_size", 2)
    with pytest.raises(ValueError, match="expected `even_batches` True with 2 processes, got False"):
        check_trainer_arguments(arguments, {})
    check_trainer_arguments(build_arguments(**uneven, dataloader_drop_last=True), {})


def test_the_trainers_own_search_is_refused_as_its_model_maker_is(build_trainer):
    """Prevents advice to pass the `model_init` that is refused."""
    with pytest.raises(ValueError, match="expected no `hyperparameter_search`.* make a trainer for each trial"):
        build_trainer().hyperparameter_search(n_trials=1)


@pytest.mark.parametrize("ask", ["get_tp_size", "get_cp_size", "get_sp_size"])
def test_parts_of_sequences_and_of_layers_are_refused(build_trainer, monkeypatch, ask):
    """Prevents terms over the part of a sequence, or of a layer, that one process holds."""
    monkeypatch.setattr(DistillationTrainer, ask, lambda _: 2)
    with pytest.raises(ValueError, match=f"expected no tensor, context or sequence parallelism, got .*{ask[4:]}': 2"):
        build_trainer()


def test_one_phase_may_bring_its_optimizer(build_arguments):
    """Prevents a refusal where there is nothing to refuse."""
    check_trainer_arguments(build_arguments(phases=["joint"]), {"optimizers": (object(), None)})


def test_stock_arguments_are_refused(tmp_path):
    """Prevents defaults from standing in for settings that were never given."""
    with pytest.raises(ValueError, match="expected `DistillationArguments`, got `TrainingArguments`"):
        check_trainer_arguments(TrainingArguments(str(tmp_path), use_cpu=True), {})


def test_a_pair_is_checked_as_a_whole(build_student, build_teacher, build_arguments, build_rows):
    """Prevents a check that exists and is not asked."""
    arguments = build_arguments()
    objectives = list(arguments.objectives().values())
    check_pair(build_student(), build_teacher(), objectives, arguments, train_dataset=build_rows(4))
    with pytest.raises(ValueError, match="divide"):
        check_pair(build_student(hidden_size=24, num_attention_heads=3), build_teacher(), objectives, arguments)
    with pytest.raises(ValueError, match="expected a training set with rows"):
        check_pair(build_student(), build_teacher(), objectives, arguments, train_dataset=build_rows(4).select([]))
    frozen = build_student().requires_grad_(False)
    with pytest.raises(ValueError, match="frozen student"):
        check_pair(frozen, build_teacher(), objectives, arguments)
    weighted = build_student()
    weighted.class_weights = torch.ones(3)
    weighted.register_buffer("class_weight", torch.ones(3))
    with pytest.raises(ValueError, match="class"):
        check_pair(weighted, build_teacher(), objectives, arguments)
    separate = build_rows(4).add_column("teacher_input_ids", [[5, 6]] * 4)
    with pytest.raises(ValueError, match="encoding"):
        check_pair(build_student(), build_teacher(vocab_size=50), objectives, arguments, train_dataset=separate)


@pytest.mark.parametrize(
    ("head", "contents", "refused"),
    [
        ("ForSequenceClassification", "auto", "embedding_loss, hidden_states_loss, attention_scores_loss"),
        ("ForSequenceClassification", "logits", None),  # of whole texts
        ("ForTokenClassification", "logits", "prediction_loss"),
    ],
)
def test_a_cache_is_refused_for_means_over_padding(
    build_student, build_teacher, build_arguments, head, contents, refused
):
    """Prevents a student that learns to be zero at padding, which a cache does not keep, as the teacher is not."""
    models = build_student(head), build_teacher(head)
    settings = {"teacher_cache_dir": "cache", "teacher_cache_contents": contents}
    check_before_data(*models, build_arguments(**settings))
    arguments = build_arguments(**settings, loss_reduction="reference")
    if refused is None:
        check_before_data(*models, arguments)
        return
    with pytest.raises(ValueError, match=f"`teacher_cache_dir` with `loss_reduction` reference, got .* {refused};"):
        check_before_data(*models, arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_mapping": "2,9"}, "strictly increasing teacher layers"),
        ({"loss_layers": {"hidden_states_loss": [7]}}, "the student has 2 layers"),
    ],
)
def test_without_data_the_same_is_refused_as_by_the_trainer(
    build_student, build_teacher, build_arguments, settings, message
):
    """Prevents hours of preparing data for a run that is refused when it starts."""
    assert len(check_before_data(build_student(), build_teacher(), build_arguments())) == 2
    with pytest.raises(ValueError, match=message):
        check_before_data(build_student(), build_teacher(), build_arguments(**settings))
    with pytest.raises(ValueError, match="divide"):
        odd = build_student(hidden_size=24, num_attention_heads=3)
        check_before_data(odd, build_teacher(), build_arguments())


def test_looking_before_there_is_data_changes_neither_model(build_student, build_teacher, build_arguments):
    """Prevents models that record attention, or hold projections, before the trainer has them."""
    student, teacher = build_student(), build_teacher()
    before = [(str(model), model.config._attn_implementation, model.training) for model in (student, teacher)]
    check_before_data(student, teacher, build_arguments())
    assert [(str(model), model.config._attn_implementation, model.training) for model in (student, teacher)] == before
