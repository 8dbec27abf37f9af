"""Code that travels with a native checkpoint: the package's model files and the map that names their classes."""

import json
import shutil
from pathlib import Path

import hf_tinybert.models
from hf_tinybert.models.checkpoint_folder import CONFIG_FILE, read_json

_CODE = "*_tinybert*.py"

# What `hf_tinybert.registration` registers, for a process that does not have this package. `save_pretrained` would
# name only the class that was saved, and `AutoModel` would then find nothing.
AUTO_MAP = {
    "AutoConfig": "configuration_tinybert.TinyBertConfig",
    "AutoModel": "modeling_tinybert.TinyBertModel",
    "AutoModelForCausalLM": "modeling_tinybert.TinyBertForCausalLM",
    "AutoModelForMaskedLM": "modeling_tinybert.TinyBertForMaskedLM",
    "AutoModelForMultipleChoice": "modeling_tinybert.TinyBertForMultipleChoice",
    "AutoModelForNextSentencePrediction": "modeling_tinybert.TinyBertForNextSentencePrediction",
    "AutoModelForPreTraining": "modeling_tinybert.TinyBertForPreTraining",
    "AutoModelForQuestionAnswering": "modeling_tinybert.TinyBertForQuestionAnswering",
    "AutoModelForSequenceClassification": "modeling_tinybert.TinyBertForSequenceClassification",
    "AutoModelForTextEncoding": "modeling_tinybert_sentence_embedding.TinyBertForSentenceEmbedding",
    "AutoModelForTokenClassification": "modeling_tinybert.TinyBertForTokenClassification",
}
# Classes that no Auto class is registered for: `AutoModel` gives them where the folder holds one.
_WITHOUT_AUTO_CLASS = {
    "TinyBertForExtractiveSummarization": "modeling_tinybert_summarization.TinyBertForExtractiveSummarization",
    "TinyBertForMultiTask": "modeling_tinybert_multitask.TinyBertForMultiTask",
}


def write_remote_code(folder: Path) -> None:
    """Make a native folder load by the Auto classes without this package, with `trust_remote_code=True`.

    Args:
        folder: With the `config.json` of a TinyBERT; gets the code files and an `auto_map`.

    Raises:
        FileNotFoundError: There is no configuration.
    """
    config = read_json(folder / CONFIG_FILE)
    architecture = (config.get("architectures") or [None])[0]
    own = _WITHOUT_AUTO_CLASS.get(str(architecture))
    config["auto_map"] = AUTO_MAP if own is None else {**AUTO_MAP, "AutoModel": own}
    for module in sorted(Path(hf_tinybert.models.__path__[0]).glob(_CODE)):
        shutil.copyfile(module, folder / module.name)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


__all__ = ["AUTO_MAP", "write_remote_code"]
