#!/usr/bin/env python3
"""Writes tests/fixtures/losses.safetensors: losses and their gradients by PyTorch.

    pip install torch numpy safetensors pytorch-metric-learning
    scripts/golden-losses.py tests/fixtures/losses.safetensors

Everything is computed in float64 from float32 inputs. The losses are those of
pytorch-metric-learning; label smoothing with a cosine margin, which it does not
have, is written in PyTorch, and is held against it where there is no smoothing.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_metric_learning import distances, losses, miners
from safetensors.numpy import save_file

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
random = np.random.default_rng(6)
# Five classes of several sizes, one of them of a single image.
labels = random.permutation(np.repeat(np.arange(5), [9, 6, 5, 3, 1]))
N, E, K = len(labels), 12, 5
centres = random.uniform(0, 1, (K, E))
features = np.maximum(centres[labels] + random.normal(0, 0.5, (N, E)), 0) * random.uniform(0.5, 3, (N, 1))
weights = centres - 0.5 + random.normal(0, 0.3, (K, E))
logits = random.normal(0, 3, (N, K))
inputs = {name: value.astype(np.float32) for name, value in
          [("features", features), ("weights", weights), ("logits", logits)]}
y = torch.from_numpy(labels)
out = {**inputs, "labels": labels.astype(np.int32)}


def record(name, loss, **variables):
    """Stores a loss and its gradient with respect to each variable."""
    value = loss(*variables.values())
    value.backward()
    out[f"{name}.loss"] = np.float32(value.item())
    for key, variable in variables.items():
        out[f"{name}.d{key}"] = variable.grad.float().numpy()


def leaf(name):
    return torch.from_numpy(inputs[name]).double().requires_grad_()


for smoothing in (0.1, 1.0):
    record(f"cross_entropy.smoothing{smoothing:g}",
           lambda x: F.cross_entropy(x, y, label_smoothing=smoothing), logits=leaf("logits"))

for scale, margin, smoothing in ((16.0, 0.0, 0.0), (30.0, 0.35, 0.0), (8.0, 0.2, 0.1)):
    def cosine_softmax(z, w):
        logits = scale * (F.normalize(z) @ F.normalize(w).T - margin * F.one_hot(y, K))
        return F.cross_entropy(logits, y, label_smoothing=smoothing)

    if smoothing == 0:
        library = losses.CosFaceLoss(K, E, margin=margin, scale=scale)
        library.W.data = leaf("weights").detach().T
        assert torch.isclose(library(leaf("features"), y), cosine_softmax(leaf("features"), leaf("weights")), rtol=1e-9)
    name = f"cosine_softmax.scale{scale:g}_margin{margin:g}_smoothing{smoothing:g}"
    record(name, cosine_softmax, features=leaf("features"), weights=leaf("weights"))
cosines = F.normalize(leaf("features")) @ F.normalize(leaf("weights")).T
out["cosine_softmax.correct"] = np.int32((cosines.argmax(1) == y).sum())

for temperature in (0.1, 0.5):
    loss = losses.SupConLoss(temperature=temperature)
    record(f"supervised_contrastive.t{temperature:g}", lambda z: loss(z, y), features=leaf("features"))

squared = distances.LpDistance(power=2, normalize_embeddings=False)


def semi_hard(f, margin):
    """The nearest negative that is farther than the positive, by definition."""
    d = squared(f)
    triplets = []
    for a in range(N):
        for p in range(N):
            farther = [n for n in range(N) if y[n] != y[a] and d[a, n] > d[a, p]]
            if p != a and y[p] == y[a] and farther:
                n = min(farther, key=lambda n: d[a, n])
                if d[a, n] < d[a, p] + margin:
                    triplets.append((a, p, n))
    return tuple(torch.tensor(triplets).T)


def triplet(mine, **settings):
    """The mean over the terms above zero."""
    loss = losses.TripletMarginLoss(distance=squared, **settings)

    def evaluate(z):
        f = F.normalize(z)
        with torch.no_grad():
            triplets = mine(f) if mine else None
        return loss(f, y, triplets)
    return evaluate


soft = {"margin": 0, "smooth_loss": True}
batch_hard = miners.BatchHardMiner(distance=squared)
for name, mine, settings in (
    ("all.soft", None, soft),
    ("hard.soft", lambda f: batch_hard(f, y), soft),
    ("semi_hard.soft", lambda f: semi_hard(f, np.inf), soft),
    ("semi_hard.0.1", lambda f: semi_hard(f, 0.1), {"margin": 0.1}),
):
    record(f"triplet.{name}", triplet(mine, **settings), features=leaf("features"))

save_file({name: np.ascontiguousarray(value).reshape(np.shape(value) or (1,)) for name, value in out.items()}, sys.argv[1])
