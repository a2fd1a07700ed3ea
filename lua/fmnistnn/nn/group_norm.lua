--- nn.GroupNorm{groups}: normalizes x (N,C,...) over each group of C / groups channels of each example (Wu and He
-- 2018). groups 32; epsilon 0.001; affine true.
-- Parameters: weight, bias (C).
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"

local GroupNorm = Module:extend("GroupNorm")
GroupNorm.fresh = true

local spec = {
  {"groups", "count", default = 32},
  {"epsilon", "positive", default = 1e-3},
  {"affine", "boolean", default = true},
}

function GroupNorm:init(given)
  self._options = options.check("GroupNorm", given, spec)
end

function GroupNorm:forward(x)
  local o = self._options
  options.input("GroupNorm", x, "(examples, channels, ...)", 2)
  if o.affine and not self.weight then
    self.weight = initializers.make("ones", {x:size(2)})
    self.bias = initializers.make("zeros", {x:size(2)})
  end
  return F.group_norm(x, o.groups, self.weight, self.bias, {epsilon = o.epsilon})
end

return GroupNorm
