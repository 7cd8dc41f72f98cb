"""One training run as it is asked for: what to learn, by which algorithm, for how long, on what device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

import energyprof
from energyprof.errors import UsageError
from learners.base import Learner
from learners.configuration import LearnerConfig, configure, describe
from learners.data.datasets import load
from learners.data.download import Progress
from learners.registry import LearnerEntry, build, entry
from learners.training.checkpoint_file import CHECKPOINT
from learners.training.checkpoint_writer import CheckpointWriter, require_epochs
from learners.training.compilation import check_compiler, compiler_name
from learners.training.execution import Execution
from learners.training.flops import StageFlops, count_step_flops, total_flops
from learners.training.free_memory import require_room
from learners.training.frozen_outputs import CACHE_ADVICE
from learners.training.host import HostSettings, find_device, prepare_host
from learners.training.listener import Listener
from learners.training.loop import train
from learners.training.memory_by_cause import StageMemory, measure_memory
from learners.training.outcome import Outcome
from learners.training.precision import find_precision
from learners.training.protocol import Protocol
from learners.training.stage_plan import StagePlan, plan_stages
from learners.training.stopping import Watched
from learners.training.task import ImageTask

__all__ = ["Experiment", "Prepared", "prepare"]

_BATCH_SIZE: Final = 128
_IDLE_FACTS: Final = ("keeps_freed_memory",)  # they decide no bit of the result
_CAUSES: Final = ("parameters", "gradients", "optimizer_state", "activations", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is asked for; None is the learner's or the data set's own default.

    Attributes:
        algo: name of a learner.
        dataset: name of a data set.
        arch: ``mlp:1000,1000`` or ``conv:32,128,512``.
        twin: train ``bp`` on this learner's own architecture.
        schedule: how layers take turns, for learners that have a choice; the same as the setting.
        epochs: epochs of each stage.
        passes: passes over the data, divided over the stages; in place of ``epochs``.
        patience: train each stage until its validation loss stops improving; ``epochs`` is then the cap.
        watch: with patience, which validation figure must improve: ``loss`` (None too) or ``accuracy``.
        batch_size: samples a step.
        seed: of weights, order of batches and augmentation.
        data_seed: of the split into training and validation images.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        precision: of products: ``fp32``, ``tf32`` (on NVIDIA GPUs since Ampere) or ``bf16``.
        compile_steps: compile the steps of each stage before its first one.
        threads: of one parallel operation on the CPU.
        data_dir: a folder that may hold the data.
        settings: the learner's settings as ``key=value`` texts.
        name: what to call the run.
        checkpoint_every: epochs from one checkpoint in the run folder to the next; None: none are written.
    """

    algo: str
    dataset: str = "digits"
    arch: str | None = None
    twin: str | None = None
    schedule: str | None = None
    epochs: int | None = None
    passes: int | None = None
    patience: int | None = None
    watch: Watched | None = None
    batch_size: int | None = None
    seed: int = 0
    data_seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    compile_steps: bool = False
    threads: int | None = None
    data_dir: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    checkpoint_every: int | None = None

    @property
    def title(self) -> str:
        """Return the run's name: as given, or learner, data and seed."""
        algo = f"{self.algo}-twin-{self.twin}" if self.twin else self.algo
        return self.name or f"{algo}-{self.dataset}-s{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An experiment with everything made that training needs; nothing is trained yet.

    Attributes:
        plan: the stages to come.
        device: where it trains.
        execution: how: in which precision, compiled or not.
        facts: fields of ``workload`` and ``environment`` in the report.
        flops: of one step of each stage, counted on a copy.
        memory: of each stage, measured on a copy.
    """

    experiment: Experiment
    learner: Learner
    task: ImageTask
    protocol: Protocol
    plan: tuple[StagePlan, ...]
    device: torch.device
    execution: Execution
    facts: Mapping[str, Any]
    flops: tuple[StageFlops, ...]
    memory: tuple[StageMemory, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """Return what decides the bits of the result, by name, as plain data."""
        facts = {name: value for name, value in self.facts.items() if name not in _IDLE_FACTS}
        protocol, config = facts.pop("protocol"), facts.pop("config")
        return {
            **facts,
            **{f"protocol.{key}": value for key, value in protocol.items() if key != "checkpoint_every"},
            **{f"config.{key}": value for key, value in config.items()},
            "device": self.device.type,
            "seed": self.experiment.seed,
            "torch": str(torch.__version__),
        }

    def train(
        self,
        profiler: energyprof.Profiler,
        listener: Listener | None = None,
        resumed: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Train inside the profiler's ``with`` block, and tell it what no sensor knows.

        Args:
            profiler: started.
            listener: told how it goes on.
            resumed: the content of the checkpoint to go on from.

        Raises:
            TrainingFailed: a loss is NaN or infinite.
            OutputError: a checkpoint cannot be written.
        """
        fullest = max(self.memory, key=lambda stage: stage.total)
        profiler.account(
            memory=energyprof.MemoryByCause(
                **{cause: getattr(fullest, cause) for cause in _CAUSES}, cache=fullest.cache or None
            ),
            includes=self._includes(),
        )
        outcome = train(
            self.learner,
            self.task,
            self.protocol,
            profiler,
            listener,
            self.plan,
            self.execution,
            writer=self._writer(profiler.path),
            resumed=resumed,
        )
        on_gpu = self.device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(self.device) if on_gpu else None
        profiler.account(flops=total_flops(self.flops, outcome.stages), peak_device_memory_bytes=peak)
        return outcome

    def _includes(self) -> tuple[str, ...]:
        writes = self.experiment.checkpoint_every is not None
        checkpoints = ("checkpoints",) if self.protocol.restore_best or writes else ()
        warm_up = ("warm-up",) if self.execution.compiled else ()
        return ("training", "data-loading", "evaluation", *checkpoints, *warm_up)

    def _writer(self, folder: Path) -> CheckpointWriter | None:
        """Return what writes checkpoints into the run folder, if any are asked for."""
        every, data_dir = self.experiment.checkpoint_every, self.experiment.data_dir
        if every is None:
            return None
        place = None if data_dir is None else str(data_dir.absolute())
        experiment = {**asdict(self.experiment), "data_dir": place, "threads": self.facts["threads"]}
        header = {"run": folder.name, "experiment": experiment, "identity": self.identity}
        return CheckpointWriter(folder / CHECKPOINT, every, header, self.device)


