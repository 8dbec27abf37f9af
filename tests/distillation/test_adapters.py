import json
import logging
import sys

import peft
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import AutoModelForSequenceClassification

from hf_tinybert.distillation.adapters import (
    check_adapter_student,
    check_not_quantised,
    is_adapter,
    is_adapter_model,
    load_adapter,
    merged_teacher,
    register_lora_targets,
    transformers_model,
    without_projections,
)
from hf_tinybert.distillation.attention import ATTENTION_IMPLEMENTATION, AttentionRecord, record_attention
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    DistillationOutput,
    DistillationProjections,
    attach_projections,
)

TOKEN_IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
LORA = {"r": 2, "target_modules": ["query", "value"]}
PROMPTS = {"PROMPT_TUNING": peft.PromptTuningConfig, "PREFIX_TUNING": peft.PrefixTuningConfig}


def _prompted(model, kind, task_type="SEQ_CLS"):
    return peft.get_peft_model(model, PROMPTS[kind](task_type=task_type, num_virtual_tokens=3))


def _adapted(model, config=None, shift=True):
    adapted = peft.get_peft_model(model, config or peft.LoraConfig(task_type="SEQ_CLS", **LORA))
    with torch.no_grad():  # a fresh adapter changes nothing
        for parameter in adapted.parameters():
            if shift and parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return adapted


def _check(student, reads_layers=True, reads_predictions=True):
    check_adapter_student(student, reads_layers=reads_layers, reads_predictions=reads_predictions)


# where one lies


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch):
    """Prevents waiting twice for the connection to fail, half a minute each; a cached model is found without."""
    asked: list[str] = []

    def unanswered(name, file, **options):
        asked.append(file)
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("transformers.utils.hub.hf_hub_download", unanswered)
    with pytest.raises(FileNotFoundError, match=r"(?s)got `public/teacher`; because .*check the spelling"):
        is_adapter("public/teacher")
    assert asked == ["adapter_config.json"]
    monkeypatch.setattr(
        "hf_tinybert.distillation.adapters.try_to_load_from_cache", lambda name, file: f"/cache/{file}"
    )
    assert not is_adapter("public/teacher")


# what is inside


def test_the_model_inside_is_found_and_other_things_are_refused(build_student):
    """Prevents the class, the forward and the configuration of the wrapper from being read for the student's."""
    student = build_student()
    assert transformers_model(student) is student
    assert not is_adapter_model(student)
    adapted = _adapted(student)
    assert is_adapter_model(adapted)
    assert transformers_model(adapted) is student
    with pytest.raises(ValueError, match="expected a transformers model or a `PeftModel` of one, got `Linear`"):
        transformers_model(torch.nn.Linear(2, 2))


def test_asking_whether_a_model_has_an_adapter_does_not_import_peft(monkeypatch):
    """Prevents every training from paying for a package that few of them use."""
    monkeypatch.delitem(sys.modules, "peft")
    assert not is_adapter_model(object())
    assert "peft" not in sys.modules


def test_attention_and_projections_reach_through_the_adapter(build_student):
    """Prevents an adapter student whose layers are not compared, or whose projections are frozen or merged away."""
    adapted = _adapted(build_student())
    record_attention(transformers_model(adapted))
    attach_projections(adapted, DistillationProjections(16, 32, 3))
    output = adapted(input_ids=TOKEN_IDS, output_hidden_states=True, output_attentions=True)
    assert isinstance(output, DistillationOutput)
    assert [state.shape for state in output.projected_hidden_states] == [(2, 4, 32)] * 3
    assert all(isinstance(record, AttentionRecord) for record in output.attentions)
    assert adapted.config._attn_implementation == ATTENTION_IMPLEMENTATION
    output.projected_hidden_states[-1].sum().backward()
    projection = adapted._modules[PROJECTIONS_ATTRIBUTE].projections[-1].weight
    assert projection.requires_grad
    assert projection.grad is not None
    assert any(p.grad is not None and p.grad.any() for n, p in adapted.named_parameters() if "lora" in n)
    assert PROJECTIONS_ATTRIBUTE not in adapted.merge_and_unload()._modules


def test_projections_stay_out_of_the_adapters_file_even_where_biases_are_saved(build_student, tmp_path):
    """Prevents peft, which saves by names that contain `bias`, from putting training weights into what is used."""
    adapted = _adapted(build_student(), peft.LoraConfig(task_type="SEQ_CLS", bias="all", **LORA))
    attach_projections(adapted, DistillationProjections(16, 32, 3))
    weights = adapted.state_dict()
    leaked = [name for name in peft.get_peft_model_state_dict(adapted) if PROJECTIONS_ATTRIBUTE in name]
    assert leaked  # the trap is there
    kept = without_projections(weights)
    assert weights.keys() - kept.keys() == {name for name in weights if name.startswith(PROJECTIONS_ATTRIBUTE)}
    adapted.save_pretrained(tmp_path, state_dict=kept)
    saved = peft.utils.load_peft_weights(str(tmp_path), device="cpu")
    assert [name for name in saved if "bias" in name]
    assert not [name for name in saved if PROJECTIONS_ATTRIBUTE in name]


