"""The command ``invwidgets`` and its subcommands photos, models, layers, invert, sweep, page, app.

``--help`` does not import torch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__, cli_page, cli_sweep
from .errors import BadSettingError, InvwidgetsError, OutputError, own_words, shown
from .files import check_place, same_file, written_whole
from .interrupts import BEFORE_A_RESULT, interruptions
from .terminal import ProgressLine, print_result, print_rows, say, silence

if TYPE_CHECKING:
    from .inversion.result import Reconstruction

_PICTURES = (".png", ".gif", ".jpg", ".jpeg", ".pdf", ".svg", ".webp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 means that all requested output was written completely; 1 that it was not, and stderr says
    why; 2 that the input was wrong; 130 that the command was interrupted before it had a result.
    """
    options = shell_parser().parse_args(arguments)
    # the server ends its own sessions, and a sweep has stored its finished jobs
    signals = (
        nullcontext() if options.run in (_app, cli_sweep.run, cli_page.run) else interruptions()
    )
    with signals as options.interruptions:
        try:
            code = int(options.run(options))
            sys.stdout.flush()
            return code
        except InvwidgetsError as error:
            say(str(error))
            return 2
        except KeyboardInterrupt:
            say(BEFORE_A_RESULT)
            return 130
        except BrokenPipeError:  # a reader such as head has closed the pipe, on purpose
            silence(sys.stdout)
            return 1 if options.run is _invert else 0
        except Exception as error:
            if os.environ.get("INVWIDGETS_TRACEBACK"):
                raise
            if isinstance(error, OSError) and error.filename is None:
                silence(sys.stdout)
                say(f"cannot write to stdout ({error.strerror}): redirect it to a place with room")
                return 1
            say(f"{own_words(error)} (INVWIDGETS_TRACEBACK=1 shows where)")
            return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}\n{self.format_usage()}")


def shell_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="invwidgets",
        description="Show what a layer of a neural network keeps of a photo, by inverting it.",
    )
    parser.add_argument("--version", action="version", version=f"invwidgets {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _simple(commands, "photos", "list the bundled photos", _photos)
    _simple(commands, "models", "list the networks", _models)
    layers = _simple(commands, "layers", "list a network's layers in execution order", _layers)
    layers.add_argument("model", help="a name of 'invwidgets models', or timm/NAME")
    layers.add_argument("--weights", default="random", help="pretrained, random (default) or PATH")
    layers.add_argument("--size", help="pixels of the image: SIDE or HEIGHTxWIDTH")
    words = "search for images with the same features as a photo at a layer"
    invert = commands.add_parser("invert", help=words, argument_default=argparse.SUPPRESS)
    _invert_options(invert)
    cli_sweep.add_command(commands)
    cli_page.add_command(commands)
    app = commands.add_parser("app", help="open the inversion panel as a web page")
    app.add_argument("photo", nargs="?", default="coffee", help="a file or a bundled photo's name")
    app.add_argument("--port", type=int, default=8866, help="default: %(default)s")
    app.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    app.add_argument("--dark", action="store_true", help="use the dark theme")
    words = "how many pages may be open at once (default: as many as fit in memory)"
    app.add_argument("--sessions", type=int, metavar="N", help=words)
    words = "minutes after which an unused session ends (default: %(default)s)"
    app.add_argument("--idle", type=float, default=30.0, metavar="MINUTES", help=words)
    app.set_defaults(run=_app)
    return parser


def _app(options: argparse.Namespace) -> int:
    from .images import read_photo

    read_photo(options.photo)  # an unreadable photo is reported here, not in the page
    path = Path(options.photo)
    photo = str(path.resolve()) if path.exists() else options.photo
    from .app.serve import serve

    browser = not options.no_browser
    return serve(photo, options.port, browser, options.dark, options.sessions, options.idle)


def _simple(
    commands: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)
    return command


def _invert_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "photo",
        nargs="?",
        default=None,
        help="a file or a name from 'invwidgets photos'; leave it out with --target or to maximize",
    )
    words = "file with the layer's features, instead of a photo (.npy, .safetensors)"
    add("--target", metavar="FILE", help=words)
    add("--model", default="efficientnet_lite0", help="default: %(default)s")
    add("--weights", help="pretrained (default), random, or a file's PATH")
    add(
        "--layer",
        default=None,
        help="a name from 'invwidgets layers MODEL' (default: the same as in the panel)",
    )
    add("--region", metavar="R0:R1,C0:C1", help="rows and columns of feature cells, half-open")
    add(
        "--channels",
        metavar="SPEC",
        help="0,3,8:16 | group:1 | group:2/4 | color:top | color:bottom",
    )
    add("--seeds", default="4", help="how many random starts, or a list like 3,7 (default: 4)")
    add("--steps", type=int, help="number of updates (default: the preset's)")
    add("--size", metavar="PX", help="SIDE or HEIGHTxWIDTH (default: the network's)")
    add("--preset", help="default | cvpr2015 | ijcv2016")
    words = "inversion (default) | maximize (with --layer and one of --channels) | caricature"
    add("--objective", help=words)
    add("--fit", help="crop (default) | stretch: how a photo is brought to the size")
    add("--device", help="auto (default) | cpu | cuda | mps | xpu")
    add("--precision", help="auto (default: bfloat16 where faster) | float32 | bfloat16")
    add(
        "--out",
        default=None,
        metavar="FILE",
        help="the picture (.png, .pdf, .svg) or animation (.gif)",
    )
    add("--save", default=None, metavar="FILE", help="the whole result, for Reconstruction.load")
    add("--json", action="store_true", default=False, help="print one JSON object last on stdout")
    single = parser.add_argument_group("single settings", "instead of the preset's")
    for name, kind, words in _SETTINGS:
        single.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="X", help=words)
    parser.set_defaults(run=_invert)


