"""What a network costs: the time of a call."""

import time


def interleaved_times(calls, rounds=5):
    """Time several calls in turn, and return the shortest time of each.

    Other work on a machine comes and goes, and only ever makes a call slower. So each round runs every
    call once, and of each call the fastest run counts. A first round, which traces and compiles, does not.

    Args:
        calls: ``{name: function without arguments}``. It must wait for its result, as ``train_on_batch``
            and ``predict_on_batch`` of a Keras model do, also on a GPU.
        rounds: timed runs of each call.

    Returns:
        ``{name: seconds}``.

    Raises:
        ValueError: fewer than one round.

    Taught in lesson 00.

    Example::

        interleaved_times({"float32": lambda: model.predict_on_batch(images), "float64": ...})
    """
    if rounds < 1:
        raise ValueError(f"At least one round is timed. Received: rounds={rounds!r}")
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in seconds.items()}
