"""The pass through both encoders: what a narrower student can know, it knows."""

import pytest
import torch

from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.encoder_projection import LayerNormTreatment, project_encoder, read_encoder
from hf_tinybert.models.layout_reading import student_layout, teacher_layout
from hf_tinybert.models.least_squares import ridge_correction, with_ones
from hf_tinybert.models.teacher_states import read_hidden_states, read_states

every_treatment = pytest.mark.parametrize("treatment", LayerNormTreatment)


def project(student, teacher, batches, mapping, treatment):
    """Fill a student; gives what was found out."""
    layouts = student_layout(student), teacher_layout(teacher)
    tokens = read_calibration(batches, layouts[1], seed=0)
    states = read_states(teacher, layouts[1], tokens, mapping)
    return project_encoder(layouts[0], states, tokens, mapping, treatment, torch.Generator().manual_seed(0))


def states(model, batch):
    """All hidden states at valid positions, `(layers + 1, tokens, width)`."""
    with torch.no_grad():
        hidden = model(**batch, output_hidden_states=True).hidden_states
    return torch.stack(hidden)[:, batch["attention_mask"] != 0]


def scores(model, batch):
    """Attention scores of every layer, `(layers, batch, heads, seq_len, seq_len)`, by the definition."""
    with torch.no_grad():
        hidden, found = model(**batch, output_hidden_states=True).hidden_states, []
        for state, layer in zip(hidden, model.encoder.layer, strict=False):
            attention = layer.attention.self
            query, key = (m(state).unflatten(-1, (4, -1)).transpose(1, 2) for m in (attention.query, attention.key))
            found.append(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5)
    return torch.stack(found)


@every_treatment
def test_a_teacher_that_lives_in_a_subspace_is_reproduced_at_the_subspaces_width(
    subspace_pair, build_encoder, batches, treatment
):
    """Would catch an error anywhere in the algebra: map, LayerNorm length, bias, head scale or dropped mean."""
    small, teacher = subspace_pair
    torch.testing.assert_close(scores(small, batches[0]), scores(teacher, batches[0]), atol=1e-4, rtol=1e-4)
    student = build_encoder(hidden_size=16, num_hidden_layers=2, seed=9)
    found = project(student, teacher, batches, (0, 1, 2), treatment)
    torch.testing.assert_close(scores(student, batches[0]), scores(teacher, batches[0]), atol=5e-3, rtol=5e-3)
    wanted = states(teacher, batches[0])
    for layer, (reader, state) in enumerate(zip(found.readers, states(student, batches[0]), strict=True)):
        torch.testing.assert_close(state @ reader[:, :-1].T + reader[:, -1], wanted[layer], atol=5e-3, rtol=5e-3)


@every_treatment
def test_the_readers_know_the_means_of_dropped_directions(build_encoder, batches, treatment):
    """Would catch a lost offset: every layer above would read states that are off by the same vector."""
    teacher = build_encoder()
    student = build_encoder(hidden_size=16, num_hidden_layers=4, seed=9)
    with torch.no_grad():
        teacher.embeddings.LayerNorm.bias.add_(3 * torch.randn(24))
    found = project(student, teacher, batches, (0, 1, 2, 3, 4), treatment)
    state = torch.cat([states(student, batch)[0] for batch in batches])
    wanted = torch.cat([states(teacher, batch)[0] for batch in batches])
    error = (state @ found.readers[0][:, :-1].T + found.readers[0][:, -1] - wanted).mean(0)
    assert error.abs().max() < 0.25 < wanted.mean(0).abs().max()


@every_treatment
def test_dropped_units_leave_their_mean(build_encoder, batches, treatment):
    """Would catch a bias that forgets the dropped units: these are constant, so that nothing else may change."""
    teacher = build_encoder()
    with torch.no_grad():
        for layer in teacher.encoder.layer:
            layer.intermediate.dense.weight[5:15] = 0.0
            layer.intermediate.dense.bias[5:15] = 2.0
    student = build_encoder(intermediate_size=30, seed=9)
    project(student, teacher, batches, (0, 1, 2, 3, 4), treatment)
    torch.testing.assert_close(states(student, batches[0]), states(teacher, batches[0]), atol=1e-4, rtol=1e-4)
    kept = torch.cat([torch.arange(5), torch.arange(15, 40)])
    layers = student.encoder.layer[0], teacher.encoder.layer[0]
    own, other = (layer.intermediate.dense.weight for layer in layers)
    torch.testing.assert_close(own, other[kept], atol=1e-5, rtol=1e-4)


