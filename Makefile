# The commands of a day. What they do is written in scripts/; this file only names them.
.PHONY: help run test check bench bench-window soak fuzz wick cuda arm64 deb bindings icons clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: ## set up what is missing, build, open the window
	@scripts/run.sh

test: ## set up what is missing, then every check and test there is
	@scripts/setup.sh test
	@scripts/test.sh all

check: ## the fast part of `make test`: formatting, lints, types, UI tests
	@scripts/setup.sh build
	@scripts/test.sh fast

wick: ## build `wick` alone, for a terminal or a machine without a display
	@scripts/setup.sh terminal
	@scripts/cargo.sh build --release --locked -p wick-cli -p wick-engine
	@echo 'Built: target/release/wick run "Why is the sky blue?"'

cuda: ## build `wick-engine-cuda`, the worker for NVIDIA GPUs; needs no GPU and no toolkit
	@scripts/setup.sh terminal
	@scripts/cuda.sh

deb: ## target/deb/wick-studio_*.deb for Debian 12, Ubuntu 24.04 and newer; with the CUDA worker after `make cuda`
	@scripts/setup.sh run
	@scripts/deb.sh

arm64: ## build for aarch64 on x86-64 and run the tests under qemu, in .tools and target
	@scripts/setup.sh run
	@scripts/arm64.sh

MODEL ?= models/SmolLM2-135M-Instruct.Q4_1.gguf
bench: wick ## prefill, decode, load time and peak memory of MODEL=… (the starter model)
	@target/release/wick bench "$(MODEL)"

bench-window: ## start, idle cost, added time to first token and frames of the real window
	@scripts/setup.sh test
	@scripts/ui.sh page
	@scripts/cargo.sh build --release --locked --workspace --bins --benches --features wick-studio/custom-protocol
	@scripts/cargo.sh bench --locked --workspace --features wick-studio/custom-protocol --bench window

SESSIONS ?= 1000
soak: ## SESSIONS=… visitors at the kiosk, workers and pages killed meanwhile: all served, nothing left, no growth
	@scripts/setup.sh test
	@scripts/ui.sh page
	@scripts/cargo.sh build --release --locked --workspace --bins --benches --features wick-studio/custom-protocol
	@SESSIONS=$(SESSIONS) scripts/cargo.sh bench --locked --workspace --features wick-studio/custom-protocol --bench soak

TARGET ?= gguf
SECONDS ?= 60
fuzz: ## hostile input for the engine: TARGET=gguf|vocabulary|template|… for SECONDS=…
	@scripts/fuzz.sh "$(TARGET)" "$(SECONDS)"

bindings: ## write ui/src/lib/bindings.ts anew from the Rust types
	@scripts/setup.sh build
	@WICK_WRITE_BINDINGS=1 scripts/cargo.sh test --locked -p wick-studio --features wick-studio/custom-protocol bindings

icons: ## render icons/*.png from icons/wick.svg (needs rsvg-convert)
	@icons/render.sh

clean: ## remove all that was built; the starter model stays
	@rm -rf target ui/dist ui/node_modules .tools
