from dataclasses import replace

from energyprof.analysis.attribution import attribute
from energyprof.analysis.execution_flags import compiled_steps
from energyprof.analysis.findings import Findings
from energyprof.analysis.quality import CHECKS
from energyprof.record.model import PhaseEnergy, Quantity, Severity


def findings(sim, compiled):
    phases = tuple(
        PhaseEnergy(name=name, seconds=seconds, count=1, energy_j=Quantity.missing())
        for name, seconds in (("compile", 3.0), ("train", 5.0), ("train/compile", 9.0))
    )
    draft = sim.draft(phases=phases)
    report = replace(draft, workload=replace(draft.workload, compiled=compiled))
    trace = sim.trace(window_s=(0, 10))
    return Findings(trace=trace, attribution=attribute(trace, []), report=report)


def test_compiled_steps_are_said_with_what_compiling_took(sim):
    (flag,) = compiled_steps(findings(sim, "inductor"))
    assert (flag.code, flag.severity, flag.value) == ("compiled-steps", Severity.INFO, 3.0)
    assert "(inductor), which took 3.0" in flag.message
    assert "no phases are marked" in flag.message
    assert compiled_steps in CHECKS


def test_plain_steps_are_not_mentioned(sim):
    assert list(compiled_steps(findings(sim, None))) == []