# students


def test_a_lora_student_passes_and_a_student_without_adapter_too(build_student, tmp_path, caplog):
    """Prevents a refusal or a warning of what works."""
    build_student().save_pretrained(tmp_path)
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        _check(student)
        _check(_adapted(student))
    assert caplog.text == ""


@pytest.mark.parametrize("kind", list(PROMPTS))
def test_prompts_are_refused_with_layer_terms_and_on_predictions_of_tokens(build_student, kind):
    """Prevents states of virtual tokens from being compared with the teacher's first tokens."""
    student = _prompted(build_student(), kind)
    with pytest.raises(ValueError, match=f"leaves the sequence as it is, got {kind}; because its virtual tokens"):
        _check(student)
    _check(student, reads_layers=False)
    tokens = _prompted(build_student("ForTokenClassification"), kind, "TOKEN_CLS")
    with pytest.raises(ValueError, match=f"expected {kind} on a classifier of whole texts, got `TinyBertForToken"):
        _check(tokens, reads_layers=False)


@pytest.mark.parametrize("kind", list(PROMPTS))
def test_a_prompt_student_predicts_whole_texts(build_student, kind):
    """Prevents the allowed case from being a prompt that does nothing, or that no gradient reaches."""
    student = _prompted(build_student(), kind).eval()
    before = student(input_ids=TOKEN_IDS, attention_mask=torch.ones_like(TOKEN_IDS)).logits
    before.pow(2).sum().backward()
    assert before.shape == (2, 3)
    prompt = student.prompt_encoder["default"].embedding.weight
    assert prompt.grad.any()
    with torch.no_grad():
        prompt.add_(torch.randn_like(prompt) * 3)
    after = student(input_ids=TOKEN_IDS, attention_mask=torch.ones_like(TOKEN_IDS)).logits
    assert (after - before).abs().max() > 1e-5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (peft.PromptEncoderConfig(task_type="SEQ_CLS", num_virtual_tokens=3), "got P_TUNING; because only what"),
        (peft.AdaLoraConfig(task_type="SEQ_CLS", total_step=10), "got ADALORA; because its ranks are set"),
    ],
)
def test_adapters_that_trainer_cannot_train_or_resume_are_refused(build_student, config, message):
    """Prevents a resumed run that starts the adapter anew, and a rank budget that never moves."""
    register_lora_targets()
    with pytest.raises(ValueError, match=message):
        _check(peft.get_peft_model(build_student(), config), reads_layers=False)


def test_adapters_that_a_checkpoint_would_not_restore_are_refused(build_student):
    """Prevents a resumed run that goes on with one adapter of two, or with none."""
    two = _adapted(build_student())
    two.add_adapter("second", peft.LoraConfig(task_type="SEQ_CLS", **LORA))
    with pytest.raises(ValueError, match=r"expected one active adapter named `default`, got \['default', 'second'\]"):
        _check(two)
    named = peft.get_peft_model(build_student(), peft.LoraConfig(**LORA), adapter_name="news")
    with pytest.raises(ValueError, match="expected one active adapter named `default`"):
        _check(named)
    inside = build_student()
    inside.add_adapter(peft.LoraConfig(**LORA))
    with pytest.raises(ValueError, match="got a `TinyBertForSequenceClassification` with an adapter inside"):
        _check(inside)


