--- fnn.custom{name, forward, backward}: an op written in Lua.
--
--   local square = fnn.custom{
--     name = "square",
--     forward = function(context, x) context.x = x return x * x end,
--     backward = function(context, gradient) return 2 * context.x * gradient end,
--   }
--   local y = square(x)
--
-- forward gets a table of its own for this call and the arguments; it records nothing and returns one float32 tensor.
-- backward gets the same table and the gradient of the result, and returns a gradient for each tensor among the
-- arguments, in order (nil: none).
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local spec = {{"name", "string", default = "custom op"}, {"forward", "function"}, {"backward", "function"}}

return function(definition)
  local o = options.check("custom", definition, spec)
  local name, forward, backward = o.name, o.forward, o.backward
  return function(...)
    local context, inputs = {}, {}
    for i = 1, select("#", ...) do
      local argument = select(i, ...)
      if core.is_tensor(argument) then inputs[#inputs + 1] = argument end
    end
    local y = core.no_grad(forward, context, ...)
    if core.is_tensor(y) and y.dtype ~= "float32" then
      refuse("%s: forward: expected a float32 tensor as its result, got %s", name, y.dtype)
    end
    return core.record(name, y, inputs, function(gradient) return core.no_grad(backward, context, gradient) end)
  end
end
