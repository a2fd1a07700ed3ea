--- Images and channels in lanes: a batch that fills vectors goes through other kernels than a few images do. Both must
-- come to the same values and gradients, whatever the shapes, and whoever looks at the elements must not notice. What
-- ops_spec.lua holds against a reference in double precision are few images.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local F = fnn.nn.functional

-- f(images, ...) for the whole batch and in parts of two images, too few for lanes, with gradients by the same weights:
-- two lists of tensors, the result and the gradients.
local function whole_and_parts(shape, others, f)
  fnn.manual_seed(1)
  local x, weights = fnn.randn(shape), nil
  for i, size in ipairs(others) do others[i] = fnn.randn(size):requires_grad_() end
  local function run(part, start)
    part.requires_grad = true
    local y = f(part, table.unpack(others))
    weights = weights or fnn.randn({shape[1], table.unpack(y.shape, 2)})
    y:backward(weights:narrow(1, start, #part):clone())
    return y
  end
  local function gradients()
    local list = {}
    for i, tensor in ipairs(others) do list[i], tensor.grad = tensor.grad, nil end
    return list
  end
  local y = run(x, 1)
  local whole = {y:detach(), x.grad, table.unpack(gradients())}
  local ys, grads = {}, {}
  for start = 1, shape[1], 2 do
    local part = x:detach():narrow(1, start, math.min(2, shape[1] - start + 1)):clone()
    ys[#ys + 1] = run(part, start):detach()
    grads[#grads + 1] = part.grad
  end
  return whole, {fnn.cat(ys, 1), fnn.cat(grads, 1), table.unpack(gradients())}
end

local function assert_near(want, got, label)
  assert.are.same(want.shape, got.shape, label)
  local scale = math.max(1, want:abs():max():item())
  local distance = (want - got):abs():max():item()
  assert(distance <= 1e-5 * scale, ("%s: %g apart, of at most %g"):format(label, distance, scale))
end

local function check(shape, others, f)
  local whole, parts = whole_and_parts(shape, others, f)
  for i in ipairs(parts) do assert_near(parts[i], whole[i], i == 1 and "result" or "gradient " .. i - 1) end
end

describe("images and channels in lanes:", function()
  local batches = {5, 8, 16, 19, 33}

  -- {input, weight, settings}: through the edges of tiles, with what a window can do. Many channels and filters with
  -- 3 x 3 or 5 x 5 taps go Winograd's way.
  local shapes = {
    ["3 x 3"] = {{1, 6, 7}, {5, 1, 3, 3}},
    ["many channels"] = {{17, 5, 5}, {11, 17, 3, 3}},
    ["Winograd, 3 x 3"] = {{24, 7, 9}, {26, 24, 3, 3}, {padding = "same"}},
    ["Winograd, 3 x 3, valid"] = {{30, 8, 7}, {47, 30, 3, 3}},
    ["Winograd, 3 x 3, uneven padding"] = {{24, 5, 6}, {24, 24, 3, 3}, {padding = {0, 3, 2, 0}}},
    ["Winograd, 3 x 3, dilation"] = {{24, 17, 12}, {26, 24, 3, 3}, {dilation = {4, 3}, padding = {5, 3}}},
    ["Winograd, 5 x 5, dilation"] = {{24, 8, 8}, {22, 24, 5, 5}, {dilation = 2, padding = "same"}},
    ["Winograd, 5 x 5"] = {{16, 8, 8}, {21, 16, 5, 5}, {padding = "same"}},
    ["5 x 5, too few channels for Winograd"] = {{16, 7, 6}, {21, 16, 5, 5}, {padding = "same"}},
    ["Winograd, 5 x 5, valid"] = {{17, 9, 8}, {16, 17, 5, 5}},
    ["Winograd, 3 x 3, small tiles"] = {{24, 5, 6}, {26, 24, 3, 3}, {padding = "same"}},
    ["Winograd, 3 x 3, few channels"] = {{8, 9, 4}, {9, 8, 3, 3}, {padding = "same"}},
    ["Winograd, 3 x 3, many tiles"] = {{17, 26, 27}, {16, 17, 3, 3}, {padding = "same"}},
    ["Winograd, 5 x 5, many tiles"] = {{16, 19, 18}, {17, 16, 5, 5}, {padding = 2}},
    ["Winograd, stride 2"] = {{40, 12, 12}, {40, 40, 3, 3}, {stride = 2, padding = 1}},
    ["Winograd, stride 2, same"] = {{40, 12, 16}, {41, 40, 3, 3}, {stride = 2, padding = "same"}},
    ["Winograd, stride 2, groups"] = {{88, 12, 11}, {90, 44, 3, 3}, {stride = 2, padding = {2, 0, 1, 2}, groups = 2}},
    ["Winograd, groups"] = {{48, 6, 5}, {50, 24, 3, 3}, {groups = 2, padding = 1}},
    ["same"] = {{3, 7, 6}, {4, 3, 3, 3}, {padding = "same"}},
    ["same, 5 x 5"] = {{2, 6, 9}, {6, 2, 5, 5}, {padding = "same"}},
    ["uneven padding"] = {{2, 5, 5}, {3, 2, 3, 2}, {padding = {2, 0, 1, 3}}},
    ["padding beyond the kernel"] = {{2, 4, 4}, {3, 2, 2, 2}, {padding = 3}},
    ["stride 2"] = {{3, 9, 8}, {7, 3, 3, 3}, {stride = 2, padding = "same"}},
    ["stride 2 and 3"] = {{2, 9, 11}, {3, 2, 4, 5}, {stride = {2, 3}, padding = 1}},
    ["stride beyond the kernel"] = {{2, 7, 8}, {3, 2, 1, 2}, {stride = 3}},
    ["1 x 1, stride 2"] = {{6, 7, 7}, {9, 6, 1, 1}, {stride = 2}},
    ["1 x 1"] = {{6, 3, 3}, {16, 6, 1, 1}},
    ["1 x 1, groups"] = {{6, 3, 5}, {9, 2, 1, 1}, {groups = 3}},
    ["dilation"] = {{2, 9, 9}, {3, 2, 3, 3}, {dilation = {2, 3}, padding = 2}},
    ["dilation and stride"] = {{2, 9, 9}, {3, 2, 3, 3}, {dilation = 2, stride = 2}},
    ["groups"] = {{6, 5, 6}, {9, 2, 3, 3}, {groups = 3, padding = "same"}},
    ["depthwise"] = {{5, 6, 6}, {5, 1, 3, 3}, {groups = 5, padding = 1}},
    ["one filter"] = {{5, 6, 8}, {1, 5, 3, 3}, {padding = 1}},
    ["depthwise, valid"] = {{3, 4, 9}, {3, 1, 3, 3}, {groups = 3}},
    ["depthwise, wide padding"] = {{3, 5, 11}, {3, 1, 3, 3}, {groups = 3, padding = {2, 0, 1, 0}}},
    ["depthwise, padding beyond a pixel"] = {{3, 5, 7}, {3, 1, 3, 3}, {groups = 3, padding = 2}},
    ["depthwise, narrow"] = {{3, 5, 2}, {3, 1, 3, 3}, {groups = 3, padding = 1}},
    ["depthwise, stride 2"] = {{3, 9, 14}, {3, 1, 3, 3}, {groups = 3, padding = 1, stride = {2, 1}}},
    ["7 x 7, stride 2"] = {{2, 12, 12}, {6, 2, 7, 7}, {stride = 2, padding = 3}},
    ["vectors of filters, stride 2"] = {{9, 9, 8}, {16, 9, 3, 3}, {stride = 2, padding = 1}},
    ["vectors of filters, stride 2 and 3"] = {{7, 9, 11}, {31, 7, 4, 5}, {stride = {2, 3}, padding = {1, 2, 3, 1}}},
    ["vectors of filters, small image"] = {{20, 5, 5}, {36, 20, 5, 5}, {padding = 2}},
    ["vectors of filters, padding beyond the kernel"] = {{8, 3, 2}, {16, 8, 2, 2}, {padding = 3}},
    ["vectors of filters, groups"] = {{16, 9, 7}, {22, 8, 2, 3}, {groups = 2, padding = 1}},
    ["vectors of filters, dilation"] = {{14, 9, 9}, {14, 14, 2, 2}, {dilation = {2, 3}, padding = 2}},
    ["vectors of channels"] = {{15, 5, 9}, {50, 15, 1, 1}},
    ["vectors of channels, groups"] = {{32, 3, 4}, {66, 16, 1, 1}, {groups = 2}},
    ["as large as the image"] = {{3, 4, 5}, {6, 3, 4, 5}},
    ["one pixel"] = {{3, 1, 1}, {6, 3, 1, 1}},
  }
  local function far(filters) return (fnn.arange(filters) % 2 * 200 - 100):reshape {-1, 1, 1} end -- from relu's bend
  -- {f(x, weight, bias, settings), numbers of images}: each with vectors of eight images and of sixteen
  local convolutions = {
    {F.conv2d, {5, 33}},
    {F.conv2d_relu, {8, 19}},
    {function(x, weight, bias, settings)
      local addend = F.conv2d(x, weight, settings) + far(#weight)
      return F.conv2d_relu(x, weight, bias, addend, settings)
    end, {5, 16, 33}},
  }
  for name, case in pairs(shapes) do
    it("convolution, " .. name, function()
      for _, convolution in ipairs(convolutions) do
        local f, numbers = table.unpack(convolution)
        for _, n in ipairs(numbers) do
          check({n, table.unpack(case[1])}, {case[2], {case[2][1]}}, function(x, weight, bias)
            return f(x, weight, bias, case[3] or {})
          end)
        end
      end
    end)
  end

  -- The largest of four may be another where sums are rounded in another way; so seldom that this seed shows none.
  for name, case in pairs(shapes) do
    it("convolution with a pool, " .. name, function()
      fnn.manual_seed(8)
      for _, n in ipairs {5, 33} do
        local x, weight = fnn.randn(n, table.unpack(case[1])):requires_grad_(), fnn.randn(case[2]):requires_grad_()
        local bias, settings = fnn.randn(case[2][1]):requires_grad_(), case[3] or {}
        local weights
        local function run(f)
          x.grad, weight.grad, bias.grad = nil, nil, nil
          local y = f()
          weights = weights or fnn.randn(y.shape)
          y:backward(weights)
          return {y:detach(), x.grad, weight.grad, bias.grad}
        end
        local function pooled() return core.ops.conv2d_relu_max_pool(x, weight, bias, settings) end
        local relu = F.conv2d_relu(x, weight, bias, settings)
        if relu:size(3) < 2 or relu:size(4) < 2 then return end
        local want = run(function() return F.max_pool2d(F.conv2d_relu(x, weight, bias, settings), 2) end)
        for i, got in ipairs(run(pooled)) do assert_near(want[i], got, n .. " images, " .. i) end
        assert_near(want[1], fnn.no_grad(pooled), n .. " images, without gradients")
      end
    end)
  end

  for name, case in pairs(shapes) do
    it("weights have the same gradient where nobody wants the input's, " .. name, function()
      for _, op in ipairs {"conv2d_relu", "conv2d_relu_max_pool"} do
        for _, n in ipairs {5, 33} do
          local x, weight = fnn.randn(n, table.unpack(case[1])), fnn.randn(case[2]):requires_grad_()
          local bias, weights = fnn.randn(case[2][1]):requires_grad_(), nil
          local function run(wanted)
            weight.grad, bias.grad = nil, nil
            x.requires_grad = wanted
            local y = core.ops[op](x, weight, bias, case[3] or {})
            weights = weights or fnn.randn(y.shape)
            y:backward(weights)
            return {weight.grad, bias.grad}
          end
          local sums = F.conv2d(x, weight, case[3] or {})
          if op == "conv2d_relu_max_pool" and (sums:size(3) < 2 or sums:size(4) < 2) then return end
          local want = run(true)
          for i, got in ipairs(run(false)) do assert_near(want[i], got, ("%s, %d images, %d"):format(op, n, i)) end
        end
      end
    end)
  end

  it("a convolution with a pool has the bits of the two in mixed precision", function()
    for _, case in ipairs {{{24, 8, 6}, {26, 24, 3, 3}}, {{32, 6, 10}, {16, 32, 5, 5}}, {{17, 4, 4}, {35, 17, 3, 3}}} do
      for _, n in ipairs {16, 33} do
        local x, weight = fnn.randn(n, table.unpack(case[1])):requires_grad_(), fnn.randn(case[2]):requires_grad_()
        local settings = {padding = "same", precision = "bf16"}
        local function run(y)
          x.grad, weight.grad = nil, nil
          y:square():sum():backward()
          return {y:tobytes(), x.grad:tobytes(), weight.grad:tobytes()}
        end
        local want = run(F.max_pool2d(F.conv2d_relu(x, weight, settings), 2))
        assert.same(want, run(core.ops.conv2d_relu_max_pool(x, weight, settings)))
      end
    end
  end)

  it("a convolution with a pool: NaN stays, and has no gradient", function()
    for _, n in ipairs {1, 5, 16} do
      local x = fnn.ones(n, 1, 4, 4)
      x:select(1, n):select(2, 2):fill_(0 / 0) -- the second row, of the first two windows
      x.requires_grad = true
      local y = core.ops.conv2d_relu_max_pool(x, fnn.ones(9, 1, 1, 1))
      y:sum():backward()
      assert.are.equal(2 * 9, y:isnan():sum():item())
      assert.is_true(y[n][9][1][2] ~= y[n][9][1][2])
      assert.are.equal(9 * (4 * n - 2), x.grad:sum():item())
    end
  end)

  it("what a convolution adds to a gradient is what it is alone", function()
    local function gradient_of(x, f)
      x.grad = nil
      f(F.conv2d(x, fnn.ones(x.shape[2], 1, 1, 1), {groups = x.shape[2]})):backward()
      return x.grad
    end
    for name, case in pairs(shapes) do
      for _, precision in ipairs {"float32", "bf16"} do
        local settings = {precision = precision}
        for key, value in pairs(case[3] or {}) do settings[key] = value end
        local x, weight = fnn.randn(19, table.unpack(case[1])):requires_grad_(), fnn.randn(case[2])
        local bias = fnn.randn(case[2][1])
        local weights = fnn.randn(F.conv2d(x, weight, settings).shape)
        local function convolved(h) return (F.conv2d(h, weight, bias, settings) * weights):sum() end
        local function scaled(h) return (F.relu(h) * 0.7):sum() end
        local want = gradient_of(x, convolved) + gradient_of(x, scaled)
        local got = gradient_of(x, function(h) return convolved(h) + scaled(h) end)
        assert.equal(0, (want - got):abs():max():item(), name .. ", " .. precision)
      end
    end
  end)

  -- {input, weight (channels, filters / groups, rows, columns), settings}
  local transposed = {
    ["3 x 3"] = {{3, 5, 6}, {3, 4, 3, 3}},
    ["stride 2"] = {{3, 5, 6}, {3, 4, 3, 3}, {stride = 2, padding = 1, output_padding = 1}},
    ["4 x 4, stride 2"] = {{5, 4, 3}, {5, 6, 4, 4}, {stride = 2, padding = 1}},
    ["same"] = {{2, 4, 5}, {2, 3, 3, 3}, {stride = {2, 3}, padding = "same"}},
    ["stride beyond the kernel"] = {{2, 4, 3}, {2, 3, 2, 1}, {stride = 3, output_padding = {2, 0}}},
    ["1 x 1"] = {{6, 3, 5}, {6, 7, 1, 1}},
    ["dilation"] = {{2, 5, 4}, {2, 3, 3, 2}, {dilation = {2, 3}, padding = {1, 0, 2, 1}}},
    ["dilation and stride"] = {{2, 4, 4}, {2, 3, 3, 3}, {dilation = 2, stride = 2}},
    ["groups"] = {{6, 4, 5}, {6, 2, 3, 3}, {groups = 3, stride = 2, padding = 1}},
    ["depthwise"] = {{5, 4, 4}, {5, 1, 4, 4}, {groups = 5, stride = 2, padding = 1}},
    ["Winograd"] = {{24, 7, 6}, {24, 26, 3, 3}, {padding = 1}},
    ["Winograd, stride 2"] = {{41, 8, 10}, {41, 40, 3, 3}, {stride = 2, padding = 1, output_padding = 1}},
    ["Winograd, stride 2, same"] = {{40, 8, 8}, {40, 41, 3, 3}, {stride = 2, padding = "same"}},
    ["as large as the image"] = {{3, 4, 5}, {3, 2, 4, 5}, {padding = {2, 1, 0, 3}}},
  }
  for name, case in pairs(transposed) do
    it("transposed convolution, " .. name, function()
      for _, n in ipairs(batches) do
        local filters = case[2][2] * ((case[3] or {}).groups or 1)
        check({n, table.unpack(case[1])}, {case[2], {filters}}, function(x, weight, bias)
          return F.conv_transpose2d(x, weight, bias, case[3] or {})
        end)
      end
    end)
  end

  it("images without pixels have a gradient without pixels, and give none to weights", function()
    local x = fnn.zeros(16, 64, 0, 20):requires_grad_()
    local w, b = fnn.randn(64, 64, 3, 3):requires_grad_(), fnn.zeros(64):requires_grad_()
    for stride = 1, 2 do
      x.grad, w.grad, b.grad = nil, nil, nil
      local y = F.conv2d(x, w, b, {stride = stride, padding = 8})
      y:sum():backward()
      assert.are.same(x.shape, x.grad.shape)
      assert.are.equal(0, w.grad:abs():max():item())
      assert.are.equal(y:numel() / 64, b.grad[1])
    end
  end)

  it("convolution with a window or padding out of all proportion is refused or done, one way or another", function()
    for _, n in ipairs {1, 16} do
      local x, w = fnn.rand(n, 1, 2, 2), fnn.rand(1, 1, 2, 2)
      for _, settings in ipairs {
        {padding = 1 << 31}, {padding = 1 << 40, dilation = 1 << 40}, {padding = {0, 1 << 45, 0, 0}},
        {padding = 1 << 30, dilation = (1 << 31) - 3}, {padding = 1 << 20, stride = 1 << 20}, {padding = 1 << 61},
        {stride = 1 << 61},
      } do
        local ok, message = pcall(F.conv2d, x, w, nil, settings)
        assert(ok or message:find("conv2d", 1, true) or message:find("out of memory", 1, true), message)
      end
      check({n, 1, 3, 2}, {{2, 1, 2, 2}}, function(x_, weight)
        return F.conv2d(x_, weight, {padding = 2000, stride = 1999, dilation = 40})
      end)
      check({n, 1, 4, 4}, {{2, 1, 2, 2}}, function(x_, weight) return F.conv2d(x_, weight, {stride = 1 << 61}) end)
    end
  end)

  it("convolution of tiny images of many blocks", function()
    check({100, 6, 5, 5}, {{10, 6, 5, 5}, {10}}, function(x, weight, bias)
      return F.conv2d_relu(x, weight, bias, F.conv2d(x, weight, bias, {padding = 2}) + 1, {padding = 2})
    end)
    check({100, 4, 4, 3}, {{6, 2, 3, 3}}, function(x, weight)
      return F.conv2d(x, weight, {padding = 1, stride = 2, groups = 2})
    end)
  end)

  it("convolution without a bias", function()
    check({19, 3, 5, 5}, {{4, 3, 3, 3}}, function(x, weight) return F.conv2d_relu(x, weight) end)
  end)

  it("the mean of a large window loses nothing", function()
    local x = fnn.full({16, 1, 300, 300}, 0.1)
    local y = F.avg_pool2d(F.conv2d(x, fnn.ones(1, 1, 1, 1)), 300)
    assert_near(fnn.full({16, 1, 1, 1}, 0.1), y, "mean")
    assert((y - 0.1):abs():max():item() < 1e-7, "of pixels that are all alike")
    x[1][1][1][2], x[2][1][3][3] = math.huge, -math.huge
    local z = F.avg_pool2d(F.conv2d(x, fnn.ones(1, 1, 1, 1)), 300):flatten()
    assert.are.same({math.huge, -math.huge}, z:narrow(1, 1, 2):totable())
    local huge = F.avg_pool2d(F.conv2d(fnn.full({16, 1, 2, 2}, -3e38), fnn.ones(1, 1, 1, 1)), 2)
    assert.are.equal(-math.huge, huge[1][1][1][1], "of a sum that is too large")
  end)

  -- An op after a convolution finds its input in lanes.
  local function after(op)
    return function(x, weight, ...) return op(F.conv2d(x, weight, {padding = "same"}), ...) end
  end

  local ops = {
    ["max_pool2d 2"] = {after(function(y) return F.max_pool2d(y, 2) end)},
    ["max_pool2d 3, stride 2"] = {after(function(y) return F.max_pool2d(y, 3, {stride = 2, padding = "same"}) end)},
    ["max_pool2d with dilation"] = {after(function(y) return F.max_pool2d(y, 2, {dilation = 2, stride = 1}) end)},
    ["max_pool2d with one tap and any dilation"] = {
      after(function(y) return F.max_pool2d(y, 1, {dilation = math.maxinteger, stride = 2}) end),
    },
    ["avg_pool2d"] = {after(function(y) return F.avg_pool2d(y, 3, {stride = 2, padding = 1}) end)},
    ["avg_pool2d with padding"] = {
      after(function(y) return F.avg_pool2d(y, {2, 3}, {padding = 1, count_padding = true}) end),
    },
    ["adaptive_avg_pool2d"] = {after(function(y) return F.adaptive_avg_pool2d(y, {3, 4}) end)},
    ["adaptive_avg_pool2d to more pixels"] = {after(function(y) return F.adaptive_avg_pool2d(y, 9) end)},
    ["upsample2d"] = {after(function(y) return F.upsample2d(y, {2, 3}) end)},
    ["batch normalization by given statistics"] = {
      after(function(y, mean, weight, bias)
        return core.ops.batch_norm_apply(y, mean, mean * mean + 0.5, weight, bias)
      end), {4}, {4}, {4},
    },
    ["the same, added to and cut off"] = {
      after(function(y, mean, weight, bias)
        return core.ops.batch_norm_relu_apply(y, mean, mean * mean + 0.5, weight, bias, y * 2 - 1)
      end), {4}, {4}, {4},
    },
    ["group normalization"] = {
      after(function(y, weight, bias) return F.group_norm(y, 2, weight, bias) end), {4}, {4},
    },
    ["group normalization without weights"] = {after(function(y) return F.group_norm(y, 4) end)},
    ["group normalization of means"] = {after(function(y) return F.group_norm(y:mean {3, 4}, 1) end)},
    ["functions of one tensor"] = {after(function(y) return y:tanh() * 2 - (1 / (y * y + 1)) end)},
    ["what keeps no zero"] = {after(function(y) return (y:exp() + 3):log() end)},
    ["residual addition"] = {after(function(y) return (y + y:relu()) * y end)},
    ["a number that has a gradient"] = {after(function(y, b) return y * b:sum() + b:mean() end), {3}},
    ["numbers of rows"] = {after(function(y, b) return y * b end), {7, 1}},
    ["numbers of channels"] = {
      after(function(y, s, t, u)
        return s * y + (t - y) / (t * t + 2) - y:maximum(s) + (y - u):tanh() + (s * s + 1) ^ (y / 50) + u * (y + t)
      end), {4, 1, 1}, {1, 4, 1, 1}, {1},
    },
    ["numbers of channels that are apart"] = {
      after(function(y, rows) return y * rows:narrow(2, 2, 1):unsqueeze(3) - rows:t()[3]:reshape {4, 1, 1} end), {4, 3},
    },
    ["flatten and linear"] = {
      after(function(y, weight) return F.linear(y:flatten(2), weight) end), {3, 4 * 7 * 6},
    },
    ["mean over pixels"] = {after(function(y) return y:mean({3, 4}) end)},
    ["views"] = {after(function(y) return y:narrow(3, 2, 4):permute(1, 3, 2, 4) end)},
    ["rows that come back"] = {
      after(function(y, weight) return F.conv2d(y:flip(3), weight, {padding = 1}) end), {2, 4, 3, 3},
    },
    ["cat"] = {after(function(y) return fnn.cat({y, y:relu()}, 2) end)},
    ["cat of rows, and of columns"] = {
      after(function(y) return fnn.cat({fnn.cat({y, y * y}, 3), fnn.cat({y * 2, y}, 3)}, 4) end),
    },
    ["cat of images"] = {after(function(y) return fnn.cat({y, y:relu()}, 1):narrow(1, #y + 1, #y) end)},
    ["cat with what has rows"] = {
      after(function(y, b) return fnn.cat({y, b:expand(#y, -1, 7, 6)}, 2) end), {1, 2, 1, 1},
    },
    ["cat of many"] = {
      after(function(y)
        local list = {}
        for i = 1, 40 do list[i] = y * i end
        return fnn.cat(list, 2)
      end),
    },
  }
  for name, case in pairs(ops) do
    it(name, function()
      for _, n in ipairs(batches) do
        check({n, 3, 7, 6}, {{4, 3, 3, 3}, table.unpack(case, 2)}, case[1])
      end
    end)
  end

  it("numbers of planes beside planes of one part and of several", function()
    local squeezed = after(function(y, weight)
      local s = F.linear(F.global_avg_pool2d(y), weight):sigmoid():reshape(-1, 4, 1, 1)
      return y * s
    end)
    local each_op = after(function(y)
      local s = y:sum({3, 4}, true)
      return s * y + (s - y) / (s * s + 2) - y:maximum(s) + (y - s):tanh() + (s * s + 1) ^ (y / 50) + s
    end)
    for _, n in ipairs(batches) do
      for _, size in ipairs {{7, 6}, {13, 11}} do
        check({n, 3, table.unpack(size)}, {{4, 3, 3, 3}, {4, 4}}, squeezed)
        check({n, 3, table.unpack(size)}, {{4, 3, 3, 3}}, each_op)
      end
    end
  end)

  local normalizations = {
    ["batch normalization"] = core.ops.batch_norm_train,
    ["batch normalization and a pool"] = core.ops.batch_norm_max_pool_train,
    ["batch normalization, relu and a pool"] = function(y, weight, bias)
      return core.ops.batch_norm_max_pool_train(y, weight, bias, {relu = true})
    end,
  }
  local function check_normalization(normalize)
    for _, n in ipairs(batches) do
      fnn.manual_seed(2)
      local x, w = fnn.randn(n, 2, 5, 4), fnn.randn(3, 2, 3, 3)
      local weight, bias = fnn.randn(3):requires_grad_(), fnn.randn(3):requires_grad_()
      local g
      local function run(lay_out)
        local y = lay_out(F.conv2d(x, w, {padding = 1})):requires_grad_()
        local z, mean, variance = normalize(y, weight, bias)
        g = g or fnn.randn(z.shape)
        z:backward(g)
        local all = {z:detach(), mean, variance, y.grad, weight.grad, bias.grad}
        weight.grad, bias.grad = nil, nil
        return all
      end
      local laned = run(function(y) return y end)
      local dense = run(function(y) return y:detach() end)
      for i in ipairs(dense) do assert_near(dense[i], laned[i], "number " .. i) end
    end
  end
  for name, normalize in pairs(normalizations) do
    it(name .. " by the batch, with dense tensors as the measure", function() check_normalization(normalize) end)
  end

  it("dropout drops the same elements as in dense tensors", function()
    for _, n in ipairs {16, 19, 33} do
      for _, width in ipairs {6, 7} do -- of 5 * width elements four or fewer share a counter
        local y = fnn.no_grad(F.conv2d, fnn.rand(n, 1, 4, width) + 1, fnn.full({5, 1, 1, 1}, 1))
        fnn.manual_seed(7)
        local laned = F.dropout(y, 0.4)
        fnn.manual_seed(7)
        assert.is_true(laned:equal(F.dropout(y:clone():detach(), 0.4)))
      end
    end
  end)

  it("elements are where they belong for whoever looks", function()
    local x = fnn.arange(1.0, 16 * 6 + 1):reshape {16, 1, 2, 3}
    local function images() return fnn.no_grad(F.conv2d, x, fnn.full({1, 1, 1, 1}, 1)) end
    assert.are.equal(20, images()[4][1][1][2])
    assert.are.same(x:totable(), images():totable())
    assert.are.equal(x:tobytes(), images():tobytes())
    assert.are.equal(tostring(x), tostring(images()))
    assert.is_true(images():equal(x))
    assert.is_true(images():is_contiguous())
    assert.are.equal(96, images():max():item())
    local y = images()
    y[2] = 0
    assert.are.equal(0, y[2]:abs():max():item())
    y:fill_(3)
    assert.are.equal(3 * 96, y:sum():item())
    local target = fnn.zeros(16, 1, 2, 3)
    target:copy_(images())
    assert.is_true(target:equal(x))
    assert.is_true(images():add_(1):equal(x + 1))
    local z = images()
    local view = z:reshape {96}
    view[1] = -5
    assert.are.equal(-5, z[1][1][1][1])
    local w = images()
    local other = w:detach()
    other:fill_(0)
    assert.are.equal(0, w:abs():max():item())
  end)

  -- Of one image and of four, which have their channels in lanes, with channels that fill no vector.
  local function few(images, channels)
    local x = fnn.arange(1.0, images * channels * 6 + 1):reshape {images, channels, 2, 3}
    local identity = fnn.zeros(channels, channels, 1, 1)
    for c = 1, channels do identity[c][c] = 1 end
    return x, function() return fnn.no_grad(F.conv2d, x, identity) end
  end

  it("channels are where they belong for whoever looks", function()
    for _, channels in ipairs {8, 16, 19} do
      for images = 1, 4 do
        local x, laned = few(images, channels)
        assert.are.equal(x[images][channels][2][1], laned()[images][channels][2][1])
        assert.are.same(x:totable(), laned():totable())
        assert.are.equal(x:tobytes(), laned():tobytes())
        assert.is_true(laned():equal(x))
        assert.are.equal(x:sum():item(), laned():sum():item())
        assert.is_true(laned():reshape({-1}):equal(x:reshape {-1}))
        assert.is_true(laned():add_(1):equal(x + 1))
        local y = laned()
        y[1][2] = 0
        assert.are.equal(0, y[1][2]:abs():max():item())
        local target = fnn.zeros(x.shape)
        target:copy_(laned())
        assert.is_true(target:equal(x))
        local together = fnn.no_grad(F.conv2d, fnn.cat({laned(), x}, 2), fnn.full({8, 2 * channels, 1, 1}, 1))
        assert.are.equal(2 * x[1]:sum(1)[2][3], together[1][8][2][3])
      end
    end
  end)

  it("what is done to channels in lanes is done to the same elements", function()
    for images = 1, 4 do
      local x, laned = few(images, 19)
      local y = laned()
      local identity = fnn.rand(19, 19, 3, 3)
      local function both(name, f) assert_near(f(x), f(laned()), name) end
      both("relu", function(t) return (t - 50):relu() end)
      both("sum", function(t) return t + t end)
      both("sum with rows", function(t) return x + t end)
      both("with a number", function(t) return 3 - t end)
      both("by channels", function(t) return t * fnn.arange(1.0, 20):reshape {19, 1, 1} end)
      both("max_pool2d", function(t) return F.max_pool2d(t, 2) end)
      both("avg_pool2d", function(t) return F.avg_pool2d(t, {2, 3}) end)
      both("mean", function(t) return t:mean {3, 4} end)
      both("conv2d", function(t) return F.conv2d(t, identity, {padding = 1}) end)
      both("conv2d_relu", function(t) return F.conv2d_relu(t, identity, nil, t, {padding = 1}) end)
      both("conv2d of groups", function(t) return F.conv2d(t, identity:narrow(2, 1, 1), {groups = 19, padding = 1}) end)
      both("softmax", function(t) return F.softmax(t / 100, 2) end)
      local batch_norm = fnn.nn.BatchNorm2d {}
      batch_norm(x)
      both("batch_norm", function(t) return batch_norm:eval()(t) end)
      fnn.manual_seed(6)
      local dropped = F.dropout(x, 0.5)
      fnn.manual_seed(6)
      assert.is_true(dropped:equal(F.dropout(y, 0.5)))
    end
  end)

  it("an addend of another shape is refused, whatever lies in lanes", function()
    for _, images in ipairs {1, 16} do
      local x, weight = fnn.rand(images, 8, 5, 5), fnn.rand(8, 8, 3, 3)
      for _, shape in ipairs {{5}, {images, 8}, {images, 9, 3, 3}, {1, 1, 1, 1, 1}} do
        local ok, message = pcall(F.conv2d_relu, x, weight, nil, fnn.rand(shape))
        assert.is_false(ok)
        assert.is_truthy(message:find("conv2d_relu: addend: expected", 1, true), message)
      end
    end
  end)

  it("gradients go through what channels in lanes were made of", function()
    local x, laned = few(2, 9)
    local weight = fnn.rand(9, 9, 3, 3)
    local function gradients(t)
      local leaf, w = t:requires_grad_(), weight:clone():requires_grad_()
      F.max_pool2d(F.conv2d_relu(leaf * leaf, w, nil, leaf, {padding = 1}), 2):sum():backward()
      return leaf.grad, w.grad
    end
    local dx, dw = gradients(x:clone())
    local laned_dx, laned_dw = gradients(laned())
    assert_near(dx, laned_dx, "input")
    assert_near(dw, laned_dw, "weight")
  end)

  it("a gradient may come in lanes to a leaf, an optimizer and a custom op", function()
    local x = fnn.no_grad(F.conv2d, fnn.rand(16, 1, 3, 3), fnn.full({1, 1, 1, 1}, 1)):requires_grad_()
    local y = F.conv2d(x, fnn.full({1, 1, 1, 1}, 2))
    y:backward(fnn.full({16, 1, 3, 3}, 1), {retain_graph = true})
    y:backward(fnn.full({16, 1, 3, 3}, 1))
    assert.are.equal(4, x.grad:mean():item())
    local before = x:detach():clone()
    fnn.optim.SGD {parameters = {x}, lr = 0.5}:step()
    assert_near(before - 2, x:detach(), "step")
    local double = fnn.custom({
      forward = function(_, t) return t * 2 end,
      backward = function(_, grad) return grad * 2 end,
    })
    x.grad = nil
    F.conv2d(double(x), fnn.full({1, 1, 1, 1}, 3)):sum():backward()
    assert.are.equal(6, x.grad:mean():item())
  end)

  for name, case in pairs(shapes) do
    it("convolution has the same bits with any number of threads, " .. name, function()
      local threads = core.threads()
      finally(function() core.set_threads(threads) end)
      local function run(n)
        fnn.manual_seed(5)
        local x, weight = fnn.randn(n, table.unpack(case[1])):requires_grad_(), fnn.randn(case[2]):requires_grad_()
        local y = F.conv2d_relu(x, weight, case[3] or {})
        y:backward(fnn.randn(y.shape))
        local bits = y:tobytes() .. x.grad:tobytes() .. weight.grad:tobytes()
        if y:size(3) < 2 or y:size(4) < 2 then return bits end
        weight.grad = nil
        local z = core.ops.conv2d_relu_max_pool(x:detach(), weight, case[3] or {})
        z:backward(fnn.randn(z.shape))
        return bits .. z:tobytes() .. weight.grad:tobytes()
      end
      for _, n in ipairs {3, 8, 33} do
        core.set_threads(1)
        local want = run(n)
        for count = 2, 3 do
          core.set_threads(count)
          assert(run(n) == want, ("%d images, %d threads"):format(n, count))
        end
      end
    end)
  end

  it("gives the same bits with any number of threads", function()
    local function run(n)
      fnn.manual_seed(3)
      local x = fnn.randn(n, 3, 9, 9)
      local w = fnn.randn(9, 3, 3, 3):requires_grad_()
      local u = fnn.randn(8, 9, 3, 3):requires_grad_()
      local v = fnn.randn(5, 8, 3, 3):requires_grad_()
      local y = F.max_pool2d(F.conv2d(F.conv2d_relu(x, w, {padding = "same"}), u, {padding = "same"}), 2)
      local z = F.conv2d(F.dropout(core.ops.batch_norm_train(y), 0.3), v, {stride = 2, padding = 1})
      if not z.requires_grad then return z:tobytes() end
      z:square():sum():backward()
      return z:tobytes() .. w.grad:tobytes() .. u.grad:tobytes() .. v.grad:tobytes()
    end
    local threads = core.threads()
    finally(function() core.set_threads(threads) end)
    local function forward(n) return fnn.no_grad(run, n) end
    for _, n in ipairs {1, 3, 8, 16, 40} do
      core.set_threads(1)
      local want, wanted = run(n), forward(n)
      for count = 2, 3 do
        core.set_threads(count)
        assert(run(n) == want, ("%d images, %d threads"):format(n, count))
        assert(forward(n) == wanted, ("%d images, %d threads, no gradients"):format(n, count))
      end
    end
  end)

  local function leaks_nothing(images, backward)
    fnn.manual_seed(4)
    local x = fnn.randn(images, 8, 5, 5):requires_grad_(backward)
    local w = fnn.randn(8, 8, 3, 3):requires_grad_(backward)
    local strided = fnn.randn(8, 8, 3, 3)
    local function step(keep)
      local function hold(tensor)
        keep[#keep + 1] = tensor
        return tensor
      end
      local first = hold(F.conv2d(x, w, {padding = 1}))
      local second = hold(F.conv2d_relu(first, w, nil, first, {padding = 1}))
      local y = hold(F.conv2d_relu(second, strided, {stride = 2, padding = 1}))
      local sum = hold(hold(F.max_pool2d(hold(y + y), 2)):sum())
      if backward then sum:backward() end
      hold(y:flatten(2))
    end
    local warm = {}
    step(warm) -- weights keep what kernels make of them
    x.grad, w.grad = nil, nil
    for _, tensor in ipairs(warm) do tensor:close() end
    collectgarbage()
    local used, n = core.memory().used, 0
    repeat
      n = n + 1
      local keep = {}
      core.fail_allocation(n)
      local ok, message = pcall(step, keep)
      core.fail_allocation(0)
      x.grad, w.grad = nil, nil
      for _, tensor in ipairs(keep) do tensor:close() end
      collectgarbage()
      assert.are.equal(used, core.memory().used, "after failure " .. n)
      if not ok then assert.is_truthy(message:find("out of memory", 1, true)) end
    until ok
    assert(n > 20, "all allocations failed in turn")
  end

  it("nothing leaks when the nth allocation fails", function()
    for _, images in ipairs {1, 18} do
      leaks_nothing(images, true)
      leaks_nothing(images, false)
    end
  end)

  local function sees_changes(images, channels, filters)
    local x = fnn.rand(images, channels, 7, 7)
    local both = fnn.randn(2, filters, channels, 3, 3) -- two sets of weights in one storage
    local first, second = both:select(1, 1), both:select(1, 2)
    local function assert_fresh()
      for _, weight in ipairs {first, second} do
        for _, settings in ipairs {{}, {stride = 2}, {precision = "bf16"}, {stride = 2, precision = "bf16"}, {}} do
          assert_near(F.conv2d(x, weight:clone(), settings), F.conv2d(x, weight, settings), "result")
        end
      end
    end
    assert_fresh()
    first:mul_(2)
    assert_fresh()
    second[1] = 3
    assert_fresh()
    both:copy_(fnn.randn(both.shape))
    assert_fresh()
    local weight = fnn.randn(filters, channels, 3, 3):requires_grad_()
    local optimizer = fnn.optim.SGD {parameters = {weight}, lr = 1}
    fnn.no_grad(F.conv2d, x, weight)
    F.conv2d(x, weight):sum():backward()
    optimizer:step()
    assert_near(F.conv2d(x, weight:detach():clone()), fnn.no_grad(F.conv2d, x, weight), "after a step")
  end

  local function tells_apart(images, channels)
    local square, x = channels * channels, fnn.rand(images, channels, 12, 12)
    local storage, one = fnn.randn(square * 25), x:narrow(1, 1, 1)
    local five = storage:reshape {channels, channels, 5, 5}
    local three = storage:narrow(1, 1, square * 9):reshape {channels, channels, 3, 3}
    for _ = 1, 2 do
      assert_near(F.conv2d(x, five:clone()), F.conv2d(x, five), "5 x 5")
      assert_near(F.conv2d(x, three:clone()), F.conv2d(x, three), "3 x 3")
      assert_near(F.conv2d(one, three:clone()), F.conv2d(one, three), "3 x 3, one image")
    end
  end

  local function survives_failures(images)
    local x, n = fnn.rand(images, 8, 12, 12), 0
    repeat
      local weight = fnn.randn(8, 8, 3, 3)
      n = n + 1
      core.fail_allocation(n)
      local ok = pcall(F.conv2d, x, weight)
      core.fail_allocation(0)
      assert_near(F.conv2d(x, weight:clone()), F.conv2d(x, weight), "after failure " .. n)
    until ok
    assert(n > 3, "all allocations failed in turn")
  end

  it("weights that were prepared for one number of images serve any other", function()
    local weight = fnn.randn(32, 3, 3, 3)
    for _, stride in ipairs {1, 2} do
      for _, images in ipairs {16, 8, 4, 1, 8, 16} do
        local x = fnn.rand(images, 3, 9, 9)
        local want = F.conv2d(x, weight:clone(), {stride = stride})
        assert_near(want, F.conv2d(x, weight, {stride = stride}), ("%d images, stride %d"):format(images, stride))
      end
    end
  end)

  for _, images in ipairs {1, 8, 16, 40} do
    local who = ("convolutions of %d images "):format(images)
    it(who .. "see every change of their weights", function()
      sees_changes(images, 2, 3)
      sees_changes(images, 8, 9)
    end)
    it(who .. "tell the kernels of one storage apart", function()
      tells_apart(images, 8)
      tells_apart(images, 32)
    end)
    it(who .. "are right after memory was short", function() survives_failures(images) end)
  end
end)
