#!/usr/bin/env python3
"""Reference results for the specs, by PyTorch, Keras and scikit-learn: writes spec/data/*.safetensors and, beside each,
a json that lists its cases with their settings.

    python3 -m venv peer && . peer/bin/activate
    pip install torch==2.13.0
    pip install --no-deps keras==3.15.1
    pip install absl-py h5py ml-dtypes namex optree packaging rich safetensors==0.8.0 scikit-learn==1.9.1
    python3 scripts/peer_reference.py

The json files say which versions made the data. It is computed in double precision from numbers that float32 can hold,
on one thread, and rounded to float32 at the end: what a spec sees as a difference is the error of the library under
test. Where several of the three define the same thing, all are asked and must agree. The same versions write
the same bytes, and a case's numbers depend on its name alone.

Cases speak the language of the library under test: its names of layers and options, its order of axes in weights, class
numbers from 1. A model is a list [class, models inside ..., {options}].
"""
import json
import os
import warnings
import zlib
from pathlib import Path
from unittest import mock

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import safetensors  # noqa: E402
import sklearn  # noqa: E402
import sklearn.exceptions  # noqa: E402
import sklearn.metrics  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from keras.src.backend.common import dtypes  # noqa: E402
from keras.src.initializers import random_initializers  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.set_default_dtype(torch.float64)
keras.config.set_floatx("float64")
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Keras would cut the results of its operations to float32
keras.config.set_image_data_format("channels_first")

VERSIONS = {
    "torch": torch.__version__.split("+")[0],
    "keras": keras.__version__,
    "scikit-learn": sklearn.__version__,
    "safetensors": safetensors.__version__,
}


# ---- files ----


class Book:
    """A file of cases. A case's tensors have the names case/role."""

    def __init__(self, name):
        self.name, self.cases, self.tensors = name, [], {}

    def add(self, name, settings, **tensors):
        assert all(case["name"] != name for case in self.cases), name
        self.cases.append({"name": name, **settings})
        for role, tensor in tensors.items():
            for inner, each in tensor.items() if isinstance(tensor, dict) else [(None, tensor)]:
                self.tensors[f"{name}/{role}" + (f"/{inner}" if inner else "")] = to_file(each)

    def write(self):
        folder = Path(__file__).resolve().parent.parent / "spec" / "data"
        if self.tensors:
            tensors = folder / f"{self.name}.safetensors"
            save_file(self.tensors, tensors)
            tensors.chmod(0o644)
        cases = ",\n".join("    " + json.dumps(case) for case in self.cases)
        versions = json.dumps(VERSIONS)
        text = f'{{\n  "versions": {versions},\n  "cases": [\n{cases}\n  ]\n}}\n'
        (folder / f"{self.name}.json").write_text(text)


def to_file(tensor):
    array = tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    assert array.dtype in (np.float32, np.int64, np.uint8), array.dtype
    return np.array(array, order="C")


# ---- numbers ----


class Numbers:
    """Random numbers that float32 can hold, of a name."""

    def __init__(self, name):
        self.generator = np.random.default_rng(zlib.crc32(name.encode()))

    @staticmethod
    def exact(array):
        return torch.tensor(np.asarray(array, dtype=np.float32).astype(np.float64))

    def normal(self, *shape, mean=0.0, deviation=1.0):
        return self.exact(mean + deviation * self.generator.standard_normal(shape))

    def uniform(self, low, high, *shape):
        return self.exact(self.generator.uniform(low, high, shape))

    def integers(self, low, high, *shape):
        """low .. high, both included"""
        return torch.tensor(self.generator.integers(low, high + 1, shape))


def agree(who, a, b, tolerance=1e-9):
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    assert a.shape == b.shape, f"{who}: {tuple(a.shape)} and {tuple(b.shape)}"
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance), f"{who}: {(a - b).abs().max()}"


def differentiate(who, leaves, upstream, *functions):
    """The value of the first function of no arguments, and the gradients of the leaves; the others agree with it."""
    results = []
    for function in functions:
        y = function()
        gradients = torch.autograd.grad(y, leaves, upstream(y), allow_unused=True)
        gradients = [torch.zeros_like(x) if g is None else g for g, x in zip(gradients, leaves)]
        results.append((y.detach(), gradients))
    for y, gradients in results[1:]:
        agree(who, results[0][0], y)
        for mine, other in zip(results[0][1], gradients):
            agree(who + " (gradient)", mine, other)
    return results[0]


# ---- layers ----

BUFFERS = ("running_mean", "running_variance", "batches")


def draw_state(numbers, name, shape):
    if name == "batches":
        return torch.tensor(7)
    if name == "running_variance":
        return numbers.uniform(0.3, 2.0, *shape)
    return numbers.normal(*shape, deviation=0.4)


def layer(book, name, model, inputs, state, *references, training=True):
    """inputs: shapes, or tensors. state: the shape of each parameter and buffer by its name. References are functions
    of the list of inputs and the table of the state, and give the output."""
    numbers = Numbers(name)
    x = [each if isinstance(each, torch.Tensor) else numbers.normal(*each) for each in inputs]
    p = {key: draw_state(numbers, key.split(".")[-1], shape) for key, shape in state.items()}
    book.add(
        name,
        {"model": model, "inputs": len(x), "training": training},
        **run_layer(name, x, p, lambda y: numbers.normal(*y.shape), references),
    )


def run_layer(name, x, p, draw_upstream, references):
    """The tensors of a case, by role."""
    roles = {f"input/{i + 1}": each for i, each in enumerate(x) if each.is_floating_point()}
    roles.update({f"state/{key}": each for key, each in p.items() if key.split(".")[-1] not in BUFFERS})
    for each in roles.values():
        each.requires_grad_()
    kept = {}

    def upstream(y):
        kept.setdefault("upstream", draw_upstream(y))
        return kept["upstream"]

    y, gradients = differentiate(name, list(roles.values()), upstream, *[lambda f=f: f(x, p) for f in references])
    return {
        "input": {str(i + 1): each for i, each in enumerate(x)},
        "state": p,
        "output": y,
        "upstream": kept["upstream"],
        "gradient": dict(zip(roles, gradients)),
    }


def pattern(shape, seed, scale=1.0):
    """Numbers that the spec makes too, exactly."""
    i = torch.arange(int(np.prod(shape)))
    return ((i * 7919 + seed * 104729) % 1009 - 504).double().mul(scale / 512).reshape(shape)


