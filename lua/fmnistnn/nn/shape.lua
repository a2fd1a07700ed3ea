--- Layers that only change shapes:
--
--   nn.Flatten{}               (N, ...) to (N, everything)
--   nn.Reshape{{16, 7, 7}}     (N, ...) to (N, 16, 7, 7); one size may be -1
--   nn.Identity{}              the input itself
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local Flatten = Module:extend("Flatten")
Flatten.fresh = true

function Flatten:init(given) options.check("Flatten", given, {}) end

function Flatten:forward(x)
  options.input("Flatten", x, "(examples, ...) of two axes or more", 2)
  return x:flatten(2)
end

local Reshape = Module:extend("Reshape")
Reshape.fresh = true

function Reshape:init(given)
  self._shape = {table.unpack(options.check("Reshape", given, {{"shape", "table"}}).shape)}
end

function Reshape:forward(x)
  options.input("Reshape", x, "(examples, ...)", 1)
  return x:reshape {x:size(1), table.unpack(self._shape)}
end

local Identity = Module:extend("Identity")
Identity.fresh = true

function Identity:init(given) options.check("Identity", given, {}) end

function Identity:forward(x) return x end

return {Flatten = Flatten, Reshape = Reshape, Identity = Identity}
