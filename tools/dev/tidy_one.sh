# One file through clang-tidy, unless its stamp says that nothing changed since it passed.
# Usage: sh tidy_one.sh FILE; $newest is the newest header, $CACHE the folder of the stamps.
file=$1
stamp=$CACHE/tidy/$(printf '%s' "$file" | tr '/' '_')
if [ -f "$stamp" ] && [ "$stamp" -nt "$file" ] && [ "$stamp" -nt "$newest" ]; then
    exit 0
fi
if found=$(clang-tidy -p build/clang-release --quiet --warnings-as-errors='*' "$file" 2>/dev/null); then
    : >"$stamp"
else
    printf '%s\n' "$found"
    exit 1
fi
