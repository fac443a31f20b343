# Every target does its own set-up: a virtual environment in .venv, the dependencies, the native
# module. Stamp files remember what is done, so a second run goes straight to the work.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python

# rustup installs into ~/.cargo/bin, which a non-login shell often does not have on its PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin
# The same interpreter for maturin, clippy and cargo test: otherwise each would rebuild PyO3.
export PYO3_PYTHON := $(CURDIR)/$(PY)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH
# Where it is set, each of the many processes that tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

# Pass extra arguments on: make pytest ARGS="tests/cli -k batch"
ARGS ?=

# Folders stand among the sources because a removed file shows only in its folder's time stamp.
NATIVE_SOURCES := $(wildcard Cargo.toml Cargo.lock rust-toolchain.toml) \
	$(shell find rust_ext plugin_bridge models -not -path '*/target*' 2>/dev/null)
NATIVE_MODULE := $(wildcard core/uncodec/_native*.so)

# What hosts load: a VST3 is a folder, with one inside that is named after the machine; a CLAP is the library itself.
VST3 := target/Uncodec.vst3/Contents/$(shell uname -m)-linux/Uncodec.so
CLAP := target/Uncodec.clap

.PHONY: help setup demo study plugin training-data test lint types rust pytest coverage test-daw daw-packages test-browser browser-packages test-validators \
	nightly loom fuzz miri tsan bench bench-inspect bench-memory wheel wheel-check extras-check plugin-alone docs lint-workflows clean distclean FORCE

help: ## list the targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 18

setup: $(VENV)/.native-stamp ## create .venv, install the dependencies, build the native module

demo: setup ## restore the bundled clip; writes audio, a picture, a score table and a listening page to demo/out
	$(PY) demo/run.py $(ARGS)

DATA ?=
study: setup $(VENV)/.visqol-stamp ## measure and draw docs/study.md again; DATA=FOLDER measures clean recordings as well
	$(PY) bench/study.py $(if $(DATA),--data "$(DATA)") $(ARGS)

plugin: setup $(VST3) $(CLAP) ## build the plugin into target/Uncodec.vst3 and target/Uncodec.clap

# Where there is no Python environment, as where wheels are built.
plugin-alone: $(VST3) $(CLAP)

# Many checks keep one core busy, so that they go two at a time, the long ones first: the fuzz targets need nothing of
# Python's, and are compiled while pip is at work. What each prints comes in one piece where make can do that.
test: ## every check: linters, types, Rust tests, some fuzzing, Python tests, the site
	$(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) FUZZ_SECONDS=5 \
		FUZZ_BUILD="$(SHORT_FUZZ_BUILD)" PIP_BY_TURNS=1 setup fuzz rust plugin types docs lint lint-workflows
	$(MAKE) pytest
	@echo "make test: all checks passed"

lint: $(VENV)/.deps-stamp ## ruff (rules and format), rustfmt
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	cargo fmt --all --check

types: setup ## mypy, and stubtest of the native module's stub
	$(PY) -m mypy
	MYPYPATH=core:bench $(PY) -m mypy bench/*.py
	MYPYPATH=core:demo $(PY) -m mypy demo/*.py
	MYPYPATH=core:examples $(PY) -m mypy examples/*.py
	$(PY) -m mypy.stubtest uncodec._native

docs: $(VENV)/.docs-stamp ## build the documentation site into target/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	@echo "make docs: target/site/index.html"

lint-workflows: $(VENV)/.docs-stamp ## what .github and CITATION.cff hold: their schemas, and what is unsafe in workflows
	$(PY) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(PY) -m check_jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/b*.yml
	$(PY) -m check_jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(PY) -m check_jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(PY) -m check_jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(VENV)/bin/zizmor --offline --no-progress --quiet .github
	@# Nothing is fetched. With shellcheck on the PATH actionlint reads the commands in the workflows as well.
	@actionlint=actionlint; \
	if [ -x $(VENV)/bin/actionlint ]; then actionlint=$(VENV)/bin/actionlint; fi; \
	if ! command -v $$actionlint >/dev/null; then \
		echo "actionlint: SKIPPED, it is not installed (CONTRIBUTING.md says where from)"; \
	else \
		$$actionlint; \
		if ! command -v shellcheck >/dev/null; then \
			echo "shellcheck: SKIPPED, it is not installed (Debian, Ubuntu: apt-get install shellcheck)"; \
		fi; \
	fi

rust: $(VENV)/.deps-stamp ## clippy, cargo doc and cargo test, warnings denied
	cargo clippy --workspace --all-targets --features uncodec-native/host -- -D warnings
	cargo clippy -p uncodec-native -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --features uncodec-native/host
	cargo test --workspace

# Tests of a file share what it sets up, and so stay in one process. Files come in the order of tests/conftest.py, the
# longest first: xdist's own order, by the number of tests, leaves a few long ones to the end and one process idle.
PYTEST_JOBS ?= 2

pytest: setup plugin ## the Python tests alone, in PYTEST_JOBS=2 processes; ARGS="..." is passed on
	$(PY) -m pytest -n $(PYTEST_JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# What rustc writes only the LLVM of its own version can read; Debian has it as llvm-22 and the like.
LLVM_MAJOR = $(shell rustc -vV | sed -nE 's/^LLVM version: ([0-9]+).*/\1/p')

coverage: setup plugin $(VENV)/bin/cargo-llvm-cov ## lines reached: of Rust by the Rust tests, of Python by the Python tests
	@for tool in llvm-cov-$(LLVM_MAJOR) llvm-profdata-$(LLVM_MAJOR); do \
		if ! command -v $$tool >/dev/null; then \
			echo "make: $$tool is missing (Debian, Ubuntu: apt-get install llvm-$(LLVM_MAJOR))" >&2; \
			exit 1; \
		fi; \
	done
	LLVM_COV=llvm-cov-$(LLVM_MAJOR) LLVM_PROFDATA=llvm-profdata-$(LLVM_MAJOR) \
		$(VENV)/bin/cargo-llvm-cov llvm-cov --workspace --summary-only
	@rm -rf target/coverage
	@mkdir -p target/coverage
	$(PY) -m coverage run -m pytest $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --skip-covered

$(VENV)/bin/cargo-llvm-cov:
	cargo install --locked --root $(VENV) cargo-llvm-cov@0.9.1

nightly: setup plugin loom miri tsan fuzz test-validators ## the long tests: those marked nightly, model checks, fuzzing
	cargo test --release -p uncodec-host -- --ignored
	$(PY) -m pytest -m nightly $(ARGS)

# $(1): programs that must be there, $(2): Debian's packages that have them.
define have
	@for tool in $(1); do \
		if ! command -v $$tool >/dev/null; then \
			sudo=$$(command -v sudo || true); \
			$$sudo apt-get update -qq; \
			$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(2); \
			break; \
		fi; \
	done
endef

daw-packages:
	$(call have,ardour7-lua qtractor jackd Xvfb,ardour qtractor jackd2 xvfb)

browser-packages:
	$(call have,chromium chromedriver,chromium chromium-driver)

test-daw: setup plugin daw-packages ## null tests in Ardour (VST3) and Qtractor (CLAP), which are installed from Debian's packages
	cargo build --release -p uncodec-host --bin uncodec-test-core $(SHARED)
	$(PY) -m pytest -m daw tests/plugin $(ARGS)

test-browser: setup browser-packages ## the listening page and the page of `uncodec web` in Chromium, which is installed from Debian's packages
	UNCODEC_BROWSER=required $(PY) -m pytest -m browser tests/listening tests/web $(ARGS)

# Nothing is fetched: validators that are not installed are skipped, and named. See tests/plugin/test_validators.py.
test-validators: setup plugin ## Steinberg's validator, pluginval, clap-validator where installed; wet audio in real time
	cargo build --release -p uncodec-host --bins
	cargo test --release -p uncodec-host --test realtime -- --ignored --test-threads=1
	$(PY) -m pytest -m validators -rs tests/plugin $(ARGS)

# A folder of its own, because the flag would make cargo rebuild everything in the usual one.
loom: ## model checks of the slots of the audio path, every thread interleaving
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
		cargo test --release -p uncodec-proto --lib loom_

MUSIC ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/uncodec/music
training-data: setup ## fetch licensed music and sound fonts from Debian (7 GB; needs fluidsynth) as teachers of levels; MUSIC=FOLDER
	$(PY) -m uncodec.training.music $(MUSIC)

