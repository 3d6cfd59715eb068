# The only interface of the project: `make` lists the targets.

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes
NAME := minilm
MODEL := models/$(NAME)
INDEX := $(MODEL)/incident_cls.pt
SOURCE := sample

# PyTorch's own index has builds without CUDA, which is gigabytes smaller on Linux. Empty it to use the default index.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
TORCH := --requirement inference/requirements-torch.txt

# What `make lock` locks: each group of pyproject.toml, for every platform from Python 3.11 on.
STAGES := serve job cdk dev
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock'

DOCUMENTS := $(wildcard README.md docs/*.md docs/*/*.md)

# W3005 reports dependencies that are named twice; the CDK writes them so.
CFN_LINT_OPTIONS := --ignore-checks W3005

CDK := node_modules/.bin/cdk
# Further options of the CDK, such as --profile NAME.
CDK_OPTIONS :=
# The alpha packages are deprecated in favor of a module of the same names: without this, each use prints a warning.
export JSII_DEPRECATED := quiet
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

# Taken verbatim: make would expand a $ in them, and a shell would interpret quotes and backticks.
override TEXT := $(value TEXT)
override NUM := $(value NUM)
override RANK := $(value RANK)
override URL := $(value URL)
override SOURCE := $(value SOURCE)
override FILE := $(value FILE)
export TEXT NUM RANK URL SOURCE FILE

# The emulator of the Lambda service. AWS's package carries it for both architectures.
EMULATOR := .cache/aws-lambda-rie
EMULATOR_ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))

# The container image, built by Docker where its engine runs, else by buildah. Docker would add attestations, which turn
# the image into a list of images that Lambda refuses. The CDK calls Docker too.
export BUILDX_NO_DEFAULT_ATTESTATIONS := 1
IMAGE := similar-incidents
DOCKER = $(shell docker info > /dev/null 2>&1 && echo docker || echo scripts/docker_by_buildah.sh)
BUILD_ARGUMENTS = --build-arg TORCH_INDEX=$(TORCH_INDEX) --tag $(IMAGE) inference

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Every listed target: none of them is a file.
.PHONY: $(shell grep -oE '^[a-z-]+:' Makefile | tr -d :)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

similar: $(INDEX) ## Say whether TEXT="…", @file or - is about a known incident (NUM=5, RANK=cosine, URL=, JSON=1)
	@$(RUN) -m scripts.ask --model $(MODEL) $${NUM:+--num="$$NUM"} $${RANK:+--rank="$$RANK"} $${URL:+--url="$$URL"} \
		$(if $(filter-out 0,$(JSON)),--json)

triage: $(INDEX) ## Judge the articles of FILE=articles.csv (or .jsonl): known, new, already in, same event
	@$(RUN) -m scripts.triage --model $(MODEL) -- "$$FILE"

serve: $(INDEX) $(VENV)/serve.stamp ## Serve the HTTP API and its page on this machine (HOST=, PORT=3000)
	@$(RUN) -m scripts.serve --model $(MODEL) $(if $(HOST),--host=$(HOST)) $(if $(PORT),--port=$(PORT))

model: $(MODEL)/manifest.json ## Fetch the embedded model (NAME=longformer, or NAME=mine FROM=folder: another)

index: $(MODEL)/manifest.json $(if $(findstring mongodb,$(SOURCE)),$(VENV)/job.stamp) ## Index the sample incidents, or SOURCE=…
	@$(RUN) -m scripts.build_index build --model $(MODEL) --source "$$SOURCE"

publish: $(INDEX) ## Publish the index in S3 (INDEX_BUCKET=, PUBLISH_OPTIONS=--force)
	@$(RUN) -m scripts.publish_index publish $(INDEX) $(PUBLISH_OPTIONS)

rollback-index: $(VENV)/run.stamp ## Publish an earlier index again (INDEX_BUCKET=, VERSION=: the one before)
	@$(RUN) -m scripts.publish_index rollback $(VERSION) $(PUBLISH_OPTIONS)

# Vectors of another model than the service's would make the database useless to it, so the model has to be named.
refresh: $(MODEL)/manifest.json $(VENV)/job.stamp ## Bring the database's vectors and similar incidents up to date (NAME=longformer, DRY_RUN=1)
	@$(if $(filter command line environment,$(origin NAME)),,$(error expected NAME, the model that the service runs: make refresh NAME=longformer))
	@$(RUN) -m scripts.refresh_database --model $(MODEL) $(if $(filter-out 0,$(DRY_RUN)),--dry-run)

