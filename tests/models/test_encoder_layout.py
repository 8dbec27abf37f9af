"""The forward that everything is fitted with equals the modules'."""

import torch
from torch import nn

from hf_tinybert.models.encoder_layout import layer_norm, linear, normalised, scaled_linear
from hf_tinybert.models.layout_reading import teacher_layout


def test_functional_layers_equal_the_modules():
    """Would catch an epsilon or a bias left out of the forward that everything is fitted with."""
    states = torch.randn(5, 8)
    norm, dense = nn.LayerNorm(8, eps=1e-3), nn.Linear(8, 3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    torch.testing.assert_close(layer_norm(norm, states), norm(states).detach())
    torch.testing.assert_close(linear(dense, states), dense(states).detach())
    torch.testing.assert_close(linear(scaled_linear(dense, torch.tensor(3.0)), states), 3 * dense(states).detach())
    normal, deviation = normalised(states, 1e-3)
    torch.testing.assert_close(normal * deviation + states.mean(-1, keepdim=True), states)


def test_a_layers_modules_are_all_of_a_berts(build_encoder):
    """Would catch a weight that copying whole layers forgets."""
    model = build_encoder()
    layer = teacher_layout(model).layers[1]
    listed = {id(parameter) for module in layer.modules() for parameter in module.parameters()}
    assert listed == {id(parameter) for parameter in model.encoder.layer[1].parameters()}
