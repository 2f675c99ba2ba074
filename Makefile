# The same words a person and CI use. Everything lives in .venv inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKSPACE := ros_ws/install/.built

# A sourced ROS 2 is used as it is; where there is none, it comes as wheels.
SPACE := $(subst ,, )
HAS_ROS := $(if $(ROS_DISTRO),$(shell $(PYTHON) -c 'import rclpy; print("yes")' 2>/dev/null))
ROS := $(if $(HAS_ROS),ros,ros-wheels)
NODES := $(subst $(SPACE),:,$(wildcard ros_ws/src/taskbelief_*))
IN_WORKSPACE := $(if $(HAS_ROS),. ros_ws/install/setup.sh &&)

.PHONY: setup demo test lint bench clean

setup: $(STAMP) $(WORKSPACE)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(if $(HAS_ROS),--system-site-packages) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[training,robot,$(ROS),cluster,warp,dev]'
	touch $@

# Python files of the nodes are linked, not copied: editing them needs no build.
$(WORKSPACE): $(STAMP) ros_ws/build_workspace.py $(wildcard \
		ros_ws/src/*/package.xml ros_ws/src/*/CMakeLists.txt ros_ws/src/*/setup.* \
		ros_ws/src/*/msg/*.msg ros_ws/src/*/srv/*.srv)
	$(BIN)/python ros_ws/build_workspace.py
	mkdir -p $(@D) && touch $@

# Tests in real time share nodes and go through them in order; all others come in any order.
# Two workers on two cores: a thread pool in each of them would only be in the way.
test: export OMP_NUM_THREADS := 1
test: $(WORKSPACE)
	$(IN_WORKSPACE) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not realtime'
	$(IN_WORKSPACE) $(BIN)/python -m pytest -m realtime -p no:randomly

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(NODES) $(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/taskbelief bench sim

# `make demo OPTIONS=--without-ros` runs it in one process.
demo: $(WORKSPACE)
	$(IN_WORKSPACE) $(BIN)/taskbelief demo $(OPTIONS)

clean:
	rm -rf $(VENV) ros_ws/build ros_ws/install ros_ws/log build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
