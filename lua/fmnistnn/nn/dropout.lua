--- nn.Dropout{rate}: while training, sets each element to 0 with probability `rate` and divides the others by 1 - rate
-- (Srivastava et al. 2014). nn.Dropout2d{rate} drops whole channels of x (N,C,...) (Tompson et al. 2015). In
-- evaluation, x itself.
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local function dropout(name, f)
  local Dropout = Module:extend(name)
  Dropout.fresh = true

  function Dropout:init(given)
    self._options = options.check(name, given, {{"rate", "rate"}})
  end

  function Dropout:forward(x)
    if not self.training then return x end
    return f(x, self._options.rate)
  end

  return Dropout
end

return {Dropout = dropout("Dropout", F.dropout), Dropout2d = dropout("Dropout2d", F.dropout2d)}
