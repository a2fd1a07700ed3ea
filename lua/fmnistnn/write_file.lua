--- Writes a file so that there is never half of it: into a file beside it, which takes its name when it is whole.
local core = require "fmnistnn.core"

local function write_pieces(file, pieces)
  for _, piece in ipairs(pieces) do
    local ok, message = file:write(core.is_tensor(piece) and piece:tobytes() or piece)
    if not ok then return nil, message end
  end
  return file:flush()
end

--- write_file(path, text), or a list of texts and tensors (their bytes). Returns true, or nil and a message with the path; a
-- file that was there before is then as it was.
return function(path, content)
  local pieces = type(content) == "table" and content or {content}
  local temporary = ("%s.%d.tmp"):format(path, core.process_id())
  local file, message = io.open(temporary, "wb")
  if not file then return nil, message end
  local ok
  ok, message = write_pieces(file, pieces)
  local closed, close_message = file:close()
  if ok and not closed then ok, message = nil, close_message end
  if ok then ok, message = os.rename(temporary, path) end
  if ok then return true end
  os.remove(temporary)
  return nil, ("%s: %s"):format(path, message)
end
