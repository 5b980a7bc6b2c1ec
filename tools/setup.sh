#!/usr/bin/env bash
# Makes .venv with everything that tests and demo need. Needs a Python of at least 3.11 and the way to make a virtual
# environment: the venv module, else virtualenv, else uv.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: needs Python 3.11 or newer; name one with: make setup PYTHON=/path/to/python3" >&2
    exit 2
fi

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -m virtualenv --version >/dev/null 2>&1; then
        "$python" -m virtualenv --clear "$venv"
    elif command -v uv >/dev/null 2>&1; then
        uv venv --clear --seed --python "$python" "$venv"
    else
        echo "setup: $python cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv" >&2
        exit 2
    fi
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
touch "$venv/.ready"
