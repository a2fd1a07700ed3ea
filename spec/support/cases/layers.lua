--- Cases of products, convolutions, pooling, normalization, dropout and cross-entropy.
local array = require "spec.support.array"
local values = require "spec.support.values"

local cases = {}
local pack, random, distinct, integers = table.pack, values.random, values.distinct, values.integers
local constant = values.constant

-- ---- products ----

cases.matmul = {
  {"two matrices", pack(random{3, 4}, random{4, 5})},
  {"a row and a column", pack(random{1, 7}, random{7, 1})},
  {"a column and a row", pack(random{3, 1}, random{1, 2})},
  {"two vectors", pack(random{5}, random{5})},
  {"a vector and a matrix", pack(random{3}, random{3, 4})},
  {"a matrix and a vector", pack(random{3, 4}, random{4})},
  {"stacks of matrices", pack(random{3, 2, 4}, random{3, 4, 2})},
  {"a stack and one matrix", pack(random{3, 2, 4}, random{4, 2})},
  {"one matrix and a stack", pack(random{2, 4}, random{3, 4, 2})},
  {"stacks that broadcast", pack(random{2, 1, 2, 3}, random{3, 3, 2})},
  {"a stack and a vector", pack(random{2, 3, 4}, random{4})},
  {"a vector and a stack", pack(random{3}, random{2, 3, 2})},
  {"a stack of one", pack(random{1, 2, 3}, random{1, 3, 2})},
  {"nothing to sum", pack(random{2, 0}, random{0, 3})},
  {"no rows", pack(random{0, 3}, random{3, 2})},
  {"two empty stacks", pack(random{0, 2, 3}, random{0, 3, 2})},
  {"an empty stack and one matrix", pack(random{2, 0, 2, 3}, random{3, 2})},
  {"one matrix and an empty stack", pack(random{2, 3}, random{0, 3, 2})},
  {"integers", pack(integers({2, 3}, -3, 3), random{3, 2})},
  {"several pieces of work", function() return pack(random{67, 41}, random{41, 53}) end, large = true},
  {"more rows than columns", function() return pack(random{90, 41}, random{41, 33}) end, large = true},
  {"a stack in several pieces", function() return pack(random{9, 20, 21}, random{9, 21, 22}) end, large = true},
  wrong = {
    {"sizes that differ", pack(random{2, 3}, random{4, 5}), "(2,3)", "(4,5)", "3 columns", "4 rows"},
    {"vectors that differ", pack(random{2}, random{3}), "(2)", "(3)"},
    {"stacks that do not broadcast", pack(random{2, 2, 3}, random{3, 3, 2}), "do not broadcast", "(2)", "(3)"},
    {"a single number on the left", pack(random{}, random{3}), "input", "at least one axis"},
    {"a single number on the right", pack(random{3}, random{}), "other", "at least one axis"},
    {"a Lua number", pack(random{3}, 2), "other", "expected a tensor", "number 2"},
  },
}

cases.linear = {
  {"rows", pack(random{3, 4}, random{2, 4}, random{2})},
  {"without bias", pack(random{3, 4}, random{2, 4})},
  {"one row", pack(random{1, 5}, random{3, 5}, random{3})},
  {"a vector", pack(random{4}, random{3, 4}, random{3})},
  {"three axes", pack(random{2, 3, 4}, random{2, 4}, random{2})},
  {"one output", pack(random{3, 4}, random{1, 4}, random{1})},
  {"no rows", pack(random{0, 4}, random{2, 4}, random{2})},
  {"no inputs", pack(random{3, 0}, random{2, 0}, random{2})},
  {"several pieces of work", function() return pack(random{70, 40}, random{50, 40}, random{50}) end, large = true},
  wrong = {
    {"another number of inputs", pack(random{3, 4}, random{2, 5}), "weight", "(outputs,4)", "(2,5)"},
    {"a weight of three axes", pack(random{3, 4}, random{2, 4, 1}), "weight", "(2,4,1)"},
    {"a bias of another size", pack(random{3, 4}, random{2, 4}, random{3}), "bias", "(2)", "(3)"},
    {"a single number", pack(random{}, random{2, 4}), "input", "at least one axis"},
  },
}

-- ---- convolution ----

