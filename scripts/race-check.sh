#!/bin/sh
# Looks for data races: the tests of training, evaluation and quantisation, with
# several threads, under ThreadSanitizer. Long: the standard library and all
# dependencies are compiled for it, and run some ten times slower.
#
# The sanitizer wants the standard library's source: rustup's component rust-src
# for the compiler of CI, or Debian's compiler with rust-web-src.
set -eu
cd "$(dirname "$0")/.."

. scripts/toolchain.sh

target=x86_64-unknown-linux-gnu
source="$(rustc --print sysroot)/lib/rustlib/src/rust/library/std"
if [ ! -e "$source" ] && command -v rustup >/dev/null; then
    say "adding rustup's component rust-src"
    rustup component add rust-src || true
fi
if [ ! -e "$source" ]; then
    say "using Debian's compiler"
    apt_install rustc-web cargo-web rust-web-src llvm
    export PATH="/usr/bin:$PATH"
fi

# A stable compiler takes -Z with RUSTC_BOOTSTRAP.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/race-check
export RUSTFLAGS="-Zsanitizer=thread" RUSTDOCFLAGS="-Zsanitizer=thread"
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1"
# More threads than processors, so that they are interrupted anywhere.
export RAYON_NUM_THREADS=4

# A check that finds no race where there is one would say nothing.
probe=target/race-check/probe
mkdir -p target/race-check
cat >"$probe.rs" <<'EOF'
static mut SHARED: u64 = 0;
fn add() {
    for _ in 0..1000 {
        unsafe { SHARED += 1 }
    }
}
fn main() {
    let other = std::thread::spawn(add);
    add();
    other.join().unwrap();
}
EOF
# The standard library as it comes is good enough for this.
rustc --edition 2024 --target "$target" $RUSTFLAGS -Cunsafe-allow-abi-mismatch=sanitizer \
    -o "$probe" "$probe.rs"
if "$probe" 2>"$probe.log" || ! grep -q "data race" "$probe.log"; then
    say "ThreadSanitizer does not find the race in $probe.rs"
    exit 1
fi

# Without Parquet, which is much to compile and starts no thread.
check() {
    cargo test -Zbuild-std --target "$target" -p lookalike-trainer --no-default-features "$@"
}

# A fault in any operation is hundreds of runs, and would find no race that one
# of them has not.
check --lib -- train:: retrieval:: nn:: loss:: quantize:: files::lock files::atomic \
    --skip a_fault_in_any_operation_of_a_run
check --test train -- no_option_makes an_interrupted_run
say "no data race was found"
