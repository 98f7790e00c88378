# Every verb a user types; `make` alone prints them.
PROFILE ?= laptop
DATA    ?= auto
SEEDS   ?= 0
DEVICES ?= 1
METHODS ?=
EPOCHS  ?=
JOBS    ?=
THREADS ?=
PYTHON  ?= python3

BIN   := .venv/bin
READY := .venv/.ready
STUDY  = $(BIN)/lit-faces $(1) $(2) --profile $(PROFILE) --data $(DATA) --seeds $(SEEDS) --devices $(DEVICES) \
         $(if $(METHODS),--methods $(METHODS)) $(if $(EPOCHS),--epochs $(EPOCHS)) \
         $(if $(JOBS),--jobs $(JOBS)) $(if $(THREADS),--threads $(THREADS))

STUDIES := cmma csvae ifcvaegan vlae

.PHONY: help setup $(STUDIES:%=reproduce-%) $(STUDIES:%=report-%) test lint bench lock clean

help:
	@echo "make reproduce-cmma  train and evaluate CMMA, CVAE and CGANs, and write the report"
	@echo "make reproduce-csvae the same for VAE, CondVAE, CondVAE-info and CSVAE"
	@echo "make reproduce-ifcvaegan   the same for IFcVAE-GAN, cVAE-GAN, IcGAN and DIP-VAE"
	@echo "make reproduce-vlae  the same for VLAE, MMD-VLAE and MMD-VAE, on faces and digits"
	@echo "                     PROFILE=smoke|laptop|desktop|paper DATA=LFW|CelebA|Synthetic SEEDS=0,1,2 METHODS=cmma,cvae EPOCHS=20"
	@echo "                     JOBS=2 (runs at a time) THREADS=1 (of each) DEVICES=1 (GPUs or processes of each)"
	@echo "make report-STUDY    write the report of a study again from the records (report-cmma and so on)"
	@echo "make test            run every test"
	@echo "make lint            ruff and mypy"
	@echo "make bench           measure the speed; results go to benchmarks/results"
	@echo "make setup           make .venv with the locked dependencies (the verbs above do it themselves)"
	@echo "make lock            resolve the dependencies again"
	@echo "make clean           remove .venv and caches; runs, reports and data stay"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "lit_faces needs Python 3.11 or newer: install it, or say PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lit_faces needs Python 3.11 or newer, $(PYTHON) is older: say PYTHON=python3.12, for instance" >&2; exit 2; }
	$(PYTHON) -m venv --clear .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip sync --quiet --python $(BIN)/python requirements.lock
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(STUDIES:%=reproduce-%): reproduce-%: $(READY)
	@$(call STUDY,reproduce,$*)

$(STUDIES:%=report-%): report-%: $(READY)
	@$(call STUDY,report,$*)

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lit_faces

bench: $(READY)
	$(BIN)/python -m benchmarks

lock: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --extra dev --upgrade pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
