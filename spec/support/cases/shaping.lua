--- Cases of the ops that choose and move elements.
local array = require "spec.support.array"
local values = require "spec.support.values"

local cases = {}
local pack, random, integers, distinct = table.pack, values.random, values.integers, values.distinct
local nan, inf = 0 / 0, math.huge

-- Positions 1 .. limit.
local function positions(shape, limit, dtype) return integers(shape, 1, limit, dtype) end

cases.cat = {
  {"along the first axis", pack({random{2, 3}, random{1, 3}, random{4, 3}})},
  {"along the last axis", pack({random{2, 3}, random{2, 1}}, -1)},
  {"along a middle axis", pack({random{2, 1, 3}, random{2, 2, 3}}, 2)},
  {"one tensor", pack({random{2, 3}}, 1)},
  {"seven tensors", pack({random{1}, random{2}, random{3}, random{1}, random{1}, random{2}, random{1}})},
  {"with an empty one", pack({random{2, 0}, random{2, 3}}, 2)},
  {"integers", pack({integers({2}, -9, 9), integers({3}, -9, 9)})},
  {"bytes", pack({integers({2}, 0, 255, "uint8"), integers({3}, 0, 255, "uint8")})},
  {"several types", pack({integers({2}, 0, 255, "uint8"), integers({3}, -9, 9), random{1}})},
  wrong = {
    {"other sizes that differ", pack({random{2, 3}, random{2, 4}}, 1), "(2,3)", "(2,4)", "number 2"},
    {"ranks that differ", pack({random{2, 3}, random{3}}), "(2,3)", "(3)"},
    {"single numbers", pack({random{}}, nil), "at least one axis"},
    {"an empty list", pack({}, 1), "tensors", "list of tensors"},
    {"a list with a number in it", pack({random{2}, 3}), "tensors", "expected a tensor", "number 3"},
    {"an axis out of range", pack({random{2}}, 2), "dim", "1..1", "got 2"},
  },
}

