#!/bin/sh
# Makes firmware-example/assets/ anew: two models that never saw the digit 9,
# and for each a gallery without it, test images and the desktop's answers.
# Also small models with random parameters, with a self-test each.
set -eu
cd "$(dirname "$0")/.."
assets=firmware-example/assets

make_assets() { # NAME WIDTHS
    directory="$assets/$1"
    mkdir -p "$directory"
    cargo run --release --bin trainer -- train --loss triplet --exclude-classes 9 \
        --widths "$2" --epochs 5 --seed 0 --restart --out "$directory/model"
    rm -f "$directory"/model.*
    # The gallery has 22 items of each digit but 9.
    cargo run --release --bin trainer -- calibrate "$directory/model" --false-accept-rate 0.1 \
        --enrol-classes 0,1,2,3,4,5,6,7,8 --impostor-classes 9 --shots 22
    cargo run --release -p lookalike-tests --example firmware_assets -- "$directory" 9
}

make_assets reference 32,32,64
make_assets small 8,8,16

mkdir -p "$assets/family"
cargo run --release -p lookalike-tests --example firmware_assets -- family "$assets/family"
