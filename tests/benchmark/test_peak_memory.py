"""Tests of the memory measurement."""

from transformers import BertForSequenceClassification

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.benchmark import Arm
from hf_tinybert.benchmark.peak_memory import peak_memory
from hf_tinybert.benchmark.resident_memory import peak_resident_bytes


def test_the_score_maps_of_training_are_in_the_peak_and_what_the_caller_holds_is_not(
    build_workload, tmp_path, tiny_teacher_config, tiny_student_config
):
    """Prevents memory of the models alone, or that of the calling process, from passing for that of training."""
    for name, model_class, config in (
        ("teacher", BertForSequenceClassification, tiny_teacher_config),
        ("student", TinyBertForSequenceClassification, tiny_student_config),
    ):
        config.num_attention_heads, config.max_position_embeddings = 16, 256
        model_class(config).save_pretrained(tmp_path / name)
    (tmp_path / "rows.csv").write_text("line\n" + ("the film " * 128 + "\n") * 8, encoding="utf-8")
    workload = build_workload(
        dataset=str(tmp_path / "rows.csv"), text_columns=("line",), batch_size=8, steps=1, max_length=256
    )
    held = bytearray(1200 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    memory = peak_memory(Arm.TEXTBOOK, workload)
    maps = 6 * 8 * 16 * 256 * 256 * 4  # layers of both models x rows x heads x pairs x bytes
    assert memory["peak_bytes"] > memory["loaded_bytes"] + maps / 2
    assert memory["loaded_bytes"] > 50 * 2**20
    assert held and memory["peak_bytes"] < peak_resident_bytes() - 600 * 2**20
