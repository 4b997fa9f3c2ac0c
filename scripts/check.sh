#!/usr/bin/env bash
# From a fresh clone to a passed test suite: style, types, notebooks, fast and slow tests.
# Arguments go to pytest: scripts/check.sh -m "not slow" leaves the slow ones out.
source "$(dirname "$0")/setup.sh" "[lab,test]"
bin=$venv/bin
# the panel is tested under ipykernel 7, which constraints.txt has, and 6, put beside it here
[ -d "$venv/ipykernel6" ] || "$bin/python" -m pip install --quiet --disable-pip-version-check \
  --no-deps --target "$venv/ipykernel6" ipykernel==6.31.0 nest-asyncio==1.6.0
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # two spinning threads beside a browser wait for each other
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" -m pytest -p no:cacheprovider --nbval-lax --nbval-current-env \
  --nbval-cell-timeout 300 -m "" notebooks
"$bin/sphinx-build" -q -W --keep-going docs out/site
[ $# -gt 0 ] || set -- -m "slow or not slow"
"$bin/python" -m pytest "$@"