cases.conv2d = {
  {"3x3", pack(random{2, 2, 4, 5}, random{3, 2, 3, 3}, random{3})},
  {"without bias", pack(random{1, 2, 4, 5}, random{3, 2, 3, 2})},
  {"stride 2, odd sizes", pack(random{2, 1, 7, 5}, random{3, 1, 3, 3}, random{3}, {stride = 2})},
  {"stride 2 and 3", pack(random{1, 2, 6, 7}, random{2, 2, 2, 3}, nil, {stride = {2, 3}})},
  {"padding 1", pack(random{1, 2, 4, 3}, random{2, 2, 3, 3}, random{2}, {padding = 1})},
  {"padding of rows and columns", pack(random{1, 1, 3, 3}, random{2, 1, 2, 3}, nil, {padding = {2, 1}})},
  {"padding of four sides", pack(random{1, 1, 3, 4}, random{2, 1, 3, 3}, nil, {padding = {1, 0, 2, 3}})},
  {"same", pack(random{1, 2, 4, 5}, random{2, 2, 3, 3}, random{2}, {padding = "same"})},
  {"same, even kernel", pack(random{1, 1, 5, 4}, random{2, 1, 2, 4}, nil, {padding = "same"})},
  {"same, stride 2, even size", pack(random{1, 1, 6, 4}, random{2, 1, 3, 3}, nil, {padding = "same", stride = 2})},
  {"same, stride 2, odd size", pack(random{1, 1, 5, 7}, random{1, 1, 3, 2}, nil, {padding = "same", stride = 2})},
  {"same, dilation 2", pack(random{1, 1, 6, 5}, random{1, 1, 3, 3}, nil, {padding = "same", dilation = 2})},
  {"same, stride above the kernel", pack(random{1, 1, 7, 7}, random{1, 1, 2, 1}, nil, {padding = "same", stride = 3})},
  {"valid", pack(random{1, 1, 4, 4}, random{1, 1, 2, 2}, nil, {padding = "valid"})},
  {"dilation 2 and 1", pack(random{1, 2, 6, 4}, random{2, 2, 2, 3}, random{2}, {dilation = {2, 1}, padding = 1})},
  {"groups", pack(random{2, 4, 3, 3}, random{6, 2, 2, 3}, random{6}, {groups = 2})},
  {"depthwise", pack(random{2, 3, 4, 3}, random{3, 1, 3, 3}, nil, {groups = 3, padding = "same", stride = 2})},
  {"1x1", pack(random{2, 3, 3, 2}, random{4, 3, 1, 1}, random{4})},
  {"1x1, stride 2", pack(random{1, 3, 5, 4}, random{2, 3, 1, 1}, nil, {stride = 2})},
  {"1x1, padded", pack(random{1, 2, 2, 3}, random{2, 2, 1, 1}, random{2}, {padding = 1})},
  {"kernel as large as the image", pack(random{3, 2, 3, 4}, random{5, 2, 3, 4}, random{5})},
  {"padding wider than the kernel", pack(random{1, 1, 2, 2}, random{1, 1, 2, 2}, nil, {padding = 3})},
  {"a batch in lanes", pack(random{9, 2, 3, 4}, random{6, 2, 3, 3}, random{6}, {padding = "same"})},
  {"a batch in lanes, stride 2", pack(random{10, 1, 5, 4}, random{2, 1, 3, 2}, nil, {stride = 2, padding = 1})},
  {"no images", pack(random{0, 2, 4, 4}, random{3, 2, 3, 3}, random{3})},
  {"no images of many channels", pack(random{0, 8, 4, 4}, random{8, 8, 3, 3}, nil, {padding = "same"})},
  {"no filters", pack(random{1, 2, 4, 4}, random{0, 2, 3, 3})},
  {"no channels", pack(random{1, 0, 3, 3}, random{2, 0, 2, 2}, random{2})},
  {"ten images", function() return pack(random{10, 1, 4, 4}, random{2, 1, 3, 3}, random{2}) end, large = true},
  -- with channels in the lanes: through the edges of vectors and tiles
  {"channels in lanes", pack(random{1, 8, 4, 4}, random{8, 8, 3, 3}, nil, {padding = "same"})},
  {"no pixels, but zeros", pack(random{1, 8, 0, 2}, random{8, 8, 3, 3}, random{8}, {padding = 3})},
  {"no pixels, but zeros, in lanes", function()
    return pack(random{16, 16, 0, 2}, random{32, 16, 3, 3}, random{32}, {padding = 3})
  end, large = true},
  {"channels in lanes, padding beyond pieces", function()
    return pack(random{4, 9, 3, 2}, random{8, 9, 3, 3}, random{8}, {padding = {9, 12, 7, 8}})
  end, large = true},
  {"channels in lanes, two images", function()
    return pack(random{2, 17, 7, 9}, random{18, 17, 3, 3}, random{18}, {padding = {0, 2, 1, 3}})
  end, large = true},
  {"channels in lanes, large tiles", function()
    return pack(random{1, 33, 12, 21}, random{16, 33, 3, 3}, random{16}, {padding = 1})
  end, large = true},
  {"channels in lanes, in bands", function()
    return pack(random{1, 9, 36, 22}, random{8, 9, 3, 3}, random{8})
  end, large = true},
  {"channels in lanes, 5x5", function()
    return pack(random{3, 10, 9, 8}, random{34, 10, 5, 5}, random{34}, {padding = "same"})
  end, large = true},
  wrong = {
    {"other channels", pack(random{1, 3, 4, 4}, random{2, 4, 3, 3}), "weight", "(filters,3,", "(2,4,3,3)"},
    {"three axes", pack(random{3, 4, 4}, random{2, 3, 3, 3}), "input", "(3,4,4)"},
    {"a weight of three axes", pack(random{1, 3, 4, 4}, random{2, 3, 3}), "weight", "(2,3,3)"},
    {"a bias of another size", pack(random{1, 1, 4, 4}, random{2, 1, 3, 3}, random{3}), "bias", "(2)", "(3)"},
    {"a kernel larger than the image", pack(random{1, 1, 2, 4}, random{1, 1, 3, 3}), "input", "window of 3", "into 2"},
    {"a kernel of no pixels", pack(random{1, 1, 2, 4}, random{1, 1, 0, 3}), "weight", "(1,1,0,3)"},
    {"groups that do not divide", pack(random{1, 3, 4, 4}, random{2, 1, 3, 3}, nil, {groups = 2}), "groups",
      "3 input", "2"},
    {"groups that do not divide the filters", pack(random{1, 4, 4, 4}, random{3, 2, 3, 3}, nil, {groups = 2}), "groups",
      "3 filters"},
    {"stride 0", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {stride = 0}), "stride", "at least 1", "got 0"},
    {"dilation 0", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {dilation = {1, 0}}), "dilation", "at least 1"},
    {"three strides", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {stride = {1, 1, 1}}), "stride",
      "{rows, columns}"},
    {"an unknown padding", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {padding = "full"}), "padding", "'full'"},
    {"a negative padding", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {padding = -1}), "padding", "got -1"},
    {"an unknown precision", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, nil, {precision = "bf8"}), "precision",
      "'bf8'", "bf16"},
    {"an unknown option", pack(random{1, 1, 4, 4}, random{1, 1, 3, 3}, {strides = 2}), "unknown option", "strides"},
  },
}

