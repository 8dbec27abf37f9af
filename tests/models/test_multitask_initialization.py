"""Tasks of a multi-task student start at their teachers, whatever encoder they stand on."""

import pytest
import torch
from transformers import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.multitask_initialization import initialize_tasks_from_teachers

TASKS = {
    "mood": {"kind": "text-classification", "num_labels": 3},
    "ner": {"kind": "token-classification", "num_labels": 5},
    "answers": {"kind": "question-answering"},
    "sts": {"kind": "sentence-embedding", "embedding_size": 24},
}


@pytest.fixture
def teachers(build_encoder):
    """One teacher per task, fine-tuned from one encoder: all weights moved a little, each its own way."""
    encoder = build_encoder(BertModel, num_hidden_layers=2)
    made = {
        "mood": build_encoder(BertForSequenceClassification, num_hidden_layers=2, num_labels=3, seed=11),
        "ner": build_encoder(BertForTokenClassification, num_hidden_layers=2, num_labels=5, seed=12),
        "answers": build_encoder(BertForQuestionAnswering, num_hidden_layers=2, num_labels=2, seed=13),
        "sts": build_encoder(BertModel, num_hidden_layers=2, seed=14),
    }
    for teacher in made.values():
        with torch.no_grad():
            for name, parameter in teacher.base_model.named_parameters():
                source = encoder.get_parameter(name)
                parameter.copy_(source + 0.05 * source.std() * torch.randn_like(source))
    return encoder, made


def build_student(encoder, batches, **shape):
    config = TinyBertConfig(**{**encoder.config.to_dict(), "model_type": "tinybert", **shape, "tasks": TASKS})
    torch.manual_seed(9)
    student = TinyBertForMultiTask(config).eval()
    return student, initialize_from_teacher(student, encoder, calibration=batches)


def agreement(student, teachers, batches):
    """Of every task, the share of the teacher's variance that the student's predictions leave unexplained."""
    found = {}
    inputs = batches[0]
    valid = inputs["attention_mask"] != 0
    with torch.no_grad():
        for name, teacher in teachers.items():
            got, wanted = student(**inputs, task=name), teacher(**inputs)
            if name == "answers":
                pair = got.start_logits[valid], wanted.start_logits[valid]
            elif name == "sts":
                states = wanted.last_hidden_state * valid[..., None]
                pair = got.logits, torch.nn.functional.normalize(states.sum(1), dim=-1)
            else:
                pair = got.logits, wanted.logits
                pair = tuple(one[valid] for one in pair) if name == "ner" else pair
            centred = pair[1] - pair[1].mean(0)
            found[name] = float((pair[0] - pair[1]).square().sum() / centred.square().sum())
    return found


def test_heads_answer_nearly_as_their_teachers(teachers, batches):
    """Would catch a head put on the student's states as if they were its teacher's, or left at random."""
    encoder, made = teachers
    student, start = build_student(encoder, batches)
    before = agreement(student, made, batches)
    encoder_weights = {name: value.clone() for name, value in student.bert.state_dict().items()}
    found = initialize_tasks_from_teachers(student, made, calibration=dict.fromkeys(made, batches), start=start)
    assert all(one.random_parameters == () for one in found.values())
    after = agreement(student, made, batches)
    for name in made:
        assert after[name] < 0.2 < before[name], name
    assert all(torch.equal(value, student.bert.state_dict()[name]) for name, value in encoder_weights.items())


def test_a_task_starts_at_a_teacher_of_another_family(teachers, batches):
    """Would catch a refusal, after the encoder was fitted, of a DistilBERT among the teachers."""
    encoder, _ = teachers
    student, start = build_student(encoder, batches)
    sizes = {"vocab_size": 60, "dim": 24, "n_heads": 4, "n_layers": 2, "hidden_dim": 40}
    teacher = DistilBertForSequenceClassification(DistilBertConfig(**sizes, num_labels=3))
    before = {name: value.clone() for name, value in student.state_dict().items()}
    found = initialize_tasks_from_teachers(student, {"mood": teacher}, calibration={"mood": batches}, start=start)
    changed = {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.rpartition(".")[0] for name in changed} == {"heads.mood.pooler.dense", "heads.mood.classifier"}
    assert found["mood"].random_parameters == ()
    assert found["mood"].state_projections[0].shape == (24, encoder.config.hidden_size)


@pytest.mark.parametrize("known_start", [True, False])
def test_a_narrower_student_starts_better_than_at_random(teachers, batches, known_start):
    """Would catch a map of the wrong width, or of states of another model."""
    encoder, made = teachers
    student, start = build_student(encoder, batches, hidden_size=20, intermediate_size=30)
    before = agreement(student, made, batches)
    start = start if known_start else None
    initialize_tasks_from_teachers(student, made, calibration=dict.fromkeys(made, batches), start=start)
    after = agreement(student, made, batches)
    assert all(after[name] < 0.8 * before[name] for name in made)


