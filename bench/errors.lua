-- The errors of convolutions and of their weights' gradients against sums in double precision, relative to the largest
-- result: of a batch in lanes, where 3 x 3 and 5 x 5 kernels go Winograd's way (of those with a stride of 2 not the
-- gradient), and of single images, where sums are direct.
--
--   lua5.4 bench/errors.lua
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local fnn = require "fmnistnn"

local IMAGES = 32

local function convolve(x, weight, stride)
  return fnn.nn.functional.conv2d(x, weight, {padding = (weight:size(3) - 1) // 2, stride = stride})
end

-- Takes pairs of numbers, what came and what is exact; tells the largest error of all.
local function comparison()
  local largest, error_ = 0, 0
  return function(got, exact)
    largest, error_ = math.max(largest, math.abs(exact)), math.max(error_, math.abs(got - exact))
    return error_ / largest
  end
end

-- The sum for filter k at pixel (p, q) of image x, with zeros around it.
local function exact_result(x, weight, stride, k, p, q)
  local sum, padding = 0, (#weight[k][1] - 1) // 2
  local top, left = (p - 1) * stride - padding, (q - 1) * stride - padding
  for c, plane in ipairs(x) do
    for r, taps in ipairs(weight[k][c]) do
      local row = plane[top + r] or {}
      for s, tap in ipairs(taps) do sum = sum + tap * (row[left + s] or 0) end
    end
  end
  return sum
end

-- The sum over all images for the tap (r, s) of channel c and filter k.
local function exact_gradient(x, g, kernel, stride, k, c, r, s)
  local sum, padding = 0, (kernel - 1) // 2
  for n, image in ipairs(g) do
    for p, row in ipairs(image[k]) do
      local from = x[n][c][(p - 1) * stride - padding + r] or {}
      for q, slope in ipairs(row) do sum = sum + slope * (from[(q - 1) * stride - padding + s] or 0) end
    end
  end
  return sum
end

-- `together` images go in at a time.
local function forward_error(channels, filters, size, kernel, stride, together)
  local x, weight = fnn.randn(together, channels, size, size), fnn.randn(filters, channels, kernel, kernel)
  local y, compare = fnn.no_grad(convolve, x, weight, stride):totable()[1], comparison()
  local image, taps, worst = x:totable()[1], weight:totable(), 0
  for k = 1, filters do
    for p, row in ipairs(y[k]) do
      for q, got in ipairs(row) do worst = compare(got, exact_result(image, taps, stride, k, p, q)) end
    end
  end
  return worst
end

local function gradient_error(channels, filters, size, kernel, stride, together)
  local x, weight = fnn.randn(IMAGES, channels, size, size), fnn.randn(filters, channels, kernel, kernel)
  local g = fnn.randn(IMAGES, filters, (size - 1) // stride + 1, (size - 1) // stride + 1)
  weight.requires_grad = true
  for first = 1, IMAGES, together do
    convolve(x:narrow(1, first, together):clone(), weight, stride):backward(g:narrow(1, first, together):clone())
  end
  local got, compare, worst = weight.grad:totable(), comparison(), 0
  x, g = x:totable(), g:totable()
  for k = 1, 4 do -- of all alike
    for c = 1, channels do
      for r = 1, kernel do
        for s = 1, kernel do worst = compare(got[k][c][r][s], exact_gradient(x, g, kernel, stride, k, c, r, s)) end
      end
    end
  end
  return worst
end

fnn.manual_seed(1)
print("channels, filters              in lanes     direct  gradient, in lanes     direct")
for _, shape in ipairs {
  {32, 32, 14, 3, 1}, {64, 64, 7, 3, 1}, {32, 32, 14, 5, 1}, {64, 32, 14, 5, 1}, {64, 64, 28, 3, 2},
} do
  local channels, filters, size, kernel, stride = table.unpack(shape)
  local errors = {}
  for _, error_of in ipairs {forward_error, gradient_error} do
    for _, together in ipairs {IMAGES, 1} do
      errors[#errors + 1] = error_of(channels, filters, size, kernel, stride, together)
    end
  end
  local name = ("%d, %d, %dx%d at %d"):format(channels, filters, kernel, kernel, size)
  if stride > 1 then name = name .. "/" .. stride end
  print(("%-28s %10.1e %10.1e  %18.1e %10.1e"):format(name, table.unpack(errors)))
end