# libFuzzer with the address sanitizer. The flag for that is not yet a stable one, which the variable allows; all
# others are, so that no other compiler is needed. Corpus and failures stay in target/fuzz. A short run is over sooner
# where little is optimised.
FUZZ_SECONDS ?= 600
FUZZ_BUILD ?=
SHORT_FUZZ_BUILD := $(addprefix --config profile.release.,opt-level=1 package.uncodec-dsp.opt-level=0)
FUZZ_TARGETS ?= header slots opening effect
FUZZ_FLAGS := --cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
	$(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
HOST_TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')

fuzz: ## fuzzing of the plugin and its shared memory; FUZZ_SECONDS=600 for each of FUZZ_TARGETS
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(FUZZ_FLAGS)" CARGO_TARGET_DIR=target/fuzz cargo build --locked --release $(FUZZ_BUILD) \
		--target $(HOST_TRIPLE) --manifest-path plugin_bridge/fuzz/Cargo.toml
	@for target in $(FUZZ_TARGETS); do \
		echo "fuzz: $$target, $(FUZZ_SECONDS) s"; \
		mkdir -p target/fuzz/{corpus,artifacts}/$$target; \
		target/fuzz/$(HOST_TRIPLE)/release/$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=target/fuzz/artifacts/$$target/ target/fuzz/corpus/$$target; \
	done

# The standard library is not instrumented, for its sources are no part of a toolchain; nor is the test harness, which
# the file names. A race in the crates' own code is found all the same.
tsan: ## ThreadSanitizer on the shared memory
	TSAN_OPTIONS=suppressions=$(CURDIR)/plugin_bridge/proto/tsan.txt RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/tsan \
		RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
		cargo test --release --target $(HOST_TRIPLE) -p uncodec-proto \
		--test sides --test shared --test session

# Miri is a component of the nightly toolchain, which nothing here installs.
miri: ## Miri on the shared memory, where it is installed
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
		PROPTEST_CASES=4 CARGO_TARGET_DIR=target/miri MIRIFLAGS=-Zmiri-disable-isolation \
			cargo +nightly miri test -p uncodec-proto --test sides --test layout; \
	else \
		echo "miri: SKIPPED, it is not installed (rustup component add --toolchain nightly miri rust-src)"; \
	fi

bench: setup plugin $(VENV)/.bench-stamp $(VENV)/.neutone-stamp ## speed, as ratios to named peers measured in the same run
	$(PY) bench/run.py $(ARGS)

bench-memory: setup ## peak memory of restoring a one-hour file (several minutes)
	$(PY) bench/memory.py $(ARGS)

# DATA holds manifest.csv (split, path, category, seconds) and the recordings it names.
DATA ?= data
bench-inspect: setup ## how often `uncodec inspect` is right on the validation recordings; DATA=FOLDER
	@if [ ! -f $(DATA)/manifest.csv ]; then \
		echo "make: $(DATA)/manifest.csv is missing: DATA=FOLDER says where the recordings are" >&2; \
		exit 1; \
	fi
	@mkdir -p target
	rm -f target/inspect-val.jsonl
	$(PY) bench/inspect_cases.py $(DATA) val target/inspect-val.jsonl
	$(PY) bench/inspect_bench.py target/inspect-val.jsonl

# The newest one: earlier releases may lie in dist, too.
WHEEL = $(shell ls -t dist/*.whl | head -1)
wheel: setup plugin ## build the wheel, plugin included, and the sdist into dist/
	$(PY) -m maturin build --release --out dist
	$(PY) -m maturin sdist --out dist

wheel-check: wheel ## install the wheel in a clean environment without Rust, restore a file, print size and import time
	$(PY) bench/wheel.py $(WHEEL)

EXTRAS ?=
extras-check: wheel ## install each extra of the wheel in a clean environment, from the package index, and use it; EXTRAS="web s3"
	$(PY) bench/extras.py $(WHEEL) $(EXTRAS)

clean: ## remove what was built, keep .venv
	rm -rf target dist build demo/out core/uncodec/weights core/uncodec/plugin core/uncodec/_native*.so
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis $(VENV)/.native-stamp
	find core tests bench demo -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove .venv as well
	rm -rf $(VENV)

# The first suitable interpreter; PYTHON=... on the command line is taken as given.
$(VENV)/bin/python:
	@for candidate in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$${python:-}" ]; then \
		echo "make: Python 3.11 or newer is needed (Debian, Ubuntu: apt-get install python3)" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "make: $$python cannot create virtual environments" \
			"(Debian, Ubuntu: apt-get install python3-venv)" >&2; \
		exit 1; \
	fi; \
	"$$python" -m venv $(VENV)

# The requirements are read out of pyproject.toml, so that a change in the Rust or Python sources
# never makes pip look at them again.
$(VENV)/.deps-stamp: pyproject.toml | $(VENV)/bin/python
	@if ! command -v cargo >/dev/null; then \
		echo "make: the Rust toolchain is missing: install it with rustup" \
			"(Debian, Ubuntu: apt-get install rustup && rustup default stable)" >&2; \
		exit 1; \
	fi
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["dependencies"], *p["optional-dependencies"]["dev"], sep="\n")' \
		> $(VENV)/requirements.txt
	$(PY) -m pip install -r $(VENV)/requirements.txt
	@touch $@

# Two of pip's installations at once do not get along: with PIP_BY_TURNS the site's comes before this one.
$(VENV)/.native-stamp: $(VENV)/.deps-stamp $(NATIVE_SOURCES) $(if $(NATIVE_MODULE),,FORCE) \
		| $(if $(PIP_BY_TURNS),$(VENV)/.docs-stamp)
	@# With the test host, which wheels go without.
	$(PY) -m pip install --no-build-isolation --no-deps --editable . --config-settings build-args="--features host"
	@# Copies for wheels; in the tree they would hide later changes.
	@rm -rf core/uncodec/weights core/uncodec/plugin
	@touch $@

$(VST3): FORMAT := vst3
$(CLAP): FORMAT := clap
# With the features that the native module asks of what it shares with the plugin: else cargo would compile it twice,
# and uncodec-dsp holds a library of transforms, which takes the longest of all.
SHARED := -p uncodec-dsp --features ndarray/std,ndarray/default

# Put into place by renaming: a host that has the old one loaded keeps it.
$(VST3) $(CLAP): $(NATIVE_SOURCES)
	cargo build --release -p uncodec-$(FORMAT) $(SHARED)
	@mkdir -p $(@D)
	@cp target/release/libuncodec_$(FORMAT).so $@.new
	@mv $@.new $@
	@# A copy for wheels would hide it.
	@rm -rf core/uncodec/plugin
	@touch $@

$(VENV)/.bench-stamp: $(VENV)/.deps-stamp
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["optional-dependencies"]["bench"], sep="\n")' > $(VENV)/requirements-bench.txt
	$(PY) -m pip install -r $(VENV)/requirements-bench.txt
	@touch $@

$(VENV)/.docs-stamp: $(VENV)/.deps-stamp
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["optional-dependencies"]["docs"], sep="\n")' > $(VENV)/requirements-docs.txt
	$(PY) -m pip install -r $(VENV)/requirements-docs.txt
	@touch $@

$(VENV)/.visqol-stamp: $(VENV)/.deps-stamp
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["optional-dependencies"]["visqol"], sep="\n")' > $(VENV)/requirements-visqol.txt
	$(PY) -m pip install -r $(VENV)/requirements-visqol.txt
	@touch $@

# neutone_sdk, a peer in the benchmark of live paths, wants an older NumPy: it gets an environment of its own
# that sees all packages of the usual one behind those it brings. Without it its rows say so.
$(VENV)/.neutone-stamp: $(VENV)/.deps-stamp
	@$(PY) -m venv $(VENV)/neutone
	@$(PY) -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(VENV)/neutone/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/uncodec.pth"
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["optional-dependencies"]["bench-live"], sep="\n")' > $(VENV)/requirements-neutone.txt
	@if $(VENV)/neutone/bin/python -m pip install -r $(VENV)/requirements-neutone.txt; then \
		touch $@; \
	else \
		echo "make: neutone_sdk cannot be installed; the benchmark of live paths goes without it" >&2; \
	fi

FORCE:
