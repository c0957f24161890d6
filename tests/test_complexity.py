"""Times are compared with a clock that the test turns itself."""

import pytest

from helpers import complexity
from helpers.complexity import interleaved_times


def test_the_fastest_run_counts_the_first_does_not_and_calls_take_turns(monkeypatch):
    clock, turns = [0.0], []
    durations = {"a": iter([9, 3, 2, 4]), "b": iter([1, 8, 8, 7])}  # seconds; the first run is not timed
    monkeypatch.setattr(complexity.time, "perf_counter", lambda: clock[0])

    def call(name):
        turns.append(name)
        clock[0] += next(durations[name])

    times = interleaved_times({"a": lambda: call("a"), "b": lambda: call("b")}, rounds=3)
    assert times == {"a": 2, "b": 7}
    assert turns == list("abababab")


def test_a_round_at_least():
    with pytest.raises(ValueError, match="Received: rounds=0"):
        interleaved_times({}, rounds=0)
