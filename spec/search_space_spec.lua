local Random = require "fmnistnn.search.random"
local space = require "fmnistnn.search.space"

local distributions = {
  space.float(-5, 10), space.float(1e-5, 1, {log = true}), space.float(0, 1, {step = 0.25}), space.int(-3, 9),
  space.int(1, 1000, {log = true}), space.int(8, 32, {step = 8}), space.categorical {"a", 3, true, space.null},
}

describe("random numbers", function()
  it("are those of SplitMix64", function()
    -- the first outputs of its reference implementation for the state 1234567
    local random = setmetatable({state = 1234567}, Random)
    for _, expected in ipairs {6457827717110365317, 3203168211198807973, -8629252141511181193, 4593380528125082431} do
      assert.equal(expected, random:bits())
    end
  end)

  it("follow from the integers given", function()
    assert.equal(Random.new(1, 2):bits(), Random.new(1, 2):bits())
    local seen = {}
    for seed = 0, 9 do
      for number = 0, 99 do
        local first = Random.new(seed, number):bits()
        assert.is_nil(seen[first])
        seen[first] = true
      end
    end
  end)

  it("are spread as they should be", function()
    local random, count, sum, squares = Random.new(5), 20000, 0, 0
    local bins = {0, 0, 0}
    for _ = 1, count do
      local u, z, n = random:uniform(), random:normal(), random:integer(3)
      assert.is_true(u >= 0 and u < 1)
      sum, squares, bins[n] = sum + z, squares + z * z, bins[n] + 1
    end
    assert.is_true(math.abs(sum / count) < 0.03 and math.abs(squares / count - 1) < 0.05)
    for _, bin in ipairs(bins) do assert.is_true(math.abs(bin / count - 1 / 3) < 0.015) end
    local list = random:shuffle {1, 2, 3, 4, 5}
    table.sort(list)
    assert.same({1, 2, 3, 4, 5}, list)
  end)
end)

