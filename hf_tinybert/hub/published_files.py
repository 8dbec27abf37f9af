"""Which files of a model folder go up, made ready in a folder of their own: the source is only read."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hf_tinybert.hub.model_facts import ModelFacts, read_facts
from hf_tinybert.hub.remote_code import write_remote_code
from hf_tinybert.models.checkpoint_folder import CONFIG_FILE, read_json
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.conversion import export_to_bert
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer

CARD_FILE = "README.md"
_TOKENIZER_CONFIG = "tokenizer_config.json"

# Files of the model itself, by full match of their path in the folder. All others stay behind: optimizer and schedule,
# training arguments, projections, caches, logs, the paths and settings of a run.
_MODEL_FILES = (
    r"config\.json",
    r"generation_config\.json",
    r"model\.safetensors",
    r"model-\d{5}-of-\d{5}\.safetensors",
    r"model\.safetensors\.index\.json",
    r"tokenizer\.json",
    r"tokenizer_config\.json",
    r"special_tokens_map\.json",
    r"added_tokens\.json",
    r"vocab\.(txt|json)",
    r"merges\.txt",
    r"(spiece|tokenizer|sentencepiece\.bpe)\.model",
    r"modules\.json",
    r"(config_sentence_transformers|sentence_bert_config)\.json",
    r"\d_(Pooling|Dense|Normalize)/(config\.json|model\.safetensors)",
)
# What tells of it, in every form.
_STORY_FILES = (
    r"task\.json",
    r"distillation\.json",
    r"LICENSE(\.txt|\.md)?",
    r"README\.md",
    r"pictures/(loss-curves|hidden-states|attention|size-against-score)\.png",
)
_HEAD_FILES = (r"tasks/[\w-]+/task\.json",)
_CODE_FILES = (r"(configuration|modeling)_tinybert\w*\.py",)
# Which every model may have.
_OF_ANY_MODEL = re.compile(r"LICENSE(\.txt|\.md)?|README\.md|pictures/.*")
# Fields that say how a file was loaded here, and would have every loader do the same; code that does not go along.
_FIELDS_OF_THIS_MACHINE = ("_name_or_path", "name_or_path", "is_local", "local_files_only", "auto_map", "cache_dir")


class PublishedForm(StrEnum):
    """What a student is published as."""

    BERT = "bert"
    TINYBERT = "tinybert"


@contextmanager
def prepared_files(
    folder: Path, form: PublishedForm = PublishedForm.BERT, *, remote_code: bool = False
) -> Iterator[Path]:
    """Give a temporary folder with exactly the files that go up, the card left out where the source has none.

    Args:
        folder: A model folder; nothing in it is changed.
        form: `bert` writes a TinyBERT as plain BERT (a sentence embedding as a folder of sentence-transformers, plain
            BERT inside), `tinybert` leaves it. Models of other types are left as they are.
        remote_code: Whether a TinyBERT takes the package's model code along, for `trust_remote_code=True`.

    Yields:
        The folder; gone afterwards.

    Raises:
        FileNotFoundError: configuration, weights or tokenizer are missing.
        ValueError: a damaged file, a file that is a link out of the folder, or a model that has no such form.
    """
    facts = read_facts(folder)
    native = facts.model_type == TinyBertConfig.model_type
    check_form(folder, facts, form, remote_code=remote_code)
    with tempfile.TemporaryDirectory(prefix="hf-tinybert-") as temporary:
        staged = Path(temporary) / "files"
        if native and form is PublishedForm.BERT:
            _write_plain_bert(folder, facts, staged)
        else:
            _copy(folder, staged, _MODEL_FILES)
        heads = tuple(rf"tasks/{re.escape(name)}/task\.json" for name in facts.heads)  # not of one that was taken out
        _copy(folder, staged, (*_STORY_FILES, *heads))
        _check_tokenizer(folder, staged)
        for name in (CONFIG_FILE, _TOKENIZER_CONFIG):
            _forget_this_machine(staged / name)
        if remote_code:
            write_remote_code(staged)
        yield staged


def check_form(folder: Path, facts: ModelFacts, form: PublishedForm, *, remote_code: bool = False) -> None:
    """Refuse a form that a model cannot have, in the card as in what goes up.

    Args:
        folder: of the model.
        facts: of the folder.
        form: that will be published.
        remote_code: whether the model code goes along.

    Raises:
        ValueError: plain BERT of several heads, or code beside a model that loads without it.
    """
    native = facts.model_type == TinyBertConfig.model_type
    if native and form is PublishedForm.BERT and facts.architecture == TinyBertForMultiTask.__name__:
        heads = ", ".join(f"`{name}`" for name in facts.heads)
        raise ValueError(
            f"expected a model with one head for the form `{PublishedForm.BERT}`, got `{folder}` with {heads}; "
            "because plain BERT has one; publish it by `--form tinybert`, or a head alone, which `hf-tinybert export "
            "--task NAME --to bert` writes"
        )
    if remote_code and (not native or form is PublishedForm.BERT):
        raise ValueError(
            f"expected the form `tinybert` of a TinyBERT for remote code, got `{form}` of a model of type "
            f"`{facts.model_type}`; because others load without code of this package; leave remote code out"
        )


def published_paths(folder: Path) -> list[str]:
    """Every file below a folder, as a path with `/`, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def left_over_paths(present: Iterable[str], published: Iterable[str]) -> list[str]:
    """What of a repository belongs to an earlier model there: files of a kind that a push sends, and this one did not.

    Args:
        present: paths in the repository.
        published: those that go up.
    """
    patterns = (*_MODEL_FILES, *_STORY_FILES, *_HEAD_FILES, *_CODE_FILES)
    others = (path for path in set(present) - set(published) if not _OF_ANY_MODEL.fullmatch(path))
    return sorted(path for path in others if any(re.fullmatch(pattern, path) for pattern in patterns))


def _write_plain_bert(folder: Path, facts: ModelFacts, staged: Path) -> None:
    if facts.architecture != TinyBertForSentenceEmbedding.__name__:
        export_to_bert(folder, staged)
        return
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = TinyBertForSentenceEmbedding.from_pretrained(folder, local_files_only=True)
    length = (facts.task or {}).get("max_length")
    save_as_sentence_transformer(model, tokenizer, staged, max_length=length)


def _copy(folder: Path, staged: Path, patterns: tuple[str, ...]) -> None:
    """Copy the named files, links within the folder followed."""
    origin = folder.resolve()
    for path in sorted(one for depth in ("*", "*/*", "*/*/*") for one in folder.glob(depth)):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or not any(re.fullmatch(pattern, name) for pattern in patterns):
            continue
        if not path.resolve().is_relative_to(origin):
            raise ValueError(
                f"expected the files of a model in `{folder}`, got `{name}` as a link to `{path.resolve()}`; because "
                "what lies outside the folder is not published; copy the file into it"
            )
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _check_tokenizer(folder: Path, staged: Path) -> None:
    if not any((staged / name).is_file() for name in ("tokenizer.json", "vocab.txt", "spiece.model")):
        raise FileNotFoundError(
            f"expected a tokenizer in `{folder}`, got none; because a model without it answers no text; save it there "
            "with `tokenizer.save_pretrained`"
        )


def _forget_this_machine(path: Path) -> None:
    if not path.is_file():
        return
    content = read_json(path)
    known = {name: value for name, value in content.items() if name not in _FIELDS_OF_THIS_MACHINE}
    if known != content:
        path.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


__all__ = ["CARD_FILE", "PublishedForm", "check_form", "left_over_paths", "prepared_files", "published_paths"]
