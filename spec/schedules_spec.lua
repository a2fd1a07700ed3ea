-- Every schedule against PyTorch's and Keras's; what optimizers make of them; what is refused.
local fnn = require "fmnistnn"
local schedules, optim = fnn.schedules, fnn.optim
local peer = require "spec.support.peer"

local cases = peer.settings("schedules")

-- Those that are made of options alone, without another optimizer.
local plain = {}
for name, class in pairs(optim) do
  if class.spec then plain[name] = class end
end

-- A schedule from {class, options}; what is no schedule as it is.
local function build(value)
  if type(value) ~= "table" then return value end
  local options = {}
  if type(value[1]) == "string" then
    for name, each in pairs(value[2]) do options[name] = build(each) end
    return schedules[value[1]](options)
  end
  for i, each in ipairs(value) do options[i] = build(each) end
  return options
end

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("a schedule", function()
  for _, case in ipairs(cases) do
    it("gives what PyTorch's and Keras's do: " .. case.name, function()
      local schedule = build(case.schedule)
      for i, expected in ipairs(case.values) do
        local got = schedule(i - 1)
        local message = ("step %d: expected %.17g, got %.17g"):format(i - 1, expected, got)
        assert(math.abs(got - expected) <= 1e-9 * math.abs(expected) + 1e-15, message)
      end
    end)
  end

  it("has a case, each of them", function()
    local with_case = {}
    for _, case in ipairs(cases) do with_case[case.schedule[1]] = true end
    for name in pairs(schedules) do assert.is_true(with_case[name], name .. " has no case") end
  end)

  it("stays where it ended", function()
    assert.are.equal(0.25, schedules.Cosine {lr = 1, steps = 3, final = 0.25}(1000))
    assert.are.equal(0.25, schedules.Polynomial {lr = 1, steps = 3, final = 0.25}(1000))
    assert.are.equal(0.25, schedules.OneCycle {lr = 1, steps = 3, div_factor = 2, final_div_factor = 2}(1000))
  end)

  it("restarts on the step, however many periods have passed", function()
    local schedule = schedules.CosineRestarts {lr = 1, steps = 3, growth = 3}
    local period, start = 3, 0
    for _ = 1, 12 do
      assert.are.equal(1, schedule(start))
      assert(schedule(start + period - 1) < 0.8)
      start, period = start + period, period * 3
    end
    assert.are.equal(1, schedules.CosineRestarts {lr = 1, steps = 7, growth = 1}(7 * 10 ^ 9))
    assert.are.equal(1, schedules.CosineRestarts {lr = 1, steps = 7, growth = 1 << 62}(7))
  end)

  it("of one step has no gap", function()
    assert.are.equal(0.25, schedules.OneCycle {lr = 1, steps = 1, div_factor = 2, final_div_factor = 2}(0))
    assert.are.equal(1, schedules.Warmup {1, steps = 1}(1))
  end)

  it("takes its first option by position, numbers and functions for schedules", function()
    assert.are.equal(0.5, schedules.Cosine {1, steps = 2}(1))
    local schedule = schedules.Sequential {{0.5, function(step) return step end, schedules.Step {1, every = 1}},
      milestones = {2, 4}}
    local values = {}
    for step = 0, 5 do values[step + 1] = schedule(step) end
    assert.are.same({0.5, 0.5, 0, 1, 1, 0.1}, values)
  end)
end)

