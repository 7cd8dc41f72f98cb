"""Which step a mark belongs to.

A mark says that from then on the program waits for data, is in the body of a step, or is somewhere else. A
wait for data becomes part of a step only once its body follows: the last wait of a loop, which finds that
there is no more data, belongs to none.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BODY", "PLAIN", "WAIT", "number_steps"]

WAIT: Final = 0  # may begin a step
BODY: Final = 1
PLAIN: Final = 2  # neither


def number_steps(kinds: NDArray[np.int32], finished: int) -> tuple[NDArray[np.int64], int]:
    """Number the steps of marks, as far as they are decided: a wait still going on is not.

    Args:
        kinds: (n,) what each mark does to the step count.
        finished: how many steps began before the first of them.

    Returns:
        (m,) the step of each mark, or -1; and how many steps have begun by now. m <= n.
    """
    others = np.flatnonzero(kinds != WAIT)
    decided = int(others[-1]) + 1 if others.size else 0
    kinds = kinds[:decided]
    waits = kinds == WAIT
    follower = kinds[others[np.searchsorted(others, np.arange(decided))]]
    in_step = follower == BODY
    begins = in_step & waits
    begins[1:] &= ~waits[:-1]
    step = np.where(in_step, finished - 1 + np.cumsum(begins), -1)
    return step, finished + int(begins.sum())
