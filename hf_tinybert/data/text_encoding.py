"""Whether a file is text in UTF-8, and where it is not."""

import codecs
from pathlib import Path

__all__ = ["check_encoding", "read_text"]

_CHUNK = 1 << 24  # bytes


def read_text(file: Path) -> str:
    """Gives the text of a file, a byte order mark left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not UTF-8; the first wrong byte is named by its place.
    """
    check_encoding(file)
    return file.read_text(encoding="utf-8-sig")


def check_encoding(file: Path) -> None:
    """Refuses a file that is not UTF-8; it is read in parts.

    Args:
        file: of text.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another encoding, or cut within a letter; the first wrong byte is named by its place.
    """
    if not file.is_file():
        what = "a folder" if file.is_dir() else "none of that name"
        raise FileNotFoundError(
            f"expected a file of text in `{file}`, got {what}; because it is read; check the name and its folder."
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    position, line = 0, 1
    with file.open("rb") as stream:
        while True:
            chunk = stream.read(_CHUNK)
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                wrong = position - held + error.start
                before = chunk[: max(error.start - held, 0)].count(b"\n")
                raise ValueError(
                    f"expected UTF-8 text in `{file}`, got the byte 0x{error.object[error.start]:02x} at offset "
                    f"{wrong:,} (line {line + before:,}); because other encodings would give wrong "
                    "letters; save the file as UTF-8."
                ) from error
            if not chunk:
                return
            position += len(chunk)
            line += chunk.count(b"\n")
