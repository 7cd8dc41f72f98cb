"""The energy gate: budgets, baselines, verdicts and their outputs.

Owns what a budget file may say (:mod:`budget`, :mod:`budget_file`), the figures it can limit (:mod:`metric`),
the runs of a side (:mod:`observation`, :mod:`sides`), the promoted ones (:mod:`baseline`), the judgement
(:mod:`judgement`, :mod:`check`), the interleaved sitting (:mod:`interleaving`) and the plan (:mod:`plan`).
Reads no sensor, starts no network, imports no torch and no pandas.
"""
