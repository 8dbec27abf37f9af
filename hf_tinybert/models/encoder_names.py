"""Where families of encoders keep the parts that a BERT has: a table of module names."""

from dataclasses import dataclass, replace

from transformers import PreTrainedConfig


@dataclass(frozen=True)
class EncoderNames:
    """The module names of one layout; the defaults are BERT's, and "" is a part that the layout does not have.

    Attributes:
        families: That are laid out so, for messages.
        word_embeddings: Path from the base model, like those of the other embeddings.
        position_embeddings: May be missing in a model: rotary and relative positions have no table.
        token_type_embeddings: May be missing in a model.
        embedding_norm: LayerNorm of the embeddings.
        embedding_projection: Linear layer from narrow embeddings to the width of the layers.
        projects_before_norm: Whether that linear layer stands before the embeddings' LayerNorm.
        layer: Path of a layer, with `{layer}` or, where layers share weights, `{group}` for the number.
        query: Path from the layer, like all below; one linear layer of queries, keys and values if `fused`.
        key: Linear layer.
        value: Linear layer.
        fused: "" where query, key and value are layers of their own, "stacked" where one gives all queries, then all
            keys, then all values, "by_head" where it gives those of one head after those of another.
        query_bias: Parameter, of a fused layer without bias.
        value_bias: Likewise.
        attention_output: Linear layer.
        attention_norm: LayerNorm behind the attention, or before it in a layout with `final_norm`.
        intermediate: Linear layer whose output the activation takes.
        gate: Linear layer that the activated units are multiplied with; the same as `intermediate` where one layer
            gives the activated half first and then the gates.
        output: Linear layer.
        output_norm: LayerNorm behind the feed-forward part, or before it in a layout with `final_norm`.
        final_norm: Path from the base model of the LayerNorm behind all layers: LayerNorms stand before the parts.
        pooler: Path from the base model of the dense layer of the pooler; may be missing in a model.
        score_terms: Field of the configuration that lists the terms of the scores beside that of query and key.
        lost: Parts of names of parameters that have no counterpart in a BERT, such as those of relative positions.
        left_out: What the layout computes and a BERT does not, in words; "" where nothing.
    """

    families: tuple[str, ...]
    word_embeddings: str = "embeddings.word_embeddings"
    position_embeddings: str = "embeddings.position_embeddings"
    token_type_embeddings: str = "embeddings.token_type_embeddings"
    embedding_norm: str = "embeddings.LayerNorm"
    embedding_projection: str = ""
    projects_before_norm: bool = False
    layer: str = "encoder.layer.{layer}"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    fused: str = ""
    query_bias: str = ""
    value_bias: str = ""
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    gate: str = ""
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    final_norm: str = ""
    pooler: str = "pooler.dense"
    score_terms: str = ""
    lost: tuple[str, ...] = ()
    left_out: str = ""

    def path(self, name: str, layer: int, config: PreTrainedConfig) -> str:
        """The path from the base model of a module of a layer.

        Args:
            name: Of the module, from the layer.
            layer: From 0.
            config: Of the model; layers that share weights are one group.
        """
        depth = int(config.num_hidden_layers)
        group = layer * int(getattr(config, "num_hidden_groups", depth)) // depth
        return f"{self.layer.format(layer=layer, group=group)}.{name}"


_NORMS_FIRST = "LayerNorms before the parts of a layer"
BERT = EncoderNames(("BERT", "RoBERTa", "XLM-RoBERTa", "CamemBERT", "ELECTRA", "ERNIE", "MiniLM"))
_DEBERTA_V3 = replace(
    BERT,
    families=("DeBERTa-v2", "DeBERTa-v3"),
    embedding_projection="embeddings.embed_proj",
    projects_before_norm=True,
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    score_terms="pos_att_type",
    lost=("encoder.rel_embeddings", "encoder.LayerNorm", "encoder.conv", "attention.self.pos_"),
    left_out="relative positions",
)
_ROTARY = EncoderNames(
    ("NomicBERT", "GTE"),
    layer="layers.{layer}",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    attention_output="self_attn.o_proj",
    attention_norm="post_attention_layernorm",
    intermediate="mlp.gate_proj",
    gate="mlp.up_proj",
    output="mlp.down_proj",
    output_norm="post_mlp_layernorm",
    left_out="rotary positions and gates of feed-forward units",
)

# The first that a model has all modules of is taken.
LAYOUTS = (
    BERT,
    replace(BERT, families=("BigBird",), pooler="pooler"),
    replace(BERT, families=("ELECTRA",), embedding_projection="embeddings_project"),
    replace(BERT, families=("RemBERT",), embedding_projection="encoder.embedding_hidden_mapping_in"),
    replace(
        BERT,
        families=("RoFormer",),
        embedding_projection="embeddings_project",
        lost=("encoder.embed_positions",),
        left_out="rotary positions",
    ),
    EncoderNames(
        ("DistilBERT",),
        layer="transformer.layer.{layer}",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
    ),
    EncoderNames(
        ("ALBERT",),
        embedding_projection="encoder.embedding_hidden_mapping_in",
        layer="encoder.albert_layer_groups.{group}.albert_layers.0",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention_output="attention.dense",
        attention_norm="attention.LayerNorm",
        intermediate="ffn",
        output="ffn_output",
        output_norm="full_layer_layer_norm",
        pooler="pooler",
    ),
    EncoderNames(
        ("MPNet",),
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        lost=("encoder.relative_attention_bias",),
        left_out="relative positions",
    ),
    _DEBERTA_V3,
    replace(
        _DEBERTA_V3,
        families=("DeBERTa",),
        query="attention.self.in_proj",
        key="",
        value="",
        fused="by_head",
        query_bias="attention.self.q_bias",
        value_bias="attention.self.v_bias",
    ),
    _ROTARY,
    replace(
        _ROTARY,
        families=("Jina embeddings v3",),
        intermediate="mlp.fc1",
        gate="",
        output="mlp.fc2",
        left_out="rotary positions",
    ),
    EncoderNames(
        ("ModernBERT",),
        word_embeddings="embeddings.tok_embeddings",
        embedding_norm="embeddings.norm",
        layer="layers.{layer}",
        query="attn.Wqkv",
        key="",
        value="",
        fused="stacked",
        attention_output="attn.Wo",
        attention_norm="attn_norm",
        intermediate="mlp.Wi",
        gate="mlp.Wi",
        output="mlp.Wo",
        output_norm="mlp_norm",
        final_norm="final_norm",
        left_out=f"rotary positions, gates of feed-forward units and {_NORMS_FIRST}",
    ),
    replace(
        BERT,
        families=("RoBERTa-PreLayerNorm",),
        attention_norm="attention.LayerNorm",
        output_norm="intermediate.LayerNorm",
        final_norm="LayerNorm",
        left_out=_NORMS_FIRST,
    ),
    replace(
        BERT,
        families=("XLM-RoBERTa-XL",),
        embedding_norm="",
        attention_norm="attention.self_attn_layer_norm",
        output_norm="LayerNorm",
        final_norm="encoder.LayerNorm",
        left_out=_NORMS_FIRST,
    ),
    replace(
        BERT,
        families=("Megatron-BERT",),
        embedding_norm="",
        attention_norm="attention.ln",
        output_norm="ln",
        final_norm="encoder.ln",
        left_out=_NORMS_FIRST,
    ),
)

__all__ = ["BERT", "LAYOUTS", "EncoderNames"]
