"""The public profiler: around anyone's loop, or inside the project's own."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from energyprof.carbon import carbon_beside, carbon_intensity
from energyprof.clock import Clock, SystemClock
from energyprof.errors import UsageError
from energyprof.record.environment import seed_of_environment, shorten_home
from energyprof.record.model import (
    EmbodiedCarbon,
    MemoryByCause,
    Report,
    ResumedFrom,
    RunInfo,
    RunStatus,
    Severity,
)
from energyprof.record.store import new_run_id
from energyprof.recording.cuda_timeline import device_timing, require_mode
from energyprof.recording.dither import dithered
from energyprof.recording.epoch_marks import EpochMarks
from energyprof.recording.finish import finished_run
from energyprof.recording.overlap import begin_recording, end_recording
from energyprof.recording.recorder import Recorder
from energyprof.recording.run import Run
from energyprof.recording.run_draft import RunDraft, instant_text
from energyprof.recording.sample_count import SampleCount
from energyprof.recording.sampling_choice import Sensing, chosen_sampling, sense
from energyprof.recording.stated_facts import checked_scalars
from energyprof.recording.termination import Termination
from energyprof.recording.unused_marks import unused_marks
from energyprof.sensors.base import Sensor
from energyprof.sensors.ranks import rank_of

if TYPE_CHECKING:
    from energyprof.recording.codecarbon_beside import CodeCarbonBeside

__all__ = ["Profiler"]

T = TypeVar("T")

_NO_PHASE: Final = nullcontext()


class Profiler:
    """Measure energy, power, memory and time of what runs inside ``with Profiler(...) as prof``.

    Nothing is probed or written before the block is entered. Inside, a step costs two clock reads; sensors
    are read by a background thread. On leaving, the report is written, whatever ended the block.

    Args:
        name: what to call the run; it becomes part of its id. Under torchrun the rank is added to it: each
            rank has a run of its own, with the energy of its GPUs and, on a node's first rank, of the host.
        out: the folder of all runs; None for ``ENERGYPROF_OUT``, else ``reports``.
        seed: the run's random seed, for the record; None for ``ENERGYPROF_SEED``, where it is set.
        country: ISO 3166 code (FRA, FR) of the carbon intensity; None: the world average, said to be assumed.
        intensity_g_per_kwh: a carbon intensity of your own, in g CO2e a kWh, instead of a country.
        pue: power usage effectiveness of the building, from 1 on: what its cooling and power distribution add
            to the CO2e stands beside it, on a line of its own. None: it is not reckoned.
        embodied: what making the hardware has emitted; the run's share stands beside, too. None: it is not.
        codecarbon: let CodeCarbon's own tracker run beside, as a cross-check: none of its joules are counted,
            but what it costs is part of what is measured.
        idle_s: seconds of idle power recorded before and after the window; 0 for none.
        html: whether to write ``report.html`` beside ``report.json``.
        cuda: how marks are timed on a GPU: ``events`` (CUDA events, no waiting in the loop), ``sync`` (it
            is synchronised with at every mark: exact, slow), ``off``; None: events where CUDA is used.
        dither_every: insert a short random wait every so many steps, 0 for none. Steps of constant length can
            lock to a sensor's refresh, and phases are then not told apart; a wait of up to a refresh breaks
            the lock. Its cost is the phase ``<phase>/data/dither`` in the ledger.
        sensors: what to read; None for all that this machine has.
        sampling: who reads the sensors: a ``process`` of its own beside the training, or a ``thread`` of this
            one, which starts sooner and takes a share of the interpreter. None: a thread where sensors or a
            clock are given, else ``ENERGYPROF_SAMPLING``, else a process where there can be one.
        clock: the clock; None for the machine's own.
        command: the command line, for the record; None for this process's own.
        resumed_from: the earlier part of a training that this run continues; it is in none of the figures.

    Raises:
        UsageError: a figure that cannot be meant.
        UnknownName: no carbon data for that country.
    """

    def __init__(
        self,
        name: str = "run",
        *,
        out: str | Path | None = None,
        seed: int | None = None,
        country: str | None = None,
        intensity_g_per_kwh: float | None = None,
        pue: float | None = None,
        embodied: EmbodiedCarbon | None = None,
        codecarbon: bool = False,
        idle_s: float = 0.0,
        html: bool = True,
        cuda: Literal["events", "sync", "off"] | None = None,
        dither_every: int = 0,
        sensors: Sequence[Sensor] | None = None,
        sampling: Literal["process", "thread"] | None = None,
        clock: Clock | None = None,
        command: str | None = None,
        resumed_from: ResumedFrom | None = None,
    ) -> None:
        if not 0 <= idle_s < 3600:
            raise UsageError(f"idle_s is {idle_s}: give seconds between 0 and 3600")
        if dither_every < 0:
            raise UsageError(f"dither_every is {dither_every}: give a number of steps, or 0 for none")
        require_mode(cuda)
        rank = rank_of(os.environ)
        self.name = name if rank is None else f"{name}-rank{rank.number}"
        self._dither_every = dither_every
        self._out = Path(os.environ.get("ENERGYPROF_OUT", "reports") if out is None else out)
        self._carbon = carbon_beside(carbon_intensity(country, intensity_g_per_kwh), pue, embodied)
        self._codecarbon = codecarbon
        self._idle_s, self._html, self._cuda = idle_s, html, cuda
        self._given_sensors = sensors
        self._sampling = chosen_sampling(sampling, given=sensors is not None or clock is not None)
        self._clock: Clock = clock or SystemClock()
        self._command = shorten_home(command or " ".join(sys.argv))
        self._resumed_from = resumed_from
        self._seed = seed_of_environment() if seed is None else seed
        self._recorder: Recorder | None = None
        self._draft = RunDraft()
        self._run: Run | None = None
        self._beside: CodeCarbonBeside | None = None
        self._owner = (0, 0)
        self._termination = Termination()
        self._samples, self._epochs = SampleCount(), EpochMarks()

    # -- the block ----------------------------------------------------------------------------------------

    def __enter__(self) -> Profiler:
        """Start recording and open the measured window."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the window and write the report; what was raised inside goes on."""
        self.stop(error)

    def start(self) -> None:
        """Find the sensors, make the run folder, record idle power, open the window.

        Raises:
            OutputError: the folder cannot be written.
            UsageError: the profiler has been started before.
        """
        if self._recorder is not None:
            raise UsageError(f"profiler '{self.name}' was started before: make a new one for each run")
        recorder = self._prepared()
        self._recorder, self._owner = recorder, (os.getpid(), threading.get_ident())
        try:
            begin_recording(recorder.folder.path.name, self._draft)
            recorder.start()
            atexit.register(self._stop_at_exit)
            self._idle()
            if self._beside is not None:
                self._beside.start()
            recorder.open_window()
        except BaseException as error:  # Ctrl-C above all, while idle power is recorded
            self.stop(error)
            raise

    def _prepared(self) -> Recorder:
        """Find the sensors and make the run folder; where that fails or is cut off, nothing stays behind."""
        with ExitStack() as undoing:
            self._termination.take()
            undoing.callback(self._termination.give_back)
            self._make_codecarbon()
            started_ns = self._clock.wall_ns()
            timeline, now_ns = device_timing(self._cuda, self._clock.now_ns)
            sensing = sense(self._sampling, self._clock, self._given_sensors)
            undoing.callback(sensing.sampler.close)
            run_id = new_run_id(self.name, datetime.fromtimestamp(started_ns / 1e9, UTC))
            recorder = Recorder(self._out, run_id, sensing.sampler, self._clock, timeline, now_ns)
            undoing.callback(recorder.folder.discard)
            self._introduce(recorder, sensing, started_ns)
            undoing.pop_all()
        return recorder

    def _introduce(self, recorder: Recorder, sensing: Sensing, started_ns: int) -> None:
        """Say in the record what is recorded, and by whom."""
        self._sampling = sensing.sampling
        for problem in sensing.missing:
            self._draft.note("sensor-missing", problem)
        run = RunInfo(
            id=recorder.folder.path.name,
            name=self.name,
            status=RunStatus.PARTIAL,
            started_at=instant_text(started_ns),
            seed=self._seed,
            command=self._command,
            resumed_from=self._resumed_from,
        )
        sensors = sensing.sampler.sensor_infos()
        recorder.draft(self._draft.begin(run, gpus=sensing.gpus, sensors=sensors, carbon=self._carbon))

    def stop(self, error: BaseException | None = None) -> None:
        """Close the window and write the report. A second call, or one in a forked child, does nothing.

        Args:
            error: what ended the block, if anything did.
        """
        recorder = self._recorder
        if recorder is None or self._run is not None or os.getpid() != self._owner[0]:
            return
        recorder.close_window()
        end_recording(recorder.folder.path.name)
        if self._beside is not None:
            self._draft.beside(self._beside.stop(), self._beside.problem)
        atexit.unregister(self._stop_at_exit)
        self._termination.give_back()
        if error is None:
            self._idle()
        recorder.stop()
        self._finish(recorder, error)

    def _stop_at_exit(self) -> None:
        """Finish what nobody has stopped, as the program ends, by an error that nobody caught if by any."""
        uncaught = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
        self.stop(self._termination.cause or uncaught)

    # -- what happens inside ------------------------------------------------------------------------------

    def steps(self, iterable: Iterable[T], phase: str = "train", samples: int | None = None) -> Iterator[T]:
        """Iterate over a loader; each item is one step, one optimisation update.

        The time to get an item is the phase ``<phase>/data``, the body of the loop is ``<phase>``.

        Args:
            iterable: batches; anything iterable.
            phase: what the steps are called in the ledger.
            samples: training samples a step. None: the length of the first batch, or of its first element,
                counts for all but the last, whose own length is used.
        """
        if not self._recording():
            return iter(iterable)
        recorder = self._active()
        begun, ended = self._samples.of_loop(recorder.log, samples)
        if self._dither_every:
            slowest_s = max((info.refresh_s or 0.0 for info in recorder.sensor_infos()), default=0.0)
            iterable = dithered(iterable, self._dither_every, slowest_s, self._clock, self.phase)
        return recorder.marks.steps(iterable, phase, begun, ended)

    def phase(self, name: str) -> AbstractContextManager[object]:
        """Name what happens inside ``with prof.phase("forward")``; phases nest.

        Phases are told apart on the thread that started the profiler; on any other this does nothing.
        """
        if self._recorder is None or threading.get_ident() != self._owner[1]:
            return _NO_PHASE
        return self._recorder.marks.phase(name)

    def log(self, **values: float | None) -> None:
        """Note scalars at this moment: ``prof.log(train_loss=0.3, validation_accuracy=0.97)``.

        Reading a value off a GPU waits for it; log once an epoch rather than once a step. Of what comes after
        the end a warning says that it is in no record.

        Raises:
            UsageError: something that is no number.
        """
        if self._recording():
            self._active().log(checked_scalars(values))
        elif self._run is not None:
            told = (
                f"'{', '.join(values)}' came after the end of run {self._run.path.name}: log inside its block"
            )
            warnings.warn(told, RuntimeWarning, stacklevel=2)

    def epoch(self, index: int, stage: str = "train") -> AbstractContextManager[None]:
        """Mark an epoch, ``with prof.epoch(0):``; what is logged inside belongs to it."""
        return self._epochs.epoch(self._active().log, index, stage) if self._recording() else _NO_PHASE

    def describe(self, **facts: Any) -> None:
        """Say what is computed: fields of ``workload`` in the report, or of where it is.

        The latter are device, threads, flush_denormal and keeps_freed_memory.

        Raises:
            UnknownName: a field that the record does not have.
            UsageError: a value that its field cannot hold.
        """
        self._tell(self._draft.describe(**facts))

    def account(
        self,
        flops: float | None = None,
        memory: MemoryByCause | None = None,
        peak_device_memory_bytes: int | None = None,
        includes: Sequence[str] | None = None,
    ) -> None:
        """Add figures that the training code knows and no sensor tells.

        Args:
            flops: floating-point operations of all training steps together.
            memory: training memory by cause.
            peak_device_memory_bytes: the allocator's peak on the device.
            includes: what the window includes: training, evaluation, checkpoints, data-loading, warm-up.
                Where nobody says: training, data-loading and what phases tell of.

        Raises:
            UsageError: a figure that cannot be meant, or a part of the window that there is not.
        """
        self._tell(self._draft.account(flops, memory, peak_device_memory_bytes, includes))

    def latest(self) -> Mapping[str, tuple[float, int]]:
        """Return the latest value of every channel and when it was read (monotonic, ns), for a live view."""
        return {} if self._recorder is None else self._recorder.sampler.latest()

    # -- what came of it ----------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Return the run folder.

        Raises:
            UsageError: the profiler has not been started.
        """
        return self._active().folder.path

    @property
    def finished(self) -> bool:
        """Tell whether the window is closed and :attr:`run` is there."""
        return self._run is not None

    @property
    def run(self) -> Run:
        """Return the finished run.

        Raises:
            UsageError: the window is still open, or was never opened.
        """
        self._active()
        if self._run is None:
            raise UsageError("the run is not finished: ask for it after the 'with' block")
        return self._run

    # -- inside -------------------------------------------------------------------------------------------

    def _recording(self) -> bool:
        return self._recorder is not None and self._run is None

    def _active(self) -> Recorder:
        if self._recorder is None:
            told = (
                "was never started, so nothing is recorded: it needs  with energyprof.Profiler(...) as prof:"
            )
            raise UsageError(f"profiler '{self.name}' {told}")
        return self._recorder

    def _tell(self, draft: Report | None) -> None:
        if draft is not None and self._recorder is not None:
            self._recorder.draft(draft)

    def _idle(self) -> None:
        if self._idle_s:
            with self._active().marks.phase("idle"):
                self._clock.sleep_until_ns(self._clock.now_ns() + int(self._idle_s * 1e9))

    def _make_codecarbon(self) -> None:
        """Make CodeCarbon's tracker, which takes seconds, before anything is recorded."""
        if self._codecarbon:
            from energyprof.recording.codecarbon_beside import CodeCarbonBeside

            self._beside = CodeCarbonBeside()
            self._draft.beside(self._beside.tool)

    def _finish(self, recorder: Recorder, error: BaseException | None) -> None:
        for problem in recorder.problems:
            self._draft.note("recording-problem", problem, Severity.WARNING)
        if error is None:
            for unused in unused_marks(recorder.marks, self._epochs.not_entered):
                self._draft.note("unused-mark", f"{unused}.", Severity.WARNING)
        report = self._draft.ended(
            error,
            at_ns=self._clock.wall_ns(),
            sensors=recorder.sensor_infos(),
            overhead=replace(recorder.overhead(), sampling=self._sampling),
        )
        self._run = finished_run(recorder.folder, report, html=self._html)
