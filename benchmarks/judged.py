"""Pictures that another network is asked about: is it still the photo, in its colors?

    python -m benchmarks.judged [--crops 3] [--seeds 2] [--presets default,ijcv2016,plain]

A search finds images that its own network takes for the photo. Here a network that was not
searched on judges them: EfficientNet-Lite2, for reconstructions from Lite0, Lite1, and AlexNet and
VGG-16 with random weights. Crops are drawn from photos by a fixed seed, and kept where the judge is
at least 0.4 sure of a class. On the photos ``CHOOSE`` our settings were chosen, with Lite0 searched
and Lite1 as the judge; the photos ``HOLD_OUT`` and Lite2 had no part in that.

*Class probability*: the judge's probability of its likeliest class of the photo, divided by that
for the photo. *In the first five*: how often that class is. *Feature distance*: ‖f − f₀‖ / ‖f₀‖ of
the features that the judge's classifier reads. *Color*: the root mean square of what is not gray,
divided by the photo's; of colored photos only. *Mean color off by*: in percent of the range.
*Diversity*: the root mean square difference between seeds. The row *another photo* has for images
the crops of the next photo.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import mean

import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.images import read_photo, resize
from invwidgets.inversion.judging import Judgment, judgment
from invwidgets.inversion.metrics import Yardstick, pairwise_distance, psnr, relative_error, ssim

from .photos import photo
from .plain import PlainNetwork, plain_adam
from .report import keep, machine, table

CHOOSE = ("coffee", "chelsea", "camera", "hopper", "coins", "hubble")
HOLD_OUT = ("china", "flower", "rocket", "motorcycle", "retina", "brick", "clock")
CASES = (
    ("efficientnet_lite0", "pretrained", ("blocks.2", "blocks.4", "blocks.6")),
    ("efficientnet_lite1", "pretrained", ("blocks.2", "blocks.4", "blocks.6")),
    ("alexnet", "random", ("features.4", "features.10")),
    ("vgg16", "random", ("features.15",)),
)
JUDGE, CHOSE_WITH = "efficientnet_lite2", "efficientnet_lite1"
SURE = 0.4
DRAWS = 60  # of a photo, at most

Numbers = dict[str, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=3, help="of each photo")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--presets", default="default,cvpr2015,ijcv2016,plain")
    parser.add_argument("--models", default=",".join(case[0] for case in CASES))
    options = parser.parse_args()
    presets = options.presets.split(",")
    print(machine(), flush=True)
    rows = []
    for model, weights, layers in CASES:
        for judge, names in ((CHOSE_WITH, CHOOSE), (JUDGE, HOLD_OUT)):
            if model not in options.models.split(",") or model == judge:
                continue
            found = list(crops(names, iw.representation(judge), options.crops))
            for layer in layers:
                phi = iw.representation(model, layer, weights)
                rows += [_row(p, phi, judge, found, options.seeds) for p in presets]
            rows.append(_another(judge, found))
    print(table(rows))
    keep(
        "judged",
        {"chose": CHOOSE, "hold_out": HOLD_OUT, "crops": options.crops, "seeds": options.seeds}
        | {"rows": rows},
    )


def crops(
    names: tuple[str, ...], judge: iw.Representation, count: int
) -> Iterator[tuple[str, Tensor]]:
    """Up to ``count`` square parts (3, 224, 224) of each photo of which the judge is sure.

    Sides are 0.4 to 1 of the photo's shorter one, places anywhere, by a fixed seed.
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


def _row(
    how: str,
    phi: iw.Representation,
    judge: str,
    found: list[tuple[str, Tensor]],
    seeds: int,
) -> dict[str, str]:
    numbers = [_numbers(how, phi, iw.representation(judge), part, seeds) for _, part in found]
    row = _named(judge, found, phi.name + _note(phi), phi.layer_info().short_name, how)
    row |= _means(numbers)
    print(row, flush=True)
    return row


def _another(judge: str, found: list[tuple[str, Tensor]]) -> dict[str, str]:
    phi = iw.representation(judge)
    count = len({name for name, _ in found})
    numbers = []
    for place, (name, part) in enumerate(found):
        others = [other for named, other in found[place:] + found[:place] if named != name]
        assert others or count == 1
        numbers += [_judged(judgment(phi, others[0][None], part))] if others else []
    return _named(judge, found, "", "", "another photo") | _means(numbers)


def _named(
    judge: str, found: list[tuple[str, Tensor]], model: str, layer: str, how: str
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
    how: str, phi: iw.Representation, judge: iw.Representation, part: Tensor, seeds: int
) -> Numbers:
    part = resize(part, phi.size)
    if how == "plain":
        plain = PlainNetwork(phi.name, phi.layer_info().name, weights=_weights(phi))
        images, seconds = plain_adam(plain, part, seeds)
    else:
        result = iw.invert(part, phi, seeds=seeds, preset=how, frames=0, precision="float32")
        images, seconds = result.images, result.seconds
    with torch.no_grad():
        error = relative_error(phi(images), phi.target(part), iw.Selection())
    whole = Yardstick(part)
    scores: Numbers = {
        "error %": 100 * float(error.mean()),
        "PSNR dB": mean(psnr(images, whole)),
        "SSIM": mean(ssim(images, whole)),
        "diversity": pairwise_distance(images.flatten(1)),
        "seconds": seconds,
    }
    return _judged(judgment(judge, images, part)) | scores


def _weights(phi: iw.Representation) -> str:
    return "random" if phi.weights == "random weights" else phi.weights


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
