--- Names of processes, by which it can be told on the same machine whether one still lives.
local core = require "fmnistnn.core"

local process = {}

local function read(path)
  local file = io.open(path)
  local line = file and file:read("l")
  if file then file:close() end
  return line
end

-- When a process began, in the kernel's ticks; nil when there is none, when it is dead and only not yet buried by its
-- parent, or when there is no way to know.
local function began(id)
  local line = read(("/proc/%s/stat"):format(id))
  local fields = line and line:match(".*%)(.*)") -- the second field is a name in brackets, which may have some itself
  if not fields or fields:find("^ [ZX]") then return nil end
  local count = 2
  for field in fields:gmatch("%S+") do
    count = count + 1
    if count == 22 then return field end
  end
end

-- What tells one boot of one machine, or one container, from others.
local function machine()
  local boot, first = read "/proc/sys/kernel/random/boot_id", began(1)
  return boot and first and boot:sub(1, 8) .. "-" .. first
end

--- The name of a process of this machine, by default this one: "host/id/beginning/machine".
function process.name(id)
  id = id or core.process_id()
  local host = read "/proc/sys/kernel/hostname" or os.getenv "HOSTNAME" or "?"
  return ("%s/%d/%s/%s"):format(host, id, began(id) or "?", machine() or "?")
end

--- Whether a name is known to be that of a process that is gone.
function process.is_gone(name)
  local id, beginning, place = tostring(name):match("/(%d+)/(%d+)/([^/]+)$")
  return place ~= nil and place == machine() and began(id) ~= beginning
end

return process
