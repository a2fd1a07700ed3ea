--- What callbacks that write files share: that a file cannot be written should be found out before training, not after
-- an hour of it; and later it is no reason to lose the training.
local core = require "fmnistnn.core"
local folder = require "fmnistnn.folder"
local probe = require "fmnistnn.probe"
local write_file = require "fmnistnn.write_file"

local output = {}

--- A line on standard error.
function output.warn(who, message) io.stderr:write(who, ": ", message, "\n") end

--- Makes the folder of a file if needed: true, or nil and a message.
function output.make_folder(path)
  local into = path:match("^(.*/)[^/]*$")
  if not into then return true end
  return folder.make(into)
end

--- Raises unless a file can be written where `path` is, whose folder is made if needed. write: as probe takes it.
function output.probe(who, path, write)
  local ok, message = output.make_folder(path)
  if ok then
    ok, message = probe(path, write)
    message = not ok and ("%s: %s"):format(path, message)
  end
  if not ok then error(("%s: %s"):format(who, message), 0) end
end

--- The names that a value has in a log: its own, or, for a list (a number a class), that with the place in it.
function output.names(name, value)
  if type(value) ~= "table" then return {name} end
  local names = {}
  for i in ipairs(value) do names[i] = ("%s_%d"):format(name, i) end
  return names
end

--- The values with lists taken apart: a number by name.
function output.flat(values)
  local flat = {}
  for name, value in pairs(values) do
    local list = type(value) == "table" and value or {value}
    for i, each in ipairs(output.names(name, value)) do flat[each] = list[i] end
  end
  return flat
end

-- ---- logs: files that grow ----

local Log = {}
Log.__index = Log

--- A log that writes to `path` when something is first added, in a folder that is then made if needed; from then on it
-- keeps the first `kept` bytes of the file that was there, or all ("all"). Of a file that has fewer, as after a power
-- cut, it keeps whole(text): what is whole of the text.
function output.log(who, path, kept, whole)
  return setmetatable({who = who, path = path, kept = kept, whole = whole}, Log)
end

--- What the log begins with: the bytes that are kept of the file; none of a device or a pipe.
function Log:head()
  local _, special = core.resolve(self.path)
  if self.kept == 0 or special then return "" end
  local file = io.open(self.path, "rb")
  if not file then return "" end
  local text = file:read(self.kept == "all" and "a" or self.kept) or ""
  file:close()
  return self.kept ~= "all" and #text < self.kept and self.whole(text) or text
end

local function open(self)
  local head = self:head()
  local ok, message = output.make_folder(self.path)
  if ok then ok, message = write_file(self.path, head) end
  if ok then self.file, message = io.open(self.path, "ab") end
  self.size = #head
  return self.file, message
end

local function append(self, text)
  local ok, message = self.file:write(text)
  if ok then ok, message = self.file:flush() end
  return ok, not ok and ("%s: %s"):format(self.path, message)
end

--- Adds a text, so that it is in the file at once. When that fails, it says so, once, and training goes on.
function Log:add(text)
  if self.failed then return end
  local ok, message = true, nil
  if not self.file then ok, message = open(self) end
  if ok then ok, message = append(self, text) end
  if ok then
    self.size = self.size + #text
  else
    self.failed = true
    output.warn(self.who, message)
  end
end

function Log:close()
  if self.file then self.file:close() end
end

return output
