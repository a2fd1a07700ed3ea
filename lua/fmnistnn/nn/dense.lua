--- nn.Dense{units}: y = x W' + b along the last axis, then an activation.
--
-- bias true; activation none; initializer "glorot_uniform"; bias_initializer "zeros".
-- Parameters: weight (units, inputs), bias (units).
local Activation = require "fmnistnn.nn.activation"
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"

local Dense = Module:extend("Dense")
Dense.fresh = true

local spec = {
  {"units", "count"},
  {"activation", "callable", optional = true},
  {"bias", "boolean", default = true},
  {"initializer", "initializer", default = "glorot_uniform"},
  {"bias_initializer", "initializer", default = "zeros"},
}

function Dense:init(given)
  self._options = options.check("Dense", given, spec)
  self._activation = Activation.resolve("Dense", self._options.activation)
  self.fresh = self.fresh and Activation.is_fresh(self._activation)
end

function Dense:_gives_probabilities() return Activation.is_probability(self._activation) end

function Dense:build(x)
  local o = self._options
  options.input("Dense", x, "(..., inputs)", 1)
  local inputs = x:size(-1)
  self.weight = initializers.make(o.initializer, {o.units, inputs}, inputs, o.units)
  if o.bias then self.bias = initializers.make(o.bias_initializer, {o.units}, o.units, o.units) end
end

function Dense:forward(x)
  if not self.weight then self:build(x) end
  return Activation.apply(self._activation, F.linear(x, self.weight, self.bias, self._precision))
end

return Dense
