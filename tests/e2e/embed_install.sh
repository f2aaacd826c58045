#!/bin/sh
# Installs libserval into an empty prefix and builds examples/embed/ against it the three ways that
# a user would: pkg-config and shared, pkg-config and static, the CMake package. Each program runs on
# the shipped model. Also holds the shared library to its headers: it exports what they declare, all
# of it and nothing else.
# ctest: timeout=120
set -eu

embed=$SERVAL_SOURCE_DIR/examples/embed
model=$SERVAL_SOURCE_DIR/examples/digits/model.onnx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -f "$embed/main.c" ] || { echo "embed_install: examples/embed/main.c is not written yet"; exit 0; }
prefix=$work/prefix

fail() {
    echo "embed_install: $*" >&2
    exit 1
}

cmake --install "$SERVAL_BINARY_DIR" --prefix "$prefix" >"$work/install.log" ||
    fail "cmake --install failed: $(cat "$work/install.log")"

# A sanitized library needs a sanitized program.
sanitize=""
case $SERVAL_SANITIZE in
address) sanitize="-fsanitize=address,undefined" ;;
?*) sanitize="-fsanitize=$SERVAL_SANITIZE" ;;
esac

libdir=$(dirname "$(find "$prefix" -name libserval.a)")
PKG_CONFIG_PATH=$libdir/pkgconfig
LD_LIBRARY_PATH=$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH

# check_program NAME: it runs on the shipped model and says something.
check_program() {
    "$work/$1" "$model" >"$work/$1.out" || fail "$1 ended with exit code $?"
    [ -s "$work/$1.out" ] || fail "$1 printed nothing"
    cmp -s "$work/$1.out" "$work/shared.out" || fail "$1 and the shared build answer differently"
}

# shellcheck disable=SC2046,SC2086  # lists of flags
{
    $SERVAL_CC -std=c11 -Wall -Wextra -Werror $sanitize "$embed/main.c" -o "$work/shared" \
        $(pkg-config --cflags --libs serval)
    check_program shared

    $SERVAL_CC -std=c11 -Wall -Wextra -Werror $sanitize "$embed/main.c" -o "$work/static" \
        $(pkg-config --cflags --libs --static serval | sed 's/-lserval/-l:libserval.a/')
    check_program static
}

cmake -S "$embed" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$SERVAL_CC" \
    -DCMAKE_C_FLAGS="$sanitize" >"$work/cmake.log" 2>&1 &&
    cmake --build "$work/cmake" >>"$work/cmake.log" 2>&1 || fail "$(cat "$work/cmake.log")"
built=$(find "$work/cmake" -maxdepth 1 -type f -perm -u+x)
cp "$built" "$work/package"
check_program package

# The makefile of the example uses pkg-config by itself.
cp -r "$embed" "$work/make"
make -C "$work/make" CC="$SERVAL_CC" CFLAGS="$sanitize" >"$work/make.log" 2>&1 ||
    fail "$(cat "$work/make.log")"

cat "$prefix"/include/serval/*.h |
    sed -n '/SV_API/,/;/p' | tr '\n' ' ' | sed 's/SV_API/\n/g' |
    sed -n 's/^[^(]*[ *]\(sv_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$work/declared"
nm -D --defined-only "$libdir/libserval.so" | awk '$2 == "T" && $3 ~ /^sv_/ { print $3 }' |
    sort -u >"$work/exported"
diff "$work/declared" "$work/exported" >"$work/symbols" ||
    fail "declared (<) and exported (>) functions differ: $(cat "$work/symbols")"
[ -s "$work/exported" ] || fail "libserval.so exports nothing"
echo "embed_install: $(wc -l <"$work/exported") functions exported; shared, static, CMake package, make"