def sample(tensor):
    """About 200 numbers of a tensor, evenly spread; of small ones all."""
    return tensor.flatten()[:: tensor.numel() // 200 | 1]


def large_layer(book, name, model, inputs, state, *references):
    """A case of a size at which work is cut into pieces. What goes in are patterns, which a file need not hold; what
    comes out is sampled."""
    shapes = {f"input/{i + 1}": shape for i, shape in enumerate(inputs)}
    shapes.update({f"state/{key}": shape for key, shape in state.items()})
    patterns = {}
    for seed, (role, shape) in enumerate(shapes.items()):
        patterns[role] = [shape, seed + 1, 1 if role.startswith("input") else 1 / 16]
    drawn = {role: pattern(*each) for role, each in patterns.items()}
    x = [drawn[f"input/{i + 1}"] for i in range(len(inputs))]
    p = {key: drawn[f"state/{key}"] for key in state}
    tensors = run_layer(name, x, p, lambda y: pattern(y.shape, 0), references)
    patterns["upstream"] = [list(tensors["output"].shape), 0, 1]
    sampled = {role: sample(each) for role, each in tensors["gradient"].items()}
    settings = {"model": model, "inputs": len(x), "training": True, "patterns": patterns, "sampled": True}
    book.add(name, settings, output=sample(tensors["output"]), gradient=sampled)


def keras_layer(make, *weights, **call):
    """A reference: a layer of Keras on the first input, its weights in order as functions of the state."""

    def reference(x, p):
        made = make()
        made.build(tuple(x[0].shape))
        kept = [each.value for each in made.non_trainable_variables]
        y, _ = made.stateless_call([weight(p) for weight in weights], kept, x[0], **call)
        return y

    return reference


def weight(p):
    return p["weight"]


def bias(p):
    return p["bias"]


def keras_kernel(p):
    """(filters, channels, rows, columns) as (rows, columns, channels, filters)"""
    return p["weight"].permute(2, 3, 1, 0)


def four(margins):
    """The option `padding` or `margin` in numbers: of a number, [rows, columns] or [top, bottom, left, right]."""
    if isinstance(margins, int):
        return [margins] * 4
    return list(margins) if len(margins) == 4 else [margins[0], margins[0], margins[1], margins[1]]


def pad(x, margins):
    top, bottom, left, right = four(margins)
    return F.pad(x, (left, right, top, bottom))


def pair(value):
    return [value, value] if isinstance(value, int) else value


def window_margins(padding, shape, kernel, stride, dilation=(1, 1)):
    """The zeros around an image (N,C,H,W): [top, bottom, left, right]. For "same", so many that each axis gives
    ceil(size / stride) outputs, the odd one at its end, as Keras defines it."""
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding != "same":
        return four(padding)
    margins = []
    for i in (0, 1):
        outputs, reach = -(-shape[2 + i] // stride[i]), dilation[i] * (kernel[i] - 1) + 1
        missing = max(0, (outputs - 1) * stride[i] + reach - shape[2 + i])
        margins += [missing // 2, missing - missing // 2]
    return margins


def dense_cases(book):
    def torch_dense(x, p):
        return F.linear(x[0], p["weight"], p.get("bias"))

    def transposed(p):
        return p["weight"].T

    for name, shape in [("rows", (5, 7)), ("one example", (1, 7)), ("three axes", (2, 3, 7)), ("many", (4, 67))]:
        layer(
            book, f"Dense {name}", ["Dense", {"units": 4}], [shape], {"weight": (4, shape[-1]), "bias": (4,)},
            keras_layer(lambda: keras.layers.Dense(4), transposed, bias), torch_dense,
        )
    layer(
        book, "Dense without bias", ["Dense", {"units": 3, "bias": False}], [(5, 7)], {"weight": (3, 7)},
        keras_layer(lambda: keras.layers.Dense(3, use_bias=False), transposed), torch_dense,
    )
    layer(
        book, "Dense relu", ["Dense", {"units": 3, "activation": "relu"}], [(5, 7)], {"weight": (3, 7), "bias": (3,)},
        keras_layer(lambda: keras.layers.Dense(3, activation="relu"), transposed, bias),
    )
    layer(
        book, "Dense softmax", ["Dense", {"units": 3, "activation": "softmax"}], [(5, 7)],
        {"weight": (3, 7), "bias": (3,)},
        keras_layer(lambda: keras.layers.Dense(3, activation="softmax"), transposed, bias),
    )
    layer(
        book, "Dense leaky_relu", ["Dense", {"units": 3, "activation": ["leaky_relu", {"negative_slope": 0.3}]}],
        [(5, 7)], {"weight": (3, 7), "bias": (3,)}, lambda x, p: F.leaky_relu(torch_dense(x, p), 0.3),
    )


CONVOLUTIONS = {
    "valid": ({"kernel": 3}, (2, 3, 7, 6)),
    "one pixel": ({"kernel": 1}, (2, 3, 4, 5)),
    "one image": ({"kernel": 3, "padding": "same"}, (1, 3, 5, 5)),
    "window of the whole image": ({"kernel": [4, 5]}, (2, 3, 4, 5)),
    "same": ({"kernel": 3, "padding": "same"}, (2, 3, 7, 6)),
    "same, even kernel": ({"kernel": [2, 4], "padding": "same"}, (2, 3, 6, 5)),
    "same, stride 2": ({"kernel": 3, "padding": "same", "stride": 2}, (2, 3, 7, 6)),
    "same, stride 3, kernel 2": ({"kernel": 2, "padding": "same", "stride": 3}, (2, 3, 7, 8)),
    "same, kernel 5, stride 2": ({"kernel": 5, "padding": "same", "stride": 2}, (2, 2, 8, 7)),
    "same, dilation 2": ({"kernel": 3, "padding": "same", "dilation": 2}, (2, 3, 7, 6)),
    "stride 2": ({"kernel": 3, "stride": 2}, (2, 3, 7, 8)),
    "unequal pairs": ({"kernel": [1, 3], "stride": [2, 1], "dilation": [1, 2]}, (2, 3, 6, 9)),
    "padding 1": ({"kernel": 3, "padding": 1, "stride": 2}, (2, 3, 6, 6)),
    "padding of two": ({"kernel": 3, "padding": [2, 1]}, (2, 3, 5, 6)),
    "padding of four": ({"kernel": 3, "padding": [0, 1, 2, 3], "stride": [1, 2]}, (2, 3, 5, 6)),
    "dilation 2": ({"kernel": 3, "dilation": 2}, (2, 3, 8, 7)),
    "groups": ({"kernel": 3, "groups": 2, "padding": "same"}, (2, 4, 5, 6)),
    "each channel by itself": ({"kernel": 3, "groups": 4, "stride": 2}, (2, 4, 7, 7)),
    "more channels": ({"kernel": 3, "filters": 19, "padding": "same"}, (1, 17, 5, 4)),
    "without bias": ({"kernel": 3, "bias": False}, (2, 3, 5, 5)),
    "relu": ({"kernel": 3, "activation": "relu"}, (2, 3, 6, 6)),
}


def convolution_cases(book):
    for name, (options, shape) in CONVOLUTIONS.items():
        options = {"filters": 4, **options}
        kernel, stride, dilation = (pair(options.get(key, 1)) for key in ("kernel", "stride", "dilation"))
        groups, padding = options.get("groups", 1), options.get("padding", "valid")
        state = {"weight": (options["filters"], shape[1] // groups, *kernel)}
        if options.get("bias", True):
            state["bias"] = (options["filters"],)
        references = []

        def by_torch(x, p):
            margins = window_margins(padding, shape, kernel, stride, dilation)
            y = F.conv2d(pad(x[0], margins), p["weight"], p.get("bias"), stride, 0, dilation, groups)
            return F.relu(y) if "activation" in options else y

        if padding in ("valid", "same") and (stride == [1, 1] or dilation == [1, 1]):
            references.append(
                keras_layer(
                    lambda: keras.layers.Conv2D(
                        options["filters"], kernel, stride, padding, dilation_rate=dilation, groups=groups,
                        use_bias="bias" in state, activation=options.get("activation"),
                    ),
                    keras_kernel, *([bias] if "bias" in state else []),
                )
            )
        layer(book, f"Conv2d {name}", ["Conv2d", options], [shape], state, *references, by_torch)


TRANSPOSED = {
    "valid": ({"kernel": 3}, (2, 3, 4, 5)),
    "stride 2": ({"kernel": 3, "stride": 2}, (2, 3, 4, 3)),
    "stride beyond the kernel": ({"kernel": 2, "stride": 3}, (2, 3, 3, 4)),
    "same": ({"kernel": 3, "padding": "same"}, (2, 3, 4, 5)),
    "same, stride 2": ({"kernel": 3, "padding": "same", "stride": 2}, (2, 3, 4, 3)),
    "same, kernel 4, stride 2": ({"kernel": 4, "padding": "same", "stride": 2}, (2, 3, 4, 3)),
    "same, stride beyond the kernel": ({"kernel": 2, "padding": "same", "stride": 3}, (2, 3, 3, 4)),
    "padding 1": ({"kernel": 3, "padding": 1, "stride": 2}, (2, 3, 4, 3)),
    "padding of two": ({"kernel": 4, "padding": [2, 1], "stride": 2}, (2, 3, 4, 3)),
    "padding of four": ({"kernel": 4, "padding": [0, 1, 2, 1], "stride": 2}, (2, 3, 4, 3)),
    "output_padding": ({"kernel": 3, "padding": 1, "stride": 2, "output_padding": 1}, (2, 3, 4, 3)),
    "output_padding of two": ({"kernel": 3, "stride": [2, 3], "output_padding": [1, 2]}, (2, 3, 3, 2)),
    "dilation 2": ({"kernel": 3, "dilation": 2, "stride": 1}, (2, 3, 4, 5)),
    "groups": ({"kernel": 3, "groups": 2, "stride": 2}, (2, 4, 3, 4)),
    "without bias": ({"kernel": 3, "bias": False}, (2, 3, 3, 3)),
    "relu, one image": ({"kernel": 3, "activation": "relu"}, (1, 3, 3, 3)),
}


def transposed_cases(book):
    for name, (options, shape) in TRANSPOSED.items():
        options = {"filters": 4, **options}
        kernel, stride, dilation = (pair(options.get(key, 1)) for key in ("kernel", "stride", "dilation"))
        groups, padding = options.get("groups", 1), options.get("padding", "valid")
        extra = options.get("output_padding", 0)
        state = {"weight": (shape[1], options["filters"] // groups, *kernel)}
        if options.get("bias", True):
            state["bias"] = (options["filters"],)

        def by_definition(x, p):
            """The gradient of the convolution whose output has the shape of x."""
            margins = [0] * 4 if isinstance(padding, str) else four(padding)
            size = [
                (shape[2 + i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + pair(extra)[i]
                - margins[2 * i] - margins[2 * i + 1]
                for i in (0, 1)
            ]
            if padding == "same":
                size = [shape[2 + i] * stride[i] for i in (0, 1)]
                margins = window_margins("same", (0, 0, *size), kernel, stride, dilation)
            image = torch.zeros(shape[0], options["filters"], *size, requires_grad=True)
            y = F.conv2d(pad(image, margins), p["weight"], None, stride, 0, dilation, groups)
            (result,) = torch.autograd.grad(y, image, x[0], create_graph=True)
            if "bias" in p:
                result = result + p["bias"][:, None, None]
            return F.relu(result) if "activation" in options else result

        references = [by_definition]
        if padding == "valid" or padding != "same" and len(pair(padding)) == 2:

            def by_torch(x, p):
                margins = 0 if padding == "valid" else padding
                y = F.conv_transpose2d(x[0], p["weight"], p.get("bias"), stride, margins, extra, groups, dilation)
                return F.relu(y) if "activation" in options else y

            references.append(by_torch)
        # Keras fills up to the stride where that is beyond the kernel, also without "same".
        if padding in ("same", "valid") and extra == 0 and groups == 1 and (padding == "same" or kernel >= stride):
            references.append(
                keras_layer(
                    lambda: keras.layers.Conv2DTranspose(
                        options["filters"], kernel, stride, padding, dilation_rate=dilation,
                        use_bias="bias" in state, activation=options.get("activation"),
                    ),
                    keras_kernel, *([bias] if "bias" in state else []),
                )
            )
        layer(book, f"ConvTranspose2d {name}", ["ConvTranspose2d", options], [shape], state, *references)


def embedding_cases(book):
    numbers = Numbers("Embedding")
    for name, shape in [("vector", (6,)), ("matrix", (2, 5))]:
        index = numbers.integers(1, 7, *shape)
        layer(
            book, f"Embedding {name}", ["Embedding", {"count": 7, "size": 3}], [index], {"weight": (7, 3)},
            lambda x, p: F.embedding(x[0] - 1, p["weight"]),
            lambda x, p: keras_layer(lambda: keras.layers.Embedding(7, 3), weight)([x[0] - 1], p),
        )
        padding = int(index.flatten()[0])
        layer(
            book, f"Embedding {name}, padding", ["Embedding", {"count": 7, "size": 3, "padding_index": padding}],
            [index], {"weight": (7, 3)}, lambda x, p: F.embedding(x[0] - 1, p["weight"], padding_idx=padding - 1),
        )


NORMALIZED = {"BatchNorm1d": [(6, 3), (4, 3, 5)], "BatchNorm2d": [(3, 2, 4, 5), (7, 5, 1, 1)]}


def batch_norm_cases(book):
    for kind, shapes in NORMALIZED.items():
        for shape in shapes:
            channels = (shape[1],)
            buffers = {"running_mean": channels, "running_variance": channels, "batches": ()}

            def trained(x, p, epsilon=1e-3):
                return F.batch_norm(x[0], None, None, p.get("weight"), p.get("bias"), True, 0.0, epsilon)

            def evaluated(x, p, epsilon=1e-3):
                running = (p["running_mean"], p["running_variance"])
                return F.batch_norm(x[0], *running, p.get("weight"), p.get("bias"), False, 0.0, epsilon)

            by_keras_trained = keras_layer(
                lambda: keras.layers.BatchNormalization(axis=1), weight, bias, training=True
            )

            def by_keras_evaluated(x, p):
                made = keras.layers.BatchNormalization(axis=1)
                made.build(shape)
                running = [p["running_mean"], p["running_variance"]]
                return made.stateless_call([p["weight"], p["bias"]], running, x[0], training=False)[0]

            axes = f"{kind} {len(shape)} axes" + (" of one pixel" if shape[-2:] == (1, 1) else "")
            affine = {"weight": channels, "bias": channels}
            layer(
                book, f"{axes}, training", [kind], [shape], {**affine, **buffers}, trained, by_keras_trained
            )
            layer(
                book, f"{axes}, evaluation", [kind], [shape], {**affine, **buffers}, evaluated, by_keras_evaluated,
                training=False,
            )
            plain = [kind, {"affine": False, "epsilon": 0.5}]
            layer(book, f"{axes}, plain, training", plain, [shape], buffers, lambda x, p: trained(x, p, 0.5))
            layer(
                book, f"{axes}, plain, evaluation", plain, [shape], buffers, lambda x, p: evaluated(x, p, 0.5),
                training=False,
            )


def running_statistics(book):
    """What several batches leave in Keras, its start of 0 and 1 weighted out, and the evaluation that follows."""
    for kind, shape in [("BatchNorm1d", (6, 3)), ("BatchNorm2d", (3, 2, 4, 5))]:
        for momentum in (0.99, 0.6):
            for batches in (1, 5):
                name = f"{kind}, momentum {momentum}, after {batches}"
                x = Numbers(name).normal(batches + 1, *shape, mean=1.5, deviation=2.0)
                made = keras.layers.BatchNormalization(axis=1, momentum=momentum)
                made.build(shape)
                for each in x[:batches]:
                    made(each, training=True)
                start = momentum**batches
                mean = made.moving_mean.value.detach() / (1 - start)
                variance = (made.moving_variance.value.detach() - start) / (1 - start)
                evaluated = F.batch_norm(x[-1], mean, variance, None, None, False, 0.0, 1e-3)
                options = {} if momentum == 0.99 else {"momentum": momentum}  # the default
                settings = {"running": [kind, options], "batches": batches}
                book.add(name, settings, input=x, mean=mean, variance=variance, evaluated=evaluated)


def other_norm_cases(book):
    for axes, shape in [(1, (4, 6)), (2, (3, 4, 5)), (3, (2, 3, 4, 2))]:
        inner = shape[len(shape) - axes :]
        layer(
            book, f"LayerNorm {axes} axes", ["LayerNorm", {"axes": axes}], [shape], {"weight": inner, "bias": inner},
            lambda x, p: F.layer_norm(x[0], inner, p["weight"], p["bias"], 1e-3),
            keras_layer(lambda: keras.layers.LayerNormalization(axis=list(range(-axes, 0))), weight, bias),
        )
    layer(
        book, "LayerNorm plain", ["LayerNorm", {"affine": False, "epsilon": 0.1}], [(4, 6)], {},
        lambda x, p: F.layer_norm(x[0], (6,), eps=0.1),
    )
    for groups, shape in [(1, (3, 4, 2, 3)), (2, (3, 4, 2, 3)), (4, (3, 4, 5)), (3, (5, 12))]:
        channels = (shape[1],)
        layer(
            book, f"GroupNorm {groups} of {shape[1]}, {len(shape)} axes", ["GroupNorm", {"groups": groups}], [shape],
            {"weight": channels, "bias": channels},
            lambda x, p: F.group_norm(x[0], groups, p["weight"], p["bias"], 1e-3),
            keras_layer(lambda: keras.layers.GroupNormalization(groups, axis=1), weight, bias),
        )
    layer(
        book, "GroupNorm of the default groups", ["GroupNorm"], [(2, 64, 2, 3)], {"weight": (64,), "bias": (64,)},
        lambda x, p: F.group_norm(x[0], 32, p["weight"], p["bias"], 1e-3),
        keras_layer(lambda: keras.layers.GroupNormalization(axis=1), weight, bias),
    )
    layer(
        book, "GroupNorm plain", ["GroupNorm", {"groups": 2, "affine": False, "epsilon": 0.1}], [(3, 4, 2, 3)], {},
        lambda x, p: F.group_norm(x[0], 2, eps=0.1),
    )


POOLS = {
    "2": ({"kernel": 2}, (2, 3, 6, 4)),
    "2, odd sizes": ({"kernel": 2}, (2, 3, 7, 5)),
    "3, stride 2": ({"kernel": 3, "stride": 2}, (2, 3, 7, 6)),
    "3, stride 1": ({"kernel": 3, "stride": 1}, (1, 2, 5, 5)),
    "unequal pairs": ({"kernel": [1, 3], "stride": [2, 1]}, (2, 3, 6, 5)),
    "same": ({"kernel": 3, "stride": 2, "padding": "same"}, (2, 3, 7, 6)),
    "same, kernel 2": ({"kernel": 2, "padding": "same"}, (2, 3, 7, 6)),
    "same, stride 1": ({"kernel": 2, "stride": 1, "padding": "same"}, (2, 3, 4, 5)),
    "padding 1": ({"kernel": 3, "stride": 2, "padding": 1}, (2, 3, 6, 6)),
    "padding of two": ({"kernel": [3, 2], "stride": 2, "padding": [1, 0]}, (2, 3, 6, 6)),
    "padding of four": ({"kernel": 3, "stride": 2, "padding": [0, 1, 1, 0]}, (2, 3, 6, 6)),
}


def pool_cases(book):
    for name, (options, shape) in POOLS.items():
        kernel, padding = pair(options["kernel"]), options.get("padding", "valid")
        stride = pair(options.get("stride", kernel))
        margins = window_margins(padding, shape, kernel, stride)

        def padded_max(x, p):
            outside = pad(torch.ones_like(x[0]), margins) == 0
            return F.max_pool2d(pad(x[0], margins).masked_fill(outside, -torch.inf), kernel, stride)

        def mean_of_all(x, p):
            return F.avg_pool2d(pad(x[0], margins), kernel, stride)

        def mean_inside(x, p):
            return mean_of_all(x, p) / F.avg_pool2d(pad(torch.ones_like(x[0]), margins), kernel, stride)

        def by_keras(kind):
            return [keras_layer(lambda: kind(kernel, stride, padding))] if isinstance(padding, str) else []

        # Over PyTorch, Keras repeats the border where "same" pads unevenly; elsewhere, and by definition, it leaves the
        # padding out.
        even_means = by_keras(keras.layers.AveragePooling2D) if margins[::2] == margins[1::2] else []

        def by_torch(function, **given):
            if margins[::2] != margins[1::2]:
                return []
            return [lambda x, p: function(x[0], kernel, stride, margins[::2], **given)]

        layer(
            book, f"MaxPool2d {name}", ["MaxPool2d", options], [shape], {}, padded_max,
            *by_torch(F.max_pool2d), *by_keras(keras.layers.MaxPooling2D),
        )
        layer(
            book, f"AvgPool2d {name}", ["AvgPool2d", options], [shape], {}, mean_inside,
            *by_torch(F.avg_pool2d, count_include_pad=False), *even_means,
        )
        layer(
            book, f"AvgPool2d {name}, padding counted", ["AvgPool2d", {**options, "count_padding": True}], [shape], {},
            mean_of_all, *by_torch(F.avg_pool2d, count_include_pad=True),
        )
    for size, shape in [(1, (2, 3, 4, 5)), (3, (2, 3, 7, 5)), ([2, 4], (1, 2, 6, 6)), ([5, 7], (2, 2, 3, 4))]:
        layer(
            book, f"AdaptiveAvgPool2d {size} of {shape[2:]}", ["AdaptiveAvgPool2d", {"size": size}], [shape], {},
            lambda x, p: F.adaptive_avg_pool2d(x[0], size),
        )
    layer(
        book, "GlobalAvgPool2d", ["GlobalAvgPool2d"], [(3, 4, 2, 5)], {}, lambda x, p: x[0].mean((2, 3)),
        keras_layer(keras.layers.GlobalAveragePooling2D),
    )
    layer(
        book, "GlobalMaxPool2d", ["GlobalMaxPool2d"], [(3, 4, 2, 5)], {}, lambda x, p: x[0].amax((2, 3)),
        keras_layer(keras.layers.GlobalMaxPooling2D),
    )


def shape_cases(book):
    for scale in (2, [2, 3], [1, 4]):
        layer(
            book, f"Upsample2d {scale}", ["Upsample2d", {"scale": scale}], [(2, 3, 2, 3)], {},
            lambda x, p: F.interpolate(x[0], scale_factor=tuple(pair(scale)), mode="nearest"),
            keras_layer(lambda: keras.layers.UpSampling2D(scale)),
        )
    for scale, size in [(2, (4, 3)), (3, (2, 5)), ([1, 4], (3, 4)), ([2, 3], (1, 2)), (1, (2, 3))]:
        layer(
            book, f"Upsample2d {scale} of {size}, bilinear", ["Upsample2d", {"scale": scale, "mode": "bilinear"}],
            [(2, 3, *size)], {},
            lambda x, p: F.interpolate(x[0], scale_factor=tuple(pair(scale)), mode="bilinear", align_corners=False),
            keras_layer(lambda: keras.layers.UpSampling2D(scale, interpolation="bilinear")),
        )
    for margin in (1, [2, 0], [0, 1, 2, 3]):
        layer(
            book, f"ZeroPad2d {margin}", ["ZeroPad2d", {"margin": margin}], [(2, 2, 3, 4)], {},
            lambda x, p: pad(x[0], margin),
        )
    for name in ("Dropout", "Dropout2d"):
        layer(
            book, f"{name}, evaluation", [name, {"rate": 0.5}], [(2, 3, 4, 4)], {}, lambda x, p: x[0] * 1.0,
            training=False,
        )
    layer(book, "Dropout of nothing", ["Dropout", {"rate": 0}], [(3, 4)], {}, lambda x, p: x[0] * 1.0)
    layer(
        book, "Flatten", ["Flatten"], [(2, 3, 4, 5)], {}, lambda x, p: x[0].flatten(1),
        keras_layer(lambda: keras.layers.Flatten(data_format="channels_last")),
    )
    for shape in ([6, 10], [-1, 4], [60]):
        layer(
            book, f"Reshape {shape}", ["Reshape", {"shape": shape}], [(2, 3, 4, 5)], {},
            lambda x, p: x[0].reshape(2, *shape), keras_layer(lambda: keras.layers.Reshape(shape)),
        )
    layer(book, "Identity", ["Identity"], [(2, 3)], {}, lambda x, p: x[0] * 1.0)
    layer(book, "Activation", ["Activation", "relu"], [(2, 3)], {}, lambda x, p: F.relu(x[0]))
    layer(
        book, "Activation with a parameter", ["Activation", "elu", {"alpha": 0.7}], [(2, 9)], {},
        lambda x, p: F.elu(x[0], 0.7), keras_layer(lambda: keras.layers.ELU(0.7)),
    )
    layer(
        book, "Activation along an axis", ["Activation", "softmax", {"dim": 2}], [(2, 3, 4)], {},
        lambda x, p: F.softmax(x[0], 1), keras_layer(lambda: keras.layers.Softmax(1)),
    )


def joining_cases(book):
    def dense(p, prefix, x):
        return F.linear(x, p[prefix + "weight"], p[prefix + "bias"])

    def conv(p, prefix, x, padding=0):
        return F.conv2d(x, p[prefix + "weight"], p[prefix + "bias"], padding=padding)

    def of_dense(prefix, inputs, units):
        return {prefix + "weight": (units, inputs), prefix + "bias": (units,)}

    def of_conv(prefix, channels, filters, kernel):
        return {prefix + "weight": (filters, channels, kernel, kernel), prefix + "bias": (filters,)}

    three, tanh = ["Dense", {"units": 3}], ["Dense", {"units": 3, "activation": "tanh"}]
    image = (2, 3, 5, 4)
    layer(
        book, "Sequential", ["Sequential", tanh, ["Sequential", ["Activation", "relu"], three]], [(4, 5)],
        {**of_dense("1.", 5, 3), **of_dense("2.2.", 3, 3)},
        lambda x, p: dense(p, "2.2.", F.relu(torch.tanh(dense(p, "1.", x[0])))),
    )
    layer(book, "Add of inputs", ["Add"], [(2, 3), (2, 3), (2, 3)], {}, lambda x, p: x[0] + x[1] + x[2])
    layer(
        book, "Add of branches", ["Add", three, tanh], [(4, 5)], {**of_dense("1.", 5, 3), **of_dense("2.", 5, 3)},
        lambda x, p: dense(p, "1.", x[0]) + torch.tanh(dense(p, "2.", x[0])),
    )
    layer(
        book, "Ensemble", ["Ensemble", three, tanh, ["Identity"]], [(4, 3)],
        {**of_dense("1.", 3, 3), **of_dense("2.", 3, 3)},
        lambda x, p: torch.stack([dense(p, "1.", x[0]), torch.tanh(dense(p, "2.", x[0])), x[0]]).mean(0),
        lambda x, p: keras.layers.Average()([dense(p, "1.", x[0]), torch.tanh(dense(p, "2.", x[0])), x[0]]),
    )
    layer(book, "Concat of inputs", ["Concat"], [(2, 3, 4), (2, 5, 4)], {}, lambda x, p: torch.cat(x, 1))
    layer(
        book, "Concat along an axis", ["Concat", {"dim": 3}], [(2, 3, 4), (2, 3, 1)], {}, lambda x, p: torch.cat(x, 2)
    )
    layer(
        book, "Concat of branches", ["Concat", ["Conv2d", {"filters": 2, "kernel": 1}], ["Identity"]], [image],
        of_conv("1.", 3, 2, 1), lambda x, p: torch.cat([conv(p, "1.", x[0]), x[0]], 1),
    )
    body = ["Conv2d", {"filters": 3, "kernel": 3, "padding": "same"}]
    layer(
        book, "Residual", ["Residual", body], [image], of_conv("body.", 3, 3, 3),
        lambda x, p: conv(p, "body.", x[0], 1) + x[0],
    )
    shortcut = ["Sequential", ["AvgPool2d", {"kernel": 3, "stride": 1}], ["Conv2d", {"filters": 4, "kernel": 1}]]
    layer(
        book, "Residual with a shortcut",
        ["Residual", ["Conv2d", {"filters": 4, "kernel": 3}],
         {"shortcut": shortcut, "activation": "relu"}],
        [image], {**of_conv("body.", 3, 4, 3), **of_conv("shortcut.2.", 3, 4, 1)},
        lambda x, p: F.relu(conv(p, "body.", x[0]) + conv(p, "shortcut.2.", F.avg_pool2d(x[0], 3, 1))),
    )


def large_cases(book):
    def conv(**given):
        return lambda x, p: F.conv2d(x[0], p["weight"], p["bias"], **given)

    def norm(x, p):
        return F.batch_norm(x[0], None, None, p["weight"], p["bias"], True, 0.0, 1e-3)

    # The layers of the study's best network, and others.
    large_layer(
        book, "large Conv2d of images", ["Conv2d", {"filters": 35, "kernel": 3}], [(8, 1, 28, 28)],
        {"weight": (35, 1, 3, 3), "bias": (35,)}, conv(),
    )
    large_layer(
        book, "large Conv2d", ["Conv2d", {"filters": 50, "kernel": 3}], [(5, 35, 26, 26)],
        {"weight": (50, 35, 3, 3), "bias": (50,)}, conv(),
    )
    large_layer(
        book, "large Conv2d, stride 2", ["Conv2d", {"filters": 32, "kernel": 3, "stride": 2, "padding": 1}],
        [(7, 16, 29, 29)], {"weight": (32, 16, 3, 3), "bias": (32,)}, conv(stride=2, padding=1),
    )
    large_layer(
        book, "large Conv2d of one pixel", ["Conv2d", {"filters": 96, "kernel": 1}], [(3, 64, 14, 14)],
        {"weight": (96, 64, 1, 1), "bias": (96,)}, conv(),
    )
    large_layer(
        book, "large Conv2d, each channel by itself",
        ["Conv2d", {"filters": 64, "kernel": 5, "padding": 2, "groups": 64}], [(4, 64, 15, 15)],
        {"weight": (64, 1, 5, 5), "bias": (64,)}, conv(padding=2, groups=64),
    )
    large_layer(
        book, "large ConvTranspose2d", ["ConvTranspose2d", {"filters": 24, "kernel": 3, "stride": 2}],
        [(6, 16, 13, 13)], {"weight": (16, 24, 3, 3), "bias": (24,)},
        lambda x, p: F.conv_transpose2d(x[0], p["weight"], p["bias"], stride=2),
    )
    large_layer(
        book, "large Dense", ["Dense", {"units": 256}], [(33, 2400)], {"weight": (256, 2400), "bias": (256,)},
        lambda x, p: F.linear(x[0], p["weight"], p["bias"]),
    )
    affine = {"weight": (35,), "bias": (35,)}
    large_layer(book, "large BatchNorm2d", ["BatchNorm2d"], [(33, 35, 26, 26)], affine, norm)
    large_layer(book, "large BatchNorm1d", ["BatchNorm1d"], [(2001, 35)], affine, norm)
    large_layer(
        book, "large LayerNorm", ["LayerNorm"], [(203, 512)], {"weight": (512,), "bias": (512,)},
        lambda x, p: F.layer_norm(x[0], (512,), p["weight"], p["bias"], 1e-3),
    )
    large_layer(
        book, "large GroupNorm", ["GroupNorm", {"groups": 8}], [(9, 32, 21, 20)], {"weight": (32,), "bias": (32,)},
        lambda x, p: F.group_norm(x[0], 8, p["weight"], p["bias"], 1e-3),
    )
    large_layer(
        book, "large MaxPool2d", ["MaxPool2d", {"kernel": 2}], [(33, 50, 25, 24)], {},
        lambda x, p: F.max_pool2d(x[0], 2),
    )
    large_layer(
        book, "large AvgPool2d", ["AvgPool2d", {"kernel": 3, "stride": 2}], [(33, 50, 25, 24)], {},
        lambda x, p: F.avg_pool2d(x[0], 3, 2),
    )
    large_layer(
        book, "large GlobalAvgPool2d", ["GlobalAvgPool2d"], [(33, 150, 7, 8)], {}, lambda x, p: x[0].mean((2, 3))
    )
    large_layer(
        book, "large Activation", ["Activation", "gelu"], [(50, 50, 50)], {}, lambda x, p: F.gelu(x[0])
    )
    large_layer(
        book, "large softmax", ["Activation", "softmax"], [(333, 333)], {}, lambda x, p: F.softmax(x[0], -1)
    )


# ---- activations ----

ACTIVATIONS = [
    ("relu", {}, F.relu, keras.activations.relu),
    ("relu6", {}, F.relu6, keras.activations.relu6),
    ("leaky_relu", {}, lambda x: F.leaky_relu(x, 0.2), keras.activations.leaky_relu),
    ("leaky_relu", {"negative_slope": 0.01}, F.leaky_relu, lambda x: keras.activations.leaky_relu(x, 0.01)),
    ("elu", {}, F.elu, keras.activations.elu),
    ("elu", {"alpha": 0.3}, lambda x: F.elu(x, 0.3), lambda x: keras.activations.elu(x, 0.3)),
    ("selu", {}, F.selu, keras.activations.selu),
    ("gelu", {}, F.gelu, lambda x: keras.activations.gelu(x, approximate=False)),
    ("gelu_tanh", {}, lambda x: F.gelu(x, approximate="tanh"), lambda x: keras.activations.gelu(x, approximate=True)),
    ("silu", {}, F.silu, keras.activations.silu),
    ("mish", {}, F.mish, keras.activations.mish),
    ("sigmoid", {}, F.sigmoid, keras.activations.sigmoid),
    ("log_sigmoid", {}, F.logsigmoid, keras.activations.log_sigmoid),
    ("tanh", {}, torch.tanh, keras.activations.tanh),
    ("softplus", {}, lambda x: F.softplus(x, threshold=40), keras.activations.softplus),
    ("softsign", {}, F.softsign, keras.activations.softsign),
    ("hard_sigmoid", {}, F.hardsigmoid, keras.activations.hard_sigmoid),
    ("hard_swish", {}, F.hardswish, keras.activations.hard_silu),
    ("hard_tanh", {}, F.hardtanh, keras.activations.hard_tanh),
    ("softmax", {}, lambda x: F.softmax(x, -1), keras.activations.softmax),
    ("softmax", {"dim": 1}, lambda x: F.softmax(x, 0), lambda x: keras.activations.softmax(x, 0)),
    ("log_softmax", {}, lambda x: F.log_softmax(x, -1), keras.activations.log_softmax),
    ("log_softmax", {"dim": 1}, lambda x: F.log_softmax(x, 0), lambda x: keras.activations.log_softmax(x, 0)),
    ("exp", {}, torch.exp, keras.activations.exponential),
]


def activation_cases(book):
    for activation, parameters, *functions in ACTIVATIONS:
        name = " ".join(["activation", activation, *parameters])
        numbers = Numbers(name)
        x = numbers.normal(8, 9, deviation=2.5)
        if activation != "exp":  # far out, where careless formulas overflow
            x[0, :4] = torch.tensor([30.0, -30.0, 90.0, -90.0])
        x.requires_grad_()
        upstream = numbers.normal(8, 9)
        y, (gradient,) = differentiate(name, [x], lambda _: upstream, *[lambda f=f: f(x) for f in functions])
        settings = {"activation": activation, "parameters": parameters}
        book.add(name, settings, input=x, output=y, upstream=upstream, gradient=gradient)


# ---- losses ----

EXAMPLES, CLASSES = 6, 4
REDUCTIONS = {"mean": "sum_over_batch_size", "sum": "sum", "none": "none"}


def loss(book, name, which, options, prediction, target, *references):
    """References are functions of prediction, target and reduction (PyTorch's name of it)."""
    of_positions = which == "categorical_crossentropy" and prediction.ndim > 2
    for reduction in REDUCTIONS if prediction.ndim == 2 or of_positions else ["mean"]:
        full = f"{which} {name}, {reduction}"
        leaf = prediction.clone().requires_grad_()
        shape = (len(prediction), *(prediction.shape[2:] if of_positions else ()))
        upstream = Numbers(full).normal(*shape) if reduction == "none" else torch.tensor(1.0)
        y, (gradient,) = differentiate(
            full, [leaf], lambda _: upstream, *[lambda f=f: f(leaf, target, reduction) for f in references]
        )
        settings = {"loss": which, "options": {**options, "reduction": reduction}}
        stored = target + 1 if target.dtype == torch.int64 and target.ndim < prediction.ndim else target
        book.add(full, settings, prediction=prediction, target=stored, value=y, upstream=upstream, gradient=gradient)


def by_keras(kind, **given):
    return lambda p, t, reduction: kind(reduction=REDUCTIONS[reduction], **given)(t, p)


def one_hot_first(reference):
    def f(p, t, reduction):
        return reference(p, F.one_hot(t, CLASSES).double() if t.dtype == torch.int64 else t, reduction)

    return f


def class_losses(book):
    numbers = Numbers("losses of classes")
    logits = numbers.normal(EXAMPLES, CLASSES, deviation=2.0)
    # Rows that do not quite add up to 1: Keras divides by their sum.
    probabilities = Numbers.exact(logits.softmax(-1) * 1.1)
    targets = {
        "classes": torch.tensor([0, 3, 1, 1, 2, 0]),
        "rows": Numbers.exact(numbers.normal(EXAMPLES, CLASSES).softmax(-1)),
    }
    factors = [0.5, 2.0, 1.25, 0.75]
    for kind, target in targets.items():
        for smoothing in (0.0, 0.1):
            for weighted in (False, True):
                weight = torch.tensor(factors) if weighted else None

                def by_torch(p, t, reduction, scores=lambda p: p):
                    return F.cross_entropy(scores(p), t, weight, reduction=reduction, label_smoothing=smoothing)

                options = {"label_smoothing": smoothing} if smoothing else {}
                if weighted:
                    options["weight"] = factors
                name = " ".join([kind, *options])
                for from_logits in (True, False):
                    scores = (lambda p: p) if from_logits else torch.log
                    references = [lambda p, t, r, scores=scores: by_torch(p, t, r, scores)]
                    if not weighted:
                        keras_loss = by_keras(
                            keras.losses.CategoricalCrossentropy, from_logits=from_logits, label_smoothing=smoothing
                        )
                        references.append(one_hot_first(keras_loss))
                    loss(
                        book, name + (" of logits" if from_logits else " of probabilities"), "categorical_crossentropy",
                        options if from_logits else {**options, "from_logits": False},
                        logits if from_logits else probabilities, target, *references,
                    )
    # Keras's class_weight gives each example the weight of its class, and divides by their number: on one-hot rows.
    weight = torch.tensor(factors)
    loss(
        book, "one-hot rows weight of logits", "categorical_crossentropy", {"weight": factors}, logits,
        F.one_hot(targets["classes"], CLASSES).double(),
        lambda p, t, r: F.cross_entropy(p, t, weight, reduction=r),
        lambda p, t, r: keras.losses.CategoricalCrossentropy(from_logits=True, reduction=REDUCTIONS[r])(
            t, p, sample_weight=weight[targets["classes"]]
        ),
    )
    pixels = numbers.normal(2, CLASSES, 2, 3, deviation=2.0)
    pixel_classes = numbers.integers(0, CLASSES - 1, 2, 2, 3)
    for options in ({}, {"label_smoothing": 0.1, "weight": factors}):
        weight = torch.tensor(factors) if options else None
        smoothing = options.get("label_smoothing", 0.0)
        for kind, target in {"classes": pixel_classes, "rows": Numbers.exact(pixels.flip(0).softmax(1))}.items():
            loss(
                book, " ".join([kind, *options]) + " of pixels", "categorical_crossentropy", options, pixels, target,
                lambda p, t, r: F.cross_entropy(p, t, weight, reduction=r, label_smoothing=smoothing),
            )
    certain = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25, 0.5, 0.25, 0.0]])
    loss(
        book, "classes of certain probabilities", "categorical_crossentropy", {"from_logits": False}, certain,
        torch.tensor([1, 1, 3]), one_hot_first(by_keras(keras.losses.CategoricalCrossentropy)),
    )
    far = torch.tensor([[500.0, -500.0, 0.0, 0.0], [1000.0, 1000.0, 999.0, -1e6]])
    loss(
        book, "classes of far logits", "categorical_crossentropy", {}, far, torch.tensor([0, 2]),
        lambda p, t, r: F.cross_entropy(p, t, reduction=r),
        one_hot_first(by_keras(keras.losses.CategoricalCrossentropy, from_logits=True)),
    )

    def divergence(p, t, reduction):
        each = F.kl_div(F.log_softmax(p, -1), t, reduction="none").sum(-1)
        return each.mean() if reduction == "mean" else each.sum() if reduction == "sum" else each

    rows, softmax = targets["rows"], lambda reference: lambda p, t, r: reference(p.softmax(-1), t, r)
    keras_divergence = by_keras(keras.losses.KLDivergence)
    which = "kullback_leibler_divergence"
    loss(book, "of logits", which, {}, logits, rows, divergence, softmax(keras_divergence))
    loss(book, "of probabilities", which, {"from_logits": False}, probabilities, rows, keras_divergence)
    loss(book, "classes of logits", which, {}, logits, targets["classes"], one_hot_first(softmax(keras_divergence)))

    for kind, target in targets.items():
        for options in ({}, {"gamma": 1.5, "alpha": 0.6}):
            for from_logits in (True, False):
                focal = by_keras(keras.losses.CategoricalFocalCrossentropy, from_logits=from_logits, **options)
                loss(
                    book, " ".join([kind, *options]) + (" of logits" if from_logits else " of probabilities"), "focal",
                    options if from_logits else {**options, "from_logits": False},
                    logits if from_logits else probabilities, target, one_hot_first(focal),
                )
    for kind, target in targets.items():
        loss(
            book, kind, "categorical_hinge", {}, logits, target, one_hot_first(by_keras(keras.losses.CategoricalHinge))
        )


def number_losses(book):
    numbers = Numbers("losses of numbers")
    p, t = numbers.normal(EXAMPLES, 3, deviation=2.0), numbers.normal(EXAMPLES, 3, deviation=2.0)
    deep, deep_target = numbers.normal(4, 3, 2), numbers.normal(4, 3, 2)
    chances = numbers.uniform(0.05, 0.95, EXAMPLES, 3)
    truth = numbers.integers(0, 1, EXAMPLES, 3).double()

    def by_torch(function, **given):
        """The mean over an example's elements first."""

        def f(p, t, reduction):
            each = function(p, t, reduction="none", **given).mean(-1)
            return each.mean() if reduction == "mean" else each.sum() if reduction == "sum" else each

        return f

    for which, kind, function in [
        ("mean_squared_error", keras.losses.MeanSquaredError, F.mse_loss),
        ("mean_absolute_error", keras.losses.MeanAbsoluteError, F.l1_loss),
        ("huber", keras.losses.Huber, F.huber_loss),
    ]:
        loss(book, "rows", which, {}, p, t, by_keras(kind), by_torch(function))
        loss(book, "three axes", which, {}, deep, deep_target, by_keras(kind))
    loss(
        book, "delta", "huber", {"delta": 0.5}, p, t, by_keras(keras.losses.Huber, delta=0.5),
        by_torch(F.huber_loss, delta=0.5),
    )
    loss(book, "rows", "log_cosh", {}, p, t, by_keras(keras.losses.LogCosh))
    loss(book, "far", "log_cosh", {}, p * 100, t, by_keras(keras.losses.LogCosh))
    loss(book, "rows", "poisson", {}, numbers.uniform(0.1, 4, EXAMPLES, 3), t.abs(), by_keras(keras.losses.Poisson))
    for which, kind in [("hinge", keras.losses.Hinge), ("squared_hinge", keras.losses.SquaredHinge)]:
        loss(book, "zeros and ones", which, {}, p, truth, by_keras(kind))
        loss(book, "signs", which, {}, p, truth * 2 - 1, by_keras(kind))
    loss(
        book, "rows", "cosine_similarity", {}, p, t, by_keras(keras.losses.CosineSimilarity),
        lambda p, t, r: -reduce(F.cosine_similarity(p, t), r),
    )
    loss(book, "three axes", "cosine_similarity", {}, deep, deep_target, by_keras(keras.losses.CosineSimilarity))

    binary = keras.losses.BinaryCrossentropy
    for smoothing in (0.0, 0.2):
        options = {"label_smoothing": smoothing} if smoothing else {}
        name = " ".join(["smoothed"] * bool(smoothing) + ["of"])
        smoothed = lambda t: t * (1 - smoothing) + smoothing / 2  # noqa: E731
        loss(
            book, f"{name} logits", "binary_crossentropy", options, p * 5, truth,
            by_keras(binary, from_logits=True, label_smoothing=smoothing),
            lambda p, t, r: by_torch(F.binary_cross_entropy_with_logits)(p, smoothed(t), r),
        )
        loss(
            book, f"{name} probabilities", "binary_crossentropy", {**options, "from_logits": False}, chances, truth,
            by_keras(binary, label_smoothing=smoothing),
            lambda p, t, r: by_torch(F.binary_cross_entropy)(p, smoothed(t), r),
        )
        for kind, weight in [("number", 3.0), ("list", [0.5, 2.0, 3.0])]:
            options = {**options, "pos_weight": weight}
            weighted = by_torch(F.binary_cross_entropy_with_logits, pos_weight=torch.tensor(weight))
            loss(
                book, f"{name} logits, pos_weight a {kind}", "binary_crossentropy", options, p * 5, truth,
                lambda p, t, r: weighted(p, smoothed(t), r),
            )
            loss(
                book, f"{name} probabilities, pos_weight a {kind}", "binary_crossentropy",
                {**options, "from_logits": False}, chances, truth,
                lambda p, t, r: weighted(torch.logit(p), smoothed(t), r),
            )
    certain = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 1.0]])
    loss(
        book, "of certain probabilities", "binary_crossentropy", {"from_logits": False}, certain,
        torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]),
        # as float32, where 1 - 1e-7 is another number
        lambda p, t, r: by_keras(binary, dtype="float32")(p.float(), t.float(), r).double(),
    )
    loss(
        book, "of far logits, three axes", "binary_crossentropy", {}, deep * 300, (deep_target > 0).double(),
        by_keras(binary, from_logits=True),
    )


def reduce(each, reduction):
    return each.mean() if reduction == "mean" else each.sum() if reduction == "sum" else each


# ---- optimizers ----

STEPS = 10

# Class, name of the case, options in our words; for PyTorch, where its formula is the same: its class and options.
OPTIMIZERS = [
    ("SGD", "defaults", {}, torch.optim.SGD, {"lr": 0.01}),
    ("SGD", "momentum", {"lr": 0.1, "momentum": 0.9}, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    ("SGD", "nesterov", {"lr": 0.1, "momentum": 0.8, "nesterov": True},
     torch.optim.SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    ("SGD", "nesterov without momentum", {"lr": 0.1, "nesterov": True}, None, {}),
    ("SGD", "weight_decay", {"lr": 0.1, "weight_decay": 0.3}, None, {}),
    ("SGD", "momentum weight_decay", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3}, None, {}),
    ("SGD", "clip_value", {"lr": 0.1, "clip_value": 0.4}, None, {}),
    ("SGD", "clip_norm", {"lr": 0.1, "clip_norm": 1.0}, None, {}),
    ("SGD", "global_clip_norm", {"lr": 0.1, "global_clip_norm": 1.5}, None, {}),
    ("SGD", "momentum clip_norm", {"lr": 0.1, "momentum": 0.9, "clip_norm": 1.0}, None, {}),
    ("SGD", "clip_norm out of reach", {"lr": 0.1, "clip_norm": 100.0}, None, {}),
    ("Adam", "defaults", {}, None, {}),
    ("Adam", "lr", {"lr": 0.05}, None, {}),
    ("Adam", "betas", {"lr": 0.05, "beta1": 0.7, "beta2": 0.9, "epsilon": 0.01}, None, {}),
    ("Adam", "without epsilon", {"lr": 0.05, "epsilon": 1e-30}, torch.optim.Adam, {"lr": 0.05, "eps": 1e-30}),
    ("Adam", "weight_decay", {"lr": 0.05, "weight_decay": 0.2}, None, {}),
    ("Adam", "clip_value", {"lr": 0.05, "clip_value": 0.1}, None, {}),
    ("Adam", "clip_norm", {"lr": 0.05, "clip_norm": 0.5}, None, {}),
    ("Adam", "global_clip_norm", {"lr": 0.05, "global_clip_norm": 0.5}, None, {}),
    ("AdamW", "defaults", {}, None, {}),
    ("AdamW", "without epsilon", {"lr": 0.05, "weight_decay": 0.1, "epsilon": 1e-30},
     torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1, "eps": 1e-30}),
    ("Adamax", "defaults", {}, None, {}),
    ("Adamax", "betas", {"lr": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.01}, None, {}),
    ("Adamax", "without epsilon", {"lr": 0.05, "epsilon": 1e-30}, torch.optim.Adamax, {"lr": 0.05, "eps": 1e-30}),
    ("Adamax", "weight_decay", {"lr": 0.05, "weight_decay": 0.2}, None, {}),
    ("Nadam", "defaults", {}, None, {}),
    ("Nadam", "betas", {"lr": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.01},
     torch.optim.NAdam, {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.01, "momentum_decay": 1.0}),
    ("Nadam", "weight_decay clip_norm", {"lr": 0.05, "weight_decay": 0.2, "clip_norm": 1.0}, None, {}),
    ("RMSprop", "defaults", {}, None, {}),
    ("RMSprop", "rho", {"lr": 0.05, "rho": 0.5, "epsilon": 0.01}, None, {}),
    ("RMSprop", "momentum", {"lr": 0.02, "momentum": 0.7}, None, {}),
    ("RMSprop", "centered", {"lr": 0.02, "centered": True}, None, {}),
    ("RMSprop", "centered momentum", {"lr": 0.02, "centered": True, "momentum": 0.7, "epsilon": 0.01}, None, {}),
    ("RMSprop", "momentum without epsilon", {"lr": 0.02, "rho": 0.9, "momentum": 0.7, "epsilon": 1e-30},
     torch.optim.RMSprop, {"lr": 0.02, "alpha": 0.9, "momentum": 0.7, "eps": 1e-30}),
    ("RMSprop", "weight_decay", {"lr": 0.02, "weight_decay": 0.2}, None, {}),
    ("Adagrad", "defaults", {}, None, {}),
    ("Adagrad", "accumulator", {"lr": 0.1, "initial_accumulator": 0.5, "epsilon": 0.01}, None, {}),
    ("Adagrad", "without epsilon", {"lr": 0.1, "initial_accumulator": 0.02, "epsilon": 1e-30},
     torch.optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.02, "eps": 1e-30}),
    ("Adagrad", "weight_decay", {"lr": 0.1, "weight_decay": 0.2}, None, {}),
    ("Adadelta", "defaults", {}, torch.optim.Adadelta, {"lr": 0.001, "rho": 0.95, "eps": 1e-7}),
    ("Adadelta", "rho", {"lr": 2.0, "rho": 0.7, "epsilon": 0.001}, torch.optim.Adadelta,
     {"lr": 2.0, "rho": 0.7, "eps": 0.001}),
    ("Adadelta", "weight_decay", {"lr": 2.0, "weight_decay": 0.1}, None, {}),
]
KERAS_WORDS = {
    "lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2", "clip_value": "clipvalue", "clip_norm": "clipnorm",
    "global_clip_norm": "global_clipnorm", "initial_accumulator": "initial_accumulator_value",
}
SHAPES = [(3, 4), (5,)]


