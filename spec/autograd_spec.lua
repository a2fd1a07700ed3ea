--- Autograd: what is recorded, how gradients flow and add up, what is refused, and when memory goes.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local check = require "spec.support.check"

local function leaf(value) return fnn.tensor(value, {requires_grad = true}) end

local function refuses(f, ...)
  local texts = {...}
  check.refused(f, texts)
end

local function bytes_in_use()
  collectgarbage()
  collectgarbage()
  return core.memory().used
end

describe("recording:", function()
  it("follows what requires a gradient", function()
    local w, x = leaf {1, 2}, fnn.tensor {3, 4}
    assert.is_true(w.requires_grad)
    assert.is_true(w.is_leaf)
    local y = w * x
    assert.is_true(y.requires_grad)
    assert.is_false(y.is_leaf)
    assert.is_false((x * x).requires_grad)
    assert.is_true((x * x).is_leaf)
    assert.is_nil(w.grad)
  end)

  it("stops at integers, comparisons and positions", function()
    local w = leaf {1, 2}
    for name, y in pairs {to = w:to("int64"), gt = w:gt(1), argmax = w:argmax(), isnan = w:isnan(), any = w:any()} do
      assert.is_false(y.requires_grad, name)
    end
  end)

  it("requires_grad is for leaves of float32", function()
    local w = leaf {1, 2}
    refuses(function() (w * 2).requires_grad = false end, "requires_grad", "leaf", "detach")
    refuses(function() fnn.arange(2).requires_grad = true end, "requires_grad", "int64")
    refuses(function() w.requires_grad = 1 end, "requires_grad", "true or false", "number 1")
    w:requires_grad_(false)
    assert.is_false((w * 2).requires_grad)
    assert.is_true(w:requires_grad_().requires_grad)
  end)

  it("detach gives the same elements without a history", function()
    local w = leaf {1, 2}
    local y = (w * 3):detach()
    assert.is_false(y.requires_grad)
    assert.same({3, 6}, y:totable())
    local z = w * (w * 3):detach()
    z:sum():backward()
    assert.same({3, 6}, w.grad:totable())
  end)
end)

