--- nn.LayerNorm{}: normalizes each example over its last `axes` axes (1) by their own mean and variance (Ba et al.
-- 2016). epsilon 0.001; affine true.
-- Parameters: weight and bias, of the shape of these axes.
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"

local LayerNorm = Module:extend("LayerNorm")
LayerNorm.fresh = true

local spec = {
  {"axes", "count", default = 1},
  {"epsilon", "positive", default = 1e-3},
  {"affine", "boolean", default = true},
}

function LayerNorm:init(given)
  self._options = options.check("LayerNorm", given, spec)
end

function LayerNorm:forward(x)
  local o = self._options
  options.input("LayerNorm", x, ("%d axes or more"):format(o.axes), o.axes)
  if o.affine and not self.weight then
    local shape = table.move(x.shape, x:dim() - o.axes + 1, x:dim(), 1, {})
    self.weight = initializers.make("ones", shape)
    self.bias = initializers.make("zeros", shape)
  end
  return F.layer_norm(x, self.weight, self.bias, {axes = o.axes, epsilon = o.epsilon})
end

return LayerNorm
