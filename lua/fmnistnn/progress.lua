--- A line that tells how training goes: live on a terminal, one line an epoch elsewhere. fit makes one of its own; who
-- runs many fits makes one for all of them and gives it to each:
--
--   local progress = fnn.Progress{epochs = 12, trials = 10}
--   for trial = 1, 10 do
--     progress:begin_trial(trial)
--     trainer:fit(train, {epochs = 12, progress = progress})       -- trial 3/10, epoch 4/12 [====....] ... 12:34 left
--   end
--
-- fit needs begin_epoch, advance, end_epoch and stop alone; any object that has them will do.
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Progress = {}
Progress.__index = Progress
Progress.__name = "fmnistnn.Progress"

local REFRESH = 0.1 -- seconds between two drawings
local CELLS = 20    -- of the bar, at most, and of the sparkline

-- "02:05" or "1:02:05"
local function duration(seconds)
  if seconds ~= seconds or seconds == math.huge then return "--:--" end
  seconds = math.floor(seconds + 0.5)
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds // 3600, seconds % 3600 // 60, seconds % 60) end
  return ("%02d:%02d"):format(seconds // 60, seconds % 60)
end

-- Whether the terminal shows UTF-8, as the environment says (setlocale(3)).
local function is_utf8()
  for _, name in ipairs {"LC_ALL", "LC_CTYPE", "LANG"} do
    local value = os.getenv(name)
    if value and value ~= "" then return value:lower():find("utf%-?8") ~= nil end
  end
  return false
end

Progress._duration, Progress._is_utf8 = duration, is_utf8

-- Raises unless `work` is a list of as many numbers as there are trials.
local function check_work(work, trials)
  if not is_list(work) then refuse("Progress: work: expected a list of numbers, got another table") end
  if #work ~= trials then
    refuse("Progress: work: expected %d, one for each of trials, got %d", trials, #work)
  end
  for i, each in ipairs(work) do
    if type(each) ~= "number" or each ~= each or each < 0 then
      refuse("Progress: work: element %d: expected a number of 0 or more, got %s", i, options.describe(each))
    end
  end
end

--- Progress{epochs = of a fit, trials = 1, work}. Writes to standard error. work: a number for each trial, how
-- long they take beside each other; all alike unless given.
local function new(_, given)
  local o = options.check("Progress", given, {
    {"epochs", "count"}, {"trials", "count", default = 1}, {"work", "table", optional = true},
  })
  if o.work then check_work(o.work, o.trials) end
  local before = {0} -- each trial, and at last all of them
  for i = 1, o.trials do before[i + 1] = before[i] + (o.work and o.work[i] or 1) end
  return setmetatable({
    epochs = o.epochs, trials = o.trials, before = before, trial = 1, head = "",
    width = core.terminal(), utf8 = is_utf8(), drawn = 0,
  }, Progress)
end

--- The next of several fits begins, the one with this number. `epochs`: how many it has, if not as many as the last.
function Progress:begin_trial(number, epochs)
  local o = options.check("begin_trial", {number = number, epochs = epochs}, {
    {"number", "count"}, {"epochs", "count", default = self.epochs},
  })
  if number > self.trials then
    refuse("begin_trial: number: expected 1..%d, as Progress was made for, got %d", self.trials, number)
  end
  self.trial, self.epochs = number, o.epochs
  self.head = ("trial %d/%d, "):format(number, self.trials)
end

-- ---- the line ----

local function is_finite(x) return x == x and math.abs(x) ~= math.huge end

local bars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

--- The last `cells` of some numbers as bars, from the least to the greatest; what is not finite is a gap.
function Progress.sparkline(list, cells)
  local shown = table.move(list, math.max(1, #list - cells + 1), #list, 1, {})
  local least, greatest = math.huge, -math.huge
  for _, x in ipairs(shown) do
    if is_finite(x) then least, greatest = math.min(least, x), math.max(greatest, x) end
  end
  for i, x in ipairs(shown) do
    local place = greatest > least and (x - least) / (greatest - least) or 0
    shown[i] = is_finite(x) and bars[1 + math.floor(place * 7 + 0.5)] or " "
  end
  return table.concat(shown)
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
  io.stderr:write("\r", text:sub(1, (utf8.offset(text, room(self) + 1) or #text + 1) - 1), "\27[K")
  io.stderr:flush()
end

-- The losses of the epochs so far, in what room the rest leaves.
local function losses_text(self, rest)
  local losses = self.history and self.history.loss or {}
  local cells = math.min(CELLS, #losses, rest - 2)
  return self.utf8 and cells >= 2 and Progress.sparkline(losses, cells) .. "  " or ""
end

-- The part of all the work that is done.
local function fraction(self)
  local epochs, before = self.epoch - 1 + self.seen / self.images, self.before
  local work = before[self.trial + 1] - before[self.trial]
  return (before[self.trial] + work * epochs / self.epochs) / before[self.trials + 1]
end

-- How long the rest takes, if it takes as long as what was done since the start.
local function seconds_left(self, now)
  local done = fraction(self)
  return (now - self.started) * (1 - done) / (done - self.first)
end

-- ---- what fit calls ----

--- An epoch of so many images begins; `seen` of them are done already when the fit goes on from a backup. history: as
-- fit returns it, so far.
function Progress:begin_epoch(epoch, images, seen, history)
  self.epoch, self.images, self.seen, self.history = epoch, images, seen, history
  self.epoch_started, self.epoch_first = core.now(), seen
  if not self.started then self.started, self.first = core.now(), fraction(self) end
end

--- So many more images are done; `values` are the running averages.
function Progress:advance(count, names, values)
  self.seen = self.seen + count
  local now = core.now()
  if not self.width or now - self.drawn < REFRESH then return end
  self.drawn = now
  local rate = (self.seen - self.epoch_first) / (now - self.epoch_started)
  local head = ("%sepoch %d/%d ["):format(self.head, self.epoch, self.epochs)
  local tail = ("] %5.0f images/s  %s  "):format(rate, values_text(names, values))
  local left = duration(seconds_left(self, now)) .. " left"
  -- the bar makes room on a narrow terminal, so that the time left is not cut off
  local rest = room(self) - #head - #tail - #left
  local cells = math.max(0, math.min(CELLS, rest))
  local full = math.floor(cells * self.seen / self.images)
  local bar = ("="):rep(full) .. ("."):rep(cells - full)
  draw(self, head .. bar .. tail .. losses_text(self, rest - cells) .. left)
end

--- The epoch is over: what it came to.
function Progress:end_epoch(names, values, seconds, rate)
  if self.width then io.stderr:write("\r\27[K") end
  io.stderr:write(("%sepoch %d/%d  %s  %.0f images/s  %s\n"):format(self.head, self.epoch, self.epochs,
    duration(seconds), rate, values_text(names, values)))
end

--- Leaves the line of an epoch that was not finished.
function Progress:stop()
  if self.width then io.stderr:write("\r\27[K") end
end

return setmetatable(Progress, {__call = new})