cases.conv2d_relu = {
  {"3x3", pack(random{2, 2, 4, 5}, random{3, 2, 3, 3}, random{3})},
  {"without bias", pack(random{1, 2, 4, 5}, random{3, 2, 3, 2}, nil, {padding = "same", stride = 2})},
  {"groups", pack(random{2, 4, 3, 3}, random{6, 2, 2, 3}, random{6}, {groups = 2, padding = 1})},
  {"a batch in lanes", pack(random{9, 2, 3, 4}, random{6, 2, 3, 3}, random{6}, {padding = "same"})},
  {"an addend", pack(random{2, 2, 4, 5}, random{3, 2, 3, 3}, random{3}, random{2, 3, 2, 3})},
  {"an addend, without bias", pack(random{1, 2, 4, 3}, random{3, 2, 3, 2}, nil, random{1, 3, 2, 2},
    {padding = "same", stride = 2})},
  {"an addend for a batch in lanes", pack(random{9, 1, 3, 3}, random{4, 1, 3, 3}, random{4}, random{9, 4, 3, 3},
    {padding = "same"})},
  {"an addend, channels in lanes", function()
    return pack(random{2, 16, 7, 6}, random{20, 16, 3, 3}, random{20}, random{2, 20, 7, 6}, {padding = "same"})
  end, large = true},
  {"an addend, with a kernel out of the ordinary", pack(random{1, 1, 65, 2}, random{2, 1, 65, 1}, random{2},
    random{1, 2, 1, 2})},
  wrong = {
    {"an addend of another size", pack(random{1, 1, 4, 4}, random{2, 1, 3, 3}, nil, random{1, 2, 4, 4}), "addend",
      "(1,2,2,2)", "(1,2,4,4)"},
    {"an addend of two axes", pack(random{16, 1, 4, 4}, random{2, 1, 3, 3}, nil, random{2, 2}), "addend", "(2,2)"},
    table.unpack(cases.conv2d.wrong),
  },
}

cases.conv2d_relu_max_pool = {
  {"3x3", pack(random{2, 2, 6, 5}, random{3, 2, 3, 3}, random{3})},
  {"without bias", pack(random{1, 2, 4, 5}, random{3, 2, 3, 2}, nil, {padding = "same"})},
  {"one window", pack(random{2, 2, 3, 3}, random{2, 2, 2, 2}, random{2})},
  {"groups", pack(random{2, 4, 3, 3}, random{6, 2, 2, 3}, random{6}, {groups = 2, padding = 1})},
  {"a batch in lanes", pack(random{9, 2, 3, 2}, random{4, 2, 3, 3}, random{4}, {padding = "same"})},
  {"a batch in lanes, stride 2", pack(random{6, 1, 7, 8}, random{3, 1, 3, 3}, random{3}, {stride = 2, padding = 1})},
  {"channels in lanes", function()
    return pack(random{2, 16, 7, 6}, random{20, 16, 3, 3}, random{20}, {padding = "same"})
  end, large = true},
  {"a kernel out of the ordinary", pack(random{1, 1, 66, 3}, random{2, 1, 65, 1}, random{2})},
  wrong = {
    {"results of one row", pack(random{1, 1, 3, 4}, random{2, 1, 3, 3}), "input", "pool of 2 x 2", "1 x 2"},
    {"results of one column", pack(random{16, 1, 4, 3}, random{2, 1, 3, 3}), "input", "pool of 2 x 2", "2 x 1"},
    table.unpack(cases.conv2d.wrong),
  },
}

for _, case in ipairs(cases.conv2d_relu_max_pool) do case.distinct = true end -- of equal ones, which has the gradient?

cases.conv_transpose2d = {
  {"3x3", pack(random{2, 2, 2, 3}, random{2, 2, 3, 3}, random{2})},
  {"without bias", pack(random{1, 2, 2, 3}, random{2, 3, 2, 3})},
  {"stride 2", pack(random{2, 2, 3, 2}, random{2, 2, 3, 3}, random{2}, {stride = 2})},
  {"stride 2, padding, output padding", pack(random{1, 2, 3, 3}, random{2, 1, 3, 3}, random{1},
    {stride = 2, padding = 1, output_padding = 1})},
  {"other strides for rows and columns", pack(random{1, 1, 3, 2}, random{1, 2, 2, 3}, nil, {stride = {3, 2}})},
  {"padding of four sides", pack(random{1, 1, 3, 4}, random{1, 2, 3, 3}, nil, {padding = {1, 0, 2, 1}})},
  {"same", pack(random{1, 2, 3, 4}, random{2, 2, 3, 3}, random{2}, {padding = "same"})},
  {"same, stride 2", pack(random{1, 2, 3, 2}, random{2, 2, 3, 4}, nil, {padding = "same", stride = 2})},
  {"same, stride above the kernel", pack(random{1, 1, 2, 3}, random{1, 2, 2, 1}, nil, {padding = "same", stride = 3})},
  {"dilation", pack(random{1, 1, 3, 3}, random{1, 2, 2, 3}, nil, {dilation = {2, 1}, output_padding = {1, 0}})},
  {"groups", pack(random{2, 4, 2, 2}, random{4, 2, 2, 2}, random{4}, {groups = 2})},
  {"depthwise", pack(random{1, 3, 2, 2}, random{3, 1, 2, 2}, nil, {groups = 3, stride = 2})},
  {"1x1", pack(random{2, 3, 2, 3}, random{3, 2, 1, 1}, random{2})},
  {"1x1, padding as large as output padding", pack(random{1, 2, 3, 3}, random{2, 2, 1, 1}, nil,
    {padding = 1, output_padding = 2, dilation = 3})},
  {"no images", pack(random{0, 2, 2, 2}, random{2, 3, 3, 3}, random{3})},
  {"ten images", function() return pack(random{10, 1, 3, 3}, random{1, 2, 3, 3}, random{2}) end, large = true},
  wrong = {
    {"other channels", pack(random{1, 3, 4, 4}, random{2, 3, 3, 3}), "weight", "(3,filters", "(2,3,3,3)"},
    {"two axes", pack(random{4, 4}, random{2, 3, 3, 3}), "input", "(4,4)"},
    {"a bias of another size", pack(random{1, 2, 4, 4}, random{2, 3, 3, 3}, random{2}), "bias", "(3)", "(2)"},
    {"an output padding of the stride",
      pack(random{1, 1, 2, 2}, random{1, 1, 2, 2}, nil, {stride = 2, output_padding = 2}), "output_padding",
        "less than the stride 2", "got 2"},
    {"padding that leaves nothing", pack(random{1, 1, 1, 1}, random{1, 1, 2, 2}, nil, {padding = 1}), "padding",
      "2 pixels"},
    {"groups that do not divide", pack(random{1, 3, 2, 2}, random{3, 1, 2, 2}, nil, {groups = 2}), "groups", "3 input"},
    {"groups of no channels", pack(random{1, 0, 2, 2}, random{0, 4, 2, 2}, nil, {groups = 3}), "groups", "0 input",
      "got 3"},
    {"a huge stride", pack(random{1, 1, 3, 3}, random{1, 1, 2, 2}, nil, {stride = math.maxinteger}), "too large"},
  },
}

-- ---- pooling ----

local function pools(make, flags)
  local list = {
    {"2x2", pack(make{2, 2, 4, 6}, 2)},
    {"2x2, odd sizes", pack(make{1, 2, 5, 3}, 2)},
    {"3x2", pack(make{1, 1, 6, 4}, {3, 2})},
    {"3x3, stride 2, padding 1", pack(make{1, 2, 5, 7}, 3, {stride = 2, padding = 1})},
    {"3x3, stride 1", pack(make{1, 1, 4, 5}, 3, {stride = 1})},
    {"same, stride 2", pack(make{1, 1, 5, 4}, 3, {stride = 2, padding = "same"})},
    {"same, stride 2, even kernel", pack(make{1, 1, 3, 4}, 2, {stride = 2, padding = "same"})},
    {"padding of four sides", pack(make{1, 1, 3, 3}, 2, {padding = {0, 1, 1, 0}})},
    {"stride above the kernel", pack(make{1, 1, 7, 6}, 2, {stride = 3})},
    {"the whole image", pack(make{2, 3, 3, 2}, {3, 2})},
    {"1x1", pack(make{1, 1, 3, 3}, 1)},
    {"a window of padding alone", pack(make{1, 1, 2, 2}, 1, {stride = 2, padding = 2})},
    {"no images", pack(make{0, 2, 4, 4}, 2)},
    {"many planes", function() return pack(make{8, 25, 10, 11}, 3, {stride = 2, padding = 1}) end, large = true},
    {"many planes, 2x2", function() return pack(make{8, 25, 10, 11}, 2) end, large = true},
    wrong = {
      {"three axes", pack(random{2, 4, 4}, 2), "input", "(2,4,4)"},
      {"a window larger than the image", pack(random{1, 1, 3, 4}, 4), "input", "window of 4", "into 3"},
      {"a window of no pixels", pack(random{1, 1, 3, 4}, 0), "kernel", "at least 1", "got 0"},
      {"no window", pack(random{1, 1, 3, 4}), "kernel", "rows, columns", "nil"},
      {"stride 0", pack(random{1, 1, 3, 4}, 2, {stride = 0}), "stride", "at least 1"},
    },
  }
  for _, case in ipairs(list) do
    for flag, value in pairs(flags or {}) do case[flag] = value end
  end
  return list
end

local nan = 0 / 0
cases.max_pool2d = pools(values.distinct, {distinct = true})
table.insert(cases.max_pool2d, {"dilation", pack(values.distinct{1, 1, 5, 6}, 2, {stride = 1, dilation = {2, 3}}),
  distinct = true})
table.insert(cases.max_pool2d, {"NaN wins, 2x2", pack(array.from({1, 1, 2, 4}, {nan, 1, 2, 3, 4, 5, 6, nan}), 2),
  gradient = false})
table.insert(cases.max_pool2d, {"NaN wins", pack(array.from({1, 1, 1, 4}, {nan, 1, 2, nan}), {1, 2}, {stride = 1}),
  gradient = false})
for _, case in ipairs(cases.max_pool2d) do -- -inf has no loss
  if case[1] == "a window of padding alone" then case.gradient = false end
end
cases.avg_pool2d = pools(random)
table.insert(cases.avg_pool2d,
  {"padding that counts", pack(random{1, 1, 3, 4}, 3, {padding = 1, count_padding = true})})
table.insert(cases.avg_pool2d, {"the mean of many pixels", function()
  return pack(array.new({1, 1, 300, 300}, function() return 0.1 end), 300)
end, large = true})

cases.adaptive_avg_pool2d = {
  {"parts that divide", pack(random{2, 2, 4, 6}, {2, 3})},
  {"parts that share pixels", pack(random{1, 2, 5, 7}, {3, 4})},
  {"more parts than pixels", pack(random{1, 1, 2, 3}, {3, 5})},
  {"the mean", pack(random{2, 3, 3, 5}, 1)},
  {"every pixel", pack(random{1, 1, 3, 2}, {3, 2})},
  {"no images", pack(random{0, 2, 3, 3}, 2)},
  {"many planes", function() return pack(random{8, 25, 10, 11}, {3, 4}) end, large = true},
  {"the mean of many pixels", function()
    return pack(array.new({1, 1, 300, 300}, function() return 0.1 end), 1)
  end, large = true},
  wrong = {
    {"two axes", pack(random{4, 4}, 2), "input", "(4,4)"},
    {"no parts", pack(random{1, 1, 4, 4}, 0), "size", "at least 1", "got 0"},
    {"no pixels", pack(random{1, 1, 0, 4}, 2), "input", "at least one pixel"},
    {"too many parts", pack(random{1, 1, 4, 4}, math.maxinteger), "size", "too large"},
  },
}

cases.upsample2d = {
  {"twice", pack(random{2, 3, 2, 3}, 2)},
  {"rows and columns", pack(random{1, 2, 3, 2}, {3, 1})},
  {"once", pack(random{2, 1, 2, 2}, 1)},
  {"no pixels", pack(random{2, 1, 0, 3}, {2, 4})},
  {"no images", pack(random{0, 2, 3, 3}, 2)},
  {"many planes", function() return pack(random{8, 25, 10, 11}, {3, 2}) end, large = true},
  wrong = {
    {"two axes", pack(random{4, 4}, 2), "input", "(4,4)"},
    {"nothing", pack(random{1, 1, 4, 4}, 0), "scale", "at least 1", "got 0"},
    {"too large", pack(random{1, 1, 4, 4}, math.maxinteger), "scale", "too large"},
  },
}

-- ---- normalization ----

-- x * scale + shift rounds by the size of its terms, and the scale may be large: 1 / sqrt(epsilon) is 32.
local NORM = 256

local function positive(shape) return random(shape, 0.5, 2) end

