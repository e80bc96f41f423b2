#!/usr/bin/env python3
"""Ratios of the trainer's time to PyTorch's and others' for the same work.

    pip install torch numpy safetensors faiss-cpu pytorch-metric-learning onnxruntime onnx
    cargo build --release --bin trainer
    scripts/compare-pytorch.py [--pairs 5] [--threads 2] [--only epoch-triplet,search]

Runs the two sides in turn, as machines drift, and prints the median of each and
the median of the pairs' ratios: below 1, the trainer is faster. MNIST, the
model that PyTorch trained with a triplet loss.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
trainer = root / "target/release/trainer"
data = root / "trainer/data/mnist"
weights = root / "tests/fixtures/pytorch-triplet.safetensors"


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def ours(*arguments):
    return run(trainer, "bench", "--threads", options.threads, *arguments)


def theirs(command, *arguments):
    script = root / "scripts/pytorch_reference.py"
    return run(sys.executable, script, command, data, *arguments, "--threads", options.threads)


def epoch(loss):
    return lambda model: (
        ours("epoch", "--loss", loss)["epoch_seconds"][0],
        theirs("epoch", "--loss", loss)["epoch_seconds"][0],
    )


comparisons = {
    "epoch-cross-entropy": ("s, PyTorch", epoch("cross-entropy")),
    "epoch-triplet": ("s, PyTorch", epoch("triplet")),
    "evaluate-numpy": ("s, PyTorch + numpy", lambda model: (
        ours("evaluate", model)["seconds"], theirs("evaluate", weights)["seconds"])),
    "evaluate-metric-learning": ("s, pytorch-metric-learning", lambda model: (
        ours("evaluate", model)["seconds"], theirs("metric-learning", weights)["seconds"])),
    "search": ("s, FAISS IndexFlatIP", lambda model: (
        ours("search", model)["seconds"], theirs("search", weights)["seconds"])),
    "single": ("us, ONNX Runtime", lambda model: (
        ours("single", model)["median_microseconds"], theirs("single", weights)["median_microseconds"])),
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--pairs", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", default=",".join(comparisons))
options = parser.parse_args()

with tempfile.TemporaryDirectory() as directory:
    model = pathlib.Path(directory) / "reference.model"
    subprocess.run([trainer, "import", weights, "--out", model], check=True)
    print(f"{options.pairs} pairs, {options.threads} threads; medians [smallest, largest]")
    for name in options.only.split(","):
        unit, measure = comparisons[name]
        pairs = [measure(model) for _ in range(options.pairs)]
        ratios = sorted(a / b for a, b in pairs)
        ours_median, theirs_median = (statistics.median(side) for side in zip(*pairs))
        print(
            f"{name:26} {ours_median:9.3f} against {theirs_median:9.3f} {unit}: ratio "
            f"{statistics.median(ratios):.3f} [{ratios[0]:.3f}, {ratios[-1]:.3f}]",
            flush=True,
        )
