#!/usr/bin/env bash
# From a fresh clone to a picture: what a layer of a pretrained network still knows of a photo.
source "$(dirname "$0")/setup.sh" ""
mkdir -p out
"$venv/bin/invwidgets" invert coffee --layer blocks.2 --seeds 4 --out out/coffee.png
