#!/usr/bin/env bash
# test.sh: what `make test` does. Every step runs though an earlier one failed (but nothing after a failed build);
# the last lines say which failed and what each took.
set -uo pipefail
. "$(dirname "$0")/common.sh"
.ci/setup.sh test || exit 1

results=() failed=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT
step() { # step NAME COMMAND...
  local name=$1 start=$SECONDS verdict=passed; shift
  say "$name"
  "$@" 2>&1 | tee "$log" || { verdict=FAILED; failed=1; }
  # The runner's own closing line, as it printed it.
  local closing; closing=$(grep -E 'tests passed|tests failed|[0-9]+ (passed|failed|error).* in |^(lint|package|tidy): ' "$log" | tail -1)
  results+=("$(printf '%-32s %-6s %4d s   %s' "$name" "$verdict" $((SECONDS - start)) "$closing")")
  [ "$verdict" = passed ]
}
finish() {
  say "make test${TORCH:+ TORCH=$TORCH}: $("$PYTHON" -c 'import torch; print("torch", torch.__version__)')"
  printf '%s\n' "${results[@]}"
  [ $failed = 0 ] && echo "all passed in $SECONDS s" || echo "FAILED"
  exit $failed
}

# From a folder of its own: in the checkout `import dlslime_torch` would find the extension of another torch.
smoke() { (cd "$BUILD" && "$VENV/bin/pytest" -c ../../pyproject.toml --rootdir ../.. -m smoke ../../tests/python); }
if [ -n "$TORCH" ]; then
  step "build against torch $TORCH" .ci/build.sh && step "smoke tests" smoke
  finish
fi

ctest_in() { ctest --test-dir "$1" -j "$JOBS"; }
sanitized() { # sanitized PRESET [WRAPPER...]: builds the torch-free core and its tests, and runs them
  local preset=$1; shift
  cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" && "$@" ctest --test-dir "build/$preset" -j "$JOBS"
}
# g++ 12's TSan cannot lay out its shadow where the kernel randomises addresses by more than 28 bits.
unrandomised=()
setarch -R true 2>/dev/null && unrandomised=(setarch -R)

everything() { .ci/build.sh -DDLSLIME_TESTS=ON -DDLSLIME_WERROR=ON && cmake --build "$BUILD" -j "$JOBS"; }
step "build" everything || finish
step "lint" .ci/lint.sh
step "clang-tidy" "$PYTHON" .ci/tidy.py
step "core tests" ctest_in "$BUILD"
step "core tests, ASan and UBSan" sanitized asan
step "core tests, TSan" sanitized tsan "${unrandomised[@]}"
step "planted bugs are caught" .ci/planted.sh
step "pip install . into a fresh venv" .ci/check_package.sh
step "Python tests" "$VENV/bin/pytest"
finish
