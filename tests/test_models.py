"""Tests of the zoo: networks, sources of weights, and messages for what is refused."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.io import savemat
from torch import Tensor, nn

from invwidgets.errors import (
    BadSettingError,
    InvwidgetsError,
    RepresentationError,
    UnknownNameError,
    WeightsError,
)
from invwidgets.images import read_photo
from invwidgets.models import downloads, sources
from invwidgets.models import zoo as models
from invwidgets.models.caffenet import caffenet, read_matconvnet
from invwidgets.models.efficientnet_lite import efficientnet_lite
from invwidgets.models.isolate import frozen, isolate
from invwidgets.models.torchvision_import import import_torchvision
from invwidgets.models.zoo import ZOO, build_named, load_network
from invwidgets.representations.registry import list_models, representation
from tests.small_networks import HALF, small


def classes(name: str) -> list[int]:
    network = load_network("efficientnet_lite0")
    photo = read_photo(name, network.size)
    with torch.no_grad():
        scores = network.module((photo[None] - 0.5) / 0.5)[0]
    return [int(c) for c in scores.topk(5).indices]


def test_the_embedded_network_works_offline_and_knows_the_photos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("a network was asked")

    monkeypatch.setattr("socket.socket.connect", no_network)
    assert 967 in classes("coffee")  # espresso
    assert {281, 282, 285} & set(classes("chelsea"))  # tabby, tiger cat, Egyptian cat
    assert 698 in classes("china")  # palace
    network = load_network("efficientnet_lite0")
    assert (network.weights, network.size) == ("pretrained", (224, 224))


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("efficientnet_lite0", (1, 1)),
        ("efficientnet_lite1", (1, 1.1)),
        ("efficientnet_lite2", (1.1, 1.2)),
        ("efficientnet_lite4", (1.4, 1.8)),
    ],
)
def test_the_lites_are_timms(name: str, scale: tuple[float, float]) -> None:
    import_torchvision()
    import timm

    theirs, ours = timm.create_model(name), efficientnet_lite(*scale)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for key, tensor in ours.state_dict().items():
        if tensor.ndim > 1:  # drawn in the same way
            assert float(tensor.std() / state[key].std()) == pytest.approx(1, abs=0.2)
    ours.load_state_dict(state)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(frozen(ours)(image), frozen(theirs)(image))
    described = [
        [replace(layer, aliases=()) for layer in phi.layers()]
        for phi in (
            representation(net, "classifier", mean=0.5, std=0.5, size=(64, 64))
            for net in (ours, theirs)
        )
    ]
    assert described[0] == described[1]


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_lites_know_the_photos(name: str) -> None:
    network = load_network(name)
    photo = read_photo("coffee", network.size)
    with torch.no_grad():
        scores = network.module((photo[None] - 0.5) / 0.5)[0]
    assert int(scores.argmax()) == 967  # espresso


def test_what_is_not_installed_is_not_in_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [card.name for card in sources.larger_lites()] == list(ZOO)[1:3]
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    assert sources.larger_lites() == []


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build networks at every call, without a cache."""
    monkeypatch.setattr(models, "load_named", lambda name, weights, _: build_named(name, weights))


@pytest.mark.usefixtures("anew")
def test_random_weights_are_seeded_and_say_so() -> None:
    one = load_network("squeezenet1_1", "random")
    torch.manual_seed(99)
    before = torch.get_rng_state()
    two = load_network("squeezenet1_1", "random")
    assert one.digest == two.digest
    assert torch.equal(torch.get_rng_state(), before)
    assert one.weights == "random weights"


def test_a_network_by_name_is_kept() -> None:
    kept = load_network("efficientnet_lite0")
    assert load_network("efficientnet_lite0") is kept


def test_networks_are_frozen() -> None:
    module = load_network("efficientnet_lite0").module
    assert not any(p.requires_grad for p in module.parameters())
    assert not any(m.training for m in module.modules())


def test_the_digest_is_of_the_weights() -> None:
    one, same, other = (load_network(small(k), mean=HALF, std=HALF) for k in (0, 0, 1))
    assert one.digest == same.digest != other.digest


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ZOO))
def test_every_network_of_the_zoo_runs_with_random_weights(name: str) -> None:
    network = load_network(name, "random")
    with torch.no_grad():
        scores = network.module(torch.zeros(1, 3, *network.size))
    assert scores.flatten(1).shape == (1, 1000)
    assert bool(torch.isfinite(scores).all())


