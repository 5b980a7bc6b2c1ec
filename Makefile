# Works on a machine with make and a Python of at least 3.11; everything else goes to .venv.
SHELL := /bin/bash
VENV ?= .venv
PY := $(VENV)/bin/python
JOBS ?= 2

.PHONY: setup demo test bench lint soak real-drivers conform fuzz-kernel fuzz mypyc clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml tools/setup.sh
	VENV=$(VENV) PYTHON=$(PYTHON) tools/setup.sh

demo: setup  ## replay the sample capture and print where every frame ended
	$(VENV)/bin/rxpath replay captures/demo.pcapng

test: setup  ## the whole suite, under ten minutes on two cores
	$(PY) -m pytest -n $(JOBS) --dist loadgroup

lint: setup
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

bench: setup  ## frames a second, wire to program, beside reading the capture alone
	$(PY) -m tools.bench

soak: setup  ## the full counts of which `make test` runs a small fixed sample
	RXPATH_SOAK=1 $(PY) -m pytest -n $(JOBS) --dist loadgroup

real-drivers: setup  ## the real Linux drivers judge the device models; a skipped test is a failure here
	RXPATH_NO_SKIP=1 $(PY) -m pytest -v tests/real_drivers

conform: setup  ## every recorded case; as root also re-records a sample
	$(VENV)/bin/rxpath conform --known docs/differences.md
	$(PY) -m tools.record_cases --check 60

fuzz-kernel: setup  ## differential fuzzing against this machine's kernel (root)
	$(PY) -m tools.fuzz_kernel $(FUZZ)

fuzz: setup  ## the parsers under atheris (extra `fuzz`); FUZZ="--seconds 600 capture"
	$(PY) -m tools.fuzz_parsers $(FUZZ)

mypyc: setup  ## compile the hot rooms in a scratch copy and run their tests so
	$(PY) tools/mypyc_check.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
