# make demo    the simulated robot under the policy, over real ROS 2 topics
# make test    all tests
# make setup   what both do first
# make bench   timings of the model, the nodes and the running system
# make clean   remove what was set up and built
# A second run of either reuses what the first one set up in .venv.

PYTHON ?= python3
VENV := .venv
# Where pip looks for torch. On a machine without an NVIDIA GPU the CPU build saves gigabytes:
# take the address that PyTorch's "get started" page gives for Linux, pip and CPU.
TORCH_INDEX_URL ?=
# The demo's options, see `cosmos-policy demo --help`.
POLICY ?= cosmos
SEED ?= 3
DURATION ?= 20

PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
PACKAGES_READY := $(VENV)/.packages_ready
MESSAGES_READY := $(VENV)/.messages_ready
STAND_IN := cosmos_policy_ros/simulation/assets/interbotix_xs_msgs
INTERFACES := $(wildcard msg/*.msg srv/*.srv action/*.action $(STAND_IN)/msg/*.msg $(STAND_IN)/srv/*.srv)

# They have the machine to themselves; the others share its cores.
REAL_TIME_TESTS := test/nodes test/test_system.py

# Tests and demo never leave this machine.
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help setup demo test bench clean

help:
	@sed -n 's/^# make/make/p' Makefile

setup: $(MESSAGES_READY)

demo: setup
	$(VENV)/bin/cosmos-policy demo --policy $(POLICY) --seed $(SEED) --duration-s $(DURATION)

test: setup
	$(VENV)/bin/python -m flake8 cosmos_policy_ros launch test setup.py
	$(VENV)/bin/python -m pytest $(REAL_TIME_TESTS)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile \
	  $(addprefix --ignore=,$(REAL_TIME_TESTS)) test

bench: setup
	$(VENV)/bin/cosmos-policy bench

clean:
	rm -rf $(VENV) build log *.egg-info

$(PACKAGES_READY): requirements/*.txt setup.py
	@scripts/check_system.sh $(PYTHON)
	@echo 'setting up $(VENV): Python packages'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) 'setuptools<80'
	@$(PIP) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) $$(grep '^torch==' requirements/python.txt)
	@$(PIP) -r requirements/python.txt -r requirements/ros.txt -r requirements/ros_build.txt \
	  -r requirements/test.txt
	@$(PIP) --no-deps -r requirements/no_dependencies.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(MESSAGES_READY): $(PACKAGES_READY) $(INTERFACES) CMakeLists.txt package.xml scripts/build_ros.sh
	@echo 'setting up $(VENV): ROS messages'
	@scripts/build_ros.sh $(VENV) > $(VENV)/build_ros.log 2>&1 || { cat $(VENV)/build_ros.log; exit 1; }
	@touch $@
