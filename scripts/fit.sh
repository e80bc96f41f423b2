#!/bin/sh
# What `trainer train --fit` promises, kept on emulators. A network is chosen for
# so much flash and RAM, learns synthetic photos in colour, is quantised, and
# must recognise most of the photos that it has not seen. Then the smallest
# program around it is built for a board that has no more memory than that, and
# must run. Flash and RAM are printed. One of the networks is also shown photos
# on the board.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
work="$PWD/target/fit"
firmware="$PWD/target/firmware"
rm -rf "$work"
mkdir -p "$work"

trainer() {
    cargo run --release --quiet --bin trainer -- "$@"
}

fail() {
    say "FAILED: $*" >&2
    exit 1
}

# The number behind a key of `--json`.
number() { # KEY FILE
    sed -nE "s/^ *\"$1\": ([0-9.]+),?\$/\1/p" "$2" | head -n 1
}

below() { # A B
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'
}

# Trains a network that fits, and deploys it.
train() { # FLASH RAM DEPLOYMENT
    say "training for $1 bytes of flash and $2 of RAM, deployed as $3"
    trainer train --loss triplet --data "$work/photos" --input 32x32x3 --epochs 12 \
        --fit "flash=$1,ram=$2,as=$3" --out "$work/f32.model"
    if [ "$3" = f32 ]; then
        cp "$work/f32.model" "$work/model"
    else
        trainer quantize "$work/f32.model" --data "$work/photos" --packing "$3" \
            --out "$work/model" >/dev/null
    fi
    trainer evaluate "$work/model" --data "$work/photos" --resamples 0 --json >"$work/figures"
    map=$(number mean_average_precision "$work/figures")
    say "mean average precision of photos that it has not seen: $map"
    below 0.9 "$map" || fail "it has not learned the photos"
    trainer gallery "$work/model" --data "$work/photos" --per-class 2 --out "$work/gallery"
}

# Builds the program with just that much memory, and runs it. The gallery is not
# part of the promise: its flash comes on top.
run() { # TARGET BOARD FLASH RAM
    gallery=$(wc -c <"$work/gallery")
    # Both files begin at multiples of 16.
    flash=$(($3 + gallery + 16))
    (
        export LOOKALIKE_MODEL="$work/model" LOOKALIKE_GALLERY="$work/gallery"
        export LOOKALIKE_FLASH=$flash LOOKALIKE_RAM="$4" CARGO_TARGET_DIR="$firmware"
        use_compiler "$1"
        cd firmware-example
        bare_cargo "$1" build --release --locked --features "$2,own" --bin recogniser
    ) || fail "$2: it does not fit"
    elf="$firmware/$1/release/recogniser"
    (cd "$work" && emulate "$2" "$elf") >"$work/output" || fail "$2: exit status $?"
    taken=$(($(program_bytes "$elf") - gallery))
    ram=$(awk '/^(static|stack)/ { sum += $2 } END { print sum }' "$work/output")
    say "$2: $taken of $3 bytes of flash, $ram of $4 bytes of RAM"
    [ "$taken" -le "$3" ] || fail "$2: too much flash"
    # A stack that has reached the variables has overwritten them.
    [ "$ram" -lt "$4" ] || fail "$2: too much RAM"
}

apt_install qemu-system-arm qemu-system-misc binutils-arm-none-eabi
say "making photos"
cargo run --release --quiet -p lookalike-tests --example colour_photos -- "$work/photos"

# Flash decides, then RAM, then both; then the other deployments.
train 65536 12288 compact
run thumbv7em-none-eabihf mps2-an386 65536 12288
run thumbv6m-none-eabi microbit 65536 12288
run riscv32imc-unknown-none-elf virt 65536 12288
trainer pixels "$work/model" --data "$work/photos" --out "$work/images"
scripts/recognise.sh "$work/model" "$work/gallery" "$work/images" >"$work/transcript" ||
    fail "photos on mps2-an386: exit status $?"
recognised=$(sed -nE 's/^known classes: ([0-9]+) of ([0-9]+) .*/\1 \2/p' "$work/transcript")
say "mps2-an386: $(tail -n 4 "$work/transcript" | head -n 1)"
# shellcheck disable=SC2086 # two numbers
below 0.9 "$(echo $recognised | awk '{ print $1 / $2 }')" || fail "too few are recognised"
train 262144 5120 compact
run thumbv7em-none-eabihf mps2-an386 262144 5120
train 49152 4096 compact
run thumbv7em-none-eabihf mps2-an386 49152 4096
run thumbv6m-none-eabi microbit 49152 4096
train 204800 8192 fast
run thumbv7em-none-eabihf mps2-an386 204800 8192
run thumbv6m-none-eabi microbit 204800 8192
run riscv32imc-unknown-none-elf virt 204800 8192
train 98304 16384 f32
run thumbv7em-none-eabihf mps2-an386 98304 16384
run riscv32imc-unknown-none-elf virt 98304 16384
say "all promises kept"
