--- The tree-structured Parzen estimator (Bergstra et al. 2011), with the rules of Optuna 5: l(x) is a mixture of
-- kernels at the best tenth of the trials, g(x) one at the others; of some points drawn from l, the one with the
-- largest l(x) / g(x) is taken.
--
--   search.TPE{seed = 1}
--
-- Options:
--   seed             as of Random
--   startup_trials   10: that many trials are drawn at random first
--   candidates       48: points drawn from l (Optuna draws 24)
--   multivariate     true (false with several objectives): parameters that occur together are drawn together (BOHB,
--                    Falkner et al. 2018), which sees how they depend on each other; else each by itself
--   constant_liar    true: trials that run count among the others, so that workers keep away from each other
--
-- The best are the min(ceil(n / 10), 25) of least loss; with several objectives the ceil(n / 10) of the first fronts,
-- the last front's by their hypervolume (Ozaki et al. 2022). Pruned trials come after the complete ones, those that
-- came furthest first; those that violate constraints last. Of the others the newest 500 are looked at.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"
local Observations = require "fmnistnn.search.samplers.observations"
local Parzen = require "fmnistnn.search.samplers.parzen"
local space = require "fmnistnn.search.space"

local TPE = class("TPE", {
  {"seed", "integer", optional = true},
  {"startup_trials", "whole", default = 10},
  {"candidates", "count", default = 48},
  {"multivariate", "boolean", optional = true},
  {"constant_liar", "boolean", default = true},
})

function TPE:init() self.observations = Observations.new() end

-- ---- the two mixtures ----

-- Of more others than that the newest are taken: the old ones would hardly count, and a trial would take longer and
-- longer to draw.
local most_others <const> = 500

-- The weights of the others, in the order of their numbers: old ones count less.
local function ramp(n)
  local weights = {}
  for i = 1, n do weights[i] = 1.0 end
  local old = n - 25
  for i = 1, old do weights[i] = old == 1 and 1 / n or 1 / n + (1 - 1 / n) * (i - 1) / (old - 1) end
  return weights
end

-- Whether a trial's observation has all of the dimensions, and inside their bounds.
local function has(observation, dimensions)
  for _, dimension in ipairs(dimensions) do
    local x = observation.inner[dimension.name]
    if not x or x < dimension.low or x > dimension.high then return false end
  end
  return true
end

-- The point with the largest l(x) / g(x) of those drawn from l.
local function best_of(l, g, candidates, random)
  local best, best_score = nil, -math.huge
  for _ = 1, candidates do
    local point = l:sample(random)
    local above = l:log_density(point)
    local below = g:log_density(point, above - best_score)
    if below then best, best_score = point, above - below end
  end
  return best
end

-- The mixtures l and g over the dimensions.
local function mixtures(self, parts, dimensions)
  local below, is_best = {}, {}
  for _, observation in ipairs(parts.best) do
    is_best[observation] = true
    if has(observation, dimensions) then below[#below + 1] = observation end
  end
  local above = self.observations:newest(function(observation)
    return not is_best[observation] and has(observation, dimensions)
  end, most_others, parts.running)
  return Parzen.new(dimensions, below, {}), Parzen.new(dimensions, above, ramp(#above))
end

-- Values for the dimensions, a list of {name =, distribution =}.
local function draw(self, parts, dimensions, random)
  for _, dimension in ipairs(dimensions) do dimension.low, dimension.high = space.bounds(dimension.distribution) end
  local l, g = mixtures(self, parts, dimensions)
  local point, values = best_of(l, g, self.candidates, random), {}
  for i, dimension in ipairs(dimensions) do
    values[dimension.name] = space.from_inner(dimension.distribution, point[i])
  end
  return values
end

-- ---- what a study calls ----

-- The best observations and the running ones, the same for all that a trial asks; nil while trials are drawn at random.
local function look(self, history, record)
  if self.looked_for == record then return self.parts end
  self.observations:update(history)
  self.looked_for, self.parts = record, nil
  if self.observations.count < self.startup_trials then return nil end
  local running = {}
  for _, other in ipairs(self.constant_liar and self.observations.running or {}) do
    if other.number ~= record.number then
      running[#running + 1] = self.observations:of_running(other)
    end
  end
  self.parts = {best = self.observations:best_tenth(history.directions), running = running}
  return self.parts
end

function TPE:begin(history, record, random)
  local multivariate = self.multivariate
  if multivariate == nil then multivariate = #history.directions == 1 end
  local parts = multivariate and look(self, history, record)
  local values = {}
  if not parts then return values end
  for _, dimensions in ipairs(self.observations.groups:list()) do
    for name, value in pairs(draw(self, parts, dimensions, random)) do values[name] = value end
  end
  if self.constant_liar and next(values) then common.announce(record, values) end
  return values
end

function TPE:sample(history, record, name, distribution, random)
  local parts = not space.single(distribution) and look(self, history, record)
  if not parts then return common.uniform(distribution, random) end
  return draw(self, parts, {{name = name, distribution = distribution}}, random)[name]
end

return TPE
