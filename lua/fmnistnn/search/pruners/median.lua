--- Stops a trial whose best report so far is worse than the median of what the complete trials reported at this step
-- (Golovin et al. 2017).
--
--   search.Median{warmup_steps = 2}
--
-- Options: those of Percentile but the percentile.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local Percentile = require "fmnistnn.search.pruners.percentile"

local Median = class("Median", common.options {table.unpack(Percentile.shared)}, Percentile)

Median.percentile = 50

return Median
