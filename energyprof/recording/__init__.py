"""While it runs: marks, the sampler, the profiler.

Owns the hot path and the background thread. Hands what it records to :mod:`energyprof.record.store`; what it
means is worked out in :mod:`energyprof.analysis`.
"""