def optimizer_cases(book):
    for kind, name, options, torch_kind, torch_options in OPTIMIZERS:
        references = [keras_path(getattr(keras.optimizers, kind), options)]
        if torch_kind:
            references.append(lambda *given: torch_path(torch_kind, torch_options, *given))
        optimizer_case(book, kind, name, options, SHAPES, references)


def optimizer_case(book, kind, name, options, shapes, references, all_sizes=True):
    """References are functions of the parameters and of the gradients of all steps, and give the parameters after each
    step."""
    numbers = Numbers(f"{kind} {name}")
    start = [numbers.normal(*shape, deviation=0.3) for shape in shapes]
    gradients = [numbers.normal(STEPS, *shape) for shape in shapes]
    # Gradients of all sizes: only the small ones tell where epsilon stands.
    for scale, column in [(1e-2, 1), (1e-4, 2), (1e-7, 3)] if all_sizes else []:
        gradients[0][..., column] = Numbers.exact(gradients[0][..., column] * scale)
    path, *others = [reference(start, gradients) for reference in references]
    for other in others:
        for mine, its in zip(path, other):
            agree(f"{kind} {name}", mine, its)
    settings = {"optimizer": kind, "options": options}
    book.add(f"{kind} {name}", settings, start=numbered(start), gradient=numbered(gradients), after=numbered(path))


