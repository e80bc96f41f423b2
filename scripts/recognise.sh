#!/bin/sh
# Builds firmware around a model and a gallery of one's own, and shows it photos
# on an emulated board:
#
#   scripts/recognise.sh MODEL GALLERY IMAGES [BOARD]
#
# IMAGES and IMAGES.labels are what `trainer pixels` writes. BOARD is mps2-an386
# (a Cortex-M4F, if left out), microbit (Cortex-M0) or virt (RISC-V). Installs
# what is missing: Rust's target, QEMU.
set -eu
if [ $# -lt 3 ]; then
    echo "usage: $0 MODEL GALLERY IMAGES [mps2-an386|microbit|virt]" >&2
    exit 2
fi
LOOKALIKE_MODEL=$(realpath "$1")
LOOKALIKE_GALLERY=$(realpath "$2")
LOOKALIKE_IMAGES=$(realpath "$3")
LOOKALIKE_LABELS="$LOOKALIKE_IMAGES.labels"
export LOOKALIKE_MODEL LOOKALIKE_GALLERY LOOKALIKE_IMAGES LOOKALIKE_LABELS
board=${4:-mps2-an386}
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
case $board in
mps2-an386) target=thumbv7em-none-eabihf ;;
microbit) target=thumbv6m-none-eabi ;;
virt) target=riscv32imc-unknown-none-elf ;;
*)
    say "no board $board: choose mps2-an386, microbit or virt" >&2
    exit 2
    ;;
esac
apt_install qemu-system-arm qemu-system-misc
export CARGO_TARGET_DIR="$PWD/target/firmware"
use_compiler "$target"
(cd firmware-example && bare_cargo "$target" build --release --locked --quiet \
    --features "$board,own" --bin photos)
emulate "$board" "$CARGO_TARGET_DIR/$target/release/photos"
