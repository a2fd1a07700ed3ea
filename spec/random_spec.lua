--- Random numbers: the generator against known answers, distributions, and one seed giving the same bits however the
-- work
-- is cut. The seeds are fixed, so that what passes once passes always; bounds are five standard errors or more.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local philox = require "spec.support.philox"

local functional = core.functional

local function words(...)
  local texts = {}
  for i, word in ipairs {...} do texts[i] = ("%08x"):format(word) end
  return table.concat(texts, " ")
end

describe("Philox4x32-10:", function()
  -- kat_vectors of the Random123 distribution (Salmon et al. 2011)
  it("has the known answers in the specs' own version", function()
    assert.equal("6627e8d5 e169c58d bc57ac4c 9b00dbd8", words(table.unpack(philox.block({0, 0, 0, 0}, {0, 0}))))
    local ones = 0xFFFFFFFF
    assert.equal("408f276d 41c83b0e a20bc7c6 6d5451fd",
      words(table.unpack(philox.block({ones, ones, ones, ones}, {ones, ones}))))
    assert.equal("d16cfe09 94fdcceb 5001e420 24126ea1", words(table.unpack(philox.block(
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}))))
  end)

  it("has the known answer in the library: the upper 24 bits of each word", function()
    core.set_generator_state(0, 0)
    local got = core.uniform({4}, 0, 1)
    for i, word in ipairs {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8} do
      assert.equal((word >> 8) / 2 ^ 24, got[i])
    end
  end)

  it("is the same in the library for all seeds and counters", function()
    for _, state in ipairs {{0, 0}, {1, 0}, {-1, 7}, {0x123456789ABCDEF, 1 << 40}, {42, -1}, {math.mininteger,
      1 << 32}} do
      local seed, first = state[1], state[2]
      core.set_generator_state(seed, first)
      local got = core.uniform({9}, 0, 1)
      for i = 1, 9 do assert.equal(philox.uniform(seed, i - 1, first), got[i]) end
    end
  end)
end)

describe("the generator:", function()
  it("gives the same numbers for the same seed, others for others", function()
    fnn.manual_seed(7)
    local a, b = fnn.rand(100), fnn.rand(100)
    fnn.manual_seed(7)
    assert.is_true(a:equal(fnn.rand(100)))
    assert.is_true(b:equal(fnn.rand(100)))
    fnn.manual_seed(8)
    assert.is_false(a:equal(fnn.rand(100)))
    assert.is_false(a:equal(b))
  end)

  it("can be put back where it was", function()
    fnn.manual_seed(7)
    fnn.randn(3)
    local seed, offset = fnn.generator_state()
    assert.equal(7, seed)
    local a = fnn.randn(10)
    fnn.set_generator_state(seed, offset)
    assert.is_true(a:equal(fnn.randn(10)))
  end)

  it("never gives one number twice", function()
    for name, draw in pairs {
      uniform = function(n) return core.uniform({n}, 0, 1) end, normal = function(n) return core.normal({n}, 0, 1) end,
      dropout = function(n) return functional.dropout(fnn.ones(n)) end,
        randperm = function(n) return fnn.randperm(n) end,
    } do
      for n = 1, 9 do
        core.set_generator_state(1, 0)
        draw(n)
        local _, offset = core.generator_state()
        assert.is_true(offset >= 1 and offset <= n, name)
        if name ~= "randperm" then assert.is_true(offset * 4 >= n, name) end
      end
    end
  end)

  it("gives the same bits with one to four threads", function()
    local threads, first = core.threads(), nil
    for count = 1, 4 do
      core.set_threads(count)
      core.manual_seed(3)
      local x = fnn.ones(70001, {requires_grad = true})
      local image = fnn.ones(50, 60, 5, 5, {requires_grad = true})
      local dropped, channels = functional.dropout(x), functional.dropout(image, {rate = 0.3, channels = true})
      dropped:sum():backward()
      channels:sum():backward()
      local bytes = {}
      for i, tensor in ipairs {fnn.rand(70001), fnn.randn(70001), dropped, channels, x.grad, image.grad,
        fnn.randperm(999)} do
        bytes[i] = tensor:tobytes()
      end
      local all = table.concat(bytes)
      first = first or all
      assert.is_true(all == first, count .. " threads")
    end
    core.set_threads(threads)
  end)
end)

-- Mean and central moments of the elements of a vector, in doubles.
local function moments(t)
  local list, n, mean = t:totable(), t:numel(), 0
  for _, x in ipairs(list) do mean = mean + x / n end
  local m2, m3, m4 = 0, 0, 0
  for _, x in ipairs(list) do
    local d = x - mean
    m2, m3, m4 = m2 + d * d / n, m3 + d ^ 3 / n, m4 + d ^ 4 / n
  end
  return mean, m2, m3 / m2 ^ 1.5, m4 / m2 ^ 2
end

-- The largest distance between the elements' distribution and F (Kolmogorov and Smirnov), times sqrt(n).
local function distance(t, F)
  local list, n, most = t:sort():totable(), t:numel(), 0
  for i, x in ipairs(list) do
    local f = F(x)
    most = math.max(most, math.abs(i / n - f), math.abs((i - 1) / n - f))
  end
  return most * math.sqrt(n)
