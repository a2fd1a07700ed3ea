--- Where a study keeps its trials: in memory, in an SQLite file or in a PostgreSQL database.
--
-- A storage has these methods; `id` is a study's, `record` a trial's (storage/rules.lua). Those that would change a
-- trial that is over change nothing and return false.
--
--   studies(), study(name)                      {id, name, directions, user_attributes, system_attributes}
--   create_study(name, directions, attributes)  true, or false when there is one of this name
--   delete_study(id)
--   set_study_attribute(id, kind, key, value)   kind: "user" or "system"
--   trials(id)                                  all records, by number: number n stands at n + 1
--   known(id)                                   the same as they were read last, or begun by this process
--   create_trial(id, template)                  a new record with the template's state, params ...
--   start_trial(id, {limit, worker, is_exhausted})   the first trial that waits, or a new one, now running; nil when
--                                               as many as `limit` have begun, or when none waits and is_exhausted()
--                                               says so of known(id). worker: the process that it runs in
--   set_parameter(record, name, value, distribution), forget_parameters(record)
--   report(record, step, value), forget_reports(record, step)     of this step and later ones
--   set_trial_attribute(record, kind, key, value)
--   finish(record, {state, values, system_attributes, retries})   true, or nil and the state when it was over before;
--                                               retries: makes another attempt unless there were so many
--   beat(id, workers)                           the trials of these workers are alive
--   lost(id, seconds, is_dead)                  running trials without a heartbeat for so long, or of a worker that
--                                               is_dead(worker) knows to be gone
--   disconnect()                                before a process is forked
local core = require "fmnistnn.core"
local schema = require "fmnistnn.search.storage.schema"

local storage = {}

-- One storage for each database in a process: two connections to one file would be in each other's way, and records
-- are kept once. One whose file was deleted since is none.
local opened = setmetatable({}, {__mode = "v"})

local makers = {
  sqlite = function(url, version, existing)
    local path = url:match("^[%w+]+:///(.+)$")
    if not path or path == ":memory:" then
      error('search: storage: expected "sqlite:///FILE" or "sqlite:////PATH/FILE", got "' .. url .. '"', 0)
    end
    if path:find("?", 1, true) then -- there Optuna's URLs have options of a connection
      error('search: storage: expected the path of a file without a question mark, got "' .. url .. '"', 0)
    end
    if existing and not core.file_size(path) then return nil, "there is no file " .. path end
    return require "fmnistnn.search.storage.sqlite".new(path, version)
  end,
  postgresql = function(url, version)
    return require "fmnistnn.search.storage.postgresql".new((url:gsub("^[%w+]+:", "postgresql:")), version)
  end,
}

-- Raises where a table has other keys than those of {URL, optuna = "5"}, which would be ignored.
local function check_keys(given)
  for key in pairs(given) do
    if key ~= 1 and key ~= "optuna" then
      error(("search: storage: unknown option %s (there is optuna)"):format(tostring(key)), 0)
    end
  end
end

--- storage.open(given): nil for one in memory; a URL, "sqlite:///FILE" or "postgresql://USER:PASSWORD@HOST/DATABASE";
-- or {URL, optuna = "5"}: which Optuna is to open a new database without a question, "5" for 3.2 and newer, "3.1", or
-- "any" for the first that comes. existing true: nil and a message when there is no such file, which is made else.
-- Raises when it cannot be opened or is none of ours.
function storage.open(given, existing)
  if given == nil then return require "fmnistnn.search.storage.memory".new() end
  local url, version = given, "5"
  if type(given) == "table" then
    check_keys(given)
    url, version = given[1], given.optuna or "5"
  end
  local scheme = type(url) == "string" and url:match("^(%a+)[%w+]*:")
  if scheme == "postgres" then scheme = "postgresql" end
  if not makers[scheme] then
    error('search: storage: expected "sqlite:///FILE", "postgresql://..." or nil, got ' .. tostring(url), 0)
  end
  if not schema.versions[version] then
    error('search: storage: optuna: expected "5", "3.1" or "any", got ' .. tostring(version), 0)
  end
  if opened[url] and opened[url]:is_there() then return opened[url] end
  local made, message = makers[scheme](url, version, existing)
  opened[url] = made
  return made, message
end

return storage
