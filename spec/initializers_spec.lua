-- Initializers against Keras's definitions: what Keras asks its generator for, compared with what ours draws.
local fnn = require "fmnistnn"
local nn, initializers = fnn.nn, fnn.initializers
local peer = require "spec.support.peer"

local cases = peer.cases("initializers")

-- All of them, without what serves layers.
local all = {}
for name, f in pairs(initializers) do
  if name ~= "make" and name ~= "buffer" and name ~= "exists" then all[name] = f end
end

local function moments(x)
  local mean = x:mean():item()
  local centered = x - mean
  local variance = centered:square():mean():item()
  return mean, math.sqrt(variance), centered:square():square():mean():item() / variance ^ 2
end

-- Bounds, mean, standard deviation and kurtosis (the fourth moment over the square of the second) of each distribution,
-- of a standard deviation or half width of 1.
local TWO_SIGMA = 0.87962566103423978 -- the deviation of a standard normal cut at two deviations
local shapes = {
  uniform = {deviation = 1 / math.sqrt(3), kurtosis = 1.8, bound = 1},
  normal = {deviation = 1, kurtosis = 3, bound = math.huge},
  truncated_normal = {deviation = TWO_SIGMA, kurtosis = 2.3654, bound = 2},
}

local function near(what, expected, got, tolerance)
  assert(math.abs(got - expected) <= tolerance, ("%s: expected %g, got %g"):format(what, expected, got))
end

-- Of 60,000 numbers the mean's error is about 0.004 deviations, the deviation's 0.3 %, the kurtosis's 0.02: four times
-- these are allowed.
local function check_distribution(case)
  fnn.manual_seed(5)
  local x = initializers[case.initializer](case.shape, case.fans[1], case.fans[2], case.settings)
  local center, unit = case.mean, case.deviation
  if case.distribution == "uniform" then center, unit = (case.low + case.high) / 2, (case.high - case.low) / 2 end
  local expected = shapes[case.distribution]
  local mean, deviation, kurtosis = moments(x)
  near("mean", center, mean, 0.016 * unit)
  near("deviation", expected.deviation * unit, deviation, 0.012 * unit)
  near("kurtosis", expected.kurtosis, kurtosis, 0.08)
  local farthest = (x - center):abs():max():item()
  local bound = expected.bound * unit
  assert(farthest <= bound * (1 + 1e-6), "beyond the bound: " .. farthest)
  if bound < math.huge then assert(farthest >= bound * 0.99, "far from the bound: " .. farthest) end
end

-- The products of rows (or of columns, where there are fewer) with each other.
local function check_gram(case)
  fnn.manual_seed(5)
  local x = initializers[case.initializer](case.shape, 1, 1, case.settings):flatten(2)
  if x:size(1) > x:size(2) then x = x:t() end
  peer.check_close("products", x:matmul(x:t()), case.tensors.gram)
end

-- The fans that a layer tells its initializer, and which one it has unless told.
local function check_layer(case)
  local x = #case.input == 1 and fnn.tensor({1, 2, 3}, {dtype = "int64"}) or fnn.zeros(case.input)
  fnn.manual_seed(5)
  local layer = peer.build(case.model)
  layer(x)
  local fans
  case.model[2].initializer = function(shape, fan_in, fan_out)
    fans = {fan_in, fan_out}
    fnn.manual_seed(5)
    return initializers[case.default](shape, fan_in, fan_out)
  end
  local told = peer.build(case.model)
  told(x)
  assert.same(case.fans, fans)
  assert.is_true(layer.weight:equal(told.weight))
  assert.is_true(layer.bias == nil or layer.bias:equal(fnn.zeros(layer.bias.shape)))
end

local function check(case)
  if case.distribution then return check_distribution(case) end
  if case.tensors.gram then return check_gram(case) end
  if case.model then return check_layer(case) end
  peer.check_close("weight", initializers[case.initializer](case.shape, 1, 1, {}), case.tensors.expected)
end

