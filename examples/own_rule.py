"""A learning rule of one's own in a loop of one's own, on the terms of ``energyprof run``: the two compare.

A fixed random layer, and above it one that learns by the delta rule (Widrow and Hoff 1960). Runs are compared
only if they are the same task: `describe` and `account` say so. Give a seed; --epochs 3 is its counterpart.
"""

import sys

import numpy as np
import torch

import energyprof
from learners.data.batches import ResidentData
from learners.data.datasets import load
from learners.data.split import split
from learners.training.protocol import Protocol
from learners.training.task import ImageTask

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
EPOCHS, UNITS, RATE = 3, 1000, 0.005

torch.manual_seed(SEED)
torch.set_num_threads(1)
digits = load("digits")
task = ImageTask(digits, batch_size=128, seed=SEED)  # the split and the batches of `energyprof run`
chosen = split(len(digits.train_y), digits.validation_size)
validation = ResidentData.place(
    digits, digits.train_x, digits.train_y, chosen.validation, "normalised", "cpu"
)
all_of_it = np.arange(len(digits.test_y))
test = ResidentData.place(digits, digits.test_x, digits.test_y, all_of_it, "normalised", "cpu")

fixed = torch.randn(64, UNITS) / 8
learned = torch.zeros(UNITS, 10)


def hidden(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x.flatten(1) @ fixed)


def accuracy(part: ResidentData) -> float:
    return float(((hidden(part.x) @ learned).argmax(1) == part.y).float().mean())


with energyprof.Profiler("delta-rule", seed=SEED, idle_s=1) as prof:
    prof.describe(
        algo="delta-rule",
        arch=f"mlp:{UNITS}",
        dataset="digits",
        dataset_sha256=digits.sha256,
        batch_size=task.batch_size,
        parameters=learned.numel(),
        precision="fp32",
        protocol={**Protocol.fixed(EPOCHS).as_dict(), "data_seed": 0, "augmented": task.augmented},
        config={"rate": RATE},
        device="cpu",
        threads=1,
    )
    flops_a_sample = 2 * 64 * UNITS + 2 * 2 * UNITS * 10
    steps = 0
    for epoch in range(EPOCHS):
        with prof.epoch(epoch):
            for x, y in prof.steps(task.one_pass(epoch)):
                steps += 1
                with prof.phase("forward"):
                    h = hidden(x)
                    error = h @ learned - torch.nn.functional.one_hot(y, 10)
                with prof.phase("local-update"):
                    learned -= RATE / len(x) * (h.T @ error)
            with prof.phase("evaluate"):
                prof.log(validation_accuracy=accuracy(validation))
    with prof.phase("evaluate"):
        prof.log(test_accuracy=accuracy(test))
    prof.account(
        flops=flops_a_sample * steps * task.batch_size,
        includes=("training", "data-loading", "evaluation"),
    )

print(prof.run, prof.run.html, sep="\n")
