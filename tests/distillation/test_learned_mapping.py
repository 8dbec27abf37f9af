import math
from itertools import pairwise

import pytest
import torch
from scipy.optimize import linprog

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.learned_mapping import LearnedMapping, layer_weights_table, transport_weights
from hf_tinybert.distillation.losses import AttentionForm, attention_scores_loss, hidden_states_loss

BATCH, LENGTH, WIDTH, HEADS = 3, 7, 12, 2
STRATEGIES = list(map(str, (MappingStrategy.ATTENTION, MappingStrategy.TRANSPORT)))
FORMS = [AttentionForm.DIRECT, AttentionForm.FACTORED]


@pytest.fixture
def mask():
    return torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])


def states(layers, *, seed, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(BATCH, LENGTH, width, generator=generator) for _ in range(layers)]


def records(layers, *, seed, width=6, heads=HEADS, window=None):
    generator = torch.Generator().manual_seed(seed)
    shape = BATCH, heads, LENGTH, width
    tensors = [[torch.randn(shape, generator=generator) for _ in range(3)] for _ in range(layers)]
    return [AttentionRecord(*layer, scaling=width**-0.5, window=window) for layer in tensors]


def requiring_gradient(layers):
    """The same layers as leaves, and the leaves."""
    if isinstance(layers[0], AttentionRecord):
        leaves = [[layer.query.clone().requires_grad_(), layer.key.clone().requires_grad_()] for layer in layers]
        own = [layer._replace(query=query, key=key) for layer, (query, key) in zip(layers, leaves, strict=True)]
        return own, [leaf for pair in leaves for leaf in pair]
    leaves = [layer.clone().requires_grad_() for layer in layers]
    return leaves, leaves


def plain_weights(strategy, costs, cosines, temperature, iterations):
    """Weights of one text, entry by entry: softmax rows, or Sinkhorn's algorithm on the kernel itself."""
    rows, columns = len(costs), len(costs[0])
    if strategy == "attention":
        kernel = [[math.exp(value / temperature) for value in row] for row in cosines]
        return [[value / sum(row) for value in row] for row in kernel]
    mean = sum(map(sum, costs)) / (rows * columns)
    plan = [[math.exp(-value / (temperature * mean)) for value in row] for row in costs]
    for _ in range(iterations):
        totals = [sum(row[j] for row in plan) for j in range(columns)]
        plan = [[value * rows / columns / total for value, total in zip(row, totals, strict=True)] for row in plan]
        plan = [[value / sum(row) for value in row] for row in plan]
    return plan


def plain_loss(strategy, student, teacher, temperature, iterations, factor):
    """The definition, text by text and pair by pair: `student[text][layer]` are flat tensors of what is valid."""
    total = 0.0
    for own, others in zip(student, teacher, strict=True):
        costs = [[(s - t).square().sum().item() for t in others] for s in own]
        cosines = [[(torch.dot(s, t) / s.norm() / t.norm()).item() for t in others] for s in own]
        weights = plain_weights(strategy, costs, cosines, temperature, iterations)
        for s, row in zip(own, weights, strict=True):
            if strategy == "attention":
                mixture = sum(weight * t for weight, t in zip(row, others, strict=True))
                total = total + (s - mixture).square().sum()
            else:
                total = total + sum(weight * (s - t).square().sum() for weight, t in zip(row, others, strict=True))
    return total / factor


def valid_states(layers, mask):
    return [[layer[text, : int(mask[text].sum())].flatten() for layer in layers] for text in range(len(mask))]


def valid_maps(layers, mask, window=None):
    distance = (torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)).abs()
    near = distance <= (LENGTH if window is None else window)
    pairs = [near & (row[:, None] * row > 0) for row in mask]
    return [[layer.scores()[text][:, pairs[text]].flatten() for layer in layers] for text in range(len(mask))]