describe("backward:", function()
  it("adds to the gradient", function()
    local w = leaf {1, 2}
    for step = 1, 3 do
      (w * w):sum():backward()
      assert.same({2 * step, 4 * step}, w.grad:totable())
    end
    w.grad = nil
    assert.is_nil(w.grad);
    (w * w):sum():backward()
    assert.same({2, 4}, w.grad:totable())
  end)

  it("of a remainder counts how often the divisor is in the number, as a whole", function()
    local b = leaf {0.1, 3, 2, 2, -2, 1}
    local y = fnn.tensor {1, 1e7, 7, -7, 7, -1e-10} % b
    y:sum():backward()
    assert.same({-9, -3333333, -3, 4, 4, 1}, b.grad:totable())
  end)

  it("of quotients and angles stays finite where squares leave the range of a float", function()
    local divisors, sides = leaf {1e-30, 1e-25, 1e20}, {leaf {0, 1e-30, 3e30}, leaf {0, 1e-30, 4e30}}
    local function near(want, got)
      for i, each in ipairs(want) do
        assert(math.abs(each - got[i]) <= 1e-6 * math.abs(each), ("%d: %g, not %g"):format(i, got[i], each))
      end
    end
    (fnn.tensor {0, 1e-25, 1e20} / divisors):sum():backward()
    near({0, -1e25, -1e-20}, divisors.grad)
    sides[1]:atan2(sides[2]):sum():backward()
    near({0, 5e29, 1.6e-31}, sides[1].grad)
    near({0, -5e29, -1.2e-31}, sides[2].grad)
  end)

  it("of a product is that of the other factors, whatever these are", function()
    local inf = math.huge
    for _, row in ipairs {
      {1e30, 1e30, 1e-30, 1e-30}, {1e-30, 1e-30, 1e30, 1e30}, {1e-30, 1e38, 1e-38, 1e30, 1e-45}, {3}, {0, 1e30, 1e-38},
      {0, 2, 0}, {inf, 2, -3}, {inf, 2, 1e-30, inf}, {0, inf, 2}, {0 / 0, 2, 3},
      {1e38, 1e38, 1e38, 1e-38, 1e-38, 1e-38},
    } do
      local x = leaf {row, row} -- each column is one product
      x:t():prod(1):backward(fnn.tensor {1, -0.5})
      for i, g in ipairs {1, -0.5} do
        for k = 1, #row do
          local want = g
          for j = 1, #row do want = want * (j == k and 1 or x[{i, j}]) end
          local got = x.grad[{i, k}]
          local room = 2^-23 * math.abs(want) + 2^-126 -- where it would be denormal, it may be 0
          assert.is_true(want ~= want and got ~= got or want == got or math.abs(want - got) <= room
            or math.abs(want) > 3.5e38 and math.abs(got) == inf, ("%d of %s: %g, not %g"):format(k, x[i], got, want))
        end
      end
    end
  end)

  it("is 0 where it would be denormal, in all threads, and there alone", function()
    local is_x86, denormal = fnn.info().isa ~= "base", 2^-1070
    local op = fnn.custom {
      forward = function(_, x) return x * 1 end,
      backward = function(_, gradient)
        assert.is_true(denormal / 2 > 0)
        return gradient
      end,
    }
    local x = fnn.full({100003}, 1e-20, {requires_grad = true})
    local y = op(x * 1e-20)
    y:backward(fnn.full({100003}, 1e-20))
    if is_x86 then assert.equal(0, x.grad:abs():max():item()) end
    assert.is_true(y:min():item() > 0 and denormal / 2 > 0)
    refuses(function() y:backward(fnn.full({100003}, 1e-20)) end, "backward")
    assert.is_true(denormal / 2 > 0)
  end)

  it("begins with 1, or with what is given", function()
    local w = leaf {1, 2};
    (w * 5):backward(fnn.tensor {10, 100})
    assert.same({50, 500}, w.grad:totable())
    local y = w * 5
    refuses(function() y:backward() end, "backward", "one element", "(2)")
    refuses(function() y:backward(fnn.ones(3)) end, "backward: gradient", "(2)", "(3)")
    refuses(function() y:backward(fnn.ones(2):long()) end, "backward: gradient", "float32", "int64")
    refuses(function() y:backward(1) end, "backward", "expected a tensor", "number 1")
    refuses(function() y:backward(fnn.ones(2), {keep_graph = true}) end, "backward", "unknown option", "keep_graph")
    refuses(function() y:backward(fnn.ones(2), 1, {}) end, "backward", "at most")
  end)

  it("takes given gradients of any layout and leaves them alone", function()
    local w = fnn.ones(2, 3, {requires_grad = true})
    local given = fnn.arange(6):float():reshape(3, 2):t();
    (w * 1):backward(given)
    assert.same(given:totable(), w.grad:totable())
    w.grad = nil;
    (w + 0):backward(fnn.ones(1, 1):expand(2, 3))
    assert.same({{1, 1, 1}, {1, 1, 1}}, w.grad:totable());
    (w + 0):backward(given)
    assert.same({{0, 2, 4}, {1, 3, 5}}, given:totable())
  end)

  it("of a leaf is the gradient itself, in memory of its own", function()
    local w, given = leaf {1, 2}, fnn.tensor {3, 4}
    w:backward(given)
    given:fill_(0)
    assert.same({3, 4}, w.grad:totable())
    leaf(2):backward()
  end)

  it("needs something that requires a gradient", function()
    refuses(function() fnn.ones(1):backward() end, "backward", "requires a gradient")
    refuses(function() (leaf {1} * 2):detach():backward() end, "backward", "requires a gradient")
  end)

  it("goes through a graph once, unless it is retained", function()
    local w = leaf {1, 2}
    local y = (w * w):sum()
    y:backward()
    refuses(function() y:backward() end, "backward", "retain_graph")
    assert.same({2, 4}, w.grad:totable())
    y = (w * w):sum()
    y:backward({retain_graph = true})
    y:backward(fnn.tensor(1), {retain_graph = true})
    y:backward()
    assert.same({8, 16}, w.grad:totable())
    refuses(function() y:backward() end, "backward", "retain_graph")
  end)

  it("names detach where a step goes back into the graph of the last", function()
    local w, running = leaf {1, 2}, fnn.zeros(2)
    local function step()
      running = running * 0.9 + w * w
      running:sum():backward()
    end
    step()
    refuses(step, "backward", "what one step keeps for the next must be detached (x:detach())")
  end)

  it("of two results that share a part refuses the second pass through it", function()
    local w = leaf {1, 2}
    local shared = w * w
    local a, b = shared:sum(), (shared * 2):sum()
    a:backward()
    refuses(function() b:backward() end, "backward", "retain_graph")
  end)

  it("adds up along all ways", function()
    local x = leaf {1, 2, 3}
    local y = x * 2                     -- a diamond: z = y^2 + 3 y, dz/dx = 4 y + 6
    local z = y * y + y * 3
    z:sum():backward()
    assert.same({14, 22, 30}, x.grad:totable())
  end)

  it("counts a tensor that is given twice twice", function()
    local x = leaf {{1, 2}, {3, 4}}
    x:matmul(x):sum():backward()
    assert.same({{7, 11}, {9, 13}}, x.grad:totable())
    x.grad = nil
    fnn.cat({x, x, x}):sum():backward()
    assert.same({{3, 3}, {3, 3}}, x.grad:totable())
  end)

  it("does not mix gradients that one op passes to both inputs", function()
    local a, b = leaf {1, 1}, leaf {1, 1}
    local sum = a * 1 + b * 1 -- both get the same gradient, and a's gets more
    (sum:sum() + (a * 10):sum()):backward()
    assert.same({11, 11}, a.grad:totable())
    assert.same({1, 1}, b.grad:totable());
    (a + b):sum():backward()
    a.grad:fill_(0)
    assert.same({2, 2}, b.grad:totable())
  end)

  it("goes through views", function()
    local x = leaf {{1, 2, 3}, {4, 5, 6}}
    local function gradient_of(view, weights)
      x.grad = nil
      view:backward(fnn.tensor(weights))
      return x.grad:totable()
    end
    assert.same({{0, 7, 8}, {0, 9, 10}}, gradient_of(x:narrow(2, 2, 2), {{7, 8}, {9, 10}}))
    assert.same({{0, 0, 0}, {7, 8, 9}}, gradient_of(x[2], {7, 8, 9}))
    assert.same({{0, 0, 7}, {0, 0, 8}}, gradient_of(x:select(2, -1), {7, 8}))
    assert.same({{1, 3, 5}, {2, 4, 6}}, gradient_of(x:t(), {{1, 2}, {3, 4}, {5, 6}}))
    assert.same({{1, 2, 3}, {4, 5, 6}}, gradient_of(x:reshape(3, 2), {{1, 2}, {3, 4}, {5, 6}}))
    assert.same({{1, 3, 5}, {2, 4, 6}}, gradient_of(x:t():flatten(), {1, 2, 3, 4, 5, 6}))
    assert.same({{2, 2, 2}, {2, 2, 2}}, gradient_of(x:unsqueeze(1):expand(2, 2, 3) * 1, fnn.ones(2, 2, 3):totable()))
    assert.same({{0, 0, 0}, {0, 5, 0}}, gradient_of(x:narrow(1, 2, 1):squeeze():narrow(1, 2, 1), {5}))
  end)

  it("goes through overlapping views of one tensor", function()
    local x = leaf {1, 2, 3}
    local a, b = x:narrow(1, 1, 2), x:narrow(1, 2, 2);
    (a * b):sum():backward()
    assert.same({2, 4, 2}, x.grad:totable())
  end)

  it("goes through many inputs", function()
    local leaves = {}
    for i = 1, 500 do leaves[i] = leaf {i} end
    local y = fnn.cat(leaves);
    (y * fnn.arange(500)):sum():backward()
    for i = 1, 500 do assert.equal(i - 1, leaves[i].grad[1]) end
  end)

  it("gives nothing to what requires nothing", function()
    local w, x = leaf {1, 2}, fnn.tensor {3, 4};
    (w * x):sum():backward()
    assert.is_nil(x.grad)
  end)

  it("leaves no gradient at tensors between", function()
    local w = leaf {1, 2}
    local y = w * 2
    y:sum():backward()
    assert.is_nil(y.grad)
  end)
end)

