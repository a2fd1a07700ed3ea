--- Learning rates that change: what an optimizer takes as `lr` in place of a number.
--
--   local schedule = fnn.schedules.Cosine{lr = 0.1, steps = 10000}
--   local optimizer = fnn.optim.SGD{model = model, lr = schedule}
--   print(schedule(0), schedule(5000)) --> 0.1  0.05
--
-- A schedule is called with a step, which counts from 0 as in Keras: the optimizer's first step asks for schedule(0).
-- Steps are steps of the optimizer, one a batch, not epochs. A schedule remembers nothing: what it gives depends on
-- the step alone. Any function of a step is one too.
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local schedules = {}

local Schedule = {__name = "fmnistnn.Schedule"}

function Schedule:__call(step)
  if type(step) ~= "number" or step ~= step or step < 0 then
    refuse("%s: step: expected a number of 0 or more, got %s", self.name, tostring(step))
  end
  return self._at(step)
end

-- A function of the module: make(o) gives the learning rate as a function of the step, for checked options.
local function schedule(name, spec, make)
  schedules[name] = options.maker(function(given)
    local o = options.check(name, given, spec)
    return setmetatable({name = name, options = o, _at = make(o)}, Schedule)
  end, name .. "{...}")
end

local lr, steps, every = {"lr", "positive"}, {"steps", "count"}, {"every", "count", default = 1}
local function factor(default) return {"factor", "positive", default = default} end
local function final(default) return {"final", "nonnegative", default = default} end
local curve = {"curve", "string", default = "linear"}

-- ---- curves ----

-- From 0 to 1 over 0..1.
local curves = {
  linear = function(x) return x end,
  cosine = function(x) return (1 - math.cos(math.pi * x)) / 2 end,
}

local function curve_of(who, name)
  if not curves[name] then refuse("%s: curve: expected 'linear' or 'cosine', got '%s'", who, name) end
  return curves[name]
end

-- Raises where a list has other keys, which would be lost.
local function check_keys(who, name, list)
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 then
      refuse("%s: %s: expected a list, got the key %s", who, name, tostring(key))
    end
  end
end

-- A copy of a list, which must be of numbers above `least`, each above the one before.
local function check_rising(who, name, list, least)
  check_keys(who, name, list)
  for i = 1, #list do -- ipairs would end at a hole
    local value, before = list[i], list[i - 1] or least
    if type(value) ~= "number" or value ~= value or value <= before then
      refuse("%s: %s: element %d: expected a number above %s, got %s", who, name, i, before, tostring(value))
    end
  end
  return {table.unpack(list)}
end

local function check_length(who, name, list, length)
  check_keys(who, name, list)
  if #list ~= length then refuse("%s: %s: expected %d, got %d", who, name, length, #list) end
end

-- How many of the numbers of a rising list a step has reached.
local function count_reached(list, step)
  local count = 0
  while list[count + 1] and step >= list[count + 1] do count = count + 1 end
  return count
end

-- A number or a schedule, the option `who`, as a function that raises where the schedule gives no number.
local function as_function(who, given)
  if type(given) == "number" then return function() return given end end
  return function(step)
    local rate = given(step)
    if type(rate) ~= "number" then refuse("%s: expected a number from the schedule, got %s", who, type(rate)) end
    return rate
  end
end

-- ---- decay ----

