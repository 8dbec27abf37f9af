"""What must not go up with a model: access tokens, and paths of the machine that it was made on."""

import json
import re
from pathlib import Path

# Access tokens of the Hub; other services' keys have no form that could be told from a long word of a vocabulary.
_TOKEN = re.compile(rb"\b(hf|api_org)_[A-Za-z0-9]{20,}\b")
_TEXT_ENDINGS = frozenset({".json", ".md", ".txt", ".py", ""})
# These hold the words of a language, among them any path.
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"})


def check_disclosure(folder: Path, *, token: str | None = None, private_paths: tuple[Path, ...] = ()) -> None:
    """Refuse files that tell what is nobody's business.

    Args:
        folder: All that is to go up.
        token: The one in use, looked for in every text whatever its form.
        private_paths: Folders of this machine whose full names must not stand in a text; the root is passed over.

    Raises:
        ValueError: A text holds a token, or one of the paths. The token is not repeated.
    """
    names = [f"{path}/" for path in private_paths if len(path.parts) > 1]
    # as it is, and as JSON writes letters that are not ASCII
    forms = {form.encode(): name for name in names for form in (name, json.dumps(name)[1:-1])}
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _TEXT_ENDINGS):
        content, name = file.read_bytes(), file.relative_to(folder).as_posix()
        if _TOKEN.search(content) or (token and token.encode() in content):
            raise ValueError(
                f"expected no access token in `{name}`, got one; because everyone who reads the model could use it; "
                "take it out and revoke it at https://huggingface.co/settings/tokens"
            )
        found = [name for form, name in forms.items() if form in content]
        if found and file.name not in _VOCABULARIES:
            raise ValueError(
                f"expected no folder of this machine in `{name}`, got `{found[0]}`; because it means nothing to "
                "others and tells of you; take it out"
            )


__all__ = ["check_disclosure"]