describe("the field grad:", function()
  it("can be set, with a tensor of the shape", function()
    local w = leaf {1, 2, 3}
    w.grad = fnn.tensor {1, 1, 1}
    w:sum():backward()
    assert.same({2, 2, 2}, w.grad:totable())
    refuses(function() w.grad = fnn.ones(2) end, "grad", "(3)", "(2)")
    refuses(function() w.grad = fnn.ones(3):long() end, "grad", "float32", "int64")
    refuses(function() w.grad = 1 end, "grad", "expected a tensor", "number 1")
    refuses(function() w.grad = leaf {1, 2, 3} * 2 end, "grad", "leaf")
  end)

  it("adds up nothing along however long an axis of a tensor without elements", function()
    local x = fnn.zeros(1, 0):requires_grad_()
    local y = x:expand(1 << 40, 0)
    y:backward(fnn.zeros(1, 0):expand(1 << 40, 0))
    assert.same({1, 0}, x.grad.shape)
  end)

  it("takes expanded tensors without adding into one place thrice", function()
    local w = leaf {1, 2, 3}
    w.grad = fnn.ones(1):expand(3);
    (w * fnn.tensor {1, 2, 3}):sum():backward()
    assert.same({2, 3, 4}, w.grad:totable())
  end)
end)

describe("no_grad:", function()
  local w = leaf {1, 2}

  it("records nothing inside and returns what the function does", function()
    local a, b, c = fnn.no_grad(function(x, y)
      assert.is_false(fnn.is_grad_enabled())
      return (w * 2).requires_grad, x, y
    end, 7, nil)
    assert.is_false(a)
    assert.equal(7, b)
    assert.is_nil(c)
    assert.is_true(fnn.is_grad_enabled())
    assert.is_true((w * 2).requires_grad)
    assert.equal(250000, select("#", fnn.no_grad(table.unpack, {}, 1, 250000)))
    refuses(function() fnn.no_grad(1) end, "no_grad: expected a function, got number 1")
    refuses(function() fnn.no_grad() end, "no_grad")
  end)

  it("nests, with enable_grad in it", function()
    fnn.no_grad(function()
      fnn.no_grad(function() assert.is_false((w * 2).requires_grad) end)
      assert.is_false((w * 2).requires_grad)
      fnn.enable_grad(function()
        assert.is_true((w * 2).requires_grad)
        fnn.no_grad(function() assert.is_false(fnn.is_grad_enabled()) end)
        assert.is_true(fnn.is_grad_enabled())
      end)
      assert.is_false(fnn.is_grad_enabled())
    end)
    assert.is_true(fnn.is_grad_enabled())
  end)

  it("ends with an error, which goes on as it was", function()
    local thrown = {}
    local ok, caught = pcall(fnn.no_grad, function() error(thrown) end)
    assert.is_false(ok)
    assert.equal(thrown, caught)
    assert.is_true(fnn.is_grad_enabled())
    fnn.no_grad(function()
      pcall(fnn.enable_grad, error)
      assert.is_false(fnn.is_grad_enabled())
    end)
  end)

  it("belongs to its coroutine", function()
    local inside = coroutine.wrap(function()
      fnn.no_grad(function()
        coroutine.yield(fnn.is_grad_enabled())
        coroutine.yield((w * 2).requires_grad)
      end)
      return fnn.is_grad_enabled()
    end)
    assert.is_false(inside())
    assert.is_true(fnn.is_grad_enabled())
    assert.is_true((w * 2).requires_grad)
    assert.is_false(inside())
    assert.is_true(inside())
  end)

  it("does not hold in coroutines that are started inside", function()
    fnn.no_grad(function()
      local other = coroutine.wrap(function() return fnn.is_grad_enabled() end)
      assert.is_true(other())
      assert.is_false(fnn.is_grad_enabled())
    end)
  end)

  it("does no harm in a coroutine that is given up", function()
    for _ = 1, 100 do
      local abandoned = coroutine.wrap(function() fnn.no_grad(coroutine.yield) end)
      abandoned()
    end
    local closed = coroutine.create(function() fnn.no_grad(coroutine.yield) end)
    coroutine.resume(closed)
    coroutine.close(closed)
    collectgarbage()
    assert.is_true(fnn.is_grad_enabled())
    assert.is_true((w * 2).requires_grad)
  end)
end)

