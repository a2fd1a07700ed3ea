--- nn.ConvTranspose2d{filters, kernel = 3}: the transpose of a convolution, from x (N,C,H,W) to (N,filters,P,Q) with
-- P = (H - 1) stride - padding + dilation (kernel - 1) + 1 + output_padding, or H * stride where padding is "same".
--
-- Options as nn.Conv2d, and output_padding 0. Parameters: weight (C, filters / groups, kernel, kernel), bias (filters).
local Activation = require "fmnistnn.nn.activation"
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local ConvTranspose2d = Module:extend("ConvTranspose2d")
ConvTranspose2d.fresh = true

local spec = {
  {"filters", "count"},
  {"kernel", "pair"},
  {"stride", "pair", default = 1},
  {"padding", "padding", default = "valid"},
  {"output_padding", "pair0", default = 0},
  {"dilation", "pair", default = 1},
  {"groups", "count", default = 1},
  {"bias", "boolean", default = true},
  {"activation", "callable", optional = true},
  {"initializer", "initializer", default = "glorot_uniform"},
  {"bias_initializer", "initializer", default = "zeros"},
}

function ConvTranspose2d:init(given)
  local o = options.check("ConvTranspose2d", given, spec)
  self._options = o
  self._settings = {
    stride = o.stride, padding = o.padding, output_padding = o.output_padding, dilation = o.dilation, groups = o.groups,
  }
  self._activation = Activation.resolve("ConvTranspose2d", o.activation)
  self.fresh = self.fresh and Activation.is_fresh(self._activation)
end

function ConvTranspose2d:_gives_probabilities() return Activation.is_probability(self._activation) end

function ConvTranspose2d:build(x)
  local o = self._options
  options.input("ConvTranspose2d", x, "(images, channels, height, width)", 4, 4)
  local channels = x:size(2)
  if channels % o.groups ~= 0 or o.filters % o.groups ~= 0 then
    local format = "ConvTranspose2d: groups: expected a divisor of %d channels and %d filters, got %d"
    refuse(format, channels, o.filters, o.groups)
  end
  local rows, columns = o.kernel, o.kernel
  if type(o.kernel) == "table" then rows, columns = o.kernel[1], o.kernel[2] end
  local taps = rows * columns
  local shape = {channels, o.filters // o.groups, rows, columns}
  -- Keras's transposed kernel is (rows, columns, filters, channels): the filters (of a group) count as its inputs
  self.weight = initializers.make(o.initializer, shape, o.filters // o.groups * taps, channels * taps)
  if o.bias then self.bias = initializers.make(o.bias_initializer, {o.filters}, o.filters, o.filters) end
end

function ConvTranspose2d:forward(x)
  if not self.weight then self:build(x) end
  return Activation.apply(self._activation, F.conv_transpose2d(x, self.weight, self.bias, self._settings))
end

return ConvTranspose2d