describe("distributions", function()
  it("have their ends, and nothing beyond", function()
    for _, d in ipairs(distributions) do
      local first, last = space.from_unit(d, 0), space.from_unit(d, 1)
      if d.kind == "categorical" then
        assert.equal(d.choices[1], first)
        assert.equal(d.choices[d.count], last)
      else
        assert.equal(d.low, first)
        assert.equal(d.high, last)
      end
      local random, hit = Random.new(2), {}
      for _ = 1, 2000 do
        local value = space.from_unit(d, random:uniform())
        assert.is_true(space.contains(d, value))
        hit[value] = true
      end
      if space.size(d) < 20 then
        for _, value in ipairs(space.grid(d)) do assert.is_true(hit[value]) end
      end
    end
  end)

  it("give each value of a grid as much room", function()
    for _, d in ipairs {distributions[3], distributions[4], distributions[6], distributions[7]} do
      local counts, size = {}, space.size(d)
      for i = 0, 999 do
        local value = space.from_unit(d, (i + 0.5) / 1000)
        counts[value] = (counts[value] or 0) + 1
      end
      for _, value in ipairs(space.grid(d)) do assert.is_true(math.abs(counts[value] - 1000 / size) <= 1) end
    end
  end)

  it("go to the unit interval and back, and to Optuna's numbers and back", function()
    for _, d in ipairs(distributions) do
      for i = 0, 50 do
        local value = space.from_unit(d, i / 50)
        local again = space.from_unit(d, space.to_unit(d, value))
        if d.kind == "float" then
          assert.is_true(math.abs(again - value) <= 1e-12 * math.abs(value) + 1e-12)
        else
          assert.equal(value, again)
        end
        assert.equal(value, space.from_number(d, space.to_number(d, value)))
        assert.equal("float", math.type(space.to_number(d, value)))
        if d.kind == "int" then assert.equal("integer", math.type(value)) end
      end
    end
  end)

  it("give every choice for its number, and none for others", function()
    local d = space.categorical {"a", false, nil, true, n = 4}
    assert.same({"a", false, space.null, true}, {
      space.from_number(d, 0.0), space.from_number(d, 1.0), space.from_number(d, 2.0), space.from_number(d, 3.0),
    })
    for _, number in ipairs {-1.0, 4.0, 0.5} do
      assert.error_matches(function() space.from_number(d, number) end, "no such choice")
    end
  end)

  it("have values on a grid as one writes them", function()
    assert.same({0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}, space.grid(space.float(0, 0.7, {step = 0.1})))
    assert.same({-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3}, space.grid(space.float(-0.3, 0.3, {step = 0.1})))
    assert.same({-0.29, -0.19, -0.09, 0.01, 0.11}, space.grid(space.float(-0.29, 0.12, {step = 0.1})))
    assert.same({-3e-200, -2e-200, -1e-200, 0.0}, space.grid(space.float(-3e-200, 0, {step = 1e-200})))
    assert.equal(0.6, space.float(0, 0.69, {step = 0.3}).high)
    assert.equal(29, space.int(8, 30, {step = 7}).high)
    assert.same({8, 15, 22, 29}, space.grid(space.int(8, 30, {step = 7})))
    assert.same({5}, space.grid(space.int(5, 5)))
    local d = space.float(0.1 + 0.2, 0.6, {step = 0.5}) -- of one value, with a 17th digit
    assert.same({0.1 + 0.2}, space.grid(d))
    assert.is_true(space.equal(d, assert(space.decode(space.encode(d)))))
  end)

  it("know what is theirs", function()
    local step, int, choice = distributions[3], distributions[6], distributions[7]
    assert.is_true(space.contains(step, 0.75))
    assert.is_false(space.contains(step, 0.8))
    assert.is_false(space.contains(step, 1.25))
    assert.is_false(space.contains(step, "0.75"))
    assert.is_false(space.contains(step, 0 / 0))
    assert.is_true(space.contains(int, 16))
    assert.is_true(space.contains(int, 16.0))
    assert.is_false(space.contains(int, 15))
    assert.is_true(space.contains(choice, nil))
    assert.is_true(space.contains(choice, space.null))
    assert.is_false(space.contains(choice, false))
  end)

  it("are compatible as Optuna sees it", function()
    assert.is_true(space.compatible(space.float(0, 1), space.float(0, 2, {step = 1})))
    assert.is_false(space.compatible(space.float(1, 2), space.float(1, 2, {log = true})))
    assert.is_false(space.compatible(space.float(0, 1), space.int(0, 1)))
    assert.is_false(space.compatible(space.categorical {1, 2}, space.categorical {1, 2, 3}))
    assert.is_true(space.equal(space.categorical {1, "a"}, space.categorical {1, "a"}))
    assert.is_false(space.equal(space.categorical {"a", 1}, space.categorical {1, "a"}))
    assert.is_false(space.equal(space.int(1, 2), space.int(1, 3)))
  end)

  it("speak Optuna's JSON, compact or spaced", function()
    for _, d in ipairs(distributions) do assert.same(d, space.decode(space.encode(d))) end
    assert.same(space.float(1e-5, 0.1, {log = true}), space.decode [[{"name": "FloatDistribution",
      "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}]])
    assert.same(space.int(16, 128),
      space.decode '{"name":"IntDistribution","attributes":{"log":false,"step":1,"low":16,"high":128}}')
    assert.same(space.categorical {"sgd", space.null, true, 3, 2.5},
      space.decode '{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, 2.5]}}')
  end)

  it("do not believe every text", function()
    for _, text in ipairs {
      "", "3", "{}", '{"name":"Evil","attributes":{}}', '{"name":"IntDistribution"}',
      '{"name":"IntDistribution","attributes":{"low":1.5,"high":2,"log":false,"step":1}}',
      '{"name":"FloatDistribution","attributes":{"low":2,"high":1,"log":false,"step":null}}',
      '{"name":"FloatDistribution","attributes":{"low":0,"high":1,"log":true,"step":null}}',
      '{"name":"CategoricalDistribution","attributes":{"choices":[{}]}}',
      '{"name":"CategoricalDistribution","attributes":{"choices":[]}}',
    } do
      local d, message = space.decode(text)
      assert.is_nil(d)
      assert.equal("string", type(message))
    end
  end)

  it("refuse what makes no sense", function()
    for message, f in pairs {
      ["float: expected low <= high, got 2 and 1"] = function() space.float(2, 1) end,
      ["float: high: expected a number, got nil"] = function() space.float(2) end,
      ["float: high: expected a number, got inf"] = function() space.float(2, math.huge) end,
      ["lr: expected either log or step"] = function() space.float(1, 2, {log = true, step = 1}, "lr") end,
      ["float: low: expected a number above 0 with log, got 0"] = function() space.float(0, 2, {log = true}) end,
      ["float: step: expected a number above 0, got number 0"] = function() space.float(0, 2, {step = 0}) end,
      ["int: low: expected an integer, got 0.5"] = function() space.int(0.5, 2) end,
      ["int: low: expected an integer of 1 or more with log, got 0"] = function() space.int(0, 2, {log = true}) end,
      ["int: unknown option base"] = function() space.int(0, 2, {base = 2}) end,
      ["lr: step: expected a finite part of the range, got inf"] = function()
        space.float(0, 1, {step = math.huge}, "lr")
      end,
      ["float: step: expected a finite part of the range, got 4.9"] = function() space.float(0, 1, {step = 5e-324}) end,
      ["int: expected a range within %-2%^53..2%^53, got 0 and 9223372036854775807"] = function()
        space.int(0, math.maxinteger)
      end,
      ["int: expected a range within .* got %-9223372036854775808"] = function() space.int(math.mininteger, 0) end,
      ["categorical: n: expected how many choices there are, 3 or more, got number 1"] = function()
        space.categorical {"a", "b", "c", n = 1}
      end,
      ["categorical: n: expected how many choices there are, 1 or more, got number %-1"] = function()
        space.categorical {"a", n = -1}
      end,
      ["categorical: n: expected how many .* got string '2'"] = function() space.categorical {"a", n = "2"} end,
      ["categorical: expected a list of choices, got one with the key default"] = function()
        space.categorical {"a", "b", default = "a"}
      end,
      ["ask: x: expected a list of choices, got one with the key"] = function()
        space.declare({x = {kind = "float", low = 0, high = 1}}, "ask")
      end,
      ["ask: x: expected a distribution or a list of choices, got 3"] = function() space.declare({x = 3}, "ask") end,
      ["categorical: expected at least one choice"] = function() space.categorical {} end,
      ["categorical: choice 2: a is there already"] = function() space.categorical {"a", "a"} end,
      ["categorical: choice 1: expected a string of UTF%-8, .* got table"] = function() space.categorical {{}} end,
      ["categorical: choice 1: expected a string of UTF%-8, .* got inf"] = function() space.categorical {math.huge} end,
      ["grid: space: expected a table of distributions, got 3"] = function() space.declare(3, "grid: space") end,
    } do
      assert.error_matches(f, message)
    end
  end)

  it("take nil as a choice", function()
    assert.same({"a", space.null, "b"}, space.categorical({"a", nil, "b"}).choices)
    assert.equal(2, space.categorical({"a", nil, n = 2}).count)
  end)

  it("are declared as lists too", function()
    local declared = space.declare({lr = {0.1, 0.2}, n = space.int(1, 3)}, "space")
    assert.same(space.categorical {0.1, 0.2}, declared.lr)
    assert.same(space.int(1, 3), declared.n)
  end)
end)
