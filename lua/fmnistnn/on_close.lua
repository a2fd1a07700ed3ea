--- on_close(f): a value that is to be closed. f() is called then, however its block is left: by its end, by an error,
-- or when the coroutine that it runs in is closed, of which no pcall learns; and once more when Ctrl-C comes while it
-- runs, which it does once only: f may be called twice.
--
--   local _ <close> = on_close(function() model:train() end)
local traceback = require "fmnistnn.traceback"

local function close(self)
  local ok, message = xpcall(self.f, traceback.add)
  if ok then return end
  if traceback.is_interrupt(message) then self.f() end
  error(message, 0)
end

local mark = {__close = close}

return function(f) return setmetatable({f = f}, mark) end
