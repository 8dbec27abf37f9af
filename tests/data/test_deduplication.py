"""Duplicates and near duplicates."""

import pytest

from hf_tinybert.data.deduplication import distinct_texts, normalise_text

STORY = "the minister said today that the new law will be put to the vote before the end of the year"


def test_case_and_white_space_do_not_tell_texts_apart():
    """Prevents a repeated text from counting as new because of a line break."""
    assert normalise_text("  The\n\tBANK  rises ") == normalise_text("the bank rises")


def test_the_first_of_equal_texts_is_kept():
    """Prevents the same text from being learnt and scored."""
    assert distinct_texts(["a b", "c d", "A  b", STORY, f" {STORY.upper()}\n"]) == [0, 1, 3]


def test_a_reissued_story_is_dropped_and_another_report_of_the_event_is_kept():
    """Prevents both errors: a leak through a story with one paragraph more, and the loss of honest texts."""
    reissued = f"{STORY}. an hour later a spokesman of the party called this the wrong way"
    report = "before the end of the year there will be a vote on it, as people close to the government made known"
    assert distinct_texts([STORY, reissued, report]) == [0, 2]


def test_the_overlap_is_measured_on_the_text_with_fewer_shingles():
    """Prevents a short text that stands whole inside a long one from passing, in either order."""
    excerpt = " ".join(STORY.split()[:8])
    assert distinct_texts([STORY, excerpt]) == [0]
    assert distinct_texts([excerpt, STORY]) == [0]


def test_the_overlap_bound_is_exact():
    """Prevents an off-by-one in the counts: 2 of 4 two-word shingles are shared."""
    texts = ["a b c d e", "a b c x y"]
    assert distinct_texts(texts, shingle_words=2, maximum_overlap=0.5) == [0]
    assert distinct_texts(texts, shingle_words=2, maximum_overlap=0.51) == [0, 1]


def test_a_text_is_compared_with_every_holder_of_its_shingles():
    """Prevents the later of two holders of a shingle from being forgotten."""
    first, second = "p q r s t u v w", "a b c r s x y z"
    third = "1 r s x y 2"
    assert distinct_texts([first, second, third], shingle_words=2, maximum_overlap=0.6) == [0, 1]


def test_texts_without_words_are_told_apart():
    """Prevents all texts of punctuation only from being taken for one."""
    assert distinct_texts(["!!!", "???", "!!!", "", " "]) == [0, 1, 3]


@pytest.mark.parametrize("options", [{"shingle_words": 0}, {"maximum_overlap": 0.0}, {"maximum_overlap": 1.5}])
def test_options_that_compare_nothing_are_refused(options):
    """Prevents a run that drops everything or nothing."""
    with pytest.raises(ValueError, match=r"expected `shingle_words` >= 1 and `maximum_overlap` in \(0, 1\], got"):
        distinct_texts(["a"], **options)
