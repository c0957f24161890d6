"""What a network costs: parameters, multiply-adds, bytes, time and memory; and how far each layer sees."""

import logging
import math
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import joblib
import keras
import numpy as np
import pandas as pd
import psutil
from keras import layers


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


def layer_table(model, known=None):
    """Return what each layer of a model costs for one image.

    Multiply-adds are the multiplications by learned kernels, one with its addition counted as one, as in
    published figures: positions of the kernel, at the border too, times its weights. Biases, normalisation,
    activation, pooling and whatever has no weights count none.

    Args:
        model: functional or sequential, of fixed input size; models within it are opened.
        known: ``{class: function(layer, output shape) -> multiply-adds}`` for other layers.

    Returns:
        A DataFrame with a row per layer and operation, named "model/layer" within a model: ``kind``, the class;
        ``shape`` of the output; ``parameters``, and how many are ``trainable``; ``multiply_adds``;
        ``weight_bytes``; ``activation_bytes``, of the output. Shapes are without the batch, bytes by each dtype.
        Activation bytes add up to what training holds if every output is kept. Where a layer's output may take
        the place of its input, as that of a ReLU or Flatten may, leave out its kind. A layer called twice has
        one row: its weights count once, its multiply-adds and outputs twice.

    Raises:
        ValueError: no graph, an open input size, or a layer whose multiply-adds are not known.

    Example::

        table = layer_table(keras.applications.VGG16(weights=None))
        table.multiply_adds.sum() / 1e9  # 15.47
    """
    rows = {}
    for name, node in _calls(model):
        layer, outputs = node.operation, node.outputs
        if layer is None:
            continue
        weights, shape = getattr(layer, "weights", []), outputs[0].shape[1:]
        if None in shape:
            raise ValueError(f"Give the model a fixed input size. Received: layer {name} with output shape {shape}")
        count = {
            "layer": name,
            "kind": type(layer).__name__,
            "shape": shape,
            "parameters": sum(math.prod(each.shape) for each in weights),
            "trainable": sum(math.prod(each.shape) for each in weights if each.trainable),
            "multiply_adds": _multiply_adds(name, node, known or {}),
            "weight_bytes": sum(_bytes(each.shape, each.dtype) for each in weights),
            "activation_bytes": sum(_bytes(each.shape[1:], each.dtype) for each in outputs),
        }
        if id(layer) in rows:
            for column in ("multiply_adds", "activation_bytes"):
                rows[id(layer)][column] += count[column]
        rows.setdefault(id(layer), count)
    return pd.DataFrame(rows.values()).set_index("layer")


def receptive_field(model, known=None):
    r"""Return how large a part of the image one unit of each layer sees.

    A layer with kernel $k$, dilation $d$ and stride $s$ widens the field from $r$ to $r + (k - 1) d j$, and
    the stride $j$ becomes $j s$; both start at 1. Where branches meet, the largest field counts. This is the
    field in theory: it may reach over the image's border.

    Args:
        model: functional or sequential, of images; models within it are opened.
        known: ``{class: (kernel side, stride)}`` for other layers; (1, 1) if each point is taken by itself.

    Returns:
        A DataFrame with a row per layer, named as in ``layer_table``: ``field`` and ``stride`` in pixels, each
        (height, width). Flatten and global pooling see their whole input, as a kernel of its size does.
        That normalisation may take its statistics from the whole map is left out.

    Raises:
        ValueError: no graph, no image, or a layer whose kernel is not known.

    Source: Araujo, Norris and Sim, 2019, "Computing Receptive Fields of Convolutional Neural Networks", section 2.

    Example::

        receptive_field(model).field["block5_conv3"]  # (196, 196) in VGG16
    """
    found, rows = {}, {}
    for name, node in _calls(model):
        inputs = [found[id(each)] for each in node.input_tensors if id(each) in found]
        if node.operation is None:  # into a model, or out of it
            found.update({id(inner): found[id(outer)] for outer, inner in zip(node.input_tensors, node.outputs)})
            continue
        rank = len(inputs[0][0]) if inputs else len(node.outputs[0].shape) - 2
        if rank < 1:
            raise ValueError(f"Give a model of images. Received: {name} of shape {node.outputs[0].shape}")
        sides, strides = _window(name, node, rank, known or {}) if inputs else ((1,) * rank, (1,) * rank)
        inputs = inputs or [((1,) * rank, (1,) * rank)]
        field, stride = (tuple(map(pick, zip(*each))) for pick, each in zip((max, min), zip(*inputs)))
        field = tuple(r + (k - 1) * j for r, k, j in zip(field, sides, stride))
        stride = tuple(j * s for j, s in zip(stride, strides))
        found.update({id(each): (field, stride) for each in node.outputs})
        calls = zip(rows.get(name, (field, stride)), (field, stride))
        rows[name] = tuple(tuple(map(max, zip(*each))) for each in calls)  # the widest, where it is called twice
    return pd.DataFrame.from_dict(rows, orient="index", columns=["field", "stride"]).rename_axis("layer")