def test_a_multi_task_teacher_gives_its_heads_one_by_one(teachers, batches):
    """Would catch heads mixed up by their order."""
    encoder, _ = teachers
    teacher = TinyBertForMultiTask.from_encoder(encoder, {name: TASKS[name] for name in ("mood", "ner")})
    with torch.no_grad():
        for parameter in teacher.heads.parameters():
            parameter.normal_(std=0.5)
    views = {name: teacher.for_task(name) for name in teacher.task_names}
    student, start = build_student(encoder, batches)
    initialize_tasks_from_teachers(student, views, calibration=dict.fromkeys(views, batches), start=start)
    inputs = batches[0]
    with torch.no_grad():
        for name in views:
            got, wanted = (model(**inputs, task=name).logits for model in (student, teacher))
            torch.testing.assert_close(got, wanted, atol=1e-3, rtol=1e-3)


def test_tasks_without_a_teacher_and_heads_of_another_kind_are_named(teachers, batches):
    """Would catch a random head that is taken for a trained one."""
    encoder, made = teachers
    student, _ = build_student(encoder, batches)
    kept = {name: value.clone() for name, value in student.heads["ner"].state_dict().items()}
    found = initialize_tasks_from_teachers(student, {"mood": made["sts"]}, calibration={"mood": batches})
    assert found["mood"].random_parameters == ("heads.mood.classifier.weight", "heads.mood.classifier.bias")
    assert all(torch.equal(value, student.heads["ner"].state_dict()[name]) for name, value in kept.items())
    with pytest.raises(ValueError, match="expected `task` to be one of"):
        initialize_tasks_from_teachers(student, {"unknown": made["sts"]}, calibration={})


def unexplained(start, states, wanted, valid):
    """Of every state, the share of the teacher's variance that the start's map of it leaves."""
    found = []
    for state, teacher_layer, matrix, offset in zip(
        states, start.mapping, start.state_projections, start.state_offsets, strict=True
    ):
        target = wanted[teacher_layer][valid]
        rest = state[valid] @ matrix.T + offset - target
        found.append(float(rest.square().sum() / (target - target.mean(0)).square().sum()))
    return found


@pytest.mark.parametrize("known_start", [True, False])
def test_the_maps_of_each_task_lead_to_its_own_teachers_states(teachers, batches, known_start):
    """Would catch the base's maps given to every task: other teachers' states would start far off."""
    encoder, made = teachers
    with torch.no_grad():  # as long training on another task does
        made["ner"].bert.encoder.layer[1].output.dense.weight.mul_(-1)
    student, start = build_student(encoder, batches)
    given = start if known_start else None
    found = initialize_tasks_from_teachers(student, made, calibration=dict.fromkeys(made, batches), start=given)
    inputs = {**batches[0], "output_hidden_states": True}
    valid = batches[0]["attention_mask"] != 0
    with torch.no_grad():
        for name, teacher in made.items():
            states, wanted = student(**inputs, task=name).hidden_states, teacher(**inputs).hidden_states
            own, shared = (unexplained(one, states, wanted, valid) for one in (found[name], start))
            assert found[name].mapping == start.mapping == (0, 1, 2)
            assert max(own if name != "ner" else own[:2]) < 0.1, name
            assert name != "ner" or own[2] < 0.3 * shared[2]


def test_a_head_that_is_left_out_stays_and_its_maps_are_found(teachers, batches):
    """Would catch the untrained head of a teacher taken over by the student."""
    encoder, made = teachers
    student, start = build_student(encoder, batches)
    kept = {name: value.clone() for name, value in student.heads["mood"].state_dict().items()}
    found = initialize_tasks_from_teachers(
        student, made, calibration=dict.fromkeys(made, batches), start=start, heads=["ner"]
    )
    assert set(found) == set(made)
    assert found["ner"].random_parameters == () != found["mood"].random_parameters
    assert all(torch.equal(value, student.heads["mood"].state_dict()[name]) for name, value in kept.items())


def test_a_teacher_that_does_not_fit_is_refused(teachers, batches):
    """Would catch states compared layer by layer of a teacher that is shallower than its student."""
    encoder, made = teachers
    student, _ = build_student(encoder, batches)
    with pytest.raises(ValueError, match="expected `layer_mapping` of 3 rising teacher layers"):
        initialize_tasks_from_teachers(student, made, calibration={}, layer_mapping=(0, 2))
