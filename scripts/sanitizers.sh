#!/bin/sh
# Runs what has unsafe code, or is called from C, under what finds undefined
# behaviour, and the core where an address has 32 bits:
#
# - the C interface's tests with AddressSanitizer;
# - its example program with AddressSanitizer and UndefinedBehaviorSanitizer;
# - a few of its tests in Miri, where a nightly toolchain has it or can get it;
# - the core's tests for i686, where rustup has or can fetch that target.
#
# On this machine the core has no unsafe code: the compiler forbids it but in
# the module for Arm's instructions, which scripts/firmware.sh runs.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
out=$PWD/target/sanitizers
host=$(rustc -vV | sed -n 's/^host: //p')
example=c-interface/example

apt_install gcc libc6-dev

say "the C interface's tests with AddressSanitizer"
# RUSTC_BOOTSTRAP lets a stable compiler take -Zsanitizer.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --locked --quiet -p lookalike-c \
    --lib --test interface --test quantized --target "$host" --target-dir "$out/address"

say "the C interface's example with AddressSanitizer and UndefinedBehaviorSanitizer"
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo build --locked --quiet -p lookalike-c \
    --target "$host" --target-dir "$out/address"
# shellcheck disable=SC2086 # a list of arguments
cc -g -O1 -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
    -I c-interface/include -Wa,-I,"$example/assets" "$example/main.c" "$example/assets.S" \
    "$out/address/$host/debug/liblookalike_c.a" -lpthread -ldl -lm -o "$out/example"
"$out/example" >"$out/transcript.txt"
diff -u "$example/transcript.txt" "$out/transcript.txt"

# miri: whether a nightly toolchain has it, or can get it.
has_miri() {
    command -v rustup >/dev/null || return 1
    rustup component add --toolchain nightly miri rust-src >/dev/null 2>&1
}
if has_miri; then
    say "the C interface's checks of pointers and handles in Miri"
    cargo +nightly miri test --locked --quiet -p lookalike-c --lib --target-dir "$out/miri"
    # Not what embeds many images: that takes Miri minutes.
    cargo +nightly miri test --locked --quiet \
        -p lookalike-c --test interface --target-dir "$out/miri" -- \
        handles_that null_pointers misaligned
else
    say "no Miri: it needs a nightly toolchain and rustup's components miri and rust-src"
fi

if rustup_has i686-unknown-linux-gnu; then
    say "the core's tests with addresses of 32 bits"
    apt_install gcc-multilib
    cargo test --locked --quiet -p lookalike --features store --target i686-unknown-linux-gnu \
        --target-dir "$out/width-32" --tests
else
    say "no i686 target: the core is tested with 32 bits by scripts/firmware.sh only"
fi
say "passed"
