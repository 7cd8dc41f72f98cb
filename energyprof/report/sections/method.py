"""Environment and method: what ran where, how it was measured, and what is not counted."""

from __future__ import annotations

from energyprof.record.model import Overhead, Provenance, Report, Sampling
from energyprof.report.carbon_lines import carbon_sentences
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import DASH, domain_word, percent, plain, setting_text
from energyprof.units import format_bytes, format_count, format_duration, format_power

__all__ = ["not_counted", "section"]

_READERS = {Sampling.PROCESS: "a process of their own", Sampling.THREAD: "a thread of this process"}

_COOLING = "Cooling, and everything else a data centre adds (its PUE)."
_MAKING = "Making the hardware (its embodied carbon)."
_NEVER_COUNTED = (
    "Losses in the power supply and in voltage regulators before the sensor, commonly 5 to 20 % on top.",
    _COOLING,
    "Network, storage and any other machine that took part.",
    "Main board, fans and disks of this machine.",
    _MAKING,
)


def section(view: RunView) -> Section:
    """Build the section."""
    report = view.report
    body = fragment(
        "run_method.html",
        report=report,
        workload=_workload(report),
        machine=_machine(report),
        overhead=_overhead(report),
        method=_method(report),
        missing=not_counted(report),
        carbon=carbon_sentences(report),
        problems=view.trace.problems if view.trace is not None else (),
    )
    return Section(
        key="method",
        short="Method",
        title="Environment and method",
        about="Enough to repeat the run and to argue with it.",
        body=body,
    )


def not_counted(report: Report) -> list[str]:
    """List what the total leaves out: what this run could not read, then what no run here counts."""
    kinds = {
        domain.partition(":")[0]
        for domain, q in report.totals.energy_by_domain_j.items()
        if q.value is not None
    }
    left_out = []
    if "cpu" not in kinds:
        left_out.append("The processor: no sensor of this run gave its energy.")
    if "dram" not in kinds:
        left_out.append("Main memory (DRAM), unless the processor's own sensor includes it.")
    if report.environment.gpus and "gpu" not in kinds:
        left_out.append("The GPU: its sensors gave no energy in this run.")
    reckoned = {
        _COOLING: report.carbon.pue_co2e_kg is not None,
        _MAKING: report.carbon.embodied_co2e_kg is not None,
    }
    return left_out + [text for text in _NEVER_COUNTED if not reckoned.get(text)]


def _workload(report: Report) -> list[tuple[str, str]]:
    work = report.workload
    rows = [
        ("Learner", work.algo),
        ("Data set", work.dataset),
        ("Digest of the data", work.dataset_sha256[:16] + "…" if work.dataset_sha256 else None),
        ("Architecture", work.arch),
        ("Schedule", work.schedule),
        ("Twin of", work.twin_of),
        ("Parameters", None if work.parameters is None else format_count(work.parameters)),
        ("Batch size", None if work.batch_size is None else format_count(work.batch_size)),
        ("Precision", work.precision),
        ("Steps compiled by", work.compiled),
        ("Seed", None if report.run.seed is None else str(report.run.seed)),
        ("Continues", _continues(report)),
        ("The window includes", ", ".join(report.window.includes) or None),
    ]
    rows += [(f"Protocol: {key}", setting_text(value)) for key, value in work.protocol.items()]
    return [(name, value) for name, value in rows if value is not None]


def _continues(report: Report) -> str | None:
    before = report.run.resumed_from
    if before is None:
        return None
    epochs = f"{before.epoch} epoch{'' if before.epoch == 1 else 's'}"
    return f"{before.run}, after {epochs} of {before.stage} (pass {before.passes})"