def prepare(experiment: Experiment, progress: Progress | None = None) -> Prepared:
    """Make learner, task and protocol of an experiment.

    Args:
        experiment: what is asked for.
        progress: told how a download goes on.

    Raises:
        UnknownName: no such learner, data set or setting.
        UsageError: settings, architecture, batch size or budget that cannot be meant.
        DeviceError: the device is not there or does not compute in that precision, or there is no compiler.
        DataError: the data cannot be had.
    """
    chosen = entry(experiment.algo)
    config = configure(chosen.config, _settings(experiment, chosen))
    protocol = _protocol(experiment, chosen)
    require_epochs(experiment.checkpoint_every)
    device = find_device(experiment.device)
    execution = _execution(experiment, device)
    host = prepare_host(experiment.threads, experiment.seed)
    dataset = load(experiment.dataset, experiment.data_dir, progress)
    learner = build(
        experiment.algo, dataset.spec, experiment.arch, config, experiment.seed, device, twin=experiment.twin
    )
    task = ImageTask(
        dataset,
        input_scale=learner.input_scale,
        batch_size=_BATCH_SIZE if experiment.batch_size is None else experiment.batch_size,
        seed=experiment.seed,
        data_seed=experiment.data_seed,
        device=device,
    )
    plan = plan_stages(learner)
    protocol.plan([stage.epochs for stage in plan])  # one that cannot be divided is said before anything runs
    _require_use_of_budget(experiment, plan)
    batch = next(iter(task.one_pass(0)))
    rows = task.samples("train")
    with execution.computing():
        flops = count_step_flops(learner, batch, rows)
        memory = measure_memory(learner, batch, rows, task.samples("validation"))
    _require_cache(task, memory, device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # the profiler times marks on the current device
        torch.cuda.reset_peak_memory_stats(device)
    return Prepared(
        experiment=experiment,
        learner=learner,
        task=task,
        protocol=protocol,
        facts=_facts(experiment, learner, task, protocol, config, dataset.sha256, host, execution),
        plan=plan,
        device=device,
        execution=execution,
        flops=flops,
        memory=memory,
    )


def _require_use_of_budget(experiment: Experiment, plan: Sequence[StagePlan]) -> None:
    """Refuse a budget that a learner with stages of fixed length would not follow."""
    demanded = [stage.epochs for stage in plan if stage.epochs is not None]
    if len(demanded) < len(plan):
        return
    followed = {"passes": sum(demanded), "epochs": demanded[0] if len(set(demanded)) == 1 else None}
    for name in ("passes", "patience", "epochs"):
        asked = getattr(experiment, name)
        if asked is not None and asked != followed.get(name):
            raise UsageError(
                f"--{name} {asked}: {experiment.algo} with these settings takes {sum(demanded)} passes over "
                "the data, whatever the budget: leave it out"
            )


def _execution(experiment: Experiment, device: torch.device) -> Execution:
    precision = find_precision(experiment.precision, device)
    if experiment.compile_steps:
        check_compiler(device)
    return Execution(device=device, precision=precision, compiled=experiment.compile_steps)


def _require_cache(task: ImageTask, memory: Sequence[StageMemory], device: torch.device) -> None:
    """Refuse to keep outputs of frozen layers where that would change the result or not fit."""
    keeping = [stage for stage in memory if stage.cache]
    if not keeping:
        return
    task.require_alike_passes()
    fullest = max(keeping, key=lambda stage: stage.to_come)
    what = f"stage '{fullest.stage}' with the frozen layers' outputs kept"
    require_room(fullest.to_come, device, what, CACHE_ADVICE)


def _settings(experiment: Experiment, chosen: LearnerEntry) -> dict[str, str]:
    settings = dict(experiment.settings)
    if experiment.schedule is None:
        return settings
    if "schedule" not in {info.name for info in describe(chosen.config)}:
        raise UsageError(
            f"--schedule {experiment.schedule}: {chosen.name} has one schedule only, leave it out"
        )
    if settings.get("schedule", experiment.schedule) != experiment.schedule:
        raise UsageError(
            f"--schedule {experiment.schedule} and --set schedule={settings['schedule']} are one setting: "
            "leave one out"
        )
    return {**settings, "schedule": experiment.schedule}


def _protocol(experiment: Experiment, chosen: LearnerEntry) -> Protocol:
    if experiment.passes is not None:
        if any(asked is not None for asked in (experiment.epochs, experiment.patience, experiment.watch)):
            raise UsageError("--passes is a budget of its own: leave out --epochs, --patience and --watch")
        return Protocol.matched(experiment.passes)
    if experiment.patience is not None:
        cap = 100 if experiment.epochs is None else experiment.epochs
        watch: Watched = "loss" if experiment.watch is None else experiment.watch
        return Protocol.convergence(patience=experiment.patience, cap=cap, watch=watch)
    if experiment.watch is not None:
        raise UsageError(
            f"--watch {experiment.watch} goes with --patience, which stops by it: give --patience 20 too, or "
            "leave it out"
        )
    return Protocol.fixed(chosen.default_epochs if experiment.epochs is None else experiment.epochs)


def _facts(
    experiment: Experiment,
    learner: Learner,
    task: ImageTask,
    protocol: Protocol,
    config: LearnerConfig,
    dataset_sha256: str,
    host: HostSettings,
    execution: Execution,
) -> dict[str, Any]:
    return {
        "algo": experiment.algo,
        "dataset": experiment.dataset,
        "dataset_sha256": dataset_sha256,
        "arch": learner.arch,
        "schedule": learner.schedule,
        "twin_of": experiment.twin,
        "parameters": learner.parameter_count(),
        "batch_size": task.batch_size,
        "precision": str(execution.precision),
        "compiled": compiler_name(execution.device) if execution.compiled else None,
        "protocol": {**protocol.as_dict(), **_more_protocol(experiment, task)},
        "config": asdict(config),
        "device": str(execution.device),
        "threads": host.threads,
        "flush_denormal": host.flush_denormal,
        "keeps_freed_memory": host.keeps_freed_memory,
    }


def _more_protocol(experiment: Experiment, task: ImageTask) -> dict[str, Any]:
    """Return what the protocol does not know of; checkpoints on disk only where there are any."""
    every = experiment.checkpoint_every
    written = {} if every is None else {"checkpoint_every": every}
    return {"data_seed": experiment.data_seed, "augmented": task.augmented, **written}
