--- Folders, by programs of the system: Lua knows none.
local folder = {}

--- One word of a shell command, whatever is in it.
function folder.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Makes a folder, and those that it lies in, unless it is there. Returns true, or nil and a message.
function folder.make(path)
  local pipe = io.popen("mkdir -p -- " .. folder.quote(path) .. " 2>&1")
  local said = pipe:read("a"):match("[^\n]*")
  if pipe:close() then return true end
  return nil, ("%s: the folder could not be made (%s)"):format(path, said)
end

return folder
