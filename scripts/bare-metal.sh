#!/bin/sh
# Builds the core library for microcontrollers: Arm cores with an FPU, one
# without compare-and-swap, and a RISC-V core without floating point.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
export CARGO_TARGET_DIR="$PWD/target/bare-metal"

targets="thumbv7em-none-eabihf thumbv8m.main-none-eabihf thumbv6m-none-eabi riscv32imc-unknown-none-elf"
for target in $targets; do
    say "building for $target"
    bare_cargo "$target" build --locked --package lookalike --release
done
say "the core builds for $targets"
