#!/bin/sh
# Makes firmware-example/assets/ anew: two models that never saw the digit 9, and
# the larger of them in 8-bit integers; for each a gallery without the digit,
# test images and the desktop's answers. Also small models with random
# parameters, with a self-test each.
set -eu
cd "$(dirname "$0")/.."
assets=firmware-example/assets

make_assets() { # NAME WIDTHS
    directory="$assets/$1"
    mkdir -p "$directory"
    cargo run --release --bin trainer -- train --loss triplet --exclude-classes 9 \
        --widths "$2" --epochs 5 --seed 0 --restart --out "$directory/model"
    rm -f "$directory"/model.*
    calibrate "$directory/model"
    cargo run --release -p lookalike-tests --example firmware_assets -- "$directory/model" 9
}

calibrate() { # MODEL
    # The gallery has 22 items of each digit but 9.
    cargo run --release --bin trainer -- calibrate "$1" --false-accept-rate 0.1 \
        --enrol-classes 0,1,2,3,4,5,6,7,8 --impostor-classes 9 --shots 22
}

make_quantized() { # NAME SOURCE
    directory="$assets/$1"
    mkdir -p "$directory"
    for packing in compact fast; do
        cargo run --release --bin trainer -- quantize "$assets/$2/model" \
            --packing $packing --out "$directory/$packing.model"
        calibrate "$directory/$packing.model"
    done
    cargo run --release -p lookalike-tests --example firmware_assets -- "$directory/fast.model" 9
}

make_assets reference 32,32,64
make_assets small 8,8,16
make_quantized int8 reference

mkdir -p "$assets/family"
cargo run --release -p lookalike-tests --example firmware_assets -- family "$assets/family"
