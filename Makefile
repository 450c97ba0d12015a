# The recipes of this project; CI runs `make check` and `make test` and nothing else. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CARGO ?= cargo
# Commands below build with the same features of dependencies (those of the tests), so that each is compiled once.
CARGO_DENY_VERSION := 0.20.2
TOOLS := .cache/tools
DENY := $(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION)
SCENARIO ?= healthy
# How binaries that leave this machine are linked: static with few relocations, which is 4 MiB less in memory and asks
# for no version of glibc. What runs stands side by side, which is 8 MiB less in memory; that needs names of functions that
# tell copies apart, and lld, which is what rustc links with on x86-64.
ORDER := benches/cluster/order
ifeq ($(shell uname -s),Linux)
LINK := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
LINKED := static
endif
ifeq ($(shell uname -sm),Linux x86_64)
NAMES := --config 'target.x86_64-unknown-linux-gnu.rustflags=["-Csymbol-mangling-version=v0"]'
LINK += -C linker=$(CURDIR)/$(ORDER)/linker
LINKED := static, ordered
endif
# Crates that the engine must not reach, however indirectly.
OUTSIDE := kube axum rmcp hyper clap figment sqlx reqwest

.PHONY: help
help: ## List the recipes
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Serve the recorded demo cluster at http://127.0.0.1:8080/mcp
	$(CARGO) run --release --locked -- demo

.PHONY: transcript
transcript: ## Print the transcript in README.md again
	UPDATE_README=1 $(CARGO) test --locked --quiet --test it readme::the_transcript
	UPDATE_README=1 tests/live/run --locked --quiet incident::transcript
	git diff --stat README.md

.PHONY: check
check: fmt clippy doc deny generated absences ## Everything that reads the code and runs none of it

.PHONY: fmt
fmt:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --test live --test clients --locked -- -D warnings
	$(CARGO) clippy --workspace --all-targets --locked --features aiops/conformance-fixtures -- -D warnings

.PHONY: doc
doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked --quiet

.PHONY: deny
deny: $(DENY)
	$(DENY) --log-level error check --hide-inclusion-graph bans licenses sources

.PHONY: audit
audit: $(DENY) ## Check the dependencies against the advisory database (needs to reach it)
	$(DENY) check advisories

$(DENY):
	$(CARGO) install cargo-deny --version $(CARGO_DENY_VERSION) --locked --debug --no-default-features \
		--root $(TOOLS) --target-dir $(TOOLS)/target --quiet
	rm -rf $(TOOLS)/target
	mv $(TOOLS)/bin/cargo-deny $(DENY)

.PHONY: generated
generated: ## The generated files are fresh
	$(CARGO) test --locked --quiet --test config the_schema

.PHONY: absences
absences:
	@for member in aiops-engine aiops-inventory; do for crate in $(OUTSIDE); do \
		if $(CARGO) tree --locked -p $$member -e normal -i $$crate >/dev/null 2>&1; then \
			echo "$$member reaches $$crate: put it behind a port instead"; exit 1; fi; done; done

.PHONY: test
test: test-rust test-live test-clients ## Everything, on real parts; fetches and builds them into .cache

.PHONY: test-rust
test-rust: ## What needs Rust only (the inner loop)
	$(CARGO) test --locked

.PHONY: test-live
test-live: ## On a real control plane (needs Go)
	tests/live/run --locked

.PHONY: proof
proof: proof-engine proof-live proof-kills ## All long counts, printed: 100,000 simulated schedules, the crash matrix, the control plane's

.PHONY: proof-engine
proof-engine: ## The engine against the model API server: every action x crash point x fault, random schedules, seeded defects
	$(CARGO) test --profile proof --locked -p aiops-engine --lib -- --nocapture --ignored --test-threads 1 --exact \
		testing::sim::whole::the_whole_proof \
		testing::sim::planning::an_order_whose_planning_could_not_read_anything_there_is_to_read_is_planned_again \
		testing::sim::member::tests::through_a_member_the_whole_matrix_of_requests \
		testing::sim::member::tests::through_a_member_three_hundred_plans_that_fail_are_undone

.PHONY: proof-live
proof-live: ## The control plane's long counts: 20 runs of each fault, 10,000 pods, 300 rollbacks, 500 changes, 500 evictions, bounds of guards
	AIOPS_PROOF=1 tests/live/run --locked -- --nocapture answers::
	AIOPS_PROOF=1 tests/live/run --locked -- --nocapture diagnosis:: outages::
	AIOPS_PROOF=1 RUST_TEST_THREADS=1 tests/live/run --locked -- --nocapture rollback:: corpus:: evictions:: alerts:: guards::

.PHONY: proof-kills
proof-kills: dist ## 200 SIGKILLs of the shipped binary, 60 takeovers between replicas, PostgreSQL stopped under 2,000 workflows
	AIOPS_PROOF=1 AIOPS_BINARY=$(CURDIR)/target/dist/aiops tests/live/run --locked -- --nocapture --include-ignored \
		--test-threads 1 kills:: store::load member::killed

.PHONY: test-clients
test-clients: ## Through other people's MCP clients (needs Python and npm)
	tests/clients/setup
	$(CARGO) test --locked --no-run --test clients --features conformance-fixtures
	mkdir -p .cache/bin && cp $${CARGO_TARGET_DIR:-target}/debug/aiops .cache/bin/aiops-fixtures
	$(CARGO) test --locked --test clients

.PHONY: cluster
cluster: ## Start a control plane with a scenario and print its KUBECONFIG (SCENARIO=bad-image)
	tests/controlplane/run $(SCENARIO)

.PHONY: bench
bench: dist ## What the shipped binary costs beside a minimal one, on 10,000 pods (QUICK=1, PODS=100000, PEER_MCP_URL=…); needs Go
	$(CARGO) run --release --locked --quiet --package aiops-bench -- --binary target/dist/aiops --linked "$(LINKED)" \
		$(if $(QUICK),--quick) $(if $(PODS),--pods $(PODS)) $(if $(PEER_MCP_URL),--peer $(PEER_MCP_URL))

.PHONY: order
order: ## Write down anew what functions run, for the linker (after many changes; needs Python, binutils and Go)
	$(CARGO) rustc $(NAMES) --profile dist --locked --bin aiops -- $(LINK) -C strip=none
	$(CARGO) build --release --locked --quiet --package aiops-bench
	$(ORDER)/make $${CARGO_TARGET_DIR:-target}
	touch src/main.rs # Cargo does not know that the linker reads the list.

.PHONY: bench-engine
bench-engine: dist ## How soon the coordination engine answers and how much it gets done (QUICK=1); needs Go
	$(CARGO) run --release --locked --quiet --package aiops-bench -- --engine --binary target/dist/aiops \
		$(if $(QUICK),--quick)

.PHONY: dist
dist: ## The binary as it is shipped
	$(CARGO) rustc $(NAMES) --profile dist --locked --bin aiops -- $(LINK)
	@ls -l $${CARGO_TARGET_DIR:-target}/dist/aiops