def test_each_treatment_but_the_folded_one_is_at_least_as_near_as_the_one_before(build_encoder, batches):
    """Would catch a fit that fits something else: least squares must beat the diagonal, the refit must beat both."""
    teacher = build_encoder()
    errors = {}
    for treatment in LayerNormTreatment:
        student = build_encoder(hidden_size=16, num_hidden_layers=2, intermediate_size=30, seed=9)
        found = project(student, teacher, batches, (0, 2, 4), treatment)
        pairs = zip(found.readers, states(student, batches[0]), states(teacher, batches[0])[[0, 2, 4]], strict=True)
        gaps = [(own @ reader[:, :-1].T + reader[:, -1] - wanted).square().mean() for reader, own, wanted in pairs]
        errors[treatment] = float(sum(gaps))
    order = ("reconstruction", "least_squares", "project")
    assert errors[order[0]] < 0.8 * errors[order[1]]
    assert errors[order[1]] < errors[order[2]]
    assert errors["fold"] > errors["reconstruction"]


def test_a_dimension_with_a_dead_scale_does_not_explode(build_encoder, batches):
    """Would catch a division by a LayerNorm scale of zero, which real checkpoints have."""
    teacher = build_encoder()
    with torch.no_grad():
        for layer in teacher.encoder.layer:
            layer.output.LayerNorm.weight[3] = 0.0
    for width in (24, 16):
        for treatment in LayerNormTreatment:
            student = build_encoder(hidden_size=width, num_hidden_layers=2, seed=9)
            project(student, teacher, batches, (0, 2, 4), treatment)
            assert all(parameter.isfinite().all() for parameter in student.parameters())
            assert max(parameter.abs().max() for parameter in student.parameters()) < 50


def read(student, teacher, batches, mapping):
    """How a student stands for its teacher."""
    layout = student_layout(student)
    tokens = read_calibration(batches, layout, seed=0)
    return read_encoder(layout, read_hidden_states(teacher, tokens, mapping), tokens, mapping)


def test_a_copy_reads_as_its_teacher_exactly(build_encoder, batches):
    """Would catch a fit that shrinks where there is nothing to fit."""
    teacher = build_encoder()
    found = read(teacher, build_encoder(), batches, (0, 1, 2, 3, 4))
    for reader in (*found.readers, found.final_reader):
        torch.testing.assert_close(reader, torch.eye(24, 25), atol=1e-5, rtol=0)


def test_readers_of_a_trained_student_lead_to_the_states_of_the_mapping(subspace_pair, batches):
    """Would catch states that are read as those of another layer: here each has all of its teacher's."""
    small, teacher = subspace_pair
    found = read(small, teacher, batches, (0, 1, 2))
    assert found.basis.shape == (24, 16)
    wanted, own = states(teacher, batches[0]), states(small, batches[0])
    for layer, reader in enumerate(found.readers):
        errors = [(own[layer] @ reader[:, :-1].T + reader[:, -1] - one).square().mean() for one in wanted]
        assert errors[layer] == min(errors) and errors[layer] < 0.05 * wanted[layer].var()
    assert torch.equal(found.final_reader, found.readers[-1])


def test_equal_widths_alone_do_not_make_states_equal(build_encoder, batches):
    """Would catch an identity assumed for a student whose states are far from the teacher's."""
    teacher, student = build_encoder(), build_encoder(seed=9)
    own, wanted = (torch.cat([states(model, batch)[-1] for batch in batches]) for model in (student, teacher))
    found = read(student, teacher, batches, (0, 1, 2, 3, 4)).final_reader
    plain = ridge_correction(with_ones(own), wanted).T
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-3)
    assert (own - wanted).square().mean() > wanted.var(0).mean() > (with_ones(own) @ plain.T - wanted).square().mean()