describe("an initializer", function()
  for _, case in ipairs(cases) do
    it("is as in Keras and PyTorch: " .. case.name, function() check(case) end)
  end

  it("has a case, each of them", function()
    local with_case = {zeros = true, ones = true, constant = true} -- below
    for _, case in ipairs(cases) do with_case[case.initializer or ""] = true end
    for name in pairs(all) do assert.is_true(with_case[name], name .. " has no case in scripts/peer_reference.py") end
  end)

  it("gives constants", function()
    local layer = nn.Dense {2, initializer = {"constant", value = 0.25}, bias_initializer = "ones"}
    layer(fnn.ones(1, 3))
    assert.is_true(layer.weight:equal(fnn.full({2, 3}, 0.25)))
    assert.is_true(layer.bias:equal(fnn.ones(2)))
    assert.is_true(initializers.zeros {2, 2}:equal(fnn.zeros(2, 2)))
    assert.is_true(initializers.constant {2, 2}:equal(fnn.zeros(2, 2)))
  end)

  it("passes images on, by dirac, through a convolution of the same size", function()
    for _, kernel in ipairs {1, 2, 3, 4, 5} do
      local layer = nn.Conv2d {3, kernel = kernel, padding = "same", initializer = "dirac"}
      local x = fnn.randn(2, 3, 6, 7)
      assert.is_true(layer(x):equal(x), "kernel " .. kernel)
    end
  end)

  it("passes the images of each group on, by dirac with groups", function()
    for _, groups in ipairs {1, 2, 4} do
      local initializer = {"dirac", groups = groups}
      local layer = nn.Conv2d {4, kernel = 3, padding = "same", groups = groups, initializer = initializer}
      local x = fnn.randn(2, 4, 6, 7)
      assert.is_true(layer(x):equal(x), "groups " .. groups)
    end
    local ok, message = pcall(initializers.dirac, {4, 2, 3, 3}, nil, nil, {groups = 3})
    assert.is_false(ok)
    assert.matches("dirac: groups: expected a divisor of 4 filters, got 3", message)
    local weight = initializers.dirac({6, 2}, 1, 1, {groups = 2})
    assert.same({{1, 0}, {0, 1}, {0, 0}, {1, 0}, {0, 1}, {0, 0}}, weight:totable())
  end)

  it("can be called without settings", function()
    for name, f in pairs(all) do assert.same({4, 3}, f({4, 3}, 3, 4).shape, name) end
  end)

  it("draws the same after the same seed", function()
    for name, f in pairs(all) do
      fnn.manual_seed(3)
      local first = f({4, 3}, 3, 4)
      fnn.manual_seed(3)
      assert.is_true(first:equal(f({4, 3}, 3, 4)), name)
    end
  end)
end)

describe("a layer's initializer", function()
  it("may be a name, a name with settings, or a function", function()
    local function double(shape) return fnn.full(shape, 2) end
    for _, given in ipairs {{"constant", value = 2}, double, {double}} do
      local layer = nn.Dense {2, initializer = given, bias = false}
      layer(fnn.ones(1, 3))
      assert.is_true(layer.weight:equal(fnn.full({2, 3}, 2)))
      assert.is_true(layer.weight.requires_grad)
    end
  end)

  it("is told the fans of a group, as PyTorch counts them", function()
    for _, class in ipairs {"Conv2d", "ConvTranspose2d"} do
      local fans
      local function note(shape, fan_in, fan_out)
        fans = {fan_in, fan_out}
        return fnn.zeros(shape)
      end
      nn[class] {12, kernel = 3, groups = 4, initializer = note}(fnn.zeros(1, 8, 5, 5))
      assert.same(class == "Conv2d" and {2 * 9, 12 * 9} or {3 * 9, 8 * 9}, fans, class)
    end
  end)

  it("records nothing of how it was made", function()
    local scale = fnn.tensor(2, {requires_grad = true})
    local layer = nn.Dense {2, initializer = function(shape) return fnn.ones(shape) * scale end}
    layer(fnn.ones(1, 3)):sum():backward()
    assert.is_nil(scale.grad)
    assert.is_true(layer.weight.is_leaf)
  end)

  it("is refused with the layer's name where it does not exist", function()
    for _, given in ipairs {"glorot", {"glorot"}, "make", "buffer", {}} do
      local ok, message = pcall(nn.Dense, {2, initializer = given})
      assert.is_false(ok)
      assert.matches("Dense: initializer: expected", message)
    end
    local ok, message = pcall(nn.Dense, {2, bias_initializer = "none"})
    assert.is_false(ok)
    assert.matches("Dense: bias_initializer: expected", message)
  end)

  it("is refused with settings that it does not know", function()
    local layer = nn.Dense {2, initializer = {"normal", devation = 0.1}}
    local ok, message = pcall(layer, fnn.ones(1, 3))
    assert.is_false(ok)
    assert.matches("normal: unknown option devation", message)
  end)

  it("is refused when it gives something else than the weight", function()
    for _, f in ipairs {function() return 1 end, function() return fnn.ones(3, 2) end, function() end} do
      local ok, message = pcall(nn.Dense {2, initializer = f}, fnn.ones(1, 3))
      assert.is_false(ok)
      assert.matches("expected a tensor of shape %(2,3%)", message)
    end
  end)
end)
