# One place for every command of the project. `make demo` and `make test` set up everything they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := .tools/bin/uv
INSTALLED := $(VENV)/.installed
DEMO := demo
# Files of tests that run at once; each takes 1 to 3 GB.
TEST_WORKERS ?= 2
# Further arguments of pytest, for `make test`.
PYTEST_ARGS ?=

.PHONY: help setup demo test test-slow test-all flink-jars flink test-flink test-tracking test-serving test-metadata test-stores test-kubeflow test-browser test-faults mutants lint component format bench docs docs-links pages \
  audit sbom lock bounds lock-check hooks clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "CPython 3.11 with its venv module is needed; found: '$(PYTHON)'. Install python3.11 and python3.11-venv, or name one with PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(INSTALLED): requirements-dev.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --no-managed-python --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements-dev.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

setup: $(INSTALLED) ## Make .venv from the hash-pinned lock

demo: $(INSTALLED) ## Make demo data and run the whole pipeline on it (results in demo/output)
	$(BIN)/belka make-demo-data --molecules 5000 --out $(DEMO)/raw
	$(BIN)/belka run --config configs/demo.yaml --raw-dir $(DEMO)/raw --output-dir $(DEMO)/output || test $$? -eq 3  # not pushed
	@printf '\nOpen %s/output/report.html in a browser. To go on, in this folder:\n' $(DEMO)
	@printf '  %s\n' "$(BIN)/belka predict --model $(DEMO)/output/model 'CC(F)(F)CNc1nc(Nc2ccccc2)nc(NCC(=O)N[Dy])n1'" \
	  "$(BIN)/belka enrichment --output-dir $(DEMO)/output --level pair" "$(BIN)/belka lineage $(DEMO)/output/model"

# A worker that dies is not replaced: xdist would wait for the dead one's last tests for ever, and not say which test it was.
test: $(INSTALLED) .envs/stores/.installed ## Run the tests that finish within minutes, TEST_WORKERS at a time
	$(BIN)/pytest -m "not slow" --numprocesses $(TEST_WORKERS) --dist loadfile --max-worker-restart 0 $(PYTEST_ARGS)

test-slow: $(INSTALLED) ## Run the tests that take minutes each
	$(BIN)/pytest -m slow

FLINK_JARS := .flink/jars

$(FLINK_JARS)/.fetched: docker/flink/pom.xml docker/flink/jars.sha256
	rm -rf $(FLINK_JARS)
	mvn --batch-mode --quiet -f docker/flink/pom.xml org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(FLINK_JARS)
	cd $(FLINK_JARS) && sha256sum --quiet --check $(CURDIR)/docker/flink/jars.sha256
	touch $@

flink-jars: $(FLINK_JARS)/.fetched ## Fetch Beam's Flink job server with Maven, as its settings say, and check it

flink: $(INSTALLED) $(FLINK_JARS)/.fetched ## Start Flink on this machine until Ctrl-C; prints the options that use it
	$(BIN)/python -m pipeline.runners.flink.session --jars $(FLINK_JARS) --checksums docker/flink/jars.sha256

test-flink: $(INSTALLED) $(FLINK_JARS)/.fetched ## Run MoleculeTransform on a real Flink and compare
	$(BIN)/pytest -m flink

test-tracking: $(INSTALLED) .envs/mlflow/.installed ## Tell a real MLflow server of a demo run and read it back
	$(BIN)/pytest -m tracking

test-serving: $(INSTALLED) .envs/kserve/.installed ## Serve a model with KServe's own Python server and compare with `belka predict`
	BELKA_SERVING_ALL=1 $(BIN)/pytest -m serving

# The real parts of a cluster, from the Go modules that tests/kubeflow/go pins.
KUBEFLOW := .kubeflow/bin
GO_BUILD = command -v go > /dev/null || { echo 'Go 1.26 is needed to build $(@F); it is not on the PATH.'; exit 2; }; \
  mkdir -p $(KUBEFLOW) && cd $(<D) && nice go build -p 2 -trimpath -buildvcs=false -ldflags '-s -w $(VERSION_FLAGS)' -o $(CURDIR)/$@
KUBERNETES_VERSION := $(shell sed -n 's/^require k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' tests/kubeflow/go/kubernetes/go.mod)

$(KUBEFLOW)/kube-apiserver $(KUBEFLOW)/kubectl: VERSION_FLAGS = -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)
$(KUBEFLOW)/kube-apiserver: tests/kubeflow/go/kubernetes/go.mod tests/kubeflow/go/kubernetes/go.sum
	$(GO_BUILD) k8s.io/kubernetes/cmd/kube-apiserver

