--- Bayesian optimization with a Gaussian process (gaussian.lua) and expected improvement: few trials, each chosen with
-- care, in up to about twenty parameters. It takes tens to hundreds of milliseconds a trial.
--
--   search.GP{seed = 1}
--
-- Options:
--   seed             as of Random
--   startup_trials   10: that many trials are quasi-random first, or more until one is complete
--
-- It takes the parameters that all trials have; the others are drawn at random. A pruned trial counts with what it
-- reported last, but as no better than half of the complete ones and no worse than the worst of them. Trials that
-- violate constraints count as the worst. Those that run count with the value that is expected of them, so that workers
-- keep away from each other. Of more than 200 trials it looks at the 100 best and the 100 newest of the others.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"
local Gaussian = require "fmnistnn.search.samplers.gaussian"
local lbfgs = require "fmnistnn.search.samplers.lbfgs"
local Observations = require "fmnistnn.search.samplers.observations"
local QuasiRandom = require "fmnistnn.search.samplers.quasi_random"
local sobol = require "fmnistnn.search.samplers.sobol"
local space = require "fmnistnn.search.space"

local GP = class("GP", {
  {"seed", "integer", optional = true},
  {"startup_trials", "count", default = 10},
})

function GP:init()
  self.observations = Observations.new()
  self.startup = QuasiRandom {seed = self.seed}
end

-- ---- what is known ----

-- The coordinates of an observation: 0..1, of choices their indices; nil when one is missing.
local function point_of(observation, dimensions)
  local x = {}
  for i, dimension in ipairs(dimensions) do
    local each = observation.inner[dimension.name]
    if not each then return nil end
    if dimension.distribution.kind ~= "categorical" then
      each = (each - dimension.low) / (dimension.high - dimension.low)
    end
    x[i] = each
  end
  return x
end

