--- Layers that join several paths:
--
--   nn.Add{a, b}            a(x) + b(x); without branches, nn.Add{}(x, y) = x + y
--   nn.Concat{a, b}         cat(a(x), b(x)) along the channels, or along `dim`; without branches, of its arguments
--   nn.Ensemble{a, b}       (a(x) + b(x)) / 2
--   nn.Residual{body}       body(x) + x; nn.Residual{body, shortcut = s}: body(x) + s(x); then an activation, if given
local Activation = require "fmnistnn.nn.activation"
local Module = require "fmnistnn.nn.module"
local activations = require "fmnistnn.nn.activations"
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local function take_branches(self, who, given)
  for i, branch in ipairs(options.modules(who, given)) do self[i] = branch end
end

-- The results of the branches for x, or the arguments themselves.
local function results(self, ...)
  if #self == 0 then
    if select("#", ...) == 0 then refuse("%s: expected at least one tensor, got none", self.class_name) end
    return {...}
  end
  local list = {}
  for i, branch in ipairs(self) do list[i] = branch(...) end
  return list
end

-- The branches as they are now, with other options.
local function made_of(self, named)
  local given = {table.unpack(self)}
  for name, value in pairs(named or {}) do given[name] = value end
  return {n = 1, given}
end

-- A sum is a new tensor; but a branch of the user's may keep what it is given.
local function keeps_nothing(self)
  if not Module.keeps_nothing(self) or not Activation.is_fresh(self._activation) then return false end
  for i = 1, #self do
    if not self[i]:keeps_nothing() then return false end
  end
  return true
end

-- Branches take what the first one does.
local function takes_type(self) return #self > 0 and self[1]:_takes_type() or Module._takes_type(self) end

local Add = Module:extend("Add")
Add.fresh, Add.keeps_nothing, Add._takes_type = true, keeps_nothing, takes_type

function Add:init(given)
  options.check("Add", given, {list = true})
  take_branches(self, "Add", given)
end

function Add:_made_of() return made_of(self) end

function Add:forward(...)
  local list = results(self, ...)
  options.input("Add", list[1])
  local total = list[1]
  for i = 2, #list do total = total + list[i] end
  return total
end

-- The mean of what models that were trained apart give (Lakshminarayanan et al. 2017).
local Ensemble = Module:extend("Ensemble")
Ensemble.fresh, Ensemble.keeps_nothing, Ensemble._takes_type = true, keeps_nothing, takes_type

function Ensemble:init(given)
  options.check("Ensemble", given, {list = true})
  take_branches(self, "Ensemble", given)
  if #self == 0 then refuse("Ensemble: expected at least one model, got none") end
end

function Ensemble:_gives_probabilities() return self[#self]:_gives_probabilities() end

function Ensemble:_made_of() return made_of(self) end

function Ensemble:forward(...)
  local total, shape
  for i, output in ipairs(results(self, ...)) do
    local own = table.concat(output.shape, ",")
    if shape and own ~= shape then refuse("Ensemble: model %d: expected (%s), got (%s)", i, shape, own) end
    total, shape = total and total + output or output, own
  end
  return total / #self
end

local Concat = Module:extend("Concat")
Concat.fresh, Concat.keeps_nothing, Concat._takes_type = true, keeps_nothing, takes_type

function Concat:init(given)
  self._dim = options.check("Concat", given, {list = true, {"dim", "integer", default = 2}}).dim
  take_branches(self, "Concat", given)
end

function Concat:_made_of() return made_of(self, {dim = self._dim}) end

function Concat:forward(...) return core.ops.cat(results(self, ...), self._dim) end

local Residual = Module:extend("Residual")
Residual.fresh = true

function Residual:keeps_nothing()
  return keeps_nothing(self) and self.body:keeps_nothing() and (not self.shortcut or self.shortcut:keeps_nothing())
end

function Residual:init(given)
  local o = options.check("Residual", given, {
    {"body", "module"},
    {"shortcut", "module", optional = true},
    {"activation", "callable", optional = true},
  })
  self.body = o.body
  if o.shortcut then self.shortcut = o.shortcut end
  self._activation = Activation.resolve("Residual", o.activation)
  self._ends_in_relu = self._activation == activations.relu
end

function Residual:_gives_probabilities() return Activation.is_probability(self._activation) end

function Residual:_made_of()
  return {n = 1, {body = self.body, shortcut = self.shortcut, activation = self._arguments[1].activation}}
end

-- body(x) + shortcut, through the activation, and whether the body kept nothing.
local function add_body(self, x, shortcut)
  if self._ends_in_relu and self.body:_fuses_relu() then return self.body:_with_relu(x, shortcut) end
  local y, fresh = self.body:_pass(x)
  local sum = y + shortcut
  if fresh and not rawequal(y, x) then y:close() end
  return Activation.apply(self._activation, sum), fresh and Activation.is_fresh(self._activation)
end

-- The result, and whether nothing was kept.
local function run(self, x)
  if not self.shortcut then return add_body(self, x, x) end
  local shortcut, fresh = self.shortcut:_pass(x)
  local z, kept_nothing = add_body(self, x, shortcut)
  if fresh and not rawequal(shortcut, x) then shortcut:close() end
  return z, kept_nothing and fresh
end

function Residual:forward(x) return (run(self, x)) end

function Residual:_pass(x)
  if not self:_runs_as(Residual) then return Module._pass(self, x) end
  local z, kept_nothing = run(self, x)
  return z, self.fresh and kept_nothing
end

return {Add = Add, Concat = Concat, Ensemble = Ensemble, Residual = Residual}
