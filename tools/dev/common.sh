# shellcheck shell=sh
# Talking to the person at the terminal, and small things that every command needs.

JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}

# A heading of what happens now.
say() {
    if [ -t 1 ]; then printf '\033[1m== %s\033[0m\n' "$*"; else printf '== %s\n' "$*"; fi
}

note() {
    printf '   %s\n' "$*"
}

# die WHAT [WHAT TO DO]
die() {
    printf './dev: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '       %s\n' "$2" >&2
    exit 1
}

# quietly LOG COMMAND...: the output goes to the log and is shown only if the command fails.
quietly() {
    quiet_log=$1
    shift
    mkdir -p "${quiet_log%/*}"
    if ! "$@" >"$quiet_log" 2>&1 </dev/null; then
        cat "$quiet_log" >&2
        printf './dev: failed: %s\n' "$*" >&2
        return 1
    fi
}

# A number that changes when any of the files does.
fingerprint() {
    cat "$@" | cksum | tr ' ' '-'
}
