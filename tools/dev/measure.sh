# shellcheck shell=sh
# Comparisons and measurements, each a script of its own: `conformance`, `compare`, `bench`.

# measure SCRIPT [ARGUMENTS]: builds the program and runs the script with the environment's Python.
measure() {
    script=$1
    shift
    [ -f "$script" ] || die "$script is not here"
    say "Building serval"
    build_program
    make_target release serval_shared
    need_python tools/requirements-compare.txt
    SERVAL_SOURCE_DIR=$ROOT
    SERVAL_PYTHON=$PYTHON
    export SERVAL_SOURCE_DIR SERVAL_PYTHON
    "$PYTHON" "$script" "$@"
}

cmd_conformance() {
    measure tools/conformance.py "$@"
}

cmd_compare() {
    measure tools/compare.py "$@"
}

cmd_bench() {
    need_packages $PACKAGES_BENCH curl
    measure bench/serve.py "$@"
}