--- lr factor^(step // every). factor 0.1.
schedule("Step", {lr, {"every", "count"}, factor(0.1)}, function(o)
  return function(step) return o.lr * o.factor ^ (step // o.every) end
end)

--- lr factor^n, where n of the milestones (rising steps) have been reached. factor 0.1.
schedule("MultiStep", {lr, {"milestones", "table"}, factor(0.1)}, function(o)
  local milestones = check_rising("MultiStep", "milestones", o.milestones, 0)
  return function(step) return o.lr * o.factor ^ count_reached(milestones, step) end
end)

--- lr factor^(step / every). every 1; with floors, as Keras's staircase, it is Step.
schedule("Exponential", {lr, {"factor", "positive"}, every}, function(o)
  return function(step) return o.lr * o.factor ^ (step / o.every) end
end)

--- lr / (1 + rate step / every). every 1.
schedule("InverseTime", {lr, {"rate", "nonnegative"}, every}, function(o)
  return function(step) return o.lr / (1 + o.rate * step / o.every) end
end)

--- final + (lr - final) (1 - step / steps)^power, and final from then on. final 0.0001, power 1.
schedule("Polynomial", {lr, steps, final(0.0001), {"power", "positive", default = 1}}, function(o)
  return function(step) return o.final + (o.lr - o.final) * (1 - math.min(step / o.steps, 1)) ^ o.power end
end)

--- final + (lr - final) (1 + cos(pi step / steps)) / 2 (Loshchilov and Hutter 2016, equation 5, without restarts), and
-- final from then on. final 0.
schedule("Cosine", {lr, steps, final(0)}, function(o)
  return function(step) return o.lr + (o.final - o.lr) * curves.cosine(math.min(step / o.steps, 1)) end
end)

-- Which period a step is in, from 0 on, and how far in it, 0..1. The first has `first` steps, each next one `growth`
-- times as many.
local function find_period(step, first, growth)
  if growth == 1 then return step // first, step % first / first end
  local number, length = 0, first + 0.0 -- a float, which grows without turning round
  while step >= length do
    step, length, number = step - length, length * growth, number + 1
  end
  return number, step / length
end

--- Cosine from lr to final, again and again (SGDR, Loshchilov and Hutter 2016): the first time over `steps` steps, each
-- next time over `growth` times as many, and from `factor` times as high above final. growth 2, factor 1, final 0.
schedule("CosineRestarts", {lr, steps, {"growth", "positive", default = 2}, factor(1), final(0)}, function(o)
  if o.growth < 1 then refuse("CosineRestarts: growth: expected 1 or more, got %s", o.growth) end
  return function(step)
    local number, part = find_period(step, o.steps, o.growth)
    return o.final + (o.lr - o.final) * o.factor ^ number * (1 - curves.cosine(part))
  end
end)

-- ---- rising first ----

--- From `start` up to what a schedule (or a number) begins with, within `steps` steps; then that schedule, from its
-- own step 0 on. start 0, curve "linear" or "cosine".
schedule("Warmup", {{"schedule", "lr"}, steps, {"start", "nonnegative", default = 0}, curve}, function(o)
  local rise, after = curve_of("Warmup", o.curve), as_function("Warmup: schedule", o.schedule)
  return function(step)
    if step >= o.steps then return after(step - o.steps) end
    return o.start + (after(0) - o.start) * rise(step / o.steps)
  end
end)

--- One cycle over `steps` steps (Smith and Topin 2017), as PyTorch's OneCycleLR: within the part `warmup` of them from
-- lr / div_factor up to lr, then down to lr / div_factor / final_div_factor, and there it stays. warmup 0.3,
-- div_factor 25, final_div_factor 10000, curve "cosine" or "linear".
schedule("OneCycle", {
  lr, steps,
  {"warmup", "rate", default = 0.3},
  {"div_factor", "positive", default = 25},
  {"final_div_factor", "positive", default = 10000},
  {"curve", "string", default = "cosine"},
}, function(o)
  local rise = curve_of("OneCycle", o.curve)
  local start, peak, last = o.lr / o.div_factor, o.warmup * o.steps - 1, o.steps - 1
  local lowest = start / o.final_div_factor
  return function(step)
    if peak > 0 and step <= peak then return start + (o.lr - start) * rise(step / peak) end
    return o.lr + (lowest - o.lr) * rise((math.min(step, last) - peak) / (last - peak))
  end
end)

-- ---- made of others ----

--- values[1] up to and including step boundaries[1], then values[2], and so on: one value more than boundaries.
schedule("PiecewiseConstant", {{"boundaries", "table"}, {"values", "table"}}, function(o)
  local boundaries, values = check_rising("PiecewiseConstant", "boundaries", o.boundaries, -1), {}
  check_length("PiecewiseConstant", "values", o.values, #boundaries + 1)
  for i = 1, #o.values do
    local value = o.values[i]
    if type(value) ~= "number" then
      refuse("PiecewiseConstant: values: element %d: expected a number, got %s", i, type(value))
    end
    values[i] = value
  end
  return function(step)
    local i = 1
    while boundaries[i] and step > boundaries[i] do i = i + 1 end
    return values[i]
  end
end)

--- One schedule (or number) after another, each from its own step 0 on: the second begins at milestones[1], and so on.
schedule("Sequential", {{"schedules", "table"}, {"milestones", "table"}}, function(o)
  local milestones = check_rising("Sequential", "milestones", o.milestones, 0)
  check_length("Sequential", "schedules", o.schedules, #milestones + 1)
  local list = {}
  for i = 1, #o.schedules do
    local who = "Sequential: schedules: element " .. i
    options.check(who, {schedule = o.schedules[i]}, {{"schedule", "lr"}})
    list[i] = as_function(who, o.schedules[i])
  end
  return function(step)
    local passed = count_reached(milestones, step)
    return list[passed + 1](step - (milestones[passed] or 0))
  end
end)

return schedules