describe("writing in place:", function()
  it("is refused for what is recorded", function()
    local w = leaf {1, 2}
    local y = w * 2
    for name, write in pairs {
      leaf = function() w:add_(1) end, computed = function() y:mul_(2) end, fill = function() w:fill_(0) end,
      copy = function() y:copy_(fnn.ones(2)) end, element = function() w[1] = 0 end, view = function() w[{{1,
        1}}] = 0 end,
      row = function() w:reshape(2, 1)[1] = 0 end, mask = function() w[w:gt(0)] = 0 end,
    } do
      local ok, message = pcall(write)
      assert.is_false(ok, name)
      assert.is_truthy(message:find("in place", 1, true), name .. ": " .. message)
    end
    assert.same({1, 2}, w:totable())
  end)

  it("is refused with an operand that is recorded, whose gradient would be lost", function()
    local w, x, mask = leaf {1, 2}, fnn.tensor {3, 4}, fnn.tensor({1, 0}, {dtype = "uint8"})
    local y, rows = w * 2, fnn.zeros(2, 2)
    for _, case in ipairs {
      {"add: other", function() x:add_(w) end}, {"mul: other", function() x:mul_(y) end},
      {"copy_: other", function() x:copy_(w) end}, {"copy_: other", function() rows[1] = w end},
      {"copy_: other", function() rows[{{}, 1}] = y end}, {"copy_: other", function() x[mask] = w end},
      {"copy_: other", function() x[1] = w:sum() end},
    } do
      refuses(case[2], case[1], "in place", "detach", "no_grad")
    end
    assert.same({3, 4}, x:totable())
    assert.same({{0, 0}, {0, 0}}, rows:totable())
  end)

  it("goes on with a recorded operand in no_grad, and with one that no gradient would reach", function()
    local w, mask = leaf {1, 2}, fnn.tensor({1, 0}, {dtype = "uint8"})
    local x, whole = fnn.zeros(2), fnn.zeros(2):long()
    fnn.no_grad(function()
      x:add_(w)
      x[2] = w:sum()
      assert.same({1, 3}, x:totable())
      x[mask] = w * 5
    end)
    assert.same({5, 3}, x:totable())
    assert.same({6, 5}, x:add_(w:detach()):totable())
    assert.same({1, 2}, whole:copy_(w):totable())
    whole[mask] = w * 7
    assert.same({7, 2}, whole:totable())
    assert.is_false(x.requires_grad)
  end)

  it("is allowed in no_grad and through detach", function()
    local w = leaf {1, 2}
    fnn.no_grad(function()
      w:add_(1)
      w[1] = 7
      w:reshape(2, 1)[2] = 8
    end)
    w:detach():mul_(2)
    assert.same({14, 16}, w:totable())
    assert.is_true(w.requires_grad);
    (w * w):sum():backward()
    assert.same({28, 32}, w.grad:totable())
  end)

  it("is noticed by backward where it reads what was there", function()
    local w = leaf {1, 2}
    for name, change in pairs {
      itself = function() fnn.no_grad(w.add_, w, 1) end, alias = function() w:detach():add_(1) end,
      element = function() w:detach()[1] = 3 end, view = function() w:detach():narrow(1, 1, 1):fill_(0) end,
      copy = function() w:detach():copy_(fnn.ones(2)) end,
    } do
      local y = (w * w):sum()
      change()
      local ok, message = pcall(y.backward, y)
      assert.is_false(ok, name)
      assert.is_truthy(message:find("that mul needs was changed in place", 1, true), name .. ": " .. message)
      assert.is_nil(w.grad, name)
    end
  end)

  it("is noticed for results that backward reads", function()
    local w = leaf {1, 2}
    local y = w:exp()
    y:detach():fill_(0)
    refuses(function() y:sum():backward() end, "that exp needs was changed in place")
  end)

  it("of one part of a memory is noticed through another", function()
    local both = fnn.tensor {{1, 2}, {3, 4}}
    local w = leaf {1, 1}
    local y = w * both[1]
    both[1] = 5
    refuses(function() y:sum():backward() end, "changed in place")
  end)

  it("does not matter to ops that read nothing", function()
    local w = leaf {1, 2}
    local y = (w + 1):sum()
    fnn.no_grad(w.fill_, w, 9)
    y:backward()
    assert.same({1, 1}, w.grad:totable())
  end)

  it("that failed has changed nothing", function()
    local w, x = leaf {1, 2}, fnn.tensor {3, 4}
    local y = (w * x):sum()
    refuses(function() x:add_(fnn.ones(3)) end, "add")
    refuses(function() x:add_(fnn.ones(2, 2)) end, "add_", "(2,2)", "(2)")
    refuses(function() x[3] = 1 end, "got 3")
    y:backward()
    assert.same({3, 4}, w.grad:totable())
  end)
end)