def _calls(model, prefix=""):
    """Yield the name and the node of each call in a model's graph, with those of models within it.

    A node without an operation hands tensors to such a model, or takes them from it.
    """
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(f"Give a functional model, or a sequential one with its Input. Received: model={model!r}")
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            name = prefix + node.operation.name
            if isinstance(node.operation, keras.Model):
                inner = getattr(node.operation, "_functional", None) or node.operation
                yield name, SimpleNamespace(operation=None, input_tensors=node.input_tensors, outputs=inner.inputs)
                yield from _calls(inner, f"{name}/")
                yield name, SimpleNamespace(operation=None, input_tensors=inner.outputs, outputs=node.outputs)
            elif not (prefix and node.is_input):
                yield name, node


def _bytes(shape, dtype):
    """Return the size of an array."""
    return math.prod(shape) * int(re.search(r"\d+", f"{dtype} 8")[0]) // 8  # bool names no bits


def _map_shape(layer, shape):
    """Return a shape without batch and channels."""
    order = getattr(layer, "data_format", None) or "channels_last"
    return tuple(shape[2:] if order == "channels_first" else shape[1:-1])


def _multiply_adds(name, node, known):
    """Return the multiply-adds of a call, for one image."""
    layer, kind = node.operation, type(node.operation)
    if kind in known:
        return int(known[kind](layer, node.outputs[0].shape[1:]))
    forward = [layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D]
    forward += [layers.DepthwiseConv2D, layers.SeparableConv1D, layers.SeparableConv2D]
    transposed = [layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose]
    if kind in forward + transposed:  # itself: a class made from one of these may compute something else
        kernels = [getattr(layer, each, None) for each in ("kernel", "depthwise_kernel", "pointwise_kernel")]
        weights = sum(math.prod(kernel.shape) for kernel in kernels if kernel is not None)
        moved_over = node.input_tensors[0] if kind in transposed else node.outputs[0]
        return weights * math.prod(_map_shape(layer, moved_over.shape))
    free = [layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization]
    free += [layers.RMSNormalization, layers.Normalization, layers.PReLU]
    products = "Attention Conv ConvTranspose DepthwiseConv Dot Einsum Inner Matmul Outer SeparableConv Tensordot"
    if kind in free or not getattr(layer, "weights", []) and kind.__name__ not in products.split():
        return 0
    raise ValueError(
        "The multiply-adds of this class are not known: give known={class: function(layer, output shape)}. "
        f"Received: layer {name} of class {kind.__name__}"
    )


def _window(name, node, rank, known):
    """Return the sides of the window that a call moves over its input, gaps of dilation included, and its strides."""
    layer, kind, ones = node.operation, type(node.operation).__name__, (1,) * rank
    shape = _map_shape(layer, node.input_tensors[0].shape)
    if type(layer) in known:
        return tuple((each,) * rank for each in known[type(layer)])
    sides = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if sides is not None and len(shape) == rank and "Transpose" not in kind:
        gaps = getattr(layer, "dilation_rate", 1)
        sides, strides, gaps = (np.broadcast_to(each, rank).tolist() for each in (sides, layer.strides, gaps))
        return [(side - 1) * gap + 1 for side, gap in zip(sides, gaps)], strides
    key = node.arguments.args[1] if kind == "GetItem" else None
    if isinstance(key, tuple) and [type(each) for each in key[: rank + 1]] == [slice] * (rank + 1):  # x[:, ::2, ::2]
        return ones, [each.step or 1 for each in key[1 : rank + 1]]
    if kind in ("Flatten", "Reshape") or kind.startswith("Global"):
        whole = shape if len(shape) == rank else ones
        return whole, whole
    pointwise = """Absolute Add Average Cast Clip Concatenate Cropping1D Cropping2D Cropping3D Dense Divide Identity
        Maximum Minimum Multiply Negative Normalization Pad Power Relu Rescaling Sigmoid Sign Silu Sqrt Square
        Subtract Tanh ZeroPadding1D ZeroPadding2D ZeroPadding3D"""
    families = tuple(f"keras.src.layers.{each}." for each in ("activations", "normalization", "regularization"))
    if kind in pointwise.split() or type(layer).__module__.startswith(families):
        return ones, ones
    raise ValueError(
        "The kernel of this class is not known: give known={class: (kernel side, stride)}. "
        f"Received: layer {name} of class {kind}"
    )


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
    logger = logging.getLogger("tensorflow")  # warns of tracing when several models predict
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        for size in batch_sizes:
            batch = [random((size, *each.shape[1:])).astype(each.dtype) for each in model.inputs]
            seconds = []
            for _ in range(3 + rounds):
                start = time.perf_counter()
                model.predict_on_batch(batch if len(batch) > 1 else batch[0])
                seconds.append(time.perf_counter() - start)
            found[size] = statistics.median(seconds[3:])
    finally:
        logger.setLevel(level)
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
