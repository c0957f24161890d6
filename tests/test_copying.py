"""Functions of helpers work when copied with those of their own file that they call; taught code is kept code."""

import ast
import builtins
import copy
import dis
import functools
import re
import sys
from pathlib import Path
from types import CodeType, ModuleType

import keras
import matplotlib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT / "helpers").with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("helpers/**/*.py"))
}
PAGES = {path.name[:2]: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("lessons/[0-9][0-9]_*.py"))}
DEFINITION = ast.FunctionDef | ast.ClassDef

NOT_FOR_COPYING = """
    quiet embedded datasets claims lessons twins address exercises backends kernel runner __main__ __init__
""".split()
NOT_ALONE = {
    "plots.use_course_style": "it reads course.mplstyle, which lies beside it",
    "transfer.backbone": "it reads the weights in data/",
    "transfer.cached_features": "it keeps them in the course's build/",
    "transfer.imagenet_classes": "it reads the names in data/",
}


def small_model():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])


def answers_as_its_classifier(as_head):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(3, 2, (60, 5)), np.arange(60) % 4
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels)
    kernel, bias = as_head(classifier)
    return np.allclose(features @ kernel + bias, classifier.decision_function(features), atol=1e-5)


def freezes(freeze_before):
    model = keras.Sequential([keras.Input((8, 8, 3)), *(keras.layers.Conv2D(2, 3, name=name) for name in "ab")])
    freeze_before(model, "b")
    return [layer.trainable for layer in model.layers] == [False, True]


def draws_anew_from_each_seed(restarts):
    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        model.compile(loss="mse")
        return model

    first, second, third = (model.get_weights()[0].tolist() for model in restarts(build, [0, 1, 0]))
    return first == third != second


def rises_tenfold(range_test):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    rates, losses = range_test(model, np.zeros((4, 2)), np.zeros((4, 1)), batch_size=4, low=0.1, high=1, steps=2)
    return np.allclose(rates, [0.1, 1]) and losses.tolist() == [0, 0]


GREY = np.full((2, 4, 4, 3), 100, "uint8")


def adds_to_grey(least, largest):
    """An example of a layer of augmentation: in training it adds numbers from this range to a grey of 100."""

    def example(layer, strength):
        change = keras.ops.convert_to_numpy(layer(strength, seed=1)(GREY)) - 100
        return change.min() >= least and change.max() <= largest and change.std() > 0

    return example


def whitens(layer):
    images, white = np.random.default_rng(0).normal(5, 3, (50, 2, 2, 1)).astype("float32"), layer(components=3)
    white.adapt(images)
    return np.allclose(np.cov(keras.ops.convert_to_numpy(white(images)).T), np.eye(3), atol=1e-4)


def gives(shape, *arguments, **options):
    """An example of a block or network: maps of 32 x 32 with 4 channels become one tensor of this shape."""
    return lambda build: build(keras.Input((32, 32, 4)), *arguments, **options).shape == (None, *shape)


