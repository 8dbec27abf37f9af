"""The table of standard columns."""

import pytest
from datasets import ClassLabel, LargeList, List, Value

from hf_tinybert.data.column_roles import ROLES, is_class, is_text, is_texts
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.tasks import KINDS


@pytest.mark.parametrize("kind", TaskKind)
def test_every_kind_has_a_role_for_each_of_its_columns(kind):
    """Prevents a column that a kind reads or scores and no data set can give."""
    definition = KINDS[kind]
    assert {*definition.columns, *definition.label_columns} <= set(ROLES[kind])


def test_types_are_told_apart():
    """Prevents numbers that are tokenised, texts that are averaged, and float scores that become classes."""
    string, large = Value("string"), Value("large_string")
    assert is_text(string) and is_text(large) and not is_text(Value("int64")) and not is_text(List(string))
    assert is_texts(List(string)) and is_texts(LargeList(large)) and not is_texts(List(Value("int8")))
    assert all(is_class(feature) for feature in (string, Value("int8"), Value("bool"), ClassLabel(2)))
    assert not is_class(Value("float32")) and not is_class(List(string))
