--- Errors that pass through the library on their way to the user: handlers for xpcall.
local traceback = {}

--- Whether an error is Ctrl-C: lua stops a script by an error of this text, raised wherever it happens to be.
function traceback.is_interrupt(message) return type(message) == "string" and message:find("interrupted!$") ~= nil end

--- Raises an error again that was caught and is Ctrl-C: nothing that a caller should take for the outcome of a call.
function traceback.pass_interrupt(message)
  if traceback.is_interrupt(message) then error(message, 0) end
end

--- The message of an error, with where it happened.
function traceback.add(message)
  if type(message) ~= "string" or traceback.is_interrupt(message) then return message end
  if message:find("stack traceback:", 1, true) then return message end
  return debug.traceback(message, 2)
end

return traceback
