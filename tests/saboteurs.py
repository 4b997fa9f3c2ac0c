"""Saboteurs: each removes the cause of a claim, so that the claim's assert must fail.

A saboteur is a function that patches one thing. Its docstring says what is then wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

import invwidgets as iw
from invwidgets import selection
from invwidgets.inversion import metrics
from invwidgets.representations.descriptors.dsift import Dsift
from invwidgets.representations.descriptors.hog import Hog
from invwidgets.representations.receptive_fields.tracer import BoxTracer
from invwidgets.search import starts
from invwidgets.search.optimizers import OPTIMIZERS
from invwidgets.selection import Selection

Patch = pytest.MonkeyPatch
Saboteur = Callable[[Patch], None]


def changed(patch: Patch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace the value of ``owner.name(…)`` by ``change(answer, …)``."""
    real = getattr(owner, name)
    patch.setattr(
        owner, name, lambda *args, **options: change(real(*args, **options), *args, **options)
    )


# --- what a search ends in -----------------------------------------------------------------------


def searched(patch: Patch, images: Callable[[iw.Reconstruction], Tensor]) -> None:
    """Replace the images of every ``iw.invert`` by ``images(result)``, and measure them."""

    def change(result: iw.Reconstruction, *args: Any, **options: Any) -> iw.Reconstruction:
        run, found = iw.prepare(*args, **options), images(result)
        scores = metrics.measure(
            run.representation, run.objective, run.target, run.selection, run.reference, found
        )
        return replace(result, images=found, **scores._asdict())

    changed(patch, iw, "invert", change)


def noise(patch: Patch) -> None:
    """The search stands still: its images are the noise it began at."""

    def start(result: iw.Reconstruction) -> Tensor:
        streams = [torch.Generator().manual_seed(seed) for seed in result.seeds]
        shape = result.images.shape[1:]
        return torch.stack([0.5 + 0.05 * torch.randn(shape, generator=g) for g in streams])

    searched(patch, start)


def blank(patch: Patch) -> None:
    """Every image is gray."""
    searched(patch, lambda result: torch.full_like(result.images, 0.5))


def photo_itself(patch: Patch) -> None:
    """The search starts at the photo and stays there, so all of it is reconstructed."""
    searched(
        patch,
        lambda result: result.images if result.photo is None else as_many(result.photo, result),
    )


def other_photo(patch: Patch) -> None:
    """The target is the features of another photo, and the search reaches it."""

    def other(result: iw.Reconstruction) -> Tensor:
        channels, height, width = result.images.shape[1:]
        return as_many(iw.read_photo("rocket", (height, width), channels=channels), result)

    searched(patch, other)


def equal_seeds(patch: Patch) -> None:
    """All seeds end with the first seed's image."""
    searched(patch, lambda result: as_many(result.images[0], result))


def scattered_seeds(patch: Patch) -> None:
    """Every seed ends with another photo."""

    def images(result: iw.Reconstruction) -> Tensor:
        channels, height, width = result.images.shape[1:]
        photos = [iw.read_photo(name, (height, width), channels=channels) for name in iw.photos()]
        return torch.stack([photos[place % len(photos)] for place in range(len(result.images))])

    searched(patch, images)


def as_many(image: Tensor | None, result: iw.Reconstruction) -> Tensor:
    assert image is not None
    return image.expand_as(result.images).contiguous()


def ignored(*names: str) -> Saboteur:
    """Make a saboteur in which options of ``iw.invert`` have no effect."""
    call = signature(iw.invert)

    def saboteur(patch: Patch) -> None:
        first: dict[str, iw.Reconstruction] = {}

        def change(result: iw.Reconstruction, *args: Any, **options: Any) -> iw.Reconstruction:
            given = call.bind(*args, **options)
            given.apply_defaults()
            rest = {key: value for key, value in given.arguments.items() if key not in names}
            return first.setdefault(repr(rest), result)

        changed(patch, iw, "invert", change)

    saboteur.__name__ = f"ignored_{'_and_'.join(names)}"
    saboteur.__doc__ = f"{' and '.join(names)} without effect: the first answer is given again."
    return saboteur


def ours_from_photo(patch: Patch) -> None:
    """Only the default preset starts at the photo and stays there."""

    def images(result: iw.Reconstruction) -> Tensor:
        ours = result.settings.preset == "default"
        return as_many(result.photo, result) if ours else result.images

    searched(patch, images)


def colored(patch: Patch) -> None:
    """A descriptor sees colors."""
    changed(patch, iw, "invert", lambda result, *_, **__: replace(result, scored_on="whole image"))


# --- a walk between two seeds --------------------------------------------------------------------


def walked(patch: Patch, change: Callable[[Any], dict[str, Any]]) -> None:
    changed(patch, iw.analysis, "interpolate", lambda path, *_, **__: replace(path, **change(path)))


def stand_still(patch: Patch) -> None:
    """Every image of an interpolation is the first."""
    walked(
        patch,
        lambda path: {
            "images": path.images[:1].expand_as(path.images),
            "error": path.error[:1] * len(path.error),
        },
    )


def leap(patch: Patch) -> None:
    """An interpolation stays at its first image, and then jumps to the last."""

    def change(path: Any) -> dict[str, Any]:
        places = [0 if at < 0.5 else -1 for at in path.at]
        return {"images": path.images[places], "error": tuple(path.error[p] for p in places)}

    walked(patch, change)