def _number_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def _bound(text: str) -> float | str | None:
    return text if text == "picture" else _number_or_none(text)


def _color(text: str) -> tuple[float, ...] | None:
    return None if text == "none" else tuple(float(part) for part in text.split(","))


_SETTINGS: tuple[tuple[str, Callable[[str], Any], str], ...] = (
    ("optimizer", str, "multiscale-adam | adam | momentum | adagrad-momentum"),
    ("parametrization", str, "pixels | fourier"),
    ("data_weight", float, "C, the weight of the objective"),
    ("alpha", float, "the exponent α of the α-norm, at least 1"),
    ("alpha_weight", float, "the weight of the α-norm, λ_α"),
    ("alpha_kind", str, "pixel | element: the norm of whole pixels or of single values"),
    ("beta", float, "the exponent β of the total variation, at least 1"),
    ("tv_weight", float, "the weight of the total variation, λ_V"),
    ("tv_chroma", float, "weight of an extra total variation of the colors alone"),
    ("tv_boost", float, "factor by which λ_V is larger at the start"),
    ("tv_ramp", _number_or_none, "steps in which λ_V falls to its value; none: half of all"),
    ("bound", _bound, "the largest norm of a pixel in 0-255 units | picture | none"),
    ("start", str, "noise | cvpr2015 | ijcv2016 | photo"),
    (
        "center",
        _color,
        "the color where the iterate is zero, as 0.5,0.5,0.5 | none: the network's",
    ),
    ("image_energy", _number_or_none, "σ² of CVPR15, in squared 0-255 units | none"),
    ("threads", int, "CPU threads (default: measured)"),
    ("micro_batch", int, "seeds per batch (default: as many as memory allows)"),
)


def _photos(options: argparse.Namespace) -> int:
    from .images import photos

    print_rows(options.json, [{"name": name} for name in photos()])
    return 0


