#!/bin/sh
# fuzz.sh SECONDS [TARGET...]: runs each target of fuzzing for so long, one
# after another, and prints executions, coverage and findings. Without a target
# all of them. What is found is left in target/fuzz/findings/TARGET; a copy in
# fuzz/corpus/TARGET keeps it fixed.
#
# Needs a C++ compiler for libFuzzer. RUSTC_BOOTSTRAP lets any Rust compiler,
# stable or nightly, take the options of instrumentation.
set -u
cd "$(dirname "$0")"

usage() {
    echo "usage: $0 SECONDS [TARGET...]" >&2
    exit 2
}

[ $# -ge 1 ] || usage
case $1 in *[!0-9]* | "") usage ;; esac
seconds=$1
shift
[ $# -gt 0 ] || set -- $(sed -nE 's/^    \("([a-z_]+)", [a-z_]+::run\),$/\1/p' fuzz/src/lib.rs)

host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/fuzz
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="$coverage --cfg fuzzing -Zsanitizer=address"
cargo build --locked --release --manifest-path fuzz/libfuzzer/Cargo.toml \
    --target "$host" --target-dir "$out/build" $(printf ' --bin %s' "$@") || exit 1

failed=0
for target in "$@"; do
    mkdir -p "$out/corpus/$target" "$out/findings/$target"
    # Of a sequence of operations each byte costs time.
    case $target in *_operations | c_calls) longest=512 ;; *) longest=16384 ;; esac
    started=$(date +%s)
    # With its own limits: a picture may take 512 MiB, and -timeout is far above
    # what any input takes on a machine that does other things too.
    ASAN_OPTIONS=detect_leaks=0 TMPDIR=$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}") \
        "$out/build/$host/release/$target" "$out/corpus/$target" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -max_len="$longest" -rss_limit_mb=4096 -timeout=60 \
        -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$out/findings/$target/" \
        >"$out/$target.log" 2>&1
    status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    covered=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$out/$target.log" | tail -1)
    if [ "$status" -eq 0 ]; then
        found="no findings"
    else
        found="FOUND: see $out/$target.log and $out/findings/$target"
        failed=1
    fi
    printf '%-20s %9s executions in %s s, %s edges, %s\n' \
        "$target" "${executions:-?}" "$(($(date +%s) - started))" "${covered:-?}" "$found" |
        tee -a "$out/figures.txt"
done
exit "$failed"
