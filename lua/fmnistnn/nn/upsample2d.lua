--- nn.Upsample2d{2}: images (N,C,H,W) with each pixel in the place of 2 x 2; {{rows, columns}} for other blocks.
-- mode "nearest": pixels are repeated; "bilinear": interpolated, as F.upsample2d says.
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local options = require "fmnistnn.options"

local Upsample2d = Module:extend("Upsample2d")
Upsample2d.fresh = true

local spec = {{"scale", "pair"}, {"mode", "upsampling", default = "nearest"}}

function Upsample2d:init(given)
  self._options = options.check("Upsample2d", given, spec)
end

function Upsample2d:forward(x)
  local o = self._options
  return F.upsample2d(x, o.scale, {mode = o.mode})
end

return Upsample2d
