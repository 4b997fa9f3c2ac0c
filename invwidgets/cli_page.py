"""The command ``invwidgets page``, which computes results and writes them as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_sweep import Lines
from .errors import BadSettingError, OutputError, shown
from .files import check_place, same_file
from .terminal import say

if TYPE_CHECKING:
    from .sweeps.sweep import Sweep

_ABOUT = """\
Compute results and write them as one HTML file, which needs no kernel and loads nothing from the
network. Results are kept in a store; running the same command again continues from there.

  invwidgets page coffee --layers blocks.0 blocks.2 blocks.4 --out coffee.html
  invwidgets page coffee chelsea --priors 0.002 0.02 --weights pretrained random --out page.html
  invwidgets page plan.toml --weights pretrained random --out page.html

A plan names photos, layers and settings, as for 'invwidgets sweep'.
"""
_OF_A_PLAN = ("layers", "models", "priors", "regions", "channels", "steps", "preset", "seeds",
              "size", "frames")  # fmt: skip
_SEEDS, _FRAMES = 3, 8
_SHOWN = 20  # missing results that are named on a terminal


def add_command(commands: Any) -> None:
    """Add ``page`` to the shell's commands."""
    parser = commands.add_parser(
        "page", help="write an HTML file that shows results without a kernel", description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("photos", nargs="+", metavar="PHOTO",
        help="files or names from 'invwidgets photos', or a plan (.toml)")  # fmt: skip
    add("--out", required=True, metavar="FILE", help="the page's file, ending in .html")
    add("--layers", nargs="+", metavar="NAME", help="default: the network's main stages")
    add("--models", nargs="+", metavar="NAME", help="default: efficientnet_lite0")
    add("--weights", nargs="+", metavar="W",
        help="pretrained (default), random or PATH; several are compared")  # fmt: skip
    add("--priors", nargs="+", type=float, metavar="X",
        help="weights of the total variation, λ_V; several are compared")  # fmt: skip
    add("--regions", nargs="+", metavar="R0:R1,C0:C1", help="regions of cells, or 'everything'")
    add("--channels", nargs="+", metavar="SPEC", help="as in 'invwidgets invert', or 'all'")
    add("--steps", nargs="+", type=int, metavar="N", help="default: the preset's")
    add("--preset", help="default | cvpr2015 | ijcv2016")
    add("--seeds", type=int, metavar="N", help=f"random starts (default: {_SEEDS})")
    add("--size", metavar="PX", help="SIDE or HEIGHTxWIDTH (default: the network's)")
    add("--frames", type=int, metavar="N", help=f"frames of an animation (default: {_FRAMES})")
    add("--title", default="", help="the page's heading")
    add("--megabytes", type=float, default=6.0, metavar="MB", help="the maximum size of the page")
    add("--store", metavar="PLACE", help="where results are kept (default: FILE.store)")
    add("--plays", action="store_true", help="the page moves by itself until it is touched")
    words = "worker processes (default: as many as cores and memory allow)"
    add("--workers", type=int, metavar="N", help=words)
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tcp://host:8786")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page and return the exit code.

    0 means that the page is complete; 1 that some results are missing, and stderr says why; 130
    that the command was interrupted.
    """
    out = _place(options)
    if options.workers is not None and options.scheduler is not None:
        raise BadSettingError("--workers beside --scheduler: a cluster has its own; leave one out")
    sweeps = _sweeps(options, options.store or f"{out}.store")
    try:
        for sweep in sweeps:
            if sweep.status().complete:
                say(f"{len(sweep)} jobs: all are stored already")
                continue
            sweep.run(options.workers, scheduler=options.scheduler, on_progress=Lines().tell)
    except KeyboardInterrupt:
        say("stopped; stored results are kept, and the same command continues from there")
        return 130
    from .pages.page import page

    made = page(sweeps, out, options.title, megabytes=options.megabytes, plays=options.plays)
    print(f"wrote {out}: {len(made.results)} results, {made.bytes / 1e6:.1f} MB")
    for place, reason in made.holes[:_SHOWN]:
        say(f"{', '.join(place.values())}: {reason}")
    if len(made.holes) > _SHOWN:
        say(f"and {len(made.holes) - _SHOWN} more; the page shows them all")
    return 1 if made.holes else 0


def _place(options: argparse.Namespace) -> Path:
    """The output path, checked before anything is computed."""
    out = Path(options.out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"--out {shown(options.out)}: give a file that ends in .html")
    for photo in options.photos:
        if same_file(out, photo):
            raise OutputError(f"--out {shown(options.out)} is an input photo: give another name")
    check_place(out)
    return out


def _sweeps(options: argparse.Namespace, store: str) -> list[Sweep]:
    """A sweep for each kind of weights, all in one store."""
    from .models.zoo import DEFAULT_MODEL
    from .sweeps.store import Store
    from .sweeps.sweep import Sweep

    if any(photo.endswith(".toml") for photo in options.photos):
        return _planned(options, store)
    models = [name for text in options.models or [DEFAULT_MODEL] for name in text.split(",")]
    frames = _FRAMES if options.frames is None else options.frames
    settings: dict[str, Any] = {"frames": frames, "preset": options.preset or "default"}
    if options.steps is not None:
        settings["steps"] = options.steps
    if options.priors is not None:
        settings["tv_weight"] = options.priors
    seeds = _SEEDS if options.seeds is None else options.seeds
    if seeds < 1:
        raise BadSettingError(f"--seeds {options.seeds}: give at least 1")
    every = options.weights or ["pretrained"]
    opened = Store(store)
    return [
        Sweep(
            options.photos,
            models,
            _layers(options, models, weights),
            regions=_listed(options.regions, "everything"),
            channels=_listed(options.channels, "all"),
            settings=settings,
            seeds=seeds,
            weights=dict.fromkeys(models, weights),
            size=options.size,
            store=opened,
        )
        for weights in every
    ]


def _planned(options: argparse.Namespace, store: str) -> list[Sweep]:
    """The sweep of a plan, for each kind of weights that was named, or for the plan's own."""
    from .sweeps.store import Store
    from .sweeps.sweep import Sweep

    if len(options.photos) > 1:
        raise BadSettingError(f"{shown(options.photos)}: give one plan, or photos without a plan")
    for name in _OF_A_PLAN:
        if getattr(options, name) is not None:
            raise BadSettingError(f"--{name} beside a plan: write it into {options.photos[0]}")
    opened = Store(store)
    plan = Sweep.from_file(options.photos[0], opened)
    if options.weights is None:
        return [plan]
    given = plan.grid.to_dict()
    return [
        Sweep(**given | {"weights": dict.fromkeys(plan.grid.models, weights)}, store=opened)
        for weights in options.weights
    ]


def _layers(options: argparse.Namespace, models: list[str], weights: str) -> dict[str, list[str]]:
    """The layers of every model: those that were named, or its main stages."""
    if options.layers is not None:
        named = [name for text in options.layers for name in text.split(",")]
        return dict.fromkeys(models, named)
    from .images import parse_size
    from .representations.stages import stages
    from .sweeps.models import network

    size = parse_size(options.size) if options.size else None
    return {
        model: [layer.short_name for layer in stages(network(model, weights).layers(size))]
        for model in models
    }


def _listed(given: list[str] | None, everything: str) -> list[str | None] | None:
    return None if given is None else [None if one == everything else one for one in given]