# --- weights of a file --------------------------------------------------------------------------


@pytest.fixture
def state() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return dict(ZOO["squeezenet1_1"].build().state_dict())


def test_state_dicts_of_all_kinds(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "a.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "b.pt")
    save_file(state, tmp_path / "c.safetensors")
    loaded = [load_network("squeezenet1_1", tmp_path / n)
              for n in ("a.pth", "b.pt", "c.safetensors")]  # fmt: skip
    for network in loaded:
        given = network.module.state_dict()
        assert all(torch.equal(given[k], v) for k, v in state.items())
    assert [network.weights for network in loaded] == ["a.pth", "b.pt", "c.safetensors"]


def test_a_file_that_changed_is_read_again(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    before = load_network("squeezenet1_1", path).digest
    save_file({k: v + 1 for k, v in state.items()}, path)
    os.utime(path, ns=(1, 1))
    assert load_network("squeezenet1_1", path).digest != before


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def refused(model: str, weights: Path | str, *words: str) -> None:
    with pytest.raises(InvwidgetsError) as caught:
        load_network(model, weights)
    assert isinstance(caught.value, WeightsError)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"features.0.weight": Evil(mark)}, tmp_path / "evil.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Evil(mark)))
    refused("squeezenet1_1", tmp_path / "evil.pth", "evil.pth", "cannot be loaded safely",
            "state_dict()")  # fmt: skip
    refused("squeezenet1_1", tmp_path / "plain.pkl", "cannot be loaded safely")
    assert not mark.exists()


def test_files_that_are_no_weights(state: dict[str, Tensor], tmp_path: Path) -> None:
    refused("squeezenet1_1", tmp_path / "none.pth", "no weights file", "'pretrained'", "'random'")
    refused("squeezenet1_1", tmp_path, "no weights file")
    for name in ("empty.pth", "empty.safetensors", "empty.mat"):
        (tmp_path / name).touch()
        with pytest.raises(WeightsError, match=name):
            load_network("squeezenet1_1", tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    refused("squeezenet1_1", tmp_path / "list.pth", "contains a list")
    torch.save({k: v for k, v in state.items() if "bias" not in k}, tmp_path / "part.pth")
    refused("squeezenet1_1", tmp_path / "part.pth", "do not fit", "missing: ", ".bias")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    refused("resnet18", tmp_path / "other.pth", "do not fit")


# --- weights from a network ---------------------------------------------------------------------


@pytest.mark.usefixtures("anew")
def test_pretrained_weights_are_fetched_into_the_hubs_folder(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor], tmp_path: Path
) -> None:
    asked: list[tuple[str, str, Path, str]] = []

    def fetched(name: str, url: str, path: Path, sha256: str) -> Path:
        asked.append((name, url, path, sha256))
        torch.save(state, tmp_path / path.name)
        return tmp_path / path.name

    monkeypatch.setattr(sources, "fetch", fetched)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "hub")
    network = load_network("squeezenet1_1")
    assert network.weights == "pretrained"
    assert torch.equal(network.module.state_dict()["features.0.bias"], state["features.0.bias"])
    ((name, url, path, sha256),) = asked
    assert name == "squeezenet1_1"
    assert url.startswith("https://download.pytorch.org/")
    assert path == Path("hub/checkpoints/squeezenet1_1-b8a52dc0.pth")
    assert sha256 == "b8a52dc0"


