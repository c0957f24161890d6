"""What a piece of work takes on this machine: time and memory."""

import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time

import joblib
import keras
import numpy as np
import psutil


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


def latency(model, batch_sizes=(1, 32), rounds=10):
    """Time the predictions of a model, with the batch already in memory.

    The median of several calls counts, after three that trace, compile and warm up. Each call takes some time
    whatever it computes, about 0.3 ms on a processor: in a small model, that is most of it at batch size 1.

    Args:
        model: of fixed input size; its images are drawn at random.
        batch_sizes: images per call.
        rounds: timed calls of each size.

    Returns:
        ``{batch size: seconds per call}``.

    Raises:
        ValueError: an open input size, or fewer than one round or image.

    Example::

        seconds = latency(model)
        print(f"{seconds[32] / 32 * 1e3:.2f} ms per image in a batch of 32")
    """
    if rounds < 1 or min(batch_sizes) < 1:
        raise ValueError(f"Give one at least of each. Received: batch_sizes={batch_sizes!r}, rounds={rounds!r}")
    if any(None in each.shape[1:] for each in model.inputs):
        raise ValueError(f"Give the model a fixed input size. Received: {[each.shape for each in model.inputs]}")
    random, found = np.random.default_rng(0).random, {}
    for size in batch_sizes:
        batch = [random((size, *each.shape[1:])).astype(each.dtype) for each in model.inputs]
        seconds = []
        for _ in range(3 + rounds):
            start = time.perf_counter()
            model.predict_on_batch(batch if len(batch) > 1 else batch[0])
            seconds.append(time.perf_counter() - start)
        found[size] = statistics.median(seconds[3:])
    return found


def peak_memory(prepare, *arguments):
    """Measure the memory that a piece of work takes at its peak, in a fresh process.

    The process calls ``prepare(*arguments)``, which imports, builds and loads what is needed and returns the
    work: a function without arguments. What the process holds then is subtracted from the most that it holds
    during the work, as Linux has noted it; elsewhere it is looked at every millisecond. Work that traces or
    compiles at first is done once by ``prepare``, with a small batch. Memory of a GPU is not seen.

    Args:
        prepare: a function, in a notebook too; what it refers to is copied into the process.
        arguments: what it is called with.

    Returns:
        Bytes.

    Raises:
        RuntimeError: the process failed, with its last message, or ``prepare`` returns no function.

    Example::

        def prepare(depth):
            model = build(depth)
            model.train_on_batch(images[:1], labels[:1])
            return lambda: model.train_on_batch(images, labels)
        print(f"{peak_memory(prepare, 16) / 2**20:.0f} MiB")
    """
    program = """if True:
        import os, pathlib, pickle, sys
        answer = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what it prints goes where errors go
        sys.path[:] = pickle.load(sys.stdin.buffer)
        prepare, arguments = pickle.load(sys.stdin.buffer)
        work = prepare(*arguments)
        if not callable(work):
            raise TypeError(f"Return the work as a function without arguments. Received: {work!r}")
        try:
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
            status = pathlib.Path("/proc/self/status")
        except OSError:  # not Linux
            status = None
        print(os.getpid(), file=answer, flush=True)
        sys.stdin.buffer.readline()
        held = work()
        if status:
            print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024, file=answer)
    """
    task = pickle.dumps(joblib.wrap_non_picklable_objects((prepare, arguments), keep_wrapper=False))
    command, environment = [sys.executable, "-c", program], {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(command, stderr=messages, env=environment, **pipes) as child:
            try:
                child.stdin.write(pickle.dumps(sys.path) + task)
                child.stdin.flush()
                process = psutil.Process(int(child.stdout.readline() or child.pid))
                held = [process.memory_info().rss]
                child.stdin.write(b"\n")
                child.stdin.flush()
                while child.poll() is None:
                    held.append(process.memory_info().rss)
                    time.sleep(0.001)
                held = [held[0], int(child.stdout.readline() or max(held))]
            except (BrokenPipeError, psutil.Error):  # it has ended
                child.wait()
            finally:
                child.kill()
        messages.seek(0)
        *_, last = messages.read().decode(errors="replace").strip().rpartition("\n")
    if child.returncode:
        raise RuntimeError(f"The work failed in its process, with status {child.returncode}. Received: {last}")
    return max(held) - held[0]
