"""``energyprof run``: train a learner, profiled on every step."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["EXAMPLE", "run"]

EXAMPLE = "Example:  energyprof run --algo mf --dataset mnist --epochs 5 --set lr=1e-3"

# Options by the heading under which --help lists them.
_what = partial(typer.Option, rich_help_panel="What to train")
_long = partial(typer.Option, rich_help_panel="How long")
_how = partial(typer.Option, rich_help_panel="How it is computed")
_measure = partial(typer.Option, rich_help_panel="How it is measured")
_carbon = partial(typer.Option, rich_help_panel="Carbon")

#: the options that are fields of an experiment, of the same name
_ASKED = (
    *("algo", "dataset", "arch", "twin", "schedule", "epochs", "passes", "patience", "watch", "batch_size"),
    *("seed", "data_seed", "device", "precision", "compile_steps", "threads", "data_dir", "name"),
    "checkpoint_every",
)


def run(
    context: typer.Context,
    algo: Annotated[
        str | None, _what(help="Learner: bp, ff, cafo, mf ... ('energyprof list algos').")
    ] = None,
    dataset: Annotated[str, _what(help="Data set ('energyprof list datasets').")] = "digits",
    arch: Annotated[
        str | None, _what(help="mlp:1000,1000 or conv:32,128,512; default: the learner's.")
    ] = None,
    twin: Annotated[
        str | None, _what(help="With --algo bp: train on this learner's own architecture.")
    ] = None,
    schedule: Annotated[str | None, _what(help="How layers take turns: concurrent, sequential ...")] = None,
    epochs: Annotated[int | None, _long(help="Epochs of each stage; default: the learner's.")] = None,
    passes: Annotated[int | None, _long(help="Passes over the data in all, divided over the stages.")] = None,
    patience: Annotated[
        int | None, _long(help="Train each stage until what is watched stalls for so many epochs.")
    ] = None,
    watch: Annotated[
        str | None,
        _long(
            metavar="loss|accuracy",
            help="With --patience: stop and restore by this figure of the validation images; default: loss.",
        ),
    ] = None,
    batch_size: Annotated[int | None, _what(help="Samples a step; default: 128.")] = None,
    seed: Annotated[int, _what(help="Of weights, order of batches, augmentation.")] = 0,
    data_seed: Annotated[int, _what(help="Of the split into training and validation images.")] = 0,
    device: Annotated[str, _how(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[
        str, _how(help="Of products: fp32, tf32 (NVIDIA GPUs since Ampere) or bf16 (autocast).")
    ] = "fp32",
    compile_steps: Annotated[
        bool,
        _how(
            "--compile", help="Compile the steps first, in the phase 'compile'; then no phases inside a step."
        ),
    ] = False,
    threads: Annotated[int | None, _how(help="Threads on the CPU; default: one a core.")] = None,
    data_dir: Annotated[
        Path | None, _what(envvar="ENERGYPROF_DATA", help="A folder that holds data sets.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        _what("--set", metavar="KEY=VALUE", help="A setting of the learner; repeatable."),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        _long(metavar="EPOCHS", help="Write a checkpoint into the run folder every so many epochs."),
    ] = None,
    resume: Annotated[
        str | None,
        _long(metavar="RUN", help="Continue an interrupted run from its last checkpoint, all as it was."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("reports"),
    name: Annotated[str | None, typer.Option(help="What to call the run.")] = None,
    country: Annotated[
        str | None, _carbon(metavar="ISO", help="For the carbon intensity: FRA or FR, DEU, USA ...")
    ] = None,
    intensity: Annotated[
        float | None, _carbon(metavar="G_PER_KWH", help="Carbon intensity of your own.")
    ] = None,
    pue: Annotated[
        float | None,
        _carbon(help="Of the building: what it adds to CO2e stands on a line of its own; from 1 on."),
    ] = None,
    embodied_kg: Annotated[
        float | None,
        _carbon(metavar="KG", help="CO2e of making the hardware: the run's share, on a line of its own."),
    ] = None,
    lifetime_years: Annotated[
        float | None, _carbon(metavar="YEARS", help="With --embodied-kg: how long the hardware serves.")
    ] = None,
    reserved: Annotated[
        float | None,
        _carbon(metavar="SHARE", help="With --embodied-kg: how much of it the run has; default: 1."),
    ] = None,
    codecarbon: Annotated[
        bool,
        _measure(
            "--codecarbon", help="Let CodeCarbon's tracker run beside, as a cross-check; it costs time."
        ),
    ] = False,
    idle: Annotated[float, _measure(help="Seconds of idle power recorded before and after.")] = 1.0,
    dither: Annotated[int, _measure(help="A short random wait every so many steps; 0: none.")] = 0,
    sync: Annotated[
        bool, _measure("--sync", help="Synchronise the GPU at every mark: exact, and slow.")
    ] = False,
    sampling: Annotated[
        str | None,
        _measure(metavar="process|thread", help="Who reads the sensors; default: a process if possible."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout.")] = False,
) -> None:
    """Train a learner, measured on every step, and write its report."""
    asked = {key: value for key, value in locals().items() if key in _ASKED}
    from energyprof.carbon import embodied_carbon
    from energyprof.cli.resuming import asked_experiment
    from energyprof.cli.training import parse_settings, train_and_report

    asked["settings"] = parse_settings(settings or [])
    given = [name for name in asked if _is_given(context, name)]
    experiment, checkpoint = asked_experiment(asked, given, resume, out)
    profiling: dict[str, Any] = {
        "out": out,
        "country": country,
        "intensity_g_per_kwh": intensity,
        "pue": pue,
        "embodied": embodied_carbon(embodied_kg, lifetime_years, reserved),
        "codecarbon": codecarbon,
        "idle_s": idle,
        "dither_every": dither,
        "cuda": "sync" if sync else None,
        "sampling": sampling,
    }
    train_and_report(experiment, profiling, checkpoint, quiet=quiet, as_json=as_json)


def _is_given(context: typer.Context, name: str) -> bool:
    """Tell whether an option stands on the command line, or in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