def test_an_adapter_loaded_for_use_is_refused_as_student(build_student, tmp_path):
    """Prevents a run that trains projections only: peft freezes what it loads unless it is told otherwise."""
    _adapted(build_student()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected an adapter that learns, got a frozen one"):
        _check(peft.PeftModel.from_pretrained(build_student(), tmp_path))
    _check(peft.PeftModel.from_pretrained(build_student(), tmp_path, is_trainable=True))


def test_likely_mistakes_are_warned_of(build_student, caplog):
    """Prevents an adapter whose base is gone after the run, and a head that was meant to be trained."""
    student = _adapted(build_student(), peft.LoraConfig(**LORA))
    with caplog.at_level(logging.WARNING):
        _check(student)
    assert "the student's base was never saved" in caplog.text
    assert "the student's head is frozen" in caplog.text


# teachers


@pytest.mark.parametrize(
    "config",
    [
        peft.LoraConfig(task_type="SEQ_CLS", **LORA),
        peft.LoraConfig(task_type="SEQ_CLS", use_dora=True, **LORA),
        peft.IA3Config(
            task_type="SEQ_CLS", target_modules=["key", "output.dense"], feedforward_modules=["output.dense"]
        ),
        peft.LoHaConfig(task_type="SEQ_CLS", **LORA),
    ],
    ids=["lora", "dora", "ia3", "loha"],
)
def test_a_merged_teacher_is_a_plain_model_with_the_same_predictions(build_teacher, config):
    """Prevents a teacher without its adapter, or with the head of its base."""
    adapted = _adapted(build_teacher(), config).eval()
    expected = adapted(input_ids=TOKEN_IDS).logits
    names = build_teacher().state_dict().keys()
    teacher = merged_teacher(adapted)
    assert type(teacher).__name__ == "BertForSequenceClassification"
    assert teacher.state_dict().keys() == names
    torch.testing.assert_close(teacher(input_ids=TOKEN_IDS).logits, expected, rtol=1e-4, atol=1e-5)
    assert weights_sha256(teacher) != weights_sha256(build_teacher())


def test_a_teacher_without_adapter_comes_back_as_it_is(build_teacher):
    """Prevents a copy of a large model."""
    teacher = build_teacher()
    assert merged_teacher(teacher) is teacher


def test_teachers_that_cannot_be_merged_are_refused(build_teacher):
    """Prevents prompts from being dropped, quantised weights from being rounded, and adapters computed every step."""
    with pytest.raises(ValueError, match="got PROMPT_TUNING; because a prompt is an input and not a weight"):
        merged_teacher(_prompted(build_teacher(), "PROMPT_TUNING"))
    quantised = _adapted(build_teacher())
    quantised.config.quantization_config = {"quant_method": "gptq"}
    with pytest.raises(ValueError, match="got one quantised by `gptq`"):
        merged_teacher(quantised)
    inside = build_teacher()
    inside.add_adapter(peft.LoraConfig(**LORA))
    with pytest.raises(ValueError, match="expected a merged teacher"):
        merged_teacher(inside)
    broken = _adapted(build_teacher())
    with torch.no_grad():
        next(p for n, p in broken.named_parameters() if "lora_A" in n).fill_(torch.nan)
    with pytest.raises(ValueError, match="expected an adapter that can be merged, got LORA; because peft says: NaNs"):
        merged_teacher(broken)


def test_a_tuner_without_merging_is_refused(build_teacher, monkeypatch):
    """Prevents an AttributeError of another package from being the answer."""
    adapted = _adapted(build_teacher())

    def refuse(**_):
        raise NotImplementedError("this kind stays apart")

    monkeypatch.setattr(adapted.base_model, "merge_and_unload", refuse)
    with pytest.raises(ValueError, match="got LORA; because peft says: this kind stays apart"):
        merged_teacher(adapted)


def test_a_model_without_quantisation_passes(build_teacher):
    """Prevents a refusal of every teacher."""
    check_not_quantised(build_teacher())


def test_an_adapter_that_does_not_fit_its_base_is_refused(build_teacher, tmp_path):
    """Prevents weights without a place from being left out with a warning at most."""
    _adapted(build_teacher()).save_pretrained(tmp_path)
    assert is_adapter_model(load_adapter(build_teacher(), tmp_path))
    with pytest.raises(ValueError, match=r"got 12 weights that do not, .*None in the model and \(2, 32\) in the file"):
        load_adapter(build_teacher(num_hidden_layers=1), tmp_path)
    with pytest.raises(ValueError, match="got .* weights that do not, such as"):
        load_adapter(build_teacher(hidden_size=16), tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["q_lin"]}))
    with pytest.raises(ValueError, match="expected a base for the adapter .* because peft says: No modules"):
        load_adapter(build_teacher(), tmp_path)


def test_a_prompts_folder_is_refused_as_teacher(build_teacher, tmp_path):
    """Prevents a prompt from being loaded and then not merged."""
    _prompted(build_teacher(), "PROMPT_TUNING").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="got PROMPT_TUNING in .*; because a prompt is an input"):
        load_adapter(build_teacher(), tmp_path)


# on a distilled student


def test_peft_finds_the_layers_of_a_tinybert_after_registration(build_student, tmp_path, monkeypatch):
    """Prevents "Please specify target_modules" for a model that is BERT in all but its name."""
    targets = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    monkeypatch.delitem(targets, "tinybert", raising=False)
    with pytest.raises(ValueError, match="target_modules"):
        peft.get_peft_model(build_student(), peft.LoraConfig(task_type="SEQ_CLS"))
    register_lora_targets()
    register_lora_targets()
    assert targets["tinybert"] == targets["bert"] == ["query", "value"]
    build_student().save_pretrained(tmp_path / "student")
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student")
    adapted = _adapted(student, peft.LoraConfig(task_type="SEQ_CLS", r=2)).eval()
    adapted.save_pretrained(tmp_path / "adapter")
    expected = adapted(input_ids=TOKEN_IDS).logits
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "adapter").eval()
    torch.testing.assert_close(loaded(input_ids=TOKEN_IDS).logits, expected)
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(merged(input_ids=TOKEN_IDS).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [peft.IA3Config, peft.LoHaConfig, peft.AdaLoraConfig])
def test_other_adapters_find_the_layers_too(build_student, config):
    """Prevents LoRA from being the only adapter that knows a TinyBERT."""
    register_lora_targets()
    extra = {"total_step": 5} if config is peft.AdaLoraConfig else {}
    adapted = peft.get_peft_model(build_student(), config(task_type="SEQ_CLS", **extra))
    assert adapted.get_nb_trainable_parameters()[0] > 0


def test_registration_keeps_an_entry_of_peft(monkeypatch):
    """Prevents a later peft that knows TinyBERT better from being overruled."""
    targets = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    monkeypatch.setitem(targets, "tinybert", ["key"])
    register_lora_targets()
    assert targets["tinybert"] == ["key"]
