"""A test with hundreds of bad inputs, each of which must end in a result or a clear message.

    python -m benchmarks.robustness            # 300 to the shell, 300 to Python, 300 combinations
    python -m benchmarks.robustness 40 7       # 40 of each, from another seed

An input to the shell or to Python is a good one with one to three values replaced by bad ones. A
combination has a module, a part, a state of the process and an activity of other threads
(``benchmarks/combinations.py``). It takes each entry of one of these tables in turn and random
entries of the others. Each input runs in a separate kind of process, which is ended if it does
not answer (a hang). These are counted as problems:

- raw errors: an error or a warning that is not one of this package's messages;
- lost files: a file that is missing or damaged after a run that failed, or that a successful run
  did not write completely;
- silent differences: a combination whose result, module or process is not as after the plain run.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .report import table

PATIENCE = 300.0  # seconds for one input, on any machine
COMBINED = ("modules", "parts", "states", "threads")
COUNTED = ("raw errors", "silent differences", "hangs", "files lost")
TEXTS = (
    "", " ", "0", "-1", "1", "3", "nan", "inf", "-inf", "1e308", "1e-308", "9" * 400, "0x10", "²",
    "１２", "é", "日本", "a\nb", "\x00", "\x1b[31m", "%s%n", "{}", "../..", "/", "/dev/null", ".",
    "~", "a" * 5000, "group:1", "group:0/0", "group:3/2", "color:top", "color:bottom", "0:4",
    "4:0", "0:4,0:4", "1:2,1:2", ":,:", "::", ",", ",,", "0,0", "-1,-2", "1:99999", "40", "40x48",
    "x", "0x0", "1x", "40x", "99999999", "True", "None", "coffee", "features.1", "features.3",
    "features.1:3", "features.1:64", "features.1:-1", "classifier", "blocks.2", "hog", "dsift",
    "timm/", "timm/no", "pretrained", "random", "default", "cvpr2015", "ijcv2016", "inversion",
    "maximize", "caricature", "cpu", "cuda", "mps", "auto", "float32", "bfloat16", "--", "-",
    "--json", "-h",
)  # fmt: skip
FLAGS = (
    "--model", "--weights", "--layer", "--region", "--channels", "--seeds", "--steps", "--size",
    "--preset", "--beta", "--tv-weight", "--alpha", "--alpha-weight", "--objective", "--device",
    "--precision", "--out", "--save",
)  # fmt: skip
WORDS = (
    "model", "weights", "layer", "region", "channels", "seeds", "steps", "size", "fit", "preset",
    "objective", "settings", "mean", "std", "beta", "tv_weight", "alpha", "alpha_weight",
    "alpha_kind", "data_weight", "device", "precision", "micro_batch", "threads", "frames",
    "phases", "optimizer", "start", "callback", "nothing",
)  # fmt: skip
GOOD = {"--model": "squeezenet1_1", "--weights": "random", "--layer": "features.1", "--size": "40",
        "--steps": "2", "--seeds": "1"}  # fmt: skip

NEAR: dict[str, tuple[Any, ...]] = {  # what is all but right, and some that is
    "model": ("squeezenet1_0", "hogb", "timm/lcnet_050", "Squeezenet1_1", "resnet18"),
    "weights": ("Random", "best", "random "),
    "layer": ("features.12", "features.0", "features.4.squeeze", "classifier.1", "features", "2"),
    "region": (
        "0:19,0:19",
        "0:20,0:19",
        "5,5",
        "3:3,0:2",
        "0:2",
        "-3:-1,0:4",
        "0:19:2,0:4",
        ":,0:1",
    ),
    "channels": (
        "63",
        "64",
        "0:64",
        "0:64:2",
        "0,0",
        "group:64/64",
        "group:2/3",
        "-1",
        "5:2",
        "0 , 1",
    ),
    "seeds": ("3,3", "2,1", "-1", "0", "1,", "1000000", "2.0", "1e1", "5,-5"),
    "steps": ("1", "2.5", "1e9", "-3", "5"),
    "size": ("17", "8", "1", "40x64", "64x", "100000", "40.0", "40,40", "16384"),
    "beta": ("1", "0.99", "1.5", "100", "64"),
    "tv_weight": ("0", 0, 1e30, 1e12, -0.0, 5),
    "alpha": ("0", 1, 2, 64, 1000),
    "alpha_weight": (0, 1e30, 1, "1"),
    "data_weight": (0, 1e30, 1, "1"),
    "objective": ("Inversion", "maximize"),
    "device": ("cuda:9", "meta", "xla"),
    "micro_batch": (1, 2, 10**6),
    "threads": (1, 2, 10000, "2"),
    "frames": (1, 5, -1, 10**9),
}


def shell_input(rng: random.Random, folder: Path) -> list[str]:
    """A command line for a ``folder`` with a photo, a picture, a saved run and broken files."""
    texts = [*TEXTS, *(str(path) for path in sorted(folder.iterdir())), str(folder / "new.png")]
    if rng.random() < 0.1:
        command = rng.choice(["photos", "models", "layers", "inver", "", "app"])
        if command == "app":  # only what it refuses: else it serves
            return ["app", rng.choice(["", "no such photo", str(folder / "broken.png")])]
        return [command, *rng.sample(texts, rng.randint(0, 2))]
    given = dict(GOOD)
    photo = rng.choice(["coffee", str(folder / "photo.png"), *rng.sample(texts, 2)])
    if rng.random() < 0.5:
        given["--out"] = str(folder / rng.choice(["old.png", "new.png", "photo.png", "n.gif"]))
    if rng.random() < 0.5:
        given["--save"] = str(folder / rng.choice(["old.iw", "new.iw", "old.png", "no/new.iw"]))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        flag = rng.choice(FLAGS)
        near = NEAR.get(flag[2:], ()) if rng.random() < 0.5 else ()
        given[flag] = str(rng.choice(near)) if near else rng.choice(texts)
    flat = [part for pair in given.items() for part in pair]
    return ["invert", *([photo] if rng.random() < 0.9 else []), *flat,
            *(["--json"] if rng.random() < 0.5 else [])]  # fmt: skip


def python_input(rng: random.Random) -> dict[str, tuple[str, int]]:
    """Arguments by name, each the number of a value of ``NEAR`` or of ``python_values``."""
    names = [rng.choice((*WORDS, "photo")) for _ in range(rng.choice((1, 1, 1, 2)))]
    return {
        name: ("near" if name in NEAR and rng.random() < 0.5 else "any", rng.randrange(10**6))
        for name in names
    }


def python_values(folder: Path) -> list[Callable[[], Any]]:
    """Functions that make values, so that processes can refer to values by number."""
    import numpy as np
    import torch

    import invwidgets as iw

    plain: list[Any] = [
        *TEXTS, *sorted(folder.iterdir()), None, True, False, 0, -1, 1, 2, 3, 10**30, -(10**30),
        0.0, 0.5, -0.5, 1.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), 1j, b"",
        b"coffee", (), [], {}, set(), (1,), (1, 2), (1, 2, 3), (0.5, 0.5, 0.5), (0, 0, 0),
        (float("nan"),) * 3, [[]], [True] * 8, [True, False] * 32, [None], ["a"], range(3),
        range(0), range(10**9), slice(0, 2), slice(None, None, 0), (slice(0, 2), slice(0, 2)),
        (1, 0, 1, 0), ..., object(), object, len, lambda *_: 1 / 0, np.int64(1), np.float32(1),
        np.bool_(True), np.array([]), np.arange(3), np.zeros((8, 8, 3), np.uint8),
        np.full((8, 8, 3), np.nan), np.array("a"), np.array([None]),
    ]  # fmt: skip
    made: list[Callable[[], Any]] = [
        lambda: torch.zeros(0),
        lambda: torch.ones(3, 40, 40) * 0.5,
        lambda: torch.full((1, 3, 40, 40), float("inf")),
        lambda: torch.zeros(3, 40, 40, device="meta"),
        lambda: torch.arange(4),
        lambda: torch.zeros(3, 40, 40).to_sparse(),
        lambda: torch.device("cpu"),
        lambda: torch.nn.Conv2d(3, 4, 3),
        lambda: torch.nn.Linear(3, 4),
        lambda: torch.nn.Sequential(),
        lambda: torch.nn.Module(),
        lambda: iw.representation("hog"),
        iw.InversionSettings,
    ]
    return [*((lambda value=value: value) for value in plain), *made]


@dataclass
class Answer:
    """The answer to an input; each problem begins with its kind, see ``_COUNTS``."""

    ended: str
    problems: list[str] = field(default_factory=list)


def ask_shell(arguments: list[str], folder: Path) -> Answer:
    from invwidgets.cli import main

    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 2
    except BaseException as error:
        return Answer("problem", [f"raw: {type(error).__name__}: {error}"])
    answer = Answer(f"exit {code}")
    if "INVWIDGETS_TRACEBACK=1" in err.getvalue() or "Traceback" in err.getvalue():
        answer.problems.append(f"raw: {err.getvalue().strip()[-300:]}")
    if code and not err.getvalue().strip():
        answer.problems.append("raw: no words on stderr")
    named = _outputs(arguments, folder)
    for path, content in before.items():
        kept = path.exists() and path.read_bytes() == content
        if not kept and (path not in named or not _whole(path)):
            answer.problems.append(f"lost: {path.name}")
    if code == 0:
        answer.problems += [f"lost: {path.name} is not whole" for path in named if not _whole(path)]
    return answer


def _outputs(arguments: list[str], folder: Path) -> list[Path]:
    """The output files that a command line names; the last value of each option counts."""
    if arguments[0] != "invert" or "-h" in arguments:
        return []
    last = {flag: value for flag, value in pairwise(arguments) if flag in ("--out", "--save")}
    paths = (folder / value for value in last.values() if value and "\0" not in value)
    return [path for path in paths if path.parent == folder]


def _whole(path: Path) -> bool:
    from PIL import Image

    from invwidgets import Reconstruction

    try:
        if path.suffix in (".png", ".gif"):
            try:
                Image.open(path).load()
                return True
            except OSError:
                pass  # saved as a run under a picture's name
        Reconstruction.load(path)
    except Exception:
        return False
    return True


def ask_python(names: dict[str, tuple[str, int]], folder: Path) -> Answer:
    import invwidgets as iw
    from invwidgets.errors import InvwidgetsError

    makers = python_values(folder)
    options: dict[str, Any] = {"model": "squeezenet1_1", "weights": "random", "layer": "features.1",
                               "size": 40, "steps": 2, "seeds": 1}  # fmt: skip
    for name, (pool, index) in names.items():
        near = NEAR.get(name, ())
        options[name] = near[index % len(near)] if pool == "near" else makers[index % len(makers)]()
    photo = options.pop("photo", "coffee")
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            result = iw.invert(photo, **options)
    except InvwidgetsError as error:
        return Answer("refused", [] if len(str(error)) < 2000 else ["raw: words without end"])
    except TypeError as error:
        raw = "unexpected keyword" not in str(error)
        return Answer("refused", [f"raw TypeError: {error}"] if raw else [])
    except ZeroDivisionError:  # the caller's own callback, which is theirs to hear of
        return Answer("refused", [] if "callback" in names or "model" in names else ["raw"])
    except BaseException as error:
        return Answer("problem", [f"raw: {type(error).__name__}: {error}"])
    finite = bool(result.images.isfinite().all())
    return Answer("result", [] if finite else ["raw: images that are no numbers"])


def ask_combination(what: tuple[Any, str], _: Path) -> Answer:
    from .combinations import ask, undone

    case, part = what
    with undone(part):
        return Answer(*ask(case))


def _answerer(pipe: Connection) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.stdin.close()
    while True:
        try:
            kind, what, folder = pipe.recv()
        except EOFError:  # nobody asks any more
            return
        os.chdir(folder)  # a relative name is a file there
        asks: dict[str, Callable[..., Answer]] = {"shell": ask_shell, "python": ask_python}
        pipe.send(asks.get(kind, ask_combination)(what, folder))


class Answerer:
    """A process that answers inputs one by one; it is replaced if it hangs or ends."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._begin()

    def _begin(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_answerer, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, kind: str, what: Any, folder: Path) -> Answer:
        self._pipe.send((kind, what, folder))
        try:
            if self._pipe.poll(PATIENCE):
                answer: Answer = self._pipe.recv()
                if kind not in COMBINED or not answer.problems:
                    return answer
            else:
                answer = Answer("problem", ["hang"])
        except EOFError:
            answer = Answer("problem", ["raw: the process ended"])
        self.end()
        self._begin()  # what a combination may have left behind is no other one's business
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def make_folder(folder: Path) -> None:
    """Make the files to read and to overwrite, both good and broken ones."""
    from PIL import Image

    import invwidgets as iw

    Image.fromarray((iw.read_photo("coffee", (40, 40)).movedim(0, -1) * 255).byte().numpy()).save(
        folder / "photo.png"
    )
    saved = iw.invert("coffee", "squeezenet1_1", "features.1", weights="random", size=40,
                      steps=1, seeds=1)  # fmt: skip
    saved.save(folder / "old.iw")
    saved.gallery().savefig(folder / "old.png")
    (folder / "broken.png").write_bytes((folder / "photo.png").read_bytes()[:200])
    (folder / "empty").write_bytes(b"")
    (folder / "words.json").write_text(json.dumps({"a": [1, None]}))


