--- NSGA-II (Deb et al. 2002), a genetic algorithm for several objectives: each generation's trials are children of the
-- best of all before, which are those of the first fronts, and of the last front that has room those that lie apart.
--
--   search.NSGA2{seed = 1, population = 30}
--
-- Options:
--   seed         as of Random
--   population   20: how many trials make a generation, and how many parents there are
--   crossover    0.9: with this probability a child mixes two parents, else it begins as a copy of one
--   mutation     with this probability each parameter changes; 1 / (how many the child has) by default
--
-- Numbers are mixed by simulated binary crossover and changed by polynomial mutation (Deb and Agrawal 1995) on the
-- inner scale (space.lua), with low indices, 2 and 5, that reach far, for searches have few trials; choices are taken
-- from either parent and redrawn. Trials that violate constraints come after all that do not. A parameter that one
-- parent lacks comes from the other.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"
local Generations = require "fmnistnn.search.samplers.generations"
local Observations = require "fmnistnn.search.samplers.observations"
local pareto = require "fmnistnn.search.samplers.pareto"
local refuse = require "fmnistnn.refuse"
local space = require "fmnistnn.search.space"

local NSGA2 = class("NSGA2", {
  {"seed", "integer", optional = true},
  {"population", "count", default = 20},
  {"crossover", "fraction", default = 0.9},
  {"mutation", "fraction", optional = true},
})

local attribute <const> = "nsga2:generation"

-- ---- selection ----

-- Fronts of observations: first those that keep to the constraints, then the others by how far they do not.
local function fronts_of(pool)
  local sound, points, broken, fronts = {}, {}, {}, {}
  for _, observation in ipairs(pool) do
    if observation.violation > 0 then
      broken[#broken + 1] = observation
    else
      sound[#sound + 1], points[#points + 1] = observation, observation.losses
    end
  end
  for i, front in ipairs(pareto.fronts(points)) do
    local distance = pareto.crowding(points, front)
    fronts[i] = {}
    for k, index in ipairs(front) do fronts[i][k] = {observation = sound[index], distance = distance[index]} end
  end
  table.sort(broken, function(a, b)
    return a.violation < b.violation or a.violation == b.violation and a.number < b.number
  end)
  for _, observation in ipairs(broken) do fronts[#fronts + 1] = {{observation = observation, distance = 0}} end
  return fronts
end

-- The parents: a list of {observation =, rank =, distance =}.
local function select_parents(pool, count)
  local parents = {}
  for rank, front in ipairs(fronts_of(pool)) do
    table.sort(front, function(a, b)
      if a.distance ~= b.distance then return a.distance > b.distance end
      return a.observation.number < b.observation.number
    end)
    for _, each in ipairs(front) do
      if #parents < count then
        each.rank = rank
        parents[#parents + 1] = each
      end
    end
  end
  return parents
end

local function rules_of(self)
  return {
    start = function() return {} end,
    size = function() return self.population end,
    advance = function(parents, members)
      local pool = table.move(members, 1, #members, 1, {})
      for _, parent in ipairs(parents) do pool[#pool + 1] = parent.observation end
      return select_parents(pool, self.population)
    end,
  }
end

function NSGA2:init()
  if self.population < 2 then refuse("NSGA2: population: expected 2 or more, got %d", self.population) end
  self.observations = Observations.new()
  self.generations = Generations.new(attribute, rules_of(self))
end

-- The better of two parents drawn at random.
local function tournament(parents, random)
  local a, b = parents[random:integer(#parents)], parents[random:integer(#parents)]
  if a.rank ~= b.rank then return a.rank < b.rank and a or b end
  return a.distance >= b.distance and a or b
end

-- ---- children ----

local crossover_index <const>, mutation_index <const> = 2, 5

-- A coordinate of 0..1 between or beyond two others.
local function cross(a, b, random)
  local u, power = random:uniform(), 1 / (crossover_index + 1)
  local beta = u < 0.5 and (2 * u) ^ power or (2 - 2 * u) ^ -power
  local x = ((1 + beta) * a + (1 - beta) * b) / 2
  return math.min(math.max(x, 0), 1)
end

-- A coordinate of 0..1 moved a little.
local function mutate(x, random)
  local u, n = random:uniform(), mutation_index + 1
  if u < 0.5 then return x + (2 * u + (1 - 2 * u) * (1 - x) ^ n) ^ (1 / n) - 1 end
  return x + 1 - (2 - 2 * u + (2 * u - 1) * x ^ n) ^ (1 / n)
end

-- The value of a name from one parent or two.
local function inherit(a, b, distribution, random)
  if a == nil or b == nil then return a == nil and b or a end
  if random:uniform() < 0.5 then a, b = b, a end
  if distribution.kind == "categorical" or random:uniform() < 0.5 then return a end
  return space.from_unit(distribution, cross(space.to_unit(distribution, a), space.to_unit(distribution, b), random))
end

local function change(value, distribution, random)
  if distribution.kind == "categorical" then return common.uniform(distribution, random) end
  return space.from_unit(distribution, mutate(space.to_unit(distribution, value), random))
end

-- The names that either parent has and that have one distribution, in alphabetical order.
local function names_of(self, first, second)
  local names = {}
  for name in pairs(self.observations.groups.distributions) do
    local known = first.params[name] ~= nil or second.params[name] ~= nil
    if known and not self.observations.groups.dynamic[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function child(self, parents, random)
  local first, second = tournament(parents, random).observation.record, tournament(parents, random).observation.record
  if random:uniform() >= self.crossover then second = first end
  local names, values = names_of(self, first, second), {}
  for _, name in ipairs(names) do
    local distribution = self.observations.groups.distributions[name]
    local value = inherit(first.params[name], second.params[name], distribution, random)
    if random:uniform() < (self.mutation or 1 / #names) then value = change(value, distribution, random) end
    values[name] = value
  end
  return values
end

-- ---- what a study calls ----

function NSGA2:begin(history, record, random)
  self.observations:update(history)
  local parents, generation = self.generations:follow(self.observations.list, "", nil)
  record.system_attributes[attribute] = generation
  return generation == 0 and {} or child(self, parents, random)
end

function NSGA2:sample(_, _, _, distribution, random) return common.uniform(distribution, random) end

return NSGA2
