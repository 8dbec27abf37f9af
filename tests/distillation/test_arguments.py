import json

import pytest
from transformers import HfArgumentParser

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.losses import AttentionForm, ProblemType, Reduction
from hf_tinybert.distillation.recipes import RECIPES, RecipeName
from hf_tinybert.distillation.terms import Phase, Term


def test_the_defaults_are_the_terms_of_the_paper_in_one_phase(tmp_path):
    """Prevents a default other than the one that was measured, and numbers of another recipe."""
    arguments = DistillationArguments(str(tmp_path), report_to="none", use_cpu=True)
    assert (arguments.phases, arguments.num_train_epochs, arguments.learning_rate) == (["joint"], 4.0, 3e-4)
    (joint,) = arguments.objectives().values()
    names = ("embedding_loss", "hidden_states_loss", "attention_scores_loss", "prediction_loss")
    assert joint.weights_at(0) == dict.fromkeys(names, 1.0)


def test_a_recipe_brings_its_epochs_and_learning_rate_where_none_are_given(tmp_path):
    """Prevents the numbers of one method from being used for another."""
    two_phases = DistillationArguments(str(tmp_path), report_to="none", use_cpu=True, recipe="tinybert")
    assert (two_phases.num_train_epochs, two_phases.learning_rate) == (3.0, 1e-4)
    given = {"num_train_epochs": 1.0, "learning_rate": 1e-5}
    asked = DistillationArguments(str(tmp_path), report_to="none", use_cpu=True, **given)
    assert {name: vars(asked)[name] for name in given} == given


def test_the_recipe_of_the_paper_has_its_two_phases(build_arguments):
    """Prevents a recipe that is not the published method."""
    arguments = build_arguments(recipe="tinybert")
    assert arguments.phases == ["intermediate-layer", "prediction-layer"]
    assert arguments.temperature == 1.0
    first, second = arguments.objectives().values()
    assert first.weights_at(0) == {"embedding_loss": 1.0, "hidden_states_loss": 1.0, "attention_scores_loss": 1.0}
    assert second.weights_at(0) == {"prediction_loss": 1.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"phases": []}, "one or more different `phases`"),
        ({"phases": ["joint", "joint"]}, "one or more different `phases`"),
        ({"phases": ["middle"]}, "expected `phases` of intermediate-layer, prediction-layer, joint, got 'middle'"),
        ({"loss_reduction": "sum"}, "expected `loss_reduction` of mean, reference, got 'sum'"),
        ({"attention_form": "fast"}, "expected `attention_form` of auto, direct, factored, got 'fast'"),
        ({"projection_layout": "none"}, "expected `projection_layout` of per-state, shared, got 'none'"),
        ({"temperature": 0.0}, "expected a positive `temperature` such as .*, got 0.0"),
        ({"temperature": float("nan")}, "expected a positive `temperature` such as .*, got nan"),
        ({"temperature": [8, 0]}, r"expected a positive `temperature` such as .*, got \[8, 0\]"),
        (
            {"phases": ["intermediate-layer"], "probability_shift": True},
            "expected a term of .*`probability_shift`, got none in intermediate-layer; because nothing would be",
        ),
        (
            {"layer_mapping": "transport", "loss_weights": {"hidden_similarity_loss": 1}},
            "expected a fixed layer mapping with hidden_similarity_loss",
        ),
        ({"loss_layers": {"solution_flow_loss": [0]}}, "expected `loss_layers` of solution_flow_loss"),
        ({"intermediate_learning_rate": 0.0}, "expected a positive `intermediate_learning_rate`"),
        ({"intermediate_num_train_epochs": 0}, "expected a positive `intermediate_num_train_epochs`"),
        ({"label_smoothing_factor": 0.1}, "expected `label_smoothing_factor` 0, got 0.1"),
        (
            {"recipe": "bert-pkd"},
            "expected `recipe` of tinybert-joint, tinybert-several, tinybert-scratch, tinybert, minilmv2, distilbert, "
            "pkd, got 'bert-",
        ),
        ({"relation_heads": -1}, "expected `relation_heads` of at least 0, got -1"),
        ({"teacher_cache_max_gb": 0}, "expected a positive `teacher_cache_max_gb`, got 0"),
        ({"loss_layers": {"hidden_loss": [1]}}, "expected `loss_layers` for embedding_loss, .* got hidden_loss"),
        (
            {"loss_layers": {"hidden_states_loss": [0]}},
            "expected `loss_layers` of hidden_states_loss as student layers",
        ),
        ({"loss_layers": "last"}, "expected `loss_layers` as a dict or JSON object, got 'last'"),
        (
            {"phases": ["intermediate-layer"], "loss_weights": {"label_loss": 1}},
            "expected a phase that trains `label_loss`, got intermediate-layer",
        ),
        (
            {"layer_mapping": "transport", "loss_weights": {"hidden_cosine_loss": 1}},
            "expected a fixed layer mapping with hidden_cosine_loss",
        ),
        (
            {"layer_mapping": "transport", "loss_reduction": "reference"},
            "expected the reduction `mean` with a learned",
        ),
        (
            {"loss_weights": {"attention_loss": 1.0}},
            "expected `loss_weights` for embedding_loss, .* got attention_loss",
        ),
        (
            {"loss_weights": {"prediction_loss": -1.0}},
            "`loss_weights` of prediction_loss: expected a weight .* got -1.0",
        ),
        ({"loss_weights": {"prediction_loss": float("inf")}}, "`loss_weights` of prediction_loss: expected a weight"),
        ({"loss_weights": {"prediction_loss": float("nan")}}, "`loss_weights` of prediction_loss: expected a weight"),
        ({"loss_weights": {"prediction_loss": [1, 2, 3]}}, "`loss_weights` of prediction_loss: expected a weight"),
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
    assert arguments.objective(Phase.JOINT).weights_at(0) == {
        "embedding_loss": 1.0,
        "hidden_states_loss": 1.0,
        "prediction_loss": 2.0,
    }