$(KUBEFLOW)/kubectl: tests/kubeflow/go/kubernetes/go.mod tests/kubeflow/go/kubernetes/go.sum
	$(GO_BUILD) k8s.io/kubernetes/cmd/kubectl

$(KUBEFLOW)/etcd: tests/kubeflow/go/kubernetes/go.mod tests/kubeflow/go/kubernetes/go.sum
	$(GO_BUILD) go.etcd.io/etcd/server/v3

# The backend: two of its modules are in no proxy and are written anew from its own Python packages' messages.
PIPELINES := tests/kubeflow/go/pipelines
PIPELINES_SOURCES := $(PIPELINES)/go.mod $(PIPELINES)/go.sum .kubeflow/modules/.written
BACKEND := argoexec workflow-controller driver launcher-v2 kfp-apiserver kfp-persistence-agent

.kubeflow/modules/.written: tests/kubeflow/go_modules.py tests/kubeflow/go/schemas/go.mod tests/kubeflow/go/schemas/go.sum .envs/backend/.installed
	cd tests/kubeflow/go/schemas && go build -trimpath -o $(CURDIR)/.kubeflow/ google.golang.org/protobuf/cmd/protoc-gen-go
	.envs/backend/bin/python $< .kubeflow/protoc-gen-go tests/kubeflow/go/schemas .kubeflow/modules
	touch $@

$(KUBEFLOW)/argoexec: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/argoproj/argo-workflows/v3/cmd/argoexec

$(KUBEFLOW)/workflow-controller: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/argoproj/argo-workflows/v3/cmd/workflow-controller

$(KUBEFLOW)/driver: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/kubeflow/pipelines/backend/src/v2/cmd/driver

$(KUBEFLOW)/launcher-v2: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/kubeflow/pipelines/backend/src/v2/cmd/launcher-v2

$(KUBEFLOW)/kfp-apiserver: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/kubeflow/pipelines/backend/src/apiserver

$(KUBEFLOW)/kfp-persistence-agent: $(PIPELINES_SOURCES)
	$(GO_BUILD) github.com/kubeflow/pipelines/backend/src/agent/persistence

test-kubeflow: $(INSTALLED) $(addprefix $(KUBEFLOW)/,etcd kube-apiserver kubectl $(BACKEND)) ## Run the demo on a real Kubeflow Pipelines; needs Go 1.26, MariaDB, root
	BELKA_KUBEFLOW_ALL=1 $(BIN)/pytest -m kubeflow tests/kubeflow

test-browser: $(INSTALLED) .envs/browser/.installed ## Look at the pages in Chromium, desktop and phone, light and dark
	$(BIN)/pytest -m browser

test-metadata: $(INSTALLED) .envs/metadata/.installed ## Have the readers of OpenLineage, Croissant and Hugging Face read what is written
	$(BIN)/pytest -m metadata

test-stores: $(INSTALLED) .envs/stores/.installed ## Run commands and a whole pipeline on real servers of S3 and Google Cloud Storage
	$(BIN)/pytest -m stores

# How many faults of each kind; where they begin; a file of JSON lines that later runs extend.
BELKA_FAULTS ?= 60
BELKA_FAULTS_SEED ?= 1
# Files that each reader is given, and again as many until the seconds have passed.
BELKA_FUZZ_EXAMPLES ?= 200
BELKA_FUZZ_SECONDS ?= 0
BELKA_FAULTS_RESULTS ?= faults.jsonl

test-faults: $(INSTALLED) ## Kill, fill the disk, flip, cut and feed readers at random: BELKA_FAULTS of each kind
	BELKA_FUZZ_EXAMPLES=$(BELKA_FUZZ_EXAMPLES) BELKA_FUZZ_SECONDS=$(BELKA_FUZZ_SECONDS) \
	  BELKA_FAULTS=$(BELKA_FAULTS) BELKA_FAULTS_SEED=$(BELKA_FAULTS_SEED) \
	  BELKA_FAULTS_RESULTS=$(abspath $(BELKA_FAULTS_RESULTS)) \
	  $(BIN)/pytest -m faults

# Mutants to look at, those in the file of results included; a file of JSON lines that later runs extend.
MUTANTS ?= 300
MUTANTS_SEED ?= 1
MUTANTS_RESULTS ?= mutants.jsonl

