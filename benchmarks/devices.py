"""A test of every code path on a device, which also counts how often a step waits for the device.

    python -m benchmarks.devices            # the pretended device of the tests, on any machine
    python -m benchmarks.devices cuda       # a real one

A path passes if its scores differ from the CPU's by at most 1 %. A wait is an operation that stops
the host until the device has finished, such as reading a number. Waits are counted on the
pretended device and on CUDA, over all steps except the first, without pictures. The last rows are
sabotaged and must fail: a step that reads a number, one that mixes devices, one that needs
float64, and one that computes something else on the device than on the CPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

import invwidgets as iw
from invwidgets.inversion.hardware.memory import resolve_device
from invwidgets.representations.classes import likeliest
from tests import pretended_device
from tests.small_networks import HALF, SIZE, filled, phi, picture, small

from .report import table

SAME = 0.01  # relative difference of scores from the CPU's
STEPS = 4
PHOTO = picture()
LARGE = picture((64, 64))


class Place:
    """A device with the paths that passed and the waits of each step (None if unknown)."""

    def __init__(self, device: str) -> None:
        self.device = resolve_device(device)
        self.waits: list[int] = []
        self.places: Counter[str] = Counter()
        self.counted = self.device.type in ("cpu", "cuda", pretended_device.KIND)

    def search(self, photo: Any = PHOTO, model: Any = None, **options: Any) -> iw.Reconstruction:
        """Run a search on the device, compare its scores with the CPU's, and count its waits."""
        model = phi() if model is None else model
        wanted = {"seeds": 2, "steps": STEPS, "frames": 0, "precision": "float32", **options}
        result = self.steps_of(iw.prepare(photo, model, device=str(self.device), **wanted))
        same(result, iw.prepare(photo, model, device="cpu", **wanted).finish())
        return result

    def steps_of(self, run: iw.types.Run) -> iw.Reconstruction:
        """Search to the end, and count the waits of each step."""
        steps = run.steps()
        assert next(steps).iterate.device == self.device
        while True:
            with self.counting() as places:
                step = next(steps, None)
            if step is None:
                break
            self.waits.append(sum(places.values()))
            self.places.update(places)
        return run.result()

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the waits inside the block by the line of code that waited."""
        found: Counter[str] = Counter()
        if self.device.type == pretended_device.KIND:
            with pretended_device.Waits() as waits:
                yield found
            found.update(waits.places)
        elif self.device.type == "cuda":
            before = torch.cuda.get_sync_debug_mode()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                torch.cuda.set_sync_debug_mode("warn")
                try:
                    yield found
                finally:
                    torch.cuda.set_sync_debug_mode(before)
            reports = [w for w in caught if "synchroniz" in str(w.message)]
            found.update(f"{w.filename.rpartition('/')[2]}:{w.lineno}" for w in reports)
        else:
            yield found


def same(result: iw.Reconstruction, on_cpu: iw.Reconstruction, rtol: float = SAME) -> None:
    """Raise an error if scores differ from the CPU's or a result has tensors on the device."""
    for name in ("scores", "psnr"):
        ours, theirs = getattr(result, name), getattr(on_cpu, name)
        if theirs is not None:
            got, wanted = torch.tensor(ours), torch.tensor(theirs)
            torch.testing.assert_close(got, wanted, rtol=rtol, atol=1e-6)
    for tensor in (result.images, result.photo, result.frames, *result.energies.values()):
        assert tensor is None or tensor.device.type == "cpu", "a result is on the device"


