--- on_close(f): a value that is to be closed. f() is called then, however its block is left: by its end, by an error,
-- or when the coroutine that it runs in is closed, of which no pcall learns.
--
--   local _ <close> = on_close(function() model:train() end)
local mark = {__close = function(self) self.f() end}

return function(f) return setmetatable({f = f}, mark) end
