#!/usr/bin/env bash
# build.sh [-DOPTION=VALUE...]: builds the extension incrementally against the venv's torch. By default in place
# (dlslime_torch/_C*.so, found by the venv as an editable install); with TORCH=X it is installed in that venv instead,
# for the checkout can hold one extension at a time.
set -euo pipefail
. "$(dirname "$0")/common.sh"
export DLSLIME_BUILD_DIR=$BUILD DLSLIME_CMAKE_ARGS="$*"
mkdir -p "$BUILD"

if [ -n "$TORCH" ]; then
  "$PYTHON" -m pip install --quiet --no-deps --no-build-isolation --force-reinstall .
  exit
fi

"$PYTHON" setup.py -q build_ext --inplace
# The entry points that `import torch` reads; again only when they may have changed.
stamp=$VENV/.installed
wanted=$(cat pyproject.toml setup.py | sha256sum)$PWD
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  DLSLIME_NO_EXTENSION=1 "$PYTHON" -m pip install --quiet --no-deps --no-build-isolation -e .
  echo "$wanted" >"$stamp"
fi
