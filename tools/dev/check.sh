# shellcheck shell=sh
# What must hold of the sources: `lint`, `docs`, `fuzz`, and `check`, which runs everything.

SOURCES="src include tests examples bench"

# The C files beneath those of the given folders that exist.
c_files() {
    for folder in "$@"; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]' | LC_ALL=C sort
    done
}

# step NAME COMMAND...: runs the command apart; a failure is noted, and the rest still runs.
FAILED=""
step() {
    name=$1
    shift
    begun=$(date +%s)
    if ("$@"); then
        note "$name: $(($(date +%s) - begun)) s"
    else
        FAILED="$FAILED, $name"
        printf './dev: %s: failed\n' "$name" >&2
    fi
}

finish_steps() {
    [ -z "$FAILED" ] || die "failed: ${FAILED#, }"
}

lint_format() {
    say "Formatting"
    # shellcheck disable=SC2086  # a list of names
    wrong=$(c_files $SOURCES | tr '\n' '\0' | xargs -0 -r clang-format --dry-run 2>&1 |
        sed -n 's/:[0-9]*:[0-9]*: warning: .*//p' | sort | uniq -c)
    [ -z "$wrong" ] || {
        printf '%s\n' "$wrong"
        die "places that are not formatted, by file, are above" "run: ./dev lint --fix"
    }
}

# Every header compiles alone; the public ones also as C++17.
lint_headers() {
    say "Headers alone"
    failed=0
    for header in $(c_files src include | grep '\.h$' | grep -v '_tmpl\.h$'); do
        gcc -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Isrc -Iinclude -x c "$header" \
            2>"$CACHE/log/header.log" || {
            cat "$CACHE/log/header.log" >&2
            failed=1
        }
    done
    for header in include/serval/*.h; do
        g++ -std=c++17 -fsyntax-only -Wall -Wextra -Werror -Iinclude -x c++ "$header" || failed=1
    done
    return $failed
}

# clang-tidy over what changed since it last passed: a stamp per file, void when any header or the
# configuration is newer.
lint_tidy() {
    say "clang-tidy"
    configure clang-release -DSERVAL_TESTS=ON
    newest=$(find src include tests .clang-tidy \( -name '*.h' -o -name '*.inc' \
        -o -name .clang-tidy \) -exec ls -t {} + | sed -n 1p)
    export newest
    mkdir -p "$CACHE/tidy"
    tidy_sources | tr '\n' '\0' | xargs -0 -r -n 1 -P "$JOBS" sh tools/dev/tidy_one.sh ||
        die "clang-tidy found something (see above)"
}

# Only files that the build compiles here: the rest (other architectures) have no flags.
tidy_sources() {
    sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/clang-release/compile_commands.json | sort -u
}

lint_shell() {
    say "Shell scripts"
    for script in dev tools/dev/*.sh; do
        sh -n "$script" || return 1
    done
    bash -n .ci/run
}

lint_includes() {
    say "Include table and sizes"
    python3 tools/check_includes.py || die "the include table or a size rule is broken (see above)"
}

cmd_lint() {
    FAILED="" # not what another check has said
    need_packages $PACKAGES_BUILD $PACKAGES_LINT $PACKAGES_CLANG g++ python3 libcmocka-dev
    case ${1:-} in
    "") ;;
    --fix) # shellcheck disable=SC2086  # a list of names
        c_files $SOURCES | tr '\n' '\0' | xargs -0 -r clang-format -i ;;
    *) die "lint: expected --fix or nothing, found '$1'" ;;
    esac
    mkdir -p "$CACHE/log"
    step "include table" lint_includes
    step "format" lint_format
    step "headers" lint_headers
    step "shell" lint_shell
    step "clang-tidy" lint_tidy
    finish_steps
}

# docs_print: one number for all that lies in docs/.
docs_print() {
    find docs -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 -r cksum | cksum
}

cmd_docs() {
    case ${1:-} in
    "" | --check) ;;
    *) die "docs: expected --check or nothing, found '$1'" ;;
    esac
    before=$(docs_print)
    build_program
    need_python
    sh tools/gen_docs.sh build/release/serval "$PYTHON" || die "tools/gen_docs.sh failed (see above)"
    if [ "${1:-}" = --check ] && [ "$before" != "$(docs_print)" ]; then
        git --no-pager diff --stat -- docs >&2 || true
        die "generated pages in docs/ were stale" "run ./dev docs and commit what it changes"
    fi
}

# fuzz_one TARGET SECONDS: new inputs go to .cache/fuzz, what breaks to .cache/fuzz-found.
fuzz_one() {
    name=${1##*/fuzz_}
    seeds=tests/fuzz/corpus/$name
    mkdir -p "$CACHE/fuzz/$name" "$CACHE/fuzz-found"
    set -- "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$CACHE/fuzz-found/$name-" "$CACHE/fuzz/$name"
    [ ! -d "$seeds" ] || set -- "$@" "$seeds"
    if "$@" >"$CACHE/log/fuzz-$name.log" 2>&1 </dev/null; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$CACHE/log/fuzz-$name.log")
        note "fuzz_$name: $runs runs, nothing found"
    else
        tail -n 40 "$CACHE/log/fuzz-$name.log" >&2
        die "fuzz_$name found something" "the input is in .cache/fuzz-found/$name-*"
    fi
}

