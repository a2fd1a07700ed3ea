--- nn.Embedding{count, size = 16}: a trained vector of `size` numbers for each of the class numbers 1..count.
-- Input: integers of any shape; output (..., size). initializer "uniform". padding_index: a class that stands for none:
-- its vector is zeros at the start and gets no gradient. Parameters: weight (count, size).
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local core = require "fmnistnn.core"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Embedding = Module:extend("Embedding")
Embedding.fresh = true

local spec = {
  {"count", "count"},
  {"size", "count"},
  {"initializer", "initializer", default = "uniform"},
  {"padding_index", "count", optional = true},
}

function Embedding:init(given)
  local o = options.check("Embedding", given, spec)
  if o.padding_index and o.padding_index > o.count then
    refuse("Embedding: padding_index: expected one of the classes 1..%d, got %d", o.count, o.padding_index)
  end
  self._options = o
end

function Embedding:_takes_type() return "int64" end

local function build(self)
  local o = self._options
  local weight = initializers.make(o.initializer, {o.count, o.size}, o.count, o.size)
  if o.padding_index then core.no_grad(function() weight[o.padding_index] = 0 end) end
  self.weight = weight
end

function Embedding:forward(index)
  if not self.weight then build(self) end
  return F.embedding(index, self.weight, {padding_index = self._options.padding_index})
end

return Embedding
