local Random = require "fmnistnn.search.random"
local common = require "fmnistnn.search.importance.common"
local data = require "spec.support.search_data"
local fanova = require "fmnistnn.search.importance.fanova"
local loop = require "spec.support.search_loop"
local ped_anova = require "fmnistnn.search.importance.ped_anova"
local space = require "fmnistnn.search.space"

-- The study of a case of Optuna's.
local function history_of(case)
  local history, distributions = loop.history("minimize"), {}
  for name, text in pairs(case.distributions) do distributions[name] = assert(space.decode(text)) end
  for _, trial in ipairs(case.trials) do
    local record = loop.add(history, {state = "complete", values = {trial.value}})
    for name, number in pairs(trial.params) do
      record.params[name] = space.from_number(distributions[name], number)
      record.distributions[name] = distributions[name]
    end
  end
  return history
end

local function by_name(list)
  local found = {}
  for _, each in ipairs(list) do found[each.name] = each.importance end
  return found
end

local function assert_near(expected, list, tolerance)
  local got, count = by_name(list), 0
  for name, importance in pairs(expected) do
    count = count + 1
    assert.is_true(math.abs(got[name] - importance) <= tolerance,
      ("%s: expected %g, got %g"):format(name, importance, got[name]))
  end
  assert.equal(count, #list)
end

-- Runs a function of random x, y in 0..1.
local function study(count, f, direction)
  local history, random, unit = loop.history(direction or "minimize"), Random.new(1), space.float(0, 1)
  for _ = 1, count do
    local params = {x = random:uniform(), y = random:uniform()}
    loop.add(history, {
      state = "complete", params = params, distributions = {x = unit, y = unit}, values = {f(params.x, params.y)},
    })
  end
  return history
end

describe("importances", function()
  it("of PED-ANOVA are Optuna's", function()
    for _, case in ipairs(data.importance) do
      local history = history_of(case)
      for quantile, expected in pairs(case.ped_anova) do
        assert_near(expected, ped_anova(history, {quantile = tonumber(quantile)}), 1e-9)
      end
    end
  end)

  it("of fANOVA are Optuna's, as near as forests of other seeds are", function()
    assert_near(data.importance[1].fanova, fanova(history_of(data.importance[1])), 0.03)
    -- choices and logarithms are measured in another way: see fanova.lua
    assert_near(data.importance[2].fanova, fanova(history_of(data.importance[2])), 0.1)
  end)

  it("of fANOVA are the variances of a sum", function()
    -- var(3 x) = 9 / 12, var(y) = 1 / 12; a product has main effects of (1/2)^2 / 12 each
    local list = fanova(study(300, function(x, y) return 3 * x + y end))
    assert.equal("x", list[1].name)
    assert.is_true(math.abs(list[1].importance - 0.9) < 0.02)
    list = fanova(study(300, function(x, y) return x * y end))
    assert.is_true(math.abs(list[1].importance - 0.5) < 0.05)
  end)

  it("of choices: the measure is that of the space", function()
    -- one of four choices costs 1: its main effect is 1/4 * 3/4; the number's is 1/12
    local history, random = loop.history("maximize"), Random.new(2)
    local distributions = {kind = space.categorical {"a", "b", "c", "d"}, x = space.float(0, 1)}
    for _ = 1, 400 do
      local params = {kind = distributions.kind.choices[random:integer(4)], x = random:uniform()}
      local value = (params.kind == "c" and 1 or 0) + params.x
      loop.add(history, {state = "complete", params = params, distributions = distributions, values = {value}})
    end
    local expected = 3 / 16 / (3 / 16 + 1 / 12)
    assert.is_true(math.abs(by_name(fanova(history)).kind - expected) < 0.03)
  end)

  it("turn round for a study that maximizes, and look at one of several objectives", function()
    local down = study(100, function(x, y) return 3 * x + y end)
    local up = study(100, function(x, y) return -3 * x - y end, "maximize")
    assert.same(ped_anova(down), ped_anova(up))
    assert.same(fanova(down), fanova(up))
    local both = study(100, function(x, y) return x, y end)
    both.directions = {"minimize", "minimize"}
    for _, measure in ipairs {fanova, ped_anova} do
      assert.equal("x", measure(both)[1].name)
      assert.equal("y", measure(both, {objective = 2})[1].name)
      assert.error_matches(function() measure(both, {objective = 3}) end, "objective: expected 1..2, got 3")
    end
  end)

  it("sum up to 1, and are equal when there is nothing to tell", function()
    assert.same({}, fanova(loop.history("minimize")))
    assert.same({}, ped_anova(loop.history("minimize")))
    local equal = {{name = "x", importance = 0.5}, {name = "y", importance = 0.5}}
    assert.same(equal, fanova(study(1, function() return 1 end)))
    assert.same(equal, fanova(study(20, function() return 1 end)))
    assert.same(equal, ped_anova(study(1, function() return 1 end)))
    assert.same(equal, ped_anova(study(20, function() return 1 end)))
  end)

  it("are the same bits in whatever order a table gives its names", function()
    local function bits(names) -- in the order in which pairs gives them
      local parts, at = {a = 0.1, b = 0.2, c = 0.3}, 0
      local function next_part()
        at = at + 1
        return names[at], parts[names[at]]
      end
      local found = {}
      for i, each in ipairs(common.ranked(setmetatable({}, {__pairs = function() return next_part end}))) do
        found[i] = ("%s %a"):format(each.name, each.importance)
      end
      return found
    end
    assert.same(bits {"a", "b", "c"}, bits {"c", "b", "a"})
  end)

  it("leave out trials that are not complete, and values that are not finite", function()
    local history = study(60, function(x, y) return 3 * x + y end)
    local expected = {fanova(history), ped_anova(history)}
    for _, fields in ipairs {
      {state = "failed"}, {state = "running"}, {state = "complete", values = {math.huge}},
    } do
      fields.params, fields.distributions = {x = 0.5, y = 0.5}, history.trials[1].distributions
      loop.add(history, fields)
    end
    assert.same(expected, {fanova(history), ped_anova(history)})
  end)

  it("take values that lie as near to each other as floats can", function()
    local history, wide = loop.history("minimize"), {x = space.float(0, 1.7e308)}
    for i = 1, 12 do
      local x = i <= 6 and 1 + i * 0x1p-52 or i * 1.4e307
      loop.add(history, {state = "complete", params = {x = x}, distributions = wide, values = {i}})
    end
    assert.same({{name = "x", importance = 1.0}}, fanova(history))
  end)

  it("refuse a quantile that is none", function()
    assert.error_matches(function() ped_anova(loop.history("minimize"), {quantile = 1}) end,
      "ped_anova: quantile: expected 0 < quantile < 1")
  end)
end)