def _models(options: argparse.Namespace) -> int:
    from .representations.registry import list_models

    rows = [
        {"name": c.name, "size": f"{c.size[0]}x{c.size[1]}", "about": c.about}
        for c in list_models()
    ]
    rows.append({"name": "timm/NAME", "size": "", "about": "any image network of timm"})
    print_rows(options.json, rows)
    return 0


def _layers(options: argparse.Namespace) -> int:
    from .images import parse_size
    from .representations.registry import representation

    phi = representation(options.model, weights=options.weights)
    layers = phi.layers(parse_size(options.size) if options.size else None)
    if options.json:
        print(json.dumps([layer.describe() for layer in layers]))
        return 0
    rows = [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "shape": "×".join(str(n) for n in layer.shape),
            "stride": "" if layer.stride is None else f"{layer.stride[0]:g}",
            "receptive field": "" if layer.receptive_field is None
            else "×".join(str(n) for n in layer.receptive_field),
            "offset": "" if layer.offset is None else ",".join(str(n) for n in layer.offset),
            "sees": "unknown, the whole image assumed" if layer.assumed
            else "the whole image" if layer.is_global else "",
            "also": ", ".join(layer.aliases),
        }
        for layer in layers
    ]  # fmt: skip
    print_rows(False, rows)
    return 0


def _invert(options: argparse.Namespace) -> int:
    out, save = _places(options)
    from .inversion.invert import invert
    from .inversion.options import RunOptions
    from .inversion.result import Reconstruction

    given = {n: v for n, v in vars(options).items() if n in RunOptions.__annotations__}
    given |= {"seeds": _seeds(options.seeds)}
    progress = ProgressLine(sys.stderr)

    def ready(steps: int) -> None:
        options.interruptions.begin(steps)
        progress.begin(steps)

    result = invert(
        options.photo,
        options.model,
        options.layer,
        frames=24 if out is not None and out.suffix.lower() == ".gif" else 0,
        on_ready=ready,
        callback=options.interruptions.during(progress.update),
        **given,
    )
    progress.close()
    written, failed = [], []
    for path, write in ((out, _write_picture), (save, Reconstruction.save)):
        if path is None:
            continue
        try:
            write(result, path)
            written.append(path)
        except InvwidgetsError as error:  # the other file and the numbers are still written
            failed.append(str(error))
    if options.json:
        print(json.dumps(result.summary()))
    else:
        print_result(result, *written)
    sys.stdout.flush()
    for words in failed:
        say(words)
    return 1 if failed else 0


def _seeds(text: str) -> int | list[int]:
    try:
        if "," in text:
            return [int(part) for part in text.split(",") if part.strip()]
        return int(text)
    except ValueError:
        raise BadSettingError(f"seeds {shown(text)}: give a number or a list like 3,7") from None


def _places(options: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """The output paths, checked before the run; an input file is never overwritten."""
    places: list[Path | None] = []
    for flag, given in (("--out", options.out), ("--save", options.save)):
        if given is None:
            places.append(None)
            continue
        path = Path(given)
        if flag == "--out" and path.suffix.lower() not in _PICTURES:
            raise OutputError(
                f"--out {shown(given)}: give a file that ends in {', '.join(_PICTURES)}"
            )
        check_place(path)
        for name in ("photo", "target", "weights"):
            read = getattr(options, name, None)
            if read is not None and same_file(path, read):
                raise OutputError(f"{flag} {shown(given)} is the input {name}: give another name")
        places.append(path)
    out, save = places
    if out is not None and save is not None and same_file(out, save):
        raise OutputError(
            f"--out and --save are both {shown(options.save)}: give two different names"
        )
    return out, save


def _write_picture(result: Reconstruction, path: Path) -> None:
    kind = path.suffix.lower().removeprefix(".")
    if kind == "gif":
        result.animation(path)
        return
    with written_whole(path) as partial:
        result.gallery().savefig(partial, format=kind)


if __name__ == "__main__":
    sys.exit(main())
