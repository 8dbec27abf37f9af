"""The encoder families that are tested, each as a tiny random model: 4 layers x 32, 4 heads, 40 tokens, 64 positions.

`FAMILIES` is what the README's table of tested teachers is read off. Tests of other modules take from it too:

    @pytest.mark.parametrize("family", FAMILIES, ids=str)
    def test_...(family):
        model = family.build_model("ForSequenceClassification")
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

LAYERS = 4
HEADS = 4
HIDDEN_SIZE = 32
POSITIONS = 64
VOCABULARY_SIZE = 40
CLASSES = ["business", "culture", "sport"]
# one shape and the special tokens of the tests' vocabulary for all; dropout on, so that training mode shows
SHAPE = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": HIDDEN_SIZE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
BERT_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


@dataclass(frozen=True)
class Family:
    """One family of encoders.

    Attributes:
        name: as in the README.
        prefix: of the class names in transformers, `Bert` of `BertModel`.
        access: "interface" where query and key can be had, "fallback" where only score maps can.
        settings: of its configuration, over `SHAPE`.
        names: what its configuration calls the fields of `SHAPE` otherwise, `{"hidden_size": "dim"}`.
        takes_token_types: whether it tells two segments apart by `token_type_ids`.
    """

    name: str
    prefix: str
    access: str = "interface"
    settings: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    takes_token_types: bool = False

    def __str__(self):
        return self.name

    def build_config(self, **overrides):
        """The configuration; `overrides` by the names of BERT's."""
        settings = {**SHAPE, **self.settings, **overrides}
        return getattr(transformers, f"{self.prefix}Config")(
            **{self.names.get(name, name): value for name, value in settings.items()}
        )

    def build_model(self, head="Model", seed=0, **overrides):
        """A random model in training mode; `head` is "Model", "ForSequenceClassification" (3 classes), ..."""
        torch.manual_seed(seed)
        if "Classification" in head:
            labels = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}
            overrides = {**labels, **overrides}
        model = getattr(transformers, f"{self.prefix}{head}")(self.build_config(**overrides))
        with torch.no_grad():  # a fresh encoder attends to everything alike and says nearly the same of every text
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        return model.train()


# RoBERTa counts positions from the pad id on
_ROBERTA = {**BERT_DROPOUT, "max_position_embeddings": POSITIONS + 1, "type_vocab_size": 1}
_ELECTRA = {**BERT_DROPOUT, "embedding_size": 16}
_MODERNBERT = {"local_attention": 8, "attention_dropout": 0.1, "cls_token_id": 2, "sep_token_id": 3}
_MOBILEBERT = {**BERT_DROPOUT, "embedding_size": 16, "intra_bottleneck_size": 16}
_DISTILBERT_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
_DEBERTA = {
    **BERT_DROPOUT,
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "max_relative_positions": -1,
    "type_vocab_size": 0,
}
_DEBERTA_V3 = {
    **_DEBERTA,
    "position_buckets": 16,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
}

INTERFACE_FAMILIES = [
    Family("BERT", "Bert", settings=BERT_DROPOUT, takes_token_types=True),
    Family("RoBERTa", "Roberta", settings=_ROBERTA),
    Family("XLM-RoBERTa", "XLMRoberta", settings=_ROBERTA),
    Family("CamemBERT", "Camembert", settings=_ROBERTA),
    Family("ELECTRA", "Electra", settings=_ELECTRA, takes_token_types=True),
    Family("DistilBERT", "DistilBert", settings={"dropout": 0.1, "attention_dropout": 0.1}, names=_DISTILBERT_NAMES),
    Family("ALBERT", "Albert", settings=_ELECTRA, takes_token_types=True),
    Family("MiniLM", "Bert", settings={**BERT_DROPOUT, "intermediate_size": 64}, takes_token_types=True),
    Family("ModernBERT", "ModernBert", settings=_MODERNBERT),
    Family("EuroBERT", "EuroBert", settings={"num_key_value_heads": 2, "attention_dropout": 0.1, "mask_token_id": 4}),
    Family("NomicBERT", "NomicBert", settings=BERT_DROPOUT, takes_token_types=True),
    Family("MobileBERT", "MobileBert", settings=_MOBILEBERT, takes_token_types=True),
    Family("ERNIE", "Ernie", settings=BERT_DROPOUT, takes_token_types=True),
    Family("XLM-RoBERTa-XL", "XLMRobertaXL", settings=_ROBERTA),
    Family("RoBERTa-PreLayerNorm", "RobertaPreLayerNorm", settings=_ROBERTA),
    Family("GTE", "Gte", settings={**BERT_DROPOUT, "type_vocab_size": 2}, takes_token_types=True),
    Family("Jina embeddings v3", "JinaEmbeddingsV3", settings=BERT_DROPOUT),
]
FALLBACK_FAMILIES = [
    Family("DeBERTa", "Deberta", "fallback", settings=_DEBERTA),
    Family("DeBERTa-v3", "DebertaV2", "fallback", settings=_DEBERTA_V3),
    Family("MPNet", "MPNet", "fallback", settings={**BERT_DROPOUT, "max_position_embeddings": POSITIONS + 2}),
    Family(
        "RemBERT",
        "RemBert",
        "fallback",
        settings={**BERT_DROPOUT, "input_embedding_size": 16, "output_embedding_size": 16},
        takes_token_types=True,
    ),
    Family("Megatron-BERT", "MegatronBert", "fallback", settings=BERT_DROPOUT, takes_token_types=True),
    Family(
        "RoFormer",
        "RoFormer",
        "fallback",
        settings={**BERT_DROPOUT, "embedding_size": HIDDEN_SIZE},
        takes_token_types=True,
    ),
]
FAMILIES = [*INTERFACE_FAMILIES, *FALLBACK_FAMILIES]
