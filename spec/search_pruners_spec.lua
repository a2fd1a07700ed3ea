local loop = require "spec.support.search_loop"

local function pruner(name, given) return require("fmnistnn.search.pruners." .. name)(given) end

local nan = 0 / 0

-- A history whose complete trials reported these lists, at the steps 1, 2, ...; their values are the last reports.
local function history_of(direction, series)
  local history = loop.history(direction)
  for _, values in ipairs(series) do
    loop.add(history, {state = "complete", intermediate = values, values = {values[#values]}})
  end
  return history
end

-- Reports values one after the other; returns the step at which the pruner stopped the trial, and why.
local function stopped_at(the_pruner, history, values)
  local record = loop.add(history)
  for step, value in ipairs(values) do
    record.intermediate[step] = value
    local stopped, reason = the_pruner:prune(history, record)
    if stopped then
      record.state = "pruned"
      return step, reason
    end
    assert.is_false(stopped)
    assert.is_nil(reason)
  end
end

describe("the median pruner", function()
  local five = {{1, 0.5}, {2, 0.6}, {3, 0.7}, {4, 0.8}, {5, 0.9}}

  it("stops a trial whose best is behind the median of the complete ones", function()
    local median = pruner("median")
    assert.is_nil(stopped_at(median, history_of("minimize", five), {3, 0.7})) -- at the median
    local step, reason = stopped_at(median, history_of("minimize", five), {3, 0.71})
    assert.equal(2, step)
    assert.equal("Median: step 2: its best, 0.71, is behind 0.7, the percentile 50 of 5 trials", reason)
    assert.is_nil(stopped_at(median, history_of("minimize", five), {0.65, 99})) -- its best counts
  end)

  it("turns round for a study that maximizes", function()
    assert.equal(1, (stopped_at(pruner("median"), history_of("maximize", five), {2.9})))
    assert.is_nil(stopped_at(pruner("median"), history_of("maximize", five), {3, 0.7}))
  end)

  it("waits for trials, steps and intervals", function()
    local four = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}
    assert.is_nil(stopped_at(pruner("median"), history_of("minimize", four), {9, 9}))
    assert.equal(1, (stopped_at(pruner("median", {startup_trials = 4}), history_of("minimize", four), {9, 9})))
    local late = pruner("median", {startup_trials = 1, warmup_steps = 3})
    assert.equal(3, (stopped_at(late, history_of("minimize", four), {9, 9, 9})))
    -- judged at the steps 1 and 3: by 3 it is good enough
    local seldom = pruner("median", {startup_trials = 1, warmup_steps = 1, interval_steps = 2})
    assert.is_nil(stopped_at(seldom, history_of("minimize", four), {1, 9, 1}))
    assert.equal(3, (stopped_at(seldom, history_of("minimize", {{1, 1, 0}, {1, 1, 0}}), {1, 9, 9})))
    local many = pruner("median", {startup_trials = 1, min_trials = 5})
    assert.is_nil(stopped_at(many, history_of("minimize", four), {9, 9, 9}))
  end)

  it("leaves NaN out, and stops a trial that reports nothing else", function()
    local median = pruner("median", {startup_trials = 1})
    local history = history_of("minimize", {{nan}, {1}, {3}})
    assert.is_nil(stopped_at(median, history, {2}))
    assert.equal(1, (stopped_at(median, history, {2.01})))
    assert.matches("NaN", select(2, stopped_at(median, history, {nan})))
  end)

  it("takes infinite reports for worse than all others", function()
    local median, inf = pruner("median", {startup_trials = 1}), math.huge
    local history = history_of("minimize", {{1}, {2}, {3}, {inf}, {inf}})
    assert.is_nil(stopped_at(median, history, {3}))
    assert.equal(1, (stopped_at(median, history, {3.1})))
    history = history_of("minimize", {{1}, {inf}, {inf}, {inf}})
    assert.is_nil(stopped_at(median, history, {9}))
    assert.is_nil(stopped_at(median, history_of("minimize", {{1}, {inf}}), {9}))
    assert.equal(1, (stopped_at(median, history_of("maximize", {{-inf}, {1}, {2}, {3}, {-inf}}), {0.9})))
  end)

  it("does not count pruned trials", function()
    local history = history_of("minimize", {{5}})
    loop.add(history, {state = "pruned", intermediate = {1}, values = {1}})
    assert.is_nil(stopped_at(pruner("median", {startup_trials = 1}), history, {4}))
  end)
end)

describe("the percentile pruner", function()
  it("keeps so many of a hundred, between neighbours by interpolation", function()
    local history = history_of("minimize", {{1}, {2}, {3}, {4}, {5}})
    local quarter = pruner("percentile", {25})
    assert.is_nil(stopped_at(quarter, history, {2}))
    assert.equal(1, (stopped_at(quarter, history, {2.01})))
    assert.equal(1, (stopped_at(pruner("percentile", {10}), history, {1.41}))) -- 1 + 0.4 of the way to 2
    assert.is_nil(stopped_at(pruner("percentile", {10}), history, {1.4}))
    assert.equal(1, (stopped_at(pruner("percentile", {25}), history_of("maximize", {{1}, {2}, {3}, {4}, {5}}), {3.9})))
  end)

  it("refuses a percentile beyond 0..100", function()
    assert.error_matches(function() pruner("percentile", {101}) end, "Percentile: percentile: expected 0..100, got 101")
  end)
end)

describe("the ASHA pruner", function()
  it("lets the best of each rung go on", function()
    -- reduction 2: rungs at 1, 2, 4. A rung's trials, one after the other, and how many of them may go on:
    local asha = pruner("asha", {reduction = 2})
    local history = loop.history("minimize")
    assert.is_nil(stopped_at(asha, history, {5, 5, 5})) -- the only one: the best
    local step, reason = stopped_at(asha, history, {6}) -- the second of 2, of which 1 goes on
    assert.equal(1, step)
    assert.equal("ASHA: rung 0 (step 1): 6 is behind 1 of 2, of which 1 go on", reason)
    assert.is_nil(stopped_at(asha, history, {4, 3})) -- the first of 3; first of 2 at step 2
    assert.equal(2, (stopped_at(asha, history, {4.5, 4}))) -- the second of 4, of which 2 go on; second of 3 at step 2
    assert.equal(1, (stopped_at(asha, history, {5.5}))) -- the fourth of 5, of which 2 go on
    assert.is_nil(stopped_at(asha, history, {3, 3.5, 9})) -- 3 of 6 go on; at step 2 the second of 4: 2 go on
  end)

  it("counts of several attempts the last one, in the bracket of the first", function()
    local asha = pruner("asha", {reduction = 2})
    local history = loop.history("maximize")
    assert.is_nil(stopped_at(asha, history, {10}))
    history.trials[1].state = "failed"
    assert.equal(1, (stopped_at(asha, history, {5}))) -- behind 1 of 2
    assert.equal(1, (stopped_at(asha, history, {4}))) -- behind 2 of 3
    local again = loop.add(history, {system_attributes = {retry_history = {0}, failed_trial = 0}})
    again.intermediate[1] = 10
    assert.is_false(asha:prune(history, again))
    -- the second of 4, of which 2 go on; it would not as the third of 5
    assert.is_nil(stopped_at(asha, history, {9, 9}))

    asha, history = pruner("asha", {reduction = 2, brackets = 2}), loop.history("maximize")
    local first = 0
    while asha:bracket(first) == 0 do first = first + 1 end -- its bracket has no rung at step 1
    repeat
      local record = loop.add(history)
      record.intermediate[1] = 10
      if record.number > first then record.system_attributes.retry_history = {first} end
    until record.number > first and asha:bracket(record.number) == 0
    local last = history.trials[#history.trials]
    last.intermediate[1] = 0
    assert.is_false(asha:prune(history, last))
  end)

  it("has no rung at the last step or beyond", function()
    local asha = pruner("asha", {min_resource = 1, max_resource = 4})
    local history = loop.history("maximize")
    for _ = 1, 4 do assert.is_nil(stopped_at(asha, history, {1, 1, 1, 1})) end
    assert.is_nil(stopped_at(asha, history, {1, 1, 1, 0}))
    assert.equal(1, (stopped_at(asha, history, {0.9, 1, 1, 1})))
    assert.equal(4, (stopped_at(pruner("asha"), history, {1, 1, 1, 0.9}))) -- without an end there is one at 4
  end)

  it("counts a report beyond a rung there, and judges it at every rung that it passes", function()
    local asha = pruner("asha", {reduction = 2, min_resource = 2})
    local history = loop.history("minimize")
    local record = loop.add(history)
    for step, value in pairs {[3] = 1} do record.intermediate[step] = value end
    assert.is_false(asha:prune(history, record))
    local other = loop.add(history)
    other.intermediate[7] = 2 -- passes 2 and 4; at 2 it is behind
    local stopped, reason = asha:prune(history, other)
    assert.is_true(stopped)
    assert.matches("rung 0 %(step 2%)", reason)
  end)

  it("stops a trial that reports NaN at a rung, which counts for nobody", function()
    local asha = pruner("asha", {reduction = 2})
    local history = loop.history("minimize")
    assert.matches("NaN", select(2, stopped_at(asha, history, {nan})))
    assert.is_nil(stopped_at(asha, history, {7}))
  end)

  it("lets 1 / reduction^k of the trials reach rung k in the long run", function()
    for _, direction in ipairs {"minimize", "maximize"} do
      local random = require("fmnistnn.search.random").new(7)
      local asha, history, reached = pruner("asha", {reduction = 3, max_resource = 81}), loop.history(direction), {}
      for _ = 1, 900 do
        local value = random:uniform()
        local record = loop.add(history)
        for step = 1, 27 do
          record.intermediate[step] = value
          if step == 1 or step == 3 or step == 9 or step == 27 then reached[step] = (reached[step] or 0) + 1 end
          if asha:prune(history, record) then break end
        end
      end
      assert.equal(900, reached[1])
      for step, expected in pairs {[3] = 300, [9] = 100, [27] = 33} do
        assert.is_true(reached[step] > 0.6 * expected and reached[step] < expected + 40, -- the first go on more easily
          ("%d trials reached step %d"):format(reached[step], step))
      end
    end
  end)

  it("never stops a trial that is among the best of those at its rung", function() -- the invariant
    local random = require("fmnistnn.search.random").new(3)
    local asha, history, at_rung = pruner("asha", {reduction = 4, max_resource = 16}), loop.history("minimize"), {}
    for _ = 1, 300 do
      local record = loop.add(history)
      for step = 1, 16 do
        local value = random:uniform()
        record.intermediate[step] = value
        local stopped = asha:prune(history, record)
        local better = 0
        if step == 1 or step == 4 then
          local list = at_rung[step] or {}
          at_rung[step] = list
          list[#list + 1] = value
          for _, other in ipairs(list) do better = better + (other < value and 1 or 0) end
          assert.equal(better >= math.max(#list // 4, 1), stopped)
        else
          assert.is_false(stopped)
        end
        if stopped then break end
      end
    end
  end)

  it("compares within a bracket only, and each begins a rung later", function()
    local asha = pruner("asha", {reduction = 2, brackets = 2})
    local history, counts = loop.history("minimize"), {[0] = 0, 0}
    for number = 0, 999 do counts[asha:bracket(number)] = counts[asha:bracket(number)] + 1 end
    -- 2 * 2^1 / 2 = 2 of 4 are in bracket 0, 2 * 2^0 / 1 = 2 in bracket 1
    assert.is_true(counts[0] > 430 and counts[0] < 570)
    local first, second = {}, {}
    for number = 0, 19 do
      local list = asha:bracket(number) == 0 and first or second
      list[#list + 1] = number
    end
    for number = 0, 19 do
      local record = loop.add(history)
      assert.equal(number, record.number)
      record.intermediate[1] = number -- each worse than the one before
      local is_first = number == first[1] or asha:bracket(number) == 1
      assert.equal(not is_first, (asha:prune(history, record)))
    end
  end)

  it("refuses what makes no sense", function()
    assert.error_matches(function() pruner("asha", {reduction = 1}) end, "ASHA: reduction: expected 2 or more, got 1")
    assert.error_matches(function() pruner("asha", {min_resource = 9, max_resource = 4}) end,
      "expected min_resource <= max_resource, got 9 and 4")
    assert.error_matches(function() pruner("asha", {direction = "up"}) end, "ASHA: direction: expected .* got up")
    assert.error_matches(function() pruner("asha", {brackets = 40}) end,
      "expected brackets that begin at steps up to 2^53, got min_resource 1, reduction 4 and brackets 40", 1, true)
    assert.error_matches(function() pruner("asha", {brackets = math.maxinteger}) end, "ASHA: expected brackets")
    assert.error_matches(function() pruner("asha", {min_resource = math.maxinteger}) end, "ASHA: expected brackets")
  end)
end)

describe("the Hyperband pruner", function()
  it("has as many brackets as the paper says", function()
    assert.equal(5, pruner("hyperband", {max_resource = 81}).brackets) -- floor(log3 81) + 1
    assert.equal(4, pruner("hyperband", {max_resource = 80}).brackets)
    assert.equal(1, pruner("hyperband", {min_resource = 2, max_resource = 5}).brackets)
    assert.equal(3, pruner("hyperband", {min_resource = 2, max_resource = 32, reduction = 4}).brackets)
    assert.equal(1, pruner("hyperband", {max_resource = 9, reduction = math.maxinteger}).brackets)
    assert.equal(54, pruner("hyperband", {max_resource = 2 ^ 53 | 0, reduction = 2}).brackets)
  end)

  it("takes the largest step, but none beyond", function()
    local hyperband = pruner("hyperband", {max_resource = 2 ^ 53 | 0})
    assert.is_nil(stopped_at(hyperband, loop.history("minimize"), {1, 1, 1}))
    assert.error_matches(function() pruner("hyperband", {max_resource = math.maxinteger}) end,
      "Hyperband: max_resource: expected at most 2^53, got 9223372036854775807", 1, true)
  end)

  it("shares trials out in proportion to the paper's budgets", function()
    -- R = 9, eta = 3: brackets of ceil(3 * 9 / 3) = 9, ceil(3 * 3 / 2) = 5 and 3 of 17
    local hyperband, counts = pruner("hyperband", {max_resource = 9}), {[0] = 0, 0, 0}
    for number = 0, 1699 do
      local bracket = hyperband:bracket(number)
      counts[bracket] = counts[bracket] + 1
    end
    for bracket, expected in pairs {[0] = 900, 500, 300} do
      assert.is_true(math.abs(counts[bracket] - expected) < 80)
    end
  end)

  it("lets the last bracket run to the end", function()
    local hyperband, history, stopped = pruner("hyperband", {max_resource = 9}), loop.history("minimize"), {}
    for number = 0, 59 do
      local values = {}
      for step = 1, 9 do values[step] = number end
      local last = stopped_at(hyperband, history, values)
      stopped[hyperband:bracket(number)] = stopped[hyperband:bracket(number)] or last
    end
    assert.same({[0] = 1, [1] = 3}, stopped)
  end)
end)

describe("the patient pruner", function()
  it("waits as long as there was a better report", function()
    local patient = pruner("patient", {patience = 1})
    assert.equal(3, (stopped_at(patient, loop.history("minimize"), {1, 2, 3})))
    assert.equal(4, (stopped_at(patient, loop.history("minimize"), {2, 1, 1.5, 1.1})))
    assert.is_nil(stopped_at(patient, loop.history("minimize"), {3, 4, 2, 5, 1}))
    assert.is_nil(stopped_at(patient, loop.history("minimize"), {1, 1, 1})) -- as good as before
    assert.equal(3, (stopped_at(patient, loop.history("maximize"), {3, 2, 1})))
    assert.is_nil(stopped_at(pruner("patient", {patience = 1, min_delta = 1}), loop.history("minimize"), {1, 2, 2}))
  end)

  it("asks the other pruner then", function()
    local asked = 0
    local other = {prune = function()
      asked = asked + 1
      return true, "because"
    end}
    local step, reason = stopped_at(pruner("patient", {other, patience = 2}), loop.history("minimize"), {1, 2, 3, 4})
    assert.equal(4, step)
    assert.equal("because", reason)
    assert.equal(1, asked)
    assert.error_matches(function() pruner("patient", {{}, patience = 1}) end, "pruner: expected a pruner")
    local median = require "fmnistnn.search.pruners.median"
    assert.error_matches(function() pruner("patient", {median, patience = 1}) end, "call it, as in Median{...}")
  end)

  it("stops a trial whose reports have become infinite", function()
    local patient, inf = pruner("patient", {patience = 1}), math.huge
    assert.equal(3, (stopped_at(patient, loop.history("minimize"), {1, inf, inf})))
    assert.equal(3, (stopped_at(patient, loop.history("maximize"), {1, -inf, -inf})))
    assert.is_nil(stopped_at(patient, loop.history("minimize"), {inf, inf, inf}))
  end)

  it("does not stop a trial for NaN", function()
    assert.is_nil(stopped_at(pruner("patient", {patience = 1}), loop.history("minimize"), {nan, nan, nan, 1, nan, 0}))
  end)
end)

describe("the threshold pruner", function()
  it("stops a trial out of bounds", function()
    local history = loop.history("minimize")
    local step, reason = stopped_at(pruner("threshold", {upper = 1}), history, {1, 1.5})
    assert.equal(2, step)
    assert.equal("Threshold: step 2: 1.5 is above 1", reason)
    assert.equal(3, (stopped_at(pruner("threshold", {lower = 0}), history, {1, 0, -1})))
    assert.equal(1, (stopped_at(pruner("threshold", {lower = 0}), history, {nan})))
    assert.equal(3, (stopped_at(pruner("threshold", {upper = 1, warmup_steps = 3}), history, {9, 9, 9})))
    assert.equal(2, (stopped_at(pruner("threshold", {upper = 1, interval_steps = 2}), history, {0, 9, 9})))
  end)

  it("needs bounds", function()
    assert.error_matches(function() pruner("threshold") end, "Threshold: expected lower or upper")
    assert.error_matches(function() pruner("threshold", {lower = 2, upper = 1}) end, "lower <= upper, got 2 and 1")
  end)
end)

describe("the Wilcoxon pruner", function()
  local test = require("fmnistnn.search.pruners.wilcoxon").test

  it("knows the probabilities of scipy.stats.wilcoxon(alternative = greater, zero_method = zsplit)", function()
    local many, ties, fewer = {}, {}, {}
    for i = 0, 59 do
      many[i + 1] = (i * 37 % 101 - 40) / 10
      ties[i + 1] = (i * 37 % 101 - 40) // 10
    end
    for i = 0, 39 do fewer[i + 1] = (i * 37 % 101 - 40) / 10 + 0.01 end
    for _, case in ipairs {
      {{1, 2, 3, -1.5, 0.5}, 0.15625}, {{1, 0, 2, 2, -1, 3}, 0.09375}, {{0, 0, 0}, 1.0},
      {many, 0.011794144599089448}, {ties, 0.10114307455654081}, {fewer, 0.026541326487858896},
    } do
      assert.is_true(math.abs(test(case[1]) - case[2]) < 1e-12, tostring(test(case[1])))
    end
  end)

  -- By hand: five differences all above 0 have probability 1/32.
  it("stops a trial that is surely worse than the best", function()
    local history = history_of("minimize", {{1, 2, 3, 4, 5}})
    local wilcoxon = pruner("wilcoxon", {p = 0.04})
    local step, reason = stopped_at(wilcoxon, history, {1.5, 2.5, 3.5, 4.5, 5.6})
    assert.equal(5, step)
    assert.equal("Wilcoxon: worse than trial 0 at 5 steps, p = 0.0312", reason)
    assert.is_nil(stopped_at(wilcoxon, history, {1.5, 2.5, 2.9, 4.5, 5.6}))
    assert.equal(4, (stopped_at(pruner("wilcoxon"), history, {2.5, 3.5, 4.5, 5.5}))) -- 1/16 < 0.1
    assert.equal(5, (stopped_at(wilcoxon, history_of("maximize", {{1, 2, 3, 4, 5}}), {0, 1, 2, 3, 4})))
  end)

  it("judges nobody whose mean is as good, or who reported what is not finite", function()
    local history = history_of("minimize", {{1, 1, 1, 1, 1, 96}})
    assert.is_nil(stopped_at(pruner("wilcoxon", {p = 0.1}), history, {2, 2, 2, 2, 2}))
    history = history_of("minimize", {{1, 2, 3, 4, 5}})
    assert.is_nil(stopped_at(pruner("wilcoxon"), history, {math.huge, 3, 4, 5, 6}))
    assert.is_nil(stopped_at(pruner("wilcoxon"), loop.history("minimize"), {1, 2, 3, 4}))
  end)

  it("compares with no trial that violates its constraints", function()
    local history = history_of("minimize", {{1, 2, 3, 4, 5}, {7, 8, 9, 10, 11}})
    history.trials[1].constraints = {0.5}
    assert.is_nil(stopped_at(pruner("wilcoxon"), history, {3, 4, 5, 6, 7}))
    history.trials[1].constraints = {-0.5}
    assert.equal(4, (stopped_at(pruner("wilcoxon"), history, {3, 4, 5, 6, 7})))
  end)
end)

describe("pruners and several objectives", function()
  local function history()
    local made = loop.history("minimize", "maximize")
    made.metric_names = {"loss", "accuracy"}
    for i = 1, 5 do loop.add(made, {state = "complete", intermediate = {i / 10}, values = {1, i / 10}}) end
    return made
  end

  it("go by the named metric, or by a direction", function()
    local by_name, by_direction = pruner("median", {metric = "accuracy"}), pruner("median", {direction = "maximize"})
    for _, median in ipairs {by_name, by_direction} do
      assert.equal(1, (stopped_at(median, history(), {0.29})))
      assert.is_nil(stopped_at(median, history(), {0.3}))
    end
    assert.equal(1, (stopped_at(pruner("asha", {metric = "accuracy"}), history(), {0.4})))
    assert.is_nil(stopped_at(pruner("asha", {metric = "loss"}), history(), {0.01}))
  end)

  it("say what is missing", function()
    assert.error_matches(function() stopped_at(pruner("median"), history(), {1}) end,
      "Median: with several objectives expected metric or direction")
    assert.error_matches(function() stopped_at(pruner("median", {metric = "speed"}), history(), {1}) end,
      "Median: metric: expected one of the study's %(loss, accuracy%), got speed")
  end)
end)
