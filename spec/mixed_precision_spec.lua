--- Convolutions and dense layers that multiply as bfloat16. Where their factors have no more digits than bfloat16
-- nothing is lost: the results are float32's, through all ways and edges of tiles. Where the CPU has no such
-- instructions, nothing changes.
local fnn = require "fmnistnn"
local nn, F = fnn.nn, fnn.nn.functional

-- The nearest bfloat16, halves to even, as a float.
local function rounded(x)
  local bits = string.unpack("<I4", string.pack("<f", x))
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000
  return (string.unpack("<f", string.pack("<I4", bits)))
end

local function round(tensor)
  local list = tensor:flatten():totable()
  for i, value in ipairs(list) do list[i] = rounded(value) end
  return fnn.tensor(list):reshape(tensor.shape)
end

local function distance(a, b) return (a - b):abs():max():item() / math.max(1, a:abs():max():item()) end

-- Result and gradients of a convolution, or a dense layer, whose result has the gradient g.
local function run(op, x, w, g, settings, precision)
  local all = {precision = precision}
  for name, value in pairs(settings) do all[name] = value end
  x, w = x:clone():requires_grad_(), w:clone():requires_grad_()
  local y = F[op](x, w, nil, all)
  y:backward(g or y:detach())
  return {y:detach(), x.grad, w.grad}
end

local names = {"result", "gradient of x", "gradient of weight"}

