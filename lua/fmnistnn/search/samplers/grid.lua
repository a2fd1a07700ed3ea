--- Grid search: every combination of the values of a declared space, once.
--
--   search.Grid{space = {lr = {1e-4, 1e-3, 1e-2}, filters = search.int(8, 32, {step = 8})}}
--
-- Options:
--   space   {name = list of values or distribution}; a float needs a step
--
-- Trials take the combinations in the order of the names, the last name's values changing fastest; enqueued trials
-- take none, and a further attempt at a trial takes that trial's. study:optimize ends when all are taken and no trial
-- waits; trials that are asked for beyond that begin again.
local class = require "fmnistnn.class"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"

local Grid = class("Grid", {{"space", "table"}})

function Grid:init()
  self.declared = space.declare(self.space, "Grid: space")
  self.space = nil -- the method's name
  self.names, self.values, self.count = {}, {}, 1
  for name in pairs(self.declared) do self.names[#self.names + 1] = name end
  table.sort(self.names)
  for i, name in ipairs(self.names) do
    local size = space.size(self.declared[name])
    if size == math.huge then refuse("Grid: space: %s: expected a float with a step, or a list", name) end
    self.values[i] = space.grid(self.declared[name])
    self.count = self.count * size
  end
  if #self.names == 0 then refuse("Grid: space: expected at least one parameter") end
end

--- The declared space: name = distribution.
function Grid:space() return self.declared end

-- How many of the trials numbered below `number` took a combination.
local function taken(history, number)
  local count = 0
  for _, record in ipairs(history.trials) do
    local is_new = not record.system_attributes.fixed_params and #rules.attempts(record) == 0
    if record.number < number and is_new then count = count + 1 end
  end
  return count
end

function Grid:begin(history, record)
  local index, values = taken(history, rules.origin(record)) % self.count, {}
  for i = #self.names, 1, -1 do
    local list = self.values[i]
    values[self.names[i]] = list[index % #list + 1]
    index = index // #list
  end
  return values
end

function Grid:sample(_, _, name)
  local expected = self.declared[name] and "a distribution that has the grid's values" or "a parameter of the grid"
  error(("Grid: parameter '%s': expected %s"):format(name, expected), 0)
end

--- Whether every combination is taken.
function Grid:exhausted(history) return taken(history, math.huge) >= self.count end

return Grid
