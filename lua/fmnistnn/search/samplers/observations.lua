--- The trials of a study as samplers look at them, kept from call to call: of thousands of trials only what is new is
-- looked at closely. What is kept follows from the finished trials alone, not from the order in which they came.
--
-- An observation: {record =, number =, inner = {name = x on the inner scale}, violation = of constraints, losses = of a
-- complete trial} and the key by which TPE sorts: rank 1 complete, 2 pruned, 3 violates constraints; then first, then
-- second, less being better.
local common = require "fmnistnn.search.samplers.common"
local Groups = require "fmnistnn.search.samplers.groups"
local json = require "fmnistnn.json"
local pareto = require "fmnistnn.search.samplers.pareto"
local space = require "fmnistnn.search.space"

local Observations = {}
Observations.__index = Observations

local function reset(self)
  self.by_number, self.list, self.count = {}, {}, 0
  self.columns = {} -- name = observations that have it in ascending order of x
  self.groups = Groups.new()
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

-- The last step that was reported and the value there.
local function last_report(record)
  local last
  for step in pairs(record.intermediate or {}) do
    if not last or step > last then last = step end
  end
  return last, last and record.intermediate[last]
end

local function set_key(observation, record, directions)
  observation.violation = common.violation(record)
  if record.state == "complete" then observation.losses = common.losses(directions, record.values) end
  if observation.violation > 0 then
    observation.rank, observation.first, observation.second = 3, observation.violation, 0
  elseif observation.losses then
    observation.rank, observation.first, observation.second = 1, observation.losses[1], 0
  else
    local step, value = last_report(record)
    local loss = not step and 0 or value ~= value and math.huge or common.losses({directions[1]}, {value})[1]
    observation.rank, observation.first, observation.second = 2, step and -step or 1, loss
  end
end

local function observe(record, directions)
  local observation = {record = record, number = record.number, inner = inner(record)}
  set_key(observation, record, directions)
  return observation
end

-- ---- all trials ----

-- The observations of the told trials in the order of their numbers, and those that are new; nil when what is known is
-- of other trials.
local function look(self, history)
  local list, new, by_number = {}, {}, self.by_number
  for _, record in ipairs(history.trials) do
    if common.is_told(record) then
      local known = by_number[record.number]
      if known and known.record ~= record then return nil end
      if not known then
        known = observe(record, history.directions)
        new[#new + 1] = known
      end
      list[#list + 1] = known
    end
  end
  if #list ~= self.count + #new then return nil end
  return list, new
end

local function comparer(name)
  return function(a, b)
    local x, y = a.inner[name], b.inner[name]
    return x < y or x == y and a.number < b.number
  end
end

-- Puts an observation into its place in a sorted list.
local function insert(sorted, observation, before)
  local low, high = 1, #sorted + 1
  while low < high do
    local middle = (low + high) // 2
    if before(sorted[middle], observation) then low = middle + 1 else high = middle end
  end
  table.insert(sorted, low, observation)
end

-- Adds new observations to the columns: all at once to an empty one, else each into its place.
local function add_to_columns(self, new)
  local fresh = {}
  for _, observation in ipairs(new) do
    for name in pairs(observation.inner) do
      local column = self.columns[name]
      if not column then
        fresh[name] = fresh[name] or {}
        table.insert(fresh[name], observation)
      else
        insert(column, observation, comparer(name))
      end
    end
  end
  for name, column in pairs(fresh) do
    table.sort(column, comparer(name))
    self.columns[name] = column
  end
end

--- Takes in what is new in a history.
function Observations:update(history)
  local list, new = look(self, history)
  if not list then
    reset(self)
    list, new = look(self, history)
  end
  self.list, self.count = list, #list
  for _, observation in ipairs(new) do
    self.by_number[observation.number] = observation
    self.groups:add(observation.record.distributions)
  end
  add_to_columns(self, new)
end

--- The dimensions that all told trials have, in the order of their names: {name =, distribution =}.
function Observations:shared()
  local dimensions = {}
  for _, group in ipairs(self.groups:list()) do
    for _, dimension in ipairs(group) do
      if #self.columns[dimension.name] == self.count then dimensions[#dimensions + 1] = dimension end
    end
  end
  table.sort(dimensions, function(a, b) return a.name < b.name end)
  return dimensions
end

--- A sorted copy of observations that all have the name.
function Observations.sort(name, selected)
  local sorted = table.move(selected, 1, #selected, 1, {})
  table.sort(sorted, comparer(name))
  return sorted
end

--- The same for many of those that are known, without sorting.
function Observations:sorted(name, selected)
  local column, sorted = self.columns[name] or {}, {}
  for _, observation in ipairs(selected) do observation.chosen = selected end
  for _, observation in ipairs(column) do
    if observation.chosen == selected then sorted[#sorted + 1] = observation end
  end
  for _, observation in ipairs(selected) do
    if not observation.rank then insert(sorted, observation, comparer(name)) end -- it runs: it is in no column
  end
  return sorted
end

-- ---- the best and the others ----

local function better(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.first ~= b.first then return a.first < b.first end
  if a.second ~= b.second then return a.second < b.second end
  return a.number < b.number
end

-- The `count` best by their keys.
local function least(list, count)
  local best = {}
  for _, observation in ipairs(list) do
    if #best < count or better(observation, best[#best]) then
      insert(best, observation, better)
      best[count + 1] = nil
    end
  end
  return best
end

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
  for _, observation in ipairs(list) do
    if observation.rank > 1 then rest[#rest + 1] = observation end
  end
  for _, observation in ipairs(least(rest, count - #best)) do best[#best + 1] = observation end
  return best
end

local function by_number(a, b) return a.number < b.number end

-- A running trial's observation; `attribute` holds what it drew but has not asked for yet.
local function observe_running(self, record, attribute)
  local observation = {number = record.number, inner = inner(record)}
  local drawn = json.decode(record.system_attributes[attribute] or "{}")
  for name, value in pairs(type(drawn) == "table" and drawn or {}) do
    local distribution = self.groups.distributions[name]
    if distribution and not observation.inner[name] and space.contains(distribution, value) then
      observation.inner[name] = space.to_inner(distribution, value)
    end
  end
  return observation
end

--- The tenth that is best and the others, each in the order of their numbers; running trials belong to the others.
function Observations:split(directions, running, attribute)
  local count = math.ceil(self.count / 10)
  local best
  if #directions > 1 then
    best = best_of_several(self.list, count)
  else
    best = least(self.list, math.min(count, 25))
  end
  local is_best, below, above = {}, {}, {}
  for _, observation in ipairs(best) do is_best[observation] = true end
  for _, observation in ipairs(self.list) do
    local part = is_best[observation] and below or above
    part[#part + 1] = observation
  end
  for _, record in ipairs(running) do insert(above, observe_running(self, record, attribute), by_number) end
  return {below = below, above = above}
end

return Observations
