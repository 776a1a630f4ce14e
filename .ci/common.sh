# Sourced by the scripts beside it: the repository's root as working directory, and the names TORCH decides.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
TORCH=${TORCH:-}
VENV=$PWD/.venv${TORCH:+-torch-$TORCH}
PYTHON=$VENV/bin/python
BUILD=$PWD/build/${TORCH:+torch-}${TORCH:-main}
JOBS=$(nproc)
export PIP_DISABLE_PIP_VERSION_CHECK=1 CTEST_OUTPUT_ON_FAILURE=1

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }
