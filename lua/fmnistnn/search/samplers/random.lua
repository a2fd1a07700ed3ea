--- Random search (Bergstra and Bengio 2012): each parameter by itself, uniform on its inner scale (space.lua).
--
--   search.Random{seed = 1}
--
-- Options of every sampler that draws at random:
--   seed   an integer from which, with a trial's number, its draws follow; without one the study's (search.study),
--          which is by default that of its first sampler
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"

local Random = class("Random", {{"seed", "integer", optional = true}})

function Random:begin() return {} end

function Random:sample(_, _, _, distribution, random) return common.uniform(distribution, random) end

return Random