PATHS: dict[str, Callable[[Place], Any]] = {
    "inversion": lambda at: at.search(),
    "maximize": lambda at: at.search(None, phi(), layer="relu_1", channels=2, objective="maximize"),
    "caricature": lambda at: at.search(objective="caricature"),
    "region": lambda at: at.search(LARGE, small_large(), region="3:6,3:6"),
    "channels": lambda at: at.search(channels=[0, 3]),
    "region and channels": lambda at: at.search(region="2:6,2:6", channels="color:top"),
    "preset cvpr2015": lambda at: at.search(preset="cvpr2015"),
    "preset ijcv2016": lambda at: at.search(preset="ijcv2016"),
    "HOG": lambda at: at.search(LARGE, "hog", size=64),
    "HOGb": lambda at: at.search(LARGE, "hogb", size=64),
    "dense SIFT": lambda at: at.search(LARGE, "dsift", size=64),
    "Fourier": lambda at: at.search(parametrization="fourier", optimizer="adam"),
    "adam": lambda at: at.search(optimizer="adam"),
    "momentum": lambda at: at.search(optimizer="momentum", preset="cvpr2015"),
    "adagrad-momentum": lambda at: at.search(optimizer="adagrad-momentum", preset="ijcv2016"),
    "start photo": lambda at: at.search(start="photo"),
    "start ijcv2016": lambda at: at.search(start="ijcv2016"),
    "own prior": lambda at: at.search(priors=[Gray(weight=0.1)]),
    "own objective": lambda at: at.search(objective=Nearer()),
    "own parametrization": lambda at: at.search(parametrization=Doubled(), optimizer="adam"),
    "own optimizer": lambda at: at.search(optimizer=SignDescent(), phases=[iw.Phase(STEPS, 2.0)]),
    "torch's optimizer": lambda at: at.search(
        optimizer=iw.TorchOptimizer(torch.optim.Adam), phases=[iw.Phase(STEPS, 2.0)]
    ),
    "micro-batches": lambda at: at.search(seeds=3, micro_batch=2),
    "bfloat16": lambda at: bfloat16(at),
    "a vector": lambda at: at.search(model=phi("head.2")),
    "behind a hook": lambda at: at.search(model=phi("2", untraceable())),
    "a photo on the device": lambda at: at.search(PHOTO.to(at.device)),
    "a module on the device": lambda at: on_device(at),
    "measuring": lambda at: measuring(at),
    "a second run": lambda at: second(at),
    "knobs": lambda at: knobs(at),
    "session": lambda at: session(at),
    "walk": lambda at: walked(at),
    "sweep": lambda at: swept(at),
    "saved, loaded, repeated": lambda at: saved(at),
    "figures": lambda at: figures(at),
    "effective_field": lambda at: effective(at),
    "exciting_patches": lambda at: patches(at),
    "classes": lambda at: classes(at),
    "recomposition": lambda at: recomposed(at),
}
SABOTAGED: dict[str, Callable[[Place], Any]] = {
    "sabotaged: reads a number": lambda at: at.search(priors=[Reading(weight=0.1)]),
    "sabotaged: mixes devices": lambda at: at.search(priors=[Mixing(weight=0.1)]),
    "sabotaged: float64": lambda at: at.search(priors=[Double(weight=0.1)]),
    "sabotaged: another result": lambda at: at.search(priors=[Elsewhere(weight=0.1)]),
}


class Gray(iw.Prior):
    def energy(self, z: torch.Tensor) -> torch.Tensor:
        return (z - z.mean(1, keepdim=True)).square().flatten(1).mean(1) / 80**2


class Reading(Gray):
    def energy(self, z: torch.Tensor) -> torch.Tensor:
        return super().energy(z) * (1 + 0 * z[0, 0, 0, 0].item())


class Mixing(Gray):
    def energy(self, z: torch.Tensor) -> torch.Tensor:
        return super().energy(z) * torch.ones(len(z))


class Double(Gray):
    def energy(self, z: torch.Tensor) -> torch.Tensor:
        return super().energy(z.double())


class Elsewhere(Gray):
    def energy(self, z: torch.Tensor) -> torch.Tensor:
        return super().energy(z if z.device.type == "cpu" else 30 * z)


