"""Stand-ins with known truth: an NVML library, a powercap tree, clocks, and the scenario suite.

Ships with the package, so that anyone can prove the measurement on their own machine. From truth to proof:

===========================  =========================================================================
``true_power``, ``cards``    what a device draws, and what its sensors make of it
``nvml``, ``powercap``       the stand-in driver and powercap tree; ``faults``: what goes wrong there
``loads``, ``simulation``    training as a device sees it, through the real sensors, sampler and store
``promises``, ``scenarios``  what must hold, checked; ``fault_scenarios``: while the driver misbehaves
``peers``                    the same for other tools
===========================  =========================================================================

Nothing but the command line and the tests imports this.
"""