cmd_fuzz() {
    seconds=${1:-60}
    case $seconds in
    "" | *[!0-9]*) die "fuzz: expected a number of seconds, found '$seconds'" ;;
    esac
    configure fuzz
    say "Building the fuzz targets"
    make_target fuzz
    mkdir -p "$CACHE/log"
    say "Fuzzing for $seconds seconds, all targets at once"
    running=""
    for target in build/fuzz/fuzz/fuzz_*; do
        [ -x "$target" ] || die "there are no fuzz targets yet"
        fuzz_one "$target" "$seconds" &
        running="$running $!"
    done
    found=0
    for pid in $running; do
        wait "$pid" || found=$((found + 1))
    done
    [ "$found" -eq 0 ] || die "$found fuzz targets found something (see above)"
}

# Clients that behave badly, in full size; the tests run the same in small.
cmd_abuse() {
    preset=release
    case ${1:-} in
    "") ;;
    --asan | --tsan) preset=${1#--} ;;
    *) die "abuse: expected --asan, --tsan or nothing, found '$1'" ;;
    esac
    say "Building $preset"
    configure "$preset"
    make_target "$preset" serval
    need_python
    say "Ten thousand connections, shapes and more, with $preset"
    sanitizer=""
    [ "$preset" = release ] || sanitizer=$preset
    SERVAL_ABUSE=full SERVAL_BIN=$ROOT/build/$preset/serval SERVAL_SOURCE_DIR=$ROOT \
        SERVAL_SANITIZE=$sanitizer "$PYTHON" tests/e2e/test_abuse.py ||
        die "some clients disturbed the others, or took too much memory (see above)"
}

# cpu_levels: those that this machine has, apart from its own highest, which the plain run tests.
cpu_levels() {
    echo baseline
    flags=$(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null || true)
    case " $flags " in *" avx2 "*) echo avx2 ;; esac
    case " $flags " in *" avx512vl "*) echo avx512 ;; esac
}

check_levels() {
    build_tests release
    for level in $(cpu_levels); do
        say "Tests at SERVAL_CPU=$level"
        SERVAL_CPU=$level run_tests release -L cpu
    done
}

# What differs on arm64 is tested at each of its levels, the rest once. CI leaves its baseline out,
# which is x86's compiled once more, and the tests of whole programs: both are slow under qemu.
check_arm64() {
    build_tests arm64
    say "arm64, under qemu"
    if [ -n "${CI:-}" ]; then
        SERVAL_TEST_LEAVE_OUT=baseline run_tests arm64 -LE e2e
        return
    fi
    run_tests arm64
    say "arm64, tests at SERVAL_CPU=baseline"
    SERVAL_CPU=baseline run_tests arm64 -L cpu
}

# Vector spills in the kernels, as every compiler makes them; or those of the presets named.
cmd_spills() {
    [ $# -gt 0 ] || set -- release clang-release arm64 clang-arm64
    need_packages binutils python3
    folders=""
    for preset in "$@"; do
        configure_lean "$preset"
        say "Building the kernels of $preset"
        make_target "$preset" sv_kernels
        folders="$folders build/$preset"
    done
    say "Looking for spills"
    # shellcheck disable=SC2086  # a list of names
    python3 tools/check_spills.py $folders || die "kernels spill registers (see above)"
}

check_clang() {
    say "clang"
    build_tests clang-release
    run_tests clang-release -L unit
}

check_asan() {
    say "AddressSanitizer and UndefinedBehaviorSanitizer"
    build_tests asan
    run_tests asan
}

check_tsan() {
    say "ThreadSanitizer"
    build_tests tsan
    run_tests tsan -L threads
}

CHECKS="test levels clang arm64 asan tsan spills lint docs"

# check_one NAME
check_one() {
    case $1 in
    test) step test cmd_test ;;
    levels) step levels check_levels ;;
    clang) step clang check_clang ;;
    arm64) step arm64 check_arm64 ;;
    spills) step spills cmd_spills ;;
    asan) step asan check_asan ;;
    tsan) step tsan check_tsan ;;
    lint) step lint cmd_lint ;;
    docs) step docs cmd_docs --check ;;
    *) die "check: expected some of $CHECKS, found '$1'" ;;
    esac
}

cmd_check() {
    # shellcheck disable=SC2086  # a list of names
    [ $# -gt 0 ] || set -- $CHECKS
    for name in "$@"; do
        check_one "$name"
    done
    finish_steps
    say "All of these hold: $*"
}
