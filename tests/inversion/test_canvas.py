"""Tests of the limits that keep a search within a picture's range of colors."""

from __future__ import annotations

import pytest
import torch

from invwidgets import invert
from invwidgets.inversion.canvas import bound_canvas, free_gradient


def test_only_what_presses_against_the_range_is_set_apart() -> None:
    center = torch.tensor([0.25, 0.5, 0.75])
    z = torch.tensor([-1e4, 1e4, 3.0])[None, :, None, None].expand(1, 3, 1, 2).clone()
    bound_canvas(z, "picture", center)
    gradient = torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0]])[None, :, None]
    free_gradient(gradient, z, "picture", center)
    assert gradient[0, :, 0].tolist() == [[0.0, -1.0], [1.0, 0.0], [1.0, -1.0]]
    kept = torch.ones_like(z)
    free_gradient(kept, z, 160.0, center)  # a norm is no range of colors
    assert bool((kept == 1).all())


@pytest.mark.parametrize(("layer", "channel"), [("conv_stem", 4), ("blocks.0", 9)])
def test_a_single_channel_is_not_left_in_white(layer: str, channel: int) -> None:
    """Without it these two end at 78 and 56 %."""
    options = {"layer": layer, "channels": [channel], "seeds": 1, "frames": 0}
    result = invert("flower", **options, precision="float32")  # type: ignore[arg-type]
    assert result.relative_error is not None
    assert max(result.relative_error) < 0.05
