"""Stand-ins with known truth: an NVML library, a powercap tree, clocks, and the scenario suite.

Ships with the package, so that anyone can prove the measurement on their own machine.
"""