SETTINGS = {"temperature": 0.3, "iterations": 20}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_hidden_states_equal_the_definition_pair_by_pair_in_value_and_gradient(strategy, mask):
    """Prevents the shortcut over mixtures, which keeps no pair, from being another loss than the one documented."""
    student, teacher = states(2, seed=1), states(5, seed=2)
    (own, leaves), (plain, plain_leaves) = requiring_gradient(student), requiring_gradient(student)
    loss = LearnedMapping(strategy, **SETTINGS).hidden_states_loss(own, teacher, mask)
    parts = valid_states(plain, mask), valid_states(teacher, mask)
    expected = plain_loss(strategy, *parts, **SETTINGS, factor=WIDTH * mask.sum())
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for leaf, plain_leaf in zip(leaves, plain_leaves, strict=True):
        torch.testing.assert_close(leaf.grad, plain_leaf.grad)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("form", FORMS)
def test_attention_scores_equal_the_definition_pair_by_pair_in_value_and_gradient(strategy, form, mask):
    """Prevents the products of queries and keys from standing for other maps than the scores."""
    student, teacher = records(2, seed=1, width=4), records(5, seed=2)
    (own, leaves), (plain, plain_leaves) = requiring_gradient(student), requiring_gradient(student)
    loss = LearnedMapping(strategy, **SETTINGS).attention_scores_loss(own, teacher, mask, form)
    parts = valid_maps(plain, mask), valid_maps(teacher, mask)
    expected = plain_loss(strategy, *parts, **SETTINGS, factor=HEADS * mask.sum(1).square().sum())
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for leaf, plain_leaf in zip(leaves, plain_leaves, strict=True):
        torch.testing.assert_close(leaf.grad, plain_leaf.grad)


def test_a_hand_computed_transport_and_attention():
    """Prevents a factor, such as the number of layers or the width, from missing on both sides of a comparison."""
    mask = torch.ones(1, 1)
    student, teacher = [torch.tensor([[[1.0, 0.0]]])], [torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])]
    # one student layer takes half of each teacher layer: half of 0 and half of a squared error of 2 over 2 numbers
    assert LearnedMapping("transport").hidden_states_loss(student, teacher, mask).item() == pytest.approx(0.5)
    # cosines 1 and 0 at temperature 1: weights e / (e + 1) and 1 / (e + 1), mixture off by 1 / (e + 1) in both numbers
    expected = (1 / (math.e + 1)) ** 2
    loss = LearnedMapping("attention", temperature=1).hidden_states_loss(student, teacher, mask)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("form", FORMS)
