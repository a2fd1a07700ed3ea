--- core.record, of which fnn.custom is made: what Lua answers in a backward, and what is refused of it.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local check = require "spec.support.check"

local function leaf(value) return fnn.tensor(value, {requires_grad = true}) end

local function refuses(f, ...) check.refused(f, {...}) end

local function bytes_in_use()
  collectgarbage()
  collectgarbage()
  return core.memory().used
end

describe("custom ops:", function()
  -- y = 2 x for each input, with what backward answers
  local function record(inputs, backward, name)
    local y = core.no_grad(function() return inputs[1] * 2 end)
    return core.record(name or "double", y, inputs, backward)
  end

  it("answer with a gradient for each input", function()
    local a, b = leaf {1, 2}, leaf {3, 4}
    local y = record({a, b}, function(gradient) return gradient * 2, gradient * 10 end)
    assert.same({2, 4}, y:totable())
    assert.is_true(y.requires_grad);
    (y * 3):sum():backward()
    assert.same({6, 6}, a.grad:totable())
    assert.same({30, 30}, b.grad:totable())
  end)

  it("may answer nil or too little", function()
    local a, b = leaf {1, 2}, leaf {3, 4}
    record({a, b}, function(gradient) return nil, gradient end):sum():backward()
    assert.is_nil(a.grad)
    assert.same({1, 1}, b.grad:totable())
    record({a, b}, function(gradient) return gradient end):sum():backward()
    assert.same({1, 1}, a.grad:totable())
    assert.same({1, 1}, b.grad:totable())
    record({a, b}, function() end):sum():backward()
    assert.same({1, 1}, a.grad:totable())
    record({a}, function(gradient) return gradient, nil end):sum():backward()
    assert.same({2, 2}, a.grad:totable())
  end)

  it("are not recorded where nothing requires a gradient", function()
    local x = fnn.ones(2)
    local y = core.record("double", x, {x}, error)
    assert.is_false(y.requires_grad)
    local w = leaf {1, 2}
    fnn.no_grad(function() assert.is_false(record({w}, error).requires_grad) end)
  end)

  it("answers for inputs that require nothing are ignored", function()
    local a, x = leaf {1, 2}, fnn.ones(5)
    record({a, x}, function(gradient) return gradient, gradient end):sum():backward()
    assert.same({1, 1}, a.grad:totable())
  end)

  it("wrong answers are refused", function()
    local a = leaf {1, 2}
    local function answer(...)
      local answers = {...}
      local y = record({a}, function() return table.unpack(answers) end, "mine"):sum()
      return function() y:backward() end
    end
    refuses(answer(fnn.ones(3)), "backward of mine: gradient 1", "(2)", "(3)")
    refuses(answer(fnn.ones(2):long()), "backward of mine: gradient 1", "float32", "int64")
    refuses(answer(5), "gradient 1", "expected a tensor or nil", "number 5")
    refuses(answer("x"), "gradient 1", "string 'x'")
    refuses(answer(false), "gradient 1", "false")
    local closed = fnn.ones(2)
    closed:close()
    refuses(answer(closed), "gradient 1", "expected a tensor or nil, got a closed tensor")
    refuses(answer(fnn.ones(2), fnn.ones(2)), "2 gradients", "1 tensors")
    assert.is_nil(a.grad)
  end)

  it("wrong uses of record are refused", function()
    local a = leaf {1, 2}
    refuses(function() core.record("mine", 5, {a}, error) end, "mine: forward", "expected a tensor", "number 5")
    refuses(function() core.record("mine", a:detach(), {a, 5}, error) end, "mine", "tensors as inputs")
    refuses(function() core.record("mine", a:detach(), 5, error) end, "table expected")
    refuses(function() core.record("mine", a:detach(), {a}, 5) end, "function expected")
  end)

  it("more gradients than tensors are refused, however many", function()
    local a = leaf {1, 2}
    for _, count in ipairs {2, 250000} do
      local y = record({a}, function() return table.unpack({[count] = 1}, 1, count) end)
      refuses(function() y:sum():backward() end, "gave " .. count .. " gradients for its 1 tensors")
    end
  end)

  it("errors go on as they were, and leave nothing behind", function()
    local before, thrown = bytes_in_use(), {}
    do
      local a = leaf {1, 2}
      local y = record({a * 1}, function() error(thrown) end)
      local loss = (y * 1):sum()
      local ok, caught = pcall(loss.backward, loss)
      assert.is_false(ok)
      assert.equal(thrown, caught)
      assert.is_nil(a.grad)
      assert.has_error(function() loss:backward() end)
    end
    assert.equal(before, bytes_in_use())
    local b = leaf {1};
    (b * 2):sum():backward()
    assert.same({2}, b.grad:totable())
  end)

  it("may yield in backward", function()
    local a = leaf {1, 2}
    local y = record({a * 3}, function(gradient) return gradient * coroutine.yield("first") end)
    local z = record({y}, function(gradient) return gradient * coroutine.yield("second") end)
    local routine = coroutine.create(function()
      z:sum():backward()
      return "done"
    end)
    assert.same({true, "second"}, {coroutine.resume(routine)})
    assert.is_nil(a.grad);
    (a * 1):sum():backward() -- another pass meanwhile
    assert.same({true, "first"}, {coroutine.resume(routine, 5)})
    assert.same({true, "done"}, {coroutine.resume(routine, 7)})
    assert.same({1 + 3 * 5 * 7, 1 + 3 * 5 * 7}, a.grad:totable())
  end)

  it("may raise after they yielded", function()
    local a = leaf {1, 2}
    local y = record({a}, function() error("late " .. coroutine.yield()) end)
    local routine = coroutine.create(function() y:sum():backward() end)
    coroutine.resume(routine)
    local ok, message = coroutine.resume(routine, "error")
    assert.is_false(ok)
    assert.is_truthy(message:find("late error", 1, true))
  end)

  it("a pass that is given up on leaves nothing", function()
    local before = bytes_in_use()
    do
      local a = leaf {1, 2}
      local y = record({a * 3}, coroutine.yield)
      local routine = coroutine.wrap(function() y:sum():backward() end)
      routine()
    end
    assert.equal(before, bytes_in_use())
  end)

  it("a second pass through a graph in which another waits is refused", function()
    local a = leaf {1, 2}
    local shared = a * 3
    local y = record({shared}, coroutine.yield)
    local z = (y + shared):sum() -- `shared` has a part of its gradient while the custom op is asked
    local routine = coroutine.create(function() z:backward({retain_graph = true}) end)
    coroutine.resume(routine)
    refuses(function() (shared * 1):sum():backward() end, "another backward")
    assert.is_true(coroutine.resume(routine, fnn.ones(2)))
    assert.same({6, 6}, a.grad:totable())
  end)

  it("may run another backward inside of theirs", function()
    local a, inner = leaf {1, 2}, leaf {5}
    local y = record({a}, function(gradient)
      fnn.enable_grad(function() (inner * inner):sum():backward() end)
      return gradient
    end)
    y:sum():backward()
    assert.same({1, 1}, a.grad:totable())
    assert.same({10}, inner.grad:totable())
  end)

  it("what they are given and what they answer stays theirs", function()
    local given, answered
    local a = leaf {1, 2}
    local y = record({a}, function(gradient)
      given, answered = gradient, gradient * 2
      return answered
    end)
    y:sum():backward()
    record({a}, function(gradient) return gradient end):sum():backward()
    assert.same({3, 3}, a.grad:totable())
    assert.same({1, 1}, given:totable())
    assert.same({2, 2}, answered:totable())
  end)

  it("answers with a history become gradients without one", function()
    local a = leaf {1, 2}
    record({a}, function(gradient) return gradient * a end):sum():backward()
    assert.is_true(a.grad.is_leaf)
    assert.is_false(a.grad.requires_grad)
  end)

  it("let go of their functions", function()
    local weak = setmetatable({}, {__mode = "k"})
    local a = leaf {1, 2}
    for _ = 1, 10 do
      local held = {}
      weak[held] = true
      local y = record({a}, function(gradient) return held and gradient end)
      y:sum():backward()
    end
    core.memory() -- where dead functions are let go
    bytes_in_use()
    assert.is_nil(next(weak))
  end)

  it("fnn.custom makes ops of two functions", function()
    local cube = fnn.custom {
      name = "cube",
      forward = function(context, x, scale)
        context.x, context.scale = x, scale
        return x * x * x * scale
      end,
      backward = function(context, gradient) return 3 * context.scale * context.x * context.x * gradient end,
    }
    local x = leaf {1, 2}
    local y = cube(x, 10)
    assert.same({10, 80}, y:totable())
    y:sum():backward()
    assert.same({30, 120}, x.grad:totable())
    assert.is_false(x.grad.requires_grad)
    refuses(function() fnn.custom {forward = error} end, "custom", "backward")
  end)
end)