# A small call of each, given the copy: true where the result is right
EXAMPLES = {
    **{
        f"architectures.{family}.{name}": gives((32, 32, channels), *arguments, name="unit")
        for family in (
            "alexnet",
            "vgg",
            "googlenet",
            "resnet",
            "inception",
            "squeezenet",
            "mobilenet",
            "efficientnet_lite",
        )
        for name, channels, *arguments in (("conv_unit", 6, 6, 3), ("activate", 4, "relu"))
    },
    "architectures.alexnet.LocalResponseNormalization": lambda layer: (
        (
            keras.ops.convert_to_numpy(layer(alpha=1)(np.full((1, 1, 1, 1), 2.0))).round(4)
            == 0.5217  # 2 / (2 + 4)^(3/4)
        ).all()
    ),
    "architectures.alexnet.alexnet": gives((5,), 5, width=0.05, stem="small"),
    "architectures.densenet.activate": gives((32, 32, 4), "relu", name="unit"),
    "architectures.densenet.dense_block": gives((32, 32, 10), repeats=2, growth_rate=3),
    "architectures.densenet.densenet": gives((5,), 5, blocks=(2, 2), stem="small"),
    "architectures.densenet.preactivated_conv": gives((32, 32, 6), 6, 3, name="unit"),
    "architectures.densenet.transition": gives((16, 16, 2)),
    "architectures.efficientnet_lite.depthwise_unit": gives((16, 16, 4), 5, strides=2, name="unit"),
    "architectures.efficientnet_lite.divisible": lambda divisible: [divisible(n) for n in (3, 20, 11.2)] == [8, 24, 16],
    "architectures.efficientnet_lite.efficientnet_lite0": gives((5,), 5, width=0.1, stem="small"),
    "architectures.efficientnet_lite.inverted_residual": gives((32, 32, 4), 4, kernel_size=5),
    "architectures.googlenet.auxiliary_head": gives((5,), 5),
    "architectures.googlenet.googlenet": gives((5,), 5, width=0.05),
    "architectures.googlenet.inception_module": gives((32, 32, 12), 3, 2, 4, 1, 3, 2),
    "architectures.inception.conv_chain": gives((15, 15, 3), [(6, (1, 7)), (3, 3, 2)], "chain"),
    "architectures.inception.expanded_module": gives((32, 32, 2048 // 64), width=1 / 64),
    "architectures.inception.inception_resnet_v2": gives((5,), 5, repeats=(1, 1, 1), width=0.05, stem="small"),
    "architectures.inception.inception_stem": gives((32, 32, 19), stem="small", width=0.1),
    "architectures.inception.inception_v3": gives((5,), 5, width=0.05, stem="small"),
    "architectures.inception.mixed_module": gives((32, 32, 8), [[(2, 1)], [(1, 1), (3, 3)]], pooled=3),
    "architectures.inception.scaled_residual": gives((32, 32, 4), [[(2, 1)], [(1, 1), (3, 3)]], scale=0.1),
    "architectures.lenet.lenet5": gives((5,), 5),
    "architectures.mobilenet.depthwise_unit": gives((16, 16, 4), strides=2, name="unit"),
    "architectures.mobilenet.divisible": lambda divisible: [divisible(n) for n in (3, 20, 11.2)] == [8, 24, 16],
    "architectures.mobilenet.inverted_residual": gives((32, 32, 4), 4),
    "architectures.mobilenet.mobilenet_v1": gives((5,), 5, width=0.1, stem="small"),
    "architectures.mobilenet.mobilenet_v2": gives((5,), 5, width=0.1, stem="small"),
    "architectures.mobilenet.separable_block": gives((16, 16, 6), 6, strides=2),
    "architectures.resnet.basic_block": gives((16, 16, 6), 6, strides=2, shortcut="padding"),
    "architectures.resnet.bottleneck_block": gives((16, 16, 24), 6, strides=2),
    "architectures.resnet.resnet": gives((5,), 5, stacks=(1, 1), filters=4, stem="small"),
    "architectures.resnet.resnet_stack": gives((16, 16, 6), 2, 6, strides=2),
    "architectures.resnet.shortcut_branch": gives((16, 16, 6), 6, strides=2, shortcut="padding"),
    "architectures.squeezenet.fire_module": gives((32, 32, 6), 2, 3),
    "architectures.squeezenet.squeezenet": gives((5,), 5, width=0.1, stem="small"),
    "architectures.vgg.vgg": gives((5,), 5, width=0.05),
    "architectures.vgg.vgg_stack": gives((16, 16, 6), 2, 6),
    "augmentation.RandomChannelInversion": lambda layer: adds_to_grey(0, 55)(layer, 0.5),
    "augmentation.RandomCropAndResize": lambda layer: layer((0, 0.4))(GREY).shape == GREY.shape,
    "augmentation.RandomLight": lambda layer: adds_to_grey(-50, 20)(layer, (0.5, 1.2)),
    "augmentation.RandomNoise": lambda layer: adds_to_grey(-30, 30)(layer, 5),
    "augmentation.RandomOperation": lambda layer: layer((0, 1))(GREY, training=False).shape == GREY.shape,
    "augmentation.RandomTint": lambda layer: adds_to_grey(-20, 20)(layer, (-20, 20)),
    "augmentation.augmenter": lambda augmenter: augmenter({"inversion": 1}, "imgaug")(GREY).max() == 155,
    "augmentation.imgaug_augmentation": lambda build: build({"tint": (9, 9)})(images=GREY).max() == 109,
    "augmentation.keras_augmentation": lambda build: len(build({"noise": 5, "flip": True}).layers) == 2,
    "augmentation.load_imgaug": lambda load: load().augmenters.Invert(1.0)(images=GREY).max() == 155,
    "complexity.layer_table": lambda table: table(small_model()).multiply_adds.sum() == 6 * 6 * 27 * 2,
    "complexity.receptive_field": lambda field: field(small_model()).field.iloc[-1] == (3, 3),
    "drawings.plot_block": lambda plot: len(plot(["input", [["conv"], []], "+"], "t").patches) == 7,
    "drawings.plot_layers": lambda plot: len(plot({"image": (4, 4, 1), "logits": (10,)}, "t").patches) == 2,
    "evaluation.Comparison": lambda comparison: (
        str(comparison(0.01, 0.0, 0.02, None)) == "+0.0100, 95 % interval +0.0000 to +0.0200"
    ),
    "evaluation.calibration_error": lambda error: round(error([0.9, 0.9, 0.1, 0.1], [1, 1, 0, 0]), 6) == 0.1,
    "evaluation.correct_prior": lambda correct: correct([[0.0, 0.0]], [3, 1], [1, 1]).argmax() == 1,
    "evaluation.is_equal": lambda is_equal: is_equal([3, 4, 5], [3, 4, 5], margin=1).holds is True,
    "evaluation.is_greater": lambda is_greater: is_greater([3, 4, 5], [1, 2, 3], margin=1).holds is True,
    "evaluation.paired_interval": lambda interval: interval([3, 4, 5], [1, 2, 3]) == (2, 2, 2),
    "parallel.find_devices": lambda find_devices: find_devices()[0].startswith("cpu"),
    "plots.animate": lambda animate: animate(plt.figure(), lambda index: None, 2).data.startswith("<img alt"),
    "plots.plot_by_seed": lambda plot: (
        plot({"a": [1, 2, 6]}, "loss (nats)", "t").collections[0].get_segments()[0][0][0] == 3
    ),
    "plots.plot_curves": lambda plot: list(plot({"a": [5, 7]}, "epoch", "loss", "t").lines[0].get_ydata()) == [5, 7],
    "plots.plot_images": lambda plot: len(plot(np.zeros((3, 4, 4)), titles=["a", "b", "c"]).images) == 3,
    "plots.plot_trade_off": lambda plot: len(plot([1, 2], [3, 4], [5, 6], ["a", "b"], "x", "y", "t").texts) == 2,
    "preprocessing.Whitening": whitens,
    "preprocessing.image_batches": lambda batches: (
        [len(each) for each in batches(np.zeros((1500, 2, 2)))] == [1000, 500]
    ),
    "preprocessing.update_moments": lambda update: (
        update((0, 0.0, 0.0), [[1, 2], [3, 2]])[2].tolist() == [[2, 0], [0, 0]]
    ),
    "preprocessing.whitening_matrix": lambda matrix: np.allclose(matrix([[4.0, 0], [0, 1]]), [[0.5, 0], [0, 1]]),
    "profiling.interleaved_times": lambda times: 0 <= times({"nothing": lambda: None})["nothing"] < 1,
    "profiling.latency": lambda latency: 0 < latency(small_model(), batch_sizes=[2], rounds=1)[2] < 60,
    "profiling.peak_memory": lambda peak: peak(functools.partial, np.ones, 10_000_000) > 70_000_000,
    "transfer.as_head": answers_as_its_classifier,
    "transfer.freeze_before": freezes,
    "training.learning_rate_range_test": rises_tenfold,
    "training.restarts": draws_anew_from_each_seed,
}


def definitions(text):
    """Return ``{name: syntax tree}`` of the functions and classes that a file defines at its top level."""
    return {node.name: node for node in ast.parse(text).body if isinstance(node, DEFINITION)}


def public(text):
    return [name for name in definitions(text) if not name.startswith("_")]


def copied(text, name):
    """Return the text of one definition, those of its file that it uses, and the file's imports but for helpers."""
    known, needed, found = definitions(text), {name}, set()
    while needed:
        found.add(each := needed.pop())
        used = {node.id for node in ast.walk(known[each]) if isinstance(node, ast.Name)}
        needed |= used & known.keys() - found

    def is_kept(node):
        if isinstance(node, ast.Import | ast.ImportFrom):
            return not ast.unparse(node).startswith(("import helpers", "from helpers", "from ."))
        return isinstance(node, DEFINITION) and node.name in found

    return ast.unparse([node for node in ast.parse(text).body if is_kept(node)])


def missing_names(code, namespace):
    """Return the global names that a piece of code uses, and that neither a namespace nor Python has."""
    used = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = [missing_names(each, namespace) for each in code.co_consts if isinstance(each, CodeType)]
    return set().union(*inner, used - namespace.keys() - set(dir(builtins)))


@pytest.fixture
def paste(monkeypatch, tmp_path):
    """A function that runs a text as a student's file, where there is no helpers, and returns it as a module."""

    def run(text):
        for name in {"helpers", *(name for name in sys.modules if name.startswith("helpers."))}:
            monkeypatch.setitem(sys.modules, name, None)  # importing it fails
        path, module = tmp_path / "pasted.py", ModuleType("pasted")
        path.write_text(text, encoding="utf-8")  # a file, for what reads its own source
        monkeypatch.setitem(sys.modules, "pasted", module)
        code = compile(text, path, "exec")
        exec(code, module.__dict__)
        module.missing = missing_names(code, module.__dict__)
        return module

    yield run
    plt.close("all")


def names_to_copy():
    for module, text in MODULES.items():
        if not set(module.split(".")) & set(NOT_FOR_COPYING):
            yield from (f"{module}.{name}" for name in public(text))


def test_every_function_has_an_example():
    assert sorted(names_to_copy()) == sorted([*EXAMPLES, *NOT_ALONE]), "give it a small call in EXAMPLES"


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) & set(names_to_copy())))
def test_a_copy_works(paste, name):
    module, _, function = name.rpartition(".")
    pasted = paste(copied(MODULES[module], function))
    assert not pasted.missing, "arguments, not globals"
    assert EXAMPLES[name](getattr(pasted, function))


