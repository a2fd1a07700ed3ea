--- Quasi-random search: points of a scrambled Sobol sequence, which fill the space more evenly than random ones.
--
--   search.QuasiRandom{seed = 1}
--
-- Options:
--   seed   as of Random
--
-- Trial number n takes the n-th point; its parameters take the coordinates in the order in which the objective asks.
-- Those beyond the fortieth are random, and so is a trial that is drawn again.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"
local sobol = require "fmnistnn.search.samplers.sobol"
local space = require "fmnistnn.search.space"

local QuasiRandom = class("QuasiRandom", {{"seed", "integer", optional = true}})

function QuasiRandom:begin(_, record)
  self.again = self.begun == record -- its point is known, and was not wanted
  self.begun = record
  return {}
end

function QuasiRandom:sample(history, record, _, distribution, random)
  local dimension = 1
  for _ in pairs(record.params) do dimension = dimension + 1 end
  if self.again or dimension > sobol.dimensions then return common.uniform(distribution, random) end
  return space.from_unit(distribution, sobol.scrambled(record.number, dimension, self.seed or history.seed))
end

return QuasiRandom