def test_settings_reach_the_objective(build_arguments):
    """Prevents an argument that changes nothing."""
    arguments = build_arguments(
        temperature=4.0,
        loss_reduction="reference",
        attention_form="direct",
        relation_heads=6,
        loss_layers={"hidden_states_loss": [-1], "attention_scores_loss": 2},
        loss_weights={"label_loss": 1.0},
        label_smoothing_factor=0.2,
    )
    for objective in arguments.objectives(ProblemType.MULTI_LABEL).values():
        assert objective.temperature == 4.0
        assert objective.relation_heads == 6
        assert objective.layers == {"hidden_states_loss": (-1,), "attention_scores_loss": (2,)}
        assert objective.label_smoothing == 0.2
        assert objective.problem is ProblemType.MULTI_LABEL
        assert objective.reduction is Reduction.REFERENCE
        assert objective.attention_form is AttentionForm.DIRECT


@pytest.mark.parametrize("given", [[8, 1], "8,1", "[8, 1]", {"start": 8, "end": 1}])
def test_a_temperature_that_moves_reaches_the_objective(build_arguments, given):
    """Prevents a temperature of a recipe or a command line that is read otherwise than in Python, or stays."""
    arguments = build_arguments(temperature=given)
    assert arguments.temperature == {"start": 8.0, "end": 1.0, "kind": "linear"}
    assert [arguments.objective(Phase.PREDICTION).temperatures.at(share) for share in (0, 0.5, 1)] == [8.0, 4.5, 1.0]
    assert json.loads(arguments.to_json_string())["temperature"]["end"] == 1.0


def test_a_probability_shift_reaches_the_phases_that_have_predictions(build_arguments):
    """Prevents labels that are asked for in a phase that reads none, and a shift of what has no best class."""
    arguments = build_arguments(probability_shift=True)
    assert [objective.reads_labels for objective in arguments.objectives().values()] == [False, True]
    for problem in (ProblemType.REGRESSION, ProblemType.EMBEDDING, ProblemType.VECTOR, ProblemType.MULTI_LABEL):
        with pytest.raises(ValueError, match=f"classes of which one is right, got `{problem}`"):
            arguments.objectives(problem)


