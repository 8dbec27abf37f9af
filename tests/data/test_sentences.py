"""Sentences: no cut inside an abbreviation or a number, and every character accounted for."""

# ruff: noqa: RUF001 (Chinese punctuation is what is tested)

import time
from itertools import pairwise

import pytest

from hf_tinybert.data.sentences import join_sentences, split_sentences


def _sentences(text):
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["We use e.g. BERT and i.e. others.", "See Fig. 3 for details.", "Smith et al. (2019) show this."],
        ["Dr. Smith met Mr. J. R. R. Tolkien in Washington, D.C. yesterday.", "It rained."],
        ["The rate is 3.5 percent.", "We got 0.5.", "Then v1.2 came."],
        ['He said "stop."', "Then he left.", "(It was late.)"],
        ["It works (as shown in Sec. 2).", "However, it is slow."],
        ["What is this?", "It is good!", "Really?!", "Yes..."],
        ["We compare PPO vs. TRPO.", "Results improve w.r.t. the baseline."],
        ["The U.S. economy grew.", "The U.S. is big."],
        ["It costs approx. 5 dollars.", "Tab. 2 shows it (see vol. 3)."],
        ["The code is at https://example.org/foo/bar.html.", "It is free."],
        ["We ask: (1) what is it, (2) why; and 3) how.", "The answers are known."],
        ["Prices rose to $5.", "Shares fell 3%.", "It was 5 p.m. on Monday."],
    ],
    ids=lambda sentences: sentences[0],
)
def test_english_is_cut_at_the_ends_of_sentences(sentences):
    """Prevents summaries of half sentences that end in an abbreviation, a decimal or a list."""
    assert _sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["这是第一句。", "这是第二句！", "你好吗？", "“他说：好。”", "然后走了。"],
        ["他说：“走吧！”", "然后离开。", "版本是3.5。"],
        ["今日は。", "元気？", "はい！"],
    ],
    ids=lambda sentences: sentences[0],
)
def test_chinese_and_japanese_are_cut_without_spaces(sentences):
    """Prevents a Chinese article that is one single sentence, or a closing quote that begins the next one."""
    assert _sentences("".join(sentences)) == sentences


def test_a_blank_line_ends_a_sentence_and_a_line_break_does_not():
    """Prevents headings glued to the text below them, and wrapped lines cut in their middle."""
    assert _sentences("A heading\n\nThe text is\nlong. It ends\r\n\r\nhere") == [
        "A heading",
        "The text is\nlong.",
        "It ends",
        "here",
    ]


def test_each_point_of_a_list_on_lines_of_its_own_is_a_sentence():
    """Prevents a list of ten points that is kept or skipped as a whole."""
    assert _sentences("We show:\n- it is good\n- it is fast") == ["We show:", "- it is good", "- it is fast"]


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "😀 One. Two 𝛼! \u200b", "  A.\n\n\nB  ", "...", "x" * 5000, "a. " * 500]
)
def test_spans_are_in_order_and_hold_every_visible_character(text):
    """Prevents text that no sentence holds, and positions of bytes in place of characters."""
    spans = split_sentences(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    left = list(text)
    for start, end in spans:
        assert text[start:end] == text[start:end].strip()
        left[start:end] = [" "] * (end - start)
    assert "".join(left).strip() == ""


def test_joined_sentences_are_one_line_of_text():
    """Prevents summaries with line breaks in them, and spaces in Chinese ones."""
    assert join_sentences(["One\n line.", "Two."]) == "One line. Two."
    assert join_sentences(["第一。", "第二。"]) == "第一。第二。"
    assert join_sentences(["第一。", "Two."]) == "第一。 Two."
    assert join_sentences([]) == ""


def _seconds(text):
    """Of the processor, the least of three times."""
    times = []
    for _ in range(3):
        start = time.process_time()
        split_sentences(text)
        times.append(time.process_time() - start)
    return min(times)


def test_a_text_of_pieces_without_a_full_stop_takes_no_longer_than_its_length():
    """Prevents a list in running text from taking a minute: each piece was compared with all that came before."""
    pieces = "items approx. 5 and tab. 6 and 7) " * 1000
    assert len(split_sentences(pieces)) == 1
    assert _seconds(pieces) < 50 * _seconds("The bank shares rise, and fall 7. " * 1000)
