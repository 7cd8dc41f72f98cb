"""A plain PyTorch loop, measured: the four lines with `prof` are all that is added."""

import torch
from torch import nn

import energyprof

torch.manual_seed(0)
x, y = torch.randn(2048, 64), torch.randint(0, 10, (2048,))
loader = list(zip(x.split(64), y.split(64), strict=True))
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters(), fused=True)

with energyprof.Profiler("plain-loop") as prof:
    for _epoch in range(10):
        for inputs, labels in prof.steps(loader):
            with prof.phase("forward"):
                loss = nn.functional.cross_entropy(model(inputs), labels)
            with prof.phase("backward"):
                optimizer.zero_grad()
                loss.backward()
            with prof.phase("optimizer"):
                optimizer.step()

print(prof.run.energy_j)
print(prof.run.steps[["duration_s", "energy_j", "energy_low_j", "energy_high_j"]].describe())
print(prof.run.html)
