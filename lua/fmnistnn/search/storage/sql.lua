--- Trials in a database, in Optuna's tables: what SQLite and PostgreSQL have in common. The methods are those of every
-- storage (storage/init.lua).
--
-- Records that were read are kept, by study: a refresh reads those that are new, or were not over the last time.
-- Whatever counts, claims or numbers trials does so in a transaction that holds the study's lock.
--
-- A database (sqlite.lua, postgresql.lua) is derived from this and adds
--   connect()                    opens self.connection
--   begin(), lock(id)            a transaction that will write; the study's lock in it
--   insert(column, statement, ...)   the new row's id, which is in that column
--   is_lost(message)             whether the error means that another connection might do
--   is_there()                   whether what was opened has not been deleted since
--   words, now, beat_now, seconds(column), stale(seconds)    what each has its own words for
local attribute = require "fmnistnn.search.attribute"
local core = require "fmnistnn.core"
local decimal = require "fmnistnn.decimal"
local json = require "fmnistnn.json"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"

local SQL = {}
SQL.__index = SQL

--- Other processes see the trials too.
SQL.is_shared = true

local to_state = {RUNNING = "running", COMPLETE = "complete", PRUNED = "pruned", FAIL = "failed", WAITING = "waiting"}
local from_state = {}
for theirs, ours in pairs(to_state) do from_state[ours] = theirs end

local CHUNK <const> = 1000 -- how many trials a query asks for
local PATIENCE <const> = 60 -- seconds that a server may be away

-- ---- statements ----

-- Every storage that has been opened: no connection may be open when a process is forked.
local all = setmetatable({}, {__mode = "k"})

--- An object of a class derived from this one. `name` stands in messages.
function SQL.new(class, name)
  local self = setmetatable({name = name, caches = {}, decoded = {}}, class)
  all[self] = true
  return self
end

function SQL:fail(format, ...) error(("search: %s: " .. format):format(self.name, ...), 0) end

-- A value as it stands in a statement.
local function literal(self, value)
  if value == nil then return "NULL" end
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if type(value) == "number" then return decimal("%.17g", value) end
  if value:find("\0", 1, true) or not utf8.len(value) then
    self:fail("a text must be UTF-8 without zero bytes, got %q", value)
  end
  return "'" .. value:gsub("'", "''") .. "'"
end

-- The statement with a value for each ? (of which none may stand in its own texts).
local function fill(self, statement, ...)
  local i, values = 0, {...}
  return (statement:gsub("%?", function()
    i = i + 1
    return literal(self, values[i])
  end))
end

--- A message without the client library's own beginning and end.
function SQL.tidy(message) return (tostring(message):gsub("^LuaSQL: ", ""):gsub("%s+$", "")) end

