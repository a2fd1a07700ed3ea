--- Trials in a PostgreSQL database: for many machines. LuaSQL is loaded when the first one is opened: Debian's
-- lua-sql-postgres, or the rock luasql-postgres.
local SQL = require "fmnistnn.search.storage.sql"
local core = require "fmnistnn.core"
local schema = require "fmnistnn.search.storage.schema"

local PostgreSQL = setmetatable({}, {__index = SQL})
PostgreSQL.__index = PostgreSQL

local LOCK <const> = 4815162342 -- the advisory lock of who makes the tables: any number that all agree on

PostgreSQL.words = {id = "SERIAL NOT NULL", float = "DOUBLE PRECISION", time = "TIMESTAMP WITHOUT TIME ZONE"}
for _, enum in ipairs(schema.enums) do PostgreSQL.words[enum[2]] = enum[1] end
PostgreSQL.now = "timezone('utc', clock_timestamp())"
PostgreSQL.beat_now = "clock_timestamp()" -- in the session's time zone, as Optuna's

function PostgreSQL:seconds(column) return ("extract(epoch FROM %s)"):format(column) end

function PostgreSQL:stale(seconds)
  return ("clock_timestamp()::timestamp - interval '%d milliseconds'"):format(math.ceil(seconds * 1000))
end

function PostgreSQL:connect()
  self.client = self.client or self:load_client "postgres"
  local connection, message = self.client:connect(self.url)
  if not connection then self:fail("no connection (%s)", self.tidy(message)) end
  self.connection = connection
  self:run "SET standard_conforming_strings = on"
  self:run "SET client_encoding = 'UTF8'"
  self:run "SET lock_timeout = '60s'"
end

function PostgreSQL:begin() self:run "BEGIN" end

-- Optuna locks the same row when it numbers trials.
function PostgreSQL:lock(id)
  if not self:value("SELECT study_id FROM studies WHERE study_id = ? FOR UPDATE", id) then
    self:fail("the study was deleted")
  end
end

function PostgreSQL:insert(column, statement, ...)
  return math.tointeger(tonumber(self:value(statement .. " RETURNING " .. column, ...)))
end

-- What libpq and a server that is going away say.
local lost = {
  "no connection", "connection to server", "could not connect", "server closed", "terminating connection",
  "could not receive data", "could not send data", "SSL connection has been closed", "system is shutting down",
  "system is starting up", "in recovery mode",
}

function PostgreSQL:is_lost(message)
  for _, text in ipairs(lost) do
    if message:find(text, 1, true) then return true end
  end
  return false
end

function PostgreSQL:is_there() return true end

-- ---- opening ----

local function found_tables(self)
  local found = {}
  local rows = self:run [[SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema()]]
  for _, row in ipairs(rows) do
    found[row[1]] = found[row[1]] or {}
    found[row[1]][row[2]] = true
  end
  return found
end

local function make_tables(self, version)
  for _, enum in ipairs(schema.enums) do
    self:run(("CREATE TYPE %s AS ENUM ('%s')"):format(enum[1], table.concat(enum[3], "', '")))
  end
  for _, statement in ipairs(schema.statements(self.words, version, "fmnistnn " .. core.info().version)) do
    self:run(statement)
  end
end

local function prepare(self, version)
  self:run "BEGIN"
  self:run("SELECT pg_advisory_xact_lock(?)", LOCK)
  local kind, message = schema.recognize(found_tables(self))
  if not kind then self:fail("%s", message) end
  if kind == "ours" then
    local number = self:value "SELECT schema_version FROM version_info"
    local sound
    sound, message = schema.check_versions(tonumber(number), self:value "SELECT version_num FROM alembic_version")
    if not sound then self:fail("%s", message) end
    if self:value "SHOW transaction_read_only" == "on" then self:fail("is read-only") end
  else
    make_tables(self, version)
  end
  self:run "COMMIT"
end

--- The storage in a database by its URL, "postgresql://user:password@host:port/database". version: which Optuna new
-- tables are for (storage/init.lua). Raises when it cannot be reached or is of something else.
function PostgreSQL.new(url, version)
  local self = SQL.new(PostgreSQL, (url:gsub("^(%a+://[^:/@]*):[^@]*@", "%1:***@")))
  self.url = url
  local done, message = pcall(function()
    self:connect()
    prepare(self, version)
  end)
  if not done then
    pcall(self.disconnect, self)
    error(message, 0)
  end
  return self
end

return PostgreSQL
