--- class(name, spec): a class of callbacks. Its instances are made by calling it with a table of options, which become
-- their fields; then init(self), if there is one, checks what the spec (nn/options.lua) does not.
local options = require "fmnistnn.nn.options"

return function(name, spec)
  local Class = {name = name}
  Class.__index = Class
  return setmetatable(Class, {
    __call = function(_, given)
      local self = setmetatable(options.check(name, given, spec), Class)
      if self.init then self:init() end
      return self
    end,
  })
end