describe("deep graphs:", function()
  local DEPTH = 100000

  local function chain(w)
    local y = w
    for _ = 1, DEPTH do y = y + 1 end
    return y
  end

  it("are gone through", function()
    local w = leaf {1, 2}
    chain(w):sum():backward()
    assert.same({1, 1}, w.grad:totable())
  end)

  it("are freed when nobody goes through them", function()
    local before = bytes_in_use()
    do
      local w = leaf {1, 2}
      local y = chain(w)
      collectgarbage()
      y:close()
      w:close()
    end
    assert.equal(before, bytes_in_use())
  end)

  it("are freed by Lua's collector", function()
    local before = bytes_in_use()
    do
      local w = leaf {1, 2}
      chain(w * w)
    end
    assert.equal(before, bytes_in_use())
  end)

  it("of custom ops are gone through", function()
    local w = leaf {1, 2}
    local y = w
    local function pass(gradient) return gradient end
    for _ = 1, DEPTH // 4 do y = core.record("pass", y:detach(), {y}, pass) end
    y:sum():backward()
    assert.same({1, 1}, w.grad:totable())
  end)

  it("may be wide as well", function()
    local w = leaf {1, 1}
    local y = w
    for _ = 1, 60 do y = y + y end -- 2^60 ways
    y:sum():backward()
    assert.same({2 ^ 60, 2 ^ 60}, w.grad:totable())
  end)
end)