--- Does a statement: how many rows it changed, or its rows as a list of lists.
function SQL:run(statement, ...)
  local result, message = self.connection:execute(fill(self, statement, ...))
  if not result then self:fail("%s", SQL.tidy(message)) end
  if type(result) == "number" then return result end
  local rows = {}
  local row, trouble = result:fetch({}, "n")
  while row do
    rows[#rows + 1] = row
    row, trouble = result:fetch({}, "n")
  end
  result:close()
  if trouble then self:fail("%s", SQL.tidy(trouble)) end
  return rows
end

--- The first value of the first row, or nil.
function SQL:value(statement, ...)
  local row = self:run(statement, ...)[1]
  return row and row[1]
end

--- LuaSQL's part for a database, by its name there, which is that of its packages too.
function SQL:load_client(driver)
  local found, luasql = pcall(require, "luasql." .. driver)
  if found then return luasql[driver]() end
  self:fail("needs LuaSQL: install lua-sql-%s (Debian) or 'luarocks --lua-version=5.4 install luasql-%s'", driver,
    driver)
end

-- ---- transactions ----

--- Opens the connection if it is not open.
function SQL:open()
  if not self.connection then self:connect() end
end

--- Closes the connection; the next use opens it again.
function SQL:disconnect()
  if self.connection then self.connection:close() end
  self.connection = nil
end

--- Closes the connections of all storages: before a process is forked, which must not share them.
function SQL.disconnect_all()
  for storage in pairs(all) do storage:disconnect() end
end

local function attempt(self, begin, f, again)
  self:open()
  if begin then begin(self) end
  local result = table.pack(f(again))
  if begin then self:run "COMMIT" end
  return table.unpack(result, 1, result.n)
end

-- After an error: nothing of the transaction may stay, nor of what it has read.
local function undo(self)
  self.caches = {}
  if self.connection and not pcall(self.run, self, "ROLLBACK") then pcall(self.disconnect, self) end
end

local function transact(self, begin, f)
  local started, again = core.now(), false
  while true do
    local result = table.pack(pcall(attempt, self, begin, f, again))
    if result[1] then return table.unpack(result, 2, result.n) end
    undo(self)
    if not self:is_lost(result[2]) or core.now() - started > PATIENCE then error(result[2], 0) end
    pcall(self.disconnect, self)
    self.connection, again = nil, true
    core.sleep(0.5)
  end
end

--- f(again) as a transaction that writes. When the server goes away in the midst of it, waits for it and calls f once
-- more, with `again` true: what f did the first time may have been lost or not.
function SQL:writing(f) return transact(self, self.begin, f) end

--- The same without a transaction around it: for a single statement, which is one by itself, and for what only reads.
function SQL:alone(f) return transact(self, nil, f) end

-- ---- studies ----

local function decode(text)
  local value = text and json.decode(text)
  if value == nil then return text end -- Python writes what is no JSON, such as NaN
  return value
end

local function attributes_of(self, kind, id)
  local found = {}
  local rows = self:run(("SELECT key, value_json FROM study_%s_attributes WHERE study_id = ?"):format(kind), id)
  for _, row in ipairs(rows) do found[row[1]] = decode(row[2]) end
  return found
end

local function directions_of(self, id)
  local list = {}
  local rows = self:run("SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective", id)
  for i, row in ipairs(rows) do list[i] = row[1]:lower() end
  return list
end

local function studies(self, condition, ...)
  local list = {}
  for i, row in ipairs(self:run("SELECT study_id, study_name FROM studies " .. condition, ...)) do
    local id = math.tointeger(tonumber(row[1]))
    list[i] = {
      id = id, name = row[2], directions = directions_of(self, id), user_attributes = attributes_of(self, "user", id),
      system_attributes = attributes_of(self, "system", id),
    }
  end
  return list
end

function SQL:studies()
  return self:alone(function() return studies(self, "ORDER BY study_id") end)
end

function SQL:study(name)
  return self:alone(function() return studies(self, "WHERE study_name = ?", name)[1] end)
end

function SQL:create_study(name, directions, system_attributes)
  return self:writing(function()
    if studies(self, "WHERE study_name = ?", name)[1] then return false end
    local id = self:insert("study_id", "INSERT INTO studies (study_name) VALUES (?)", name)
    for i, direction in ipairs(directions) do -- in order: Optuna reads them without ORDER BY
      self:run("INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)", direction:upper(), id,
        i - 1)
    end
    for key, value in pairs(system_attributes) do self:put("study", "system", id, key, value) end
    return true
  end)
end

local trial_tables = {
  "trial_user_attributes", "trial_system_attributes", "trial_params", "trial_values", "trial_intermediate_values",
  "trial_heartbeats",
}
local study_tables = {
  "trials", "study_user_attributes", "study_system_attributes", "study_directions", "studies",
}

function SQL:delete_study(id)
  self:writing(function()
    self:lock(id)
    for _, name in ipairs(trial_tables) do
      self:run(("DELETE FROM %s WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = ?)"):format(name), id)
    end
    for _, name in ipairs(study_tables) do
      self:run(("DELETE FROM %s WHERE study_id = ?"):format(name), id)
    end
  end)
  self.caches[id] = nil
end

--- Writes an attribute. owner: "study" or "trial"; kind: "user" or "system".
function SQL:put(owner, kind, id, key, value)
  local statement = [[INSERT INTO %s_%s_attributes (%s_id, key, value_json) VALUES (?, ?, ?)
    ON CONFLICT (%s_id, key) DO UPDATE SET value_json = excluded.value_json]]
  self:run(statement:format(owner, kind, owner, owner), id, key, json.encode(value))
end

function SQL:set_study_attribute(id, kind, key, value)
  self:alone(function() self:put("study", kind, id, key, value) end)
end

-- ---- reading trials ----

-- Records by number and by id; the ids of those that are open, not over yet; the last id.
local function new_cache() return {records = {}, by_id = {}, open = {}, last = 0} end

-- Calls visit(list of ids as it stands in a statement) for so many at a time.
local function in_chunks(ids, visit)
  for first = 1, #ids, CHUNK do visit(table.concat(ids, ", ", first, math.min(first + CHUNK - 1, #ids))) end
end

local infinite = {INF_POS = math.huge, INF_NEG = -math.huge, NAN = 0 / 0}

-- The two columns of a value as a number.
local function from_columns(value, kind)
  if kind == "FINITE" then return tonumber(value) + 0.0 end
  return infinite[kind]
end

local function distribution_of(self, text)
  local found = self.decoded[text]
  if not found then
    local message
    found, message = space.decode(text)
    if not found then self:fail("%s", message) end
    self.decoded[text] = found
  end
  return found
end

-- What belongs to trials, by the statement that reads it; each sees record, then its columns.
local parts = {
  {"param_name, param_value, distribution_json FROM trial_params", function(self, record, name, value, text)
    local distribution = distribution_of(self, text)
    record.distributions[name] = distribution
    record.params[name] = space.from_number(distribution, tonumber(value) + 0.0)
  end},
  {"objective, value, value_type FROM trial_values", function(_, record, objective, value, kind)
    record.values = record.values or {}
    record.values[math.tointeger(tonumber(objective)) + 1] = from_columns(value, kind)
  end},
  {"step, intermediate_value, intermediate_value_type FROM trial_intermediate_values",
    function(_, record, step, value, kind)
      record.intermediate[math.tointeger(tonumber(step))] = from_columns(value, kind)
    end},
  {"key, value_json FROM trial_user_attributes", function(_, record, key, text)
    record.user_attributes[key] = decode(text)
  end},
  {"key, value_json FROM trial_system_attributes", function(_, record, key, text)
    record.system_attributes[key] = decode(text)
  end},
}

local function read_parts(self, cache, ids)
  in_chunks(ids, function(list)
    for _, part in ipairs(parts) do
      for _, row in ipairs(self:run(("SELECT trial_id, %s WHERE trial_id IN (%s)"):format(part[1], list))) do
        part[2](self, cache.by_id[math.tointeger(tonumber(row[1]))], table.unpack(row, 2, 4))
      end
    end
  end)
  for _, id in ipairs(ids) do
    local record = cache.by_id[id]
    record.constraints = rules.constraints(record.system_attributes)
  end
end

-- A row of trials into its record. Returns the id if the parts are to be read, for which the record is emptied: what
-- waits has not changed while it still waits.
local function read_row(cache, study_id, row)
  local id, number = math.tointeger(tonumber(row[1])), math.tointeger(tonumber(row[2]))
  local record = cache.by_id[id] or {id = id, study_id = study_id, number = number}
  if record.state == "waiting" and row[3] == "WAITING" then return nil end
  cache.by_id[id], cache.records[number + 1] = record, record
  cache.open[id] = (row[3] == "RUNNING" or row[3] == "WAITING") or nil
  cache.last = math.max(cache.last, id)
  record.state = to_state[row[3]]
  record.started, record.finished = tonumber(row[4]), tonumber(row[5])
  record.params, record.distributions, record.intermediate, record.values = {}, {}, {}, nil
  record.user_attributes, record.system_attributes = {}, {}
  return id
end

-- Brings the records of a study up to date. A trial's row comes first: when it says that the trial is over, so are its
-- parts.
local function refresh(self, study_id)
  local cache = self.caches[study_id] or new_cache()
  self.caches[study_id] = cache
  local columns = ("SELECT trial_id, number, state, %s, %s FROM trials WHERE "):format(
    self:seconds "datetime_start", self:seconds "datetime_complete")
  local ids, open = {}, {}
  for id in pairs(cache.open) do open[#open + 1] = id end
  for _, row in ipairs(self:run(columns .. "study_id = ? AND trial_id > ?", study_id, cache.last)) do
    ids[#ids + 1] = read_row(cache, study_id, row)
  end
  in_chunks(open, function(list)
    for _, row in ipairs(self:run(columns .. "trial_id IN (" .. list .. ")")) do
      ids[#ids + 1] = read_row(cache, study_id, row)
    end
  end)
  read_parts(self, cache, ids)
  return cache.records
end

function SQL:trials(id)
  return self:alone(function() return refresh(self, id) end)
end

function SQL:known(id) return self.caches[id] and self.caches[id].records or self:trials(id) end

-- ---- writing trials ----

-- A value as its two columns.
local function to_columns(value)
  if value ~= value then return nil, "NAN" end
  if value == math.huge then return nil, "INF_POS" end
  if value == -math.huge then return nil, "INF_NEG" end
  return value + 0.0, "FINITE"
end

-- The statement writes rows of what these values are, if the trial may still change.
local function put_part(self, id, statement, states, ...)
  local guarded = ("INSERT INTO %s FROM trials WHERE trial_id = ? AND state IN (%s) ON CONFLICT %s"):format(
    statement[1], states, statement[2])
  local values = table.pack(...)
  values[values.n + 1] = id
  return self:run(guarded, table.unpack(values, 1, values.n + 1)) > 0
end

local parameter_statement = {
  "trial_params (trial_id, param_name, param_value, distribution_json) SELECT trial_id, ?, ?, ?",
  [[(trial_id, param_name) DO UPDATE SET param_value = excluded.param_value,
    distribution_json = excluded.distribution_json]],
}

local function put_parameter(self, id, states, name, value, distribution)
  return put_part(self, id, parameter_statement, states, name, space.to_number(distribution, value),
    space.encode(distribution))
end

local function put_report(self, id, states, step, value)
  local number, kind = to_columns(value)
  -- the column's type, as the database would take a bare NULL or text for another
  local statement = {
    ([[trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
      SELECT trial_id, ?, CAST(? AS %s), CAST(? AS %s)]]):format(self.words.float, self.words.intermediate),
    [[(trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value,
      intermediate_value_type = excluded.intermediate_value_type]],
  }
  return put_part(self, id, statement, states, step, number, kind)
end

local function put_values(self, id, values)
  for i, value in ipairs(values or {}) do
    local number, kind = to_columns(value)
    self:run("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)", id, i - 1, number,
      kind)
  end
end

-- A new trial, within a transaction that holds the study's lock and has read all others.
local function create(self, study_id, template)
  local state = from_state[template.state]
  local started = template.state ~= "waiting" and self.now or "NULL"
  local finished = rules.is_finished(template) and self.now or "NULL"
  local statement = [[INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
    VALUES (?, ?, ?, %s, %s)]]
  local number = #self.caches[study_id].records
  local id = self:insert("trial_id", statement:format(started, finished), number, study_id, state)
  local states = ("'%s'"):format(state)
  for name, value in pairs(template.params or {}) do
    put_parameter(self, id, states, name, value, template.distributions[name])
  end
  for step, value in pairs(template.intermediate or {}) do put_report(self, id, states, step, value) end
  for key, value in pairs(template.user_attributes or {}) do self:put("trial", "user", id, key, value) end
  for key, value in pairs(template.system_attributes or {}) do self:put("trial", "system", id, key, value) end
  put_values(self, id, template.values)
  return id
end

-- The record of a trial that this transaction has made or changed.
local function reread(self, study_id, id)
  refresh(self, study_id)
  return self.caches[study_id].by_id[id]
end

function SQL:create_trial(study_id, template)
  return self:writing(function()
    self:lock(study_id)
    refresh(self, study_id)
    return reread(self, study_id, create(self, study_id, template))
  end)
end

-- The trial is this worker's from now on: in its name, and with a heartbeat.
local function sign(self, id, worker)
  if not worker then return end
  self:put("trial", "system", id, rules.WORKER, worker)
  self:run(([[INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, %s)
    ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat]]):format(self.beat_now), id)
end

-- Claims the first trial that waits, unless another process, which may be Optuna's, was quicker.
local function claim(self, cache)
  local waiting = {}
  for id in pairs(cache.open) do
    if cache.by_id[id].state == "waiting" then waiting[#waiting + 1] = id end
  end
  table.sort(waiting)
  local statement = ([[UPDATE trials SET state = 'RUNNING', datetime_start = %s
    WHERE trial_id = ? AND state = 'WAITING']]):format(self.now)
  for _, id in ipairs(waiting) do
    if self:run(statement, id) == 1 then return id end
  end
end

-- A trial that this worker began before the server went away, without having heard of it.
local function begun_before(records, worker)
  for _, record in ipairs(records) do
    if record.state == "running" and record.system_attributes[rules.WORKER] == worker then return record end
  end
end

function SQL:start_trial(study_id, given)
  self:known(study_id) -- to read all of it may take long, and is not to be done with the lock
  return self:writing(function(again)
    self:lock(study_id)
    local records = refresh(self, study_id)
    local mine = again and given.worker and begun_before(records, given.worker)
    if mine then return mine end
    if given.limit and rules.begun(records) >= given.limit then return nil end
    local id = claim(self, self.caches[study_id])
    if not id and given.is_exhausted and given.is_exhausted() then return nil end
    id = id or create(self, study_id, {state = "running"})
    sign(self, id, given.worker)
    return reread(self, study_id, id)
  end)
end

function SQL:set_parameter(record, name, value, distribution)
  local done = self:alone(function()
    return put_parameter(self, record.id, "'RUNNING'", name, value, distribution)
  end)
  if done then record.params[name], record.distributions[name] = value, distribution end
  return done
end

function SQL:forget_parameters(record)
  self:alone(function() self:run("DELETE FROM trial_params WHERE trial_id = ?", record.id) end)
  record.params, record.distributions = {}, {}
end

function SQL:report(record, step, value)
  local done = self:alone(function() return put_report(self, record.id, "'RUNNING'", step, value) end)
  if done then record.intermediate[step] = value end
  return done
end

function SQL:forget_reports(record, step)
  self:alone(function()
    self:run("DELETE FROM trial_intermediate_values WHERE trial_id = ? AND step >= ?", record.id, step)
  end)
  for each in pairs(record.intermediate) do
    if each >= step then record.intermediate[each] = nil end
  end
end

function SQL:set_trial_attribute(record, kind, key, value)
  local done = self:writing(function()
    local state = self:value("SELECT state FROM trials WHERE trial_id = ?", record.id)
    if state ~= "RUNNING" and state ~= "WAITING" then return false end
    self:put("trial", kind, record.id, key, value)
    return true
  end)
  if done then
    record[kind .. "_attributes"][key] = attribute.copy(value)
    record.constraints = rules.constraints(record.system_attributes)
  end
  return done
end

-- Whether a trial is over in just this way: another attempt at telling it found that the first one was heard.
local function is_told(record, given)
  if record.state ~= given.state or #(record.values or {}) ~= #(given.values or {}) then return false end
  for i, value in ipairs(given.values or {}) do
    if record.values[i] ~= value then return false end
  end
  return true
end

function SQL:finish(record, given)
  return self:writing(function(again)
    if given.retries then
      self:lock(record.study_id)
      refresh(self, record.study_id)
    end
    local statement = "UPDATE trials SET state = ?, datetime_complete = %s WHERE trial_id = ? AND state = 'RUNNING'"
    local changed = self:run(statement:format(self.now), from_state[given.state], record.id)
    if changed == 1 then
      put_values(self, record.id, given.values)
      for key, value in pairs(given.system_attributes or {}) do self:put("trial", "system", record.id, key, value) end
      local template = given.retries and rules.retry(record, given.retries)
      if template then create(self, record.study_id, template) end
    end
    local now = reread(self, record.study_id, record.id)
    if changed == 1 or again and is_told(now, given) then return true end
    return nil, now.state
  end)
end

-- ---- processes ----

function SQL:beat(study_id, workers)
  local names = {}
  for i, worker in ipairs(workers) do names[i] = json.encode(worker) end
  if #names == 0 then return end
  local statement = ([[UPDATE trial_heartbeats SET heartbeat = %s WHERE trial_id IN (SELECT t.trial_id FROM trials t
    JOIN trial_system_attributes a ON a.trial_id = t.trial_id
    WHERE t.study_id = ? AND t.state = 'RUNNING' AND a.key = ? AND a.value_json IN (?%s))]])
    :format(self.beat_now, (", ?"):rep(#names - 1))
  self:alone(function() self:run(statement, study_id, rules.WORKER, table.unpack(names)) end)
end

function SQL:lost(study_id, grace, is_dead)
  return self:alone(function()
    local records, found = refresh(self, study_id), {}
    local late = {}
    local statement = ([[SELECT t.trial_id FROM trials t JOIN trial_heartbeats h ON h.trial_id = t.trial_id
      WHERE t.study_id = ? AND t.state = 'RUNNING' AND h.heartbeat < %s]]):format(self:stale(math.min(grace, 1e9)))
    for _, row in ipairs(self:run(statement, study_id)) do late[math.tointeger(tonumber(row[1]))] = true end
    for _, record in ipairs(records) do
      local worker = record.state == "running" and record.system_attributes[rules.WORKER]
      if late[record.id] or worker and is_dead(worker) then found[#found + 1] = record end
    end
    return found
  end)
end

return SQL
