"""The energy gate: budgets, baselines, verdicts and their outputs."""
