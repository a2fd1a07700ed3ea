#!/usr/bin/env python3
"""Writes spec/data/numpy_str.lua: arrays and what NumPy's str() makes of them, for spec/format_spec.lua.

    python3 scripts/numpy_reference.py
"""

import pathlib

import numpy as np

F, I, B = np.float32, np.int64, np.uint8
nan, inf = np.nan, np.inf


def arrays():
    """The arrays whose elements are written out: short ones."""
    yield from (np.array(x, F) for x in [
        2.5, 3, -1, 0, -0.0, nan, inf, -inf, 1e10, 1.5e10, 1e16, 1.2345678e16, 1e20, 1e-4, 1.5e-5, 1e-10, 0.1, 1 / 3,
        123456789, 16777216, 3.4028235e38, 1.1754944e-38, 1e-45, 999999, 1e6, 1e7, 1e8, 1.2345678e-4, 1.2345678e-3,
        123456.7, 9.99e-5, 1e-4, 1.00001e-4,
    ])
    yield from (np.array(x, F) for x in [
        [1, 2, 3], [1.5, 2.25, 3], [0.1, 0.2, 0.3], [-1, 0, 1], [-0.5, 10, 100], [1 / 3, 2 / 3, 1], [0, 0], [-0.0, 1],
        [1e10, 1], [1e-5, 1], [1e8, 1], [99999999, 1], [1e8], [1e7, 2], [1e-4, 1e-3], [1e-4], [9.9e-5], [1000, 1],
        [1001, 1], [0.001, 1], [0.001, 1.001], [1e20, 1e-20], [1.5e10, 2.25e10], [123456.789, 0.5], [1e5, 123.456],
        [1.23456789e-7, 5], [3.4028235e38, -3.4028235e38], [1e-45, 0], [1e-45, 1.1754944e-38], [1 / 3], [2 / 3, 1e10],
        [16777216, 16777215], [1.0000001, 1.0000002], [0.99999994, 1], [123456.7, 12.34567, 1.234567],
        [nan], [nan, 1], [nan, 1.5, -2.25], [inf, 1], [-inf, 1], [inf, -inf, nan], [nan, 1e10], [inf, 1e-10, 2],
        [-inf, 123.456], [nan, inf], [0, nan], [-inf, -1.5], [-inf, 0.5], [inf, 100000],
    ])
    yield from (np.array(x, F) for x in [
        [[1, 2], [3, 4]], [[1.5, -2], [1000, 0.001]], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[1]], [[[1]]],
        [[nan, 1], [2, inf]], [[1e10, 1], [2, 3]], [[0.1], [0.25]],
    ])
    yield from (np.zeros(shape, F) for shape in [(0,), (0, 3), (3, 0), (2, 0, 2), (1, 1, 1, 1), (2, 1, 2, 1)])
    yield from (np.array(x, I) for x in [
        7, -7, [1, 2, 3], [-1, 10, 100], [[1, -2], [300, 4]], [2**62, -2**63], 2**63 - 1, [[[1, 2]], [[3, 4]]], [0],
    ])
    yield from (np.array(x, B) for x in [7, [1, 2, 255], [[0, 10], [100, 5]], [[0, 0], [0, 0]]])
    yield from (np.zeros(shape, I) for shape in [(0,), (2, 0)])
    rng = np.random.default_rng(20)
    for shape in [(3,), (7,), (20,), (3, 4), (2, 30), (2, 3, 4), (2, 2, 12), (2, 2, 2, 3)]:
        yield rng.standard_normal(shape).astype(F)
        yield (rng.standard_normal(shape) * 1000).astype(F)
        yield np.exp(rng.standard_normal(shape) * 12).astype(F)
        yield np.round(rng.standard_normal(shape), 2).astype(F)
        yield rng.integers(-1000, 1000, shape)
        yield rng.integers(0, 256, shape).astype(B)
    for _ in range(60):  # any bits at all, two or three of them together
        yield rng.integers(0, 2**32, rng.integers(1, 4), dtype=np.uint32).view(F)
    for _ in range(60):  # numbers of about one size
        yield (rng.standard_normal(rng.integers(1, 6)) * 10.0 ** rng.integers(-7, 10)).astype(F)


def long_arrays():
    """Shapes of arrays with more than 1000 elements: first, step of their elements, which count up."""
    for shape in [(1000,), (1001,), (2000,), (40, 40), (7, 200), (1, 1001), (1001, 1), (6, 6, 30), (3, 5, 100),
                  (2, 2, 2, 300), (1001, 2), (8, 8, 8, 8)]:
        yield shape, 0, 1, I
        yield shape, -500, 0.5, F
        yield shape, 0, 1e-3, F


def lua_text(text):
    return "[==[\n" + text + "]==]"


def lua_shape(shape):
    return "{" + ", ".join(map(str, shape)) + "}"


def lines():
    for a in arrays():
        yield '  {dtype = "%s", shape = %s, hex = "%s",\n    text = %s},' % (
            a.dtype.name, lua_shape(a.shape), a.tobytes().hex(), lua_text(str(a)))
    for shape, first, step, dtype in long_arrays():
        count = int(np.prod(shape))
        a = (first + step * np.arange(count)).astype(dtype).reshape(shape)
        yield '  {dtype = "%s", shape = %s, first = %r, step = %r,\n    text = %s},' % (
            a.dtype.name, lua_shape(shape), first, step, lua_text(str(a)))


def main():
    path = pathlib.Path(__file__).resolve().parent.parent / "spec" / "data" / "numpy_str.lua"
    np.seterr(all="ignore")
    head = "-- Written by scripts/numpy_reference.py with NumPy %s: the bytes of arrays and their str()." % np.__version__
    path.write_text("\n".join([head, "return {", *lines(), "}", ""]))


if __name__ == "__main__":
    main()
