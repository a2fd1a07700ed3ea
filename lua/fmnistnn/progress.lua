--- A line that tells how training goes: live on a terminal, one line an epoch elsewhere.
local core = require "fmnistnn.core"

local Progress = {}
Progress.__index = Progress

local REFRESH = 0.1 -- seconds between two drawings

local function duration(seconds)
  if seconds ~= seconds or seconds == math.huge then return "--:--" end
  seconds = math.floor(seconds + 0.5)
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds // 3600, seconds % 3600 // 60, seconds % 60) end
  return ("%02d:%02d"):format(seconds // 60, seconds % 60)
end

--- Progress.new(epochs): for so many epochs. Writes to standard error.
function Progress.new(epochs)
  return setmetatable({epochs = epochs, width = core.terminal(), started = core.now(), drawn = 0, done = 0}, Progress)
end

-- "loss 0.4321  accuracy 0.8532", in the order of names; without metrics that are no number but a list.
local function values_text(names, values)
  local parts = {}
  for _, name in ipairs(names) do
    if type(values[name]) == "number" then parts[#parts + 1] = ("%s %.4f"):format(name, values[name]) end
  end
  return table.concat(parts, "  ")
end

-- How long a line may be: the terminal adds ^C when a user presses that, and the line must not be wrapped by it.
local function room(self) return math.max(0, self.width - 3) end

local function draw(self, text)
  io.stderr:write("\r", text:sub(1, room(self)), "\27[K")
  io.stderr:flush()
end

--- An epoch of so many images begins.
function Progress:begin_epoch(epoch, images)
  self.epoch, self.images, self.seen, self.epoch_started = epoch, images, 0, core.now()
end

--- So many more images are done; `values` are the running averages.
function Progress:advance(count, names, values)
  self.seen = self.seen + count
  local now = core.now()
  if not self.width or now - self.drawn < REFRESH then return end
  self.drawn = now
  local rate = self.seen / (now - self.epoch_started)
  local fraction = (self.done + self.seen / self.images) / self.epochs
  local left = (now - self.started) * (1 - fraction) / fraction
  local head = ("epoch %d/%d ["):format(self.epoch, self.epochs)
  local tail = ("] %5.0f images/s  %s  %s left"):format(rate, values_text(names, values), duration(left))
  -- the bar makes room on a narrow terminal, so that the time left is not cut off
  local cells = math.max(0, math.min(20, room(self) - #head - #tail))
  local full = math.floor(cells * self.seen / self.images)
  draw(self, head .. ("="):rep(full) .. ("."):rep(cells - full) .. tail)
end

--- The epoch is over: what it came to.
function Progress:end_epoch(names, values, seconds, rate)
  self.done = self.done + 1
  if self.width then io.stderr:write("\r\27[K") end
  io.stderr:write(("epoch %d/%d  %s  %.0f images/s  %s\n"):format(self.epoch, self.epochs, duration(seconds), rate,
    values_text(names, values)))
end

--- Leaves the line of an epoch that was not finished.
function Progress:stop()
  if self.width then io.stderr:write("\r\27[K") end
end

return Progress