def not_pulled_back(patch: Patch) -> None:
    """The images of an interpolation are the blends."""
    walked(patch, lambda path: {"images": path.blends, "error": path.blend_error})


def no_blend(patch: Patch) -> None:
    """Every blend of an interpolation is the first image."""
    walked(
        patch,
        lambda path: {
            "blends": path.blends[:1].expand_as(path.blends),
            "blend_error": path.blend_error[:1] * len(path.blend_error),
        },
    )


# --- what is measured of images and layers -------------------------------------------------------


def parts_in_place(patch: Patch) -> None:
    """Every part of an image matches the photo's part at the same place."""

    def change(found: Any, *_: Any, **__: Any) -> Any:
        places = torch.arange(found.matches.shape[1])
        return replace(found, matches=places.expand_as(found.matches))

    changed(patch, iw.analysis, "recomposition", change)


def random_matches(patch: Patch) -> None:
    """Parts are matched by noise instead of features."""

    def change(found: Any, *_: Any, **__: Any) -> Any:
        draw = torch.Generator().manual_seed(0)
        count = found.matches.shape[1]
        return replace(found, matches=torch.randint(count, found.matches.shape, generator=draw))

    changed(patch, iw.analysis, "recomposition", change)


def even_field(patch: Patch) -> None:
    """A cell weights every pixel of its receptive field equally."""

    def change(field: Any, *_: Any, **__: Any) -> Any:
        weight = torch.zeros_like(field.weight)
        field.box.of(weight).fill_(1)
        return replace(field, weight=weight)

    changed(patch, iw.analysis, "effective_field", change)


def one_pixel(patch: Patch) -> None:
    """A cell weights only one pixel of its receptive field."""

    def change(field: Any, *_: Any, **__: Any) -> Any:
        return replace(field, weight=(field.weight == field.weight.max()).float())

    changed(patch, iw.analysis, "effective_field", change)


def faint_photos(patch: Patch) -> None:
    """The responses of photos are reported twenty times too small."""
    changed(
        patch,
        iw.analysis,
        "exciting_patches",
        lambda found, *_, **__: [one._replace(response=one.response / 20) for one in found],
    )


# --- the parts of a search and of a measurement --------------------------------------------------


def untrained(patch: Patch) -> None:
    """Torch's Adam, with which lessons train networks, does not change anything."""
    patch.setattr(torch.optim.Adam, "step", lambda optimizer, closure=None: None)


def no_step(patch: Patch) -> None:
    """An optimizer does not change the images."""
    for optimizer in OPTIMIZERS.values():
        patch.setattr(optimizer, "update", lambda *_, **__: None)


def equal_starts(patch: Patch) -> None:
    """Every seed starts with the same noise."""
    patch.setattr(starts, "seed_generator", lambda seed, stream: torch.Generator().manual_seed(0))


def ignored_mask(patch: Patch) -> None:
    """A selection selects all features."""
    patch.setattr(Selection, "of", lambda self, features: features)


def kept_colors(patch: Patch) -> None:
    """The picture without its colors still has them."""
    for module in (metrics, selection):
        patch.setattr(module, "luminance", lambda images: images)


def constant_descriptor(patch: Patch) -> None:
    """A descriptor has its mean value everywhere."""
    for descriptor in (Hog, Dsift):
        changed(
            patch, descriptor, "forward",
            lambda features, *_: features.mean((2, 3), keepdim=True).expand_as(features),
        )  # fmt: skip


def shuffled_channels(patch: Patch) -> None:
    """A descriptor's channels are in another order."""
    for descriptor in (Hog, Dsift):
        changed(patch, descriptor, "forward", lambda features, *_: features.roll(1, 1))


def narrow_boxes(patch: Patch) -> None:
    """A receptive field is a pixel narrower on every side."""
    changed(patch, BoxTracer, "of", lambda boxes, *_: boxes + 1)


# --- sweeps --------------------------------------------------------------------------------------


def in_cells(*codes: str) -> Callable[[Saboteur], Saboteur]:
    """Make a saboteur that acts only in cells of a lesson that contain one of these codes."""

    def only(saboteur: Saboteur) -> Saboteur:
        saboteur.cells = codes  # type: ignore[attr-defined]
        return saboteur

    return only


@in_cells("sweep.table()")
def one_error(patch: Patch) -> None:
    """Every job of a sweep has the error of the first."""
    changed(
        patch,
        iw.Sweep,
        "table",
        lambda rows, _: [row | {"relative_error": rows[0]["relative_error"]} for row in rows],
    )


@in_cells("equal = [")
def one_job(patch: Patch) -> None:
    """Every job of a sweep has the outcome of the first."""
    changed(patch, iw.Sweep, "result", lambda _, sweep, place: sweep.store.result(sweep.keys[0]))


@in_cells("equal = [")
def another_outcome(patch: Patch) -> None:
    """The outcome of a job from another process is slightly different."""
    places: list[str] = []

    def change(result: iw.Reconstruction, sweep: iw.Sweep, place: int) -> iw.Reconstruction:
        places.append(sweep.store.url)
        elsewhere = sweep.store.url != places[0]
        return replace(result, images=result.images + 1e-6) if elsewhere else result

    changed(patch, iw.Sweep, "result", change)


@in_cells("before = set(", "equal = [")
def uninterrupted(patch: Patch) -> None:
    """All jobs were stored before the cluster was closed."""
