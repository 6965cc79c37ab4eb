# SPDX-License-Identifier: GPL-3.0-or-later
# Each command does all of its own set-up, says what it does, and can be run again at any time.
SHELL := /bin/bash
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE ANSIBLE_CONFIG
BIN := $(CURDIR)/.venv/bin
# Of the mutations of each recorded output: one of so many is tried.
ONE_OF := 10
export PATH := $(BIN):$(PATH)
PACKAGE := ansible_collections.flotilla.container_os.plugins
SCRIPTS = $(shell git ls-files '*.sh' '.ci/run' 'tests/simhost/bin/*' 'tests/simhost/families/*/bin/*' 'tests/simhost/families/*/usr/lib/systemd/systemd-*')

.PHONY: help setup check simulate lint integration conformance browser sanity matrix molecule vm-test test demo bench clean docs

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Install what the other commands need
	@tests/tools/setup.sh

demo: setup ## Build an OS, start three machines, upgrade them canary-first
	@ansible-playbook playbooks/demo.yml

check: setup ## The fast subset, for every commit: lint, types, unit tests
	ruff check .
	ruff format --check .
	yamllint -s .
	shellcheck $(SCRIPTS)
	MYPYPATH=.collections mypy -p $(PACKAGE).plugin_utils
	FLOTILLA_MUTATIONS_ONE_OF=$(ONE_OF) pytest -q tests/unit tests/simulator tests/bench

simulate: setup ## Fourteen hundred rollouts under a hundred thousand faults, in simulated time
	@python tests/simulator/run.py --rollouts 1400 --seed 1

lint: setup ## What check leaves out: ansible-lint, docs, changelog
	@tests/tools/lint.sh

sanity: setup ## ansible-test sanity
	@tests/tools/sanity.sh

matrix: setup ## Build the artifact, run it from an empty directory on every supported ansible-core
	@tests/tools/matrix.sh

molecule: setup ## The Molecule scenario: one machine, verified by testinfra
	@tests/tools/molecule.sh

integration: setup ## Real Ansible over real connections, without virtual machines
	pytest -q tests/integration

conformance: setup ## What every OS family must do, on simulated hosts
	pytest -q tests/conformance

browser: setup ## The HTML report in a real browser (installs chromium)
	@tests/tools/browser.sh

vm-test: setup ## Break a fleet of real virtual machines in every way we know (of one driver alone: DRIVER=ostree)
	pytest -q tests/lab $(if $(DRIVER),-k "$(DRIVER)")

test: setup ## All of the above, the fast ones first
	@tests/tools/test.sh

bench: setup ## Measure, as ratios in one run
	@python tests/bench/bench.py

docs: setup ## Draw what is drawn from the code
	@python tests/tools/draw_phases.py
	@python tests/tools/draw_support.py

clean: setup ## Stop the lab and remove what was built
	-@ansible-playbook playbooks/lab_down.yml -e lab_clean_cache=true
	@rm -rf .cache .lab .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
