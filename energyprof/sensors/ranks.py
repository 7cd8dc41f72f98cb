"""Several processes of one training, as torchrun starts them: each measures its own part of a node, once.

The ranks of a node see the same GPUs and the same CPU. Were each to record all of them, the sum over ranks
would count every joule several times. So the node's GPUs are dealt out, in the order in which ranks take
them by convention, and what belongs to the host is left to the first rank of the node. A rank that was shown
GPUs of its own records these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyprof.sensors.visibility import Visibility

__all__ = ["Rank", "rank_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One of at least two processes that train together.

    Attributes:
        number: among all, from 0.
        local: among those of its node, from 0.
        local_count: how many the node has.
    """

    number: int
    local: int
    local_count: int

    @property
    def counts_host(self) -> bool:
        """Tell whether the energy of the node's CPU and memory is this rank's to record."""
        return self.local == 0

    def owns(self, seen: int, total: int, shown: Visibility) -> bool:
        """Tell whether the GPUs that this rank sees are its own: shown to it alone, and enough for all.

        Args:
            seen: how many GPUs this rank sees.
            total: how many the node has.
            shown: see :mod:`.visibility`.
        """
        return shown is Visibility.OWN and seen * self.local_count <= total

    def gpus(self, count: int, *, own: bool = False) -> Sequence[int]:
        """Return which of so many GPUs are this rank's: each is one rank's, the first rank's the first.

        Where there are fewer than ranks, every rank has all that it sees: it may have one of its own.

        Args:
            count: how many this rank sees.
            own: whether no other rank sees them.
        """
        mine = own or count < self.local_count
        return range(count) if mine else range(self.local, count, self.local_count)

    def notes(
        self, gpus: int, mine: Sequence[int] = (), *, own: bool = False, certain: bool = True
    ) -> tuple[str, ...]:
        """Say what this rank's record holds, in words.

        Args:
            gpus: how many this rank sees.
            mine: those of them that it records.
            own: whether no other rank sees them.
            certain: whether it is known that the ranks were shown the same.
        """
        notes = []
        if not self.counts_host:
            notes.append(
                f"the energy of the host stands in the record of the node's first rank, not in this one "
                f"(rank {self.number}): it counts once"
            )
        if own:
            notes.append(f"rank {self.number} was shown GPUs of its own ({gpus}), and records all of them")
        elif gpus >= self.local_count:
            notes.append(self._dealt_note(gpus, mine, certain))
        elif gpus:
            notes.append(
                f"{self.local_count} ranks, {gpus} GPU seen by this one: ranks that share it each count it"
            )
        return tuple(notes)

    def _dealt_note(self, gpus: int, mine: Sequence[int], certain: bool) -> str:
        named = ", ".join(f"gpu:{index}" for index in mine)
        dealt = (
            f"of the {gpus} GPUs that rank {self.number} sees it records {named}, the other ranks the rest"
        )
        if certain or gpus == len(mine):
            return dealt
        return (
            f"{dealt}, if all see the same; if each was shown GPUs of its own, nobody measures the rest: "
            "start the ranks by torchrun, whose environment tells, or show each rank one GPU"
        )


def rank_of(environment: Mapping[str, str]) -> Rank | None:
    """Return which rank this process is by torchrun's variables; None where it is alone.

    Args:
        environment: ``RANK`` and ``WORLD_SIZE`` are looked at, ``LOCAL_RANK`` and ``LOCAL_WORLD_SIZE``
            where there are several nodes.
    """
    number, count = (_whole(environment.get(name)) for name in ("RANK", "WORLD_SIZE"))
    if number is None or count is None or count < 2:
        return None
    local, local_count = (_whole(environment.get(name)) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    return Rank(
        number=number,
        local=number if local is None else local,
        local_count=max(1, count if local_count is None else local_count),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
