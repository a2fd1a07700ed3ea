--- nn.Sequential{a, b, c}: c(b(a(x))). Layers are its elements: model[2], #model.
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Sequential = Module:extend("Sequential")
Sequential.fresh = true

function Sequential:init(layers)
  if type(layers) ~= "table" or Module.is_module(layers) then
    local got = type(layers) == "table" and tostring(layers) or type(layers)
    refuse("Sequential: expected a list of modules, got %s", got)
  end
  options.check("Sequential", layers, {list = true})
  for i, layer in ipairs(options.modules("Sequential", layers)) do self[i] = layer end
end

-- The number of the element, from i to `last`, whose result comes next: what element i makes of x, with what follows
-- that it can do on the way. Then what _pass gives.
local function step(self, x, i, last)
  local layer, following = self[i], self[i + 1]
  if i == last then return i, layer:_pass(x) end
  local relu = following:_is_relu() and following:keeps_nothing() and layer:_fuses_relu()
  if relu then i = i + 1 end
  local pool = i < last and self[i + 1]
  if pool and pool:_is_two_by_two() and pool:keeps_nothing() and layer:_fuses_max_pool(relu) then
    return i + 1, layer:_with_max_pool(x, relu)
  end
  if relu then return i, layer:_with_relu(x) end
  return i, layer:_pass(x)
end

-- Runs elements 1..last; returns the result, whether nobody else holds it, and whether no element kept anything.
--
-- What a layer hands to the next is nobody else's where both are known not to keep tensors (`fresh`): it is closed as
-- soon as it has been used, so that activations do not wait for Lua's collector. What backward needs, the tape holds.
local function run(self, x, last)
  local ours, kept_nothing, i = false, true, 1
  while i <= last do
    local done, y, fresh = step(self, x, i, last)
    local same = rawequal(x, y)
    if ours and not same and fresh then x:close() end
    ours = fresh and (ours or not same)
    kept_nothing = kept_nothing and fresh
    x, i = y, done + 1
  end
  return x, ours, kept_nothing
end

function Sequential:forward(x) return (run(self, x, #self)) end

function Sequential:_pass(x)
  if not self:_runs_as(Sequential) then return Module._pass(self, x) end
  local y, _, kept_nothing = run(self, x, #self)
  return y, self.fresh and kept_nothing
end

function Sequential:_made_of() return {n = 1, {table.unpack(self)}} end

function Sequential:_fuses_relu()
  local last = self[#self]
  return last ~= nil and last:_fuses_relu() and self:_runs_as(Sequential)
end

function Sequential:_with_relu(x, addend)
  local y, ours, kept_nothing = run(self, x, #self - 1)
  local z, fresh = self[#self]:_with_relu(y, addend)
  if ours and fresh then y:close() end
  return z, self.fresh and kept_nothing and fresh
end

function Sequential:_gives_probabilities() return #self > 0 and self[#self]:_gives_probabilities() end

function Sequential:_takes_type() return #self > 0 and self[1]:_takes_type() or Module._takes_type(self) end

function Sequential:keeps_nothing()
  if not Module.keeps_nothing(self) then return false end
  for i = 1, #self do
    if not self[i]:keeps_nothing() then return false end
  end
  return true
end

return Sequential
