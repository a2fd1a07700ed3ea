--- CMA-ES (cma.lua) for the numeric parameters that all trials have; the others, such as choices, are drawn at random.
--
--   search.CMAES{seed = 1}
--
-- Options:
--   seed         as of Random
--   population   6: how many trials make a generation. The usual 4 + 3 ln(parameters) takes longer, and finds more in
--                many hundreds of trials
--   sigma        1/6: the first standard deviation, as a part of each parameter's range
--
-- When a run has converged another begins from the middle with twice the population (IPOP, Auger and Hansen 2005). Only
-- complete trials count.
local class = require "fmnistnn.class"
local refuse = require "fmnistnn.refuse"
local CMA = require "fmnistnn.search.samplers.cma"
local common = require "fmnistnn.search.samplers.common"
local Generations = require "fmnistnn.search.samplers.generations"
local Observations = require "fmnistnn.search.samplers.observations"
local normal = require "fmnistnn.search.samplers.normal"
local Random = require "fmnistnn.search.random"
local space = require "fmnistnn.search.space"

local CMAES = class("CMAES", {
  {"seed", "integer", optional = true},
  {"population", "count", default = 6},
  {"sigma", "positive", default = 1 / 6},
})

-- Where Optuna, too, keeps the number of the generation that a trial was drawn for.
local attribute <const> = "cma:generation"

-- ---- the state ----

-- The numeric dimensions of all trials, and a text that tells them apart from others.
local function dimensions_of(self)
  local dimensions, signature = {}, {}
  for _, dimension in ipairs(self.observations:shared()) do
    if dimension.distribution.kind ~= "categorical" then
      dimensions[#dimensions + 1] = dimension
      signature[#signature + 1] = dimension.name .. space.encode(dimension.distribution)
    end
  end
  return dimensions, table.concat(signature, "\n")
end

-- The least deviations of coordinates that are rounded: so large that in each generation some trial is likely to leave
-- its mean's cell in one of them (the margin of Hamano et al. 2022).
local function least_widths(dimensions, population)
  local least, reach = {}, normal.quantile(1 - 1 / (2 * #dimensions * population))
  for i, dimension in ipairs(dimensions) do
    local size = space.size(dimension.distribution)
    if size < math.huge and not dimension.distribution.log then least[i] = 0.5 / size / reach end
  end
  return least
end

-- A generation's points, best first.
local function population_of(members, dimensions)
  local population = {}
  for k, member in ipairs(members) do
    local x = {}
    for i, dimension in ipairs(dimensions) do
      x[i] = (member.inner[dimension.name] - dimension.low) / (dimension.high - dimension.low)
    end
    population[k] = {x = x, loss = member.losses[1], violation = member.violation, number = member.number}
  end
  table.sort(population, function(a, b)
    if a.violation ~= b.violation then return a.violation < b.violation end
    return a.loss < b.loss or a.loss == b.loss and a.number < b.number
  end)
  return population
end

-- What generations.lua asks for; its states are {cma =, factor = of the population}.
local function rules_of(self)
  local function start(dimensions, factor)
    local mean = {}
    for i = 1, #dimensions do mean[i] = 0.5 end
    return {cma = CMA.new(mean, self.sigma, self.population * factor), factor = factor}
  end
  return {
    start = function(dimensions) return start(dimensions, 1) end,
    size = function(state) return state.cma.population end,
    advance = function(state, members, dimensions)
      state.cma:tell(population_of(members, dimensions), least_widths(dimensions, state.cma.population))
      return state.cma:is_done() and start(dimensions, 2 * state.factor) or state
    end,
  }
end

function CMAES:init()
  if self.population < 2 then refuse("CMAES: population: expected 2 or more, got %d", self.population) end
  if self.sigma == math.huge then refuse "CMAES: sigma: expected a finite number, got inf" end
  self.observations = Observations.new()
  self.generations = Generations.new(attribute, rules_of(self))
end

-- ---- what a study calls ----

local function is_inside(x)
  for _, each in ipairs(x) do
    if each < 0 or each > 1 then return false end
  end
  return true
end

-- A point of the unit cube; `sign` -1 turns it round the mean.
local function draw(cma, random, sign)
  local x
  for _ = 1, 100 do
    local z = {}
    for i = 1, cma.n do z[i] = sign * random:normal() end
    x = cma:point(z)
    if is_inside(x) then return x end
  end
  for i, each in ipairs(x) do x[i] = math.min(math.max(each, 0), 1) end
  return x
end

-- Where a trial's point comes from: trials 2k and 2k + 1 lie opposite each other about the mean, which makes the steps
-- of small populations less noisy (mirrored sampling, Brockhoff et al. 2010). A trial that is drawn again has its own.
local function source(self, history, record, random)
  if record.system_attributes[attribute] then return random, 1 end
  return Random.new(self.seed or history.seed, record.number // 2), record.number % 2 == 0 and 1 or -1
end

function CMAES:begin(history, record, random)
  if #history.directions > 1 then
    error("CMAES: expected a study of one objective (NSGA2 and TPE take several)", 0)
  end
  self.observations:update(history)
  local dimensions, signature = dimensions_of(self)
  if #dimensions == 0 then return {} end
  for _, dimension in ipairs(dimensions) do dimension.low, dimension.high = space.bounds(dimension.distribution) end
  local state, generation = self.generations:follow(self.observations.list, signature, dimensions)
  local values = {}
  for i, x in ipairs(draw(state.cma, source(self, history, record, random))) do
    values[dimensions[i].name] = space.from_unit(dimensions[i].distribution, x)
  end
  record.system_attributes[attribute] = generation
  return values
end

function CMAES:sample(_, _, _, distribution, random) return common.uniform(distribution, random) end

return CMAES
