"""Reconstructions judged by another network: class probability, feature distance and colors.

    python -m benchmarks.judged [ours] [references] [chosen] [peers] [tried] [vectors] [others]
        [hourglass]

A search finds images that its own network takes for the photo, so another network judges them.
Crops are drawn from photos with a fixed seed and kept if the judge gives a class a probability of
at least 0.4. The default settings were chosen on the photos ``CHOOSE``, by searching with Lite0 and
judging with Lite1. The photos ``HOLD_OUT`` and the judge Lite2 are held out.

*Class probability*: the judge's probability of the photo's likeliest class, divided by that for
the photo. *In the first five*: how often that class is among the five likeliest. *Feature
distance*: ‖f − f₀‖ / ‖f₀‖ of the features before the judge's classifier. *Color*: the root mean
square chroma (difference from gray), divided by the photo's; gray photos are left out. *Mean color
off by*: in percent of the range. *Diversity*: the root mean square difference between seeds. In
the row *another photo*, the images are the crops of the next photo.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.images import read_photo, resize
from invwidgets.inversion.judging import Judgment, judgment
from invwidgets.inversion.metrics import Reference, pairwise_distance, psnr, relative_error, ssim
from invwidgets.inversion.presets import TV_CHROMA, smoothing

from . import peers
from .photos import photo
from .report import RESULTS, keep, machine, table

CHOOSE = ("coffee", "chelsea", "camera", "hopper", "coins", "hubble")
HOLD_OUT = ("china", "flower", "rocket", "motorcycle", "retina", "brick", "clock")
JUDGE, CHOSE_WITH = "efficientnet_lite2", "efficientnet_lite1"
LAYERS = ("blocks.2", "blocks.4", "blocks.6")
SURE = 0.4
DRAWS = 60  # of a photo, at most
BLURS = (1, 2)  # pixels
SEEDS = 2

Numbers = dict[str, float | None]
Search = Callable[[iw.Representation, Tensor, int], tuple[Tensor, float]]


def ours(phi: iw.Representation, part: Tensor, seeds: int, **changes: Any) -> tuple[Tensor, float]:
    """The images and the seconds of ``iw.invert`` with these settings."""
    result = iw.invert(part, phi, seeds=seeds, frames=0, precision="float32", **changes)
    return result.images, result.seconds


def without_shifts(phi: iw.Representation, part: Tensor, seeds: int) -> tuple[Tensor, float]:
    """The previous default: 150 steps, no shifts, λ_V falling over half of them."""
    now, weight = iw.preset("default", phi), smoothing(phi, phi.size)
    return ours(
        phi,
        part,
        seeds,
        phases=(iw.Phase(150, now.phases[0].lr, 0.05),),
        tv_weight=weight,
        tv_boost=min(30.0, max(1.0, 0.2 / weight)),
        tv_chroma=TV_CHROMA if now.jitter else now.tv_chroma,
    )


def _preset(name: str) -> Search:
    return partial(ours, preset=name)


TRIED: dict[str, dict[str, Any]] = {
    "tv_chroma=0": {"tv_chroma": 0.0},
    "tv_chroma=4": {"tv_chroma": 4.0},
    "beta=1.2 (heavier tails)": {"beta": 1.2},
    "Fourier, Adam": {"parametrization": "fourier", "optimizer": "adam"},
    "400 steps": {"steps": 400},
    "80 steps": {"steps": 80},
}
OURS: dict[str, Search] = {"default": ours}
BEFORE: dict[str, Search] = {"default of before, without shifts": without_shifts}
PAPERS: dict[str, Search] = {name: _preset(name) for name in ("cvpr2015", "ijcv2016")}
PEERS: dict[str, Search] = {
    "plain loop": peers.plain,
    "torch-lucent": peers.lucent,
    "Horama's Fourier image": peers.horama,
}
HOURGLASS: dict[str, Search] = {
    f"deep image prior, {steps} steps": partial(peers.deep_image_prior, steps=steps)
    for steps in (500, 2000)
}
OTHERS = (("alexnet", "random", ("features.4", "features.10")),)
SLOW = (("vgg16", "random", ("features.15",)),)  # one seed; its stride of 4 pixels has no shifts
TRANSFERRED = (("efficientnet_lite1", "pretrained", LAYERS[1:]),)


def groups() -> dict[str, Iterator[dict[str, str]]]:
    """The rows of the table by group; a row is computed when it is read."""
    held, chosen = partial(_rows, JUDGE, HOLD_OUT), partial(_rows, CHOSE_WITH, CHOOSE)
    lite0 = (("efficientnet_lite0", "pretrained", LAYERS),)
    deep = (("efficientnet_lite0", "pretrained", LAYERS[1:]),)
    middle = (("efficientnet_lite0", "pretrained", LAYERS[1:2]),)
    vector = (("efficientnet_lite0", "pretrained", ("classifier",)),)
    tried = {name: partial(ours, **changes) for name, changes in TRIED.items()}
    return {
        "ours": held(lite0, OURS, 3),
        "references": _references(),
        "chosen": chosen(lite0, OURS, 3),
        "peers": held(deep, OURS | BEFORE | PEERS | PAPERS, 1),
        "tried": chosen(middle, OURS | tried, 1),
        "vectors": held(vector, OURS | BEFORE, 1),
        "others": _chain(
            held(OTHERS, OURS | BEFORE, 1), held(SLOW, OURS, 1, 1), held(TRANSFERRED, OURS, 1)
        ),
        "hourglass": _rows(JUDGE, HOLD_OUT[:2], middle, OURS | HOURGLASS, 1, 1),
    }


def main() -> None:
    wanted = sys.argv[1:] or list(groups())
    if unknown := set(wanted) - set(groups()):
        raise SystemExit(f"no group {', '.join(unknown)}; there are {', '.join(groups())}")
    print(machine(), flush=True)
    for group in wanted:
        rows = []
        for row in groups()[group]:
            rows.append(row)
            print(row, flush=True)
        print(table(rows), flush=True)
        path = RESULTS / "judged.json"
        kept = json.loads(path.read_text())["groups"] if path.exists() else {}
        keep("judged", {"chose": CHOOSE, "hold_out": HOLD_OUT, "groups": kept | {group: rows}})


def _chain(*parts: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    for part in parts:
        yield from part


def _rows(
    judge: str,
    names: tuple[str, ...],
    cases: tuple[tuple[str, str, tuple[str, ...]], ...],
    searches: dict[str, Search],
    count: int,
    seeds: int = SEEDS,
) -> Iterator[dict[str, str]]:
    found = _crops(names, judge, count)
    for model, weights, layers in cases:
        for layer in layers:
            phi = iw.representation(model, layer, weights)
            if phi.digest == iw.representation(judge).digest:
                continue
            for how, search in searches.items():
                numbers = [
                    _numbers(search, phi, iw.representation(judge), part, seeds)
                    for _, part in found
                ]
                named = _named(
                    judge, found, phi.name + _note(phi), phi.layer_info().short_name, how
                )
                yield named | _means(numbers)


@cache
def _crops(names: tuple[str, ...], judge: str, count: int) -> tuple[tuple[str, Tensor], ...]:
    return tuple(crops(names, iw.representation(judge), count))


def crops(
    names: tuple[str, ...], judge: iw.Representation, count: int
) -> Iterator[tuple[str, Tensor]]:
    """Up to ``count`` square crops (3, 224, 224) of each photo whose class the judge is sure of.

    Their sides are 0.4 to 1 times the photo's shorter side, and their places are drawn with a fixed
    seed.
    """
    for name in names:
        whole, kept = read_photo(photo(name)), 0
        height, width = whole.shape[-2:]
        generator = torch.Generator().manual_seed(0)
        for _ in range(DRAWS):
            scale, down, right = torch.rand(3, generator=generator).tolist()
            side = round(min(height, width) * (0.4 + 0.6 * scale))
            top, left = round((height - side) * down), round((width - side) * right)
            part = resize(whole[:, top : top + side, left : left + side], (224, 224))
            if judgment(judge, part[None], part).photo_probability < SURE:
                continue
            yield name, part
            kept += 1
            if kept == count:
                break


def _references() -> Iterator[dict[str, str]]:
    for judge, names in ((JUDGE, HOLD_OUT), (CHOSE_WITH, CHOOSE)):
        found, phi = _crops(names, judge, 3), iw.representation(judge)
        images: dict[str, list[Tensor]] = {"another photo": []}
        for place, (name, _) in enumerate(found):
            later = found[place:] + found[:place]
            images["another photo"].append(next(other for named, other in later if named != name))
        for sigma in BLURS:
            how = f"the photo, blurred by {sigma} px"
            images[how] = [blurred(part, sigma) for _, part in found]
        for how, others in images.items():
            numbers = [
                _judged(judgment(phi, other[None], part))
                for other, (_, part) in zip(others, found, strict=True)
            ]
            yield _named(judge, found, "", "", how) | _means(numbers)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """An image (C, H, W), blurred by a Gaussian of ``sigma`` pixels; its border is repeated."""
    reach = round(4 * sigma)
    kernel = torch.exp(-torch.arange(-reach, reach + 1.0).square() / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = torch.nn.functional.pad(image[:, None], 4 * (reach,), mode="replicate")
    across = torch.nn.functional.conv2d(padded, kernel[None, None, None])
    return torch.nn.functional.conv2d(across, kernel[None, None, :, None])[:, 0]


def _named(
    judge: str, found: tuple[tuple[str, Tensor], ...], model: str, layer: str, how: str
) -> dict[str, str]:
    photos = "held out" if judge == JUDGE else "chosen on"
    return {
        "searched on": model,
        "after": layer,
        "settings": how,
        "judge": judge,
        "photos (crops)": f"{photos}, {len({name for name, _ in found})} ({len(found)})",
    }


def _note(phi: iw.Representation) -> str:
    return "" if phi.weights == "pretrained" else f", {phi.weights}"


def _numbers(
    search: Search, phi: iw.Representation, judge: iw.Representation, part: Tensor, seeds: int
) -> Numbers:
    part = resize(part, phi.size)
    images, seconds = search(phi, part, seeds)
    with torch.no_grad():
        error = relative_error(phi(images), phi.target(part), iw.types.Selection())
    whole = Reference(part)
    scores: Numbers = {
        "error %": 100 * float(error.mean()),
        "PSNR dB": mean(psnr(images, whole)),
        "SSIM": mean(ssim(images, whole)),
        "diversity": pairwise_distance(images.flatten(1)) if seeds > 1 else None,
        "seconds": seconds,
    }
    return _judged(judgment(judge, images, part)) | scores


def _judged(said: Judgment) -> Numbers:
    return {
        "class probability, by the photo's": mean(said.probability_ratio),
        "in the first five": mean(said.in_first_five),
        "feature distance": mean(said.feature_distance),
        "color, by the photo's": None if said.color is None else mean(said.color),
        "mean color off by, %": 100 * mean(said.mean_color_off),
    }


DIGITS = {
    "error %": 1,
    "class probability, by the photo's": 2,
    "in the first five": 2,
    "feature distance": 2,
    "color, by the photo's": 2,
    "mean color off by, %": 1,
    "PSNR dB": 1,
    "SSIM": 3,
    "diversity": 3,
    "seconds": 1,
}


def _means(numbers: list[Numbers]) -> dict[str, str]:
    row: dict[str, str] = {}
    for name, digits in DIGITS.items():
        values = [value for found in numbers if (value := found.get(name)) is not None]
        row[name] = f"{mean(values):.{digits}f}" if values else ""
    return row


if __name__ == "__main__":
    main()