@pytest.mark.parametrize("name", NOT_ALONE)
def test_an_exception_is_still_one(paste, name):
    module, _, function = name.rpartition(".")
    assert paste(copied(MODULES[module], function)).missing, "it can be copied now: give it an example"


SMALL = """
import math
from helpers.claims import claim
LIMIT = 3
@math.sqrt.__call__
def broken(): pass
def area(radius): return math.pi * _square(radius)
def _square(x): return Power(x, 2).value
class Power:
    def __init__(self, x, exponent): self.value = x ** exponent
def capped(x): return [min(each, LIMIT) for each in x]
def claimed(x): return claim("practice-lenet", x, True)
def late(x):
    from helpers.claims import claim
"""


def test_a_copy_takes_what_it_calls_and_no_more(paste):
    text = copied(SMALL, "area")
    assert set(definitions(text)) == {"area", "_square", "Power"} and "import math" in text
    pasted = paste(text)
    assert pasted.area(2) == pytest.approx(12.566, abs=1e-3) and not pasted.missing


def test_what_cannot_be_copied_is_found(paste):
    assert paste(copied(SMALL, "capped")).missing == {"LIMIT"}
    assert paste(copied(SMALL, "claimed")).missing == {"claim"}
    with pytest.raises(ImportError):
        paste(copied(SMALL, "late")).late(1)
    with pytest.raises(TypeError):
        paste(copied(SMALL, "broken"))