def test_transport_between_equal_models_is_the_identity_and_costs_nothing(form, mask):
    """Prevents a plan that spreads where a one-to-one match is free."""
    mapping = LearnedMapping("transport")
    (hidden, _), (attention, _) = requiring_gradient(states(4, seed=1)), requiring_gradient(records(4, seed=1))
    assert mapping.hidden_states_loss(hidden, states(4, seed=1), mask).item() == pytest.approx(0, abs=1e-5)
    assert mapping.attention_scores_loss(attention, records(4, seed=1), mask, form).item() == pytest.approx(
        0, abs=1e-4
    )
    for weights in mapping.mean_weights().values():
        torch.testing.assert_close(weights, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_transport_of_nearly_equal_depths_has_the_scale_of_the_fixed_mapping(form, mask):
    """Prevents a weight of the term that suits the fixed mapping from being S or T times too large for this one."""
    noise = states(4, seed=5)
    teacher, attention = states(4, seed=1), records(4, seed=1)
    student = [state + 0.1 * other for state, other in zip(teacher, noise, strict=True)]
    own = [r._replace(query=r.query + 0.1 * q.query) for r, q in zip(attention, records(4, seed=6), strict=True)]
    mapping = LearnedMapping("transport")
    hidden = sum(hidden_states_loss(s, t, mask) for s, t in zip(student, teacher, strict=True))
    scores = sum(attention_scores_loss(s, t, mask) for s, t in zip(own, attention, strict=True))
    torch.testing.assert_close(mapping.hidden_states_loss(student, teacher, mask), hidden, rtol=1e-3, atol=0)
    learned = mapping.attention_scores_loss(own, attention, mask, form)
    torch.testing.assert_close(learned, scores, rtol=1e-3, atol=0)


def test_transport_comes_to_the_exact_plan_at_a_small_temperature():
    """Prevents an iteration that converges to something else than the cheapest plan."""
    generator = torch.Generator().manual_seed(4)
    for rows, columns in ((2, 5), (3, 6), (4, 4)):
        cost = torch.rand(1, rows, columns, generator=generator, dtype=torch.float64)
        marginals = torch.zeros(rows + columns, rows, columns, dtype=torch.float64)
        for row in range(rows):
            marginals[row, row] = 1
        for column in range(columns):
            marginals[rows + column, :, column] = 1
        totals = [1 / rows] * rows + [1 / columns] * columns
        exact = linprog(cost.flatten().numpy(), A_eq=marginals.flatten(1).numpy(), b_eq=totals, bounds=(0, None))
        weights = transport_weights(cost, temperature=0.005, iterations=1000)
        assert float((weights * cost).sum() / rows) == pytest.approx(exact.fun, rel=0.01)
        columns_taken = torch.full((1, columns), rows / columns, dtype=torch.float64)
        torch.testing.assert_close(weights.sum(-2), columns_taken, atol=1e-3, rtol=0)


def test_every_teacher_layer_is_taken_about_equally_by_default():
    """Prevents too few iterations from leaving teacher layers out, which makes the plan another strategy."""
    cost = torch.rand(8, 4, 12, generator=torch.Generator().manual_seed(0)) + 0.2
    weights = LearnedMapping("transport")
    plan = transport_weights(cost, weights.temperature, weights.iterations)
    torch.testing.assert_close(plan.sum(-1), torch.ones(8, 4))
    torch.testing.assert_close(plan.sum(-2), torch.full((8, 12), 1 / 3), atol=0.03, rtol=0)


def test_attention_weights_lean_to_the_most_similar_layer_and_more_so_when_colder(mask):
    """Prevents a softmax over the wrong axis, or a temperature that works the other way round."""
    teacher = states(4, seed=1)
    own, _ = requiring_gradient([teacher[2] + 0.1 * states(1, seed=3)[0], teacher[0].clone()])
    heaviest = []
    for temperature in (1.0, 0.3, 0.1):
        mapping = LearnedMapping("attention", temperature=temperature)
        mapping.hidden_states_loss(own, teacher, mask)
        weights = mapping.mean_weights()["hidden_states_loss"]
        assert weights.argmax(-1).tolist() == [2, 0]
        torch.testing.assert_close(weights.sum(-1), torch.ones(2))
        heaviest.append(float(weights.max()))
    assert all(warmer < colder for warmer, colder in pairwise(heaviest))


def padded(layers, extra, value):
    """The layers with `extra` more positions that hold `value`."""

    def longer(tensor):
        return torch.cat([tensor, torch.full((*tensor.shape[:-2], extra, tensor.shape[-1]), value)], -2)

    if isinstance(layers[0], AttentionRecord):
        return [r._replace(query=longer(r.query), key=longer(r.key), value=longer(r.value)) for r in layers]
    return [longer(layer) for layer in layers]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_padding_changes_nothing(strategy, mask):
    """Prevents weights and losses from depending on the longest text of the batch."""
    wider = torch.cat([mask, torch.zeros(BATCH, 3, dtype=mask.dtype)], 1)
    mapping = LearnedMapping(strategy)
    hidden, attention = (states(2, seed=1), states(4, seed=2)), (records(2, seed=1), records(4, seed=2))
    torch.testing.assert_close(
        mapping.hidden_states_loss(padded(hidden[0], 3, 9.0), padded(hidden[1], 3, -5.0), wider),
        mapping.hidden_states_loss(*hidden, mask),
    )
    for form in FORMS:
        torch.testing.assert_close(
            mapping.attention_scores_loss(padded(attention[0], 3, 9.0), padded(attention[1], 3, -5.0), wider, form),
            mapping.attention_scores_loss(*attention, mask, form),
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_text_weighs_the_same_in_any_batch(strategy, mask):
    """Prevents accumulation over small batches, or more processes, from training something else than one batch."""
    mapping, tokens = LearnedMapping(strategy), mask.sum(1)
    student, teacher = states(2, seed=1), states(4, seed=2)
    whole = mapping.hidden_states_loss(student, teacher, mask) * tokens.sum()
    parts = [
        mapping.hidden_states_loss(
            [s[text : text + 1] for s in student], [t[text : text + 1] for t in teacher], mask[text : text + 1]
        )
        * tokens[text]
        for text in range(BATCH)
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_the_student_gets_a_gradient(strategy, mask):
    """Prevents a teacher that learns from its student."""
    mapping = LearnedMapping(strategy)
    (student, own), (teacher, others) = requiring_gradient(states(2, seed=1)), requiring_gradient(states(4, seed=2))
    mapping.hidden_states_loss(student, teacher, mask).backward()
    assert all(leaf.grad.abs().sum() > 0 for leaf in own)
    assert all(leaf.grad is None for leaf in others)
    for form in FORMS:
        student, own = requiring_gradient(records(2, seed=1))
        teacher, others = requiring_gradient(records(4, seed=2))
        mapping.attention_scores_loss(student, teacher, mask, form).backward()
        assert all(leaf.grad.abs().sum() > 0 for leaf in own)
        assert all(leaf.grad is None for leaf in others)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bfloat16_and_autocast_compute_in_float32(strategy, mask):
    """Prevents cached teacher states, or autocast, from taking the difference of layers in 8 bits."""
    mapping = LearnedMapping(strategy)
    student, teacher = states(2, seed=1), [state.bfloat16() for state in states(4, seed=2)]
    expected = mapping.hidden_states_loss(student, [state.float() for state in teacher], mask)
    attention, others = records(2, seed=1), records(4, seed=2)
    scores = {form: mapping.attention_scores_loss(attention, others, mask, form) for form in FORMS}
    with torch.autocast("cpu", torch.bfloat16):
        loss = mapping.hidden_states_loss(student, teacher, mask)
        for form in FORMS:
            assert torch.equal(mapping.attention_scores_loss(attention, others, mask, form), scores[form])
    assert loss.dtype is torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_texts_without_a_valid_position_and_layers_of_zeros_leave_the_loss_finite(strategy, mask):
    """Prevents a division by an empty text or by the norm of a layer that is zero."""
    mapping = LearnedMapping(strategy)
    student, leaves = requiring_gradient([torch.zeros(BATCH, LENGTH, WIDTH), *states(1, seed=1)])
    teacher = [torch.zeros(BATCH, LENGTH, WIDTH), *states(2, seed=2)]
    for rows in (mask * torch.tensor([[1], [0], [1]]), mask * 0):
        loss = mapping.hidden_states_loss(student, teacher, rows)
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_windows_restrict_every_pair_of_layers_to_the_smallest(strategy, mask):
    """Prevents costs over different pairs of positions from being weighed against each other."""
    student = records(2, seed=1)
    teacher = [record._replace(window=window) for record, window in zip(records(3, seed=2), (None, 2, 4), strict=True)]
    loss = LearnedMapping(strategy, **SETTINGS).attention_scores_loss(student, teacher, mask)
    maps = valid_maps(student, mask, window=2), valid_maps(teacher, mask, window=2)
    pairs = sum(len(text[0]) for text in maps[0])
    torch.testing.assert_close(loss, plain_loss(strategy, *maps, **SETTINGS, factor=pairs))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_score_maps_stand_in_for_queries_and_keys(strategy, mask):
    """Prevents a teacher off the attention interface from being compared at its masked entries."""
    student, teacher = records(2, seed=1), records(3, seed=2)
    invalid = (mask[:, None, :, None] * mask[:, None, None, :]) == 0
    maps = [
        AttentionScores(record.scores().masked_fill(invalid, torch.finfo(torch.float32).min)) for record in teacher
    ]
    mapping = LearnedMapping(strategy)
    torch.testing.assert_close(
        mapping.attention_scores_loss(student, maps, mask), mapping.attention_scores_loss(student, teacher, mask)
    )


def test_the_weights_that_are_kept_are_the_mean_over_texts_and_leave_out_evaluation(mask):
    """Prevents the table from showing the last batch only, or texts that nothing was learned from."""
    mapping, teacher = LearnedMapping("attention"), states(4, seed=2)
    own, _ = requiring_gradient(states(2, seed=1))
    mapping.hidden_states_loss(own, teacher, mask)
    whole = mapping.mean_weights()["hidden_states_loss"]
    mapping.reset_weights()
    assert mapping.mean_weights() == {}
    for rows in (slice(0, 1), slice(1, 3)):
        mapping.hidden_states_loss([s[rows] for s in own], [t[rows] for t in teacher], mask[rows])
        with torch.no_grad():
            mapping.hidden_states_loss(states(2, seed=7), teacher, mask)
    torch.testing.assert_close(mapping.mean_weights()["hidden_states_loss"], whole)
    assert not whole.requires_grad


def test_what_was_seen_before_does_not_enter_the_loss(mask):
    """Prevents a resumed run, whose mean weights start anew, from differing from the straight one."""
    used, fresh = LearnedMapping("transport"), LearnedMapping("transport")
    own, _ = requiring_gradient(states(2, seed=1))
    used.hidden_states_loss(requiring_gradient(states(2, seed=8))[0], states(4, seed=9), mask)
    teacher = states(4, seed=2)
    assert torch.equal(used.hidden_states_loss(own, teacher, mask), fresh.hidden_states_loss(own, teacher, mask))


def test_the_record_names_strategy_temperature_and_weights(mask):
    """Prevents a checkpoint that does not tell which layers were imitated."""
    mapping = LearnedMapping("attention", temperature=0.2)
    own, _ = requiring_gradient(states(1, seed=1))
    mapping.hidden_states_loss(own, [own[0].detach(), -own[0].detach()], mask)
    assert mapping.to_json() == {
        "strategy": "attention",
        "temperature": 0.2,
        "weights": {"hidden_states_loss": [[1.0, 0.0]]},
    }


def test_the_table_shows_the_heaviest_teacher_layers_of_each_student_layer():
    """Prevents layers counted from 0, or shares that belong to another layer."""
    weights = torch.tensor([[0.05, 0.15, 0.7, 0.1], [0.0, 1.0, 0.0, 0.0]])
    table = layer_weights_table(weights).splitlines()
    assert table[:2] == ["student     teacher layers", "layer 1     3 (70%), 2 (15%), 4 (10%)"]
    assert table[2].startswith("layer 2     2 (100%), ")
    assert layer_weights_table(weights[:, :2]).splitlines()[1] == "layer 1     2 (15%), 1 (5%)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "uniform"}, "strategy of attention, transport, got 'uniform'"),
        ({"strategy": "transport", "temperature": 0}, "positive temperature"),
        ({"strategy": "attention", "temperature": math.nan}, "positive temperature"),
        ({"strategy": "transport", "iterations": 0}, "number of iterations"),
    ],
)
def test_settings_that_cannot_work_are_refused(arguments, message):
    """Prevents a fixed mapping that is silently learned, and weights that are not numbers."""
    with pytest.raises(ValueError, match=message):
        LearnedMapping(**arguments)


def test_layers_that_cannot_be_compared_are_refused(mask):
    """Prevents a loss of zero where a model gave no attention, and broadcasting over widths."""
    mapping = LearnedMapping("transport")
    with pytest.raises(ValueError, match="expected states of one shape from both models"):
        mapping.hidden_states_loss(states(2, seed=1, width=8), states(4, seed=2), mask)
    with pytest.raises(ValueError, match="got 0 student and 4 teacher layers"):
        mapping.hidden_states_loss([], states(4, seed=2), mask)
    with pytest.raises(ValueError, match="got 2 student and 0 teacher layers"):
        mapping.attention_scores_loss(records(2, seed=1), [], mask)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("form", [AttentionForm.AUTO, *FORMS])
@pytest.mark.parametrize(("heads", "teacher_heads"), [(2, 4), (4, 2), (2, 2)])
def test_with_a_single_teacher_layer_it_is_the_fixed_mapping(strategy, form, heads, teacher_heads, mask):
    """Prevents groups of heads from being averaged here and compared otherwise by the fixed mapping."""
    (own, leaves), (plain, plain_leaves) = (requiring_gradient(records(2, seed=1, heads=heads)) for _ in range(2))
    teacher = records(1, seed=2, heads=teacher_heads)
    loss = LearnedMapping(strategy).attention_scores_loss(own, teacher, mask, form)
    expected = sum(attention_scores_loss(record, teacher[0], mask) for record in plain)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for leaf, plain_leaf in zip(leaves, plain_leaves, strict=True):
        torch.testing.assert_close(leaf.grad, plain_leaf.grad)
