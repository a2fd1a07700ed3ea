-- Lookahead and SAM against their formulas in plain Lua, and what a Trainer makes of them.
local blobs = require "spec.support.blobs"
local ctrl_c = require "spec.support.ctrl_c"
local fnn = require "fmnistnn"
local nn, optim = fnn.nn, fnn.optim

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

local function parameters_of(...)
  local list = {}
  for i, values in ipairs {...} do list[i] = fnn.tensor(values, {requires_grad = true}) end
  return list
end

local function bytes_of(list)
  local parts = {}
  for i, w in ipairs(list) do parts[i] = w:tobytes() end
  return table.concat(parts)
end

-- loss = sum of w^4 / 4 + w^2 / 2 over all parameters; its gradient is w^3 + w.
local function closure_of(optimizer, list)
  return function()
    optimizer:zero_grad()
    local loss = fnn.zeros(1)
    for _, w in ipairs(list) do loss = loss + (w ^ 4 / 4 + w ^ 2 / 2):sum() end
    loss:backward(fnn.ones(1))
    return loss
  end
end

local function check_close(got, expected)
  for i, x in ipairs(expected) do assert(math.abs(got[i] - x) < 1e-5 * math.max(1, math.abs(x)), got[i] .. " " .. x) end
end

describe("step", function()
  it("calls the function that it is given first, and returns what that does", function()
    for _, make in ipairs {
      function(list) return optim.SGD {parameters = list, lr = 0.5} end,
      function(list) return optim.Lookahead {optim.SGD {parameters = list, lr = 0.5}} end,
    } do
      local list = parameters_of({1})
      local optimizer = make(list)
      local loss = optimizer:step(closure_of(optimizer, list))
      assert.are.equal(0.75, loss:item())
      assert.are.equal(0, list[1][1])
      assert.is_nil(optimizer:step())
      assert.are.equal(2, optimizer.steps)
    end
  end)
end)

describe("Lookahead", function()
  it("follows its formula", function()
    local list = parameters_of({1, -0.5}, {0.8})
    local optimizer = optim.Lookahead {
      optim.SGD {parameters = {{parameters = {list[1]}}, {parameters = {list[2]}}}, lr = 0.05}, steps = 3, alpha = 0.4,
    }
    local fast = {1, -0.5, 0.8}
    local slow = {table.unpack(fast)}
    for step = 1, 8 do
      optimizer:step(closure_of(optimizer, list))
      for i, w in ipairs(fast) do fast[i] = w - 0.05 * (w ^ 3 + w) end
      for i, w in ipairs(step % 3 == 0 and fast or {}) do
        slow[i] = slow[i] + 0.4 * (w - slow[i])
        fast[i] = slow[i]
      end
      check_close({list[1][1], list[1][2], list[2][1]}, fast)
    end
  end)

  it("with alpha 1 is the optimizer within, with and without a function", function()
    local a, b = parameters_of({1, 2}), parameters_of({1, 2})
    local plain = optim.Adam {parameters = a, lr = 0.1}
    local optimizer = optim.Lookahead {optim.Adam {parameters = b, lr = 0.1}, steps = 2, alpha = 1}
    for _ = 1, 5 do
      plain:step(closure_of(plain, a))
      closure_of(optimizer, b)()
      optimizer:step()
      check_close(b[1]:totable(), a[1]:totable())
    end
  end)

  it("begins with the weights of a model that the first call builds", function()
    local model = nn.Dense {1, bias = false, initializer = "ones"}
    local optimizer = optim.Lookahead {optim.SGD {model = model, lr = 1}, steps = 1, alpha = 0.25}
    optimizer:step(function() model(fnn.ones(1, 2)):backward(fnn.ones(1, 1)) end)
    assert.are.same({{0.75, 0.75}}, model.weight:totable())
  end)

  it("begins with the weights before the first step also when its state was told or refused before", function()
    local list = parameters_of({1, 2})
    local optimizer = optim.Lookahead {optim.SGD {parameters = list, lr = 1}, steps = 1, alpha = 0.25}
    local state = optimizer:state()
    state.numbers["inner.SGD.steps"] = nil
    assert.is_false(pcall(optimizer.set_state, optimizer, state))
    fnn.no_grad(function() list[1]:copy_(fnn.tensor {10, 20}) end)
    optimizer:step(function() list[1]:sum():backward() end)
    assert.are.same({9.75, 19.75}, list[1]:totable())
  end)
end)