def keras_path(kind, options, **more):
    translated = {KERAS_WORDS.get(key, key): value for key, value in options.items()}

    def path(start, gradients):
        optimizer = kind(**translated, **more)
        weights = [keras.Variable(each.clone(), dtype="float64") for each in start]
        steps = [[] for _ in start]
        for step in range(STEPS):
            optimizer.apply([each[step] for each in gradients], weights)
            for each, variable in zip(steps, weights):
                each.append(variable.value.detach().clone())
        return [torch.stack(each) for each in steps]

    return path


def torch_path(kind, options, start, gradients):
    weights = [each.clone().requires_grad_() for each in start]
    optimizer, path = kind(weights, **options), [[] for _ in start]
    for step in range(STEPS):
        for each, gradient in zip(weights, gradients):
            each.grad = gradient[step].clone()
        optimizer.step()
        for each, one in zip(weights, path):
            one.append(each.detach().clone())
    return [torch.stack(each) for each in path]


def numbered(tensors):
    return {str(i + 1): each for i, each in enumerate(tensors)}


# ---- optimizers that Keras lacks, or has in another form ----


def written_path(step):
    """By a step that is written out: step(w, g, state, t) changes the array w and the table state."""

    def path(start, gradients):
        paths = []
        for each, gradient in zip(start, gradients):
            w, state, steps = each.numpy().copy(), {}, []
            for t in range(1, STEPS + 1):
                step(w, gradient[t - 1].numpy(), state, t)
                steps.append(torch.tensor(w.copy()))
            paths.append(torch.stack(steps))
        return paths

    return path


