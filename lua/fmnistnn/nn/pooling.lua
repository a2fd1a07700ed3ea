--- Pooling of x (N,C,H,W):
--
--   nn.MaxPool2d{2}            the largest of each window; nn.AvgPool2d{2} the mean (of the pixels inside the image)
--     stride: the kernel unless given; padding "valid"; AvgPool2d: count_padding false
--   nn.AdaptiveAvgPool2d{7}    the means of 7 x 7 nearly equal parts
--   nn.GlobalAvgPool2d{}, nn.GlobalMaxPool2d{}   over the whole image: (N,C)
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local pooling = {}

local window = {
  {"kernel", "pair"},
  {"stride", "pair", optional = true},
  {"padding", "padding", default = "valid"},
}
local average_window = {window[1], window[2], window[3], {"count_padding", "boolean", default = false}}

local function layer(name, spec, forward)
  local Layer = Module:extend(name)
  Layer.fresh = true
  function Layer:init(given)
    self._options = options.check(name, given, spec)
  end
  Layer.forward = forward
  pooling[name] = Layer
end

layer("MaxPool2d", window, function(self, x)
  local o = self._options
  return F.max_pool2d(x, o.kernel, {stride = o.stride, padding = o.padding})
end)

local function is_two(pair) return pair == 2 or type(pair) == "table" and pair[1] == 2 and pair[2] == 2 end

function pooling.MaxPool2d:_is_two_by_two()
  local o = self._options
  return is_two(o.kernel) and (o.stride == nil or is_two(o.stride)) and (o.padding == "valid" or o.padding == 0) and
    self:_runs_as(pooling.MaxPool2d)
end

layer("AvgPool2d", average_window, function(self, x)
  local o = self._options
  return F.avg_pool2d(x, o.kernel, {stride = o.stride, padding = o.padding, count_padding = o.count_padding})
end)

layer("AdaptiveAvgPool2d", {{"size", "pair"}}, function(self, x)
  return F.adaptive_avg_pool2d(x, self._options.size)
end)

layer("GlobalAvgPool2d", {}, function(_, x) return F.global_avg_pool2d(x) end)

layer("GlobalMaxPool2d", {}, function(_, x) return F.global_max_pool2d(x) end)

return pooling
