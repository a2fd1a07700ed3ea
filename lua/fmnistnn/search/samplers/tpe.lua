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
-- came furthest first; those that violate constraints last.
local class = require "fmnistnn.search.class"
local common = require "fmnistnn.search.samplers.common"
local json = require "fmnistnn.json"
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

function TPE:init()
  self.seed = common.seed(self.seed)
  self.observations = Observations.new()
end

-- ---- the two mixtures ----

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

-- Those of the observations that have the dimensions.
local function select_with(observations, dimensions)
  local selected = {}
  for _, observation in ipairs(observations) do
    if has(observation, dimensions) then selected[#selected + 1] = observation end
  end
  return selected
end

-- A mixture at observations, which are in the order of their numbers; `sort(name, selected)` puts them into that of x.
local function mixture(dimensions, selected, weights, sort)
  local sorted = {}
  for i, dimension in ipairs(dimensions) do
    local numeric = dimension.distribution.kind ~= "categorical"
    sorted[i] = {
      name = dimension.name, distribution = dimension.distribution,
      sorted = numeric and sort(dimension.name, selected) or nil,
    }
  end
  return Parzen.new(sorted, selected, weights)
end

-- The point with the largest l(x) / g(x) of those drawn from l.
local function best_of(l, g, candidates, random)
  local best, best_score
  for _ = 1, candidates do
    local point = l:sample(random)
    local score = l:log_density(point) - g:log_density(point)
    if not best or score > best_score then best, best_score = point, score end
  end
  return best
end

-- Values for the dimensions, a list of {name =, distribution =}.
local function draw(self, split, dimensions, random)
  for _, dimension in ipairs(dimensions) do dimension.low, dimension.high = space.bounds(dimension.distribution) end
  local below, above = select_with(split.below, dimensions), select_with(split.above, dimensions)
  local l = mixture(dimensions, below, {}, Observations.sort)
  local g = mixture(dimensions, above, ramp(#above), function(name, selected)
    return self.observations:sorted(name, selected)
  end)
  local point, values = best_of(l, g, self.candidates, random), {}
  for i, dimension in ipairs(dimensions) do
    values[dimension.name] = space.from_inner(dimension.distribution, point[i])
  end
  return values
end

-- ---- what a study calls ----

-- Optuna keeps what a trial drew together here, so that others see it before the objective asked for all of it.
local attribute <const> = "tpe:relative_params:0"

-- The best observations and the others, the same for all that a trial asks; nil while trials are drawn at random.
local function split(self, history, record)
  if self.split_for == record then return self.parts end
  self.observations:update(history)
  self.split_for, self.parts = record, nil
  if self.observations.count < self.startup_trials then return nil end
  local running = {}
  for _, other in ipairs(self.constant_liar and history.trials or {}) do
    if other.state == "running" and other.number ~= record.number then running[#running + 1] = other end
  end
  self.parts = self.observations:split(history.directions, running, attribute)
  return self.parts
end

function TPE:begin(history, record, random)
  local multivariate = self.multivariate
  if multivariate == nil then multivariate = #history.directions == 1 end
  local parts = multivariate and split(self, history, record)
  local values = {}
  if not parts then return values end
  for _, dimensions in ipairs(self.observations.groups:list()) do
    for name, value in pairs(draw(self, parts, dimensions, random)) do values[name] = value end
  end
  if self.constant_liar and next(values) then record.system_attributes[attribute] = json.encode(values) end
  return values
end

function TPE:sample(history, record, name, distribution, random)
  local parts = not space.single(distribution) and split(self, history, record)
  if not parts then return common.uniform(distribution, random) end
  return draw(self, parts, {{name = name, distribution = distribution}}, random)[name]
end

return TPE
