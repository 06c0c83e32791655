# The first Python that is recent enough; another one: make setup PYTHON=/path/to/python3
PYTHON ?= $(firstword $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python; done) python3)
VENV := .venv
PY := $(VENV)/bin/python
# The build of TensorFlow: make setup TENSORFLOW=cpu or TENSORFLOW=gpu. Without it an environment keeps the one that it
# has, and a new one gets that for GPUs only where there is a GPU.
TENSORFLOW ?=
BUILT = $(wildcard $(VENV)/lib/python*/site-packages/$(patsubst gpu,tensorflow,$(patsubst cpu,tensorflow_cpu,$(TENSORFLOW)))-[0-9]*.dist-info)
READY := $(VENV)/.ready
# What the environment was made from: a checkout of another commit touches files that say the same.
PINNED := cat requirements.lock tensorflow-cpu.lock setup.py jvm/textclf/*.java | cksum
# Spark otherwise looks the machine's name up, which fails or is slow on many laptops and containers.
export SPARK_LOCAL_IP ?= 127.0.0.1

.DEFAULT_GOAL := help
.PHONY: help setup environment demo tutorial test soak airflow docs lint bench lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Make the environment in .venv; does nothing where it is up to date
	@{ test -z "$(TENSORFLOW)" || test -n "$(BUILT)"; } && { { test -e $(READY) && \
		test -z "$$(find requirements.lock tensorflow-cpu.lock setup.py jvm -newer $(READY) -print -quit)"; } || \
		test "$$($(PINNED))" = "$$(cat $(READY) 2>/dev/null)"; } || $(MAKE) --no-print-directory environment

demo: setup  ## From raw files to a scored table and a SQL query on it: a minute or two, and more for the first set-up
	@$(PY) -m textclf.examples.demo

tutorial: setup  ## Measure the tutorial on the data in TEXTCLF_DATA and write docs/tutorial.md, in about half an hour
	@$(PY) -m benchmarks.tutorial

test: setup  ## Run the tests (TEXTCLF_DATA=folder adds those on real data sets)
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

soak: setup  ## Run the DAG and the long tests, a million records, 2,000 files and 200 odd tables, kill a backfill twice, and 400 faults against scoring, 300 on S3 and 200 on HDFS; takes hours (ARGS="--faults 20" for fewer)
	@$(MAKE) --no-print-directory airflow ARGS=  # first: what needs a network fails at once, not after hours
	@$(PY) -m pytest -m long
	@$(PY) -m tests.soak.readers  # this and the next are taken up where they were stopped
	@$(PY) -m tests.soak.tables
	@$(PY) -m tests.soak.backfill
	@$(PY) -m tests.soak.campaign $(ARGS)
	@$(PY) -m tests.soak.storage_campaign s3 $(ARGS)
	@$(PY) -m tests.soak.storage_campaign hdfs $(ARGS)

# Airflow pins what it needs in its own environment; the newest releases of both are what the DAG was last run with.
AIRFLOW := build/airflow
airflow: setup  ## Run the DAG in a real Airflow, in an environment of its own; takes some minutes
	@test -x $(AIRFLOW)/bin/airflow || { $(PYTHON) -m venv $(AIRFLOW) && \
		$(AIRFLOW)/bin/python -m pip install --quiet apache-airflow==3.3.2 apache-airflow-providers-apache-spark==6.3.4; }
	@TEXTCLF_AIRFLOW=$(CURDIR)/$(AIRFLOW)/bin/python $(PY) -m pytest tests/schedulers/test_airflow.py $(ARGS)

docs: setup  ## Build the documentation site in build/site; a warning ends it
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict  # the notice is about other versions than the pinned one

lint: setup  ## Check style, the order of the rooms, the rules of the house, types, and what the reference documents
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m tests.house_rules
	@$(PY) -m mypy && $(PY) -m tests.docs.public_docstrings

bench: setup  ## Run every benchmark
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(PY) "$$script"; done

COMPILE = $(firstword $(wildcard $(VENV)/bin/uv) uv) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url
lock:  ## Compile requirements.lock and tensorflow-cpu.lock from setup.py
	@test -x $(VENV)/bin/uv || command -v uv >/dev/null || { echo "make lock needs uv: make setup, or pip install uv" >&2; exit 1; }
	@$(COMPILE) setup.py --extra jax --extra glove --extra mlflow --extra notebooks --extra bench --extra docs \
		--extra dev -o requirements.lock
	@# The same release, and what it needs is what the other build needs: nothing else is in this file.
	@sed -n 's/^tensorflow\(==[^ ]*\).*/tensorflow-cpu\1/p' requirements.lock | $(COMPILE) - --no-deps -o tensorflow-cpu.lock

clean:  ## Remove what was built; the environment stays, and so does warehouse/, where models and results are
	@rm -rf build dist spark-warehouse metastore_db derby.log .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find textclf jobs tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "textclf needs Python 3.11 to 3.13: sudo apt-get install python3.11 python3.11-venv (or PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: sudo apt-get install python3-venv" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@# Java, where there is none, is fetched beside the packages, and what fails with it is said by the next step.
	@$(PY) -m textclf.spark.launch.provision --java & \
		$(PY) -m textclf.spark.launch.python_packages $(TENSORFLOW) --editable; failed=$$?; wait; exit $$failed
	@# Jars come over the network while all cores compile Python files.
	@$(PY) -m textclf.spark.launch.bytecode & $(PY) -m tests.cluster_jars & jars=$$!; \
		$(PY) -m textclf.spark.launch.provision; failed=$$?; wait $$jars || failed=$$?; wait; exit $$failed
	@$(PINNED) > $(READY)
