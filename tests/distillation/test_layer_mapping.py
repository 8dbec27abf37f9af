import pytest
from transformers import DistilBertConfig

from hf_tinybert.distillation.layer_mapping import EncoderShape, is_learned, mapping_table, resolve_layer_mapping


@pytest.mark.parametrize(
    ("student_layers", "teacher_layers", "expected"),
    [
        (4, 12, (0, 3, 6, 9, 12)),
        (6, 12, (0, 2, 4, 6, 8, 10, 12)),
        (4, 6, (0, 2, 3, 4, 6)),
        (3, 3, (0, 1, 2, 3)),
        (1, 12, (0, 12)),
    ],
)
def test_uniform_spreads_over_the_teacher_and_ends_at_its_last_layer(student_layers, teacher_layers, expected):
    """Prevents depths that do not divide from mapping two student layers to one teacher layer or missing the last."""
    assert resolve_layer_mapping("uniform", student_layers, teacher_layers) == expected


def test_uniform_is_strictly_increasing_for_every_pair_of_depths():
    """Prevents rounding from giving two student layers the same teacher layer."""
    for teacher_layers in range(1, 25):
        for student_layers in range(1, teacher_layers + 1):
            mapping = resolve_layer_mapping("uniform", student_layers, teacher_layers)
            assert mapping[0] == 0
            assert mapping[-1] == teacher_layers
            assert sorted(set(mapping)) == list(mapping)


def test_last_and_first_take_the_end_and_the_beginning_of_the_teacher():
    """Prevents the two strategies of the ablation from being swapped or shifted by the embedding output."""
    assert resolve_layer_mapping("last", 4, 12) == (0, 9, 10, 11, 12)
    assert resolve_layer_mapping("first", 4, 12) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("strategy", ["attention", "transport"])
def test_a_learned_mapping_starts_from_the_uniform_one(strategy):
    """Prevents a student that is initialised from other layers than the ones the table names."""
    assert resolve_layer_mapping(strategy, 4, 6) == (0, 2, 3, 4, 6)


def test_only_attention_and_transport_are_learned():
    """Prevents explicit layers or a rule from being overridden by what the data say."""
    assert [name for name in ("uniform", "last", "first", "attention", "transport") if is_learned(name)] == [
        "attention",
        "transport",
    ]
    assert not is_learned("2,4")
    assert not is_learned([2, 4])


@pytest.mark.parametrize("mapping", [[2, 3, 5, 6], [0, 2, 3, 5, 6], (2, 3, 5, 6), "2,3,5,6", " 0, 2, 3, 5, 6 "])
def test_explicit_layers_are_taken_as_they_are_with_or_without_the_embedding_output(mapping):
    """Prevents a leading 0, or its absence, from shifting every layer by one."""
    assert resolve_layer_mapping(mapping, 4, 6) == (0, 2, 3, 5, 6)


@pytest.mark.parametrize(
    "mapping",
    [[2, 4], [2, 3, 4, 7], [2, 2, 3, 4], [4, 3, 2, 1], [-1, 2, 3, 4], [1, 2, 3, 4, 5], "1,2,3", [0, 1, 2, 3]],
)
def test_explicit_layers_that_do_not_fit_are_refused(mapping):
    """Prevents a zip that silently leaves layers out, and a teacher layer that does not exist."""
    with pytest.raises(ValueError, match=r"expected 4 strictly increasing teacher layers from 1 to 6.*because"):
        resolve_layer_mapping(mapping, 4, 6)


@pytest.mark.parametrize("mapping", ["middle", "", "1,,2", "2;4"])
def test_text_that_is_no_mapping_is_refused_with_the_choices(mapping):
    """Prevents a typing error from falling back to some mapping."""
    with pytest.raises(
        ValueError, match="'uniform', 'last', 'first', 'search', 'attention', 'transport' or teacher layers"
    ):
        resolve_layer_mapping(mapping, 2, 4)


@pytest.mark.parametrize("mapping", ["uniform", "last", "first", [1, 2, 3, 4]])
def test_a_student_deeper_than_its_teacher_is_refused(mapping):
    """Prevents the same teacher layer from being imitated twice."""
    with pytest.raises(ValueError, match="no deeper than its teacher, got 4 student and 3 teacher layers"):
        resolve_layer_mapping(mapping, 4, 3)


def test_the_table_shows_every_student_state_on_a_line():
    """Prevents a log that hides which layers are compared."""
    lines = mapping_table((0, 2, 4)).splitlines()
    assert [line.split() for line in lines] == [
        ["student", "teacher"],
        ["embeddings", "embeddings"],
        ["layer", "1", "layer", "2"],
        ["layer", "2", "layer", "4"],
    ]


STUDENT, TEACHER = EncoderShape(layers=4, width=312, heads=12), EncoderShape(layers=6, width=384, heads=12)


def test_the_table_names_the_strategy_and_both_shapes_in_columns():
    """Prevents a start of a run that does not say what is being made from what."""
    table = mapping_table((0, 2, 3, 4, 6), strategy="last", shapes=(STUDENT, TEACHER)).splitlines()
    assert table[:4] == [
        "mapping: last",
        "student                    teacher",
        "4 layers x 312, 12 heads   6 layers x 384, 12 heads",
        "embeddings                 embeddings",
    ]


@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        ("uniform", "mapping: uniform"),
        ("transport", "mapping: learned (transport), starting from uniform"),
        ("2,3,5,6", "mapping: explicit"),
        ([2, 3, 5, 6], "mapping: explicit"),
    ],
)
def test_the_first_line_says_how_the_layers_were_chosen(strategy, line):
    """Prevents a learned mapping from looking like a fixed one, and layers that were given from looking chosen."""
    assert mapping_table((0, 2, 3, 5, 6), strategy=strategy).splitlines()[0] == line


@pytest.mark.parametrize(("strategy", "expected"), [("uniform", True), ("attention", True), ("first", False)])
def test_rounding_is_told_where_it_happened(strategy, expected):
    """Prevents uneven steps between teacher layers from looking like a mistake."""
    table = mapping_table((0, 2, 3, 4, 6), strategy=strategy, shapes=(STUDENT, TEACHER))
    assert ("6 teacher layers do not divide by 4; layer i takes round(i * 6 / 4)" in table) is expected
    deeper = TEACHER._replace(layers=12)
    assert "divide" not in mapping_table((0, 3, 6, 9, 12), strategy=strategy, shapes=(STUDENT, deeper))


def test_different_widths_and_heads_are_told():
    """Prevents somebody from reading 312 and 768 as comparable without a projection, or 12 and 4 heads at all."""
    table = mapping_table((0, 2, 3, 4, 6), shapes=(STUDENT, TEACHER._replace(heads=4)))
    assert "a learned projection takes 312 to 384" in table
    assert "heads differ (12 and 4)" in table
    assert "note" not in mapping_table((0, 1, 2, 3, 4), shapes=(STUDENT, STUDENT))


def test_a_shape_reads_the_configuration_of_any_family():
    """Prevents DistilBERT, which calls width `dim`, from breaking the table."""
    config = DistilBertConfig(n_layers=3, dim=24, n_heads=4)
    assert EncoderShape.of(config) == EncoderShape(layers=3, width=24, heads=4)