describe("an optimizer with a schedule", function()
  local function step(optimizer, w)
    w.grad = nil
    w:sum():backward()
    optimizer:step()
  end

  it("asks for the learning rate of each step, the first being 0", function()
    local w = fnn.zeros(1, {requires_grad = true})
    local asked = {}
    local optimizer = optim.SGD {parameters = {w}, lr = function(count)
      asked[#asked + 1] = count
      return 2 ^ count
    end}
    for _ = 1, 3 do step(optimizer, w) end
    assert.are.same({0, 1, 2}, asked)
    assert.are.equal(-7, w[1])
  end)

  it("does with each class what numbers in its place would do", function()
    for name, class in pairs(plain) do
      local a, b = fnn.ones(1, {requires_grad = true}), fnn.ones(1, {requires_grad = true})
      local schedule = schedules.Exponential {lr = 0.5, factor = 0.5}
      local with = class {parameters = {a}, lr = schedule, weight_decay = 0.1}
      local without = class {parameters = {b}, lr = 1, weight_decay = 0.1}
      for i = 1, 3 do
        without.options.lr = 0.5 * 0.5 ^ (i - 1)
        step(with, a)
        step(without, b)
      end
      assert.are.equal(b[1], a[1], name)
    end
  end)

  it("takes one in a group, and one later", function()
    local a, b = fnn.zeros(1, {requires_grad = true}), fnn.zeros(1, {requires_grad = true})
    local optimizer = optim.SGD {lr = 1, parameters = {
      {parameters = {a}, lr = schedules.PiecewiseConstant {{0}, values = {0.5, 0.25}}}, {parameters = {b}},
    }}
    local function step_both()
      a.grad, b.grad = nil, nil;
      (a + b):sum():backward()
      optimizer:step()
    end
    step_both()
    optimizer.options.lr = schedules.Step {4, every = 1, factor = 0.5}
    step_both()
    assert.are.same({-0.75, -3}, {a[1], b[1]})
  end)

  it("goes on at its step after set_state", function()
    local a, b = fnn.zeros(1, {requires_grad = true}), fnn.zeros(1, {requires_grad = true})
    local schedule = schedules.Polynomial {lr = 0.5, steps = 5}
    local first = optim.SGD {parameters = {a}, lr = schedule}
    for _ = 1, 3 do step(first, a) end
    local second = optim.SGD {parameters = {b}, lr = schedule}
    assert.are.same({["SGD.steps"] = 3}, first:state().numbers)
    second:set_state(first:state())
    local before = a[1]
    step(first, a)
    step(second, b)
    assert(math.abs(schedule(3) + b[1]) < 1e-6)
    assert(math.abs(before - a[1] - schedule(3)) < 1e-6)
  end)

  it("says so when it gives no number", function()
    local w = fnn.zeros(1, {requires_grad = true})
    local optimizer = optim.SGD {parameters = {w}, lr = function() end}
    assert.matches("SGD: lr: expected a number from the schedule, got nil", error_of(step, optimizer, w))
    assert.matches("SGD: lr: expected a number of 0 or more, or a schedule, got table", error_of(optim.SGD, {lr = {}}))
  end)

  it("says so when one within another gives no number", function()
    local nothing = function() end
    local warmup = schedules.Warmup {nothing, steps = 2}
    local sequential = schedules.Sequential {{1, nothing}, milestones = {1}}
    for _, at in ipairs {1, 5} do
      assert.matches("schedules_spec.lua:%d+: Warmup: schedule: expected a number from the schedule, got nil",
        error_of(function() warmup(at) end))
    end
    assert.equal(1, sequential(0))
    assert.matches("Sequential: schedules: element 2: expected a number from the schedule, got nil",
      error_of(sequential, 1))
  end)
end)

describe("a schedule's lists", function()
  it("stay what they were when the caller changes them", function()
    local milestones, boundaries, values, starts = {10, 20}, {10}, {1, 2}, {10}
    local multi = schedules.MultiStep {1, milestones = milestones}
    local piecewise = schedules.PiecewiseConstant {boundaries, values = values}
    local sequential = schedules.Sequential {{1, 2}, milestones = starts}
    milestones[1], boundaries[1], values[2], starts[1] = 18, 18, 3, 18
    assert.near(0.1, multi(15), 1e-12)
    assert.equal(2, piecewise(15))
    assert.equal(2, sequential(15))
  end)
end)

describe("schedules refuse", function()
  local function refuses(message, name, options)
    local got = error_of(function() schedules[name](options) end)
    assert.matches("schedules_spec.lua:%d+: " .. name .. ": " .. message, got)
  end

  it("wrong options", function()
    refuses("lr: expected a number above 0, got none", "Cosine", {steps = 10})
    refuses("lr: expected a number above 0, got number 0", "Step", {lr = 0, every = 1})
    refuses("steps: expected an integer of 1 or more, got number 0", "Cosine", {lr = 1, steps = 0})
    refuses("every: expected an integer of 1 or more, got number 1.5", "Step", {lr = 1, every = 1.5})
    refuses("final: expected a number of 0 or more, got number %-1", "Cosine", {lr = 1, steps = 1, final = -1})
    refuses("factor: expected a number above 0, got number %-2", "Exponential", {lr = 1, factor = -2})
    refuses("growth: expected 1 or more, got 0.5", "CosineRestarts", {lr = 1, steps = 3, growth = 0.5})
    refuses("warmup: expected 0 <= rate < 1, got number 1", "OneCycle", {lr = 1, steps = 3, warmup = 1})
    refuses("curve: expected 'linear' or 'cosine', got 'cubic'", "OneCycle", {lr = 1, steps = 3, curve = "cubic"})
    refuses("curve: expected 'linear' or 'cosine', got 'cos'", "Warmup", {1, steps = 3, curve = "cos"})
    refuses("schedule: expected a number of 0 or more, or a schedule, got string 'Cosine'", "Warmup",
      {"Cosine", steps = 3})
    refuses("unknown option gamma", "Step", {lr = 1, every = 2, gamma = 0.1})
  end)

  it("lists that do not fit", function()
    refuses("milestones: element 2: expected a number above 5, got 5", "MultiStep", {1, milestones = {5, 5}})
    refuses("milestones: element 1: expected a number above 0, got 0", "MultiStep", {1, milestones = {0}})
    refuses("boundaries: element 1: expected a number above %-1, got x", "PiecewiseConstant", {{"x"}, values = {1, 2}})
    refuses("values: expected 3, got 2", "PiecewiseConstant", {{1, 2}, values = {1, 2}})
    refuses("values: element 2: expected a number, got string", "PiecewiseConstant", {{1}, values = {1, "2"}})
    refuses("schedules: expected 2, got 1", "Sequential", {{1}, milestones = {3}})
    refuses("schedules: element 2: schedule: expected a number of 0 or more, or a schedule, got none", "Sequential",
      {{1, nil, 3}, milestones = {3, 4}})
    refuses("boundaries: element 2: expected a number above 1, got nil", "PiecewiseConstant",
      {{1, nil, 3}, values = {1, 2, 3, 4}})
    refuses("values: element 2: expected a number, got nil", "PiecewiseConstant", {{1, 2}, values = {1, nil, 3}})
    refuses("milestones: expected a list, got the key first", "MultiStep", {1, milestones = {first = 5}})
    refuses("values: expected a list, got the key last", "PiecewiseConstant", {{1}, values = {1, 2, last = 3}})
    refuses("schedules: expected a list, got the key a", "Sequential", {{1, 2, a = 3}, milestones = {5}})
    refuses("schedules: element 2: schedule: expected a number of 0 or more, or a schedule, got table", "Sequential",
      {{1, {}}, milestones = {3}})
  end)

  it("steps that are none", function()
    local schedule = schedules.Cosine {lr = 1, steps = 3}
    for _, step in ipairs {-1, "1", 0 / 0, {}} do
      assert.matches("schedules_spec.lua:%d+: Cosine: step: expected a number of 0 or more, got ",
        error_of(function() schedule(step) end))
    end
  end)
end)
