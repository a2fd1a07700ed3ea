--- Tensors as values: how they are made, indexed, assigned, compared, joined and taken apart.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local check = require "spec.support.check"

local nan, inf = 0 / 0, math.huge

-- 1 .. n in a shape.
local function count_up(...)
  local shape = {...}
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return fnn.arange(1, n + 1, {dtype = "float32"}):reshape(shape)
end

local function refuses(f, ...)
  local texts = {...}
  check.refused(f, texts)
end

describe("creation:", function()
  it("tensor takes numbers, booleans and nested tables", function()
    local t = fnn.tensor({{1, 2, 3}, {4, 5, 6}})
    assert.same({2, 3}, t.shape)
    assert.equal("float32", t.dtype)
    assert.same({{1, 2, 3}, {4, 5, 6}}, t:totable())
    assert.equal(2.5, fnn.tensor(2.5):item())
    assert.same({}, fnn.tensor(2.5).shape)
    assert.same({1, 0}, fnn.tensor({true, false}, {dtype = "uint8"}):totable())
    assert.same({0}, fnn.tensor({}).shape)
    assert.same({2, 0}, fnn.tensor({{}, {}}).shape)
    assert.is_true(fnn.tensor({1}, {requires_grad = true}).requires_grad)
  end)

  it("tensor refuses rows that differ", function()
    refuses(function() return fnn.tensor({{1, 2}, {3}}) end, "tensor: axis 2", "expected 2 elements", "got 1")
    refuses(function() return fnn.tensor({{1}, 2}) end, "tensor: axis 2", "expected a table of 1", "number 2")
    refuses(function() return fnn.tensor({1, {2}}) end, "tensor: element 2", "expected a number", "table")
    refuses(function() return fnn.tensor({1, "2"}) end, "tensor: element 2", "expected a number", "string '2'")
    refuses(function() return fnn.tensor("x") end, "tensor: expected a number or a table", "string 'x'")
    local cycle = {}
    cycle[1] = cycle
    refuses(function() return fnn.tensor(cycle) end, "tensor", "at most 8 deep")
  end)

  it("integers are exact and in range", function()
    local large = math.maxinteger
    assert.same({large, -large - 1}, fnn.tensor({large, -large - 1}, {dtype = "int64"}):totable())
    assert.equal("integer", math.type(fnn.tensor({3.0}, {dtype = "int64"})[1]))
    refuses(function() return fnn.tensor({1.5}, {dtype = "int64"}) end, "tensor: element 1: int64", "number 1.5")
    refuses(function() return fnn.tensor({{0, 1}, {256, 2}}, {dtype = "uint8"}) end, "tensor: element 3: uint8", "256")
    refuses(function() return fnn.tensor({-1}, {dtype = "uint8"}) end, "uint8: expected 0..255", "-1")
  end)

  it("zeros, ones, full, eye and those like another tensor", function()
    assert.same({{0, 0}}, fnn.zeros(1, 2):totable())
    assert.same({{0, 0}}, fnn.zeros({1, 2}):totable())
    assert.same({1, 1}, fnn.ones(2, {dtype = "int64"}):totable())
    assert.equal("int64", fnn.ones({2}, {dtype = "int64"}).dtype)
    assert.same({0.5, 0.5}, fnn.full({2}, 0.5):totable())
    assert.equal(7, fnn.full({}, 7):item())
    assert.same({{1, 0, 0}, {0, 1, 0}}, fnn.eye(2, 3):totable())
    assert.same({{1, 0}, {0, 1}}, fnn.eye(2, {dtype = "uint8"}):totable())
    local like = fnn.zeros_like(fnn.ones(2, 3, {dtype = "uint8"}))
    assert.same({2, 3}, like.shape)
    assert.equal("uint8", like.dtype)
    assert.equal("float32", fnn.ones_like(like, {dtype = "float32"}).dtype)
    assert.same({2, 0}, fnn.zeros(2, 0).shape)
  end)

  it("arange counts as NumPy does", function()
    assert.same({0, 1, 2}, fnn.arange(3):totable())
    assert.equal("int64", fnn.arange(3).dtype)
    assert.same({2, 4}, fnn.arange(2, 6, 2):totable())
    assert.same({2, 4, 6}, fnn.arange(2, 7, 2):totable())
    assert.same({5, 3, 1}, fnn.arange(5, 0, -2):totable())
    assert.same({}, fnn.arange(3, 3):totable())
    assert.same({}, fnn.arange(3, 5, -1):totable())
    assert.same({0, 0.5, 1}, fnn.arange(0, 1.5, 0.5):totable())
    assert.equal("float32", fnn.arange(0, 1.5, 0.5).dtype)
    assert.same({0, 1}, fnn.arange(2, {dtype = "uint8"}):totable())
  end)

  it("arange is exact for large integers", function()
    local first = (1 << 53) + 1
    assert.same({first, first + 1}, fnn.arange(first, first + 2):totable())
    assert.same({math.maxinteger - 1}, fnn.arange(math.maxinteger - 1, math.maxinteger):totable())
    assert.equal(3, #fnn.arange(0, (1 << 62) + 1, 1 << 61))
    local whole_range = fnn.arange(math.mininteger, math.maxinteger, 1 << 62)
    assert.same({math.mininteger, -(1 << 62), 0, 1 << 62}, whole_range:totable())
    assert.same({math.maxinteger, 0}, fnn.arange(math.maxinteger, -1, -math.maxinteger):totable())
    refuses(function() return core.sequence(math.maxinteger, 1, 2, "int64") end, "arange", "int64")
  end)

  it("arange refuses what has no end", function()
    refuses(function() return fnn.arange(nan) end, "arange", "finite")
    refuses(function() return fnn.arange(inf) end, "arange", "finite")
    refuses(function() return fnn.arange(0, 5, 0) end, "arange: step", "other than 0")
    refuses(function() return fnn.arange(0, 5, nan) end, "arange: step")
    refuses(function() return fnn.arange("x") end, "arange", "expected a number", "string")
    refuses(function() return fnn.arange() end, "arange", "expected a number", "nil")
    refuses(function() return fnn.arange(0, 300, {dtype = "uint8"}) end, "arange: uint8 does not hold", "299")
  end)

  it("linspace includes both ends", function()
    assert.same({0, 0.25, 0.5, 0.75, 1}, fnn.linspace(0, 1, 5):totable())
    assert.same({3}, fnn.linspace(3, 9, 1):totable())
    local t = fnn.linspace(0, 0.7, 8)
    assert.equal(fnn.tensor({0.7})[1], t[8])
    refuses(function() return fnn.linspace(0, 1, 0) end, "linspace: count")
    refuses(function() return fnn.linspace(nil, 1, 3) end, "linspace: first", "nil")
  end)

  it("random numbers have the shape asked for", function()
    assert.same({2, 3}, fnn.rand(2, 3).shape)
    assert.same({4}, fnn.randn({4}, {requires_grad = true}).shape)
    assert.same({2, 2}, fnn.uniform({2, 2}, -1, 1).shape)
    assert.same({5}, fnn.normal({5}).shape)
    refuses(function() return fnn.rand(2, {dtype = "int64"}) end, "rand: dtype", "float32", "int64")
    refuses(function() return fnn.randint(3, 2, {4}) end, "randint", "low <= high")
  end)

  it("options are checked", function()
    refuses(function() return fnn.zeros(2, {type = "int64"}) end, "zeros: unknown option: type")
    refuses(function() return fnn.tensor({1}, {device = "cpu"}) end, "tensor: unknown option: device")
    refuses(function() return fnn.full({2}, 1, "int64") end, "full: options", "string")
    refuses(function() return fnn.uniform({2}, 0, 1, {seed = 1}) end, "uniform: unknown option: seed")
    refuses(function() return fnn.ones(2, {dtype = "float64"}) end, "dtype", "float32, uint8, int64", "float64")
    refuses(function() return fnn.ones(2, {dtype = "int64", requires_grad = true}) end, "requires_grad", "int64")
  end)

  it("frombytes and tobytes are inverse", function()
    local bytes = string.pack("<ffff", 1.5, -2, nan, inf)
    local t = fnn.frombytes(bytes, {2, 2})
    assert.equal(1.5, t[1][1])
    assert.equal(bytes, t:tobytes())
    assert.equal(string.pack("<i8i8", 7, -7), fnn.tensor({7, -7}, {dtype = "int64"}):tobytes())
    assert.equal("\0\255", fnn.frombytes("\0\255", {2}, "uint8"):tobytes())
    assert.equal("", fnn.zeros(0, 3):tobytes())
    local transposed = fnn.frombytes("abcdef", {2, 3}, "uint8"):t()
    assert.equal("adbecf", transposed:tobytes())
    refuses(function() return fnn.frombytes("abc", {1}) end, "frombytes", "(1)", "float32", "got 3")
    refuses(function() return fnn.frombytes("", {1 << 40, 1 << 40, 2}) end, "frombytes",
      "(1099511627776,1099511627776,2)")
    refuses(function() return fnn.frombytes(5, {1}) end, "frombytes", "number 5")
  end)
end)

describe("views:", function()
  it("share memory with their tensor", function()
    local t = count_up(2, 3)
    for name, view in pairs {
      reshape = t:reshape(3, 2), flatten = t:flatten(), permute = t:permute(2, 1), transpose = t:transpose(1, 2),
      narrow = t:narrow(2, 2, 1), select = t:select(1, 1), unsqueeze = t:unsqueeze(1), detach = t:detach(), row = t[2],
      squeeze = t:squeeze(), expand = t:unsqueeze(1):expand(4, 2, 3), part = t[{{}, {1, 2}}], t = t:t(),
      split = t:split(1)[1],
    } do
      assert.is_true(view:shares_storage(t), name)
    end
    local rows = t[fnn.tensor({1}, {dtype = "int64"})]
    for name, copy in pairs {clone = t:clone(), to = t:to("float32"), add = t + 0, index = rows} do
      assert.is_false(copy:shares_storage(t), name)
    end
  end)

  it("show what is written through another", function()
    local t = count_up(2, 3)
    local column = t:select(2, 3)
    column:fill_(0)
    assert.same({{1, 2, 0}, {4, 5, 0}}, t:totable())
    t[1] = 7
    assert.same({7, 0}, column:totable())
    t:t()[2]:copy_(fnn.tensor({8, 9}))
    assert.same({{7, 8, 7}, {4, 9, 0}}, t:totable())
  end)

  it("live longer than their tensor", function()
    local t = count_up(2, 2)
    local row = t[2]
    t:close()
    assert.same({3, 4}, row:totable())
  end)

  it("reshape copies where the elements do not lie densely", function()
    local t = count_up(2, 3):t()
    local flat = t:flatten()
    assert.is_false(flat:shares_storage(t))
    assert.same({1, 4, 2, 5, 3, 6}, flat:totable())
  end)

  it("contiguous copies only then", function()
    local t = count_up(2, 3)
    assert.is_true(t:is_contiguous())
    assert.equal(t, t:contiguous())
    assert.is_false(t:t():is_contiguous())
    assert.is_true(t:t():contiguous():is_contiguous())
    assert.same(t:t():totable(), t:t():contiguous():totable())
  end)

  it("sizes can be arguments or a list", function()
    local t = count_up(6)
    assert.same({6, 1}, t:reshape(6, 1).shape)
    assert.same({6}, t:reshape(6).shape)
    assert.same({2, 3}, t:reshape({2, 3}).shape)
    assert.same({2, 3}, t:reshape {shape = {2, 3}}.shape)
    assert.same({4}, fnn.ones(1):expand(4).shape)
    assert.same({3, 2}, t:reshape(2, 3):permute(2, 1).shape)
    assert.same({6}, t:reshape(1, 6, 1):squeeze(1, 3).shape)
  end)
end)

describe("indexing:", function()
  local t = count_up(2, 3)

  it("by an integer gives a row or an element", function()
    assert.same({4, 5, 6}, t[2]:totable())
    assert.same({4, 5, 6}, t[-1]:totable())
    assert.equal(6, t[2][3])
    assert.equal(5, t[-1][-2])
    assert.equal(5, t[2.0][2.0])
    for _, i in ipairs {0, 3, -3, math.maxinteger, math.mininteger} do
      refuses(function() return t[i] end, "index", "expected 1..2 or -2..-1", "got " .. i)
    end
    refuses(function() return t[1.5] end, "index", "number 1.5")
    refuses(function() return t[nan] end, "index", "nan")
    refuses(function() return fnn.tensor(1)[1] end, "index", "item()")
  end)

  it("gives integers of integer tensors", function()
    assert.equal("integer", math.type(fnn.arange(3)[1]))
    assert.equal("integer", math.type(fnn.ones(2, {dtype = "uint8"})[1]))
    assert.equal("float", math.type(fnn.ones(2)[1]))
  end)

  it("by a list takes integers, ranges and {}", function()
    assert.equal(6, t[{2, 3}])
    assert.same({2, 5}, t[{{}, 2}]:totable())
    assert.same({{2, 3}, {5, 6}}, t[{{}, {2, 3}}]:totable())
    assert.same({{5, 6}}, t[{{2, 2}, {-2, -1}}]:totable())
    assert.same({4, 5, 6}, t[{2}]:totable())
    assert.same({0, 3}, t[{{1, 0}}].shape)
    assert.same(t:totable(), t[{}]:totable())
    refuses(function() return t[{1, 2, 3}] end, "index", "3 entries", "2 axes")
    refuses(function() return t[{{1, 3}}] end, "index", "axis 1 has 2 elements", "{1, 3}")
    refuses(function() return t[{{0, 1}}] end, "index", "axis 1 has 2 elements", "{0, 1}")
    refuses(function() return t[{"x"}] end, "index: axis 1", "expected an integer")
    refuses(function() return t[{3}] end, "1..2", "got 3")
    refuses(function() return t[{1, {1, 2, 3}}] end, "index: axis 1", "{first, last}")
    refuses(function() return t[true] end, "index", "boolean")
  end)

  it("by a mask gives the elements where it is not 0", function()
    assert.same({4, 5, 6}, t[t:gt(3)]:totable())
    assert.same({}, t[t:gt(9)]:totable())
    assert.same({4, 5}, t:t()[(t:t():gt(3)) & (t:t():lt(6))]:totable())
    refuses(function() return t[fnn.ones(3, {dtype = "uint8"})] end, "masked_select: mask", "(2,3)", "(3)")
  end)

  it("by positions gives rows, as often as they are named", function()
    local at = fnn.tensor({2, 1, 2}, {dtype = "int64"})
    assert.same({{4, 5, 6}, {1, 2, 3}, {4, 5, 6}}, t[at]:totable())
    refuses(function() return t[fnn.tensor({3}, {dtype = "int64"})] end, "index_select: index", "1..2", "got 3")
    refuses(function() return t[fnn.tensor({1})] end, "index_select: index", "integers", "float32")
  end)

  it("by a string finds methods and fields, and nothing else", function()
    assert.equal("float32", t.dtype)
    refuses(function() return t.size_of end, "no field or method 'size_of'")
    refuses(function() t.shape = {6} end, "cannot set 'shape'")
    refuses(function() t.foo = 1 end, "cannot set 'foo'")
  end)

  it("size, dim, numel and # tell the shape", function()
    assert.same({2, 3}, t:size())
    assert.equal(3, t:size(2))
    assert.equal(2, t:size(-2))
    assert.equal(2, t:dim())
    assert.equal(6, t:numel())
    assert.equal(2, #t)
    assert.equal(0, #fnn.zeros(0, 5))
    refuses(function() return t:size(3) end, "size: dim", "1..2", "3")
    refuses(function() return t:size(1.5) end, "size: dim", "1.5")
    refuses(function() return #fnn.tensor(1) end, "#", "no length")
  end)

  it("item gives the one element", function()
    assert.equal(3, fnn.full({1, 1}, 3):item())
    refuses(function() return t:item() end, "item", "one element", "(2,3)")
    refuses(function() return fnn.zeros(0):item() end, "item", "(0)")
  end)
end)

describe("assignment:", function()
  local t
  before_each(function() t = count_up(2, 3) end)

  it("by an integer", function()
    t[1] = 0
    assert.same({{0, 0, 0}, {4, 5, 6}}, t:totable())
    t[-1] = fnn.tensor({7, 8, 9})
    assert.same({7, 8, 9}, t[2]:totable())
    t[1] = {1, 2, 3}
    assert.same({1, 2, 3}, t[1]:totable())
    t[1][2] = 5
    assert.equal(5, t[1][2])
    local row = count_up(3)
    row[-1], row[1] = 0.5, true
    assert.same({1, 2, 0.5}, row:totable())
    refuses(function() t[3] = 1 end, "1..2", "got 3")
    refuses(function() row[4] = 1 end, "index", "1..3", "got 4")
    refuses(function() row[0] = 1 end, "index", "got 0")
  end)

  it("by a list", function()
    t[{2, 3}] = 0
    assert.equal(0, t[2][3])
    t[{{}, 1}] = {8, 9}
    assert.same({8, 9}, t:select(2, 1):totable())
    t[{{}, {2, 3}}] = fnn.tensor({{-1}, {-2}})
    assert.same({{8, -1, -1}, {9, -2, -2}}, t:totable())
    t[{}] = 1
    assert.same({{1, 1, 1}, {1, 1, 1}}, t:totable())
    refuses(function() t[{{}, {2, 3}}] = fnn.ones(3) end, "copy_", "(3)", "(2,2)")
    refuses(function() t[{1}] = "x" end, "assign", "string")
    refuses(function() t[{1}] = nil end, "assign", "nil")
    refuses(function() t[{1, 2, 3}] = 1 end, "3 entries")
  end)

  it("by a mask", function()
    t[t:gt(4)] = 0
    assert.same({{1, 2, 3}, {4, 0, 0}}, t:totable())
    t[t:eq(0)] = t * 0 - 1
    assert.same({{1, 2, 3}, {4, -1, -1}}, t:totable())
    local bytes = fnn.tensor({1, 2}, {dtype = "uint8"})
    bytes[bytes:eq(2)] = 200
    assert.same({1, 200}, bytes:totable())
    refuses(function() t[fnn.tensor({1}, {dtype = "int64"})] = 0 end, "assign", "int64")
    refuses(function() t[fnn.ones(4, {dtype = "uint8"})] = 0 end, "where", "(4)", "(2,3)")
  end)

  it("by a mask leaves the other elements as they are, and takes what the type can hold", function()
    local large = 16777217 -- no float32
    local ints = fnn.tensor({large, 2, -large}, {dtype = "int64"})
    local bytes = fnn.tensor({1, 2}, {dtype = "uint8"})
    ints[ints:eq(2)] = large + 2
    assert.same({large, large + 2, -large}, ints:totable())
    ints[ints:gt(large)] = {1, 5, 3}
    assert.same({large, 5, -large}, ints:totable())
    ints[ints:eq(5)] = fnn.tensor {2.5}
    assert.same({large, 2, -large}, ints:totable())
    refuses(function() ints[ints:eq(2)] = 0.5 end, "int64: expected an integer", "number 0.5")
    refuses(function() ints[ints:eq(2)] = {1, 0.5, 1} end, "int64", "0.5")
    refuses(function() bytes[bytes:eq(2)] = 300 end, "uint8", "0..255", "300")
    refuses(function() bytes[bytes:eq(2)] = "x" end, "assign", "string")
    bytes[bytes:eq(2)] = true
    assert.same({1, 1}, bytes:totable())
    assert.same({large, 2, -large}, ints:totable())
  end)

  it("keeps the type", function()
    local ints = fnn.arange(3)
    ints[1] = 7.0
    assert.same({7, 1, 2}, ints:totable())
    refuses(function() ints[1] = 0.5 end, "int64", "number 0.5")
    refuses(function() ints[1] = nan end, "int64", "nan")
    local bytes = fnn.ones(2, {dtype = "uint8"})
    refuses(function() bytes[1] = 256 end, "uint8", "0..255", "256")
    refuses(function() bytes[{{}}] = -1 end, "uint8", "0..255", "-1")
    bytes:copy_(fnn.tensor({1.9, -3}))
    assert.same({1, 0}, bytes:totable())
  end)

  it("fill_, zero_ and copy_ return the tensor", function()
    assert.equal(t, t:fill_(2))
    assert.same({{2, 2, 2}, {2, 2, 2}}, t:totable())
    assert.equal(t, t:zero_())
    assert.equal(0, t:sum():item())
    assert.equal(t, t:copy_(fnn.tensor({1, 2, 3})))
    assert.same({{1, 2, 3}, {1, 2, 3}}, t:totable())
    refuses(function() t:fill_("1") end, "fill_", "string '1'")
    refuses(function() t:fill_(nil) end, "fill_", "nil")
    refuses(function() t:copy_(1) end, "copy_", "expected a tensor")
    refuses(function() t:copy_(fnn.ones(2, 2, 3)) end, "copy_", "(2,2,3)", "(2,3)")
    refuses(function() fnn.ones(1):expand(3):fill_(0) end, "fill_", "share one place")
  end)

  it("copies parts of itself over each other", function()
    local row = count_up(5)
    row:narrow(1, 2, 4):copy_(row:narrow(1, 1, 4))
    assert.same({1, 1, 2, 3, 4}, row:totable())
    local square = count_up(2, 2)
    square:copy_(square:t())
    assert.same({{1, 3}, {2, 4}}, square:totable())
    square:add_(square:t())
    assert.same({{2, 5}, {5, 8}}, square:totable())
  end)
end)

describe("types:", function()
  local float, int, byte = fnn.ones(2), fnn.ones(2, {dtype = "int64"}), fnn.ones(2, {dtype = "uint8"})

  it("promote to the wider one", function()
    assert.equal("float32", (float + int).dtype)
    assert.equal("float32", (byte + float).dtype)
    assert.equal("int64", (byte + int).dtype)
    assert.equal("int64", (byte + byte).dtype)
    assert.equal("int64", (byte * 300).dtype)
    assert.equal("float32", (int * 0.5).dtype)
    assert.equal("float32", (int / int).dtype)
    assert.equal("float32", (int ^ 2).dtype)
    assert.equal("int64", (int // 2).dtype)
    assert.equal("uint8", int:eq(1).dtype)
    assert.equal("int64", int:sum().dtype)
    assert.equal("int64", byte:sum().dtype)
    assert.equal("float32", byte:mean().dtype)
    assert.equal("float32", int:exp().dtype)
    assert.equal("int64", fnn.cat({byte, int}).dtype)
  end)

  it("change by name", function()
    assert.equal("int64", float:long().dtype)
    assert.equal("uint8", float:byte().dtype)
    assert.equal("float32", int:float().dtype)
    assert.equal(float, float:float())
    assert.same({-1, 2, 0}, fnn.tensor({-1.9, 2.9, nan}):long():totable())
    assert.same({0, 2, 255}, fnn.tensor({-1.9, 2.9, 300}):byte():totable())
    assert.same({255, 44}, fnn.tensor({-1, 300}, {dtype = "int64"}):byte():totable())
  end)
end)

describe("operators:", function()
  local t = fnn.tensor({4, -6, 7})

  it("are those of Lua, with numbers on either side", function()
    assert.same({5, -5, 8}, (t + 1):totable())
    assert.same({-3, 7, -6}, (1 - t):totable())
    assert.same({8, -12, 14}, (2 * t):totable())
    assert.same({2, -3, 3.5}, (t / 2):totable())
    assert.same({16, 36, 49}, (t ^ 2):totable())
    assert.same({1, 0, 1}, (t % 3):totable())
    assert.same({2, -3, 3}, (t // 2):totable())
    assert.same({-4, 6, -7}, (-t):totable())
    assert.same({{5, -5, 8}, {6, -4, 9}}, (t + fnn.tensor({{1}, {2}})):totable())
  end)

  it("& | ~ work on truth", function()
    local a, b = fnn.tensor({1, 1, 0, 0}, {dtype = "uint8"}), fnn.tensor({1, 0, 1, 0}, {dtype = "uint8"})
    assert.same({1, 0, 0, 0}, (a & b):totable())
    assert.same({1, 1, 1, 0}, (a | b):totable())
    assert.same({0, 1, 1, 0}, (a ~ b):totable())
    assert.same({0, 0, 1, 1}, (~a):totable())
  end)

  it("name the op when they refuse", function()
    refuses(function() return t + fnn.ones(2) end, "add", "(3)", "(2)")
    refuses(function() return t * "2" end, "mul: other", "string '2'")
    refuses(function() return nil - t end, "sub: input", "nil")
  end)

  it("== is identity, equal compares", function()
    local same, other = t:detach(), fnn.tensor({4, -6, 7})
    assert.is_true(t == t)
    assert.is_false(t == same)
    assert.is_false(t == other)
    assert.is_true(t:equal(other))
    assert.is_true(t:equal(same))
    assert.is_false(t:equal(fnn.tensor({4, -6, 8})))
    assert.is_false(t:equal(fnn.tensor({{4, -6, 7}})))
    assert.is_false(t:equal(other:long()))
    assert.is_false(fnn.tensor({nan}):equal(fnn.tensor({nan})))
    assert.is_true(fnn.tensor({0}):equal(fnn.tensor({-0.0})))
    assert.is_true(count_up(2, 3):t():equal(fnn.tensor({{1, 4}, {2, 5}, {3, 6}})))
    assert.is_true(fnn.zeros(0, 3):equal(fnn.zeros(0, 3)))
    refuses(function() return t:equal(1) end, "equal", "expected a tensor")
  end)

  it("comparisons by name", function()
    assert.same({1, 0, 1}, t:gt(0):totable())
    assert.same({0, 1, 0}, t:lt(0):totable())
    assert.same({1, 0, 0}, t:eq(4):totable())
    assert.same({0, 1, 1}, t:ne(fnn.tensor({4})):totable())
    assert.same({1, 1, 0}, t:le(4):totable())
    assert.same({1, 0, 1}, t:ge(fnn.tensor({4, 0, 7})):totable())
  end)

  it("every op that is a method is a function too", function()
    for name, op in pairs(core.ops) do
      if core.methods[name] then assert.equal(op, fnn[name], name) end
    end
  end)
end)

describe("joining and taking apart:", function()
  it("stack adds an axis", function()
    local a, b = fnn.tensor({1, 2}), fnn.tensor({3, 4})
    assert.same({{1, 2}, {3, 4}}, fnn.stack({a, b}):totable())
    assert.same({{1, 3}, {2, 4}}, fnn.stack({a, b}, 2):totable())
    assert.same({{1, 3}, {2, 4}}, fnn.stack({a, b}, -1):totable())
    assert.same({1, 2}, fnn.stack({fnn.tensor(1), fnn.tensor(2)}):totable())
    refuses(function() return fnn.stack({}) end, "stack", "list of tensors")
    refuses(function() return fnn.stack({a, 1}) end, "stack: number 2", "expected a tensor", "number")
    refuses(function() return fnn.stack({a, fnn.ones(3)}) end, "(1,2)", "(1,3)")
    refuses(function() return fnn.stack(a) end, "stack")
  end)

  it("split by a length or by lengths", function()
    local t = count_up(5, 2)
    local parts = t:split(2)
    assert.equal(3, #parts)
    assert.same({{9, 10}}, parts[3]:totable())
    parts = t:split({1, 4})
    assert.same({{1, 2}}, parts[1]:totable())
    assert.same({4, 2}, parts[2].shape)
    assert.same({5, 1}, t:split(1, 2)[2].shape)
    assert.same({5, 1}, t:split(1, -1)[2].shape)
    refuses(function() return t:split({1, 3}) end, "split", "4", "5")
    refuses(function() return t:split(0) end, "split", "1 or more", "0")
    refuses(function() return t:split(1.5) end, "split", "1.5")
    refuses(function() return t:split(1, 3) end, "dim", "1..2", "3")
  end)

  it("chunk into about equal parts", function()
    local parts = count_up(5):chunk(2)
    assert.same({1, 2, 3}, parts[1]:totable())
    assert.same({4, 5}, parts[2]:totable())
    assert.equal(5, #count_up(5):chunk(9))
    assert.same({2, 2}, count_up(2, 4):chunk(2, 2)[1].shape)
    refuses(function() return count_up(5):chunk(0) end, "chunk: count")
    refuses(function() return count_up(5):chunk("2") end, "chunk: count")
  end)

  it("tile repeats along axes", function()
    local t = count_up(2, 2)
    assert.same({{1, 2, 1, 2}, {3, 4, 3, 4}}, t:tile(1, 2):totable())
    assert.same({{1, 2, 1, 2}, {3, 4, 3, 4}}, t:tile(2):totable())
    assert.same({{1, 2}, {3, 4}, {1, 2}, {3, 4}}, t:tile(2, 1):totable())
    assert.same({{{1, 2}, {3, 4}}, {{1, 2}, {3, 4}}}, t:tile(2, 1, 1):totable())
    assert.same({2, 0}, t:tile(0).shape)
    assert.same({2, 1, 2, 1, 2, 3}, fnn.ones(1, 1, 2, 1, 1, 3):tile(2, 1, 1, 1, 2, 1).shape)
    assert.same({7, 7}, fnn.tensor(7):tile(2):totable())
    local times = {2}
    t:tile(times)
    assert.same({2}, times)
    refuses(function() return t:tile(-1) end, "tile: times", "-1")
    refuses(function() return t:tile("2") end, "tile: times", "2")
    refuses(function() return t:tile(1.5) end, "tile: times", "1.5")
  end)

  it("topk gives the largest or smallest in order", function()
    local t = fnn.tensor({{3, 1, 2}, {4, 6, 5}})
    local values, positions = t:topk(2)
    assert.same({{3, 2}, {6, 5}}, values:totable())
    assert.same({{1, 3}, {2, 3}}, positions:totable())
    values, positions = t:topk(1, 1, {largest = false})
    assert.same({{3, 1, 2}}, values:totable())
    assert.same({{1, 1, 1}}, positions:totable())
    assert.same({2, 0}, t:topk(0).shape)
    refuses(function() return t:topk(4) end, "topk: k", "0..3", "4")
    refuses(function() return t:topk(-1) end, "topk: k", "-1")
    refuses(function() return t:topk("1") end, "topk: k", "1")
  end)

  it("masked_select and masked_fill", function()
    local t = count_up(2, 2)
    local mask = fnn.tensor({{1, 0}, {0, 1}}, {dtype = "uint8"})
    assert.same({1, 4}, t:masked_select(mask):totable())
    assert.same({{9, 2}, {3, 9}}, t:masked_fill(mask, 9):totable())
    assert.same({{1, 2}, {3, 4}}, t:totable())
    local four = fnn.ones(4, {dtype = "uint8"})
    refuses(function() return t:masked_select(four) end, "masked_select: mask", "(2,2)", "(4)")
    refuses(function() return t:masked_select(1) end, "masked_select: mask", "number")
    refuses(function() return t:masked_fill(fnn.ones(2, 2), 9) end, "uint8", "float32")
  end)

  it("std and norm", function()
    local t = fnn.tensor({1, 2, 3, 4})
    assert.near(1.2909944, t:std():item(), 1e-6)
    assert.near(1.1180340, t:std({correction = 0}):item(), 1e-6)
    assert.near(5.4772256, t:norm():item(), 1e-6)
  end)

  it("norm goes over some axes too", function()
    local t = fnn.tensor({{3, 0}, {4, 0}}, {requires_grad = true})
    assert.same({5, 0}, t:norm(1):totable())
    assert.same({{3}, {4}}, t:norm(2, true):totable())
    assert.same({{3}, {4}}, t:norm{dim = 2, keepdim = true}:totable())
    assert.same({5}, t:norm({1, 2}):reshape(1):totable())
    t:norm(1):sum():backward()
    assert.same({{6, 0}, {8, 0}}, (t.grad * 10):round():totable())
    refuses(function() return t:norm(3) end, "dim", "3")
    refuses(function() return t:norm(1, true, 2) end, "at most 3 arguments")
  end)

  it("std and norm have the gradient 0 where they are 0, and what is NaN stays so", function()
    local t = fnn.tensor({{2, 2}, {0, 4}}, {requires_grad = true})
    t:std(2, {correction = 0}):sum():backward()
    assert.same({{0, 0}, {-0.5, 0.5}}, t.grad:totable())
    local zeros = fnn.zeros(3, {requires_grad = true})
    zeros:norm():backward()
    assert.same({0, 0, 0}, zeros.grad:totable())
    assert.equal(1, fnn.tensor({nan, 1}):norm():isnan():item())
  end)
end)

describe("closed tensors:", function()
  local function closed()
    local t = fnn.ones(2, 2)
    t:close()
    return t
  end

  it("raise wherever they are used", function()
    local t, open = closed(), fnn.ones(2, 2)
    for name, use in pairs {
      operator = function() return t + 1 end, operand = function() return open + t end,
      method = function() return t:exp() end, index = function() return t[1] end, length = function() return #t end,
      assign = function() t[1] = 0 end, field = function() return t.shape end, text = function() return tostring(t) end,
      totable = function() return t:totable() end, tobytes = function() return t:tobytes() end,
      equal = function() return open:equal(t) end, copy_ = function() return open:copy_(t) end,
      cat = function() return fnn.cat({open, t}) end, backward = function() return t:backward() end,
      in_place = function() return t:add_(1) end, detach = function() return t:detach() end,
      set = function() t.requires_grad = true end, item = function() return t:item() end,
      grad = function() open.grad = t end, mask = function() return open[t] end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok, name)
      assert.is_truthy(tostring(message):find("closed", 1, true), name .. ": " .. tostring(message))
    end
  end)

  it("can be closed again, compared, and told from others", function()
    local t = closed()
    t:close()
    assert.is_true(t == t)
    assert.is_false(t == fnn.ones(1))
    assert.is_true(fnn.is_tensor(t))
    assert.is_false(fnn.is_tensor(1))
    assert.is_false(fnn.is_tensor(nil))
    for size = 1, 64 do -- of whatever size tensors are
      local text = ("x"):rep(size)
      assert.is_false(fnn.is_tensor(text))
      assert.is_false(fnn.is_tensor {text:byte(1, -1)})
    end
    assert.is_false(fnn.is_tensor(io.stdout))
  end)

  it("free their memory at once", function()
    collectgarbage()
    local before = fnn.memory().used
    local t = fnn.zeros(1000)
    assert.is_true(fnn.memory().used > before)
    t:close()
    assert.equal(before, fnn.memory().used)
  end)

  it("close by themselves at the end of a scope", function()
    collectgarbage()
    local before = fnn.memory().used
    do
      local _ <close> = fnn.zeros(1000)
      assert.is_true(fnn.memory().used > before)
    end
    assert.equal(before, fnn.memory().used)
  end)

  it("hide their metatable", function()
    assert.equal("fmnistnn.Tensor", getmetatable(fnn.ones(1)))
  end)
end)
