"""A plain PyTorch loop, measured: the lines with `prof` are all that is added."""

import torch

import energyprof

torch.manual_seed(0)
x, y = torch.randn(2048, 64), torch.randint(0, 10, (2048,))
model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters(), fused=True)

with energyprof.Profiler("plain-loop") as prof:
    for _epoch in range(10):
        for inputs, labels in prof.steps(zip(x.split(64), y.split(64), strict=True)):
            with prof.phase("forward"):
                loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            with prof.phase("backward"):
                optimizer.zero_grad()
                loss.backward()
            with prof.phase("optimizer"):
                optimizer.step()

print(prof.run.energy_j, prof.run.steps[["duration_s", "energy_j"]].describe(), prof.run.html, sep="\n")
