# `make help` lists what can be made. Everything is installed into .venv; stamp files in it say what
# is there already, so that a second `make serve` starts at once.

PYTHON ?= python3
SERVE_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
# Looked into by systemd on every distribution, and not the administrator's own folder.
UNIT_DIR ?= /usr/local/lib/systemd/system

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The two lock files hold hashes for every platform, and markers for each.
# With the extras: what is installed from a clone can do everything.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra jwt \
	--custom-compile-command 'make lock' $(LOCK_ARGS)
PEERS := tests/peers/node_modules
GO_PEERS := tests/peers/go
INSTALL_ENV = PYTHON='$(PYTHON)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' UNIT_DIR='$(UNIT_DIR)'

MAKEFLAGS += --no-print-directory

.PHONY: help serve check format docs test test-slow bench proof lock clean install uninstall \
	test-packages test-peers

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

serve: $(VENV)/.runtime ## install into .venv and serve on http://127.0.0.1:8000 (SERVE_ARGS=…)
	@exec $(BIN)/sse-server serve $(SERVE_ARGS)

check: $(VENV)/.dev ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

format: $(VENV)/.dev ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.runtime ## remake docs/configuration.md and the example file from the options
	$(BIN)/python -m sse_server.config.reference docs/configuration.md systemd/sse-server.toml

test: $(VENV)/.dev test-peers ## all tests but the slow ones (PYTEST_ARGS=…)
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

# pytest exits with 5 when it selected no test.
test-slow: $(VENV)/.dev test-peers ## the slow tests (PYTEST_ARGS=…)
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS) || [ $$? -eq 5 ]

bench: $(VENV)/.dev ## measure beside nginx+nchan and Node, 5 minutes (BENCH_ARGS=--short)
	$(BIN)/python -m bench $(BENCH_ARGS)

proof: $(VENV)/.dev ## measure everything, three times, an hour; goes on where it was ended
	$(BIN)/python -m bench --proof $(BENCH_ARGS)

lock: $(VENV)/.dev ## remake the lock files (LOCK_ARGS=--upgrade for newer versions)
	$(LOCK) pyproject.toml --output-file requirements/runtime.lock
	$(LOCK) pyproject.toml --group dev --constraints requirements/runtime.lock \
		--output-file requirements/dev.lock

install: ## install for this machine, with systemd units, as root (PREFIX=/usr/local, DESTDIR=…)
	@$(INSTALL_ENV) sh scripts/install

uninstall: ## take that away again; settings stay
	@$(INSTALL_ENV) sh scripts/uninstall

clean: ## remove what was installed, built and cached
	rm -rf $(VENV) $(PEERS) $(GO_PEERS)/bin build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
		.ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- what is installed ----------------------------------------------------------------------------

# $(error) says it in one line, where a failing command would be followed by make's own.
$(VENV)/.created:
	$(eval problem := $(shell sh scripts/python-problem '$(PYTHON)'))
	$(if $(problem),$(error $(problem)))
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(VENV)/.created
	@echo "installing sse-server into $(VENV)"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/runtime.lock
	@$(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	@echo "installing the development tools into $(VENV)"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/dev.lock
	@touch $@

test-packages:
	@bash scripts/install-test-packages

# Without npm or Go, or without a registry to ask, the tests that need these clients skip and say so.
test-peers: test-packages
	@if [ -e $(PEERS)/.package-lock.json ] && [ ! tests/peers/package-lock.json -nt $(PEERS)/.package-lock.json ]; \
	then :; \
	elif ! command -v npm >/dev/null; \
	then echo "npm is missing: the tests with npm clients will be skipped"; \
	else echo "installing npm clients into $(PEERS)"; \
		npm --prefix tests/peers ci --loglevel=error || echo "npm failed: the tests with npm clients will be skipped"; \
	fi
	@if [ -e $(GO_PEERS)/bin/h2spec ] && [ ! $(GO_PEERS)/go.mod -nt $(GO_PEERS)/bin/h2spec ]; \
	then :; \
	elif ! command -v go >/dev/null; \
	then echo "go is missing: the tests with h2spec will be skipped"; \
	else echo "building h2spec in $(GO_PEERS)/bin"; \
		(cd $(GO_PEERS) && GOBIN="$$PWD/bin" GOTOOLCHAIN=local \
			go install github.com/summerwind/h2spec/cmd/h2spec && touch bin/h2spec) \
			|| echo "go failed: the tests with h2spec will be skipped"; \
	fi