def lion(lr, beta1=0.9, beta2=0.99, weight_decay=0.0):
    """Chen et al. 2023, algorithm 2."""

    def step(w, g, state, t):
        m = state.get("m", np.zeros_like(g))
        w -= lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)
        state["m"] = beta2 * m + (1 - beta2) * g

    return written_path(step)


def lamb(lr, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decay=0.0):
    """You et al. 2019, algorithm 2."""

    def step(w, g, state, t):
        m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
        direction = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon) + weight_decay * w
        norms = np.linalg.norm(w), np.linalg.norm(direction)
        w -= lr * (norms[0] / norms[1] if min(norms) > 0 else 1.0) * direction

    return written_path(step)


def radam(lr, epsilon, **more):
    return lambda *given: torch_path(torch.optim.RAdam, {"lr": lr, "eps": epsilon, **more}, *given)


def muon_and_adamw(lr, weight_decay, **more):
    """PyTorch's two optimizers, without Muon's rounding to 16 bits. Weights of convolutions are matrices (filters, all
    else)."""

    def path(start, gradients):
        paths = []
        for each, gradient in zip(start, gradients):
            if each.dim() == 1:
                options = {"lr": lr, "weight_decay": weight_decay, "eps": 1e-30}
                paths += torch_path(torch.optim.AdamW, options, [each], [gradient])
                continue
            options = {"lr": lr, "weight_decay": weight_decay, "adjust_lr_fn": "match_rms_adamw", **more}
            flat = [each.flatten(1)], [gradient.flatten(2)]
            with mock.patch.object(torch.Tensor, "bfloat16", lambda x: x.clone()):
                (found,) = torch_path(torch.optim.Muon, options, *flat)
            paths.append(found.reshape(gradient.shape))
        return paths

    return path