cases.batch_norm_train = {
  {"images", pack(random{3, 2, 2, 3}, random{2}, random{2})},
  {"rows", pack(random{5, 3}, random{3}, random{3})},
  {"without weight and bias", pack(random{3, 2, 4})},
  {"without bias", pack(random{3, 2, 2}, random{2})},
  {"without weight", pack(random{3, 2, 2}, nil, random{2})},
  {"an epsilon", pack(random{3, 2, 2}, random{2}, random{2}, {epsilon = 0.5})},
  {"one image", pack(random{1, 2, 3, 3}, random{2}, random{2})},
  {"one element a channel", pack(random{1, 3}, random{3}, random{3})},
  {"far from zero", pack(random({4, 2, 3}, 100, 102), random{2}, random{2}), ulps = 1024}, -- 100 eps in, 1 out
  {"many channels", function() return pack(random{2, 40, 20, 20}, random{40}, random{40}) end, large = true},
  wrong = {
    {"one axis", pack(random{3}), "input", "(3)"},
    {"a weight of another size", pack(random{3, 2}, random{3}), "weight", "(2)", "(3)"},
    {"a bias of another size", pack(random{3, 2}, random{2}, random{2, 1}), "bias", "(2)", "(2,1)"},
    {"an epsilon that is no number", pack(random{3, 2}, {epsilon = "1"}), "epsilon", "a number", "string '1'"},
    {"a negative epsilon", pack(random{3, 2}, {epsilon = -0.5}), "epsilon", "0 or more", "-0.5"},
  },
}

cases.batch_norm_apply = {
  {"images", pack(random{2, 2, 2, 3}, random{2}, positive{2}, random{2}, random{2})},
  {"rows", pack(random{4, 3}, random{3}, positive{3}, random{3}, random{3})},
  {"without weight and bias", pack(random{2, 2, 3}, random{2}, positive{2})},
  {"an epsilon", pack(random{2, 2}, random{2}, positive{2}, nil, random{2}, {epsilon = 0.5})},
  {"no images", pack(random{0, 2, 3}, random{2}, positive{2}, random{2}, random{2})},
  {"many channels", function()
    return pack(random{2, 40, 20, 20}, random{40}, positive{40}, random{40}, random{40})
  end, large = true},
  wrong = {
    {"a mean of another size", pack(random{3, 2}, random{3}, positive{2}), "mean", "(2)", "(3)"},
    {"a variance of another size", pack(random{3, 2}, random{2}, positive{1}), "variance", "(2)", "(1)"},
    {"no statistics", pack(random{3, 2}), "mean", "expected a tensor", "nil"},
    {"a negative epsilon", pack(random{3, 2}, random{2}, positive{2}, {epsilon = -0.5}), "epsilon", "0 or more",
      "-0.5"},
  },
}

-- 40 or -40, so that no sum with it is near relu's edge
local function far(shape) return array.new(shape, function() return integers({}, 0, 1)[1] * 80 - 40 end) end

cases.batch_norm_relu_train = {
  {"images", pack(random{3, 2, 2, 3}, random{2}, random{2}, random{3, 2, 2, 3})},
  {"without an addend", pack(random{3, 2, 2, 3}, random{2}, random{2})},
  {"rows, without weight and bias", pack(random{5, 3}, nil, nil, random{5, 3})},
  {"an epsilon", pack(random{3, 2, 2}, random{2}, random{2}, nil, {epsilon = 0.5})},
  {"many channels", function()
    return pack(random{2, 40, 20, 20}, random{40}, random{40}, far{2, 40, 20, 20})
  end, large = true},
  wrong = {
    {"an addend of another shape", pack(random{3, 2}, nil, nil, random{2, 3}), "addend", "(3,2)", "(2,3)"},
    table.unpack(cases.batch_norm_train.wrong),
  },
}

cases.batch_norm_max_pool_train = {
  {"images", pack(distinct{3, 2, 5, 4}, random{2}, random{2})},
  {"relu", pack(distinct{3, 2, 4, 3}, random{2}, random{2}, {relu = true})},
  {"without weight and bias", pack(distinct{2, 2, 2, 2})},
  {"an epsilon", pack(distinct{3, 1, 2, 3}, random{1}, random{1}, {epsilon = 0.5})},
  {"no images", pack(random{0, 2, 3, 3}, random{2}, random{2})},
  {"many channels", function() return pack(distinct{2, 40, 20, 20}, random{40}, random{40}) end, large = true},
  wrong = {
    {"three axes", pack(random{3, 2, 2}), "input", "(3,2,2)"},
    {"one row", pack(random{3, 2, 1, 2}), "input", "pool of 2 x 2", "1 x 2"},
    {"a weight of another size", pack(random{3, 2, 2, 2}, random{3}), "weight", "(2)", "(3)"},
    {"a bias of another size", pack(random{3, 2, 2, 2}, random{2}, random{2, 1}), "bias", "(2)", "(2,1)"},
    {"a negative epsilon", pack(random{3, 2, 2, 2}, {epsilon = -0.5}), "epsilon", "0 or more", "-0.5"},
    {"a relu that is neither true nor false", pack(random{3, 2, 2, 2}, {relu = 1}), "relu", "got number"},
  },
}
for _, case in ipairs(cases.batch_norm_max_pool_train) do case.distinct = true end

