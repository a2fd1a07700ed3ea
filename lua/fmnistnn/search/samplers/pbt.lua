--- Population based training (Jaderberg et al. 2017): networks that train side by side, some epochs a trial. When a
-- generation is over, the worst of them give up: they go on from the weights of one of the best, with its
-- hyperparameters a little changed; the others go on as they are. So one training goes through a schedule of
-- hyperparameters that nobody had to write down.
--
--   local study = search.study{name = "pbt", storage = "sqlite:///pbt.db", direction = "maximize",
--     sampler = search.PBT{seed = 1, population = 8}}
--   study:optimize(function(trial)
--     local lr = trial:float("lr", 1e-4, 1e-1, {log = true})
--     local trainer = ...
--     local parent = trial:parent_checkpoint()          -- nil in the first generation
--     if parent then assert(trainer:load(parent)) end
--     trainer.optimizer.options.lr = lr                 -- not the parent's, which load has put there
--     trainer:fit(...)                                  -- some epochs
--     assert(trainer:save(trial:checkpoint_path()))
--     return trainer:evaluate(held_out).accuracy
--   end, {trials = 8 * 10})                             -- ten generations
--
-- Options:
--   seed         as of Random
--   population   10: how many networks train side by side; at least as many as there are workers
--   quantile     0.25: so large a part of them gives up in a generation, and so many are the best
--   resample     0.25: with this probability a hyperparameter of one that gave up is drawn anew
--   factors      {0.8, 1.2}: else a number is multiplied by one of these; a choice stays
--
-- A trial's place in the population is kept with it (system attributes): its generation is the whole part of place /
-- population, its number in the population the rest. A network whose last trial is not over yet, or has failed, goes
-- on from one of the best.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.samplers.common"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"

local PBT = class("PBT", {
  {"seed", "integer", optional = true},
  {"population", "count", default = 10},
  {"quantile", "fraction", default = 0.25},
  {"resample", "fraction", default = 0.25},
  {"factors", "table", default = {0.8, 1.2}},
})

local PLACE <const> = "pbt:place"

function PBT:init()
  if self.population < 2 then refuse("PBT: population: expected 2 or more, got %d", self.population) end
  if self.quantile > 0.5 then refuse("PBT: quantile: expected 0..0.5, got %s", self.quantile) end
  if #self.factors == 0 then refuse("PBT: factors: expected a list of numbers, got an empty one") end
  for i, factor in ipairs(self.factors) do
    if type(factor) ~= "number" or not (factor > 0 and factor < math.huge) then
      refuse("PBT: factors: element %d: expected a number above 0, got %s", i, tostring(factor))
    end
  end
  self.factors = {table.unpack(self.factors)}
end

-- The trials by their places; what failed leaves its place to another. And how many of those before `number` have
-- just begun in other processes and are about to take a place.
local function trials_by_place(history, number)
  local places, others = {}, 0
  for _, record in ipairs(history.trials) do
    local origin = history.trials[rules.origin(record) + 1] or record
    local place = record.system_attributes[PLACE] or origin.system_attributes[PLACE]
    if place and record.state ~= "failed" then places[place] = record end
    if not place and record.state == "running" and record.number < number then others = others + 1 end
  end
  return places, others
end

-- The first place that is free when so many others have taken theirs.
local function first_free(places, others)
  local place = 0
  while places[place] or others > 0 do
    if not places[place] then others = others - 1 end
    place = place + 1
  end
  return place
end

-- The complete trials of a generation, the best first.
local function ranking(self, history, places, generation)
  local ranked, losses = {}, {}
  for place = generation * self.population, (generation + 1) * self.population - 1 do
    local record = places[place]
    if record and record.state == "complete" then
      ranked[#ranked + 1] = record
      losses[record] = common.losses(history.directions, record.values)[1]
    end
  end
  table.sort(ranked, function(a, b)
    if losses[a] ~= losses[b] then return losses[a] < losses[b] end
    return a.number < b.number
  end)
  return ranked
end

-- Whether a trial is among those that go on; nil is not.
local function goes_on(self, ranked, record)
  for i, each in ipairs(ranked) do
    if each == record then return i <= #ranked - math.floor(#ranked * self.quantile) end
  end
  return false
end

-- A number times one of the factors, as near as the distribution allows; an integer moves by one at least.
local function perturbed(self, value, distribution, random)
  if distribution.kind == "categorical" then return value end
  local factor = self.factors[random:integer(#self.factors)]
  local x = value * factor
  local step = distribution.step
  if step and math.abs(x - value) < step then x = value + (factor < 1 and -step or step) end
  return space.from_inner(distribution, distribution.log and math.log(math.max(x, distribution.low)) or x)
end

local function explored(self, parent, random)
  local names, values = {}, {}
  for name in pairs(parent.params) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local distribution = parent.distributions[name]
    if random:uniform() < self.resample then
      values[name] = common.uniform(distribution, random)
    else
      values[name] = perturbed(self, parent.params[name], distribution, random)
    end
  end
  return values
end

-- ---- what a study calls ----

function PBT:begin(history, record, random)
  if #history.directions > 1 then error("PBT: expected a study with one objective", 0) end
  local attributes, origin = record.system_attributes, history.trials[rules.origin(record) + 1]
  if origin and origin.number ~= record.number and origin.system_attributes[PLACE] then -- a further attempt
    attributes[PLACE] = origin.system_attributes[PLACE]
    attributes[rules.PARENT] = origin.system_attributes[rules.PARENT]
    return {}
  end
  local places, others = trials_by_place(history, record.number)
  local place = first_free(places, others)
  attributes[PLACE] = place
  local ranked = ranking(self, history, places, place // self.population - 1)
  if #ranked == 0 then return {} end
  local own = places[place - self.population]
  local stays, best = goes_on(self, ranked, own), math.max(1, math.floor(#ranked * self.quantile))
  local parent = stays and own or ranked[random:integer(best)]
  attributes[rules.PARENT] = parent.number
  return stays and parent.params or explored(self, parent, random)
end

function PBT:sample(_, _, _, distribution, random) return common.uniform(distribution, random) end

return PBT
