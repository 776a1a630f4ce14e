#!/usr/bin/env bash
# planted.sh: builds the core with each planted bug (DLSLIME_PLANT_BUG=1..3 in csrc/) and wants the simulator's tests to
# fail, and to name the seed. A simulator that passes over a planted bug proves nothing about the bugs nobody planted.
set -uo pipefail
. "$(dirname "$0")/common.sh"
rooms=(message collective) # whose tests run in the simulator
export GTEST_FAIL_FAST=1    # one catch is enough
missed=0
for bug in 1 2 3; do
  grep -rqE "DLSLIME_PLANT_BUG *== *$bug" csrc || { echo "planted bug $bug: not in csrc/"; missed=1; continue; }
  build=build/plant-$bug log=build/plant-$bug.log
  cmake -S . -B "$build" -G Ninja -DDLSLIME_TESTS=ON -DDLSLIME_PLANT=$bug >/dev/null &&
    cmake --build "$build" --target "${rooms[@]/#/test_}" >"$log" || { cat "$log"; exit 1; }
  if ctest --test-dir "$build" -R "^test_($(IFS='|'; echo "${rooms[*]}"))\$" --no-tests=error >"$log" 2>&1; then
    echo "planted bug $bug: NOT caught"; missed=1
  elif ! grep -qi 'seed' "$log"; then
    echo "planted bug $bug: the tests failed, but name no seed"; tail -n 30 "$log"; missed=1
  else
    echo "planted bug $bug: caught: $(grep -i -m1 'seed' "$log")"
  fi
done
exit $missed
