"""Tests of HOG and HOGb: equal to VLFeat, cut at every stage, correct derivatives."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.fx
from torch import Tensor, nn

from invwidgets.errors import BadImageError, BadSettingError, UnknownNameError
from invwidgets.representations.descriptors.hog import Hog, hog, hogb
from scripts.make_vlfeat_golden import load_vlfeat, vl_hog
from tests.reference.plain_hog import plain_hog
from tests.representations.photo_arrays import PHOTOS, photo
from tests.saboteurs import constant_descriptor, shuffled_channels

torch.set_num_threads(1)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vlfeat" / "vlfeat.npz")
needs_vlfeat = pytest.mark.skipif(load_vlfeat() is None, reason="libvlfeat1 is not installed")

Factory = Callable[..., Hog]


def golden_image(color: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    image = torch.from_numpy(GOLDEN["image"]).to(dtype)[None] / 255
    return image if color else image[:, 1:2].expand(-1, 3, -1, -1)


def differences(ours: Tensor, theirs: np.ndarray) -> tuple[float, float]:
    """The largest absolute difference, and the relative difference of the norms."""
    gap = ours[0].numpy() - theirs
    return float(np.abs(gap).max()), float(np.linalg.norm(gap) / np.linalg.norm(theirs))


# --- equal to VLFeat ------------------------------------------------------------------------


@pytest.mark.claim(saboteurs=[constant_descriptor, shuffled_channels])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("case", "module"),
    [
        ("hog", hog()),
        ("hog_cell5_orientations6", hog(cell_size=5, orientations=6)),
        ("hog_color", hog(color="strongest")),
        ("hogb", hogb()),
        ("hogb_cell7", hogb(cell_size=7)),
    ],
)
def test_equals_golden_vlfeat(case: str, module: Hog, dtype: torch.dtype) -> None:
    absolute, relative = differences(module(golden_image("color" in case, dtype)), GOLDEN[case])
    allowed = (5e-4, 1e-4) if "hogb" in case else (1e-4, 1e-5)
    assert absolute <= allowed[0]
    assert relative <= allowed[1]


@pytest.mark.claim(saboteurs=[constant_descriptor, shuffled_channels])
@needs_vlfeat
@pytest.mark.parametrize("name", PHOTOS)
def test_equals_vlfeat_on_photos(name: str) -> None:
    image = photo(name)
    gray = hog().gray(image)[0, 0].numpy()
    assert differences(hog()(image), vl_hog(gray)) <= (1e-4, 1e-5)
    absolute, relative = differences(hogb()(image), vl_hog(gray, bilinear=True))
    assert absolute <= 5e-4
    assert relative <= 1e-4


@needs_vlfeat
@pytest.mark.parametrize("size", [(16, 16), (17, 31), (20, 44), (53, 36), (64, 19)])
@pytest.mark.parametrize("cell_size", [2, 3, 4, 5, 8])
def test_equals_vlfeat_at_any_size(size: tuple[int, int], cell_size: int) -> None:
    image = photo("chelsea", (96, 96))[:, :, : size[0], : size[1]]
    module = hogb(cell_size=cell_size, orientations=7)
    theirs = vl_hog(module.gray(image)[0, 0].numpy(), cell_size, 7, bilinear=True)
    absolute, relative = differences(module(image), theirs)
    assert absolute <= 5e-4
    assert relative <= 1e-4


@needs_vlfeat
def test_strongest_color_equals_vlfeat() -> None:
    image = photo("coffee")
    theirs = vl_hog((255 * image[0]).numpy())
    absolute, relative = differences(hog(color="strongest")(image), theirs)
    assert absolute <= 1e-4
    assert relative <= 1e-5


@needs_vlfeat
def test_golden_arrays_are_what_the_library_makes_today() -> None:
    from scripts.make_vlfeat_golden import golden_arrays

    for name, array in golden_arrays():
        np.testing.assert_allclose(array, GOLDEN[name], atol=2e-6, err_msg=name)


# --- against the plain form -----------------------------------------------------------------


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("cell_size", [5, 8])
def test_features_and_gradient_equal_the_plain_form(bilinear: bool, cell_size: int) -> None:
    image = photo("astronaut", (44, 61)).double()
    image = (image + random_image(44, 61) / 100).requires_grad_()  # off the kinks at bin centers
    module = hogb(cell_size=cell_size) if bilinear else hog(cell_size=cell_size, gradient="exact")
    ours = module(image)
    plain = plain_hog(module.gray(image), cell_size, bilinear=bilinear)
    torch.testing.assert_close(ours, plain, atol=1e-7, rtol=1e-6)  # kernels are float32
    weights = torch.linspace(-1, 1, ours.numel(), dtype=torch.float64).view_as(ours)
    (our_gradient,) = torch.autograd.grad(ours, image, weights)
    (plain_gradient,) = torch.autograd.grad(plain, image, weights)
    torch.testing.assert_close(our_gradient, plain_gradient, atol=1e-6, rtol=1e-5)


def test_matconvnet_variant_is_the_published_network() -> None:
    image = photo("coffee", (48, 64)).double()
    ours = hogb(variant="matconvnet")(image)
    assert ours.shape == (1, 27, 6, 8)
    # The published network, cell by cell in plain numpy.
    gray = np.pad(hog().gray(image)[0, 0].numpy(), 1)
    dx = (gray[1:-1, 2:] - gray[1:-1, :-2]) / 2
    dy = (gray[2:, 1:-1] - gray[:-2, 1:-1]) / 2
    norm = np.hypot(dx, dy)
    cells = np.zeros((18, 6, 8))
    for o in range(18):
        cosine = dx * np.cos(o * np.pi / 9) + dy * np.sin(o * np.pi / 9)
        cosine = np.clip(cosine / np.maximum(norm, 1e-10), -1, 1)
        votes = norm * np.maximum(0, 1 - 9 / np.pi * np.arccos(cosine))
        padded = np.pad(votes, 4)
        triangle = 1 - np.abs(np.arange(16) - 7.5) / 8
        for r in range(6):
            for c in range(8):
                window = padded[8 * r : 8 * r + 16, 8 * c : 8 * c + 16]
                cells[o, r, c] = triangle @ window @ triangle
    cells = np.concatenate([cells, cells[:9] + cells[9:]])
    expected = np.zeros((27, 6, 8))
    for r in range(5):
        for c in range(7):
            block = cells[:, r : r + 2, c : c + 2]
            scale = max(np.sqrt((block[18:] ** 2).sum()), 1e-6)
            expected[:, r : r + 2, c : c + 2] += 0.5 * np.minimum(block / scale, 0.2)
    np.testing.assert_allclose(ours[0].numpy(), expected, atol=1e-6)


# --- against scikit-image -------------------------------------------------------------------


def test_scikit_image_has_the_same_gradients_and_bins() -> None:
    """What means the same there: derivatives and hard votes. Half a bin is turned away by asking
    it for twice the bins, which ours hold in pairs. What does not: it pools with boxes instead of
    triangles, forgets the sign of a direction, keeps the copies of a cell in its blocks apart
    instead of averaging them, and normalizes by other norms; so only one cell as large as the
    image is compared, with a frame of one color, since its border has derivatives along it."""
    hog_by_skimage = pytest.importorskip("skimage.feature").hog
    image = random_image(64, 64)
    for side in (0, -1):
        image[:, :, side, :] = image[:, :, :, side] = 0.5
    theirs = hog_by_skimage(
        hog().gray(image)[0, 0].numpy(),
        orientations=18,
        pixels_per_cell=(64, 64),
        cells_per_block=(1, 1),
        block_norm="L1",
    )
    votes = hog()[:3](image)[0].sum((1, 2))
    ours = (votes[:9] + votes[9:]).numpy()
    # Our bin k is -10 to +10 degrees around 20 k, theirs are 10 degrees from 10 k on.
    pairs = theirs[2 * np.arange(9)] + theirs[2 * np.arange(9) - 1]
    np.testing.assert_allclose(ours / ours.sum(), pairs / pairs.sum(), atol=1e-6)


# --- stages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [hog, hogb])
def test_every_stage_can_be_cut_at(factory: Factory) -> None:
    module = factory()
    image = photo("rocket", (40, 56))
    seen: dict[str, Tensor] = {}
    hooks = [
        stage.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, stage in module.named_children()
    ]
    module(image)
    for hook in hooks:
        hook.remove()
    assert list(seen) == [
        "gray", "gradient", "orientation", "cells", "blocks", "normalize", "clamp", "decompose",
    ]  # fmt: skip
    assert [tuple(t.shape[1:]) for t in seen.values()] == [
        (1, 40, 56), (2, 40, 56), (18, 40, 56), (18, 5, 7),
        (108, 6, 8), (108, 6, 8), (108, 6, 8), (31, 5, 7),
    ]  # fmt: skip
    for i, out in enumerate(seen.values()):
        cut = module[: i + 1]
        assert type(cut) is nn.Sequential
        torch.testing.assert_close(cut(image), out, atol=0, rtol=0)


def test_no_parameters_and_eval_mode() -> None:
    module = hog()
    assert not list(module.parameters())
    assert not module.training
    assert {name for name, _ in module.named_buffers()} == {
        "orientation.directions", "cells.kernel",
    }  # fmt: skip


def test_batch_is_its_images_one_by_one() -> None:
    images = torch.cat([photo(n, (50, 70)) for n in ("chelsea", "coffee", "china")])
    for module in (hog(), hogb(color="strongest"), hog(variant="matconvnet")):
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-6)


def test_texture_and_layout() -> None:
    module = hog(texture=False)
    image = photo("flower", (48, 48))
    torch.testing.assert_close(module(image), hog()(image)[:, :27])
    assert module.output_layout["texture"] == range(27, 27)
    assert hog().output_layout["undirected"] == range(18, 27)
    assert hog().orientation_channels(0, 4) == [0, 9, 18, 4, 13, 22]


def test_channels_of_an_orientation() -> None:
    """Vertical stripes have horizontal gradients: only orientation 0."""
    image = (torch.arange(64) // 5 % 2).float().expand(1, 3, 64, 64)
    features = hog()(image)
    mine = hog().orientation_channels(0)
    assert features[:, mine].amin() > 0
    others = [c for c in range(27) if c not in mine]
    assert features[:, others].amax() == 0


def test_moving_to_float64_keeps_the_numbers() -> None:
    image = photo("china", (64, 64))
    torch.testing.assert_close(
        hogb().double()(image.double()).float(), hogb()(image), atol=1e-5, rtol=1e-4
    )


def test_copied_pickled_and_traced_by_fx_with_stages_as_leaves() -> None:
    class Stages(torch.fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return module_qualified_name != ""

    module = hog()
    image = photo("rocket", (40, 56))
    graph = torch.fx.GraphModule(module, Stages().trace(module))
    names = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    assert names == [name for name, _ in module.named_children()]
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), graph):
        assert torch.equal(twin(image), module(image))


# --- derivatives ----------------------------------------------------------------------------


def random_image(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("upto", range(1, 9))
@pytest.mark.parametrize(
    "module",
    [
        hog(cell_size=4, orientations=4, gradient="exact"),
        hogb(cell_size=3, orientations=4),
        hogb(cell_size=4, orientations=3, color="strongest"),
        hogb(cell_size=4, orientations=4, variant="matconvnet"),
    ],
    ids=["hog-exact", "hogb", "hogb-color", "hogb-matconvnet"],
)
def test_gradcheck_of_each_stage(module: Hog, upto: int) -> None:
    with torch.no_grad():
        given = module[: upto - 1](random_image(8, 10)) if upto > 1 else random_image(8, 10)
    if upto == 3:  # at the border there is no gradient, and no derivative
        given = given[:, :, 1:-1, 1:-1]
    given.requires_grad_()
    assert torch.autograd.gradcheck(module[upto - 1], given, eps=1e-7, atol=1e-5)


def test_gradcheck_of_the_whole() -> None:
    image = random_image(8, 9).requires_grad_()
    assert torch.autograd.gradcheck(hogb(cell_size=4), image, eps=1e-7, atol=1e-5)


def test_straight_through_is_hard_forward_and_bilinear_backward() -> None:
    gradient = hog()[:2](photo("coffee", (32, 40)))
    out = {}
    for name, module in (("through", hog()), ("hard", hog(gradient="exact")), ("soft", hogb())):
        given = gradient.clone().requires_grad_()
        result = module.orientation(given)
        weights = torch.linspace(-1, 1, result.numel()).view_as(result)
        result.backward(weights)
        out[name] = (result.detach(), given.grad)
    assert torch.equal(out["through"][0], out["hard"][0])
    assert torch.equal(out["through"][1], out["soft"][1])
    assert not torch.equal(out["hard"][1], out["soft"][1])


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "module",
    [hog(), hog(gradient="exact"), hogb(), hog(color="strongest"), hog(variant="matconvnet")],
)
def test_finite_on_constant_images(module: Hog, dtype: torch.dtype, value: float) -> None:
    image = torch.full((2, 3, 24, 32), value, dtype=dtype, requires_grad=True)
    features = module(image)
    features.sum().backward()
    assert features.isfinite().all()
    assert image.grad is not None
    assert image.grad.isfinite().all()


# --- what cannot work -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"cell_size": 0}, "cell_size=0 is too small.*at least 1"),
        ({"cell_size": -8}, "cell_size=-8 is too small"),
        ({"cell_size": 8.0}, "cell_size=8.0 is not a whole number.*for instance cell_size=8"),
        ({"cell_size": 7.5}, "cell_size=7.5 is not a whole number"),
        ({"cell_size": True}, "cell_size=True is not a whole number"),
        ({"cell_size": "8"}, "cell_size='8' is not a whole number"),
        ({"orientations": 1}, "orientations=1 is too small"),
        ({"texture": 4}, "texture=4 must be True or False"),
        ({"color": "red"}, "no color 'red'. There are: gray, strongest"),
        ({"variant": "opencv"}, "no variant 'opencv'. There are: vlfeat, matconvnet"),
        ({"gradient": "soft"}, "no gradient 'soft'. There are: straight-through, exact"),
    ],
)
def test_parameters_that_cannot_work(parameters: dict[str, object], says: str) -> None:
    with pytest.raises((BadSettingError, UnknownNameError), match=says):
        hog(**parameters)  # type: ignore[arg-type]


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(TypeError, match="bins"):
        hog(bins=9)  # type: ignore[call-arg]
    with pytest.raises(BadSettingError, match="no orientation 9; there are 9, 0 to 8"):
        hog().orientation_channels(9)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (torch.rand(1, 3, 15, 64), "15 x 64 pixels is smaller than one block.*16 x 16"),
        (torch.rand(1, 1, 64, 64), r"(1, 1, 64, 64)"),
        (torch.rand(3, 64, 64), r"(3, 64, 64)"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "torch.uint8: divide by 255"),
    ],
)
def test_images_that_cannot_be_taken(image: Tensor, says: str) -> None:
    with pytest.raises(BadImageError, match=says if ".*" in says else re.escape(says)):
        hog()(image)
