"""Tests of layers in tuples, dicts and dataclasses, of token layouts, and of refused layers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import InvwidgetsError, RepresentationError, UnknownNameError
from invwidgets.representations.stages import stages
from tests.small_networks import cut, filled, phi, picture

SIZE = (24, 28)


@dataclass
class ModelOutput(OrderedDict):  # type: ignore[type-arg]
    """A dict whose items are also attributes, like the outputs of large libraries."""

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).copy().items():
            if value is not None:
                self[name] = value


class Block(nn.Module):
    def __init__(self, pair: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.pair = pair

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        y = x + self.linear(x).tanh()
        return (y, 2 * y.mean(1, keepdim=True)) if self.pair else (y,)


class Library(nn.Module):
    """A network with blocks that return tuples, and an output with several tensors."""

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.blocks = nn.ModuleList(Block(pair) for _ in range(4))
        self.unused = nn.Linear(8, 8)
        self.where = Where()
        self.windows = Windows()
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> ModelOutput:
        x = self.patch(x).flatten(2).transpose(1, 2) * self.scale
        hidden = [x]
        for block in self.blocks:
            hidden.append(block(hidden[-1])[0])
        self.where(x)
        self.windows(x)
        return ModelOutput(hidden[-1] + 1, hidden[-1].mean(1), tuple(hidden))


class Where(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(-1)


class Windows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x) * 6, 7, 8) * 2


def library(pair: bool = False) -> nn.Module:
    return filled(Library(pair).eval())


def given(module: nn.Module) -> Any:
    with torch.no_grad():
        return module((picture()[None] - 0.5) / 0.5)


def tokens(features: Tensor) -> Tensor:
    return features.flatten(2).transpose(1, 2)


@pytest.mark.parametrize(
    ("layer", "take"),
    [
        ("output.last_hidden_state", lambda out: out.last_hidden_state),
        ("output['last_hidden_state']", lambda out: out.last_hidden_state),
        ("blocks.2", lambda out: out.hidden_states[3]),
        ("blocks.2[0]", lambda out: out.hidden_states[3]),
        ("output.hidden_states[3]", lambda out: out.hidden_states[3]),
    ],
)
def test_parts_of_outputs_are_layers_by_path(layer: str, take: Any) -> None:
    module = library()
    expected = take(given(module))
    features = phi(layer, module)(picture()[None])
    torch.testing.assert_close(tokens(features), expected, rtol=1e-5, atol=1e-5)
    other = phi("blocks.0", module)(picture()[None])
    assert float((tokens(other) - expected).norm()) > 0.01 * float(expected.norm())


def test_parts_are_listed_and_run() -> None:
    own = cut(library(), "output.pooler_output")
    assert own.layer_info().shape == (8,)
    torch.testing.assert_close(
        own(picture()[None]), given(library()).pooler_output, rtol=1e-5, atol=1e-5
    )
    names = [layer.name for layer in own.layers()]
    assert names[-3:] == [
        "output.last_hidden_state", "output.pooler_output", "output.hidden_states[0]",
    ]  # fmt: skip
    shown = [stage.short_name for stage in stages(own.layers())]
    assert [f"blocks.{k}" for k in range(4)] == [name for name in shown if "blocks" in name]


def test_the_default_is_the_first_part_of_what_the_network_returns() -> None:
    assert phi(None, library()).layer == "output.last_hidden_state"
    result = iw.invert(
        "coffee", library(), mean=(0.5,) * 3, std=(0.5,) * 3, size=SIZE, seeds=1, steps=3
    )
    assert result.relative_error is not None
    assert 0 < result.relative_error[0] < 1


def test_of_several_parts_one_must_be_named() -> None:
    module = library(pair=True)
    with pytest.raises(RepresentationError, match=r"give one of blocks.1\[0\], blocks.1\[1\]"):
        phi("blocks.1", module)
    assert phi("blocks.1[1]", module)(picture()[None]).shape[0] == 1
    shown = [s.short_name for s in stages(phi(None, module).layers())]
    assert "blocks.1[0]" in shown
    assert "blocks.1[1]" not in shown


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("unused", r"\(a Linear\) is never called in the forward pass"),
        ("where", "is a tensor of int64"),
        ("windows", "is a tensor of 6 rows for one image"),
        ("blocks", r"is a ModuleList, which is not called itself: give one in it, blocks.0 … bl"),
        ("scale", "is a parameter or a buffer"),
    ],
)
def test_what_is_there_and_no_layer_says_why(layer: str, reason: str) -> None:
    with pytest.raises(RepresentationError, match=f"cannot be inverted: .*{reason}") as caught:
        phi(layer, library())
    assert "no layer" not in str(caught.value)


def test_what_is_not_there_is_still_no_layer() -> None:
    for layer in ("blocks.9", "blocks.0[7]", "output.nothing"):
        with pytest.raises(UnknownNameError, match="no layer"):
            phi(layer, library())
    with pytest.raises(
        UnknownNameError, match=r"no layer 'patch_3' .*: patch is called once: patch"
    ):
        phi("patch_3", library())


def test_an_output_without_features_is_said() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> tuple[int, None]:
            return (3, None)

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.nothing = nn.Conv2d(3, 4, 3), Nothing()

        def forward(self, x: Tensor) -> Tensor:
            self.nothing(x)
            y: Tensor = self.conv(x)
            return y

    with pytest.raises(
        InvwidgetsError, match="returns a tuple of an int and None, which contains no features"
    ):
        phi("nothing", Around())


class Tower(nn.Module):
    """A transformer with (tokens, images, numbers) inside, like older towers of CLIP."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=False)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).permute(2, 0, 1)
        x = self.encoder(torch.cat([self.token.expand(1, x.shape[1], 8), x]))
        return x[0]