def more_optimizer_cases(book):
    def case(kind, name, options, *references, shapes=SHAPES, all_sizes=True):
        optimizer_case(book, kind, name, options, shapes, references, all_sizes)

    def keras_case(kind, options, **more):
        return keras_path(getattr(keras.optimizers, kind), options, **more)

    case("Lion", "defaults", {}, keras_case("Lion", {}), lion(0.001))
    options = {"lr": 0.05, "beta1": 0.8, "beta2": 0.7, "weight_decay": 0.2}
    case("Lion", "betas weight_decay", options, keras_case("Lion", options), lion(0.05, 0.8, 0.7, 0.2))
    options = {"lr": 0.05, "clip_norm": 0.5}
    case("Lion", "clip_norm", options, keras_case("Lion", options))

    case("LAMB", "defaults", {}, lamb(0.001), keras_case("Lamb", {}))
    options = {"lr": 0.05, "beta1": 0.7, "beta2": 0.9, "epsilon": 0.01}
    case("LAMB", "betas", options, lamb(0.05, 0.7, 0.9, 0.01), keras_case("Lamb", options))
    case("LAMB", "weight_decay", {"lr": 0.05, "weight_decay": 0.2}, lamb(0.05, weight_decay=0.2))
    options = {"lr": 0.05, "clip_norm": 0.5}
    case("LAMB", "clip_norm", options, keras_case("Lamb", options))

    case("RAdam", "defaults", {}, radam(0.001, 1e-7))
    options = {"lr": 0.05, "beta1": 0.7, "beta2": 0.8, "epsilon": 0.01}
    case("RAdam", "betas", options, radam(0.05, 0.01, betas=(0.7, 0.8)))
    decayed = {"weight_decay": 0.2, "decoupled_weight_decay": True}
    case("RAdam", "weight_decay", {"lr": 0.05, "weight_decay": 0.2}, radam(0.05, 1e-7, **decayed))

    case("Muon", "defaults", {}, keras_case("Muon", {}), all_sizes=False)
    options = {"lr": 0.05, "weight_decay": 0.2, "epsilon": 1e-30}
    both = muon_and_adamw(0.05, 0.2)
    in_keras = keras_case("Muon", options, adam_weight_decay=0.2)
    case("Muon", "matrices", options, both, in_keras, all_sizes=False)
    case("Muon", "tall matrices", options, both, shapes=[(7, 4), (5,)], all_sizes=False)
    case("Muon", "convolutions", options, both, shapes=[(6, 2, 3, 2), (5, 1, 2, 2)], all_sizes=False)
    options = {**options, "momentum": 0.7, "nesterov": False}
    both = muon_and_adamw(0.05, 0.2, momentum=0.7, nesterov=False)
    case("Muon", "momentum", options, both, all_sizes=False)
    options = {"lr": 0.05, "use_muon": False, "weight_decay": 0.1}
    case("Muon", "use_muon", options, keras_path(keras.optimizers.AdamW, {"lr": 0.05, "weight_decay": 0.1}))


