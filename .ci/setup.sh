#!/usr/bin/env bash
# setup.sh demo|test|bench: installs what the demo (or the tests too; or the micro-benchmarks alone) needs and this machine lacks;
# quick when nothing does.
# System packages by apt-get when root, else it says which; Python packages into .venv (.venv-torch-X with TORCH=X).
set -euo pipefail
. "$(dirname "$0")/common.sh"
level=${1:?demo, test or bench}
default_torch=2.13.0

stamp=$VENV/.set-up-for-$level
wanted=$(cat .ci/setup.sh .ci/requirements-*.txt | sha256sum)
[ "$level" = bench ] && stamp=build/.set-up-for-bench
[ "$level" = bench ] || [ -x "$PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

# ---- what the system has: tested by what is there, not by what a package is called ----
missing=()
need() { # need PACKAGE TEST...
  local package=$1; shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
header() { echo "#include <$1>" | "${CXX:-g++}" -x c++ -E -; }
python_header() { test -f "$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h"; }
find_missing() {
  missing=()
  need g++ command -v "${CXX:-g++}"
  need cmake command -v cmake
  need ninja-build command -v ninja
  need ccache command -v ccache
  need python3 command -v python3
  need python3-venv python3 -c 'import ensurepip, venv'
  need python3-dev python_header
  need libspdlog-dev header spdlog/spdlog.h
  need libssl-dev header openssl/evp.h
  need libmsgpack-cxx-dev header msgpack.hpp
  if [ "$level" = test ]; then
    need libgtest-dev header gtest/gtest.h
    need iproute2 command -v ip
  fi
  if [ "$level" = bench ]; then need libbenchmark-dev header benchmark/benchmark.h; fi
}
find_missing
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "Missing on this machine: ${missing[*]} (Debian's and Ubuntu's names). Install them, then try again:
    sudo apt-get install ${missing[*]}"
  fi
  say "apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install ${missing[*]}; on Ubuntu the 'universe' component must be enabled"
  find_missing
  [ ${#missing[@]} = 0 ] || die "installed, and still not usable: ${missing[*]}"
fi
if [ "$level" = bench ]; then # no Python takes part
  mkdir -p build
  echo "$wanted" >"$stamp"
  exit
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  die "python3 is $(python3 -V 2>&1 | cut -d' ' -f2); 3.10 or newer is needed"

# ---- the venv, and a torch in it ----
torch_version='import sys, torch; v = torch.__version__; print(v); sys.exit(tuple(map(int, v.split(".")[:2])) < (2, 13))'
if [ ! -x "$PYTHON" ]; then
  flags=()
  if [ -z "$TORCH" ] && found=$(python3 -c "$torch_version" 2>/dev/null); then
    say "using the torch $found that python3 has"
    flags=(--system-site-packages)
  fi
  python3 -m venv "${flags[@]}" "$VENV"
  if [ ${#flags[@]} -gt 0 ] && ! "$PYTHON" -c 'import torch' 2>/dev/null; then
    # python3 is itself a venv's, and a venv made from it sees only what is below both.
    packages=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])' >"$packages/outer-torch.pth"
  fi
fi
pip() { "$PYTHON" -m pip install --quiet "$@"; }
if [ -n "$TORCH" ] || ! "$PYTHON" -c "$torch_version" >/dev/null 2>&1; then
  if ! "$PYTHON" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '${TORCH:-$default_torch}')" 2>/dev/null; then
    say "pip install torch==${TORCH:-$default_torch}"
    pip "torch==${TORCH:-$default_torch}" ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
  fi
fi
say "pip install what the $level needs"
pip -r .ci/requirements-demo.txt
[ "$level" = demo ] || pip -r .ci/requirements-test.txt
echo "$wanted" >"$stamp"
[ "$level" = demo ] || echo "$wanted" >"$VENV/.set-up-for-demo"
