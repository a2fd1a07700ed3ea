--- Folders: Lua knows none.
local core = require "fmnistnn.core"

local folder = {}

--- One word of a shell command, whatever is in it.
function folder.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Makes a folder, and those that it lies in, unless it is there. Returns true, or nil and a message.
function folder.make(path)
  local stop = path:find("[^/]") -- of the part that is to be made next
  while stop do
    stop = path:find("/", stop, true)
    local made, message = core.make_folder(path:sub(1, stop))
    if not made then return nil, ("%s: the folder could not be made (%s)"):format(path, message) end
    stop = stop and path:find("[^/]", stop)
  end
  return true
end

return folder