cases.batch_norm_relu_apply = {
  {"images", pack(random{2, 2, 2, 3}, random{2}, positive{2}, random{2}, random{2}, random{2, 2, 2, 3})},
  {"without an addend", pack(random{2, 2, 2, 3}, random{2}, positive{2}, random{2}, random{2})},
  {"no images", pack(random{0, 2, 3}, random{2}, positive{2}, random{2}, random{2}, random{0, 2, 3})},
  {"many channels", function()
    return pack(random{2, 40, 20, 20}, random{40}, positive{40}, random{40}, random{40}, far{2, 40, 20, 20})
  end, large = true},
  wrong = {
    {"an addend of another shape", pack(random{3, 2}, random{2}, positive{2}, nil, nil, random{2, 3}), "addend",
      "(3,2)", "(2,3)"},
    table.unpack(cases.batch_norm_apply.wrong),
  },
}

cases.layer_norm = {
  {"the last axis", pack(random{3, 5}, random{5}, random{5})},
  {"two axes", pack(random{2, 3, 4}, random{3, 4}, random{3, 4}, {axes = 2})},
  {"all axes", pack(random{2, 3}, random{2, 3}, nil, {axes = 2})},
  {"without weight and bias", pack(random{2, 7})},
  {"without weight", pack(random{2, 4}, nil, random{4})},
  {"an epsilon", pack(random{2, 4}, random{4}, random{4}, {epsilon = 0.5})},
  {"one row", pack(random{1, 37}, random{37}, random{37})},
  {"no rows", pack(random{0, 3}, random{3}, random{3})},
  {"no values", pack(random{3, 0}, random{0}, random{0})},
  {"many rows", function() return pack(random{900, 21}, random{21}, random{21}) end, large = true},
  wrong = {
    {"a weight of another size", pack(random{3, 5}, random{4}), "weight", "(5)", "(4)"},
    {"a bias of another shape", pack(random{2, 3, 4}, nil, random{12}, {axes = 2}), "bias", "(3,4)", "(12)"},
    {"more axes than there are", pack(random{3}, nil, nil, {axes = 2}), "axes", "at most 1", "got 2"},
    {"no axes", pack(random{3}, nil, nil, {axes = 0}), "axes", "at least 1", "got 0"},
    {"a negative epsilon", pack(random{3, 5}, {epsilon = -0.5}), "epsilon", "0 or more", "-0.5"},
    {"an epsilon of NaN", pack(random{3, 5}, {epsilon = 0 / 0}), "epsilon", "0 or more", "nan"},
  },
}

cases.group_norm = {
  {"two groups", pack(random{2, 4, 2, 2}, 2, random{4}, random{4})},
  {"one group", pack(random{2, 3, 3}, 1, random{3}, random{3})},
  {"a group a channel", pack(random{2, 3, 2, 3}, 3, random{3}, random{3})},
  {"without weight and bias", pack(random{2, 4, 3}, 2)},
  {"without bias", pack(random{2, 4, 3}, 2, random{4})},
  {"rows", pack(random{3, 6}, 2, random{6}, random{6}, {epsilon = 0.5})},
  {"rows, without weight", pack(random{3, 6}, 2, nil, random{6})},
  {"no images", pack(random{0, 4, 2}, 2, random{4}, random{4})},
  {"no pixels", pack(random{2, 4, 0}, 2, random{4}, random{4})},
  {"many images", function() return pack(random{30, 4, 12, 13}, 2, random{4}, random{4}) end, large = true},
  wrong = {
    {"groups that do not divide", pack(random{2, 4, 3}, 3), "groups", "4 channels", "got 3"},
    {"one axis", pack(random{4}, 2), "input", "(4)"},
    {"a weight of another size", pack(random{2, 4, 3}, 2, random{2}), "weight", "(4)", "(2)"},
    {"no groups", pack(random{2, 4, 3}), "groups", "integer", "nil"},
    {"a negative epsilon", pack(random{2, 4, 3}, 2, {epsilon = -0.5}), "epsilon", "0 or more", "-0.5"},
  },
}

for _, name in ipairs {
  "batch_norm_train", "batch_norm_relu_train", "batch_norm_max_pool_train", "layer_norm", "group_norm",
} do
  for _, case in ipairs(cases[name]) do
    case.ulps = case.ulps or NORM
    case.gradient_ulps = case.ulps
  end
end

