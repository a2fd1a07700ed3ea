--- nn.Activation{"relu"}: an activation as a layer. Parameters follow by name: {"leaky_relu", negative_slope = 0.1}.
-- A function of a tensor (and of a table of the parameters) is taken too, but a model with one cannot be saved.
local Module = require "fmnistnn.nn.module"
local activations = require "fmnistnn.nn.activations"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Activation = Module:extend("Activation")
Activation.fresh = true

-- The functions that are known to keep neither their argument nor their result; one of the user's may.
local keeps_nothing = setmetatable({}, {__mode = "k"})
for _, activation in pairs(activations) do keeps_nothing[activation] = true end

-- Those whose results are probabilities.
local gives_probabilities = setmetatable({}, {__mode = "k"})
gives_probabilities[activations.softmax], gives_probabilities[activations.sigmoid] = true, true

-- What other layers take as their `activation`: nothing, a name, a function, or a table that begins with one of these
-- and has parameters. Returns a function of a tensor, or nil for none.
function Activation.resolve(who, given)
  if given == nil then return nil end
  local name, parameters = options.take_apart(given)
  if name == "linear" then return nil end
  local activation = type(name) == "function" and name or activations[name]
  if not activation then
    local known = {"linear"}
    for each in pairs(activations) do known[#known + 1] = each end
    table.sort(known)
    refuse("%s: activation: expected one of %s, got %s", who, table.concat(known, ", "), tostring(name))
  end
  if not next(parameters) then return activation end
  local function with_parameters(x) return activation(x, parameters) end
  keeps_nothing[with_parameters] = keeps_nothing[activation]
  gives_probabilities[with_parameters] = gives_probabilities[activation]
  return with_parameters
end

--- Whether what a layer hands to this activation, and what comes out of it, is nobody else's.
function Activation.is_fresh(f) return f == nil or keeps_nothing[f] == true end

--- Whether what comes out of this activation is probabilities.
function Activation.is_probability(f) return gives_probabilities[f] == true end

-- f(y), where y is nobody else's: it is let go at once, unless f may have kept it.
function Activation.apply(f, y)
  if not f then return y end
  local z = f(y)
  if z ~= y and keeps_nothing[f] then y:close() end
  return z
end

function Activation:init(given)
  if given == nil then refuse("Activation: expected a name, a function or a table with one, got none") end
  self._function = Activation.resolve("Activation", given)
  self.fresh = self.fresh and Activation.is_fresh(self._function)
end

function Activation:_is_relu() return self._function == activations.relu and self:_runs_as(Activation) end

function Activation:_gives_probabilities() return Activation.is_probability(self._function) end

function Activation:forward(x)
  if not self._function then return x end
  return self._function(x)
end

return Activation
