--- nn.Conv2d{filters, kernel = 3}: convolution of x (N,C,H,W) to (N,filters,P,Q), plus a bias, then an activation.
--
-- stride 1, dilation 1: a number or {rows, columns}. padding "valid" (none), "same" (P = ceil(H / stride), the odd zero
-- at the end as in Keras), a number, {rows, columns} or {top, bottom, left, right}. groups 1: channels are cut into so
-- many independent convolutions. bias true. initializer "glorot_uniform", bias_initializer "zeros".
-- Parameters: weight (filters, C / groups, kernel, kernel), bias (filters).
local Activation = require "fmnistnn.nn.activation"
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local ops = require("fmnistnn.core").ops

local Conv2d = Module:extend("Conv2d")
Conv2d.fresh = true

local spec = {
  {"filters", "count"},
  {"kernel", "pair"},
  {"stride", "pair", default = 1},
  {"padding", "padding", default = "valid"},
  {"dilation", "pair", default = 1},
  {"groups", "count", default = 1},
  {"bias", "boolean", default = true},
  {"activation", "callable", optional = true},
  {"initializer", "initializer", default = "glorot_uniform"},
  {"bias_initializer", "initializer", default = "zeros"},
}

-- A setting for the operation, which has the same defaults: what is not handed over need not be looked at.
local function unless(default, value)
  if value ~= default then return value end
end

function Conv2d:init(given)
  local o = options.check("Conv2d", given, spec)
  self._options = o
  self._settings = {
    stride = unless(1, o.stride),
    padding = unless("valid", o.padding),
    dilation = unless(1, o.dilation),
    groups = unless(1, o.groups),
  }
  self._operation = o.activation == "relu" and F.conv2d_relu or F.conv2d -- relu costs nothing on the way
  self._activation = o.activation ~= "relu" and Activation.resolve("Conv2d", o.activation) or nil
  self.fresh = self.fresh and Activation.is_fresh(self._activation)
end

function Conv2d:_gives_probabilities() return Activation.is_probability(self._activation) end

function Conv2d:build(x)
  local o = self._options
  options.input("Conv2d", x, "(images, channels, height, width)", 4, 4)
  local channels = x:size(2)
  if channels % o.groups ~= 0 or o.filters % o.groups ~= 0 then
    local format = "Conv2d: groups: expected a divisor of %d channels and %d filters, got %d"
    refuse(format, channels, o.filters, o.groups)
  end
  local rows, columns = o.kernel, o.kernel
  if type(o.kernel) == "table" then rows, columns = o.kernel[1], o.kernel[2] end
  local taps = rows * columns
  local shape = {o.filters, channels // o.groups, rows, columns}
  self.weight = initializers.make(o.initializer, shape, channels // o.groups * taps, o.filters * taps)
  if o.bias then self.bias = initializers.make(o.bias_initializer, {o.filters}, o.filters, o.filters) end
end

-- What the operation is to know besides x, weight and bias.
local function settings_of(self, x)
  if not self.weight then self:build(x) end
  self._settings.precision = self._precision
  return self._settings
end

function Conv2d:forward(x)
  local settings = settings_of(self, x)
  return Activation.apply(self._activation, self._operation(x, self.weight, self.bias, settings))
end

function Conv2d:_fuses_relu() return not self._options.activation and self:_runs_as(Conv2d) end

function Conv2d:_with_relu(x, addend)
  local settings = settings_of(self, x)
  return F.conv2d_relu(x, self.weight, self.bias, addend, settings), self.fresh
end

function Conv2d:_fuses_max_pool(relu)
  return (relu or self._options.activation == "relu") and self:_runs_as(Conv2d)
end

function Conv2d:_with_max_pool(x) -- relu is of the layer or follows
  local settings = settings_of(self, x)
  return ops.conv2d_relu_max_pool(x, self.weight, self.bias, settings), self.fresh
end

return Conv2d
