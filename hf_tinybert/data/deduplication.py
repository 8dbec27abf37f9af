"""Which texts of a collection say something the others do not."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

__all__ = ["distinct_texts", "normalise_text"]

_Shingle = tuple[str, ...]


def normalise_text(text: str) -> str:
    """Gives the text as it is compared: case folded, every run of white space one blank.

    Args:
        text: Any text.

    Returns:
        The normalised text; two texts with the same one are duplicates.
    """
    return " ".join(text.casefold().split())


def distinct_texts(texts: Sequence[str], *, shingle_words: int = 5, maximum_overlap: float = 0.5) -> list[int]:
    """Gives the positions of the texts to keep so that no two of them are duplicates or nearly so.

    Texts are compared by their word shingles (every run of `shingle_words` words, punctuation and case ignored). A
    text is dropped when it shares at least the fraction `maximum_overlap` of its own or of the kept text's shingles,
    whichever has fewer, with a text kept before it. So a report that was reissued with two new paragraphs is dropped,
    while two reports about the same event stay. Work grows with the number of shared shingles, not with all pairs.

    Args:
        texts: The texts, in the order in which they are preferred.
        shingle_words: Words in a shingle.
        maximum_overlap: Fraction of shared shingles, in (0, 1], from which on a text counts as a duplicate.

    Returns:
        Ascending positions of the kept texts.

    Raises:
        ValueError: If `shingle_words` is below 1 or `maximum_overlap` is outside (0, 1].
    """
    if shingle_words < 1 or not 0.0 < maximum_overlap <= 1.0:
        raise ValueError(
            "expected `shingle_words` >= 1 and `maximum_overlap` in (0, 1], got "
            f"{shingle_words} and {maximum_overlap}; because other values compare nothing; use 5 and 0.5."
        )
    kept_sizes: dict[int, int] = {}
    # Most shingles have one holder only; lists are made for the others alone, which halves the time.
    first_holder: dict[_Shingle, int] = {}
    more_holders: defaultdict[_Shingle, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        shingles = _shingles(text, shingle_words)
        known = first_holder.keys() & shingles
        shared = Counter(first_holder[shingle] for shingle in known)
        shared.update(chain.from_iterable(more_holders[shingle] for shingle in more_holders.keys() & known))
        if any(count >= maximum_overlap * min(len(shingles), kept_sizes[kept]) for kept, count in shared.items()):
            continue
        kept_sizes[position] = len(shingles)
        first_holder.update(dict.fromkeys(shingles - known, position))
        for shingle in known:
            more_holders[shingle].append(position)
    return list(kept_sizes)


def _shingles(text: str, shingle_words: int) -> set[_Shingle]:
    words = re.findall(r"\w+", text.casefold())
    if len(words) < shingle_words:
        # Too short for a shingle: the text is one as a whole, with its punctuation, which may be all it has.
        return {(normalise_text(text),)}
    return set(zip(*(words[start:] for start in range(shingle_words)), strict=False))
