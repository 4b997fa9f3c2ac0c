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
if [ $# -gt 0 ]; then
  "$bin/python" -m pytest "$@"
  exit
fi
# all tests in two halves side by side, for most of them keep one core busy; the second half's
# output follows the first's
half=(tests/representations tests/sweeps tests/pages tests/widgets tests/browser)
"$bin/python" -m pytest -p no:cacheprovider -m "slow or not slow" "${half[@]}" >out/half.log 2>&1 &
second=$! failed=0
"$bin/python" -m pytest -p no:cacheprovider -m "slow or not slow" "${half[@]/#/--ignore=}" || failed=$?
wait $second || failed=$?
cat out/half.log
exit $failed
