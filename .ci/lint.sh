#!/usr/bin/env bash
# lint.sh: formatting, types and the rules of the house. Runs every check, then fails if one did.
set -uo pipefail
. "$(dirname "$0")/common.sh"
bad=()
check() { "$@" || bad+=("$(basename "$1") ${2:-}"); }

mapfile -t cpp < <(git ls-files -co --exclude-standard csrc tests/cpp bench/micro cmake | grep -E '\.(h|cpp|cc)$')
check "$VENV/bin/clang-format" --dry-run -Werror "${cpp[@]}"
check "$VENV/bin/ruff" check --quiet
check "$VENV/bin/ruff" format --check --quiet
check "$VENV/bin/mypy" --strict
check "$PYTHON" .ci/check_floors.py
check "$PYTHON" .ci/check_co_await.py
check "$PYTHON" .ci/check_sizes.py

[ ${#bad[@]} = 0 ] || { printf 'lint: failed: %s\n' "${bad[@]}"; exit 1; }
echo "lint: clean"
