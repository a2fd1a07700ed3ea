--- What optimizers around another optimizer are: they have its groups, options and steps, and let it do the step.
local options = require "fmnistnn.options"

local Wrapper = {}

--- As of the optimizer within.
function Wrapper:attach(model) self.optimizer:attach(model) end

--- As of the optimizer within.
function Wrapper:zero_grad() self.optimizer:zero_grad() end

--- As of the optimizer within.
function Wrapper:_parameters() return self.optimizer:_parameters() end

local inner = {options = true, groups = true, steps = true}

local wrapper = {}

--- A class of wrappers. own: its options beside `optimizer`; init(self, o) takes them up.
function wrapper.class(name, own, init)
  local spec = {{"optimizer", "optimizer"}, table.unpack(own)}
  local Class = {name = name, __name = "fmnistnn.Optimizer"}
  function Class.__index(self, key)
    if inner[key] then return self.optimizer[key] end
    return Class[key]
  end
  return setmetatable(Class, {
    __index = Wrapper,
    __call = function(_, given)
      local o = options.check(name, given, spec)
      local self = setmetatable({optimizer = o.optimizer}, Class)
      init(self, o)
      return self
    end,
  })
end

return wrapper
