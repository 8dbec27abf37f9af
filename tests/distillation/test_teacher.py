import json

import peft
import pytest
import torch
import transformers

from hf_tinybert.distillation.teacher import (
    freeze,
    load_teacher,
    load_teacher_tokenizer,
    load_teacher_with_trained_head,
    weights_sha256,
)
from tests.distillation.families import FAMILIES

TASK_TYPES = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForMaskedLM": None,
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "teacher"


@pytest.mark.parametrize(
    "head",
    [
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
        "ForMultipleChoice",
        "ForMaskedLM",
        "ForPreTraining",
    ],
)
def test_a_teacher_is_loaded_with_the_students_kind_of_head_and_frozen(build_student, build_teacher, folder, head):
    """Prevents a teacher with dropout on, as in the published code, or one that learns."""
    original = build_teacher(head)
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student(head), needs_head=True)
    assert type(teacher).__name__ == f"Bert{head}"
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert weights_sha256(teacher) == weights_sha256(original)


def test_a_teacher_of_a_summariser_is_a_token_classifier_of_any_family(build_student, build_teacher, folder):
    """Prevents a head that only this package has from shutting out every teacher."""
    build_teacher("ForTokenClassification", id2label={0: "skip", 1: "keep"}, label2id=None).save_pretrained(folder)
    student = build_student("ForExtractiveSummarization")
    assert type(load_teacher(folder, student, needs_head=True)).__name__ == "BertForTokenClassification"
    build_teacher("Model").save_pretrained(folder)
    with pytest.raises(ValueError, match="without `classifier.bias`"):
        load_teacher(folder, student, needs_head=True)


@pytest.mark.parametrize("needs_head", [True, False])
def test_a_teacher_of_embeddings_is_an_encoder_pooled_as_the_student(build_student, build_teacher, folder, needs_head):
    """Prevents a random pooler or another pooling in the targets."""
    original = build_teacher("ForMaskedLM")
    original.save_pretrained(folder)
    ids = torch.tensor([[5, 6, 7]])
    teacher = load_teacher(folder, build_student("ForSentenceEmbedding", pooling="cls"), needs_head=needs_head)
    assert type(teacher).__name__ == "BertModel" and not teacher.training
    first = original.eval().bert(ids).last_hidden_state[:, 0]
    torch.testing.assert_close(teacher(ids).logits, torch.nn.functional.normalize(first, dim=-1))


def test_an_embedding_student_can_teach_with_its_linear_layer(build_student, folder):
    """Prevents an encoder alone from standing in for the embeddings that were chosen."""
    original = build_student("ForSentenceEmbedding", embedding_size=10).eval()
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student("ForSentenceEmbedding", embedding_size=10), needs_head=True)
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(teacher(ids).logits, original(ids).logits)


def test_a_teacher_without_the_head_is_refused_with_the_missing_names(build_student, build_teacher, folder):
    """Prevents a randomly initialised head from teaching noise: an accuracy of chance without any error."""
    build_teacher("ForMaskedLM").save_pretrained(folder)
    with pytest.raises(ValueError, match=r"without .*`classifier.bias`, `classifier.weight`; because"):
        load_teacher(folder, build_student(), needs_head=True)


def test_an_intermediate_phase_takes_a_teacher_without_head(build_student, build_teacher, folder):
    """Prevents general distillation from asking for a fine-tuned teacher."""
    build_teacher("ForMaskedLM").save_pretrained(folder)
    teacher = load_teacher(folder, build_student(), needs_head=False)
    assert type(teacher).__name__ == "BertModel"
    assert not teacher.training


def test_a_teacher_of_a_multiple_choice_student_takes_choices_without_a_trained_head(
    build_student, build_teacher, folder
):
    """Prevents inputs of (batch, choices, length) from reaching an encoder that cannot read them."""
    build_teacher("Model").save_pretrained(folder)
    teacher = load_teacher(folder, build_student("ForMultipleChoice"), needs_head=False)
    assert teacher(input_ids=torch.full((2, 3, 4), 7)).logits.shape == (2, 3)


def test_a_student_without_head_has_no_predictions_to_learn(build_student, build_teacher, folder):
    """Prevents a guess of which head the teacher should have."""
    build_teacher().save_pretrained(folder)
    with pytest.raises(ValueError, match="expected a student with a head of .* got `TinyBertModel`"):
        load_teacher(folder, build_student("Model"), needs_head=True)


def test_a_head_comes_along_where_it_is_trained_and_is_none_otherwise(build_student, build_teacher, folder, adapter):
    """Prevents a head of random weights in the place of none, and a refusal where terms do without."""
    student = build_student("ForMaskedLM")
    for head, loaded in (("ForMaskedLM", True), ("ForPreTraining", True), ("Model", False)):
        build_teacher(head).save_pretrained(folder)
        teacher = load_teacher_with_trained_head(folder, student)
        assert (teacher is not None) is loaded, head
        if teacher is not None:
            assert type(teacher).__name__ == "BertForMaskedLM" and not teacher.training
            assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert load_teacher_with_trained_head(folder, build_student("Model")) is None
    assert load_teacher_with_trained_head(adapter()[0], student) is None


