--- Trials in the memory of this process. The methods are those of every storage (storage/init.lua).
local attribute = require "fmnistnn.search.attribute"
local core = require "fmnistnn.core"
local rules = require "fmnistnn.search.storage.rules"

local Memory = {}
Memory.__index = Memory

function Memory.new() return setmetatable({list = {}, records = {}, last = 0, name = "memory"}, Memory) end

local offset <const> = os.time() - core.now()

local function now() return offset + core.now() end

-- ---- studies ----

function Memory:studies()
  local list = {}
  for _, study in ipairs(self.list) do list[#list + 1] = study end
  return list
end

function Memory:study(name)
  for _, study in ipairs(self.list) do
    if study.name == name then return study end
  end
end

function Memory:create_study(name, directions, system_attributes)
  if self:study(name) then return false end
  self.last = self.last + 1
  self.list[#self.list + 1] = {
    id = self.last, name = name, directions = attribute.copy(directions), user_attributes = {},
    system_attributes = attribute.copy(system_attributes),
  }
  self.records[self.last] = {}
  return true
end

function Memory:delete_study(id)
  for i, study in ipairs(self.list) do
    if study.id == id then table.remove(self.list, i) end
  end
  self.records[id] = nil
end

function Memory:set_study_attribute(id, kind, key, value)
  for _, study in ipairs(self.list) do
    if study.id == id then study[kind .. "_attributes"][key] = attribute.copy(value) end
  end
end

-- ---- trials ----

function Memory:trials(id) return self.records[id] or error("search: the study was deleted", 0) end

Memory.known = Memory.trials

local function copy(map)
  local result = {}
  for key, value in pairs(map or {}) do result[key] = value end
  return result
end

function Memory:create_trial(id, template)
  local records = self:trials(id)
  local record = {
    number = #records, id = #records + 1, study_id = id, state = template.state, params = copy(template.params),
    distributions = copy(template.distributions), values = attribute.copy(template.values),
    intermediate = copy(template.intermediate), user_attributes = attribute.copy(template.user_attributes or {}),
    system_attributes = attribute.copy(template.system_attributes or {}),
  }
  if record.state ~= "waiting" then record.started = now() end
  if rules.is_finished(record) then record.finished = now() end
  record.constraints = rules.constraints(record.system_attributes)
  records[#records + 1] = record
  return record
end

function Memory:start_trial(id, given)
  local records = self:trials(id)
  if given.limit and rules.begun(records) >= given.limit then return nil end
  for _, record in ipairs(records) do
    if record.state == "waiting" then
      record.state, record.started = "running", now()
      return record
    end
  end
  if given.is_exhausted and given.is_exhausted() then return nil end
  return self:create_trial(id, {state = "running"})
end

function Memory:set_parameter(record, name, value, distribution)
  if record.state ~= "running" then return false end
  record.params[name], record.distributions[name] = value, distribution
  return true
end

function Memory:forget_parameters(record) record.params, record.distributions = {}, {} end

function Memory:report(record, step, value)
  if record.state ~= "running" then return false end
  record.intermediate[step] = value
  return true
end

function Memory:forget_reports(record, step)
  for each in pairs(record.intermediate) do
    if each >= step then record.intermediate[each] = nil end
  end
end

function Memory:set_trial_attribute(record, kind, key, value)
  if rules.is_finished(record) then return false end
  record[kind .. "_attributes"][key] = attribute.copy(value)
  record.constraints = rules.constraints(record.system_attributes)
  return true
end

function Memory:finish(record, given)
  if record.state ~= "running" then return nil, record.state end
  for key, value in pairs(given.system_attributes or {}) do record.system_attributes[key] = attribute.copy(value) end
  record.state, record.values, record.finished = given.state, attribute.copy(given.values), now()
  local again = given.retries and rules.retry(record, given.retries)
  if again then self:create_trial(record.study_id, again) end
  return true
end

-- ---- processes: none but this one sees these trials ----

function Memory:beat() end
function Memory:lost() return {} end
function Memory:disconnect() end

return Memory