def test_sequence_first_tokens_are_moved_batch_first() -> None:
    module = filled(Tower().eval())
    own = cut(module, "encoder.layers.1")
    info = own.layer_info()
    assert (info.tokens, info.shape) == ((1, 6, 7), (8, 7, 7))
    images = torch.stack([picture(), picture(seed=1)])
    found: list[Tensor] = []
    hook = module.get_submodule("encoder.layers.1").register_forward_hook(
        lambda _, __, output: found.append(output.clone())
    )
    with torch.no_grad():
        module((images - 0.5) / 0.5)
    hook.remove()
    expected = found[0].transpose(0, 1)
    features = own(images)
    torch.testing.assert_close(tokens(features)[:, :42], expected[:, 1:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features[:, :, 6, 0], expected[:, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(own(images[1:]), features[1:], rtol=1e-4, atol=1e-4)
    result = iw.invert("coffee", own, region="1:3,1:3", seeds=2, steps=3)
    assert result.relative_error is not None


def test_windows_are_not_taken_for_sequences() -> None:
    class Windowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.inner = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patch(x)
            y = self.inner(x.flatten(2).transpose(1, 2).reshape(-1, 1, 8))
            return y.reshape(len(x), -1, 8) + 1

    with pytest.raises(RepresentationError, match="42 rows for one image"):
        phi("inner", filled(Windowed().eval()))


class Merging(nn.Module):
    """A transformer that merges 6 x 7 tokens to 3 x 4 and 2 x 2, like Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.merge, self.pool = nn.ModuleList([Merge(), Merge()]), nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        grid = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        for merge in self.merge:
            x, grid = merge(x, grid)
        y: Tensor = self.head(self.pool(x.transpose(1, 2)).flatten(1))
        return y


class Merge(nn.Module):
    def forward(self, x: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        image = nn.functional.avg_pool2d(
            x.transpose(1, 2).unflatten(2, grid), 2, ceil_mode=True, count_include_pad=False
        )
        return image.flatten(2).transpose(1, 2) + 1, (image.shape[2], image.shape[3])


def test_merged_tokens_have_the_halved_grid_and_pooled_ones_none() -> None:
    own = phi("merge.0", filled(Merging().eval()))
    layers = {layer.name: layer for layer in own.layers()}
    assert layers["merge.0[0]"].tokens == (0, 3, 4)
    assert layers["merge.1[0]"].tokens == (0, 2, 2)
    assert layers["pool"].tokens is None
    assert layers["pool"].shape == (8,)
    image = picture()[None]
    with torch.no_grad():
        patches = own.at("patch")(image)
    expected = nn.functional.avg_pool2d(patches, 2, ceil_mode=True, count_include_pad=False) + 1
    torch.testing.assert_close(own(image), expected, rtol=1e-5, atol=1e-5)
