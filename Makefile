# Every target sets up what it needs. PYTHON names another interpreter: make test PYTHON=python3.12
PYTHON ?= python3
BIN = .venv/bin
DEVICE = .venv-device/bin
ORT ?= onnxruntime
JOBS ?= 2

.PHONY: demo test check typecheck-tensorrt device arm nano nightly faults bench clean

demo: .venv/ready
	$(BIN)/edgefs demo

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist worksteal

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# TensorRT can't run here; what calls it is checked against stubs of the real bindings, oldest and newest.
typecheck-tensorrt: .venv/ready
	$(BIN)/python tools/tensorrt_stubs.py

# The device's tests where only the base install is: make device ORT=onnxruntime==1.23.2
device: .venv-device/ready
	$(DEVICE)/pip install -q --upgrade "$(ORT)"
	$(DEVICE)/python -c "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'onnx', 'sklearn')))"
	$(DEVICE)/python -m pytest -m device tests/runtime tests/edgefs/cli tests/formats

# The base install on 64-bit Arm, emulated (as root, minutes): make arm BUNDLES="line-4.edgefs"
arm: .venv/ready
	PYTHON=$(abspath $(BIN))/python tools/arm/run.sh $(BUNDLES)

# Distil `nano` anew and put its weights into the package: minutes on a large GPU, hours on two cores; goes on when killed.
nano: .venv/ready
	$(BIN)/edgefs distill --rendered --teacher mobilenet_v2 --student nano --epochs $(or $(EPOCHS),20) \
		--pictures 20000 --views 7 --batch 256 -o nano-run
	$(BIN)/python tools/pack_nano.py nano-run

nightly: .venv/ready
	$(BIN)/python -m pytest
	$(BIN)/python tools/faults

# Power cuts, kills, flipped bits, full disks, strangers' files, a soak (Linux with cc, half an hour): make faults SEED=7
faults: .venv/ready
	$(BIN)/python tools/faults --seed $(or $(SEED),0)

bench: .venv/ready
	$(BIN)/python benchmarks/device.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/accuracy.py --only accuracy
	$(BIN)/pip install -q easyfsl
	$(BIN)/python benchmarks/fewshot.py --peer-episodes 20
	$(BIN)/python benchmarks/nano.py
	$(BIN)/python benchmarks/heads.py
	$(BIN)/python benchmarks/accuracy.py --only enrolment --classes scratches
	$(BIN)/python benchmarks/finetune.py
	$(BIN)/python benchmarks/digits.py
	$(BIN)/python benchmarks/omniglot.py --training-episodes 20000
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/realign.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/quantise_speed.py
	$(BIN)/python benchmarks/classifier_int8.py
	$(BIN)/pip install -q openvino
	$(BIN)/python benchmarks/other_runtimes.py

clean:
	rm -rf .venv .venv-device demo-out dist

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade pip
	@echo "Installing the workstation's packages: 6 GB on Linux, where PyTorch brings CUDA. It takes minutes and says nothing."
	$(BIN)/pip install -q -e ".[workstation,dev]"
	touch $@

.venv-device/ready: pyproject.toml
	$(PYTHON) -m venv .venv-device
	$(DEVICE)/pip install -q --upgrade pip
	$(DEVICE)/pip install -q -e ".[test]"
	touch $@