def taught_in(node):
    """Return the numbers of the lessons that a docstring names."""
    words = " ".join((ast.get_docstring(node) or "").split())
    return re.findall(r"Taught in lesson (\d\d)\.", words)


def without_docstrings(node):
    """Return a definition's syntax tree as text, without its docstring and those of what is in it."""
    node = copy.deepcopy(node)
    for each in ast.walk(node):
        if isinstance(each, DEFINITION) and ast.get_docstring(each) is not None:
            del each.body[0]
    return ast.dump(node)


def differences(pages, modules):
    """Return a sentence for each function or class that a page teaches and helpers keep otherwise.

    Args:
        pages: ``{lesson number: text}``.
        modules: ``{module: text}``.
    """
    found, shown_in = [], {number: definitions(page) for number, page in pages.items()}
    for module, text in modules.items():
        for name, kept in definitions(text).items():
            if name.startswith("_"):
                continue
            for number, page in shown_in.items():
                shown = page.get(name)
                if shown and without_docstrings(shown) != without_docstrings(kept):
                    found.append(f"{name} of lesson {number} is another in helpers.{module}")
                if shown and number not in taught_in(kept):
                    found.append(f"the docstring of helpers.{module}.{name} does not say: Taught in lesson {number}.")
        for kept in ast.walk(ast.parse(text)):
            for number in taught_in(kept) if isinstance(kept, DEFINITION) else ():
                if kept.name not in shown_in.get(number, {}):
                    found.append(f"lesson {number} does not define {kept.name}, as helpers.{module} says")
    return found


