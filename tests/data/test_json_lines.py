"""Which line of a file is broken."""

import pytest

from hf_tinybert.data.json_lines import check_json_lines

GOOD = '{"text": "a", "tags": ["O"], "score": 1}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b", "tags"', r"a JSON object in line 2 of `.*`, got \{\"text\": \"b\", \"tags\" \(Expecting"),
        ('["b"]', r'line 2 of `.*`, got \["b"\]; because a row has named'),
        ('{"text": "b"} {"text": "c"}', r"line 2 .*Extra data"),
        ('{"text": "b", "score": NaN}', r"line 2 .*NaN is no JSON"),
        ('{"text": "b\\ud83d"}', r"line 2 .*surrogates not allowed"),
        ("", r"line 2 of `.*`, got an empty line"),
        ('{"text": 7}', r"expected text in `text` in line 2 of `.*`, as in line 1, got a number: 7"),
        ('{"text": "b", "tags": "O"}', r"expected a list of text in `tags` in line 2 .*got text: 'O'"),
        ('{"text": "b", "tags": [1]}', r"expected a list of text in `tags` in line 2 .*got a list of a number: \[1\]"),
        ('{"text": {"en": "b"}}', r"expected text in `text` in line 2 .*got an object"),
    ],
)
def test_the_first_line_that_is_no_row_is_named(tmp_path, line, message):
    """Prevents hunting a broken line through a file of a million."""
    (tmp_path / "rows.jsonl").write_text(f"{GOOD}{line}\n{GOOD}", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        check_json_lines(tmp_path / "rows.jsonl")


def test_sound_lines_are_counted(tmp_path):
    """Prevents a refusal of what is sound: missing cells, empty lists, 1 beside 0.5, empty ends."""
    lines = [
        '{"text": null, "tags": [], "score": 1}',
        GOOD.strip(),
        '{"text": "é \\u2028", "tags": null, "score": 0.5}',
    ]
    (tmp_path / "rows.jsonl").write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n", encoding="utf-8", newline="")
    assert check_json_lines(tmp_path / "rows.jsonl") == 3


def test_the_type_of_items_is_learnt_from_the_first_list_that_has_any(tmp_path):
    """Prevents an empty list in the first line from hiding that later ones disagree."""
    (tmp_path / "rows.jsonl").write_text('{"tags": []}\n{"tags": ["O"]}\n{"tags": [3]}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"in line 3 of `.*`, as in line 2, got a list of a number"):
        check_json_lines(tmp_path / "rows.jsonl")