def test_two_weights_of_what_is_one_term_on_a_task_are_refused(build_arguments):
    """Prevents the later of two weights from taking the place of the earlier one without a word."""
    both = build_arguments(recipe="tinybert-joint", loss_weights={"prediction_kl_loss": 0.5})
    assert both.objective(Phase.JOINT).weights["prediction_kl_loss"].at(0.0) == 0.5
    with pytest.raises(ValueError, match="expected one weight for `regression_prediction_loss`, got two"):
        both.objective(Phase.JOINT, ProblemType.REGRESSION)
    one = build_arguments(recipe="tinybert-joint", loss_weights={"prediction_kl_loss": 0.5, "prediction_loss": 0})
    weights = one.objective(Phase.JOINT, ProblemType.REGRESSION).weights
    assert weights["regression_prediction_loss"].at(0.0) == 0.5
    masked = build_arguments(loss_weights={"masked_lm_loss": 1.0, "label_loss": 1.0})  # of a student with both heads
    assert {"masked_lm_loss", "label_loss"} <= set(masked.objective(Phase.JOINT, masked_lm=True).weights)


@pytest.mark.parametrize("recipe", list(RecipeName))
def test_a_recipe_fills_in_what_is_not_given(build_arguments, recipe):
    """Prevents a preset that is overruled by the defaults of another method."""
    arguments, chosen = build_arguments(recipe=str(recipe)), RECIPES[recipe]
    weights = {}
    for objective in arguments.objectives(masked_lm=True).values():
        weights |= objective.weights_at(0)
        assert objective.temperature == chosen.temperature
        assert objective.layers == chosen.layers
    assert weights == chosen.weights
    assert arguments.stages == list(chosen.phases)
    assert arguments.layer_mapping == chosen.layer_mapping


def test_what_is_given_wins_over_the_recipe(build_arguments):
    """Prevents a preset that cannot be changed."""
    arguments = build_arguments(
        recipe="distilbert",
        phases=["prediction-layer"],
        temperature=1.0,
        layer_mapping="first",
        loss_weights={"prediction_kl_loss": 3.0, "masked_lm_loss": 0},
    )
    (objective,) = arguments.objectives().values()
    assert objective.weights_at(0) == {"prediction_kl_loss": 3.0}
    assert objective.temperature == 1.0
    assert arguments.layer_mapping == "first"


def test_two_numbers_are_a_weight_that_moves(build_arguments):
    """Prevents teacher annealing from needing Python code."""
    arguments = build_arguments(loss_weights={"prediction_loss": [1, 0], "label_loss": [0, 1]})
    objective = arguments.objective(Phase.PREDICTION)
    assert objective.weights_at(0.25) == {"prediction_loss": 0.75, "label_loss": 0.25}
    assert objective.moving_at(0.25) == {"prediction_loss_weight": 0.75, "label_loss_weight": 0.25}


@pytest.mark.parametrize("strategy", ["attention", "transport"])
def test_a_learned_mapping_reaches_the_objectives_that_have_layers(build_arguments, strategy):
    """Prevents a learned mapping that is asked for and never used."""
    first, second = build_arguments(layer_mapping=strategy).objectives().values()
    assert first.learned_mapping is not None
    assert second.learned_mapping is None


@pytest.mark.parametrize("fast", [True, False])
def test_bf16_follows_the_hardware(build_arguments, monkeypatch, fast):
    """Prevents bf16 where it is emulated, 20 times slower, and float32 where bf16 is at hand."""
    monkeypatch.setattr("hf_tinybert.distillation.arguments.has_fast_bf16", lambda device: fast)
    assert build_arguments(bf16_where_fast=True).bf16 is fast
    assert build_arguments(bf16_where_fast=False).bf16 is False
    assert build_arguments(bf16=True).bf16 is True


@pytest.mark.parametrize("there", [True, False])
def test_processes_without_an_accelerator_train_together(tmp_path, monkeypatch, there):
    """Prevents that each process of a launcher trains by itself, all into one folder, and that a TPU stands idle."""
    monkeypatch.setattr("hf_tinybert.distillation.arguments.has_accelerator", lambda: there)
    assert DistillationArguments(str(tmp_path), report_to="none", bf16_where_fast=False).use_cpu is not there
    assert DistillationArguments(str(tmp_path), report_to="none", bf16_where_fast=False, use_cpu=True).use_cpu