# ---- schedules ----

schedules = keras.optimizers.schedules
torch_schedules = torch.optim.lr_scheduler

SCHEDULE_STEPS = 40


def torch_rates(kind, **options):
    """The learning rates of the steps from 0 on by a schedule of PyTorch that begins at 0.5."""

    def values(count):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
        if kind is torch_schedules.SequentialLR:
            parts = [part(optimizer, **given) for part, given in options["parts"]]
            scheduler = kind(optimizer, parts, options["milestones"])
        else:
            scheduler = kind(optimizer, **options)
        rates = []
        for _ in range(count):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        return rates

    return values


def keras_rates(schedule):
    return lambda count: [float(schedule(step)) for step in range(count)]


def formula_rates(formula):
    return lambda count: [formula(step) for step in range(count)]


# Class, options in our words, in how many steps it is compared (PyTorch's OneCycleLR ends), and what gives the same.
SCHEDULES = [
    ("Step", {"lr": 0.5, "every": 7}, SCHEDULE_STEPS, torch_rates(torch_schedules.StepLR, step_size=7),
     keras_rates(schedules.ExponentialDecay(0.5, 7, 0.1, staircase=True))),
    ("Step", {"lr": 0.5, "every": 1, "factor": 0.9}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.StepLR, step_size=1, gamma=0.9)),
    ("MultiStep", {"lr": 0.5, "milestones": [3, 11, 30]}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.MultiStepLR, milestones=[3, 11, 30])),
    ("MultiStep", {"lr": 0.5, "milestones": [1], "factor": 0.25}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.MultiStepLR, milestones=[1], gamma=0.25)),
    ("Exponential", {"lr": 0.5, "factor": 0.93}, SCHEDULE_STEPS, torch_rates(torch_schedules.ExponentialLR, gamma=0.93),
     keras_rates(schedules.ExponentialDecay(0.5, 1, 0.93))),
    ("Exponential", {"lr": 0.5, "factor": 0.3, "every": 12}, SCHEDULE_STEPS,
     keras_rates(schedules.ExponentialDecay(0.5, 12, 0.3))),
    ("InverseTime", {"lr": 0.5, "rate": 0.7}, SCHEDULE_STEPS, keras_rates(schedules.InverseTimeDecay(0.5, 1, 0.7))),
    ("InverseTime", {"lr": 0.5, "rate": 2.0, "every": 9}, SCHEDULE_STEPS,
     keras_rates(schedules.InverseTimeDecay(0.5, 9, 2.0))),
    ("Polynomial", {"lr": 0.5, "steps": 25}, SCHEDULE_STEPS, keras_rates(schedules.PolynomialDecay(0.5, 25))),
    ("Polynomial", {"lr": 0.5, "steps": 25, "final": 0.0, "power": 2.5}, SCHEDULE_STEPS,
     keras_rates(schedules.PolynomialDecay(0.5, 25, 0.0, 2.5)),
     torch_rates(torch_schedules.PolynomialLR, total_iters=25, power=2.5)),
    ("Cosine", {"lr": 0.5, "steps": 25}, SCHEDULE_STEPS, keras_rates(schedules.CosineDecay(0.5, 25))),
    ("Cosine", {"lr": 0.5, "steps": 39, "final": 0.05}, SCHEDULE_STEPS,
     keras_rates(schedules.CosineDecay(0.5, 39, alpha=0.1)),
     torch_rates(torch_schedules.CosineAnnealingLR, T_max=39, eta_min=0.05)),
    ("CosineRestarts", {"lr": 0.5, "steps": 5, "final": 0.05}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.CosineAnnealingWarmRestarts, T_0=5, T_mult=2, eta_min=0.05)),
    ("CosineRestarts", {"lr": 0.5, "steps": 6, "growth": 1}, SCHEDULE_STEPS,
     keras_rates(schedules.CosineDecayRestarts(0.5, 6, t_mul=1.0)),
     torch_rates(torch_schedules.CosineAnnealingWarmRestarts, T_0=6)),
    ("CosineRestarts", {"lr": 0.5, "steps": 7, "growth": 1.5, "factor": 0.8, "final": 0.05}, SCHEDULE_STEPS,
     keras_rates(schedules.CosineDecayRestarts(0.5, 7, t_mul=1.5, m_mul=0.8, alpha=0.1))),
    ("Warmup", {"schedule": 0.5, "steps": 8, "start": 0.125}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.LinearLR, start_factor=0.25, total_iters=8)),
    ("Warmup", {"schedule": ["Cosine", {"lr": 0.5, "steps": 20}], "steps": 8}, SCHEDULE_STEPS,
     keras_rates(schedules.CosineDecay(0.0, 20, warmup_target=0.5, warmup_steps=8))),
    ("Warmup", {"schedule": ["Cosine", {"lr": 0.5, "steps": 20}], "steps": 8, "start": 0.1, "curve": "cosine"},
     SCHEDULE_STEPS,
     formula_rates(lambda step: 0.1 + 0.4 * (1 - np.cos(np.pi * step / 8)) / 2 if step < 8
                else 0.5 * (1 + np.cos(np.pi * min((step - 8) / 20, 1))) / 2)),
    ("OneCycle", {"lr": 0.5, "steps": 40}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.OneCycleLR, max_lr=0.5, total_steps=40)),
    ("OneCycle", {"lr": 0.5, "steps": 33, "warmup": 0.45, "div_factor": 10.0, "final_div_factor": 100.0}, 33,
     torch_rates(torch_schedules.OneCycleLR, max_lr=0.5, total_steps=33, pct_start=0.45, div_factor=10.0,
              final_div_factor=100.0)),
    ("OneCycle", {"lr": 0.5, "steps": 40, "warmup": 0.01, "curve": "linear"}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.OneCycleLR, max_lr=0.5, total_steps=40, pct_start=0.01, anneal_strategy="linear")),
    ("PiecewiseConstant", {"boundaries": [0, 9, 20], "values": [0.5, 0.7, 0.1, 0.02]}, SCHEDULE_STEPS,
     keras_rates(schedules.PiecewiseConstantDecay([0, 9, 20], [0.5, 0.7, 0.1, 0.02]))),
    ("Sequential", {"schedules": [["Exponential", {"lr": 0.5, "factor": 0.8}],
                                  ["Polynomial", {"lr": 0.5, "steps": 10, "final": 0.0}],
                                  ["Step", {"lr": 0.5, "every": 4}]],
                    "milestones": [10, 24]}, SCHEDULE_STEPS,
     torch_rates(torch_schedules.SequentialLR, milestones=[10, 24],
              parts=[(torch_schedules.ExponentialLR, {"gamma": 0.8}),
                     (torch_schedules.PolynomialLR, {"total_iters": 10}),
                     (torch_schedules.StepLR, {"step_size": 4})])),
]


def schedule_cases(book):
    for number, (kind, options, count, *references) in enumerate(SCHEDULES):
        values, *others = [reference(count) for reference in references]
        for other in others:
            agree(kind, values, other)
        book.add(f"{kind} {number + 1}", {"schedule": [kind, options], "values": values})


# ---- initializers ----

VARIANCE_FAMILIES = ["Glorot", "He", "Lecun"]


def recorded(initializer, shape):
    """What distribution an initializer of Keras asks its generator for: its name and numbers."""
    asked = {}

    def listen(distribution, names):
        def f(shape, *numbers, **_):
            asked.update(distribution=distribution, **dict(zip(names, map(float, numbers))))
            return torch.zeros(tuple(shape))

        return f

    def by_name(distribution, names):
        return lambda shape, **given: listen(distribution, names)(shape, *[given[key] for key in given_names[names]])

    given_names = {("low", "high"): ("minval", "maxval"), ("mean", "deviation"): ("mean", "stddev")}
    patches = {
        "uniform": by_name("uniform", ("low", "high")),
        "normal": by_name("normal", ("mean", "deviation")),
        "truncated_normal": by_name("truncated_normal", ("mean", "deviation")),
    }
    with mock.patch.multiple(random_initializers.random, **patches):
        initializer(shape)
    return asked


