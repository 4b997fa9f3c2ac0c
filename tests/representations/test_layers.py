"""Tests of the list of layers in execution order: names, shapes, aliases, tokens."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from invwidgets.analysis.fields import effective_field
from invwidgets.analysis.patches import exciting_patches
from invwidgets.errors import RepresentationError
from invwidgets.images import read_photo
from invwidgets.models.zoo import ZOO, load_network
from invwidgets.representations.descriptors.named import named_network
from invwidgets.representations.network import NetworkRepresentation
from invwidgets.representations.registry import representation, representations
from invwidgets.representations.tracing import CallNames, Layout
from invwidgets.selection import center_region
from invwidgets.widgets.controls.layer_slider import describe
from invwidgets.widgets.controls.region_picker import RegionPicker
from tests.small_networks import Small, cut, filled, hooked, phi, picture

QUICK = ("efficientnet_lite0", "squeezenet1_1", "resnet18", "hog", "hogb", "dsift")
EVERY = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in representations()]


@pytest.fixture(params=EVERY)
def zoo_network(request: pytest.FixtureRequest) -> NetworkRepresentation:
    found = representation(request.param, weights="random")
    assert isinstance(found, NetworkRepresentation)
    return found


def test_every_layer_of_the_zoo_is_what_a_hook_sees(zoo_network: NetworkRepresentation) -> None:
    layers = zoo_network.layers()
    assert [layer.index for layer in layers] == list(range(len(layers)))
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names)
    image = picture(zoo_network.size)[None]
    normal = image * zoo_network.scale + zoo_network.shift
    everything = seen(module_of(zoo_network), normal)
    order = [name for name in everything if name in names]
    assert order == names  # execution order, nothing left out of it
    for layer in layers:
        given = everything[layer.name]
        assert given.numel() <= torch.Size(layer.shape).numel()
        assert layer.is_global or layer.stride is not None
    for layer in layers[:: max(1, len(layers) // 4)] + layers[-1:]:
        own = zoo_network.at(layer.name)
        features = own(image)
        assert tuple(features.shape[1:]) == layer.shape
        given = everything[layer.name]
        expected = own.traced_layer(own.size).layout.arrange(given)
        assert float((features - expected).norm()) <= 1e-3 * float(expected.norm()) + 1e-6


def module_of(phi: NetworkRepresentation) -> nn.Module:
    """The network itself, built once for each name."""
    if phi.handcrafted:
        return named_network(phi.name).module
    return load_network(phi.name, phi.weights.split()[0]).module


def seen(module: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """The outputs of all modules by name and call, in order."""
    found: dict[str, Tensor] = {}
    calls: dict[str, int] = {}
    handles = []

    def keep(name: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, __: object, output: object) -> None:
            count = calls[name] = calls.get(name, 0) + 1
            called = name if count == 1 else f"{name}_{count - 1}"
            parts = output if isinstance(output, tuple) else (output,)
            for place, part in enumerate(parts):
                if isinstance(part, Tensor):
                    written = f"{called}[{place}]" if isinstance(output, tuple) else called
                    found[written] = part.detach().clone()

        return hook

    for name, child in module.named_modules():
        if name:
            handles.append(child.register_forward_hook(keep(name)))
    with torch.no_grad():
        module(image)
    for handle in handles:
        handle.remove()
    return found


def test_small_network_in_full() -> None:
    rows = [(la.name, la.kind, la.shape, la.stride, la.is_global) for la in phi().layers()]
    assert rows == [
        ("conv1", "Conv2d", (8, 12, 14), (2.0, 2.0), False),
        ("bn1", "BatchNorm2d", (8, 12, 14), (2.0, 2.0), False),
        ("relu", "ReLU", (8, 12, 14), (2.0, 2.0), False),
        ("conv2", "Conv2d", (8, 12, 14), (2.0, 2.0), False),
        ("bn2", "BatchNorm2d", (8, 12, 14), (2.0, 2.0), False),
        ("relu_1", "ReLU", (8, 12, 14), (2.0, 2.0), False),
        ("conv3", "Conv2d", (12, 5, 6), (4.0, 4.0), False),
        ("relu_2", "ReLU", (12, 5, 6), (4.0, 4.0), False),
        ("head.0", "AdaptiveAvgPool2d", (12, 1, 1), (4.0, 4.0), True),
        ("head.1", "Flatten", (12,), None, True),
        ("head.2", "Linear", (5,), None, True),
    ]


def test_a_container_lends_its_name_to_its_last_layer() -> None:
    assert phi().layers()[-1].aliases == ("head",)
    own = phi("head")
    assert own.layer_info().name == "head.2"
    image = picture()[None]
    assert torch.equal(own(image), phi("head.2")(image))


def test_counts_on_resnet() -> None:
    own = representation("resnet18", "layer1.0.relu_1", "random")
    names = [layer.name for layer in own.layers()]
    at = names.index("layer1.0.relu")
    assert names[at : at + 4] == [
        "layer1.0.relu", "layer1.0.conv2", "layer1.0.bn2", "layer1.0.relu_1",
    ]  # fmt: skip
    assert "layer1.0" in own.layer_info().aliases
    image = picture(own.size)[None]
    network = load_network("resnet18", "random")
    normal = image * own.scale + own.shift
    expected = hooked(network.module, "layer1.0.relu", normal, call=1)
    torch.testing.assert_close(own(image), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "alias", "name"),
    [
        ("efficientnet_lite0", "stage3", "blocks.2"),
        pytest.param("alexnet", "conv5", "features.10", marks=pytest.mark.slow),
        pytest.param("vgg16", "relu4_3", "features.22", marks=pytest.mark.slow),
        pytest.param("vgg19", "relu4_4", "features.26", marks=pytest.mark.slow),
        pytest.param("caffenet", "mpool5", "mpool5", marks=pytest.mark.slow),
    ],
)
def test_the_papers_names(model: str, alias: str, name: str) -> None:
    own = representation(model, alias, "random")
    info = own.layer_info()
    assert name == info.name or name in info.aliases


@pytest.mark.parametrize("model", [name for name in ZOO if name not in ("vgg16", "vgg19")])
def test_every_alias_leads_to_a_module(model: str) -> None:
    card = ZOO[model]
    if not card.aliases:
        return
    with torch.device("meta"):
        names = dict(card.build().named_modules())
    assert set(card.aliases.values()) <= set(names)


def test_the_aliases_of_vgg_name_the_right_kinds() -> None:
    for model in ("vgg16", "vgg19"):
        with torch.device("meta"):
            modules = dict(ZOO[model].build().named_modules())
        for alias, name in ZOO[model].aliases.items():
            kind = type(modules[name]).__name__.lower()
            expected = {"conv": "conv2d", "relu": "relu", "pool": "maxpool2d", "fc6": "linear",
                        "fc7": "linear", "fc8": "linear"}  # fmt: skip
            assert kind == expected.get(alias[:4], expected.get(alias, "")), (model, alias, name)


# --- tokens and channels-last -------------------------------------------------------------------


class Tokens(nn.Module):
    """A small ViT: patches, a class token, attention, and a channels-last stage before."""

    def __init__(self, tokens: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.norm = nn.LayerNorm(6)
        self.mlp = nn.Linear(6, 6)
        self.patch = nn.Conv2d(6, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, tokens, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        x = self.mlp(self.norm(x)).permute(0, 3, 1, 2)
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.block(torch.cat([self.token.expand(len(x), -1, -1), x], 1))
        y: Tensor = self.head(x[:, 0])
        return y


def test_channels_last_interiors_are_permuted() -> None:
    module = filled(Tokens().eval())
    own = cut(module, "mlp")
    assert own.layer_info().shape == (6, 24, 28)
    assert own.layer_info().stride == (1.0, 1.0)
    image = picture()[None]
    expected = hooked(module, "mlp", (image - 0.5) / 0.5).permute(0, 3, 1, 2)
    torch.testing.assert_close(own(image), expected)


def test_tokens_are_a_map_beside_the_class_token() -> None:
    module = filled(Tokens().eval())
    own = cut(module, "block")
    info = own.layer_info()
    assert info.tokens == (1, 6, 7)
    assert info.shape == (8, 7, 7)
    assert info.is_global
    image = picture()[None]
    tokens = hooked(module, "block", (image - 0.5) / 0.5)
    features = own(image)
    torch.testing.assert_close(features[0, :, :6], tokens[0, 1:].T.reshape(8, 6, 7))
    torch.testing.assert_close(features[0, :, 6, 0], tokens[0, 0])
    assert not bool(features[0, :, 6, 1:].any())


@pytest.mark.parametrize(
    ("tokens", "size", "grid"),
    [(5, (32, 16), (8, 4)), (9, (32, 16), (8, 4)), (4, (32, 16), (8, 4)), (5, (8, 8), (2, 2))],
)
def test_registers_more_than_the_grid_is_wide_fill_rows_below_it(
    tokens: int, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    module = filled(Tokens(tokens).eval())
    own = cut(module, "block", size)
    rows, columns = grid
    extra = -(-tokens // columns)
    assert own.layer_info().tokens == (tokens, rows, columns)
    assert own.layer_info().shape == (8, rows + extra, columns)
    image = picture(size)[None]
    expected = hooked(module, "block", (image - 0.5) / 0.5)[0]
    features = own(image)[0]
    torch.testing.assert_close(features[:, :rows], expected[tokens:].T.reshape(8, rows, columns))
    below = features[:, rows:].flatten(1)
    torch.testing.assert_close(below[:, :tokens], expected[:tokens].T)
    assert not bool(below[:, tokens:].any())
    corner = (rows + extra - 1, rows + extra, columns - 1, columns)
    sees = own.receptive_field(corner).clipped
    assert (sees == (0, 0, *size)) == (tokens % columns == 0), "blank cells see nothing"


def test_what_reads_tokens_leaves_the_rows_of_registers_out() -> None:
    own = cut(filled(Tokens(9).eval()), "block", (32, 16))
    layer = own.layer_info()
    assert (layer.shape, layer.grid) == ((8, 11, 4), (8, 4))
    assert center_region(layer, 2) == (3, 5, 1, 3)
    assert effective_field(own, ["coffee"], probes=1).region == (4, 5, 2, 3)
    patches = exciting_patches(own, 0, ["coffee"])
    assert patches[0].response == float(own.target(read_photo("coffee", own.size))[0, 0, :8].max())
    picker = RegionPicker()
    picker.show_layer(own, own.size)
    assert (picker.canvas.rows, picker.canvas.columns) == (8, 4)
    picker.close()
    assert "8 × 4" in describe(layer)
    assert cut(filled(Tokens().eval()), "head").layer_info().grid is None


def test_a_sequence_far_from_any_grid_is_a_vector() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, 4, 8, 8)
            self.mix = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patch(x).flatten(2).transpose(1, 2)
            y: Tensor = self.mix(torch.cat([x] * 10, 1))
            return y

    assert cut(Listed(), "mix").layer_info().shape == (10 * 9 * 4,)


def test_the_nearest_grid_is_that_of_the_tokens() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, 4, 4, 4)
            self.pool = nn.AdaptiveAvgPool2d(6)
            self.mix = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patch(x)
            self.pool(x)
            y: Tensor = self.mix(x.flatten(2).transpose(1, 2))
            return y

    assert cut(Pooled(), "mix").layer_info().tokens == (0, 6, 7)


def test_calls_have_names_of_their_own() -> None:
    modules = {name: nn.Identity() for name in ("conv", "conv_1", "conv_3", "x_1_1")}
    names = CallNames(nn.ModuleDict(modules))
    paths = ["conv", "conv", "conv_1", "conv", "conv_1", "conv", "x_1_1"]
    called = [names.of_next(path) for path in paths]
    assert called == ["conv", "conv_2", "conv_1", "conv_4", "conv_1_1", "conv_5", "x_1_1"]
    assert [names.find(name) for name in called] == [
        ("conv", 1), ("conv", 2), ("conv_1", 1), ("conv", 3), ("conv_1", 2), ("conv", 4),
        ("x_1_1", 1),
    ]  # fmt: skip


def test_layouts_are_differentiable_and_lose_nothing() -> None:
    tokens = torch.randn(2, 13, 5, dtype=torch.float64, requires_grad=True)
    layout = Layout("tokens", (1, 3, 4))
    arranged = layout.arrange(tokens)
    assert arranged.shape == (2, 5, 4, 4)
    assert float(arranged.detach().square().sum()) == pytest.approx(
        float(tokens.detach().square().sum())
    )
    (gradient,) = torch.autograd.grad(arranged.sum(), tokens)
    assert torch.equal(gradient, torch.ones_like(tokens))
    without = Layout("tokens", (0, 3, 4)).arrange(tokens[:, 1:])
    assert torch.equal(without, arranged[:, :, :3])


# --- sizes and refusals -------------------------------------------------------------------------


def test_layers_at_another_size() -> None:
    own = phi()
    assert own.layers((48, 24))[0].shape == (8, 24, 12)
    assert [la.name for la in own.layers((48, 24))] == [la.name for la in own.layers()]


def test_an_image_too_small_is_named() -> None:
    with pytest.raises(
        RepresentationError, match=r"Small failed on an image of 2x2 pixels: .*Kernel size.*size="
    ):
        phi().layers((2, 2))


def ends(function: Callable[[Tensor], Tensor], name: str = "conv") -> nn.Module:
    """A network of one convolution, followed by a function."""

    class Ending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(name, nn.Conv2d(3, 4, 3))

        def forward(self, x: Tensor) -> Tensor:
            return function(self.get_submodule(name)(x))

    return filled(Ending().eval())


@pytest.mark.parametrize("seen", [False, True], ids=["graph", "hooks"])
@pytest.mark.parametrize(
    "function", [lambda x: 3 * x, lambda x: x.relu_(), lambda x: x.mean((2, 3))]
)
def test_what_the_network_itself_makes_is_its_last_layer(
    function: Callable[[Tensor], Tensor], seen: bool
) -> None:
    def looked(x: Tensor) -> Tensor:
        return function(x if x.sum() < 1e9 else -x)  # which a graph cannot follow

    module = ends(looked if seen else function)
    own = cut(module, "output")
    assert [layer.name for layer in own.layers()] == ["conv", "output"]
    image = picture()[None]
    with torch.no_grad():
        expected = module((image - 0.5) / 0.5)
    assert tuple(expected.shape[1:]) == own.layer_info().shape
    torch.testing.assert_close(own(image), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own.at("conv")(image), hooked(module, "conv", (image - 0.5) / 0.5))
    is_map = expected.ndim == 4 and expected.shape[2:] != (1, 1)
    assert phi(None, module).layer == ("output" if is_map else "conv")


def test_a_view_of_the_last_layer_is_no_other_layer() -> None:
    names = [layer.name for layer in cut(ends(lambda x: x.flatten(1)), "conv").layers()]
    assert names == ["conv"]
    names = [layer.name for layer in cut(ends(lambda x: x[:, :2]), "conv").layers()]
    assert names == ["conv", "output"]


def test_the_output_gives_way_to_a_module_of_its_name() -> None:
    own = cut(ends(lambda x: 2 * x, "output"), "returned")
    assert [layer.name for layer in own.layers()] == ["output", "returned"]
    image = picture()[None]
    torch.testing.assert_close(own(image), 2 * own.at("output")(image))


def test_a_module_without_modules_has_one_layer() -> None:
    class Bare(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    own = phi(None, Bare())
    assert [layer.name for layer in own.layers()] == ["output"]
    image = picture()[None]
    torch.testing.assert_close(own(image), 4 * image - 2)


def test_a_module_without_any_features_is_refused() -> None:
    class Empty(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"x": x.int()}

    with pytest.raises(RepresentationError, match="Empty calls no submodule"):
        phi("0", Empty())


def test_ready_for_json() -> None:
    rows = json.loads(json.dumps([layer.describe() for layer in phi().layers()]))
    assert rows[0]["name"] == "conv1"
    assert rows[-1]["stride"] is None


def test_tracing_leaves_no_hooks() -> None:
    module = Small().eval()
    cut(module, "conv2").layers((32, 32))
    assert not any(m._forward_hooks for m in module.modules())
