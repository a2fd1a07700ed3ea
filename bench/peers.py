"""The peers' side of the benchmarks: measures one part and prints lines "name value", as bench/fmnistnn.lua does.

    python3 bench/peers.py SIDE PART [NAME ...]

SIDE is eager, channels_last (eager, images and weights in that memory format), compile (torch.compile) or onnxruntime
(infer alone). Needs torch, and for onnxruntime onnx, onnxscript and onnxruntime. The parts, their units and the
environment variables are those of bench/fmnistnn.lua.
"""
import os
import sys
import time

SIDE, PART, NAMES = sys.argv[1], sys.argv[2], sys.argv[3:]
HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = float(os.environ.get("FMNISTNN_BENCH_SECONDS", 3))
THREADS = int(os.environ.get("FMNISTNN_BENCH_THREADS", len(os.sched_getaffinity(0))))


def report(name, value):
    print(f"{name} {value:.6g}", flush=True)


def peak_memory():
    """The most memory that this process has had, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM:"))


if PART == "start":
    if NAMES[0] != "nothing":
        __import__(NAMES[0])
    report(NAMES[0], peak_memory())
    sys.exit()

os.environ["OMP_NUM_THREADS"] = str(THREADS)

import contextlib
import tempfile

import torch
from torch.nn.functional import conv2d, cross_entropy

from fashion_mnist import load
from networks import NETWORKS

torch.set_num_threads(THREADS)
torch.manual_seed(1)


def rate(f, chunk=1):
    """How often a second f can be called; warmed up and looked at as in bench/fmnistnn.lua."""
    def run(duration):
        started, calls, elapsed = time.monotonic(), 0, 0
        while elapsed < duration:
            for _ in range(chunk):
                f()
            calls += chunk
            elapsed = time.monotonic() - started
        return calls / elapsed

    for _ in range(10):
        f()
    run(SECONDS / 5)
    return run(SECONDS)


# ---- data and models ----

def arrange(images):
    """Images of one channel in this side's memory format: both formats are the same bytes, so `to` would do nothing."""
    if SIDE != "channels_last":
        return images
    return images.view(-1, 28, 28, 1).permute(0, 3, 1, 2)


def make(build, batch):
    model = build()
    model(torch.zeros(batch, 1, 28, 28))
    if SIDE == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    return model


def compiled(model):
    return torch.compile(model, dynamic=False) if SIDE == "compile" else model


# ---- training ----

def batches(images, labels, size):
    while True:
        order = torch.randperm(len(images))
        for first in range(0, len(images) - size + 1, size):
            index = order[first:first + size]
            yield images[index], labels[index]


def trainer(name, floats=True, mixed=False, factor=1.0):
    """A function that trains a network for a step, the batches that it uses, and their size."""
    size, build, make_optimizer = NETWORKS[name]
    model = make(build, size)
    optimizer = make_optimizer(model.parameters())
    source = batches(*load("train", floats), size)

    def loss_of(images, labels):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            output = model(images)
        return cross_entropy(output.float(), labels)

    loss_of = compiled(loss_of)

    def step():
        images, labels = next(source)
        if not floats:
            images = images.float() / 255
        loss = loss_of(arrange(images), labels)
        optimizer.zero_grad()
        loss.backward(torch.tensor(factor))
        optimizer.step()

    return step, source, size


def train(name):
    step, _, size = trainer(name)
    report(name, size * rate(step))


def bf16(name):
    step, _, size = trainer(name, mixed=True)
    report(name, size * rate(step))


def tiny(name):
    for factor in 1.0, 1e-36:
        step, _, size = trainer(name, factor=factor)
        report(f"{name}*{factor:g}", size * rate(step))


def memory(name):
    step, _, _ = trainer(name, floats=False)
    for _ in range(50):
        step()
    report(name, peak_memory())


def input_share(name):
    step, source, _ = trainer(name)
    steps = rate(step)
    report(name, 100 * steps / rate(lambda: next(source)))


# ---- inference ----

def onnx_session(model, x):
    """A function that runs the model, exported for x, in ONNX Runtime."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        path = folder + "/model.onnx"
        torch.onnx.export(model, (x,), path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, feed)


def infer(name):
    size, build, _ = NETWORKS[name]
    model = make(build, size).eval()
    images, _ = load("t10k")
    if SIDE == "compile":
        from torch._inductor import config
        config.freezing = True  # folds batch normalization and arranges the weights
    for count in (1, 1000):
        x = arrange(images[:count])
        if SIDE == "onnxruntime":
            run = onnx_session(model, x)
        else:
            function = compiled(model)
            run = lambda: function(x)
        with torch.inference_mode():
            report(f"{name}/{count}", 1e3 / rate(run))


# ---- single ops ----

def read_convolutions():
    with open(HERE + "/convolutions.txt") as file:
        lines = [line.split() for line in file]
    return {line[0]: [int(word) for word in line[1:]] for line in lines if line and line[0][0] != "#"}


def conv(*names):
    global SECONDS
    SECONDS /= 10  # each
    convolutions = read_convolutions()
    layout = torch.channels_last if SIDE == "channels_last" else torch.contiguous_format
    for name in names:
        channels, size, filters, kernel, stride, padding, dilation, groups = convolutions[name]
        x = torch.randn(128, channels, size, size).to(memory_format=layout)
        w = torch.randn(filters, channels // groups, kernel, kernel).to(memory_format=layout)

        def forward():
            return conv2d(x, w, None, stride, padding, dilation, groups)

        def backward(input, weight):
            torch.ops.aten.convolution_backward(
                g, x, w, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], groups,
                [input, weight, False])

        with torch.no_grad():
            g = torch.randn_like(forward())
            gigaflop = 2 * g.numel() * channels // groups * kernel * kernel / 1e9
            report(name + "/forward", gigaflop * rate(forward))
            report(name + "/input", gigaflop * rate(lambda: backward(True, False)))
            report(name + "/weight", gigaflop * rate(lambda: backward(False, True)))


def small():
    a, b = torch.randn(16), torch.randn(16)

    def add():
        return a + b

    report("add", 1e9 / rate(add, 1000))
    a.requires_grad_()
    report("add-with-gradient", 1e9 / rate(add, 1000))


def info():
    config = torch.__config__.show()
    mkldnn = next((line.strip(" -") for line in config.splitlines() if "MKL-DNN" in line), "no oneDNN")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, kernels "
          f"{torch.backends.cpu.get_cpu_capability()}; {mkldnn}")
    try:
        import onnxruntime
        print(f"ONNX Runtime {onnxruntime.__version__}")
    except ImportError:
        print("ONNX Runtime is not installed")


PARTS = {"train": train, "bf16": bf16, "tiny": tiny, "conv": conv, "infer": infer, "small": small, "memory": memory,
         "input": input_share, "info": info}
PARTS[PART](*NAMES)
