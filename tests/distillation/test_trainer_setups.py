"""What saves memory or time in one process changes no loss; several processes are in the modules beside this one."""

import copy

import pytest
import torch

from hf_tinybert.distillation.trainer import DistillationTrainer

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# relative and absolute distance from the plain run
EXACT, ROUNDED = (0.0, 0.0), (2e-2, 2e-2)


@pytest.fixture
def train(build_student, build_teacher, build_rows, build_arguments, collator):
    """`train(**arguments)`: logs and final weights of both phases, two steps each, on rows of one length."""

    def run(**arguments):
        trainer = DistillationTrainer(
            build_student(**NO_DROPOUT),
            build_arguments(
                intermediate_max_steps=2, max_steps=2, intermediate_learning_rate=1e-2, learning_rate=1e-2, **arguments
            ),
            teacher=build_teacher(),
            train_dataset=build_rows(8, lengths=(8,)),
            data_collator=collator,
        )
        entries = []
        log = trainer.log

        def remembering(logs, start_time=None):
            log(logs, start_time)
            entries.append({name: value for name, value in logs.items() if name.endswith("loss")})

        trainer.log = remembering
        trainer.train()
        weights = trainer.accelerator.unwrap_model(trainer.model).state_dict()
        return entries, copy.deepcopy(weights)

    return run


@pytest.mark.parametrize(
    ("arguments", "distance"),
    [
        ({"activation_checkpointing": True}, EXACT),
        ({"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}, (1e-4, 1e-5)),
        ({"bf16": True}, ROUNDED),
        pytest.param({"torch_compile": True, "torch_compile_backend": "eager"}, (1e-5, 1e-6), marks=pytest.mark.slow),
    ],
    ids=["activation-checkpointing", "accumulation", "bf16", "compiled"],
)
def test_losses_and_weights_are_those_of_the_plain_run(train, arguments, distance):
    """Prevents recomputation that loses the recorded attention, gradients scaled twice, and terms that overflow."""
    relative, absolute = distance
    plain, weights = train()
    entries, other = train(**arguments)
    assert len(entries) == len(plain) == 6
    for one, expected in zip(entries, plain, strict=True):
        assert one == pytest.approx(expected, rel=relative, abs=absolute)
    for name, weight in weights.items():
        torch.testing.assert_close(other[name], weight, rtol=relative, atol=2 * absolute, msg=name)


def test_reentrant_checkpointing_is_refused(train):
    """Prevents an attention term that is logged and trains nothing."""
    with pytest.raises(ValueError, match="expected `use_reentrant` False, got True"):
        train(activation_checkpointing=True, activation_checkpointing_kwargs={"use_reentrant": True})