describe("SAM", function()
  it("follows its formula", function()
    local list = parameters_of({1, -0.5}, {0.8})
    local optimizer = optim.SAM {optim.SGD {parameters = list, lr = 0.1, momentum = 0.5}, rho = 0.3}
    local w, v = {1, -0.5, 0.8}, {0, 0, 0}
    for _ = 1, 5 do
      local loss = optimizer:step(closure_of(optimizer, list))
      local g, norm, value = {}, 0, 0
      for i, x in ipairs(w) do
        g[i] = x ^ 3 + x
        norm, value = norm + g[i] ^ 2, value + x ^ 4 / 4 + x ^ 2 / 2
      end
      for i, x in ipairs(w) do
        local there = x + 0.3 * g[i] / norm ^ 0.5
        v[i] = 0.5 * v[i] - 0.1 * (there ^ 3 + there)
        w[i] = x + v[i]
      end
      check_close({list[1][1], list[1][2], list[2][1]}, w)
      check_close({loss:item()}, {value})
    end
  end)

  it("puts the weights back to the bit", function()
    local list = parameters_of({1 / 3, 1e-8, 1e8})
    local optimizer = optim.SAM {optim.SGD {parameters = list, lr = 0}}
    local before = bytes_of(list)
    optimizer:step(function() (list[1] * 3):sum():backward() end)
    assert(bytes_of(list) == before)
    local count = 0
    assert.matches("oops", error_of(optimizer.step, optimizer, function()
      count = count + 1
      if count == 2 then error "oops" end
    end))
    assert(bytes_of(list) == before)
  end)

  it("puts the weights back when Ctrl-C comes while it does", function()
    local list = parameters_of({1, 2}, {3}, {4, 5})
    local optimizer = optim.SAM {optim.SGD {parameters = list, lr = 0}}
    local before = bytes_of(list)
    for instructions = 25, 55 do
      local calls = 0
      assert.is_false((pcall(optimizer.step, optimizer, function()
        calls = calls + 1
        closure_of(optimizer, list)()
        if calls == 2 then ctrl_c(instructions) end
      end)))
      assert(bytes_of(list) == before, instructions)
    end
  end)

  it("moves running statistics once", function()
    local function make()
      fnn.manual_seed(1)
      return nn.Sequential {nn.Dense {4}, nn.BatchNorm1d {}, nn.Dense {1}}
    end
    local x, once, model = fnn.randn(8, 3), make(), make()
    once(x)
    local optimizer = optim.SAM {optim.SGD {model = model, lr = 0}}
    fnn.manual_seed(1)
    optimizer:step(function() model(x):sum():backward() end)
    assert.are.equal(1, model[2].batches:item())
    assert.is_true(model[2].running_mean:equal(once[2].running_mean))
    assert.is_true(model[2].running_variance:equal(once[2].running_variance))
  end)

  it("needs a function", function()
    local optimizer = optim.SAM {optim.SGD {parameters = parameters_of({1})}}
    assert.matches("SAM: step: expected a function that computes the gradients, got nil",
      error_of(function() optimizer:step() end))
  end)
end)

