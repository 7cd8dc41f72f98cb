import numpy as np

from energyprof.analysis.edge_times import EdgeTimes
from energyprof.analysis.refreshes import Refreshes


def test_refreshes_are_exact_where_no_increment_is_a_range():
    two = np.array([0.0, 1.0])
    parts = {
        "since_s": two,
        "until_s": two,
        "at": EdgeTimes(at_s=two, deviation_s=0 * two),
        "energy_j": np.array([5.0]),
        "slack_j": 0 * two,
        "gap": np.array([False]),
    }
    assert Refreshes(low_j=np.array([5.0]), high_j=np.array([5.0]), **parts).exact
    wide = Refreshes(low_j=np.array([4.0]), high_j=np.array([5.0]), **parts)
    assert not wide.exact
    assert len(wide) == 2
