# shellcheck shell=sh
# Comparisons and measurements, each a script of its own: `conformance`, `compare`, `bench`.

# measure SCRIPT REQUIREMENTS [ARGUMENTS]: builds the program and runs the script with the
# environment's Python, in which the packages of REQUIREMENTS are.
measure() {
    script=$1
    requirements=$2
    shift 2
    [ -f "$script" ] || die "$script is not here"
    say "Building serval"
    build_program
    make_target release serval_shared serval_images
    need_python "$requirements"
    SERVAL_SOURCE_DIR=$ROOT
    SERVAL_PYTHON=$PYTHON
    export SERVAL_SOURCE_DIR SERVAL_PYTHON
    "$PYTHON" "$script" "$@"
}

# Every case by the program, under qemu. The cases are read with the library of this machine.
conformance_arm64() {
    configure_lean arm64
    say "Building serval for arm64"
    make_target arm64 serval serval_images
    say "Building serval"
    build_program
    make_target release serval_shared
    need_python tools/requirements.txt
    SERVAL_BIN=$ROOT/build/arm64/serval-emulated SERVAL_LIB_DIR=$ROOT/build/release \
        "$PYTHON" tools/conformance.py --program "$@"
}

# With --asan, the library with the sanitizers runs the cases: any report ends it.
cmd_conformance() {
    case ${1:-} in
    --asan) shift ;;
    --arm64)
        shift
        conformance_arm64 "$@"
        return
        ;;
    *)
        measure tools/conformance.py tools/requirements.txt "$@"
        return
        ;;
    esac
    need_packages $PACKAGES_BUILD
    configure asan
    say "Building libserval with AddressSanitizer and UndefinedBehaviorSanitizer"
    make_target asan serval_shared serval_images serval
    need_python tools/requirements.txt
    # Leaks are looked for by the tests; here the interpreter's own would be reported. Packages that
    # throw C++ exceptions need their library before the sanitizers look for it.
    SERVAL_LIB_DIR=build/asan \
        LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so.6)" \
        ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 \
        "$PYTHON" tools/conformance.py "$@"
}

cmd_compare() {
    if [ "${1:-}" = --microsoft ]; then
        shift
        measure tools/compare_microsoft.py tools/requirements-compare.txt --files "$@"
        return
    fi
    if [ "${1:-}" = --ml ]; then
        shift
        measure tools/compare_ml.py tools/requirements-compare-ml.txt "$@"
        return
    fi
    measure tools/compare.py tools/requirements-compare.txt "$@"
}

# need_clients_of NAME: an environment of its own for clients that clash with others, complete in
# tools/requirements-clients-NAME.txt.
need_clients_of() {
    make_venv "$CACHE/venv-$1"
    (
        export PIP_NO_DEPS=1
        fill_venv "$CACHE/venv-$1" "tools/requirements-clients-$1.txt"
    )
}

cmd_clients() {
    need_packages $PACKAGES_BUILD curl
    say "Building serval"
    build_program
    make_target release serval_images
    need_clients
    fill_venv "$VENV_CLIENTS" tools/requirements-clients-http.txt tools/requirements-clients.txt
    SERVAL_SOURCE_DIR=$ROOT
    SERVAL_BIN=$ROOT/build/release/serval
    export SERVAL_SOURCE_DIR SERVAL_BIN
    FAILED=""
    for test in tests/clients/test_*"${1:-}"*.py; do
        say "$test"
        case $test in
        *test_tensorflow*) need_clients_of tensorflow ;;
        *test_perf_analyzer*)
            need_packages libb64-0d
            need_clients_of perf
            ;;
        esac
        step "$test" "$VENV_CLIENTS/bin/python3" "$test"
    done
    finish_steps
}

bench_serving() {
    need_packages $PACKAGES_BUILD $PACKAGES_BENCH_SERVING
    say "Building serval"
    build_program
    need_packages python3 python3-venv ca-certificates
    make_venv "$VENV_SERVING"
    fill_venv "$VENV_SERVING" tools/requirements-bench-serving.txt
    "$VENV_SERVING/bin/python3" bench/serving/throughput.py "$@"
}

# Engines by default; --serve: the digits service against one in Python; --serving: the server
# against other servers, every protocol; --trees: ensembles; --load: loading large models;
# --sessions: two callers in one process; --compilers: gcc's build against clang's.
cmd_bench() {
    case "${1:-}" in
    --serve)
        shift
        need_packages $PACKAGES_BENCH curl
        measure bench/serve_digits.py tools/requirements-compare.txt "$@"
        ;;
    --serving)
        shift
        bench_serving "$@"
        ;;
    --load)
        shift
        measure bench/load.py tools/requirements-bench.txt "$@"
        ;;
    --sessions)
        shift
        measure bench/two_sessions.py tools/requirements-bench.txt "$@"
        ;;
    --compilers)
        shift
        configure_lean clang-release
        make_target clang-release serval
        measure bench/two_builds.py tools/requirements-bench.txt "$@"
        ;;
    --trees)
        shift
        measure bench/trees.py tools/requirements-compare-ml.txt "$@"
        ;;
    *)
        measure bench/engines.py tools/requirements-bench.txt "$@"
        ;;
    esac
}
