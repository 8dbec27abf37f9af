import pytest
from transformers import HfArgumentParser

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.losses import AttentionForm, Reduction
from hf_tinybert.distillation.objective import Phase, Term


def test_the_defaults_are_the_two_phases_of_the_paper(build_arguments):
    """Prevents a default that is not the published method."""
    arguments = build_arguments()
    assert arguments.phases == ["intermediate-layer", "prediction-layer"]
    assert arguments.temperature == 1.0
    first, second = arguments.objectives()
    assert first.weights == {Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0}
    assert second.weights == {Term.PREDICTION: 1.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"phases": []}, "one or more different `phases`"),
        ({"phases": ["joint", "joint"]}, "one or more different `phases`"),
        ({"phases": ["middle"]}, "expected `phases` of intermediate-layer, prediction-layer, joint, got 'middle'"),
        ({"loss_reduction": "sum"}, "expected `loss_reduction` of mean, reference, got 'sum'"),
        ({"attention_form": "fast"}, "expected `attention_form` of auto, direct, factored, got 'fast'"),
        ({"projection_layout": "none"}, "expected `projection_layout` of per-state, shared, got 'none'"),
        ({"temperature": 0.0}, "expected a positive `temperature`, got 0.0"),
        ({"temperature": float("nan")}, "expected a positive `temperature`, got nan"),
        ({"intermediate_learning_rate": 0.0}, "expected a positive `intermediate_learning_rate`"),
        ({"intermediate_num_train_epochs": 0}, "expected a positive `intermediate_num_train_epochs`"),
        ({"label_smoothing_factor": 0.1}, "expected `label_smoothing_factor` 0, got 0.1"),
        (
            {"loss_weights": {"attention_loss": 1.0}},
            "expected `loss_weights` for embedding_loss, .* got attention_loss",
        ),
        (
            {"loss_weights": {"prediction_loss": -1.0}},
            "expected `loss_weights` of at least 0, got {'prediction_loss': -1.0}",
        ),
        ({"loss_weights": {"prediction_loss": float("inf")}}, "expected `loss_weights` of at least 0"),
        ({"loss_weights": {"prediction_loss": float("nan")}}, "expected `loss_weights` of at least 0"),
        ({"loss_weights": "prediction_loss=2"}, "expected `loss_weights` as a dict or JSON object"),
        ({"loss_weights": {"prediction_loss": 0}}, "a term with a positive weight in phase `prediction-layer`"),
    ],
)
def test_what_cannot_be_trained_is_refused(build_arguments, wrong, message):
    """Prevents a typing error from being found after hours, or never."""
    with pytest.raises(ValueError, match=message):
        build_arguments(**wrong)


def test_phases_take_their_own_epochs_steps_and_learning_rate(build_arguments):
    """Prevents the settings of one phase from being used in another."""
    arguments = build_arguments(
        phases=["joint", "intermediate-layer"],
        num_train_epochs=2,
        max_steps=7,
        learning_rate=0.5,
        intermediate_num_train_epochs=3,
        intermediate_max_steps=9,
        intermediate_learning_rate=0.25,
    )
    assert arguments.phase_settings() == [
        PhaseSettings(Phase.JOINT, num_train_epochs=2, max_steps=7, learning_rate=0.5),
        PhaseSettings(Phase.INTERMEDIATE, num_train_epochs=3, max_steps=9, learning_rate=0.25),
    ]


def test_a_weight_of_zero_leaves_the_term_out(build_arguments):
    """Prevents a term from being computed, and read from the models, for nothing."""
    arguments = build_arguments(loss_weights={"attention_scores_loss": 0, "prediction_loss": 2})
    assert not arguments.objective(Phase.INTERMEDIATE).reads_attention
    assert arguments.objective(Phase.JOINT).weights == {
        Term.EMBEDDING: 1.0,
        Term.HIDDEN_STATES: 1.0,
        Term.PREDICTION: 2.0,
    }


def test_settings_reach_the_objective(build_arguments):
    """Prevents an argument that changes nothing."""
    arguments = build_arguments(temperature=4.0, loss_reduction="reference", attention_form="direct")
    for objective in arguments.objectives():
        assert objective.temperature == 4.0
        assert objective.reduction is Reduction.REFERENCE
        assert objective.attention_form is AttentionForm.DIRECT


def test_everything_can_be_given_on_the_command_line(tmp_path):
    """Prevents an argument that only Python can set."""
    words = ["--output_dir", str(tmp_path), "--use_cpu", "true", "--report_to", "none"]
    words += ["--phases", "joint", "prediction-layer", "--layer_mapping", "1,4", "--temperature", "2"]
    words += ["--loss_weights", '{"attention_scores_loss": 0.5}', "--projection_layout", "shared"]
    words += ["--intermediate_max_steps", "5", "--learning_rate", "0.1", "--attention_form", "factored"]
    (arguments,) = HfArgumentParser(DistillationArguments).parse_args_into_dataclasses(words)
    assert arguments.phases == ["joint", "prediction-layer"]
    assert arguments.layer_mapping == "1,4"
    assert arguments.temperature == 2.0
    assert arguments.loss_weights == {"attention_scores_loss": 0.5}
    assert arguments.projection_layout == "shared"
    assert arguments.intermediate_max_steps == 5
    assert arguments.learning_rate == 0.1
    assert arguments.objective(Phase.JOINT).weights[Term.ATTENTION_SCORES] == 0.5


@pytest.mark.parametrize("mapping", [[1, 4], (0, 1, 4), "1,4"])
def test_everything_can_be_given_as_a_dictionary(tmp_path, mapping):
    """Prevents a YAML recipe with a list of layers from failing, or from being read as text of a list."""
    settings = {"output_dir": str(tmp_path), "use_cpu": True, "report_to": "none", "layer_mapping": mapping}
    (arguments,) = HfArgumentParser(DistillationArguments).parse_dict({**settings, "phases": "joint"})
    assert arguments.phases == ["joint"]
    assert arguments.layer_mapping == ",".join(str(layer) for layer in ([1, 4] if mapping == "1,4" else mapping))


def test_arguments_survive_json(build_arguments):
    """Prevents enum objects in the files that checkpoints carry."""
    text = build_arguments(phases=["joint"], loss_weights={"prediction_loss": 2.0}).to_json_string()
    assert '"joint"' in text
    assert '"prediction_loss": 2.0' in text


def test_unused_parameters_are_expected_even_with_gradient_checkpointing(build_arguments):
    """Prevents several processes from failing in a phase that leaves heads or projections unused."""
    assert build_arguments(activation_checkpointing=True).ddp_find_unused_parameters is True
    assert build_arguments(ddp_find_unused_parameters=False).ddp_find_unused_parameters is False
