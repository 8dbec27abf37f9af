"""Tests of the counts of classes taken for each other."""

from hf_tinybert.report.confusion import OTHERS, count_confusion


def test_each_matrix_counts_its_own_pair():
    """Prevents the student's answers in the teacher's matrix, and rows for columns."""
    found = count_confusion([("a", "b", "a"), ("a", "a", "a"), ("b", "b", "a")], ["a", "b", "c"])
    assert found.labels == ["a", "b"]
    assert found.student == [[1, 1], [0, 1]]
    assert found.teacher == [[2, 0], [1, 0]]
    assert found.between == [[1, 2], [0, 0]]


def test_of_many_classes_the_most_confused_are_shown_and_none_is_lost():
    """Prevents a matrix of hundreds of classes, and answers that vanish from it."""
    names = [f"class {number:02}" for number in range(30)]
    answers = [(name, name, name) for name in names] + [(names[29], names[3], names[29])] * 5
    found = count_confusion(answers, names)
    assert len(found.labels) == 20 and found.labels[-1] == OTHERS and found.classes == 30
    assert {names[3], names[29]} < set(found.labels)
    assert sum(map(sum, found.student)) == sum(map(sum, found.between)) == len(answers)