mutants: $(INSTALLED) .envs/mutation/.installed ## Change single places of the code that decides results and look whether a test fails
	.envs/mutation/bin/python .ci/mutants.py --python $(BIN)/python --count $(MUTANTS) --seed $(MUTANTS_SEED) --results $(MUTANTS_RESULTS)

test-all: $(INSTALLED) ## Run every test
	$(BIN)/pytest

lint: $(INSTALLED) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

component: $(INSTALLED) ## Make the folder of a component with its test: make component NAME=block_counts VERB=count
	.ci/new_component '$(NAME)' '$(or $(VERB),compute)'
	$(BIN)/ruff check --quiet --fix components/$(NAME) tests/unit/components/$(NAME)

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure against references in the same run
	$(BIN)/belka benchmark vocabulary

# Tools that never meet the product's own packages: an environment each, from a lock of its own.
.envs/%/.installed: requirements-%.lock | $(UV)
	$(UV) venv --quiet --clear --no-managed-python --python $(PYTHON) .envs/$*
	VIRTUAL_ENV=.envs/$* $(UV) pip sync --quiet --require-hashes $<
	touch $@

SITE := build/docs
SPHINX = .envs/docs/bin/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -c docs -d build/doctrees

docs: .envs/docs/.installed ## Build the documentation as a site in build/docs; broken links between pages are errors
	$(SPHINX) -b html . $(SITE)
	@echo "$(SITE)/docs/index.html"

docs-links: .envs/docs/.installed ## Ask for every link of the documentation that leads elsewhere; needs the network
	$(SPHINX) -b linkcheck . build/links

pages: $(INSTALLED) ## Write the pages of the documentation that come from the code
	$(BIN)/belka config keys > docs/keys.md
	$(BIN)/belka config reference > docs/configuration.md
	$(BIN)/python docs/catalogue.py > docs/errors.md
	$(BIN)/python docs/module_map.py > docs/modules.md

LOCKS := requirements-dev.lock docker/requirements-gpu.lock requirements-docs.lock requirements-audit.lock requirements-mlflow.lock \
  requirements-browser.lock requirements-kserve.lock requirements-metadata.lock requirements-mutation.lock requirements-backend.lock requirements-stores.lock

audit: .envs/audit/.installed ## Look up known vulnerabilities of every locked package; fails where any was not looked up
	.envs/audit/bin/python .ci/audit.py $(LOCKS)

sbom: $(INSTALLED) .envs/audit/.installed ## Write what is in each lock (CycloneDX) and its licences to build/sbom
	mkdir -p build/sbom
	for lock in requirements.lock $(LOCKS); do \
	  .envs/audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON \
	    --output-file build/sbom/$$(basename $$lock .lock).cdx.json $$lock; done
	.envs/audit/bin/pip-licenses --python $(BIN)/python --with-system --with-urls --format csv --output-file build/sbom/licences.csv \
	  --packages $$(grep -oE '^[A-Za-z0-9_.-]+' requirements.lock)
	test $$(tail -n +2 build/sbom/licences.csv | wc -l) -eq $$(grep -c '^[A-Za-z]' requirements.lock)  # none is left out

COMPILE = $(UV) pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet \
  --custom-compile-command "make lock"

# The container's lock first: kfp pins versions exactly, and the three locks hold one version of everything.
lock: | $(UV) ## Resolve the lock files anew (core, container, development, tools)
	rm -f requirements.lock requirements-kubeflow.lock requirements-dev.lock
	$(COMPILE) pyproject.toml --extra kubeflow -o requirements-kubeflow.lock
	$(COMPILE) pyproject.toml -c requirements-kubeflow.lock -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements-kubeflow.lock -o requirements-dev.lock
	for group in docs audit mlflow kserve browser metadata mutation backend stores; do \
	  rm -f requirements-$$group.lock; $(COMPILE) --group $$group -o requirements-$$group.lock; done
	$(MAKE) --no-print-directory setup bounds

bounds: $(INSTALLED) ## Print each bound that a package declares and the lock breaks
	-@$(UV) pip check --python $(BIN)/python

lock-check: $(INSTALLED) ## Check that the locks meet what pyproject.toml asks for, without a network
	@$(BIN)/python -m pytest -q tests/unit/ci/test_locks.py

hooks: $(INSTALLED) ## Have git run lint and the lock check before each commit
	$(BIN)/pre-commit install

clean: ## Remove the environment and the demo
	rm -rf $(VENV) .tools .envs build $(DEMO) .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