describe("an optimizer around another one", function()
  local makers = {
    Lookahead = function(optimizer) return optim.Lookahead {optimizer, steps = 2} end,
    SAM = function(optimizer) return optim.SAM {optimizer, rho = 0.1} end,
    both = function(optimizer) return optim.Lookahead {optim.SAM {optimizer}, steps = 3} end,
  }

  it("has its groups, options and steps", function()
    for name, make in pairs(makers) do
      local list = parameters_of({1})
      local inner = optim.SGD {parameters = list, lr = 0.5}
      local optimizer = make(inner)
      optimizer:step(closure_of(optimizer, list))
      optimizer.options.lr = 0.25
      assert.are.equal(0.25, inner.options.lr, name)
      assert.are.equal(1, optimizer.steps, name)
      assert.are.equal(inner.groups, optimizer.groups, name)
    end
  end)

  it("goes on from its state to the bit", function()
    for name, make in pairs(makers) do
      local list = parameters_of({1, 2}, {-0.3})
      local optimizer = make(optim.Adam {parameters = list, lr = 0.05})
      for _ = 1, 3 do optimizer:step(closure_of(optimizer, list)) end
      local state, others = optimizer:state(), parameters_of(list[1]:totable(), list[2]:totable())
      local other = make(optim.Adam {parameters = others, lr = 0.01})
      other:set_state(state)
      for _ = 1, 4 do
        optimizer:step(closure_of(optimizer, list))
        other:step(closure_of(other, others))
      end
      assert(bytes_of(list) == bytes_of(others), name)
      assert.are.equal(7, other.steps)
    end
  end)

  it("refuses a state that does not fit, and is as it was", function()
    local list = parameters_of({1, 2})
    local optimizer = makers.Lookahead(optim.Adam {parameters = list})
    optimizer:step(closure_of(optimizer, list))
    local function refuses(message, change)
      local state = optimizer:state()
      state = change(state) or state
      local before = optimizer:state()
      assert.matches(message, error_of(function() optimizer:set_state(state) end))
      local after = optimizer:state()
      assert.are.same(before.numbers, after.numbers)
      for name, tensor in pairs(before.tensors) do assert(tensor:equal(after.tensors[name]), name) end
    end
    refuses("optim_wrappers_spec.lua:%d+: Lookahead: set_state: numbers: there is no place for Adam.steps",
      function() return optimizer.optimizer:state() end)
    refuses("Lookahead: set_state: tensors: expected Lookahead.1.1, which is missing", function(state)
      state.tensors["Lookahead.1.1"] = nil
    end)
    refuses("Adam: set_state: tensors: expected 1.1.1, which is missing", function(state)
      state.tensors["inner.1.1.1"], state.tensors["Lookahead.1.1"] = nil, fnn.zeros(2)
    end)
    refuses("Lookahead: set_state: tensors: Lookahead.1.1: expected float32 %(2%), got float32 %(3%)", function(state)
      state.tensors["Lookahead.1.1"], state.numbers["inner.Adam.steps"] = fnn.zeros(3), 100
    end)
    refuses("Lookahead: set_state: numbers: expected a table by name, got nil", function() return {tensors = {}} end)
    refuses("Lookahead: set_state: expected a table, got number", function() return 1 end)
  end)

  it("trains in a Trainer, the same on any number of threads", function()
    local data, threads = blobs(60), fnn.threads()
    for name, make in pairs(makers) do
      local expected
      for count = 1, 2 do
        fnn.set_threads(count)
        local trainer = fnn.Trainer {
          model = nn.Sequential {
            nn.Conv2d {4, kernel = 3, activation = "relu"}, nn.BatchNorm2d {}, nn.Flatten {}, nn.Dense {2},
          },
          optimizer = make(optim.Adam {lr = 0.01}), loss = "categorical_crossentropy", metrics = {"accuracy"},
        }
        local history = trainer:fit(data, {epochs = 5, batch_size = 10, seed = 3, progress = false})
        assert(history.accuracy[5] > 0.9, name)
        assert.are.equal(30, trainer.optimizer.steps)
        assert.are.equal(30, trainer.model[2].batches:item())
        expected = expected or bytes_of(trainer.model:parameters())
        assert(bytes_of(trainer.model:parameters()) == expected, name)
      end
    end
    fnn.set_threads(threads)
  end)

  it("leaves nothing behind, without Lua's collector too", function()
    for name, make in pairs(makers) do
      local model = nn.Sequential {nn.Dense {8}, nn.BatchNorm1d {}, nn.Dense {2}}
      model(fnn.randn(4, 16)):sum():backward()
      local optimizer = make(optim.Adam {model = model})
      local function keep_gradients() end
      optimizer:step(keep_gradients)
      collectgarbage()
      collectgarbage("stop")
      local before = fnn.memory().used
      for _ = 1, 6 do optimizer:step(keep_gradients) end
      local after = fnn.memory().used
      collectgarbage("restart")
      assert.are.equal(before, after, name)
    end
  end)

  it("refuses wrong options", function()
    assert.matches("SAM: optimizer: expected one of fnn.optim, got none", error_of(optim.SAM, {}))
    assert.matches("SAM: optimizer: expected one of fnn.optim, got table", error_of(optim.SAM, {{}}))
    assert.matches("SAM: optimizer: expected one of fnn.optim, got a class that makes one: call it, as in Adam{...}",
      error_of(optim.SAM, {optim.Adam}), 1, true)
    local inner = optim.SGD {}
    assert.matches("SAM: rho: expected a number above 0, got number 0", error_of(optim.SAM, {inner, rho = 0}))
    assert.matches("Lookahead: alpha: expected 0..1, got number 2", error_of(optim.Lookahead, {inner, alpha = 2}))
    assert.matches("Lookahead: steps: expected an integer of 1 or more", error_of(optim.Lookahead, {inner, steps = 0}))
    local optimizer = optim.Lookahead {inner}
    assert.matches("SGD: nothing to train", error_of(optimizer.zero_grad, optimizer))
  end)
end)
