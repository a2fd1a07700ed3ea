--- What every storage of trials keeps to: how trials are counted, claimed and tried again. Pure functions over records.
--
-- A record is a trial as storages give it:
--
--   {number = from 0, id =, state = "waiting" | "running" | "complete" | "pruned" | "failed",
--    params = {name = value}, distributions = {name = distribution}, values = {...} or nil,
--    intermediate = {[step] = value}, constraints = {...} or nil, user_attributes = {}, system_attributes = {},
--    started =, finished = seconds since 1970 or nil}
--
-- Finished ones never change. Those that are not are brought up to date in place.
local rules = {}

--- The system attribute that names the process a trial runs in.
rules.WORKER = "fmnistnn:worker"

--- The system attribute that holds the number of the trial that a trial goes on from (samplers/pbt.lua).
rules.PARENT = "fmnistnn:parent"

--- Whether a trial is over.
function rules.is_finished(record) return record.state ~= "running" and record.state ~= "waiting" end

--- How many trials have been begun. One that was tried again counts once, as its last attempt.
function rules.begun(records)
  local count = 0
  for _, record in ipairs(records) do
    if record.state ~= "waiting" then count = count + 1 end
    if record.system_attributes.failed_trial then count = count - 1 end
  end
  return count
end

--- Whether a trial waits.
function rules.has_waiting(records)
  for _, record in ipairs(records) do
    if record.state == "waiting" then return true end
  end
  return false
end

--- The numbers of the trials that a trial is a further attempt at, the first one first.
function rules.attempts(record)
  local list = record.system_attributes.retry_history
  return type(list) == "table" and list or {}
end

--- The number of the first attempt: what seeds and checkpoints go by.
function rules.origin(record) return rules.attempts(record)[1] or record.number end

--- The last step that a trial reported, its value, and the step before it; nil when there is none.
function rules.last_report(record)
  local last, before
  for step in pairs(record.intermediate or {}) do
    if not last or step > last then
      last, before = step, last
    elseif not before or step > before then
      before = step
    end
  end
  return last, last and record.intermediate[last], before
end

--- The trials that were tried again: number = true.
function rules.tried_again(records)
  local numbers = {}
  for _, record in ipairs(records) do
    for _, number in ipairs(rules.attempts(record)) do numbers[number] = true end
  end
  return numbers
end

--- A new trial that is a further attempt at one that failed, with the same parameters, or nil when `most` were made.
function rules.retry(record, most)
  local history = {table.unpack(rules.attempts(record))}
  if #history >= most then return nil end
  history[#history + 1] = record.number
  local system = {failed_trial = history[1], retry_history = history}
  system.fixed_params = record.system_attributes.fixed_params
  return {
    state = "waiting", params = record.params, distributions = record.distributions,
    intermediate = record.intermediate, user_attributes = record.user_attributes, system_attributes = system,
  }
end

-- A finite number of JSON, or nil.
local function number(value) return type(value) == "number" and value or nil end

--- The constraints among the system attributes: the list that Optuna wrote up to 4, then those by name, in the order of
-- their names; nil when there are none.
function rules.constraints(system_attributes)
  local list, names = {}, {}
  local given = system_attributes.constraints
  for _, value in ipairs(type(given) == "table" and given or {}) do list[#list + 1] = number(value) end
  for key, value in pairs(system_attributes) do
    if key:find("^constraints:") and number(value) then names[#names + 1] = key end
  end
  table.sort(names)
  for _, name in ipairs(names) do list[#list + 1] = system_attributes[name] end
  return list[1] and list or nil
end

return rules
