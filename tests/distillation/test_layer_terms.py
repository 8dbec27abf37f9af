import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hf_tinybert.distillation import losses
from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.layer_terms import attention_term, hidden_states_term
from hf_tinybert.distillation.losses import AttentionForm, Reduction
from hf_tinybert.distillation.terms import Term

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
MEANS = [
    Term.HIDDEN_STATES,
    Term.HIDDEN_COSINE,
    Term.NORMALIZED_HIDDEN_STATES,
    Term.ATTENTION_SCORES,
    Term.ATTENTION_PROBABILITIES,
]


class _Operations(TorchDispatchMode):
    """Counts what runs on the device, forward and backward; views of what is there do not."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))


def _pairs(term, layers):
    """Student and teacher of some layers, and the student's tensors that a term of them learns."""
    generator = torch.Generator().manual_seed(0)

    def tensors(*shape):
        return [torch.randn(*shape, generator=generator) for _ in range(2 * layers)]

    if term in (Term.ATTENTION_SCORES, Term.ATTENTION_PROBABILITIES):
        queries, keys = tensors(2, 2, 4, 3), tensors(2, 2, 4, 3)
        own = [tensor.requires_grad_() for tensor in (*queries[:layers], *keys[:layers])]
        records = [AttentionRecord(query, key, None, 0.5) for query, key in zip(queries, keys, strict=True)]
        return list(zip(records[:layers], records[layers:], strict=True)), own
    states = tensors(2, 4, 5)
    own = [state.requires_grad_() for state in states[:layers]]
    return list(zip(own, states[layers:], strict=True)), own


def _value(term, pairs, form=AttentionForm.AUTO):
    if isinstance(pairs[0][0], AttentionRecord):
        return attention_term(term, pairs, MASK, Reduction.MEAN, form=form, relation_heads=0)
    return hidden_states_term(term, pairs, MASK, Reduction.MEAN)


@pytest.mark.parametrize("form", list(AttentionForm))
@pytest.mark.parametrize("term", MEANS)
def test_joined_layers_teach_what_each_of_them_teaches(term, form):
    """Prevents a gradient that reaches another layer, or a mean in place of a sum over layers."""
    pairs, own = _pairs(term, 3)
    settings = {"form": form} if term is Term.ATTENTION_SCORES else {}
    expected = sum(getattr(losses, str(term))(*pair, MASK, **settings) for pair in pairs)
    value = _value(term, pairs, form)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, own), torch.autograd.grad(expected, own))


@pytest.mark.parametrize("term", MEANS)
def test_more_layers_are_no_more_work_for_the_host(term):
    """Prevents a term that launches as many kernels as there are layers, which is what small students wait for."""
    counts = set()
    for layers in (2, 6):
        pairs, own = _pairs(term, layers)
        with _Operations() as operations:
            torch.autograd.grad(_value(term, pairs), own)
        counts.add(operations.count)
    assert len(counts) == 1
