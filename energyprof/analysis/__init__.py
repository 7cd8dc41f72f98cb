"""What a run means: pure functions from arrays and dataclasses to the same. No I/O, no clock, no globals."""
