"""What the machine can tell: one sensor family a file behind the protocol in :mod:`base`.

Owns reading and describing sensors. Knows nothing of phases, steps or reports, and never sleeps: the sampler
in :mod:`energyprof.recording` decides when to read.
"""
