--- Trials in an SQLite file: the embedded default, for the processes of one machine (never on a network's file system).
--
-- LuaSQL is loaded when the first such file is opened: Debian's lua-sql-sqlite3, or the rock luasql-sqlite3.
local SQL = require "fmnistnn.search.storage.sql"
local core = require "fmnistnn.core"
local schema = require "fmnistnn.search.storage.schema"

local SQLite = setmetatable({}, {__index = SQL})
SQLite.__index = SQLite

local WAIT <const> = 60 -- seconds for another process's transaction

SQLite.words = {
  id = "INTEGER NOT NULL", float = "FLOAT", time = "DATETIME", direction = "VARCHAR(8)", state = "VARCHAR(8)",
  value = "VARCHAR(7)", intermediate = "VARCHAR(7)",
}
SQLite.now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')" -- six digits: Optuna takes three for microseconds
SQLite.beat_now = "CURRENT_TIMESTAMP"

function SQLite:seconds(column) return ("(julianday(%s) - 2440587.5) * 86400.0"):format(column) end

function SQLite:stale(seconds) return ("datetime('now', '-%d seconds')"):format(math.ceil(seconds)) end

function SQLite:connect()
  self.client = self.client or self:load_client "sqlite3"
  local connection, message = self.client:connect(self.path)
  if not connection then self:fail("%s", self.tidy(message)) end
  self.connection = connection
  self:run(("PRAGMA busy_timeout = %d"):format(WAIT * 1000))
  self:run "PRAGMA synchronous = NORMAL"
end

function SQLite:begin() self:run "BEGIN IMMEDIATE" end

--- The disk has what a trial came to, and all that was written before, when this returns. What a power cut takes from
-- trials that run does not matter as much, and they do not wait for the disk.
function SQLite:finish(record, given)
  self:open()
  self:run "PRAGMA synchronous = FULL"
  local done, state = SQL.finish(self, record, given)
  self:run "PRAGMA synchronous = NORMAL"
  return done, state
end

-- The transaction has the whole file's lock.
function SQLite:lock(id)
  if not self:value("SELECT study_id FROM studies WHERE study_id = ?", id) then self:fail("the study was deleted") end
end

function SQLite:insert(_, statement, ...)
  self:run(statement, ...)
  return math.tointeger(tonumber(self:value "SELECT last_insert_rowid()"))
end

function SQLite:is_lost() return false end

function SQLite:is_there() return core.file_size(self.path) ~= nil end

-- ---- opening ----

local function found_tables(self)
  local found = {}
  local rows = self:run [[SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
    WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\']]
  for _, row in ipairs(rows) do
    found[row[1]] = found[row[1]] or {}
    found[row[1]][row[2]] = true
  end
  return found
end

-- Raises when the file is not whole, or not of a search; writes nothing. Returns "empty" or "ours".
local function examine(self)
  local state = self:value "PRAGMA quick_check(1)"
  if state ~= "ok" then self:fail("malformed: %s", state) end
  if core.file_size(self.path) % self:value "PRAGMA page_size" ~= 0 then
    self:fail "malformed: the last page is not whole"
  end
  local kind, message = schema.recognize(found_tables(self))
  if not kind then self:fail("%s", message) end
  if kind == "ours" then
    local sound
    sound, message = schema.check_versions(self:value "SELECT schema_version FROM version_info",
      self:value "SELECT version_num FROM alembic_version")
    if not sound then self:fail("%s", message) end
  end
  return kind
end

local function make_tables(self, version)
  self:run "BEGIN IMMEDIATE"
  if schema.recognize(found_tables(self)) == "empty" then -- no other process was quicker
    for _, statement in ipairs(schema.statements(self.words, version, "fmnistnn " .. core.info().version)) do
      self:run(statement)
    end
  end
  self:run "COMMIT"
end

-- Readers and a writer do not wait for each other then; the file remembers it. Another process may be about to do the
-- same, for which SQLite does not wait by itself.
local function use_log(self)
  for i = 1, 100 do
    local done, mode = pcall(self.value, self, "PRAGMA journal_mode = WAL")
    if done and mode == "wal" then return end
    if i == 100 then error(mode, 0) end
    core.sleep(0.05)
  end
end

local function prepare(self, version)
  local kind = examine(self)
  self:run "BEGIN IMMEDIATE" -- fails when the file cannot be written
  self:run "ROLLBACK"
  use_log(self)
  if kind == "empty" then make_tables(self, version) end
end

-- What SQLite's messages mean to who sees them here.
local words = {
  {"not a database", "is no SQLite database"},
  {"malformed", "is damaged; 'sqlite3 FILE .recover' can save what is left (%s)"},
  {"readonly", "cannot be written: the file or its folder is read-only (%s)"},
  {"unable to open", "cannot be opened: is there such a folder, and may it be written? (%s)"},
  {"disk I/O error", "cannot be read or written (%s)"},
  {"locked", "has been in use by another program for too long (%s)"},
}

local function in_words(self, message)
  local bare = message:sub(#("search: : ") + #self.name + 1)
  for _, entry in ipairs(words) do
    if bare:find(entry[1], 1, true) then return ("search: %s: "):format(self.name) .. entry[2]:format(bare) end
  end
  return message
end

--- The storage in a file, which is made when there is none. version: which Optuna a new one is for (storage/init.lua).
-- Raises what is wrong with a file that is damaged, of something else, newer or read-only; it is then as it was.
function SQLite.new(path, version)
  local self = SQL.new(SQLite, path)
  self.path = path
  local done, message = pcall(function()
    self:connect()
    prepare(self, version)
  end)
  if not done then
    pcall(self.disconnect, self)
    error(in_words(self, message), 0)
  end
  return self
end

return SQLite