-- Which of many observations are looked at.
local function select_some(list)
  if #list <= 200 then return list end
  local best, chosen, some = table.move(list, 1, #list, 1, {}), {}, {}
  local function loss(observation) return observation.losses and observation.losses[1] or math.huge end
  table.sort(best, function(a, b) return loss(a) < loss(b) or loss(a) == loss(b) and a.number < b.number end)
  for i = 1, 100 do chosen[best[i]] = true end
  local others = 0
  for i = #list, 1, -1 do
    if not chosen[list[i]] and others < 100 then chosen[list[i]], others = true, others + 1 end
  end
  for _, observation in ipairs(list) do
    if chosen[observation] then some[#some + 1] = observation end
  end
  return some
end

-- The finite losses of the complete and feasible ones, sorted.
local function sorted_losses(list)
  local sorted = {}
  for _, observation in ipairs(list) do
    local loss = observation.violation == 0 and observation.losses and observation.losses[1]
    if loss and math.abs(loss) < math.huge then sorted[#sorted + 1] = loss end
  end
  table.sort(sorted)
  return sorted
end

-- The losses with mean 0 and standard deviation 1; what is infinite or infeasible is as the worst of the others, and
-- what was pruned no better than their median.
local function standardized(list)
  local sorted, losses, sum = sorted_losses(list), {}, 0
  local least, median, worst = sorted[1] or 0, sorted[(#sorted + 1) // 2] or 0, sorted[#sorted] or 0
  for i, observation in ipairs(list) do
    local loss = observation.losses and observation.losses[1] or math.max(observation.reported or math.huge, median)
    if observation.violation > 0 then loss = math.huge end
    losses[i] = math.max(math.min(loss, worst), least)
    sum = sum + losses[i]
  end
  local mean, squares = sum / #losses, 0
  for _, loss in ipairs(losses) do squares = squares + (loss - mean) ^ 2 end
  local deviation = math.sqrt(squares / #losses)
  for i, loss in ipairs(losses) do losses[i] = deviation > 0 and (loss - mean) / deviation or 0.0 end
  return losses
end

local function data_of(list, dimensions)
  local some, X = select_some(list), {}
  for i, observation in ipairs(some) do X[i] = point_of(observation, dimensions) end
  return X, standardized(some)
end

-- ---- the model ----

-- How many of n trials the kernel's parameters are fitted to: they need not follow every trial.
local function fitted_count(n)
  local step = math.max(1, n // 10)
  return n // step * step
end

-- The parameters for the first of the observations, kept as long as these are the same.
local function parameters_for(self, list, dimensions, kinds)
  local first = table.move(list, 1, fitted_count(#list), 1, {})
  local signature = {}
  for i, dimension in ipairs(dimensions) do signature[i] = dimension.name .. space.encode(dimension.distribution) end
  signature = table.concat(signature, "\n")
  local same = self.fitted and #self.fitted == #first and self.signature == signature
  for i, observation in ipairs(same and first or {}) do same = same and self.fitted[i] == observation end
  if not same then
    self.fitted, self.signature = first, signature
    self.parameters = Gaussian.fit(kinds, data_of(first, dimensions))
  end
  return self.parameters
end

-- The process through what is known, with running trials as it expects them to turn out; the least value and its point.
local function model_of(self, list, dimensions, kinds, number)
  local X, y = data_of(list, dimensions)
  local parameters = parameters_for(self, list, dimensions, kinds)
  local model, best, pending = Gaussian.new(kinds, X, y, parameters), 1, {}
  for i, each in ipairs(y) do best = each < y[best] and i or best end
  for _, record in ipairs(self.observations.running) do
    local x = record.number ~= number and point_of(self.observations:of_running(record), dimensions)
    pending[#pending + 1] = x or nil
  end
  if #pending == 0 then return model, y[best], X[best] end
  local more_X, more_y = table.move(X, 1, #X, 1, {}), table.move(y, 1, #y, 1, {})
  for _, x in ipairs(pending) do more_X[#more_X + 1], more_y[#more_y + 1] = x, (model:predict(x)) end
  return Gaussian.new(kinds, more_X, more_y, parameters), y[best], X[best]
end

-- ---- the point with the largest expected improvement ----

-- The value of a coordinate, and the coordinate of that.
local function value_of(x, distribution)
  if distribution.kind == "categorical" then return distribution.choices[x + 1], x end
  local value = space.from_unit(distribution, x)
  return value, space.to_unit(distribution, value)
end

-- A point that the distributions have, near u.
local function snap(u, dimensions)
  local x = {}
  for i, dimension in ipairs(dimensions) do x[i] = select(2, value_of(u[i], dimension.distribution)) end
  return x
end

local function random_point(dimensions, index, seed, random)
  local u = {}
  for i, dimension in ipairs(dimensions) do
    u[i] = i <= sobol.dimensions and sobol.scrambled(index, i, seed) or random:uniform()
    local d = dimension.distribution
    if d.kind == "categorical" then u[i] = math.min(u[i] * d.count // 1, d.count - 1) end
  end
  return snap(u, dimensions)
end

-- A point near another: each coordinate moved a little, choices kept.
local function neighbour(x, dimensions, random)
  local u = {}
  for i, dimension in ipairs(dimensions) do
    local moved = dimension.distribution.kind ~= "categorical" and x[i] + 0.05 * random:normal()
    u[i] = moved and math.min(math.max(moved, 0), 1) or x[i]
  end
  return snap(u, dimensions)
end

-- The best of the choices in each such coordinate, one after the other.
local function improve_choices(x, dimensions, score)
  local top = score(x)
  for i, dimension in ipairs(dimensions) do
    for choice = 0, (dimension.distribution.count or 0) - 1 do
      local other = table.move(x, 1, #x, 1, {})
      other[i] = choice + 0.0
      local there = score(other)
      if there > top then x, top = other, there end
    end
  end
  return x
end

local spread <const>, starts <const>, near <const> = 384, 4, 32

-- Many points spread out and some around the best so far, of which the best few are improved.
local function maximize(model, best, incumbent, dimensions, random)
  local function score(x) return model:log_improvement(x, best) end
  local function loss(x)
    local value, g = model:log_improvement_gradient(x, best)
    for i, each in ipairs(g) do g[i] = -each end
    return -value, g
  end
  local candidates, seed = {}, random:bits()
  for i = 1, spread + near do
    local x = i <= spread and random_point(dimensions, i - 1, seed, random) or neighbour(incumbent, dimensions, random)
    candidates[i] = {x = x, score = score(x), index = i}
  end
  local function better(a, b) return a.score > b.score or a.score == b.score and a.index < b.index end
  table.sort(candidates, better)
  for i = 1, starts do
    local x = improve_choices(lbfgs.minimize(loss, candidates[i].x, 0, 1, 30), dimensions, score)
    x = snap(x, dimensions)
    candidates[#candidates + 1] = {x = x, score = score(x), index = #candidates + 1}
  end
  table.sort(candidates, better)
  return candidates[1].x
end

-- ---- what a study calls ----

local function kinds_of(dimensions)
  local kinds = {}
  for i, dimension in ipairs(dimensions) do
    kinds[i] = dimension.distribution.kind
    dimension.low, dimension.high = space.bounds(dimension.distribution)
  end
  return kinds
end

local function has_complete(list)
  for _, observation in ipairs(list) do
    if observation.losses then return true end
  end
  return false
end

function GP:begin(history, record, random)
  if #history.directions > 1 then error("GP: expected a study of one objective (NSGA2 and TPE take several)", 0) end
  self.observations:update(history)
  local list, dimensions = self.observations.list, self.observations:shared()
  if #list < self.startup_trials or not has_complete(list) or #dimensions == 0 then
    return self.startup:begin(history, record, random)
  end
  local model, best, incumbent = model_of(self, list, dimensions, kinds_of(dimensions), record.number)
  local values = {}
  for i, x in ipairs(maximize(model, best, incumbent, dimensions, random)) do
    values[dimensions[i].name] = value_of(x, dimensions[i].distribution)
  end
  common.announce(record, values)
  return values
end

function GP:sample(...) return self.startup:sample(...) end

return GP