end

describe("distributions:", function()
  local N = 100000
  before_each(function() core.manual_seed(2017) end)

  it("uniform", function()
    local t = fnn.uniform({N}, -3, 5)
    assert.is_true(t:min():item() >= -3 and t:max():item() < 5)
    local mean, variance = moments(t)
    assert.near(1, mean, 5 * math.sqrt(64 / 12 / N))
    assert.near(64 / 12, variance, 5 * math.sqrt(64 ^ 2 / 180 / N))
    assert.is_true(distance(t, function(x) return (x + 3) / 8 end) < 2) -- 1 in 1500
  end)

  it("uniform never reaches its upper end", function()
    core.set_generator_state(0, 2330056) -- the third number there is 1 - 2^-24, the largest there is
    assert.equal(1 - 2 ^ -24, core.uniform({4}, 0, 1)[3])
    for _, range in ipairs {{1, 2}, {-1, 1}, {0, 3}, {1000, 1001}, {-2, -1}} do
      core.set_generator_state(0, 2330056)
      local t = core.uniform({4}, range[1], range[2])
      assert.is_true(t:max():item() < range[2])
      assert.is_true(t:min():item() >= range[1])
    end
  end)

  it("normal", function()
    local t = fnn.normal({N}, 2, 3)
    local mean, variance, skewness, kurtosis = moments(t)
    assert.near(2, mean, 5 * 3 / math.sqrt(N))
    assert.near(9, variance, 5 * 9 * math.sqrt(2 / N))
    assert.near(0, skewness, 5 * math.sqrt(6 / N))
    assert.near(3, kurtosis, 5 * math.sqrt(24 / N))
    local function F(x) return (1 + fnn.tensor((x - 2) / 3 / math.sqrt(2)):erf():item()) / 2 end
    assert.is_true(distance(t:narrow(1, 1, 20000), F) < 2)
  end)

  it("normal numbers are independent of their neighbours", function()
    local t = fnn.randn(N)
    local together = (t:narrow(1, 1, N - 1) * t:narrow(1, 2, N - 1)):mean():item()
    assert.near(0, together, 5 / math.sqrt(N))
    local pairs_of = t:reshape(N // 2, 2) -- which come from one pair of uniforms
    assert.near(0, (pairs_of:select(2, 1):square() * pairs_of:select(2, 2):square()):mean():item() - 1,
      5 * math.sqrt(8 / (N / 2)))
  end)

  it("an odd count of normal numbers begins as an even one", function()
    core.manual_seed(5)
    local even = fnn.randn(8)
    core.manual_seed(5)
    assert.is_true(fnn.randn(7):equal(even:narrow(1, 1, 7)))
  end)

  it("randint gives all integers of its range alike", function()
    local counts = {}
    for _, x in ipairs(fnn.randint(-2, 3, {60000}):totable()) do counts[x] = (counts[x] or 0) + 1 end
    for value = -2, 3 do assert.near(10000, counts[value], 5 * math.sqrt(10000)) end
    counts[-2], counts[-1], counts[0], counts[1], counts[2], counts[3] = nil, nil, nil, nil, nil, nil
    assert.is_nil(next(counts))
    assert.equal("int64", fnn.randint(1, 1, {2}).dtype)
    assert.same({7, 7}, fnn.randint(7, 7, {2}):totable())
  end)

  it("randperm gives permutations, all alike", function()
    local first = {0, 0, 0, 0}
    for _ = 1, 8000 do
      local list = fnn.randperm(4):totable()
      first[list[1]] = first[list[1]] + 1
      table.sort(list)
      assert.same({1, 2, 3, 4}, list)
    end
    for i = 1, 4 do assert.near(2000, first[i], 5 * math.sqrt(2000)) end
    assert.same({}, fnn.randperm(0):totable())
    assert.same({1}, fnn.randperm(1):totable())
  end)

  it("dropout drops at its rate and keeps the mean", function()
    for _, rate in ipairs {0, 0.1, 0.5, 0.9} do
      local y = functional.dropout(fnn.ones(N), {rate = rate})
      local kept = (y:ne(0)):sum():item() / N
      assert.near(1 - rate, kept, 5 * math.sqrt(rate * (1 - rate) / N) + 1e-9)
      assert.near(1, y:mean():item(), 5 * math.sqrt(rate / (1 - rate) / N) + 1e-6)
    end
  end)

  it("dropout of channels drops whole ones", function()
    local y = functional.dropout(fnn.ones(100, 50, 3, 3), {rate = 0.4, channels = true})
    local sums = y:sum({dim = {3, 4}})
    assert.equal(5000, (sums:eq(0) | sums:gt(14.99)):sum():item())
    assert.near(0.6, sums:ne(0):sum():item() / 5000, 5 * math.sqrt(0.24 / 5000))
  end)

  it("dropout lets the gradient through where it let the value", function()
    local x = fnn.ones(1000, {requires_grad = true})
    local y = functional.dropout(x, {rate = 0.3})
    y:sum():backward()
    assert.is_true(x.grad:equal(y:detach()))
    assert.is_false(y:equal(functional.dropout(x, {rate = 0.3})))
  end)
end)
