--- nn.ZeroPad2d{1}: zeros around the images of x (N,C,H,W). The margin is a number, {{rows, columns}} or
-- {{top, bottom, left, right}}.
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local ZeroPad2d = Module:extend("ZeroPad2d")
ZeroPad2d.fresh = true

function ZeroPad2d:init(given)
  self._margin = options.check("ZeroPad2d", given, {{"margin", "margin"}}).margin
end

function ZeroPad2d:forward(x) return F.zero_pad2d(x, self._margin) end

return ZeroPad2d
