--- Whether write_file can write a file, found out by writing another beside it: what takes long should not end in one
-- that cannot be written.
local core = require "fmnistnn.core"

-- Writes a file of a page, as a full disk takes names but no bytes. Its name is gone before, so that a process that is
-- killed leaves none.
local function write_little(path)
  local file, message = io.open(path, "wb")
  if not file then return nil, message end
  os.remove(path)
  local ok
  ok, message = file:write((" "):rep(4096))
  local closed, close_message = file:close()
  if not ok or not closed then return nil, message or close_message end
  return true
end

-- A name beside a file's that no file has.
local function free_name(path)
  local name, count = path .. ".trial", 1
  while core.file_size(name) do
    count = count + 1
    name = ("%s.trial%d"):format(path, count)
  end
  return name
end

--- probe(path, write): true, or nil and a message without the path. write(path), which returns true or nil and a
-- message, writes a file for trial (a page without it), which is removed again. Devices and pipes are not written to.
return function(path, write)
  local target, special = core.resolve(path)
  if not target then return nil, special end
  local within <close> = io.open(target .. "/.")
  if within then return nil, "Is a directory" end
  if special then return true end
  local trial = free_name(target)
  local ok, message = (write or write_little)(trial)
  os.remove(trial)
  if ok then return true end
  local named = trial .. ": "
  if message:sub(1, #named) == named then message = message:sub(#named + 1) end
  return nil, message
end
