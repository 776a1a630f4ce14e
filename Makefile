# A newcomer's two commands are `make demo` and `make test`; both install what is missing. `make help` lists the rest.
#   TORCH=2.15.0    use this torch, in a venv and build folder of its own (make test then runs the smoke set)
#   FILTER=regex    which of the micro-benchmarks
#   TORCH_INDEX=... a further package index to take torch from, such as https://download.pytorch.org/whl/cpu
SHELL := /bin/bash
TORCH ?=
TORCH_INDEX ?=
FILTER ?= .
export TORCH TORCH_INDEX
VENV := .venv$(if $(TORCH),-torch-$(TORCH))
PYTHON := $(VENV)/bin/python

.PHONY: help demo test build bench bench-micro lint tidy format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: ## train a network on two ranks with dlslime, then with gloo, and compare
	@.ci/setup.sh demo
	@.ci/build.sh
	@$(PYTHON) examples/demo.py

test: ## build and pass all tests (the smoke set with TORCH=...)
	@.ci/test.sh

build: ## build the extension into dlslime_torch/
	@.ci/setup.sh demo
	@.ci/build.sh

bench: build ## the whole report: every operation and size, and the bars, in bench/out
	@.ci/setup.sh test
	@! command -v mpirun >/dev/null || $(PYTHON) -m pip install --quiet -r .ci/requirements-bench.txt
	@$(PYTHON) bench/collectives.py --all

bench-micro: ## measure the parts: kernels, hand-off, messages, ring, regions, executor
	@.ci/setup.sh bench
	@cmake -G Ninja -B build/micro -DCMAKE_BUILD_TYPE=Release -DDLSLIME_MICRO=ON >/dev/null
	@cmake --build build/micro --target bench_micro
	@build/micro/bench_micro --benchmark_filter='$(FILTER)'

lint: ## formatting, types and the rules of the house
	@.ci/setup.sh test
	@.ci/lint.sh

tidy: ## clang-tidy on what has changed since it last passed
	@.ci/setup.sh test
	@.ci/build.sh -DDLSLIME_TESTS=ON
	@$(PYTHON) .ci/tidy.py

format: ## rewrite the sources as lint wants them
	@.ci/setup.sh test
	@git ls-files -co --exclude-standard 'csrc/*' 'tests/cpp/*' 'bench/micro/*' | grep -E '\.(h|cpp|cc)$$' | xargs -r $(VENV)/bin/clang-format -i
	@$(VENV)/bin/ruff check -q --fix && $(VENV)/bin/ruff format -q

clean: ## remove what was built; the venvs stay
	rm -rf build dist *.egg-info dlslime_torch/_C*.so dlslime_torch/_built_for.py
