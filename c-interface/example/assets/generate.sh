#!/bin/sh
# Makes the files that the example program holds: a small model with an
# acceptance threshold, a gallery of five training images of each digit, and the
# first twelve test images. The answers that the program expects follow from them:
#   UPDATE_EXPECT=1 cargo test -p lookalike-c --test answers
set -eu
cd "$(dirname "$0")/../../.."
assets=c-interface/example/assets
trainer() { cargo run --quiet --release -p lookalike-trainer -- "$@"; }

trainer train --loss triplet --widths 8,8,16 --epochs 10 --exclude-classes 8,9 --seed 0 \
    --restart --out $assets/digits.model
trainer calibrate $assets/digits.model --false-accept-rate 0.05 --impostor-classes 8,9
trainer gallery $assets/digits.model --per-class 5 --out $assets/digits.gallery
# An IDX file of images starts with 16 bytes of header.
gzip -dc trainer/data/mnist/t10k-images-idx3-ubyte.gz |
    tail -c +17 | head -c $((12 * 28 * 28)) >$assets/digits.images
