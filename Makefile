# A short front to Meson. `make help` lists the targets.
PYTHON ?= /usr/bin/python3
ARGS ?=
MESON_CLANG = CC=clang meson setup

.PHONY: all run test test-long asan tsan asan-short tsan-short fuzz bench docs deb fmt tidy clean help programs

all: build/build.ninja ## everything: the programs, their tests and micro-benchmarks, in build/
	ninja -C build

programs: build/build.ninja ## build/tokamak-server, build/tokamak-bench, build/tokamak-check
	ninja -C build tokamak-server tokamak-bench tokamak-check

build/build.ninja:
	tools/install-deps.sh build
	meson setup build

run: programs ## start on port 6379 (ARGS="--port 7000 …")
	build/tokamak-server $(ARGS)

test: ## the quick whole: unit, model, fuzz corpora, integration, differential
	tools/install-deps.sh build test
	$(MAKE) all
	tools/run-tests.sh quick

test-long: ## the product of the axes: reactors, exec-mode, poller
	tools/install-deps.sh build test
	$(MAKE) all
	tools/run-tests.sh long

build-asan/build.ninja:
	meson setup build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lto=false

build-tsan/build.ninja:
	meson setup build-tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lto=false

asan: build-asan/build.ninja ## all suites under AddressSanitizer and UndefinedBehaviorSanitizer
	tools/install-deps.sh build test
	ninja -C build-asan
	tools/run-tests.sh sanitizer build-asan

tsan: build-tsan/build.ninja ## all suites under ThreadSanitizer
	tools/install-deps.sh build test
	ninja -C build-tsan
	tools/run-tests.sh sanitizer build-tsan

asan-short: build-asan/build.ninja
	ninja -C build-asan
	tools/run-tests.sh sanitizer-short build-asan

tsan-short: build-tsan/build.ninja
	ninja -C build-tsan
	tools/run-tests.sh sanitizer-short build-tsan

fuzz: ## every parser under libFuzzer (SECONDS=60 each)
	tools/install-deps.sh build test fuzz
	[ -e build-fuzz/build.ninja ] || $(MESON_CLANG) build-fuzz -Dfuzz=true -Dconsole=disabled -Db_lto=false \
	    -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized
	ninja -C build-fuzz
	tools/run-fuzz.sh build-fuzz $(or $(SECONDS),60)

bench: all ## beside redis-server, nginx and webdis; results into bench/RESULTS.md
	tools/install-deps.sh build test bench
	ninja -C build bench/micro/bench_pipeline
	$(PYTHON) bench/run.py $(ARGS)
	$(PYTHON) bench/aof.py
	$(PYTHON) bench/snapshot.py
	$(PYTHON) bench/client.py
	$(PYTHON) bench/stalls.py
	$(PYTHON) bench/web.py
	$(PYTHON) bench/metrics.py

docs: programs ## sample configuration, its reference, man pages, completion: from the tables
	tools/generate-docs.py build

deb: programs ## build/tokamak_VERSION_ARCH.deb
	tools/make-deb.sh build

fmt: ## clang-format over src and tests
	git ls-files 'src/*.c' 'src/*.h' 'tests/*.c' 'tests/*.h' | xargs clang-format -i

tidy: all ## clang-tidy over src
	git ls-files 'src/*.c' | xargs clang-tidy -p build --quiet

clean: ## removes build and all build-*
	rm -rf build build-*

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
