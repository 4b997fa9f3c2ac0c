#!/usr/bin/env bash
# From a fresh clone to a passed test suite: style, types, fast and slow tests, notebooks.
source "$(dirname "$0")/setup.sh" "[lab,test]"
bin=$venv/bin
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" -m pytest -m "slow or not slow" "$@"