describe("memory of graphs:", function()
  -- What one step leaves in use with Lua's collector stopped, when the tensors in between are closed.
  it("goes as backward goes, without Lua's collector", function()
    local w = fnn.ones(1000, {requires_grad = true})
    w.grad = fnn.zeros(1000)
    local before = bytes_in_use()
    collectgarbage("stop")
    local during
    do
      local a <close> = w:exp()
      local b <close> = a:square()
      local c <close> = b:sigmoid()
      local loss <close> = c:sum()
      during = core.memory().used
      for _, tensor in ipairs {a, b, c} do tensor:close() end
      assert.is_true(core.memory().used > before + 2 * 4000) -- what exp and sigmoid read is a's and c's
      loss:backward()
    end
    assert.equal(before, core.memory().used)
    collectgarbage("restart")
    assert.is_true(during > before + 3 * 4000)
  end)

  it("is given up on the way, not at the end", function()
    local w = fnn.ones(1000, {requires_grad = true})
    local loss, seen = w, nil
    loss = core.record("probe", loss:detach(), {loss}, function(gradient)
      seen = core.memory().used -- all layers above are done
      return gradient
    end)
    for _ = 1, 20 do loss = loss:exp():clamp(0, 1) end
    loss = loss:sum()
    collectgarbage()
    local before = core.memory().used
    loss:backward()
    assert.is_true(seen < before - 20 * 4000)
  end)

  it("stays with retain_graph", function()
    local w = fnn.ones(1000, {requires_grad = true})
    local loss = w:exp():sum()
    local before = bytes_in_use()
    loss:backward({retain_graph = true})
    assert.is_true(bytes_in_use() >= before + 4000) -- w.grad came, nothing went
    loss:backward()
  end)

  it("is complete again after a backward that ran out of it", function()
    local w = fnn.ones(100, {requires_grad = true})
    local before, n = bytes_in_use(), 0
    repeat
      n = n + 1
      local loss = (w:exp() * w:sigmoid() + w:square()):sum()
      core.fail_allocation(n)
      local ok = pcall(loss.backward, loss)
      core.fail_allocation(0)
      loss:close()
      w.grad = nil
    until ok
    assert(n > 3, n)
    assert.equal(before, bytes_in_use())
  end)
end)