def _machine(report: Report) -> list[tuple[str, str]]:
    env = report.environment
    rows = [
        ("Ran on", env.device),
        ("Processor", env.cpu),
        ("Logical CPUs", None if env.logical_cpus is None else str(env.logical_cpus)),
        ("Threads used", None if env.threads is None else str(env.threads)),
        ("Memory", None if env.memory_bytes is None else format_bytes(env.memory_bytes)),
        ("System", env.platform),
        ("Python", env.python),
        ("Host (hashed)", env.hostname_hash),
        (
            "Commit",
            None
            if env.git_sha is None
            else env.git_sha[:12] + (" with local changes" if env.git_dirty else ""),
        ),
        (
            "Denormals flushed to zero",
            None if env.flush_denormal is None else ("yes" if env.flush_denormal else "no"),
        ),
        (
            "Freed memory kept for the next step",
            None if env.keeps_freed_memory is None else ("yes" if env.keeps_freed_memory else "no"),
        ),
    ]
    rows += [
        (domain_word(gpu.domain), _gpu(gpu.name, gpu.memory_bytes, gpu.power_limit_w, gpu.driver))
        for gpu in env.gpus
    ]
    return [(name, value) for name, value in rows if value is not None]


def _gpu(name: str, memory_bytes: int | None, limit_w: float | None, driver: str | None) -> str:
    parts = [name]
    if memory_bytes is not None:
        parts.append(format_bytes(memory_bytes))
    if limit_w is not None:
        parts.append(f"power limit {format_power(limit_w)}")
    if driver:
        parts.append(f"driver {driver}")
    return ", ".join(parts)


def _overhead(report: Report) -> list[tuple[str, str]]:
    cost = report.overhead
    rows = [
        ("Share of the run", None if cost.share_of_duration is None else percent(cost.share_of_duration, 3)),
        ("One step mark", None if cost.mark_s is None else format_duration(cost.mark_s)),
        ("Marks", format_count(cost.marks)),
        ("Sensors read by", None if cost.sampling is None else _READERS[cost.sampling]),
        ("Sampler, CPU time", None if cost.sampler_cpu_s is None else format_duration(cost.sampler_cpu_s)),
        *_beside(cost),
        ("Sensor readings", format_count(cost.sampler_readings)),
        *_second_tool(report),
        ("Trace on disk", None if cost.trace_bytes is None else format_bytes(cost.trace_bytes)),
    ]
    return [(name, DASH if value is None else value) for name, value in rows]


def _second_tool(report: Report) -> list[tuple[str, str]]:
    tool = report.cross_check.codecarbon
    return [] if tool is None else [(f"{tool.tool}, beside", "in none of these figures")]


def _beside(cost: Overhead) -> list[tuple[str, str]]:
    """Return what was spent outside of the process that trained, if anything was."""
    if cost.process_cpu_s is None:
        return []
    return [("Sampling process, CPU time", f"{format_duration(cost.process_cpu_s)} (beside the training)")]


def _method(report: Report) -> list[str]:
    sources = {q.source for q in report.totals.energy_by_domain_j.values() if q.value is not None}
    text = []
    if Provenance.COUNTER in sources:
        text.append(
            "Energy of a window is the difference of the energy counter at its ends. Between two refreshes "
            "of the counter the energy is bounded by the device's least and greatest power; the bounds "
            "include the time by which each refresh may have been seen late."
        )
    if Provenance.SAMPLED in sources:
        text.append(
            "Where there is only power, its readings are integrated over time, each over the window it "
            "averages, and extended to the ends of the measured window."
        )
    if Provenance.ESTIMATED in sources:
        text.append(
            "Estimated energy is processor utilisation times rated power: a model with a wide range, not a "
            "measurement. It must not be used to tell two learners apart by a few per cent."
        )
    if report.steps.method == "modelled":
        text.append(
            "Energy of a step shorter than the sensor's refresh comes from a regression: each refresh "
            "interval is one equation in the watts of each phase. The steps add up to the total."
        )
    if report.cross_check.condition_number is not None:
        text.append(f"Condition number of that regression: {plain(report.cross_check.condition_number, 3)}.")
    return text
