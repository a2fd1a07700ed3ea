--- The trials of a study as samplers look at them, kept from call to call: of thousands of trials only what is new is
-- looked at closely. What is kept follows from the finished trials alone, not from the order in which they came.
--
-- An observation: {record =, number =, inner = {name = x on the inner scale}, violation = of constraints, losses = of a
-- complete trial, reported = the loss that a pruned one reported last, if any} and the key by which TPE sorts: rank 1
-- complete, 2 pruned, 3 violates constraints; then first, then second, less being better.
local common = require "fmnistnn.search.samplers.common"
local Groups = require "fmnistnn.search.samplers.groups"
local pareto = require "fmnistnn.search.samplers.pareto"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"

local Observations = {}
Observations.__index = Observations

local function reset(self)
  self.by_number, self.list, self.count = {}, {}, 0 -- list: in the order of the numbers
  self.counts = {} -- name = how many have it
  self.best = {} -- the 25 best of one objective
  self.groups = Groups.new()
  self.settled = 0 -- so many of the first trials are over and known; the first and last of these:
  self.first, self.last = nil, nil
end

function Observations.new()
  local self = setmetatable({}, Observations)
  reset(self)
  return self
end

-- ---- one trial ----

local function inner(record)
  local values = {}
  for name, value in pairs(record.params) do values[name] = space.to_inner(record.distributions[name], value) end
  return values
end

-- The last step that a trial reported and its loss, NaN being the worst; nil when there is none.
local function last_loss(record, directions)
  local step, value = rules.last_report(record)
  if not step then return nil end
  return step, value ~= value and math.huge or common.losses({directions[1]}, {value})[1]
end

local function set_key(observation, record, directions)
  local step, loss = last_loss(record, directions)
  observation.violation = common.violation(record)
  if record.state == "complete" then
    observation.losses = common.losses(directions, record.values)
  else
    observation.reported = loss
  end
  if observation.violation > 0 then
    observation.rank, observation.first, observation.second = 3, observation.violation, 0
  elseif observation.losses then
    observation.rank, observation.first, observation.second = 1, observation.losses[1], 0
  else
    observation.rank, observation.first, observation.second = 2, step and -step or 1, loss or 0
  end
end

local function observe(record, directions)
  local observation = {record = record, number = record.number, inner = inner(record)}
  set_key(observation, record, directions)
  return observation
end

-- ---- all trials ----

-- Puts an observation into its place in a sorted list.
local function insert(sorted, observation, before)
  local low, high = 1, #sorted + 1
  while low < high do
    local middle = (low + high) // 2
    if before(sorted[middle], observation) then low = middle + 1 else high = middle end
  end
  table.insert(sorted, low, observation)
end

local function by_number(a, b) return a.number < b.number end

local function better(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.first ~= b.first then return a.first < b.first end
  if a.second ~= b.second then return a.second < b.second end
  return a.number < b.number
end

-- Adds an observation to a list of the `count` best.
local function insert_among(best, observation, count)
  if #best == count and better(best[count], observation) then return end
  insert(best, observation, better)
  best[count + 1] = nil
end

local most_best <const> = 25

local function add(self, record, directions)
  local observation = observe(record, directions)
  self.by_number[record.number], self.count = observation, self.count + 1
  insert(self.list, observation, by_number)
  insert_among(self.best, observation, most_best)
  for name in pairs(observation.inner) do self.counts[name] = (self.counts[name] or 0) + 1 end
  self.groups:add(record.distributions)
end

-- Takes in what is new; false when what is known is of other trials.
local function take_in(self, history)
  local trials, settled = history.trials, true
  if self.settled > 0 and (trials[1] ~= self.first or trials[self.settled] ~= self.last) then return false end
  self.running = {}
  for i = self.settled + 1, #trials do
    local record = trials[i]
    local known = self.by_number[record.number]
    if known and known.record ~= record then return false end
    if record.state == "running" then self.running[#self.running + 1] = record end
    if not known and common.is_told(record) then add(self, record, history.directions) end
    settled = settled and record.state ~= "running" and record.state ~= "waiting"
    if settled then self.settled, self.first, self.last = i, trials[1], record end
  end
  return true
end

--- Brings what is kept up to date. Then `list` has the told trials, `count` how many, `running` the records of those
-- that run.
function Observations:update(history)
  if not take_in(self, history) then
    reset(self)
    take_in(self, history)
  end
end

--- The dimensions that all told trials have, in the order of their names: {name =, distribution =}.
function Observations:shared()
  local dimensions = {}
  for _, group in ipairs(self.groups:list()) do
    for _, dimension in ipairs(group) do
      if self.counts[dimension.name] == self.count then dimensions[#dimensions + 1] = dimension end
    end
  end
  table.sort(dimensions, function(a, b) return a.name < b.name end)
  return dimensions
end

-- ---- the best and the others ----

-- The complete ones among `count` best of several objectives: whole fronts, then part of one.
local function of_fronts(list, count)
  local complete, points, best = {}, {}, {}
  for _, observation in ipairs(list) do
    if observation.rank == 1 then
      complete[#complete + 1] = observation
      points[#points + 1] = observation.losses
    end
  end
  for _, front in ipairs(pareto.fronts(points)) do
    local room = count - #best
    if room <= 0 then break end
    if #front > room then
      local part, chosen = {}, {}
      for i, index in ipairs(front) do part[i] = points[index] end
      for i, index in ipairs(pareto.subset(part, room)) do chosen[i] = front[index] end
      front = chosen
    end
    for _, index in ipairs(front) do best[#best + 1] = complete[index] end
  end
  return best
end

local function best_of_several(list, count)
  local best, rest = of_fronts(list, count), {}
  local room = count - #best
  for _, observation in ipairs(room > 0 and list or {}) do
    if observation.rank > 1 then insert_among(rest, observation, room) end
  end
  return table.move(rest, 1, #rest, #best + 1, best)
end

--- A running trial's observation, with what it drew but has not asked for yet.
function Observations:of_running(record)
  local observation = {number = record.number, inner = inner(record)}
  for name, value in pairs(common.announced(record)) do
    local distribution = self.groups.distributions[name]
    if distribution and not observation.inner[name] and space.contains(distribution, value) then
      observation.inner[name] = space.to_inner(distribution, value)
    end
  end
  return observation
end

--- The tenth that is best, of one objective at most 25; in the order of their numbers.
function Observations:best_tenth(directions)
  local count = math.ceil(self.count / 10)
  local best
  if #directions > 1 then
    best = best_of_several(self.list, count)
  else
    best = table.move(self.best, 1, math.min(count, most_best), 1, {})
  end
  table.sort(best, by_number)
  return best
end

--- The newest told observations that `wanted` says yes to, at most so many, and with them these others, all in the
-- order of their numbers.
function Observations:newest(wanted, most, others)
  local reversed, selected = {}, {}
  for i = self.count, 1, -1 do
    if #reversed == most then break end
    if wanted(self.list[i]) then reversed[#reversed + 1] = self.list[i] end
  end
  for i = #reversed, 1, -1 do selected[#selected + 1] = reversed[i] end
  for _, observation in ipairs(others) do
    if wanted(observation) then insert(selected, observation, by_number) end
  end
  return selected
end

return Observations
