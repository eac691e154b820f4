# make demo: install, then segment the sample clip.      make test: install, then run all checks and tests.
# make docs: build the documentation in build/site.       make reliability: five minutes of broken inputs and signals.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
# make installs again if pyproject.toml or constraints.txt is newer than this file
STAMP = $(VENV)/.installed

# rclpy's wheels restart every Python of their environment, so that they get an environment of their own
ROS = ros-kilted-rclpy==9.1.2 ros-kilted-sensor-msgs==5.5.1 ros-kilted-rmw-fastrtps-cpp==9.3.3

.PHONY: demo machine compiled test test-commands test-runs test-campaign test-train test-export test-parts test-units
.PHONY: test-ros reliability lint docs install clean

demo: install compiled
	$(BIN)/streamseg run samples/tabletop -o demo --size 512 --save overlay,labels,objects,npz,coco,jsonl --overwrite
	@echo
	@echo "Look at  demo/overlay.mp4   the objects over the recording"
	@echo "and at   demo/objects/      one indexed PNG a frame; demo/labels/ the regions;  demo/run.json says what was run"

# Three processes at a time with one thread each: tests often wait for files and processes, so that two processes do not
# keep two cores busy. The longest groups come first, so that all three processes end at about the same time.
test: install compiled machine
	OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --jobs 3 --output-sync=target \
		test-commands test-runs test-train test-campaign test-units test-parts lint test-export

# If Python cannot write its bytecode cache, each command compiles our modules when it starts, which takes 0.3 s.
compiled: install
	$(BIN)/python -m compileall -q streamseg train export

# Failures may depend on the machine: the CPU, its vector units, and the precision that auto selects.
machine: install
	$(BIN)/streamseg doctor

# tests of docs/reliability.md
CAMPAIGN = tests/integration/test_mutations.py tests/integration/test_interruptions.py
COMMANDS = $(filter-out $(CAMPAIGN),$(wildcard tests/integration/test_[a-o]*.py))
PARTS = tests/unit/backbones tests/unit/sources tests/unit/sinks tests/unit/evaluation
# groups of tests, each in a process of its own
test-commands: install
	$(BIN)/pytest $(COMMANDS)

test-runs: install
	$(BIN)/pytest tests/integration $(patsubst %,--ignore=%,$(CAMPAIGN) $(COMMANDS))

test-campaign: install
	$(BIN)/pytest $(CAMPAIGN)

test-train: install
	$(BIN)/pytest tests/unit/train

test-export: install
	$(BIN)/pytest tests/unit/export

test-parts: install
	$(BIN)/pytest $(PARTS)

test-units: install
	$(BIN)/pytest tests/unit $(patsubst %,--ignore=%,tests/unit/train tests/unit/export $(PARTS))

# five minutes of the tests in docs/reliability.md with a seed of your choice: make reliability SEED=7
# `make test` runs a part of them, always with the same seed
SEED ?= 0
reliability: install
	$(BIN)/python tests/benchmarks/mutations.py --seed $(SEED) --count 300
	$(BIN)/python tests/benchmarks/interruptions.py --seed $(SEED) --signals 36 --kills 6 --disks 8

test-ros: install
	$(PYTHON) -m venv build/ros
	build/ros/bin/pip install --quiet $(ROS)
	$(BIN)/python -c "import site; print('import site; site.addsitedir(%r)' % site.getsitepackages()[0])" \
		> $$(build/ros/bin/python -c "import site; print(site.getsitepackages()[0])")/zz_streamseg.pth
	build/ros/bin/python -m pytest tests/unit/ros tests/integration/test_ros.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(DOCS) --site-dir build/site --quiet

# The first page is build/site/index.html. A broken link or an unknown name in the Python API is an error.
docs: install
	$(DOCS) --site-dir build/site

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	@touch $(STAMP)

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