cases.dropout = {
  {"half", pack(random{5, 7})},
  {"a rate", pack(random{3, 4, 5}, {rate = 0.2})},
  {"rate 0", pack(random{3, 4}, {rate = 0})},
  {"whole channels", pack(random{3, 4, 2, 3}, {rate = 0.4, channels = true})},
  {"channels of one element", pack(random{6, 7}, {rate = 0.4, channels = true})},
  {"no elements", pack(random{0, 3})},
  {"channels of no elements", pack(random{2, 3, 0}, {channels = true})},
  {"several pieces of work", function() return pack(random{40003}, {rate = 0.3}) end, large = true},
  {"many channels", function() return pack(random{30, 60, 5, 5}, {rate = 0.3, channels = true}) end, large = true},
  wrong = {
    {"rate 1", pack(random{3}, {rate = 1}), "rate", "0 <= rate < 1", "got 1"},
    {"a negative rate", pack(random{3}, {rate = -0.5}), "rate", "got -0.5"},
    {"NaN as a rate", pack(random{3}, {rate = nan}), "rate", "nan"},
    {"channels of a vector", pack(random{3}, {channels = true}), "input", "(3)"},
  },
}

-- ---- cross-entropy ----

local function classes(n, count) return integers({n}, 1, count) end

-- Rows of probabilities.
local function probabilities(n, count)
  local a = array.new({n, count}, 0)
  for i = 0, n - 1 do
    local left = 64
    for c = 1, count do
      local part = c == count and left or integers({}, 0, left)[1]
      a[i * count + c] = part / 64
      left = left - part
    end
  end
  return constant(a)
end

cases.cross_entropy_classes = {
  {"the mean", pack(random{4, 3}, classes(4, 3))},
  {"the sum", pack(random{4, 3}, classes(4, 3), {reduction = "sum"})},
  {"each", pack(random{4, 3}, classes(4, 3), {reduction = "none"})},
  {"weights", pack(random{4, 3}, classes(4, 3), constant(positive{3}))},
  {"weights, each", pack(random{4, 3}, classes(4, 3), constant(positive{3}), {reduction = "none"})},
  {"label smoothing", pack(random{4, 3}, classes(4, 3), {label_smoothing = 0.1})},
  {"label smoothing and weights", pack(random{4, 3}, classes(4, 3), constant(positive{3}), {label_smoothing = 0.3})},
  {"one example", pack(random{1, 10}, classes(1, 10))},
  {"one class", pack(random{3, 1}, classes(3, 1))},
  {"bytes as classes", pack(random{4, 3}, integers({4}, 1, 3, "uint8"))},
  {"no examples", pack(random{0, 3}, classes(0, 3), {reduction = "sum"})},
  {"large logits", pack(random({3, 4}, 50, 60), classes(3, 4))},
  {"very large logits", pack(random({3, 4}, 30000, 30002), classes(3, 4))},
  wrong = {
    {"a class out of range", pack(random{2, 3}, array.from({2}, {1, 4}, "int64")), "target", "number 2", "1..3",
      "got 4"},
    {"class 0", pack(random{2, 3}, array.from({2}, {0, 1}, "int64")), "target", "number 1", "1..3", "got 0"},
    {"too few classes", pack(random{3, 4}, classes(2, 4)), "target", "(3)", "(2)"},
    {"a vector of logits", pack(random{3}, classes(3, 3)), "input", "(examples,classes)", "(3)"},
    {"weights of another size", pack(random{3, 4}, classes(3, 4), random{3}), "weight", "(4)", "(3)"},
    {"label smoothing above 1", pack(random{3, 4}, classes(3, 4), {label_smoothing = 1.5}), "label_smoothing", "1.5"},
    {"an unknown reduction", pack(random{3, 4}, classes(3, 4), {reduction = "max"}), "reduction", "mean, sum, none",
      "'max'"},
    {"floats as classes", pack(random{3, 4}, random{3}), "target", "integers", "float32"},
  },
}

cases.cross_entropy_soft = {
  {"the mean", pack(random{4, 3}, probabilities(4, 3))},
  {"the sum", pack(random{4, 3}, probabilities(4, 3), {reduction = "sum"})},
  {"each", pack(random{4, 3}, probabilities(4, 3), {reduction = "none"})},
  {"weights", pack(random{4, 3}, probabilities(4, 3), constant(positive{3}))},
  {"label smoothing and weights", pack(random{4, 3}, probabilities(4, 3), constant(positive{3}),
    {label_smoothing = 0.2})},
  {"one example", pack(random{1, 5}, probabilities(1, 5))},
  {"rows that do not add up to 1", pack(random{2, 3}, constant(positive{2, 3}))},
  {"rows that are trained", pack(random{4, 3}, positive{4, 3})},
  {"rows that are trained, each, with weights", pack(random{4, 3}, positive{4, 3}, constant(positive{3}),
    {label_smoothing = 0.2, reduction = "none"})},
  {"rows that are trained for certain logits", pack(random({3, 4}, -150, 150), positive{3, 4})},
  wrong = {
    {"a target of another shape", pack(random{2, 3}, probabilities(2, 4)), "target", "(2,3)", "(2,4)"},
    {"class numbers", pack(random{2, 3}, classes(2, 3)), "target", "(2,3)", "(2)"},
    {"no target", pack(random{2, 3}), "target", "expected a tensor"},
  },
}

return cases
