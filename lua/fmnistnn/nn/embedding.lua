--- nn.Embedding{count, size = 16}: a trained vector of `size` numbers for each of the class numbers 1..count.
-- Input: integers of any shape; output (..., size). initializer "uniform". Parameters: weight (count, size).
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"

local Embedding = Module:extend("Embedding")
Embedding.fresh = true

local spec = {{"count", "count"}, {"size", "count"}, {"initializer", "initializer", default = "uniform"}}

function Embedding:init(given)
  self._options = options.check("Embedding", given, spec)
end

function Embedding:_takes_type() return "int64" end

function Embedding:forward(index)
  local o = self._options
  if not self.weight then self.weight = initializers.make(o.initializer, {o.count, o.size}, o.count, o.size) end
  return F.embedding(index, self.weight)
end

return Embedding