image: image-model ## Build the container image (NAME=longformer: with another model, MODEL=: without a model)
	$(DOCKER) build $(BUILD_ARGUMENTS)

synth: $(VENV)/cdk.stamp $(CDK) ## Write the stack's CloudFormation template into cdk.out
	@$(CDK) synth --quiet $(CDK_OPTIONS)

bootstrap: $(VENV)/cdk.stamp $(CDK) ## Prepare an AWS account and region for the CDK, once
	@$(CDK) bootstrap $(CDK_OPTIONS)

diff: $(VENV)/cdk.stamp $(CDK) ## Show what a deployment would change
	@$(CDK) diff $(CDK_OPTIONS)

deploy: image-model $(VENV)/cdk.stamp $(CDK) ## Build the image and deploy the stack (CDK_OPTIONS="--profile NAME")
	@$(CDK) deploy $(CDK_OPTIONS)

destroy: $(VENV)/cdk.stamp $(CDK) ## Remove the stack; the bucket of published indexes stays
	@$(CDK) destroy $(CDK_OPTIONS)

smoke: $(VENV)/dev.stamp ## Test a running service from outside (URL=)
	@$(RUN) -m pytest tests/e2e --confcutdir tests/e2e --tb=short -v --url "$$URL"

# Tests of one file share slow fixtures, so each file stays in one process.
test: $(VENV)/dev.stamp $(INDEX) ## Run the default tests
	$(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-service: $(VENV)/dev.stamp $(INDEX) ## Run the slow tests of the HTTP API: generated calls, and many at once
	$(RUN) -m pytest tests/service --capture=no

test-runtime: $(VENV)/runtime.stamp $(EMULATOR) ## Test the handlers under the real Lambda runtime, without a container
	$(RUN) -m pytest tests/runtime

test-browser: $(VENV)/dev.stamp $(INDEX) ## Test the page in Chromium (PICTURE=1: renew docs/pictures)
	@tests/support/install_chromium.sh
	$(RUN) -m pytest tests/browser $(if $(filter-out 0,$(PICTURE)),--pictures docs/pictures)

test-slow: $(VENV)/dev.stamp ## Run the tests that take minutes: kills, full disks, memory, the model hub
	$(RUN) -m pytest -m slow tests/unit tests/integration tests/slow

test-freshness: $(VENV)/runtime.stamp $(EMULATOR) ## Break S3 and the cache while the index is replaced (FRESHNESS_SECONDS=60)
	$(RUN) -m pytest tests/freshness --capture=no

test-deploy: $(VENV)/dev.stamp $(CDK) ## Deploy, change and remove the stack in an emulated AWS
	$(RUN) -m pytest tests/deploy

test-image: image-model $(VENV)/runtime.stamp $(EMULATOR) ## Build the image with buildah and test it under the real Lambda runtime
	scripts/docker_by_buildah.sh build $(BUILD_ARGUMENTS)
	$(RUN) -m pytest tests/image

check: $(VENV)/dev.stamp ## Check style, types, imports, documents, the stack and the workflows; edits nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/cog -I docs --verbosity 1 --check $(DOCUMENTS)
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/zizmor --quiet --offline --persona pedantic .github/workflows
	$(RUN) -m infrastructure.audit --output cdk.out/audit
	$(VENV)/bin/cfn-lint $(CFN_LINT_OPTIONS) -- cdk.out/audit/*/*.template.json

fix: $(VENV)/dev.stamp ## Apply automatic lint and format fixes
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: $(VENV)/dev.stamp ## Regenerate the generated parts of README.md and docs
	$(VENV)/bin/cog -I docs --verbosity 1 -r $(DOCUMENTS)

openapi: $(INDEX) ## Regenerate docs/openapi.json with its examples
	@$(RUN) -m scripts.openapi

bench: $(VENV)/dev.stamp ## Measure speed and memory against transformers, into docs/bench (QUICK=1: no file)
	@MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2147483647 OPENBLAS_THREAD_TIMEOUT=4 \
		$(RUN) -m scripts.bench $(if $(filter-out 0,$(QUICK)),--quick)

bench-build: $(VENV)/dev.stamp $(MODEL)/manifest.json ## Measure building an index against transformers, into docs/bench
	@$(RUN) -m scripts.bench_build

evaluate: $(VENV)/dev.stamp $(MODEL)/manifest.json ## Measure how well incidents are found and told from new ones, into docs/quality (SOURCE=, NAME=)
	@$(RUN) -m scripts.evaluate --model $(MODEL) --source "$$SOURCE" $(EVALUATE_OPTIONS)

# Versions stay as long as they satisfy pyproject.toml. Stages take theirs from requirements.txt, so no two can disagree.
lock: $(VENV)/dev.stamp ## Lock the dependencies of pyproject.toml with hashes (UPGRADE=1: to their newest versions)
	$(COMPILE) pyproject.toml $(patsubst %,--group %,run $(STAGES) image) $(if $(filter-out 0,$(UPGRADE)),--upgrade) \
		--no-emit-package torch --output-file requirements.txt
	$(COMPILE) pyproject.toml --group run --constraints requirements.txt --no-emit-package torch --output-file requirements/run.txt
	$(foreach stage,$(STAGES),$(COMPILE) --group $(stage) --constraints requirements.txt --output-file requirements/$(stage).txt &&) true
	$(COMPILE) pyproject.toml --no-deps --constraints requirements.txt --no-emit-package torch --output-file inference/requirements.txt
	$(COMPILE) --group image --no-deps --constraints requirements.txt --output-file inference/requirements-image.txt
	cat inference/requirements-torch.txt >> requirements.txt

clean: ## Remove what was installed, fetched and built; .cache, with hours of work in it, stays
	rm -rf $(VENV) models inference/model inference/.model-* node_modules cdk.out .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache

# The image holds what is in inference/model. A model inside models/ gets an index first; any other folder is taken as it is.
image-model: $(if $(filter models/%,$(MODEL)),$(INDEX)) | $(VENV)/run.stamp
	@$(RUN) -m scripts.stage_model "$(MODEL)"

# Only if there is no index: one of other incidents is not replaced by the sample's.
$(INDEX): | $(MODEL)/manifest.json
	@$(RUN) -m scripts.build_index build --model $(MODEL) >&2

models/minilm/manifest.json: scripts/models/minilm.lock | $(VENV)/run.stamp
	@$(RUN) -m scripts.fetch_model minilm

models/%/manifest.json: | $(VENV)/job.stamp
	@$(RUN) -m scripts.fetch_model "$(or $(FROM),$*)" --output $(@D)

$(VENV)/serve.stamp: requirements/serve.txt $(VENV)/run.stamp
	@$(PIP) --requirement $<
	@touch $@

$(VENV)/job.stamp: requirements/job.txt $(VENV)/run.stamp
	@echo 'Installing what fetching a model and reading MongoDB need' >&2
	@$(PIP) --requirement $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/serve.stamp $(VENV)/job.stamp $(VENV)/cdk.stamp
	@echo 'Installing what tests and checks need' >&2
	@$(PIP) --requirement $<
	@touch $@

$(VENV)/cdk.stamp: requirements/cdk.txt $(VENV)/run.stamp
	@echo 'Installing the CDK' >&2
	@$(PIP) --requirement $<
	@touch $@

$(CDK): package.json package-lock.json
	@echo 'Installing the command line of the CDK' >&2
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/runtime.stamp: inference/requirements-image.txt $(VENV)/dev.stamp
	@$(PIP) --requirement $<
	@touch $@

$(EMULATOR): tests/support/emulator.lock | $(VENV)/run.stamp
	@rm -rf $@.package
	@$(PIP) --no-deps --no-compile --target $@.package --requirement $<
	@install -m 755 $@.package/samcli/local/rapid/aws-lambda-rie-$(EMULATOR_ARCHITECTURE) $@
	@rm -rf $@.package

# The last step installs this project itself, editable and with the build tool that is already there.
$(VENV)/run.stamp: inference/requirements-torch.txt requirements/run.txt
	@$(PYTHON) -m scripts.create_environment $(VENV)
	@echo 'Installing what is needed into $(VENV); torch alone is some 200 MB' >&2
	@$(if $(TORCH_INDEX),$(PIP) --no-deps --timeout 10 --retries 0 --index-url $(TORCH_INDEX) $(TORCH) || \
		echo 'Taking torch from where pip takes everything else' >&2)
	@$(PIP) $(TORCH) --requirement requirements/run.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
