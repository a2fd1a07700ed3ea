--- nn.Activation{"relu"}: an activation as a layer. Parameters follow by name: {"leaky_relu", negative_slope = 0.1}.
-- A function of a tensor is taken too, but a model with one cannot be saved.
local Module = require "fmnistnn.nn.module"
local activations = require "fmnistnn.nn.activations"

local Activation = Module:extend("Activation")
Activation.fresh = true

-- What other layers take as their `activation`: nothing, a name, a function, or a table as above. Returns a function of a tensor, or
-- nil for none.
function Activation.resolve(who, given)
  if given == nil or given == "linear" then return nil end
  if type(given) == "function" then return given end
  local name, parameters = given, nil
  if type(given) == "table" then
    name, parameters = given[1], {}
    for key, value in pairs(given) do
      if key ~= 1 then parameters[key] = value end
    end
  end
  local activation = activations[name]
  if not activation then
    local known = {}
    for each in pairs(activations) do known[#known + 1] = each end
    table.sort(known)
    error(("%s: activation: expected one of %s, got %s"):format(who, table.concat(known, ", "), tostring(name)), 4)
  end
  if not parameters or not next(parameters) then return activation end
  return function(x) return activation(x, parameters) end
end

-- f(y), where y is nobody else's: it is let go at once.
function Activation.apply(f, y)
  if not f then return y end
  local z = f(y)
  if z ~= y then y:close() end
  return z
end

function Activation:init(given)
  local name = type(given) == "table" and given[1]
  self._function = Activation.resolve("Activation", type(name) == "function" and name or given)
end

function Activation:forward(x)
  if not self._function then return x end
  return self._function(x)
end

return Activation
