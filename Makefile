# `make demo` and `make test` are the two commands to know; `make help` lists the rest.

# What is built outlives the checkout: RocksDB's C++ takes minutes.
CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quell/target
export CARGO_TARGET_DIR
# rustup's own place, for a shell that was opened before Rust was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo up down test check simulate torture bench bench-gate profile
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  KAFKA_BOOTSTRAP=host:port makes demo and up use a broker that is already there."

demo: ## a story and a load on a real Kafka, in this terminal; leaves nothing running
	@dev/setup
	@dev/build
	@dev/demo

up: ## the same set-up, left running in the background; prints the addresses
	@dev/setup
	@dev/build
	@dev/up

down: ## end what `make up` started
	@dev/down

test: ## everything that CI runs: check, every test on a real Kafka that the tests start themselves, a minute of torture
	@dev/setup --checks
	@$(MAKE) --no-print-directory check
	cargo test --release --locked --workspace
	@if [ -x dev/test-examples ]; then echo dev/test-examples; dev/test-examples; fi
	@$(MAKE) --no-print-directory torture MINUTES=1 SEED=1

check: ## format, lints, docs, dependencies, shell scripts, alerts, dashboard and compose file
	@dev/setup --checks
	cargo fmt --all --check
	dev/check-shell
	dev/check-compose
	dev/check-dashboard
	dev/check-dependencies
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps

simulate: ## seeded runs of several engines over a simulated log; SEED=n RUNS=n
	@dev/setup
	cargo run --release --locked --package quell-simulator -- $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

torture: ## brokers, engines and network broken at random under load, then compared with the model; MINUTES=n SEED=n
	@dev/setup
	cargo build --release --locked --package quell --package quell-torture
	$(CARGO_TARGET_DIR)/release/quell-torture $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

bench: ## Quell beside Kafka Streams and the limit; QUICK=1 for rough figures; bench/README.md tells of AXIS=
	@dev/setup --bench
	@bench/kstreams/run --build
	cargo build --release --locked --package quell --package quell-bench --package quell-limit
ifeq ($(AXIS),parts)
	cargo bench --locked --package quell --package quell-bench --bench parts
else
	$(CARGO_TARGET_DIR)/release/quell-bench $(or $(AXIS),run) $(if $(QUICK),--quick)
endif

bench-gate: ## the gate beside a bare handler and Open Policy Agent; QUICK=1 for rough figures
	@dev/setup --bench-gate
	cargo build --release --locked --package quell --package quell-bench --package quell-constant
	@bench/gate $(if $(QUICK),--quick)

profile: ## a flame graph of the engine while it works off a backlog; needs perf (Linux)
	@dev/setup
	cargo build --release --locked --package quell --package quell-bench --package quell-limit
	bench/profile
