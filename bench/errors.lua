-- The errors of convolutions against sums in double precision, relative to the largest result: of a batch in lanes,
-- where 3 x 3 and 5 x 5 kernels go Winograd's way, and of a single image, where sums are direct.
--
--   lua5.4 bench/errors.lua
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local fnn = require "fmnistnn"

-- The sum for filter k at pixel (p, q) of image x, with zeros around it.
local function exact(x, weight, k, p, q)
  local sum, padding = 0, (#weight[k][1] - 1) // 2
  for c, plane in ipairs(x) do
    for r, taps in ipairs(weight[k][c]) do
      local row = plane[p + r - 1 - padding] or {}
      for s, tap in ipairs(taps) do sum = sum + tap * (row[q + s - 1 - padding] or 0) end
    end
  end
  return sum
end

local function worst(channels, filters, size, kernel, images)
  local x, weight = fnn.randn(images, channels, size, size), fnn.randn(filters, channels, kernel, kernel)
  local y = fnn.no_grad(fnn.nn.functional.conv2d, x, weight, {padding = "same"}):totable()
  local image, taps = x:totable()[1], weight:totable()
  local largest, error_ = 0, 0
  for k = 1, filters do
    for p = 1, size do
      for q = 1, size do
        local want = exact(image, taps, k, p, q)
        largest, error_ = math.max(largest, math.abs(want)), math.max(error_, math.abs(y[1][k][p][q] - want))
      end
    end
  end
  return error_ / largest
end

fnn.manual_seed(1)
print(("%-24s %10s %10s"):format("channels, filters", "in lanes", "direct"))
for _, shape in ipairs {{32, 32, 14, 3}, {64, 64, 7, 3}, {32, 32, 14, 5}, {64, 32, 14, 5}} do
  local channels, filters, size, kernel = table.unpack(shape)
  print(("%d, %d, %dx%d at %-8d %10.1e %10.1e"):format(channels, filters, kernel, kernel, size,
    worst(channels, filters, size, kernel, 16), worst(channels, filters, size, kernel, 1)))
end
