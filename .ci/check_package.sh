#!/usr/bin/env bash
# check_package.sh: `pip install .` as a user does it, isolated, into a fresh venv that sees this one's torch. The package
# must build and load there, be found by `import torch` without an import line, and bring no second torch.
set -euo pipefail
. "$(dirname "$0")/common.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Not the editable install's folder, but everything else: what a --system-site-packages venv would see.
"$PYTHON" -m venv "$scratch/venv"
python=$scratch/venv/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
from=$("$PYTHON" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])')
for entry in "$from"/*; do
  case $(basename "$entry") in pip|pip-*|setuptools*|pkg_resources|_distutils_hack|*dlslime*|distutils-precedence.pth) ;;
    *) ln -s "$entry" "$site/" ;;
  esac
done

DLSLIME_BUILD_DIR=$PWD/build/package "$python" -m pip install --quiet . 2>&1 | tee "$scratch/log"
[ -L "$site/torch" ] || { echo "pip replaced torch"; exit 1; }
cd "$scratch"
"$python" - <<'PY'
import sys

import torch
import torch.distributed as dist

assert "DLSLIME" in dist.Backend._plugins, "import torch did not find the backend"
assert "dlslime_torch._C" not in sys.modules, "import torch loaded the extension"

import dlslime_torch

assert dlslime_torch.__file__ is not None and "site-packages" in dlslime_torch.__file__
dist.init_process_group("dlslime", store=dist.HashStore(), rank=0, world_size=1)
tensor = torch.ones(3)
dist.all_reduce(tensor)
assert tensor.tolist() == [1, 1, 1]
dist.destroy_process_group()
PY
"$scratch/venv/bin/dlslime" doctor >"$scratch/doctor" || { cat "$scratch/doctor"; exit 1; }
# The best of several, in fresh processes: what we add to `import torch` is far below its spread.
"$python" - <<'PY'
import subprocess, sys

code = "import time, torch.distributed\nt = time.perf_counter()\nimport dlslime_torch._autoload as a\na.register()\nprint((time.perf_counter() - t) * 1e3)"
best = min(float(subprocess.run([sys.executable, "-c", code], env={"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}, check=True,
                                capture_output=True, text=True).stdout) for _ in range(5))
print(f"package: installs, is found by import torch, runs; adds {best:.2f} ms to import torch")
sys.exit(best > 5)
PY