def initializer_cases(book):
    def case(name, ours, settings, initializer, inputs=300, outputs=200):
        """Our shape is (outputs, inputs), Keras's (inputs, outputs)."""
        expected = recorded(initializer, (inputs, outputs))
        settings = {"initializer": ours, "settings": settings, "shape": [outputs, inputs], "fans": [inputs, outputs]}
        book.add(name, {**settings, **expected})

    init = keras.initializers
    case("uniform", "uniform", {}, init.RandomUniform())
    case("uniform between", "uniform", {"low": 1.0, "high": 3.0}, init.RandomUniform(1.0, 3.0))
    case("normal", "normal", {}, init.RandomNormal())
    case("normal around", "normal", {"mean": 2.0, "deviation": 0.5}, init.RandomNormal(2.0, 0.5))
    case("truncated_normal", "truncated_normal", {}, init.TruncatedNormal())
    around = {"mean": 2.0, "deviation": 0.5}
    case("truncated_normal around", "truncated_normal", around, init.TruncatedNormal(2.0, 0.5))
    for family in VARIANCE_FAMILIES:
        for distribution in ("Uniform", "Normal"):
            ours = f"{family}_{distribution}".lower()
            case(ours, ours, {}, getattr(init, family + distribution)())
            case(ours + ", few inputs", ours, {}, getattr(init, family + distribution)(), 20, 3000)

    def fans(model, shape, made):
        """The fans of a layer's weight on an input of a shape, and what the layer begins with unless told."""
        made.build(shape)
        kernel = made.embeddings if model[0] == "Embedding" else made.kernel
        fans = list(random_initializers.compute_fans(tuple(kernel.shape)))
        given = made.embeddings_initializer if model[0] == "Embedding" else made.kernel_initializer
        by_class = {"GlorotUniform": "glorot_uniform", "RandomUniform": "uniform"}
        settings = {"model": model, "input": shape, "fans": fans, "default": by_class[type(given).__name__]}
        book.add(f"{model[0]} {json.dumps(model[1])}", settings)

    layers = keras.layers
    fans(["Dense", {"units": 5}], [2, 7], layers.Dense(5))
    fans(["Conv2d", {"filters": 8, "kernel": [3, 5]}], [2, 6, 9, 9], layers.Conv2D(8, (3, 5)))
    fans(["Conv2d", {"filters": 8, "kernel": 3, "groups": 2}], [2, 6, 9, 9], layers.Conv2D(8, 3, groups=2))
    fans(["ConvTranspose2d", {"filters": 8, "kernel": [3, 5]}], [2, 6, 9, 9], layers.Conv2DTranspose(8, (3, 5)))
    fans(["Embedding", {"count": 9, "size": 4}], [3], layers.Embedding(9, 4))

    for shape in [(5, 3, 3, 3), (3, 5, 1, 3), (4, 4, 5)]:
        weight = torch.empty(shape)
        torch.nn.init.dirac_(weight)
        book.add(f"dirac {list(shape)}", {"initializer": "dirac", "shape": shape}, expected=weight)
    for shape in [(4, 4), (3, 5), (5, 3)]:
        # Keras's own is the same matrix seen from the other side.
        book.add(f"dirac {list(shape)}", {"initializer": "dirac", "shape": shape}, expected=init.Identity()(shape))
    for shape, gain in [((4, 4), 1.0), ((3, 7), 2.0), ((9, 4), 1.0), ((4, 3, 3, 3), 1.0), ((40, 2, 3, 3), 0.5)]:
        # Rows, or columns where there are more rows, have products of 0, and of gain^2 with themselves.
        flat = init.Orthogonal(gain, seed=1)((shape[0], int(np.prod(shape[1:])))).detach()
        gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
        agree("orthogonal", gram, gain**2 * torch.eye(len(gram)), 1e-6)
        settings = {"initializer": "orthogonal", "settings": {"gain": gain}, "shape": shape}
        book.add(f"orthogonal {list(shape)}", settings, gram=gram.round(decimals=6))


# ---- metrics ----


def scores_and_targets(name, examples, classes):
    """Normal scores that tell the classes now and then; class 4 of ten is never predicted and class 6 never wanted."""
    numbers = Numbers(name)
    target = numbers.integers(0, classes - 1, examples)
    scores = numbers.normal(examples, classes) + 1.5 * F.one_hot(target, classes)
    if classes > 2:
        scores[:, 3] -= 100
        target[target == 5] = 6
    return Numbers.exact(scores), target


def sixteenths(name, examples, classes):
    """Probabilities with many ties, and on the borders of bins."""
    numbers = Numbers(name)
    target = numbers.integers(0, classes - 1, examples)
    scores = torch.tensor(numbers.generator.multinomial(16, np.full(classes, 1 / classes), examples)) / 16
    return scores, target


def calibration_error(probabilities, target, bins):
    """As in the program of Guo et al."""
    confidence, predicted = probabilities.max(1)
    error, borders = 0.0, torch.linspace(0, 1, bins + 1)
    for lower, upper in zip(borders[:-1], borders[1:]):
        inside = confidence.gt(lower) & confidence.le(upper)
        if inside.any():
            right = predicted[inside].eq(target[inside]).double().mean()
            error += (inside.double().mean() * (right - confidence[inside].mean()).abs()).item()
    return error


def number(value):
    return None if np.isnan(value) else float(value)


def areas(probabilities, target, labels):
    """The area under the ROC curve of each class, and averages over those that have one."""
    each, support = [], []
    for label in labels:
        is_of_class = (target == label).numpy()
        defined = is_of_class.any() and not is_of_class.all()
        each.append(sklearn.metrics.roc_auc_score(is_of_class, probabilities[:, label]) if defined else np.nan)
        support.append(is_of_class.sum())
    each, support = np.array(each), np.array(support)
    known = ~np.isnan(each)
    if not known.any():
        return {"none": [None] * len(labels), "macro": None, "weighted": None}
    averages = {"macro": each[known].mean(), "weighted": np.average(each[known], weights=support[known])}
    if known.all() and len(labels) > 2:
        for average, value in averages.items():
            asked = sklearn.metrics.roc_auc_score(target, probabilities, multi_class="ovr", average=average)
            agree(f"roc_auc {average}", value, asked)
    return {"none": [number(value) for value in each], **averages}


def averages_of(function, target, predicted, labels):
    values = {}
    for average in ("macro", "micro", "weighted", "binary"):
        if average != "binary":
            values[average] = function(target, predicted, labels=labels, average=average, zero_division=0)
        elif len(labels) == 2:
            values[average] = function(target, predicted, average=average, zero_division=0)
    return values


def metric_case(book, name, scores, target, classes, probabilities):
    predicted, labels = scores.argmax(1), list(range(classes))
    confusion = sklearn.metrics.confusion_matrix(target, predicted, labels=labels)
    each = sklearn.metrics.precision_recall_fscore_support(target, predicted, labels=labels, zero_division=0)
    precision, recall, f1, support = map(torch.tensor, each)
    best = {str(classes): 1.0}
    if classes > 2 and all(len(row.unique()) == classes for row in scores):  # where no tie leaves it open
        best["2"] = sklearn.metrics.top_k_accuracy_score(target, scores, k=2, labels=labels)
    kappas = {
        weights or "none": number(sklearn.metrics.cohen_kappa_score(target, predicted, labels=labels, weights=weights))
        for weights in (None, "linear", "quadratic")
    }
    settings = {
        "classes": classes,
        "accuracy": sklearn.metrics.accuracy_score(target, predicted),
        "top": best,
        "precision": averages_of(sklearn.metrics.precision_score, target, predicted, labels),
        "recall": averages_of(sklearn.metrics.recall_score, target, predicted, labels),
        "f1": averages_of(sklearn.metrics.f1_score, target, predicted, labels),
        "cohen_kappa": kappas,
        "roc_auc": areas(probabilities, target, labels),
        "calibration_error": {bins: calibration_error(probabilities, target, bins) for bins in (1, 8, 15)},
    }
    book.add(
        name, settings, scores=scores, probabilities=probabilities, target=target + 1, confusion=confusion,
        precision=precision, recall=recall, f1=f1, support=support,
    )


def metric_cases(book):
    warnings.filterwarnings("ignore", category=sklearn.exceptions.UndefinedMetricWarning)
    warnings.filterwarnings("ignore", message="A single label was found")
    cases = [
        ("ten classes", 300, 10), ("two classes", 50, 2), ("few examples", 5, 10), ("one example", 1, 10),
    ]
    for name, examples, classes in cases:
        scores, target = scores_and_targets(name, examples, classes)
        metric_case(book, name, scores, target, classes, Numbers.exact(scores.softmax(1)))
    for name, classes in [("ties of four", 4), ("ties of two", 2)]:
        scores, target = sixteenths(name, 200, classes)
        metric_case(book, name, scores, target, classes, scores)
    scores, target = sixteenths("one class wanted", 20, 3)
    metric_case(book, "one class wanted", scores, torch.ones_like(target), 3, scores)
    always = torch.tensor([[0.25, 0.75, 0.0]]).double().repeat(4, 1)
    metric_case(book, "one class and no other", always, torch.ones(4, dtype=torch.int64), 3, always)


# ---- a loss curve ----


def curve_case(book):
    """Ten steps of a small network with everything in it, by Keras."""
    numbers, layers = Numbers("curve"), keras.layers
    images, labels = numbers.integers(0, 255, 10, 8, 1, 10, 10).to(torch.uint8), numbers.integers(1, 10, 10, 8)
    model = keras.Sequential([
        layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.BatchNormalization(axis=1),
        layers.Conv2D(8, 3, activation="relu"),
        layers.BatchNormalization(axis=1),
        layers.MaxPooling2D(2),
        layers.Flatten(data_format="channels_last"),
        layers.Dense(10),
    ])
    model.build((None, 1, 10, 10))
    names = [f"{i}.{kind}" for i in (1, 2, 3, 4, 7) for kind in ("weight", "bias")]
    places = dict(zip(names, model.trainable_variables))
    assert len(places) == len(model.trainable_variables)

    def ours(kernel):
        return kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T if kernel.ndim == 2 else kernel

    def theirs(kernel):
        return kernel.permute(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T if kernel.ndim == 2 else kernel

    start = {}
    for name, variable in places.items():
        shape = tuple(ours(variable.value).shape)
        is_norm = name in ("2.weight", "4.weight")
        start[name] = numbers.normal(*shape, mean=1.0 if is_norm else 0.0, deviation=0.1 if len(shape) == 1 else 0.25)
        variable.assign(theirs(start[name]))

    optimizer = keras.optimizers.Adam(0.01)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses, first = [], {}
    for step in range(10):
        model.zero_grad()
        value = cross_entropy(labels[step] - 1, model(images[step].double() / 255, training=True))
        value.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        if step == 0:
            first = {name: ours(gradient).clone() for name, gradient in zip(names, gradients)}
        with torch.no_grad():
            optimizer.apply(gradients, model.trainable_variables)
        losses.append(value.detach())
    after = {name: ours(variable.value).detach().clone() for name, variable in places.items()}

    old = 0.99**10  # what is left of the start of running statistics, which the library under test weights out
    for norm in (model.layers[1], model.layers[3]):
        norm.moving_mean.assign(norm.moving_mean.value / (1 - old))
        norm.moving_variance.assign((norm.moving_variance.value - old) / (1 - old))
    evaluated = model(images[0].double() / 255, training=False)
    described = [
        "Sequential", ["Conv2d", {"filters": 6, "kernel": 3, "padding": "same", "activation": "relu"}], ["BatchNorm2d"],
        ["Conv2d", {"filters": 8, "kernel": 3, "activation": "relu"}], ["BatchNorm2d"], ["MaxPool2d", {"kernel": 2}],
        ["Flatten"], ["Dense", {"units": 10}],
    ]
    book.add(
        "curve", {"model": described, "lr": 0.01}, images=images, labels=labels, start=start, loss=torch.stack(losses),
        gradient=first, after=after, evaluated=evaluated,
    )


def main():
    books = {
        "layers": [
            dense_cases, convolution_cases, transposed_cases, embedding_cases, batch_norm_cases, running_statistics,
            other_norm_cases, pool_cases, shape_cases, joining_cases, large_cases, activation_cases,
        ],
        "losses": [class_losses, number_losses],
        "optimizers": [optimizer_cases, more_optimizer_cases],
        "schedules": [schedule_cases],
        "initializers": [initializer_cases],
        "metrics": [metric_cases],
        "curve": [curve_case],
    }
    for name, makers in books.items():
        book = Book(name)
        for make in makers:
            make(book)
        book.write()


if __name__ == "__main__":
    main()
