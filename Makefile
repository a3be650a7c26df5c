# dockwall: what a developer runs. `make demo` and `make test`, as root, set up
# what they need. Without root the tests that need a kernel skip; in CI, and
# for root, they fail where they cannot run.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFLAGS_BUILD = -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
ENGINE ?= 20.10

# The version is stamped by hand, so that a checkout of another user, which git
# does not look into, builds as well.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
# Not every root shell has these.
export PATH := $(PATH):/usr/sbin:/sbin
ifeq ($(shell id -u),0)
export CI := 1
endif

.PHONY: all bench build deb rpm demo engines faults fuzz lint setup soak test clean

all: build

# Static binaries with the version in them.
build:
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o bin/ ./agent/cmd/agentd ./agent/cmd/agentctl

# Packages in dist/, the same bytes for the same commit.
deb rpm:
	VERSION=$(VERSION) packaging/build.sh $@

# A throwaway Docker host: who reaches what, before and after.
demo:
	@test/setup.sh demo
	@test/engines.sh $(ENGINE)
	@mkdir -p .cache
	@go build -o .cache/demo ./test/demo
	@.cache/demo -engine $(ENGINE)

# What dockwall costs, beside what the same costs without it: prints the tables
# and writes them into test/RESULTS.md. Takes some five minutes, and wants the
# machine for itself.
bench: setup
	@test/engines.sh $(ENGINE)
	@go test -count=1 -timeout 20m -v ./test/bench -run '^TestFigures$$' -args -full -results ../RESULTS.md

# The Debian packages that the tests need.
setup:
	@test/setup.sh

# Real Docker engines for the lab, below .cache; nothing is installed. The first
# is needed. Debian's newer suites move on: what cannot be had is not tested.
engines:
	@test/engines.sh 20.10
	@test/engines.sh 26.1 || echo "engines: 26.1 cannot be had; it is not tested"
	@test/engines.sh 28.5 || echo "engines: 28.5 cannot be had; it is not tested"

lint:
	@unformatted=$$(gofmt -l agent netinfo packaging rules test); \
	if [ -n "$$unformatted" ]; then echo "gofmt needed: $$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

# As root this is everything. Tests that make hosts and flood them get the
# machine for themselves, one package at a time.
uses = go list -f '{{.ImportPath}} {{.Imports}} {{.TestImports}} {{.XTestImports}}' ./...
test: setup engines lint
	@failed=0; \
	go test -count=1 -timeout 15m $$($(uses) | grep -v dockwall/test/ | cut -d' ' -f1) || failed=1; \
	go test -count=1 -timeout 75m -p 1 $$($(uses) | grep dockwall/test/ | cut -d' ' -f1) || failed=1; \
	exit $$failed

# Every fuzzer in turn; what one finds it leaves in its package's testdata/fuzz.
FUZZTIME ?= 10m
fuzz:
	@grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' agent netinfo packaging rules test | sort | \
	while IFS=: read -r file func; do \
		echo "== $$(dirname $$file) $${func#func }"; \
		go test ./$$(dirname $$file) -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x </dev/null || exit 1; \
	done

# Every fault as often as test/RESULTS-faults.md says, and that page with it.
faults: setup engines
	go test -count=1 -timeout 3h -v -run TestFaults ./test/fault -args -full -results $(CURDIR)/test/RESULTS-faults.md

# Everything changes at once, for as long as is asked.
SOAK ?= 10m
soak: setup engines
	go test -count=1 -timeout 0 -v -run TestSoak ./test/fault -args -soak $(SOAK)

clean:
	rm -rf bin dist .cache
