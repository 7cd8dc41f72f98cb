"""While it runs: marks, the sampler, the profiler.

Owns the hot path, and who reads the sensors: a process of its own, or a thread. Hands what it records to
:mod:`energyprof.record.store`; what it means is worked out in :mod:`energyprof.analysis`.
"""
