"""Tests of text that is UTF-8 or not."""

import pytest

from hf_tinybert.data.text_encoding import check_encoding, read_text


def test_a_letter_that_is_cut_at_the_end_of_the_file_is_found(tmp_path):
    """Prevents a file that was cut in the middle of a letter from passing."""
    (tmp_path / "rows.txt").write_bytes("one é".encode()[:-1])
    with pytest.raises(ValueError, match=r"byte 0xc3 at offset 4 \(line 1\)"):
        check_encoding(tmp_path / "rows.txt")


def test_places_are_right_beyond_the_first_part_of_a_long_file(tmp_path, monkeypatch):
    """Prevents an offset that counts from the part of the file at hand, where a letter lies across two parts."""
    monkeypatch.setattr("hf_tinybert.data.text_encoding._CHUNK", 4)
    (tmp_path / "rows.txt").write_bytes("abcéd\nef\n".encode() + b"\xff")
    with pytest.raises(ValueError, match=r"byte 0xff at offset 10 \(line 3\)"):
        check_encoding(tmp_path / "rows.txt")
    (tmp_path / "rows.txt").write_bytes(b"abc\xc3d")
    with pytest.raises(ValueError, match=r"byte 0xc3 at offset 3 \(line 1\)"):
        check_encoding(tmp_path / "rows.txt")


def test_a_text_is_read_without_its_byte_order_mark(tmp_path):
    """Prevents a first word of a list that is never found, and a message of a codec without the file."""
    (tmp_path / "list.txt").write_text("film\nsong\n", encoding="utf-8-sig")
    assert read_text(tmp_path / "list.txt") == "film\nsong\n"
    (tmp_path / "list.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"UTF-8 text in `.*list\.txt`, got the byte 0xe9"):
        read_text(tmp_path / "list.txt")


def test_what_is_no_file_is_named(tmp_path):
    """Prevents a bare message of the system, which does not say what the file is for."""
    for name, found in (("gone.txt", "none of that name"), (".", "a folder")):
        with pytest.raises(FileNotFoundError, match=f"expected a file of text in .*, got {found}"):
            read_text(tmp_path / name)
