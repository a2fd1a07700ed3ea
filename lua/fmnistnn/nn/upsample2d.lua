--- nn.Upsample2d{2}: images (N,C,H,W) with each pixel in the place of 2 x 2; {{rows, columns}} for other blocks.
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local Upsample2d = Module:extend("Upsample2d")
Upsample2d.fresh = true

function Upsample2d:init(given)
  self._scale = options.check("Upsample2d", given, {{"scale", "pair"}}).scale
end

function Upsample2d:forward(x) return F.upsample2d(x, self._scale) end

return Upsample2d
