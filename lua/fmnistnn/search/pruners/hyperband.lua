--- Hyperband (Li et al. 2018): successive halving in brackets, from one that judges trials early to one that lets them
-- run to their end, so that neither choice has to be right.
--
--   search.Hyperband{min_resource = 1, max_resource = 27}
--
-- Options:
--   min_resource   1: the step of the first rung of the first bracket
--   max_resource   the step where trials end
--   reduction      3: a rung is at so many times the step of the one before
--   metric, direction   with several objectives: common.lua
--
-- There are floor(log(max_resource / min_resource) / log(reduction)) + 1 brackets, as in asha.lua.
local ASHA = require "fmnistnn.search.pruners.asha"
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local refuse = require "fmnistnn.refuse"

local Hyperband = class("Hyperband", common.options {
  {"min_resource", "count", default = 1},
  {"max_resource", "count"},
  {"reduction", "count", default = 3},
}, ASHA)

function Hyperband:init()
  self.brackets = 1
  ASHA.init(self)
  if self.max_resource > self.last_step then
    refuse("Hyperband: max_resource: expected at most 2^53, got %d", self.max_resource)
  end
  while self:first_rung(self.brackets) <= self.max_resource do self.brackets = self.brackets + 1 end
end

return Hyperband