def test_a_failed_download_names_the_file_and_the_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(downloads, "urlopen", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    refused("resnet18", "pretrained", "resnet18-f37072fd.pth", str(tmp_path / "checkpoints"),
            "no route to host", "'random'")  # fmt: skip


@pytest.mark.usefixtures("anew")
def test_timm_weights_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    monkeypatch.setattr(sources, "fetch_from_hub", lambda *_: tmp_path / "model.safetensors")
    refused("timm/test_resnet", "pretrained", "timm/test_resnet", str(tmp_path), "remove the file",
            "'random'")  # fmt: skip


# --- your own, and names ------------------------------------------------------------------------


def test_your_own_module_needs_its_preprocessing() -> None:
    with pytest.raises(BadSettingError, match=r"your own Small needs mean=.*std="):
        load_network(small())
    with pytest.raises(BadSettingError, match=r"mean \(0.5,\) has length 1 and std .* length 3"):
        load_network(small(), mean=(0.5,), std=HALF)
    with pytest.raises(BadSettingError, match="only for your own module"):
        load_network("alexnet", "random", mean=HALF, std=HALF)
    assert load_network(small(), mean=HALF, std=HALF).weights == "as given"


@pytest.mark.parametrize(
    ("mean", "std", "words"),
    [
        ((0.485, 0.456, 406), HALF, ["mean (0.485, 0.456, 406)", "decimal point"]),
        ((-0.485, 0.456, 0.406), HALF, ["mean", "sign"]),
        ((123.7, 116.3, 103.5), HALF, ["by 255: ", "mean=(0.485, 0.456, 0.406)"]),
        (HALF, (58.4, 57.1, 57.4), ["by 255: ", "std=(0.229, 0.224, 0.225)"]),
        ((0, 0, 0), (255, 255, 255), ["std (255, 255, 255)", "std=(1, 1, 1)"]),
        (HALF, (0.229, 0.224, 0.000225), ["std", "1.02e+03 times the smallest"]),
        (HALF, (0.2, 0.2, 300), ["std", "decimal point"]),
        (HALF, (0.2, 0.2, -0.2), ["above 0"]),
        ((0.5, 0.5, float("nan")), HALF, ["(0.5, 0.5, nan)", "finite numbers"]),
    ],
)
def test_a_mean_or_std_that_cannot_be_meant_is_refused(
    mean: tuple[float, ...], std: tuple[float, ...], words: list[str]
) -> None:
    with pytest.raises(BadSettingError) as caught:
        load_network(small(), mean=mean, std=std)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0, 0, 0), (1, 1, 1)),
        ((1, 1, 1), (1, 1, 1)),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ((0.4816, 0.4575, 0.4078), (1 / 255, 1 / 255, 1 / 255)),  # takes 0–255
        ((0, 0, 0), (1 / 65535, 1 / 65535, 1 / 65535)),
        ((0.5, 0.5, 0.5), (2, 2, 2)),
    ],
)
def test_the_preprocessings_there_are_stay_possible(
    mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    network = load_network(small(), mean=mean, std=std)
    assert (network.mean, network.std) == (mean, std)


def test_a_file_gives_a_module_of_your_own_other_weights(tmp_path: Path) -> None:
    module, other = small(0), small(1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.save({"state_dict": {f"module.{k}": v for k, v in other.state_dict().items()}},
               tmp_path / "w.pt")  # fmt: skip
    loaded = load_network(module, tmp_path / "w.pt", mean=HALF, std=HALF)
    assert loaded.weights == "w.pt"
    assert loaded.digest == load_network(other, mean=HALF, std=HALF).digest
    assert loaded.digest != load_network(module, mean=HALF, std=HALF).digest
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_weights_that_are_computed_are_loaded_before_that(tmp_path: Path) -> None:
    def normed(seed: int) -> nn.Module:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            return nn.Sequential(torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3)))

    torch.save(normed(1).state_dict(), tmp_path / "w.pt")
    loaded = load_network(normed(0), tmp_path / "w.pt", mean=HALF, std=HALF)
    assert torch.equal(loaded.module.state_dict()["0.weight"], normed(1)[0].weight)  # type: ignore[index]


@pytest.mark.parametrize("model", [small(), "squeezenet1_1"])
def test_weights_that_are_not_there_or_do_not_fit_are_refused(model: Any, tmp_path: Path) -> None:
    own = {} if isinstance(model, str) else {"mean": HALF, "std": HALF}
    with pytest.raises(WeightsError, match=r"no weights file '.*none.pt'"):
        load_network(model, tmp_path / "none.pt", **own)
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"a.pt do not fit"):
        load_network(model, tmp_path / "a.pt", **own)


def test_random_weights_are_not_for_a_module_of_your_own() -> None:
    with pytest.raises(WeightsError, match=r"'random' with your own Small: .*leave weights out"):
        load_network(small(), "random", mean=HALF, std=HALF)


def test_a_module_that_cannot_be_copied() -> None:
    module = small()
    module.file = open(__file__)  # noqa: SIM115
    try:
        with pytest.raises(RepresentationError, match=r"Small cannot be copied.*open files"):
            isolate(module, (8, 8))
    finally:
        module.file.close()


def test_unknown_models_offer_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"'resnet19'.*'resnet18'"):
        load_network("resnet19")
    with pytest.raises(UnknownNameError, match=r"'timm/resnet1'.*timm/resnet"):
        load_network("timm/resnet1")


