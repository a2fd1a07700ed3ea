--- Writes a file so that there is never half of it: into a file beside it, which takes its name when it is whole and on
-- the disk.
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local refuse = require "fmnistnn.refuse"

local function write_pieces(file, pieces)
  for _, piece in ipairs(pieces) do
    local ok, message = file:write(core.is_tensor(piece) and piece:tobytes() or piece)
    if not ok then return nil, message end
  end
  return file:flush()
end

-- Opens a file, writes it and closes it. private: so that nobody else can read it.
local function write(path, pieces, private)
  local ok, file, message = true, nil, nil
  if private then ok, message = core.make_private(path) end
  if ok then file, message = io.open(path, "wb") end
  if not file then return nil, message end
  local _ <close> = file -- also when a piece is a closed tensor, or on Ctrl-C
  ok, message = write_pieces(file, pieces)
  local closed, close_message = file:close()
  if ok and not closed then return nil, close_message end
  return ok, message
end

-- Raises unless it is a text or a list of texts and tensors.
local function check(content)
  local expected = "write_file: content: expected a text, or a list of texts and tensors, got "
  if content == nil then refuse("write_file: content: expected a text or a list, got nil") end
  if type(content) == "table" and not is_list(content) then refuse("%sa table that is no list", expected) end
  for _, piece in ipairs(type(content) == "table" and content or {content}) do
    if type(piece) ~= "string" and not core.is_tensor(piece) then refuse("%s%s", expected, type(piece)) end
  end
end

-- The name that a file has while it is written: nobody else's, neither in this process (by the address of what is
-- written, where it has several Lua states) nor, mostly, on another machine with a process of the same number.
local function name_beside(target, pieces) return ("%s.%d.%p.tmp"):format(target, core.process_id(), pieces) end

--- write_file(path, text), or a list of texts and tensors (their bytes). Returns true, or nil and a message with the
-- path; a file that was there before is then as it was. Links are followed, also to where nothing is yet, and a file
-- that was there keeps its permissions; devices and pipes, such as /dev/stdout, are written to.
return function(path, content)
  if type(path) ~= "string" then refuse("write_file: path: expected a string, got %s", type(path)) end
  check(content)
  local pieces = type(content) == "table" and content or {content}
  local target, special, permissions = core.resolve(path)
  if not target then return nil, ("%s: %s"):format(path, special) end
  local written = special and target or name_beside(target, pieces)
  local returned, ok, message = pcall(write, written, pieces, permissions) -- Ctrl-C may come in between
  if not returned then
    if not special then os.remove(written) end
    error(ok, 0)
  end
  if ok and not special then ok, message = core.sync(written, permissions) end
  if ok and not special then ok, message = os.rename(written, target) end
  if ok then return true end
  if not special then os.remove(written) end
  return nil, ("%s: %s"):format(path, message)
end
