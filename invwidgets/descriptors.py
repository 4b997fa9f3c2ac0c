"""The public names of the descriptors HOG, HOGb and dense SIFT, for use with your parameters."""

from typing import Any

from . import lazy

_HOME = {
    "hog": "representations.descriptors.hog",
    "hogb": "representations.descriptors.hog",
    "dsift": "representations.descriptors.dsift",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    return lazy.load_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
