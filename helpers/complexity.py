"""What a network costs: parameters, multiply-adds, bytes, time and memory; and how far each layer sees."""

import math
import re
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
from keras import layers


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
