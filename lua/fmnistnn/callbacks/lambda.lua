--- Lambda{on_epoch_end = f, ...}: functions as a callback, which are called without it as the first argument:
-- f(trainer, epoch, values). Any event that fit knows may be among them.
local class = require "fmnistnn.class"
local events = require "fmnistnn.callbacks.events"

local spec = {by_name = true}
for i, event in ipairs(events) do spec[i] = {event, "function", optional = true} end

local Lambda = class("Lambda", spec)

function Lambda:init()
  for _, event in ipairs(events) do
    local f = self[event]
    if f then self[event] = function(_, ...) return f(...) end end
  end
end

return Lambda