class Nearer(iw.Objective):
    def energy(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (features - target).abs().flatten(1).mean(1)


class Doubled(iw.Parametrization):
    def parameters(self, z: torch.Tensor) -> torch.Tensor:
        return z / 2

    def image(self, parameters: torch.Tensor) -> torch.Tensor:
        return parameters * 2


class SignDescent(iw.Optimizer):
    def update(self, parameters: torch.Tensor, gradient: torch.Tensor, rates: torch.Tensor) -> None:
        parameters.sub_(gradient.sign() * rates[:, None, None, None])


class Looking(nn.Sequential):
    """A module that reads its batch size, so it cannot be traced; it counts its calls."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Looking.calls += 1
        y: torch.Tensor = super().forward(x if len(x) else x + 1)
        return y


def untraceable() -> nn.Module:
    return filled(Looking(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)))


def small_large() -> iw.Representation:
    return iw.representation(small(), "relu_1", mean=HALF, std=HALF, size=(64, 64))


def bfloat16(at: Place) -> None:
    """Check that runs with ``bfloat16`` and with ``auto`` have scores near those of float32."""
    exact = at.search()
    run = iw.prepare(PHOTO, phi(), seeds=2, steps=STEPS, device=str(at.device), frames=0,
                     precision="bfloat16")  # fmt: skip
    narrow = at.steps_of(run)
    assert narrow.settings.precision == "bfloat16"
    assert narrow.scores != exact.scores
    same(narrow, exact, 0.05)
    at.search(precision="auto")


def on_device(at: Place) -> None:
    module: nn.Module = small().to(at.device)
    theirs = iw.representation(module, "relu_1", mean=HALF, std=HALF, size=SIZE)
    features = theirs(PHOTO[None].to(at.device))
    torch.testing.assert_close(features.cpu(), phi()(PHOTO[None]), rtol=1e-3, atol=1e-4)
    assert features.device == at.device
    assert theirs.digest == phi().digest
    assert theirs.at("conv3").mean_color.device == at.device
    at.search(model=theirs)
    run = iw.prepare(PHOTO, theirs, device="cpu", seeds=1, steps=1)
    assert run.finish().images.device.type == "cpu"


def measuring(at: Place) -> None:
    """Check that a longer run does not wait more often when it ends."""
    counts = []
    for steps in (2, 6):
        run = iw.prepare(PHOTO, phi(), seeds=2, steps=steps, device=str(at.device), frames=0)
        for _ in run.steps():
            pass
        with at.counting() as places:
            run.result()
        counts.append(sum(places.values()))
    assert counts[0] == counts[1], f"waits of 2 and of 6 steps: {counts}"


def second(at: Place) -> None:
    """Check that measurements of a network are cached, although each run moves the network."""
    network = phi("2", untraceable())
    calls = []
    for _ in range(2):
        before = Looking.calls
        iw.prepare(PHOTO, network, seeds=1, device=str(at.device), precision="float32")
        calls.append(Looking.calls - before)
    assert calls[0] > 0 == calls[1], f"calls of the network by two preparations: {calls}"


def knobs(at: Place) -> None:
    moves: list[dict[str, Any]] = [{}, {"jitter": 6}, {"jitter": 6, "tv_weight": 1.0}]
    results = []
    for device in (str(at.device), "cpu"):
        reports = iter([*moves, *[moves[-1]] * STEPS])
        run = iw.prepare(PHOTO, phi(), seeds=2, steps=STEPS, device=device, precision="float32")
        results.append(run.finish(knobs=lambda reports=reports: next(reports)))  # type: ignore[misc]
    same(*results)


def session(at: Place) -> None:
    """Check a session: pause, steps with a moved knob, resume, stop, and a continued run."""
    done = threading.Semaphore(0)

    def reports(progress: Any) -> None:
        if progress.state in ("paused", "running") and progress.frame is not None:
            done.release()

    with iw.Session(reports) as running:
        future = running.start(PHOTO, phi(), steps=500, device=str(at.device))
        assert done.acquire(timeout=60)
        running.pause()
        for tv_weight in (0.1, 0.5):
            running.set_knobs(tv_weight=tv_weight)
            running.step()
            assert done.acquire(timeout=60)
        running.resume()
        running.stop()
        result = future.result(60)
        assert result.stopped
        assert result.settings.device == str(at.device)
        assert result.images.device.type == "cpu"
        ended = running.start(PHOTO, phi(), steps=STEPS, seeds=2, device=str(at.device)).result(60)
    same(ended, iw.invert(PHOTO, phi(), steps=STEPS, seeds=2, device="cpu"))


def walked(at: Place) -> None:
    result = iw.invert(PHOTO, phi(), steps=STEPS, seeds=2, device="cpu")
    found = [
        iw.analysis.interpolate(result, phi().on(d), points=3, steps=2)
        for d in (at.device, torch.device("cpu"))
    ]
    torch.testing.assert_close(*(torch.tensor(way.error) for way in found), rtol=SAME, atol=1e-6)
    assert found[0].images.device.type == found[0].blends.device.type == "cpu"


def swept(at: Place) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sweep = iw.Sweep(
            ["coffee"], "tests.sweeps.nets:tiny", "relu_1", seeds=2, store=folder,
            settings={"steps": 2, "device": str(at.device)},
        )  # fmt: skip
        assert sweep.run().complete
        result = sweep.result(0)
    assert result.settings.device == str(at.device)
    same(result, iw.invert("coffee", phi(), steps=2, seeds=2, device="cpu", frames=0))


def saved(at: Place) -> None:
    result = at.search()
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        result.save(file.name)
        assert iw.Reconstruction.load(file.name) == result
    again = iw.prepare(PHOTO, phi(), settings=result.settings).finish()
    assert torch.equal(again.images, result.images)


def figures(at: Place) -> None:
    result = iw.invert(PHOTO, phi(), steps=STEPS, seeds=2, device=str(at.device), region="2:6,2:6")
    assert result.gallery()._repr_png_()
    assert result.curves()._repr_png_()
    with tempfile.NamedTemporaryFile(suffix=".gif") as file:
        result.animation(file.name)


def effective(at: Place) -> None:
    there, here = (
        iw.analysis.effective_field(phi().on(d), [PHOTO], probes=2)
        for d in (at.device, torch.device("cpu"))
    )
    torch.testing.assert_close(there.weight, here.weight, rtol=SAME, atol=1e-4)


def patches(at: Place) -> None:
    for there, here in zip(
        *(
            iw.analysis.exciting_patches(phi().on(d), 3, [PHOTO])
            for d in (at.device, torch.device("cpu"))
        ),
        strict=True,
    ):
        assert there.box == here.box
        torch.testing.assert_close(there.pixels, here.pixels)


def classes(at: Place) -> None:
    network = iw.representation("efficientnet_lite0")
    found = [likeliest(network.on(d), LARGE[None]) for d in (at.device, torch.device("cpu"))]
    assert [name for name, _ in found[0][0]] == [name for name, _ in found[1][0]]
    assert likeliest(network.on(at.device), LARGE[None].to(at.device)) == found[0]


def recomposed(at: Place) -> None:
    result = iw.invert(PHOTO, phi(), steps=STEPS, seeds=2, device=str(at.device))
    found = [
        iw.analysis.recomposition(result, by=phi().on(d), patch=2)
        for d in (at.device, torch.device("cpu"))
    ]
    assert torch.equal(found[0].matches, found[1].matches)
    assert abs(found[0].displacement - found[1].displacement) < 1e-6
    assert found[0].reuse == found[1].reuse


def measure(device: str = pretended_device.KIND) -> list[dict[str, Any]]:
    """One row per path: whether it ``ran``, the largest ``waits`` of a step, and ``where``."""
    if device.split(":")[0] == pretended_device.KIND:
        pretended_device.install()
    rows = []
    for name, path in (PATHS | SABOTAGED).items():
        at, began, ran = Place(device), time.perf_counter(), "yes"
        try:
            path(at)
        except Exception as error:
            ran = f"no: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        waits: Any = max(at.waits) if at.waits and at.counted else "–"
        where = ", ".join(f"{place} ×{times}" for place, times in at.places.items())
        seconds = f"{time.perf_counter() - began:.1f}"
        rows.append(
            {"path": name, "ran": ran, "waits a step": waits, "where": where, "seconds": seconds}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("device", nargs="?", default=pretended_device.KIND)
    parser.add_argument("--json", action="store_true", help="the rows as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(options.device)
    print(json.dumps(rows) if options.json else table(rows))


if __name__ == "__main__":
    main()