def test_batches_are_copied_to_a_gpu_in_the_background(tmp_path, monkeypatch):
    """Prevents a host that waits at every tensor of a batch, and settings of the caller that are lost."""
    monkeypatch.setattr("hf_tinybert.distillation.arguments.has_accelerator", lambda: True)

    def config(**given):
        return DistillationArguments(
            str(tmp_path), report_to="none", bf16_where_fast=False, **given
        ).accelerator_config

    assert not config().non_blocking
    monkeypatch.setattr("hf_tinybert.distillation.arguments.has_cuda", lambda: True)
    assert config().non_blocking
    assert not config(use_cpu=True).non_blocking
    assert not config(dataloader_pin_memory=False).non_blocking  # of which the stock Trainer would warn
    kept = config(accelerator_config={"even_batches": False})
    assert kept.non_blocking and not kept.even_batches
    assert not config(accelerator_config={"non_blocking": False}).non_blocking


def test_everything_can_be_given_on_the_command_line(tmp_path):
    """Prevents an argument that only Python can set."""
    words = ["--output_dir", str(tmp_path), "--use_cpu", "true", "--report_to", "none"]
    words += ["--phases", "joint", "prediction-layer", "--layer_mapping", "1,4"]
    words += ["--temperature", "2", "--probability_shift"]
    words += ["--loss_weights", '{"attention_scores_loss": 0.5}', "--projection_layout", "shared"]
    words += ["--intermediate_max_steps", "5", "--learning_rate", "0.1", "--attention_form", "factored"]
    (arguments,) = HfArgumentParser(DistillationArguments).parse_args_into_dataclasses(words)
    assert arguments.phases == ["joint", "prediction-layer"]
    assert arguments.layer_mapping == "1,4"
    assert arguments.temperature == 2.0
    assert arguments.probability_shift
    assert arguments.loss_weights == {"attention_scores_loss": 0.5}
    assert arguments.projection_layout == "shared"
    assert arguments.intermediate_max_steps == 5
    assert arguments.learning_rate == 0.1
    assert arguments.objective(Phase.JOINT).weights_at(0)[Term.ATTENTION_SCORES] == 0.5


@pytest.mark.parametrize("mapping", [[1, 4], (0, 1, 4), "1,4"])
def test_everything_can_be_given_as_a_dictionary(tmp_path, mapping):
    """Prevents a YAML recipe with a list of layers from failing, or from being read as text of a list."""
    settings = {"output_dir": str(tmp_path), "use_cpu": True, "report_to": "none", "layer_mapping": mapping}
    (arguments,) = HfArgumentParser(DistillationArguments).parse_dict({**settings, "phases": "joint"})
    assert arguments.phases == ["joint"]
    assert arguments.layer_mapping == ",".join(str(layer) for layer in ([1, 4] if mapping == "1,4" else mapping))


def test_numbers_of_yaml_are_numbers(tmp_path):
    """Prevents a run that ends at its optimizer because YAML reads `3e-4`, without a point, as a text."""
    (tmp_path / "run.yaml").write_text(
        f"output_dir: {tmp_path}\nuse_cpu: true\nlearning_rate: 3e-4\nintermediate_learning_rate: 1e-4\n"
        "weight_decay: 1e-2\nsave_steps: 1e3\nteacher_cache_max_gb: 5e-1\n",
        encoding="utf-8",
    )
    (read,) = HfArgumentParser(DistillationArguments).parse_yaml_file(str(tmp_path / "run.yaml"))
    assert (read.learning_rate, read.intermediate_learning_rate, read.weight_decay) == (3e-4, 1e-4, 1e-2)
    assert (read.save_steps, read.teacher_cache_max_gb) == (1000, 0.5)
    with pytest.raises(ValueError, match="expected a number as `weight_decay`, got 'little'"):
        DistillationArguments(output_dir=str(tmp_path), use_cpu=True, weight_decay="little")


def test_arguments_survive_json(build_arguments):
    """Prevents enum objects in the files that checkpoints carry."""
    text = build_arguments(phases=["joint"], loss_weights={"prediction_loss": 2.0}).to_json_string()
    assert '"joint"' in text
    assert '"prediction_loss": 2.0' in text


def test_unused_parameters_are_expected_even_with_gradient_checkpointing(build_arguments):
    """Prevents several processes from failing in a phase that leaves heads or projections unused."""
    assert build_arguments(activation_checkpointing=True).ddp_find_unused_parameters is True
    assert build_arguments(ddp_find_unused_parameters=False).ddp_find_unused_parameters is False
