"""Tests of what a distillation can be told."""

import pytest

from hf_tinybert.distillation import DistillationArguments
from hf_tinybert.workflow import DistilSettings


def _settings(**changes):
    return DistilSettings(data="data", teacher="teacher", **changes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "zeros"},
        {"learn_from": "books"},
        {"shape": "5L-100"},
        {"width": 0},
        {"calibration_rows": 0},
        {"epochs": 0},
        {"epochs": -1.0},
        {"intermediate_epochs": 0.0},
        {"unlabeled": ("more.txt",), "learn_from": "labels"},
        {"learning_rate_factors": {"classifier": 0}},
        {"start": "random", "calibration_rows": 64},
        {"start": "layers", "calibration_rows": 64},
        {"start": "trained"},
        {"start": ""},
        *({"start": "owner/general", name: 4} for name in ("layers", "width", "heads", "units")),
        {"start": "owner/general", "shape": "6L-768"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_once(wrong):
    """Prevents a mistake from being found after the data was read."""
    with pytest.raises(ValueError, match="expected"):
        _settings(**wrong)


def test_what_is_not_given_is_as_in_the_arguments(tmp_path):
    """Prevents two places with different defaults."""
    made, stock = _settings().arguments(tmp_path, "accuracy"), DistillationArguments(str(tmp_path), report_to="none")
    names = ("phases", "learning_rate", "intermediate_learning_rate", "num_train_epochs", "temperature")
    assert [vars(made)[name] for name in names] == [vars(stock)[name] for name in names]
    assert made.intermediate_num_train_epochs == stock.intermediate_num_train_epochs


def test_what_is_given_reaches_the_arguments(tmp_path):
    """Prevents options without effect."""
    made = _settings(
        recipe="distilbert",
        epochs=2,
        learning_rate=1e-5,
        temperature=3.0,
        cache_dir="cache",
        cache_max_gb=20,
        layer_mapping="last",
    ).arguments(tmp_path, "loss")
    assert (made.recipe, made.num_train_epochs, made.learning_rate, made.temperature) == ("distilbert", 2, 1e-5, 3.0)
    assert not made.probability_shift
    assert made.teacher_cache_max_gb == 20 and _settings().arguments(tmp_path, "loss").teacher_cache_max_gb == 10
    assert made.teacher_cache_dir == "cache" and made.layer_mapping == "last" and made.greater_is_better is False


@pytest.mark.parametrize(
    ("start", "given", "recipe"),
    [
        ("random", {}, "tinybert-scratch"),
        ("random", {"recipe": "tinybert-joint"}, "tinybert-joint"),
        ("random", {"phases": ("intermediate-layer", "prediction-layer")}, "tinybert-joint"),
        ("projection", {}, "tinybert-joint"),
    ],
)
def test_a_random_start_has_a_recipe_of_its_own(tmp_path, start, given, recipe):
    """Prevents an attention term that keeps a student of random weights at chance for more than a pass."""
    assert _settings(start=start, **given).arguments(tmp_path, "accuracy").recipe == recipe


def test_a_temperature_that_moves_and_a_probability_shift_reach_the_arguments(tmp_path):
    """Prevents options without effect, and a list that is another run than the pair it was made from."""
    settings = _settings(temperature=(8.0, 1.0), probability_shift=True)
    made = settings.arguments(tmp_path, "loss")
    assert made.temperature == {"start": 8.0, "end": 1.0, "kind": "linear"} and made.probability_shift
    told = settings.to_json()
    assert (told["temperature"], told["probability_shift"]) == ([8.0, 1.0], True)
    assert "probability_shift" not in _settings().to_json()  # runs of before had no such key


def test_parts_of_the_student_reach_the_arguments_and_runs_of_before_are_known_again(tmp_path):
    """Prevents a setting without effect, and finished runs that are refused because they lack a key."""
    settings = _settings(frozen=("embeddings.word_embeddings",), learning_rate_factors={"classifier": 10})
    made, told = settings.arguments(tmp_path, "loss"), settings.to_json()
    assert made.frozen == told["frozen"] == ["embeddings.word_embeddings"]
    assert made.learning_rate_factors == told["learning_rate_factors"] == {"classifier": 10}
    assert _settings(frozen="embeddings").frozen == _settings(frozen=["embeddings"]).frozen == ("embeddings",)
    plain = _settings()
    assert plain.arguments(tmp_path, "loss").frozen == []
    assert not {"frozen", "learning_rate_factors"} & plain.to_json().keys()
    with pytest.raises(ValueError, match="expected `learn_from` teacher with `learning_rate_factors`, got labels"):
        _settings(learn_from="labels", learning_rate_factors={"classifier": 10})
    with pytest.raises(ValueError, match="expected a positive `temperature`"):
        _settings(temperature=(8.0, 0.0)).arguments(tmp_path, "loss")
    with pytest.raises(ValueError, match="expected `learn_from` teacher with `probability_shift`, got labels"):
        _settings(learn_from="labels", probability_shift=True)


OF_A_TEACHER = {
    "loss_weights": {"label_loss": 1.0},
    "temperature": 2.0,
    "phases": ("joint",),
    "intermediate_epochs": 1,
    "intermediate_learning_rate": 1e-4,
    "cache_dir": "cache",
}


@pytest.mark.parametrize("name", OF_A_TEACHER)
def test_what_only_a_teacher_gives_meaning_to_is_refused_beside_labels_alone(name):
    """Prevents options that are given, kept as settings of the run, and do nothing."""
    _settings(**{name: OF_A_TEACHER[name]})
    with pytest.raises(ValueError, match=f"expected `learn_from` teacher with `{name}`, got labels; because nothing"):
        _settings(learn_from="labels", **{name: OF_A_TEACHER[name]})


def test_what_labels_alone_have_a_use_for_is_taken():
    """Prevents a baseline that cannot have the start, or the length, of the student beside it."""
    used = {"recipe": "distilbert", "epochs": 2, "learning_rate": 1e-4, "dropout": 0.1, "frozen": "embeddings"}
    _settings(learn_from="labels", loss_weights={}, layer_mapping="last", **used)
    for start in ("random", "owner/general"):
        with pytest.raises(ValueError, match="teacher with `layer_mapping`, got labels"):
            _settings(learn_from="labels", start=start, layer_mapping="last")


OTHER_PHASE = [
    ({}, "intermediate_epochs", "intermediate-layer", "joint"),
    ({}, "intermediate_learning_rate", "intermediate-layer", "joint"),
    ({"phases": ("prediction-layer",)}, "intermediate_epochs", "intermediate-layer", "prediction-layer"),
    ({"recipe": "minilmv2"}, "epochs", "prediction-layer or joint", "intermediate-layer"),
    ({"recipe": "minilmv2"}, "learning_rate", "prediction-layer or joint", "intermediate-layer"),
    ({"phases": ("intermediate-layer",)}, "temperature", "prediction-layer or joint", "intermediate-layer"),
]


@pytest.mark.parametrize(("given", "name", "missing", "there"), OTHER_PHASE)
def test_what_belongs_to_a_phase_that_the_run_does_not_have_is_refused(tmp_path, given, name, missing, there):
    """Prevents passes and a learning rate that are given, kept as settings of the run, and do nothing."""
    settings = _settings(**given, **{name: 2.0})
    with pytest.raises(ValueError, match=f"expected the phase {missing} with `{name}`, got {there}; because no other"):
        settings.arguments(tmp_path, "loss")


@pytest.mark.parametrize("start", ["random", "owner/general"])
def test_a_layer_mapping_that_nothing_reads_is_refused(tmp_path, start):
    """Prevents layers that are chosen for a student that neither starts from them nor imitates them."""
    predictions, both = {"phases": ("prediction-layer",)}, {"phases": ("joint",)}
    with pytest.raises(ValueError, match=f"with `layer_mapping`, got `{start}` and predictions; because nothing"):
        _settings(start=start, layer_mapping="last", **predictions).arguments(tmp_path, "loss")
    for taken in ({"start": start, **both}, {"start": "layers", **predictions}):
        assert _settings(layer_mapping="last", **taken).arguments(tmp_path, "loss").layer_mapping == "last"


def test_both_phases_take_the_settings_of_both(tmp_path):
    """Prevents a refusal of what has a use, whether the phases are given or the recipe's."""
    passes = {"epochs": 2, "learning_rate": 1e-5, "intermediate_epochs": 1, "intermediate_learning_rate": 1e-4}
    both = ("intermediate-layer", "prediction-layer")
    for given in ({"recipe": "tinybert"}, {"phases": both}, {"phases": ("intermediate-layer", "joint")}):
        made = _settings(**given, **passes, temperature=2.0).arguments(tmp_path, "loss")
        assert (made.num_train_epochs, made.learning_rate) == (2, 1e-5)
        assert (made.intermediate_num_train_epochs, made.intermediate_learning_rate) == (1, 1e-4)


def test_a_limit_of_a_cache_that_there_is_not_is_refused():
    """Prevents a run whose teacher is thought to be kept, and answers at every step."""
    with pytest.raises(ValueError, match="expected `cache_dir` with `cache_max_gb`, got 20 without"):
        _settings(cache_max_gb=20)


def test_settings_come_back_from_json():
    """Prevents a finished run from being refused as another one."""
    values = _settings(phases=("joint",), loss_weights={"label_loss": 0.5}).to_json()
    assert values["phases"] == ["joint"] and values["loss_weights"] == {"label_loss": 0.5}


def test_a_start_is_a_method_or_a_trained_student(tmp_path, monkeypatch):
    """Prevents a folder that is called as a method from being read, and one of a plain name from being refused."""
    for start in ("projection", "layers", "random"):
        assert (_settings(start=start).start_method, _settings(start=start).start_folder) == (start, None)
    monkeypatch.chdir(tmp_path)
    for name in ("general", "random"):
        (tmp_path / name).mkdir()
    for start in ("general", str(tmp_path / "general"), "owner/general"):
        assert (_settings(start=start).start_method, _settings(start=start).start_folder) == ("trained", start)
    assert _settings(start="random").start_folder is None


def test_sizes_beside_a_trained_student_are_named():
    """Prevents a student of another shape than was asked for."""
    with pytest.raises(ValueError, match="no `layers`, `width` with a trained student as `start`, got 2, 96; because"):
        _settings(start="owner/general", layers=2, width=96)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"augment": "both"}, "replace, join"),
        ({"augment": "join", "cache_dir": "cache"}, "no `cache_dir` with `augment`"),
        ({"augment": "join", "learn_from": "labels"}, "`learn_from` teacher with `augment`"),
        ({"augment_words": {"vectors": "glove"}}, "got none"),
        ({"augment": "join", "augment_words": {"copies": 3}}, "copies"),
        ({"augment": "join", "augment_words": {"probability": 2.0}}, "`probability`"),
    ],
    ids=str,
)
def test_variants_that_cannot_be_are_refused(wrong, said):
    """Prevents variants that nobody sees, or whose teacher answers for other texts, after hours."""
    with pytest.raises(ValueError, match=said):
        _settings(**wrong)


def test_variants_take_the_paper_s_numbers_where_none_are_given():
    """Prevents words of variants that are not those which were asked for."""
    words = _settings(augment="join", augment_words={"probability": 0.2}).word_settings
    assert (words.probability, words.candidates) == (0.2, 15)
    assert _settings().word_settings is None


@pytest.mark.parametrize("weights", [{"nope_loss": 1.0}, {"label_loss": -1.0}, {"label_loss": float("nan")}])
def test_weights_that_are_none_are_refused_as_they_are_read(weights):
    """Prevents a misspelt term from being told after the data was tokenised."""
    with pytest.raises(ValueError, match="`loss_weights`.*got (nope_loss|-1.0|nan)"):
        DistilSettings(data="news.csv", teacher="teacher", loss_weights=weights)