def test_freezing_says_so_of_every_part(build_teacher):
    """Prevents a teacher whose dropout stays on somewhere."""
    teacher = build_teacher().train()
    assert freeze(teacher) is teacher
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_hash_is_stable_and_sees_every_change(build_teacher):
    """Prevents two teachers from passing for one, and one from passing for two."""
    teacher = build_teacher()
    first = weights_sha256(teacher)
    assert weights_sha256(build_teacher()) == first
    assert weights_sha256(build_teacher().bfloat16()) != first
    with torch.no_grad():
        teacher.classifier.bias[0] += 1e-6
    assert weights_sha256(teacher) != first


# other families


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_teacher_of_any_family_is_loaded_with_the_head_or_as_an_encoder_without_pooler(
    family, build_student, folder
):
    """Prevents a family whose encoder takes no such argument from failing, and weights that no term reads."""
    original = family.build_model("ForSequenceClassification").eval()
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student(), needs_head=True)
    assert type(teacher) is type(original)
    assert weights_sha256(teacher) == weights_sha256(original)
    encoder = load_teacher(folder, build_student(), needs_head=False)
    assert type(encoder) is type(original.base_model)
    if "pooler" in encoder._modules and family.prefix not in ("Gte", "NomicBert"):
        assert encoder.pooler is None
    token_ids = torch.tensor([[5, 6, 7, 8]])
    expected = original.base_model(input_ids=token_ids).last_hidden_state
    torch.testing.assert_close(encoder(input_ids=token_ids).last_hidden_state, expected)


@pytest.mark.parametrize("needs_head", [True, False])
def test_a_teacher_takes_the_type_it_is_asked_for(build_student, build_teacher, folder, needs_head):
    """Prevents twice the memory for a teacher that only predicts."""
    build_teacher().save_pretrained(folder)
    wanted = load_teacher(folder, build_student(), needs_head=needs_head, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in wanted.parameters()} == {torch.bfloat16}
    as_saved = load_teacher(folder, build_student(), needs_head=needs_head)
    assert {parameter.dtype for parameter in as_saved.parameters()} == {torch.float32}


def test_a_head_that_tells_replaced_tokens_apart_is_refused(build_student, folder):
    """Prevents one number per token from being compared with a distribution over the vocabulary."""
    electra = next(family for family in FAMILIES if family.name == "ELECTRA")
    electra.build_model("ForPreTraining").save_pretrained(folder)
    with pytest.raises(ValueError, match="predicts masked tokens, got `ElectraForPreTraining`"):
        load_teacher(folder, build_student("ForPreTraining"), needs_head=True)


@pytest.mark.parametrize(
    ("name", "trained", "loaded"),
    [("ALBERT", "ForPreTraining", "ForPreTraining"), ("MobileBERT", "ForPreTraining", "ForPreTraining"),
     ("RoBERTa", "ForMaskedLM", "ForMaskedLM"), ("ELECTRA", "ForMaskedLM", None)],
)  # fmt: skip
def test_a_masked_lm_head_of_another_family_teaches_a_pre_training_head(build_student, folder, name, trained, loaded):
    """Prevents general distillation with predictions from knowing BERT only."""
    family = next(family for family in FAMILIES if family.name == name)
    family.build_model(trained).save_pretrained(folder)
    if loaded is None:
        with pytest.raises(ValueError, match="expected a teacher"):
            load_teacher(folder, build_student("ForPreTraining"), needs_head=True)
        return
    teacher = load_teacher(folder, build_student("ForPreTraining"), needs_head=True)
    assert type(teacher).__name__ == f"{family.prefix}{loaded}"


def test_a_family_without_the_head_is_refused_by_name(build_student, folder):
    """Prevents a list of all families that transformers knows as the only answer."""
    eurobert = next(family for family in FAMILIES if family.name == "EuroBERT")
    eurobert.build_model("ForMaskedLM").save_pretrained(folder)
    with pytest.raises(ValueError, match="kind ForMultipleChoice, got .* of the family `eurobert`"):
        load_teacher(folder, build_student("ForMultipleChoice"), needs_head=True)


@pytest.mark.parametrize("entries", [{"auto_map": {"AutoConfig": "own.OwnConfig"}, "model_type": "own"}, {}])
def test_a_family_that_transformers_does_not_know_is_refused_and_its_code_not_run(build_student, folder, entries):
    """Prevents code of a downloaded folder from running, and a question on the terminal of a batch job."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "own.py").write_text("raise SystemExit('code was run')", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a teacher of a family that transformers knows"):
        load_teacher(folder, build_student(), needs_head=True)


# adapters


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