def test_taught_code_is_kept_code():
    assert differences(PAGES, MODULES) == []


KEPT = '''
def double(x):
    """Double a number.

    Taught in lesson
    03.
    """
    return 2 * x  # a reason
'''


@pytest.mark.parametrize(
    ("page", "kept", "expected"),
    [
        ("def double(x):\n    return 2 * x", KEPT, []),
        ('def double(x):\n    """Double."""\n    return (2 * x)', KEPT, []),
        ("def double(x):\n    return x * 2", KEPT, ["double of lesson 03 is another in helpers.maths"]),
        ("def double(x=1):\n    return 2 * x", KEPT, ["double of lesson 03 is another in helpers.maths"]),
        ("@cached\ndef double(x):\n    return 2 * x", KEPT, ["double of lesson 03 is another in helpers.maths"]),
        (
            "def double(x):\n    return 2 * x",
            KEPT.replace("03", "04"),
            [
                "the docstring of helpers.maths.double does not say: Taught in lesson 03.",
                "lesson 04 does not define double, as helpers.maths says",
            ],
        ),
        ("double = 2", KEPT, ["lesson 03 does not define double, as helpers.maths says"]),
        (
            "class Double:\n    def call(self):\n        return 2",
            'class Double:\n    """Taught in lesson 03."""\n    def call(self):\n        """Two."""\n        return 2',
            [],
        ),
        (
            "class Double:\n    factor = 3",
            "class Double:\n    factor = 2",
            [
                "Double of lesson 03 is another in helpers.maths",
                "the docstring of helpers.maths.Double does not say: Taught in lesson 03.",
            ],
        ),
        ("def _own(x):\n    return 1", "def _own(x):\n    return 2", []),
    ],
)
def test_differences_are_found(page, kept, expected):
    assert differences({"03": page, "17": "def other():\n    return 1"}, {"maths": kept}) == expected
