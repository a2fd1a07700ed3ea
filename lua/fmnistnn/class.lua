--- A class whose objects are made from a table of options, Class{...}: checked by `spec` (options.lua), they become
-- the object's fields; then Class.init(self), if there is one, checks the rest and prepares. `parent` is a class to
-- inherit methods from.
local options = require "fmnistnn.options"

return function(name, spec, parent)
  local Class = {name = name, __name = "fmnistnn." .. name}
  Class.__index = Class
  return setmetatable(Class, {
    __index = parent,
    __call = function(_, given)
      local self = setmetatable(options.check(name, given, spec), Class)
      if self.init then self:init() end
      return self
    end,
  })
end