def test_the_list_begins_with_the_embedded_one() -> None:
    names = [card.name for card in list_models()]
    assert names[0] == "efficientnet_lite0"
    assert set(names) >= {"alexnet", "caffenet", "vgg16", "vgg19", "squeezenet1_1", "resnet18",
                          "resnet50", "convnext_tiny", "vit_b_16"}  # fmt: skip


# --- caffenet -----------------------------------------------------------------------------------


def test_caffenet_is_the_papers_network() -> None:
    with torch.device("meta"):
        net = caffenet()
    names = [name for name, _ in net.named_children()]
    assert len(names) == 20
    assert names[:5] == ["conv1", "relu1", "mpool1", "norm1", "conv2"]
    assert names[-2:] == ["relu7", "fc8"]
    assert [net.get_submodule(f"conv{i}").groups for i in range(1, 6)] == [1, 2, 1, 2, 2]
    assert net(torch.zeros(1, 3, 227, 227, device="meta")).shape == (1, 1000, 1, 1)


@pytest.fixture(scope="module")
def matlab() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The filters (height, width, inputs / groups, outputs) and biases of every layer."""
    with torch.device("meta"):
        net = caffenet()
    generator = np.random.default_rng(0)
    return {
        name: (
            generator.random((*m.weight.shape[2:], m.weight.shape[1], m.weight.shape[0]),
                             dtype=np.float32),
            generator.random(m.weight.shape[0], dtype=np.float32),
        )
        for name, m in net.named_children() if isinstance(m, nn.Conv2d)
    }  # fmt: skip


def write_mat(path: Path, filters: dict[str, tuple[np.ndarray, np.ndarray]], old: bool) -> None:
    layers = np.empty((1, 2 * len(filters)), dtype=object)
    for index, (name, (weight, bias)) in enumerate(filters.items()):
        if old:
            layer: dict[str, Any] = {"filters": weight, "biases": bias[None]}
        else:
            both = np.empty((1, 2), dtype=object)
            both[0, 0], both[0, 1] = weight, bias[:, None]
            layer = {"weights": both}
        layers[0, 2 * index] = {"name": name, "type": "conv"} | layer
        layers[0, 2 * index + 1] = {"name": f"relu_after_{name}", "type": "relu"}
    savemat(path, {"layers": layers}, do_compression=False)


@pytest.mark.parametrize("old", [True, False])
def test_caffenet_reads_matconvnets_files(
    old: bool, matlab: dict[str, tuple[np.ndarray, np.ndarray]], tmp_path: Path
) -> None:
    path = tmp_path / "imagenet-caffe-ref.mat"
    write_mat(path, matlab, old)
    state = read_matconvnet(path)
    for name, (weight, bias) in matlab.items():
        given = state[f"{name}.weight"]
        assert float(given[3, 1, 0, 0]) == weight[0, 0, 1, 3]
        assert float(given[1, 2, -1, 0]) == weight[-1, 0, 2, 1]
        assert np.array_equal(state[f"{name}.bias"].numpy(), bias)
    with torch.device("meta"):
        assert {k: v.shape for k, v in caffenet().state_dict().items()} == {
            k: v.shape for k, v in state.items()
        }


def test_wrong_mat_files_are_refused(
    matlab: dict[str, tuple[np.ndarray, np.ndarray]], tmp_path: Path
) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"nothing": np.zeros(3)})
    refused("caffenet", path, "x.mat", "imagenet-caffe-ref.mat")
    write_mat(path, {"conv1": matlab["conv1"]}, old=False)
    refused("caffenet", path, "no layer conv2", "conv1")
    write_mat(path, matlab | {"conv3": matlab["conv1"]}, old=True)
    refused("caffenet", path, "layer conv3")
    path.write_bytes(b"not a mat file at all")
    refused("caffenet", path, "x.mat")


def test_matconvnets_files_need_scipy(
    matlab: dict[str, tuple[np.ndarray, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "imagenet-caffe-ref.mat"
    write_mat(path, matlab, old=False)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    refused("caffenet", path, "imagenet-caffe-ref.mat", "invwidgets[mat]")


def test_caffenets_weights_cannot_be_fetched() -> None:
    refused("caffenet", "pretrained", "imagenet-caffe-ref.mat", "'random'")
    assert ZOO["caffenet"].size == (227, 227)