cases.pad = {
  {"two axes", pack(random{2, 3}, {{1, 2}, {0, 1}})},
  {"the last axis alone", pack(random{2, 3}, {{2, 0}}, 1.5)},
  {"images", pack(random{1, 2, 3, 3}, {{1, 1}, {2, 1}})},
  {"one number for both sides", pack(random{2, 3}, {1, 2})},
  {"nothing", pack(random{2, 3}, {{0, 0}, {0, 0}})},
  {"no elements", pack(random{2, 0}, {{1, 1}, {1, 2}}, 7)},
  {"integers", pack(integers({2, 3}, -9, 9), {{1, 1}}, 5)},
  {"an integer beyond float32", pack(integers({2, 3}, -9, 9), {{1, 1}}, 16777217)},
  {"an integer beyond doubles", pack(integers({3}, -9, 9), {{1, 1}}, 2^53 // 1 | 1)},
  {"bytes", pack(integers({3}, 0, 255, "uint8"), {{1, 1}}, 9)},
  {"the largest byte, as a float", pack(integers({3}, 0, 255, "uint8"), {{1, 1}}, 255.0)},
  wrong = {
    {"a fraction around integers", pack(integers({3}, -9, 9), {{1, 1}}, 2.5), "value", "int64", "an integer", "2.5"},
    {"infinity around bytes", pack(integers({3}, 0, 9, "uint8"), {{1, 1}}, inf), "value", "uint8", "an integer", "inf"},
    {"a number above bytes", pack(integers({3}, 0, 9, "uint8"), {{1, 1}}, 300), "value", "uint8", "0..255", "300"},
    {"a number below bytes", pack(integers({3}, 0, 9, "uint8"), {{1, 1}}, -1), "value", "uint8", "0..255", "-1"},
    {"more pairs than axes", pack(random{3}, {{1, 1}, {1, 1}}), "margins", "at most 1", "got 2"},
    {"a negative margin", pack(random{3}, {{-1, 1}}), "margins", "got -1"},
    {"a margin of three", pack(random{3}, {{1, 2, 3}}), "margins"},
    {"a huge margin", pack(random{3}, {{math.maxinteger, math.maxinteger}}), "margins", "too large"},
  },
}

cases.flip = {
  {"the last axis", pack(random{2, 5}, -1)},
  {"the first axis", pack(random{3, 2}, 1)},
  {"two axes", pack(random{2, 3, 3}, {1, 3})},
  {"all axes", pack(random{2, 3}, {1, 2})},
  {"integers", pack(integers({5}, -9, 9), 1)},
  {"bytes", pack(integers({2, 3}, 0, 255, "uint8"), {2})},
  {"no elements", pack(random{2, 0}, {1, 2})},
  wrong = {
    {"an axis out of range", pack(random{2, 3}, 3), "dim", "1..2", "got 3"},
    {"an axis twice", pack(random{2, 3}, {1, -2}), "dim", "axis 1", "twice"},
    {"axis 0", pack(random{2, 3}, 0), "dim", "got 0"},
    {"no axis", pack(random{2, 3}, {}), "dim", "at least one axis"},
  },
}

cases.gather = {
  {"along the last axis", pack(random{3, 4}, 2, positions({3, 2}, 4))},
  {"along the first axis, repeated", pack(random{3, 4}, 1, positions({6, 4}, 3))},
  {"a shorter index", pack(random{3, 4, 2}, 2, positions({2, 5, 1}, 4))},
  {"bytes as positions", pack(random{3, 4}, -1, positions({3, 2}, 4, "uint8"))},
  {"integers", pack(integers({3, 4}, -9, 9), 1, positions({2, 4}, 3))},
  {"elements that are bytes", pack(integers({3, 4}, 0, 255, "uint8"), 1, positions({2, 4}, 3))},
  {"no positions", pack(random{3, 4}, 1, positions({0, 4}, 3))},
  wrong = {
    {"an index of another rank", pack(random{3, 4}, 1, positions({3}, 3)), "index", "(3,4)", "(3)"},
    {"an index that is too long", pack(random{3, 4}, 1, positions({2, 5}, 3)), "index", "(3,4)", "(2,5)"},
    {"a position out of range", pack(random{3}, 1, array.from({2}, {1, 4}, "int64")), "index", "1..3", "got 4"},
    {"position 0", pack(random{3}, 1, array.from({1}, {0}, "int64")), "index", "1..3", "got 0"},
    {"floats as positions", pack(random{3}, 1, random{2}), "index", "integers", "float32"},
  },
}

cases.index_select = {
  {"rows", pack(random{4, 3}, 1, positions({6}, 4))},
  {"columns", pack(random{2, 4, 3}, 2, positions({3}, 4))},
  {"the last axis", pack(random{2, 4}, -1, positions({5}, 4))},
  {"bytes as positions", pack(random{4, 3}, 1, positions({2}, 4, "uint8"))},
  {"integers", pack(integers({4, 3}, -9, 9), 1, positions({2}, 4))},
  {"elements that are bytes", pack(integers({4, 3}, 0, 255, "uint8"), 2, positions({2}, 3))},
  {"no positions", pack(random{4, 3}, 1, positions({0}, 4))},
  wrong = {
    {"a matrix of positions", pack(random{4, 3}, 1, positions({2, 2}, 4)), "index", "(2,2)"},
    {"a position out of range", pack(random{4, 3}, 2, array.from({1}, {4}, "int64")), "index", "1..3", "got 4"},
    {"the smallest integer", pack(random{4}, 1, array.from({1}, {math.mininteger}, "int64")), "index", "1..4",
      tostring(math.mininteger)},
    {"floats as positions", pack(random{3}, 1, random{2}), "index", "integers", "float32"},
  },
}

cases.one_hot = {
  {"a vector", pack(positions({5}, 3), 3)},
  {"a matrix", pack(positions({2, 3}, 4), 4)},
  {"a single number", pack(positions({}, 4), 4)},
  {"bytes", pack(positions({5}, 3, "uint8"), 3)},
  {"no elements", pack(positions({0}, 3), 3)},
  wrong = {
    {"a class out of range", pack(array.from({2}, {1, 4}, "int64"), 3), "index", "number 2", "1..3", "got 4"},
    {"no classes", pack(positions({2}, 3), 0), "classes", "at least 1", "got 0"},
    {"floats", pack(random{2}, 3), "index", "integers", "float32"},
  },
}

cases.nonzero = {
  {"a vector", pack(integers({9}, 0, 2, "float32"))},
  {"a matrix", pack(integers({3, 5}, 0, 1, "float32"))},
  {"three axes", pack(integers({2, 3, 2}, 0, 1))},
  {"a mask", pack(values.mask{3, 4})},
  {"nothing found", pack(array.new({3, 2}, 0))},
  {"NaN is not zero", pack(array.from({3}, {nan, 0, inf}))},
  {"no elements", pack(random{0, 3})},
  {"a single number", pack(random{})},
  wrong = {{"a number", pack(1), "input", "expected a tensor"}},
}

cases.sort = {
  {"the last axis", pack(distinct{3, 5}), distinct = true},
  {"the first axis", pack(distinct{5, 2}, {dim = 1}), distinct = true},
  {"a middle axis, descending", pack(distinct{2, 5, 2}, {dim = 2, descending = true}), distinct = true},
  {"equal elements keep their order", pack(integers({2, 12}, 0, 3, "float32")), gradient = false},
  {"equal elements keep their order descending", pack(integers({12}, 0, 3, "float32"), {descending = true}),
    gradient = false},
  {"NaN last", pack(array.from({6}, {nan, 1, -inf, nan, inf, 0})), gradient = false},
  {"NaN first", pack(array.from({6}, {nan, 1, -inf, nan, inf, 0}), {descending = true}), gradient = false},
  {"integers", pack(integers({2, 6}, -9, 9))},
  {"large integers", pack(array.from({3}, {(1 << 53) + 2, (1 << 53) + 1, 1 << 53}, "int64"))},
  {"bytes", pack(integers({6}, 0, 255, "uint8"))},
  {"no elements", pack(random{2, 0})},
  wrong = {{"an axis out of range", pack(random{2, 3}, 3), "dim", "1..2", "got 3"}},
}

-- ---- views ----

cases.reshape = {
  {"a matrix to a vector", pack(random{2, 3}, {6})},
  {"to three axes", pack(random{2, 6}, {2, 3, 2})},
  {"one size left open", pack(random{4, 3}, {2, -1})},
  {"a single number to a vector", pack(random{}, {1})},
  {"to a single number", pack(random{1, 1}, {})},
  {"no elements", pack(random{0, 3}, {3, 0, 2})},
  {"integers", pack(integers({2, 3}, -9, 9), {3, 2})},
  wrong = {
    {"another product", pack(random{2, 3}, {4, 2}), "shape", "(2,3)", "got 8"},
    {"two sizes left open", pack(random{2, 3}, {-1, -1}), "shape", "at most one"},
    {"an open size that does not fit", pack(random{2, 3}, {-1, 4}), "shape", "(2,3)", "-1"},
    {"a negative size", pack(random{2, 3}, {-2, 3}), "shape", "got -2"},
    {"nine axes", pack(random{1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape", "at most 8"},
    {"a product that overflows", pack(random{1}, {1 << 40, 1 << 40}), "shape", "too large"},
    {"sizes beside 0 whose product overflows", pack(random{0}, {0, 1 << 40, 1 << 40}), "shape", "too large"},
  },
}

cases.flatten = {
  {"all axes", pack(random{2, 3, 2})},
  {"from the second on", pack(random{2, 3, 2}, 2)},
  {"the first two", pack(random{2, 3, 2}, 1, 2)},
  {"one axis", pack(random{2, 3}, -1, -1)},
  {"a single number", pack(random{})},
  {"no elements", pack(random{2, 0, 3}, 2)},
  wrong = {
    {"axes in the wrong order", pack(random{2, 3, 2}, 3, 2), "last", "not before 3", "got 2"},
    {"an axis out of range", pack(random{2, 3}, 3), "first", "1..2", "got 3"},
  },
}

cases.permute = {
  {"two axes", pack(random{2, 3}, {2, 1})},
  {"three axes", pack(random{2, 3, 4}, {3, 1, 2})},
  {"four axes, from the end", pack(random{2, 1, 3, 2}, {1, -2, -1, 2})},
  {"no elements", pack(random{2, 0, 3}, {3, 2, 1})},
  {"integers", pack(integers({2, 3}, -9, 9), {2, 1})},
  wrong = {
    {"too few axes", pack(random{2, 3, 4}, {1, 2}), "axes", "all 3", "got 2"},
    {"an axis twice", pack(random{2, 3}, {1, 1}), "axes", "twice"},
    {"an axis out of range", pack(random{2, 3}, {1, 3}), "axes", "1..2", "got 3"},
  },
}

cases.transpose = {
  {"a matrix", pack(random{2, 3}, 1, 2)},
  {"the outer axes of three", pack(random{2, 3, 4}, 1, -1)},
  {"an axis with itself", pack(random{2, 3}, 2, 2)},
  {"no elements", pack(random{0, 3}, 1, 2)},
  {"bytes", pack(integers({2, 3}, 0, 255, "uint8"), 1, 2)},
  wrong = {{"an axis out of range", pack(random{2, 3}, 1, -3), "b", "-2..-1", "got -3"}},
}

cases.narrow = {
  {"rows", pack(random{5, 3}, 1, 2, 3)},
  {"columns from the end", pack(random{2, 5}, 2, -2, 2)},
  {"a middle axis", pack(random{2, 4, 2}, 2, 2, 2)},
  {"nothing", pack(random{4}, 1, 3, 0)},
  {"all", pack(random{4, 2}, 1, 1, 4)},
  {"integers", pack(integers({5}, -9, 9), 1, 2, 3)},
  wrong = {
    {"a part that is too long", pack(random{5, 3}, 1, 3, 4), "length", "axis 1", "5 elements", "4 elements from 3"},
    {"a start out of range", pack(random{5}, 1, 7, 0), "length", "5 elements"},
    {"a start before the first", pack(random{5}, 1, -6, 1), "length", "from -6"},
    {"start 0", pack(random{5}, 1, 0, 1), "start", "got 0"},
    {"a negative length", pack(random{5}, 1, 1, -1), "length", "got -1"},
  },
}

cases.select = {
  {"a row", pack(random{3, 4}, 1, 2)},
  {"a column from the end", pack(random{3, 4}, -1, -1)},
  {"of a vector", pack(random{3}, 1, 3)},
  {"a middle axis", pack(random{2, 3, 2}, 2, 3)},
  {"bytes", pack(integers({2, 3}, 0, 255, "uint8"), 2, 1)},
  wrong = {
    {"an index out of range", pack(random{3, 4}, 2, 5), "index", "1..4", "axis 2", "got 5"},
    {"an index before the first", pack(random{3, 4}, 1, -4), "index", "-3..-1", "got -4"},
    {"an empty axis", pack(random{0}, 1, 1), "index", "got 1"},
    {"a single number", pack(random{}, 1, 1), "dim", "got 1"},
  },
}

cases.squeeze = {
  {"all axes of size 1", pack(random{1, 3, 1})},
  {"one of them", pack(random{1, 3, 1}, 1)},
  {"two of them", pack(random{1, 3, 1, 1}, {1, -1})},
  {"an axis of another size stays", pack(random{2, 1}, 1)},
  {"a single number", pack(random{})},
  wrong = {{"an axis out of range", pack(random{2, 1}, 3), "dim", "1..2", "got 3"}},
}

cases.unsqueeze = {
  {"in front", pack(random{2, 3}, 1)},
  {"in the middle", pack(random{2, 3}, 2)},
  {"at the end", pack(random{2, 3}, -1)},
  {"of a single number", pack(random{}, 1)},
  wrong = {
    {"a place out of range", pack(random{2, 3}, 4), "dim", "1..3", "got 4"},
    {"a ninth axis", pack(random{1, 1, 1, 1, 1, 1, 1, 1}, 1), "input", "at most 8 axes"},
  },
}

cases.expand = {
  {"an axis of size 1", pack(random{3, 1}, {3, 4})},
  {"a new axis", pack(random{3}, {2, 3})},
  {"both", pack(random{1, 3}, {2, 4, 3})},
  {"sizes that stay", pack(random{1, 3}, {4, -1})},
  {"a single number", pack(random{}, {2, 2})},
  {"to no elements", pack(random{1, 3}, {0, 3})},
  {"integers", pack(integers({1, 3}, -9, 9), {2, 3})},
  wrong = {
    {"an axis of another size", pack(random{2, 3}, {4, 3}), "shape", "(2,3)", "expected 2"},
    {"too few sizes", pack(random{2, 3}, {3}), "shape", "(2,3)", "got 1"},
    {"-1 for a new axis", pack(random{3}, {-1, 3}), "shape", "(3)"},
    {"more than can be addressed", pack(random{1, 1}, {1 << 40, 1 << 40}), "shape", "too large"},
  },
}

return cases
