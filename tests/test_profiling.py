"""Time is read from a clock that the test sets, memory compared with arrays of known size."""

import functools
import itertools
import logging
import os

import keras
import numpy as np
import pytest
from keras import layers

from helpers import profiling
from helpers.profiling import interleaved_times, latency, peak_memory


def test_the_fastest_run_counts_the_first_does_not_and_calls_take_turns(monkeypatch):
    clock, turns = [0.0], []
    durations = {"a": iter([9, 3, 2, 4]), "b": iter([1, 8, 8, 7])}  # seconds; the first run is not timed
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: clock[0])

    def call(name):
        turns.append(name)
        clock[0] += next(durations[name])

    times = interleaved_times({"a": lambda: call("a"), "b": lambda: call("b")}, rounds=3)
    assert times == {"a": 2, "b": 7}
    assert turns == list("abababab")


def test_a_round_at_least():
    with pytest.raises(ValueError, match="Received: rounds=0"):
        interleaved_times({}, rounds=0)


def small(*more):
    return keras.Sequential([keras.Input((32, 32, 3)), *more, layers.GlobalAveragePooling2D(), layers.Dense(2)])


def test_latency_grows_with_the_batch_and_the_model():
    light, heavy = latency(small()), latency(small(layers.Conv2D(64, 5), layers.Conv2D(64, 5)), rounds=5)
    assert list(light) == [1, 32]
    assert heavy[32] > heavy[1] > 0 and heavy[32] > light[32] > 0


def test_latency_is_the_median_after_a_warm_up(monkeypatch):
    clock, durations, shapes = [0.0], itertools.cycle([90, 80, 70, 3, 1, 50]), []
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: clock[0])
    model = small()

    def predict(batch):
        shapes.append(batch.shape)
        clock[0] += next(durations)

    monkeypatch.setattr(model, "predict_on_batch", predict)
    assert latency(model, batch_sizes=(2, 4), rounds=3) == {2: 3, 4: 3}
    assert shapes == [(2, 32, 32, 3)] * 6 + [(4, 32, 32, 3)] * 6


def test_many_models_do_not_write_of_tracing(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tensorflow"), "propagate", True)
    for _ in range(7):
        small().predict_on_batch(np.zeros((1, 32, 32, 3)))
    assert not caplog.records
    logging.getLogger("tensorflow").warning("another warning")
    assert [each.message for each in caplog.records] == ["another warning"]


def test_latency_feeds_every_input_in_its_type(monkeypatch):
    a, b = keras.Input((4,)), keras.Input((2,), dtype="int32")
    model = keras.Model([a, b], layers.Concatenate()([a, layers.Flatten()(layers.Embedding(3, 2)(b))]))
    assert latency(model, batch_sizes=[3], rounds=1)[3] > 0
    monkeypatch.setattr(model, "predict_on_batch", lambda batch: seen.extend((x.shape, str(x.dtype)) for x in batch))
    seen = []
    latency(model, batch_sizes=[3], rounds=1)
    assert seen[:2] == [((3, 4), "float32"), ((3, 2), "int32")]


@pytest.mark.parametrize("arguments", [{"rounds": 0}, {"batch_sizes": (0, 1)}])
def test_nothing_to_time_is_refused(arguments):
    with pytest.raises(ValueError, match=f"Received: .*{list(arguments)[0]}="):
        latency(small(), **arguments)


def test_an_open_size_cannot_be_timed():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="fixed input size"):
        latency(model)


NOTEBOOK = """
import os
import sys
import numpy as np
held, size = [], 25_000_000  # eight bytes each
def ones(count):
    return np.ones(count)
def kept():
    return lambda: ones(size)
def freed():
    return lambda: float(ones(size).sum())
def prepared():
    ones(2 * size)
    held.append(ones(size))
    return lambda: ones(size // 10)
def loud(text):
    print(text)
    print(text, file=sys.stderr)
    return lambda: print(text)
def wrong_backend():
    raise LookupError(os.environ["KERAS_BACKEND"])
def fails():
    return lambda: 1 / 0
def dies():
    return lambda: os._exit(7)
def returns_no_function():
    return 3
def refuses_to_load():
    return Refusing()
class Refusing:
    def __reduce__(self):
        return int, ("no number",)
"""


@pytest.fixture
def notebook():
    """What a notebook defines, which no process can import."""
    names = {"__name__": "__main__"}
    exec(NOTEBOOK, names)
    return names


@pytest.mark.parametrize(("work", "megabytes"), [("kept", 200), ("freed", 200), ("prepared", 20)])
def test_peak_memory_is_that_of_the_work(notebook, work, megabytes):
    assert peak_memory(notebook[work]) / 1e6 == pytest.approx(megabytes, abs=6)


def test_peak_memory_takes_arguments_and_functions_of_modules():
    assert peak_memory(functools.partial, np.ones, 10_000_000) / 1e6 == pytest.approx(80, abs=6)


def test_peak_memory_is_quiet(notebook, capfd):
    peak_memory(notebook["loud"], "hello")
    assert capfd.readouterr() == ("", "")


def test_the_process_has_the_backend_of_this_one(notebook, monkeypatch):
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "another")
    with pytest.raises(RuntimeError, match=f"LookupError: {keras.config.backend()}$"):
        peak_memory(notebook["wrong_backend"])


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [
        ("fails", (), "with status 1. Received: ZeroDivisionError: division by zero$"),
        ("dies", (), "with status 7"),
        ("returns_no_function", (), "TypeError: .* without arguments. Received: 3$"),
        ("loud", (), "missing 1 required positional argument: 'text'$"),
        ("loud", ("Refusing",), "invalid literal for int"),
    ],
)
def test_what_fails_in_the_process_is_told(notebook, work, arguments, message):
    arguments = [notebook[each]() if each in notebook else each for each in arguments]
    with pytest.raises(RuntimeError, match=message):
        peak_memory(notebook[work], *arguments)
