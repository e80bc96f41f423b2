#!/bin/sh
# Builds the core library for microcontrollers: an Arm core with an FPU, one
# without compare-and-swap, and a RISC-V core without floating point.
#
# Uses rustup's targets where rustup has or can fetch them, otherwise Debian's
# compiler, which builds Rust's core library from source.
set -eu

targets="thumbv7em-none-eabihf thumbv6m-none-eabi riscv32imc-unknown-none-elf"
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="$PWD/target/bare-metal"

rustup_has() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed | grep -qx "$1" && return 0
    echo "bare-metal: adding rustup's target $1"
    rustup target add "$1"
}

use_debian() {
    missing=""
    for package in rustc-web cargo-web rust-web-src; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    command -v apt-get >/dev/null || {
        echo "bare-metal: no rustup target and no apt-get: install rustup, then rustup target add $targets" >&2
        exit 1
    }
    echo "bare-metal: installing$missing with apt-get"
    [ "$(id -u)" -eq 0 ] && sudo="" || sudo=sudo
    $sudo apt-get update
    # shellcheck disable=SC2086 # a list of packages
    $sudo apt-get install -y --no-install-recommends $missing
}

for target in $targets; do
    if rustup_has "$target"; then
        echo "bare-metal: building for $target with rustup's compiler"
        cargo build --locked --package lookalike --release --target "$target"
    else
        use_debian
        echo "bare-metal: building for $target with Debian's compiler, core library included"
        # RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std.
        PATH="/usr/bin:$PATH" RUSTC_BOOTSTRAP=1 /usr/bin/cargo build -Zbuild-std=core \
            --locked --package lookalike --release --target "$target"
    fi
done
echo "bare-metal: the core builds for $targets"
