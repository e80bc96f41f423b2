#!/usr/bin/env python3
"""The trainer's main work in PyTorch, FAISS, pytorch-metric-learning and ONNX Runtime.

    pip install torch numpy safetensors faiss-cpu pytorch-metric-learning onnxruntime onnx

    pytorch_reference.py epoch    DATA [--loss cross-entropy|triplet] [--batch-size 64] [--epochs 1]
    pytorch_reference.py evaluate DATA WEIGHTS.safetensors    load, embed, metrics in numpy
    pytorch_reference.py metric-learning DATA WEIGHTS.safetensors    the same by pytorch-metric-learning
    pytorch_reference.py search   DATA WEIGHTS.safetensors    FAISS IndexFlatIP, top-10 of test among train
    pytorch_reference.py single   DATA WEIGHTS.safetensors    ONNX Runtime, one thread, one image at a time

DATA is a directory of IDX files, gzipped or not. Prints one JSON object.
compare-pytorch.py runs this beside `trainer bench`.
"""
import argparse
import glob
import gzip
import json
import os
import struct
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read_idx(directory, split, content):
    path = sorted(glob.glob(os.path.join(directory, f"{split}-{content}*")))[0]
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        raw = file.read()
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(directory, split):
    pixels = torch.from_numpy(read_idx(directory, split, "images").astype(np.float32))
    labels = torch.from_numpy(read_idx(directory, split, "labels").astype(np.int64))
    return (pixels[:, None] / 255 - 0.5) / 0.5, labels


def network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(True), nn.MaxPool2d(2, 2),
        nn.Conv2d(32, 32, 3), nn.ReLU(True), nn.MaxPool2d(2, 2),
        nn.Conv2d(32, 64, 3), nn.ReLU(True), nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(),
        nn.Linear(256, 10),
    )


def embed(net, images):
    return F.normalize(net[:-1](images), p=2, dim=1)


def triplet_loss(f, labels, margin=0.5):
    """Batch-all, the mean over terms above zero."""
    d = torch.cdist(f, f).square()
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    terms = F.relu(d[:, :, None] - d[:, None, :] + margin)
    terms = terms * (positive[:, :, None] & ~same[:, None, :])
    return terms.sum() / (terms > 0).sum().clamp(min=1)


def epoch(args):
    images, labels = load(args.data, "train")
    torch.manual_seed(0)
    net = network()
    if args.loss == "triplet":
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    seconds = []
    for _ in range(args.epochs):
        started = time.perf_counter()
        for batch in torch.randperm(len(images)).split(args.batch_size):
            x, y = images[batch], labels[batch]
            loss = triplet_loss(embed(net, x), y) if args.loss == "triplet" else F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return {"batch_size": args.batch_size, "epoch_seconds": seconds}


def trained(path):
    from safetensors.torch import load_file
    net = network()
    net.load_state_dict(load_file(path))
    return net.eval()


@torch.no_grad()
def embed_all(net, images):
    return torch.cat([embed(net, batch) for batch in images.split(1000)]).numpy()


def mean_average_precision(f, labels):
    """Every image a query, all others its gallery, by sorting all distances."""
    n, sums = len(f), 0.0
    for start in range(0, n, 500):
        rows = np.arange(start, min(start + 500, n))
        distances = 2 - 2 * (f[rows] @ f.T)
        distances[np.arange(len(rows)), rows] = np.inf
        order = np.argsort(distances, 1, kind="stable")[:, :-1]
        relevant = labels[order] == labels[rows][:, None]
        precision = np.cumsum(relevant, 1) / np.arange(1, n)
        sums += ((precision * relevant).sum(1) / relevant.sum(1)).sum()
    return sums / n


def evaluate(args):
    net = trained(args.weights)
    started = time.perf_counter()
    images, labels = load(args.data, "t10k")
    f = embed_all(net, images)
    result = mean_average_precision(f, labels.numpy())
    return {"seconds": time.perf_counter() - started, "mean_average_precision": result}


def metric_learning(args):
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    net = trained(args.weights)
    started = time.perf_counter()
    images, labels = load(args.data, "t10k")
    f = torch.from_numpy(embed_all(net, images))
    metrics = ("mean_average_precision", "mean_average_precision_at_r", "precision_at_1", "r_precision")
    calculator = AccuracyCalculator(include=metrics, k=len(f) - 1, device=torch.device("cpu"))
    result = calculator.get_accuracy(f, labels)
    return {
        "seconds": time.perf_counter() - started,
        "mean_average_precision": float(result["mean_average_precision"]),
    }


def search(args):
    import faiss
    faiss.omp_set_num_threads(args.threads)
    net = trained(args.weights)
    gallery, queries = (embed_all(net, load(args.data, split)[0]) for split in ("train", "t10k"))
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    index.search(queries[:100], 10)
    started = time.perf_counter()
    index.search(queries, 10)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "queries_per_second": len(queries) / seconds}


def single(args):
    import onnxruntime
    net = trained(args.weights)
    images = load(args.data, "t10k")[0].numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.onnx")
        # The exporter knows adaptive pooling only where the grid divides the map;
        # on 3x3 it is plain pooling with windows of 2 and stride 1.
        exported = nn.Sequential(*net[:8], nn.AvgPool2d(2, 1), nn.Flatten())
        torch.onnx.export(exported, (torch.zeros(1, 1, 28, 28),), path, dynamo=False)
        session = onnxruntime.InferenceSession(path, options)
    name = session.get_inputs()[0].name
    microseconds = []
    for i in range(2200):
        one = images[i : i + 1]
        started = time.perf_counter()
        session.run(None, {name: one})
        microseconds.append((time.perf_counter() - started) * 1e6)
    return {"median_microseconds": float(np.median(microseconds[200:]))}


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = {"epoch": epoch, "evaluate": evaluate, "metric-learning": metric_learning, "search": search, "single": single}
parser.add_argument("command", choices=commands)
parser.add_argument("data")
parser.add_argument("weights", nargs="?")
parser.add_argument("--loss", choices=["cross-entropy", "triplet"], default="cross-entropy")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
print(json.dumps(commands[args.command](args)))
