# shellcheck shell=sh
# `demo`: the shipped digits model answers over HTTP. Needs the C build and curl, nothing else.

DIGITS=examples/digits

cmd_demo() {
    keep=""
    case ${1:-} in
    --keep) keep=1 ;;
    "") ;;
    *) die "demo: expected --keep or nothing, found '$1'" ;;
    esac
    need_packages $PACKAGES_DEMO
    say "Building serval"
    build_program

    say "Starting the server"
    demo_start
    demo_one
    demo_all
    if [ -n "$keep" ]; then
        demo_keep
    else
        demo_stop
    fi
}

# The first port from 8080 on where nobody listens.
demo_port() {
    port=${PORT:-8080}
    while curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/"; do
        port=$((port + 1))
    done
    echo "$port"
}

demo_start() {
    PORT=$(demo_port)
    URL=http://127.0.0.1:$PORT
    DEMO_LOG=$CACHE/log/demo-server.log
    mkdir -p "$CACHE/log"
    note "\$ serval serve digits=$DIGITS/model.onnx --listen 127.0.0.1:$PORT"
    (
        trap '' HUP # --keep outlives the terminal
        exec "$SERVAL_BIN" serve "digits=$DIGITS/model.onnx" --listen "127.0.0.1:$PORT"
    ) >"$DEMO_LOG" 2>&1 </dev/null &
    SERVER=$!
    trap 'kill "$SERVER" 2>/dev/null' EXIT
    trap 'exit 130' INT TERM

    tries=0
    until curl -s -f -o /dev/null --max-time 2 "$URL/readyz"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ] || ! kill -0 "$SERVER" 2>/dev/null; then
            cat "$DEMO_LOG" >&2
            die "the server did not become ready (its output is above)"
        fi
        sleep 0.1
    done
    note "ready at $URL"
}

# demo_ask FILE: the answer to one request. An error's body is shown too.
demo_ask() {
    curl -s -S --fail-with-body --max-time 60 -d "@$1" "$URL/v1/models/digits:predict"
}

# The classes of largest value, one a line, of a row-format answer on standard input.
demo_classes() {
    sed 's/.*"predictions"//' | tr -c '0-9.eE+-' '\n' | awk '
        NF == 0 { next }
        n % 10 == 0 { best = $1 + 0; class = 0 }
        n % 10 > 0 && $1 + 0 > best { best = $1 + 0; class = n % 10 }
        ++n % 10 == 0 { print class }'
}

# The picture of a request, as characters.
demo_picture() {
    sed 's/.*"instances"//' "$1" | tr -c '0-9.' '\n' | awk '
        NF == 0 { next }
        { line = line substr(" .:-=+*#%@", int($1 * 9) + 1, 1) " " }
        ++n % 8 == 0 { print "      " line; line = "" }'
}

demo_one() {
    say "One picture"
    demo_picture "$DIGITS/request-one.json"
    note "\$ curl -d @$DIGITS/request-one.json $URL/v1/models/digits:predict"
    code=0
    answer=$(demo_ask "$DIGITS/request-one.json") || code=$?
    printf '%s\n' "$answer"
    predicted=$(printf '%s\n' "$answer" | demo_classes)
    { [ "$code" -eq 0 ] && [ -n "$predicted" ]; } ||
        die "the request failed, or its answer holds no prediction (see above)"
    note "prediction: $predicted    true label: $(head -n 1 "$DIGITS/test-labels.txt")"
}

demo_all() {
    say "All held-out pictures, in one request"
    classes=$CACHE/log/demo-classes.txt
    demo_ask "$DIGITS/test-images.json" | demo_classes >"$classes"
    paste "$classes" "$DIGITS/test-labels.txt" "$DIGITS/expected-onnxruntime.txt" | awk '
        { right += $1 == $2; same += $1 == $3; n++ }
        END {
            printf "   accuracy: %d of %d right (%.2f %%)\n", right, n, 100 * right / n
            printf "   the same class as onnxruntime: %d of %d\n", same, n
            exit n == 0 || same != n
        }' || die "the answers differ from onnxruntime's ($classes, $DIGITS/expected-onnxruntime.txt)"
}

demo_stop() {
    say "Stopping the server"
    kill -TERM "$SERVER"
    code=0
    wait "$SERVER" || code=$?
    trap - EXIT
    [ "$code" -eq 0 ] || {
        cat "$DEMO_LOG" >&2
        die "the server ended with exit code $code (its output is above)"
    }
    note "SIGTERM, exit code 0"
}

demo_keep() {
    trap - EXIT
    say "The server is running"
    note "address:  $URL"
    note "ask it:   curl -d @$DIGITS/request-one.json $URL/v1/models/digits:predict"
    note "stop it:  kill $SERVER"
}
