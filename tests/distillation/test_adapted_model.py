"""Tests of the folders of adapters as teachers."""

import json

import peft
import pytest
import torch
import transformers

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.teacher import (
    load_teacher,
    load_teacher_tokenizer,
    load_teacher_with_trained_head,
)

TASK_TYPES = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForMaskedLM": None,
}


@pytest.fixture
def adapter(build_teacher, tmp_path):
    """`adapter(head, config)`: the folder of an adapter with weights of its own, its base saved, and the PeftModel."""

    def build(head="ForSequenceClassification", config=None, base=None):
        base = base or build_teacher(head)
        base.save_pretrained(tmp_path / "base")
        classes = {"num_labels": 3, "ignore_mismatched_sizes": True} if "Classification" in head else {}
        model = getattr(transformers, f"Bert{head}").from_pretrained(tmp_path / "base", **classes)
        config = config or peft.LoraConfig(task_type=TASK_TYPES[head], r=2, lora_alpha=8)
        adapted = peft.get_peft_model(model, config).eval()
        with torch.no_grad():  # a fresh adapter changes nothing
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.3)
        adapted.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter", adapted

    return build


def _predictions(model):
    output = model(input_ids=torch.tensor([[5, 6, 7, 8]]))
    return output.logits if "logits" in output else output.start_logits


@pytest.mark.parametrize("head", list(TASK_TYPES))
def test_an_adapter_folder_is_loaded_on_its_base_and_merged(build_student, adapter, head):
    """Prevents the base alone from teaching, or the work of the adapter in every step; `None`: peft's own mapping."""
    folder, adapted = adapter(head)
    teacher = load_teacher(folder, build_student(head), needs_head=True)
    assert type(teacher).__name__ == f"Bert{head}"
    assert not [name for name in teacher.state_dict() if "lora" in name or "modules_to_save" in name]
    assert not any(parameter.requires_grad or teacher.training for parameter in teacher.parameters())
    torch.testing.assert_close(_predictions(teacher), _predictions(adapted), rtol=1e-4, atol=1e-5)
    base = getattr(transformers, f"Bert{head}").from_pretrained(folder.parent / "base").eval()
    assert not torch.allclose(_predictions(teacher), _predictions(base), atol=1e-3)
    assert weights_sha256(teacher) == weights_sha256(adapted.merge_and_unload(safe_merge=True))


def test_the_encoder_of_an_adapter_is_loaded_with_the_adapter(build_student, adapter):
    """Prevents names without the head's prefix from dropping the adapter: a warning at most, the base as teacher."""
    folder, adapted = adapter()
    teacher = load_teacher(folder, build_student(), needs_head=False)
    assert type(teacher).__name__ == "BertModel"
    token_ids = torch.tensor([[5, 6, 7, 8]])
    expected = adapted(input_ids=token_ids, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(teacher(input_ids=token_ids).last_hidden_state, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["ForNextSentencePrediction", "ForSequenceClassification"])
def test_the_head_of_an_adapter_is_taken_though_the_base_has_another_or_none(
    build_student, build_teacher, adapter, head
):
    """Prevents a refusal of the usual case: an adapter fine-tuned on a base without its head, or with two labels."""
    two = {0: "no", 1: "yes"}
    classes = {"id2label": two, "label2id": {name: label for label, name in two.items()}}
    folder, adapted = adapter(base=build_teacher(head, **(classes if "Classification" in head else {})))
    assert transformers.AutoConfig.from_pretrained(folder.parent / "base").num_labels == 2
    teacher = load_teacher(folder, build_student(), needs_head=True)
    assert teacher.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    torch.testing.assert_close(_predictions(teacher), _predictions(adapted), rtol=1e-4, atol=1e-5)


def test_an_adapter_without_its_head_is_refused(build_student, build_teacher, adapter):
    """Prevents a head that is random again after loading: peft saves it only when told to."""
    config = peft.LoraConfig(r=2, target_modules=["query", "value"])
    folder, _ = adapter(config=config, base=build_teacher("ForPreTraining"))
    with pytest.raises(ValueError, match=r"without `classifier.bias`, `classifier.weight`"):
        load_teacher(folder, build_student(), needs_head=True)


def test_an_adapter_brings_no_head_for_terms_that_do_without(build_student, adapter):
    """Prevents a head that was trained for another task in the place of none."""
    assert load_teacher_with_trained_head(adapter()[0], build_student("ForMaskedLM")) is None


def test_an_adapter_of_another_task_is_refused(build_student, adapter):
    """Prevents a head of one task from being read as that of another."""
    folder, _ = adapter("ForTokenClassification")
    with pytest.raises(ValueError, match="head like `TinyBertForSequenceClassification`'s, .* of task type TOKEN_CLS"):
        load_teacher(folder, build_student(), needs_head=True)


def test_a_missing_base_is_refused_with_its_name_and_found_beside_the_adapter(build_student, adapter, tmp_path):
    """Prevents an adapter that was moved from being searched on the Hub under the name of a folder."""
    folder, _ = adapter()
    (tmp_path / "base").rename(tmp_path / "moved")
    with pytest.raises(ValueError, match=r"expected the base of the adapter .*base`, which does not exist"):
        load_teacher(folder, build_student(), needs_head=True)
    _set_base(folder, "../moved")
    assert type(load_teacher(folder, build_student(), needs_head=True)).__name__ == "BertForSequenceClassification"
    _set_base(folder, None)
    with pytest.raises(ValueError, match=r"expected the base of the adapter .*, got none"):
        load_teacher(folder, build_student(), needs_head=True)


def test_a_quantised_base_is_refused(build_student, adapter, monkeypatch):
    """Prevents an adapter from being rounded to the levels of its base without a word."""
    folder, _ = adapter()
    from_pretrained = transformers.AutoModelForSequenceClassification.from_pretrained

    def quantised(*args, **kwargs):
        model, info = from_pretrained(*args, **kwargs)
        model.config.quantization_config = {"quant_method": "bitsandbytes"}
        return model, info

    monkeypatch.setattr(transformers.AutoModelForSequenceClassification, "from_pretrained", quantised)
    with pytest.raises(ValueError, match="expected a base with plain weights, got one quantised by `bitsandbytes`"):
        load_teacher(folder, build_student(), needs_head=True)


def test_an_adapter_is_merged_in_float32_and_then_cast(build_student, adapter):
    """Prevents small changes of an adapter from being lost in a half-precision base."""
    folder, _ = adapter()
    single = load_teacher(folder, build_student(), needs_head=True)
    half = load_teacher(folder, build_student(), needs_head=True, dtype=torch.bfloat16)
    for name, tensor in single.state_dict().items():
        assert torch.equal(half.state_dict()[name], tensor.to(torch.bfloat16)), name


def test_the_tokenizer_of_an_adapter_is_its_own_or_its_bases(adapter, tokenizer, vocabulary):
    """Prevents an empty tokenizer from being compared with the student's: most adapter folders have none."""
    folder, _ = adapter()
    assert len(transformers.BertTokenizer.from_pretrained(folder)) < 10  # transformers makes an empty one up
    tokenizer.save_pretrained(folder.parent / "base")
    assert load_teacher_tokenizer(folder).get_vocab() == tokenizer.get_vocab()
    assert load_teacher_tokenizer(folder.parent / "base").get_vocab() == tokenizer.get_vocab()
    longer = transformers.BertTokenizer(vocab=str(vocabulary))
    longer.add_tokens(["newspaper"])
    longer.save_pretrained(folder)
    assert "newspaper" in load_teacher_tokenizer(folder).get_vocab()


def _set_base(folder, name):
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": name}))
