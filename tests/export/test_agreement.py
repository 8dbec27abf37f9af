"""Tests of the comparison of a model with what was exported."""

import torch
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.export.agreement import SENTENCES, example_inputs, largest_difference
from hf_tinybert.workflow import load_model_folder

NAMES = frozenset({"input_ids", "attention_mask", "token_type_ids"})


def test_examples_have_the_shape_that_the_kind_reads(model_of):
    """Prevents a multiple choice that is traced with texts for choices."""
    tokenizer = load_model_folder(model_of("text-classification")).tokenizer
    assert example_inputs(tokenizer, TaskKind.TEXT_CLASSIFICATION, NAMES)["input_ids"].shape[0] == len(SENTENCES)
    assert example_inputs(tokenizer, TaskKind.MULTIPLE_CHOICE, NAMES)["input_ids"].shape[:2] == (
        len(SENTENCES) // 2,
        2,
    )
    assert example_inputs(tokenizer, TaskKind.TEXT_CLASSIFICATION, frozenset({"input_ids"})).keys() == {"input_ids"}


def test_the_largest_difference_is_found_and_nothing_else(model_of):
    """Prevents a check that passes whatever the runtime gives."""
    folder = load_model_folder(model_of("text-classification"))
    model = folder.model.eval()

    def other(**inputs):
        logits = model(**inputs).logits.clone()
        if inputs["input_ids"].shape[-1] == 64:
            logits[1, 2] += 0.5
        return SequenceClassifierOutput(logits=logits)

    arguments = (folder.tokenizer, folder.task.kind, NAMES)
    assert largest_difference(model, model, *arguments, longest=64) == 0.0
    assert abs(largest_difference(model, other, *arguments, longest=64) - 0.5) < 1e-6


def test_models_of_any_length_are_compared_on_texts_that_fit_in_memory(model_of):
    """Prevents many gigabytes of attention maps for the student of a ModernBERT, which has 8192 positions."""
    seen = []

    def answer(**inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        return SequenceClassifierOutput(logits=torch.zeros(len(inputs["input_ids"]), 3))

    tokenizer = load_model_folder(model_of("text-classification")).tokenizer
    largest_difference(answer, answer, tokenizer, TaskKind.TEXT_CLASSIFICATION, NAMES, longest=8192)
    assert seen[-1] == (2, 2048)


def test_what_is_not_a_number_counts_as_different(model_of):
    """Prevents NaN from passing, because no comparison with it is true."""
    folder = load_model_folder(model_of("text-classification"))

    def broken(**inputs):
        return SequenceClassifierOutput(logits=torch.full((len(inputs["input_ids"]), 3), torch.nan))

    found = largest_difference(folder.model.eval(), broken, folder.tokenizer, folder.task.kind, NAMES, longest=64)
    assert found == float("inf")


def test_padding_is_not_compared(model_of):
    """Prevents a refusal for numbers of positions that nobody reads."""
    folder = load_model_folder(model_of("text-classification"))

    def tags(value):
        def answer(**inputs):
            states = torch.zeros(*inputs["input_ids"].shape, 2)
            states[inputs["attention_mask"] == 0] = value
            return TokenClassifierOutput(logits=states)

        return answer

    arguments = (folder.tokenizer, TaskKind.TOKEN_CLASSIFICATION, NAMES)
    assert largest_difference(tags(0.0), tags(9.0), *arguments, longest=64) == 0.0
