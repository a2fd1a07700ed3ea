--- nn.Sequential{a, b, c}: c(b(a(x))). Layers are its elements: model[2], #model.
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.nn.options"

local Sequential = Module:extend("Sequential")
Sequential.fresh = true

function Sequential:init(layers)
  if type(layers) ~= "table" or Module.is_module(layers) then
    local got = type(layers) == "table" and tostring(layers) or type(layers)
    options.refuse("Sequential: expected a list of modules, got %s", got)
  end
  options.check("Sequential", layers, {list = true})
  for i, layer in ipairs(options.modules("Sequential", layers)) do self[i] = layer end
end

-- What a layer hands to the next is nobody else's where both are known not to keep tensors (`fresh`): it is closed as
-- soon as it has been used, so that activations do not wait for Lua's collector. What backward needs, the tape holds.
function Sequential:forward(x)
  local ours = false
  for _, layer in ipairs(self) do
    local y = layer(x)
    local same = rawequal(x, y)
    local fresh = layer:keeps_nothing()
    if ours and not same and fresh then x:close() end
    ours = fresh and (ours or not same)
    x = y
  end
  return x
end

function Sequential:keeps_nothing()
  if not Module.keeps_nothing(self) then return false end
  for _, layer in ipairs(self) do
    if not layer:keeps_nothing() then return false end
  end
  return true
end

return Sequential