def measure(
    many: int = 300,
    seed: int = 0,
    kinds: tuple[str, ...] = ("shell", "python", *COMBINED),
    undone: str = "",
) -> dict[str, Any]:
    """The counts, also by kind, and every problem with the input that caused it.

    ``many`` is the number of inputs to the shell, of inputs to Python, and of combinations.
    ``undone`` names a guard of the package to remove, after which there must be problems.
    """
    from .combinations import draw

    answerer = Answerer()
    rows, found = [], []
    for kind in kinds:
        rng = random.Random(f"{kind} {seed}")
        counts: Counter[str] = Counter()
        for index in range(-(-many // len(COMBINED)) if kind in COMBINED else many):
            with tempfile.TemporaryDirectory() as place:
                what: Any = (draw(kind, index, rng), undone) if kind in COMBINED else None
                if what is None:
                    make_folder(Path(place))
                    what = (shell_input(rng, Path(place)) if kind == "shell"
                            else python_input(rng))  # fmt: skip
                answer = answerer.ask(kind, what, Path(place))
            counts["tried"] += 1
            counts[answer.ended] += 1
            for problem in answer.problems:
                counts[_COUNTS[problem.partition(":")[0]]] += 1
            if answer.problems:
                row = {"kind": kind, "input": repr(what)[:600], "problems": answer.problems}
                found.append(row)
                print(row, flush=True)
        ended = ", ".join(f"{how} {counts[how]}" for how in sorted(counts) if how not in _ALL)
        rows.append({"kind": kind, **{name: counts[name] for name in _ALL}, "ended": ended})
    answerer.end()
    return {
        **{name: sum(row[name] for row in rows) for name in _ALL},
        "kinds": rows,
        "problems": found,
    }


_COUNTS = dict(zip(("raw", "differs", "hang", "lost"), COUNTED, strict=True))
_ALL = ("tried", *COUNTED)


def main() -> None:
    measured = measure(*map(int, sys.argv[1:3]))
    print(table(measured["kinds"]))
    print(", ".join(f"{name} {measured[name]}" for name in _ALL))


if __name__ == "__main__":
    main()
