--- nn.Sequential{a, b, c}: c(b(a(x))). Layers are its elements: model[2], #model.
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.nn.options"

local Sequential = Module:extend("Sequential")

function Sequential:init(layers)
  if type(layers) ~= "table" or Module.is_module(layers) then
    error("Sequential: expected a list of modules, got " .. (type(layers) == "table" and tostring(layers) or type(layers)), 3)
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
    if ours and not same and layer.fresh then x:close() end
    ours = layer.fresh and (ours or not same)
    x = y
  end
  return x
end

return Sequential