describe("mixed precision:", function()
  -- {x, weight, settings}; the last pixels, channels, filters and blocks of images leave parts of tiles and pairs open
  local exact = {
    {{16, 1, 6, 7}, {5, 1, 3, 3}, {padding = "same"}},
    {{48, 5, 7, 6}, {11, 5, 3, 3}, {}},
    {{33, 6, 9, 8}, {7, 6, 3, 3}, {stride = 2, padding = "same"}},
    {{20, 4, 5, 5}, {6, 4, 1, 1}, {}},
    {{16, 3, 7, 7}, {4, 3, 1, 1}, {stride = 2}},
    {{32, 14, 6, 6}, {13, 14, 5, 5}, {padding = 2}},
    {{32, 18, 6, 6}, {17, 18, 5, 5}, {padding = 2}, tiles = true}, -- for the gradient of the weight
    {{17, 6, 5, 6}, {9, 2, 3, 3}, {groups = 3, padding = {2, 0, 1, 3}}},
    {{32, 2, 9, 9}, {3, 2, 3, 3}, {dilation = {2, 3}, padding = 2}},
    {{16, 2, 12, 12}, {6, 2, 7, 7}, {stride = 2, padding = 3}},
    -- enough channels for matrices of 16 filters, 16 pairs of channels or 32 images
    {{33, 9, 7, 6}, {9, 9, 3, 3}, {}},
    {{49, 35, 9, 8}, {37, 35, 3, 3}, {stride = 2, padding = "same"}},
    {{20, 40, 5, 5}, {23, 40, 1, 1}, {}},
    {{32, 4, 7, 7}, {16, 4, 1, 1}, {stride = 2}},
    {{17, 20, 5, 6}, {18, 10, 3, 3}, {groups = 2, padding = {2, 0, 1, 3}}},
    {{32, 34, 9, 9}, {50, 34, 3, 3}, {dilation = {2, 3}, padding = 2}},
    {{16, 3, 12, 12}, {33, 3, 7, 7}, {stride = 2, padding = 3}},
    {{16, 70, 1, 3}, {70, 70, 1, 2}, {}},
  }

  it("products of what bfloat16 holds are exact", function()
    fnn.manual_seed(5)
    for i, case in ipairs(exact) do
      local x, w = round(fnn.randn(case[1])), round(fnn.randn(case[2]))
      for _, op in ipairs {"conv2d", "conv2d_relu"} do
        local g = round(fnn.randn(F[op](x, w, nil, case[3]).shape))
        local want, got = run(op, x, w, g, case[3]), run(op, x, w, g, case[3], "bf16")
        for k, name in ipairs(names) do
          local apart = distance(want[k], got[k])
          local exact_sums = k < 3 or not case.tiles
          assert(apart < (exact_sums and 1e-5 or 0.03), ("%s, case %d: %s: %g"):format(op, i, name, apart))
        end
      end
    end
  end)

  -- {x, weight}; the last rows, inputs and outputs leave parts of panels open
  local dense = {{{70, 130}, {90, 130}}, {{3, 20, 64}, {77, 64}}, {{17, 1000}, {33, 1000}}, {{300, 33}, {47, 33}}}

  it("products of dense layers are exact, or of factors rounded to the nearest", function()
    fnn.manual_seed(11)
    for i, case in ipairs(dense) do
      local x, w = fnn.randn(case[1]), fnn.randn(case[2])
      local g = fnn.randn(F.linear(x, w).shape)
      local plain = run("linear", x, w, g, {})
      local mixed = run("linear", x, w, g, {}, "bf16")
      local want = run("linear", round(x), round(w), round(g), {})
      local kept = run("linear", round(x), round(w), round(g), {}, "bf16")
      local is_rounded = distance(plain[1], mixed[1]) > 0
      for k, name in ipairs(names) do
        assert(distance(want[k], kept[k]) < 1e-5, ("case %d: %s, of what bfloat16 holds"):format(i, name))
        assert(distance(is_rounded and want[k] or plain[k], mixed[k]) < 1e-5, ("case %d: %s"):format(i, name))
        assert.equal(is_rounded, distance(plain[k], mixed[k]) > 0)
      end
    end
  end)

  it("factors are rounded to the nearest", function()
    fnn.manual_seed(6)
    local x, w = fnn.randn(16, 9, 5, 5), fnn.randn(8, 9, 3, 3)
    local want = run("conv2d", round(x), round(w), nil, {})
    local got = run("conv2d", x, w, want[1], {}, "bf16")
    if not fnn.info().bf16 then want = run("conv2d", x, w, want[1], {}) end
    assert(distance(want[1], got[1]) < 1e-6)
  end)

  -- Errors relative to the results, root mean squares of both: 0.24 % where sums are direct; tiles of 4 x 4 pixels
  -- make it 0.4 %, and tiles of 6 x 6, which gradients of weights alone have, 1.4 %.
  it("many channels, whose tiles are transformed, are near", function()
    fnn.manual_seed(7)
    local function size(tensor) return (tensor * tensor):mean():item() ^ 0.5 end
    local allowed = {0.005, 0.005, 0.016}
    local cases = {
      {{35, 17, 7, 9}, {33, 17, 3, 3}, {padding = 1}},
      {{80, 16, 13, 12}, {18, 16, 3, 3}, {padding = {2, 0, 1, 3}}},
      {{32, 64, 6, 6}, {64, 32, 3, 3}, {padding = 1, groups = 2}},
      {{33, 20, 9, 8}, {24, 20, 3, 3}, {padding = 2, dilation = 2}},
      {{40, 32, 14, 14}, {32, 32, 5, 5}, {padding = 2}},
    }
    for n, case in ipairs(cases) do
      local x, w = fnn.randn(case[1]), fnn.randn(case[2])
      local g = fnn.randn(F.conv2d(x, w, nil, case[3]).shape)
      local want, got = run("conv2d", x, w, g, case[3]), run("conv2d", x, w, g, case[3], "bf16")
      for k, name in ipairs(names) do
        local apart = size(want[k] - got[k]) / size(want[k])
        assert(k == 3 or distance(want[k], got[k]) < 0.01)
        assert(apart < allowed[k], ("case %d: %s: %g"):format(n, name, apart))
        assert(apart > 1e-4 or not fnn.info().bf16, name .. ": rounded nowhere")
      end
    end
  end)

  it("weights kept as pairs are not taken for half as many in float32", function()
    fnn.manual_seed(10)
    local x, w = fnn.randn(32, 64, 6, 6), fnn.randn(64, 32, 3, 3)
    local half, few = x:narrow(2, 1, 32), w:narrow(1, 1, 32)
    local want = F.conv2d(half, few:clone(), {padding = 1})
    F.conv2d(x, w, {padding = 1, groups = 2, precision = "bf16"})
    assert.equal(0, distance(want, F.conv2d(half, few, {padding = 1})))
  end)

  it("infinities and NaN stay what they are", function()
    local x = fnn.ones(16, 20, 3, 3)
    x[1] = math.huge
    x[2] = 0 / 0
    local y = F.conv2d(x, fnn.ones(17, 20, 1, 1), {precision = "bf16"}):mean({2, 3, 4}):totable()
    assert.equal(math.huge, y[1])
    assert.is_true(y[2] ~= y[2])
    assert.equal(20, y[3])
    y = F.linear(x:flatten(2), fnn.ones(300, 180), {precision = "bf16"}):mean(2):totable()
    assert.equal(math.huge, y[1])
    assert.is_true(y[2] ~= y[2])
    assert.equal(180, y[3])
  end)

  it("results are the same bits for any number of threads", function()
    fnn.manual_seed(8)
    local x, w, threads = fnn.randn(40, 17, 6, 6), fnn.randn(16, 17, 3, 3), fnn.threads()
    local rows, dense_weight = fnn.randn(40, 200), fnn.randn(150, 200)
    local function bits()
      local parts = {}
      local maps = run("conv2d", x, w, nil, {padding = 1}, "bf16")
      local products = run("linear", rows, dense_weight, nil, {}, "bf16")
      for i = 1, 3 do parts[i] = maps[i]:tobytes() .. products[i]:tobytes() end
      return table.concat(parts)
    end
    fnn.set_threads(1)
    local want = bits()
    for count = 2, 3 do
      fnn.set_threads(count)
      assert(bits() == want, count .. " threads")
    end
    fnn.set_threads(threads)
  end)

  it("nothing leaks when the nth allocation fails", function()
    local core = require "fmnistnn.core"
    local x, w = fnn.randn(18, 8, 5, 5):requires_grad_(), fnn.randn(9, 8, 3, 3):requires_grad_()
    local dense_weight = fnn.randn(70, 225):requires_grad_()
    local ok, n
    collectgarbage()
    local used = core.memory().used
    n = 0
    repeat
      n = n + 1
      local made = {}
      local function keep(tensor)
        made[#made + 1] = tensor
        return tensor
      end
      core.fail_allocation(n)
      ok = pcall(function()
        local maps = keep(F.conv2d(x, w, {precision = "bf16", padding = 1}))
        local y = keep(F.linear(keep(maps:flatten(2)), dense_weight, {precision = "bf16"}))
        y:backward(keep(y:detach()))
      end)
      core.fail_allocation(0)
      for _, tensor in ipairs(made) do tensor:close() end
      x.grad, w.grad, dense_weight.grad = nil, nil, nil
      collectgarbage()
      assert.equal(used, core.memory().used, "after failure " .. n)
    until ok
    assert(n > 5)
  end)

  it("a model takes it to its layers, and back", function()
    fnn.manual_seed(9)
    local model = nn.Sequential {nn.Conv2d {8, kernel = 3}, nn.Residual {nn.Conv2d {8, kernel = 1}}}
    local layer, rows = nn.Dense {200}, fnn.randn(32, 300)
    local want = layer(rows)
    layer:mixed_precision()
    assert.equal(0, distance(layer(rows), F.linear(rows, layer.weight, layer.bias, "bf16")))
    assert.equal(0, distance(layer:mixed_precision(false)(rows), want))
    local x = fnn.randn(16, 2, 5, 5)
    local plain = model(x)
    local mixed = model:mixed_precision()(x)
    assert(distance(plain, mixed) < 0.02)
    assert.equal(fnn.info().bf16, distance(plain, mixed) > 0)
    assert.equal(0, distance(plain, model:mixed_precision(false)(x)))
    fnn.Trainer {model = model, loss = "mean_squared_error", mixed_precision = true}
    assert.equal(0, distance(mixed, model(x)))
  end)
end)
