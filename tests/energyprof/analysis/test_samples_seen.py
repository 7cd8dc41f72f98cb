from energyprof.analysis.samples_seen import SamplesSeen


def count(metrics, steps):
    seen = SamplesSeen()
    for row in range(len(metrics.name)):
        seen.take(metrics, row)
    return seen.at(steps)


def test_steps_count_by_the_batch_in_force_at_each(sim):
    logged = sim.metrics((0.0, 0, "batch_samples", 128), (1.0, 10, "batch_samples", 64))
    assert count(logged, 15) == 10 * 128 + 5 * 64


def test_an_exact_count_goes_before_what_was_counted_by_steps(sim):
    logged = sim.metrics((0.0, 0, "batch_samples", 128), (1.0, 10, "samples", 1250))
    assert count(logged, 10) == 1250
    assert count(logged, 12) == 1250 + 2 * 128


def test_nothing_logged_is_not_known(sim):
    assert count(sim.metrics((0.0, 0, "train_loss", 1.0)), 5) is None
    assert count(sim.metrics((0.0, 0, "samples", float("nan"))), 5) is None


def test_a_count_without_a_batch_stands(sim):
    assert count(sim.metrics((0.0, 3, "samples", 100)), 8) == 100
