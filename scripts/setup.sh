# Sourced by demo.sh and check.sh: makes .venv once, installs the package with the extras named.
# PYTHON names another interpreter, INVWIDGETS_VENV another folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${INVWIDGETS_VENV:-.venv}
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "invwidgets needs Python 3.11 to 3.13; name one with PYTHON=…, after removing $venv" >&2
  exit 2
}
# torch first: what follows must not replace it by a larger build
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$1"
