--- fnn.trace: what a trace does again, what it takes from when it was made, and what cannot be in one.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local nn, F = fnn.nn, fnn.nn.functional

local function settle()
  collectgarbage()
  collectgarbage()
end

-- What a trace of f, made with other tensors, gives for these, and what f gives.
local function both(f, ...)
  local others = table.pack(...)
  for i = 1, others.n do others[i] = others[i]:flip(-1) end
  local run = fnn.trace(f, table.unpack(others, 1, others.n))
  return table.pack(run(...)), table.pack(fnn.no_grad(f, ...))
end

local function assert_same(f, ...)
  local traced, direct = both(f, ...)
  assert.are.equal(direct.n, traced.n)
  for i = 1, direct.n do assert.is_true(traced[i]:equal(direct[i]), "result " .. i) end
end

-- A model that has been called, in evaluation.
local function built(model, x)
  for _ = 1, 3 do model(x) end
  return model:eval()
end

describe("a trace", function()
  before_each(function() fnn.manual_seed(1) end)

  it("does what models do", function()
    local images = fnn.randn(2, 3, 12, 12)
    local function block(filters)
      return nn.Sequential {
        nn.Conv2d {filters, kernel = 3, padding = "same"}, nn.BatchNorm2d {}, nn.Activation {"relu"},
        nn.Conv2d {filters, kernel = 3, padding = "same"}, nn.GroupNorm {2},
      }
    end
    local model = built(nn.Sequential {
      nn.Conv2d {8, kernel = 3, stride = 2, padding = "same"}, nn.Residual {block(8), activation = "relu"},
      nn.Residual {block(16), shortcut = nn.Conv2d {16, kernel = 1}, activation = "gelu"}, nn.MaxPool2d {2},
      nn.Concat {nn.Identity {}, nn.ConvTranspose2d {4, kernel = 3, padding = "same"}},
      nn.Upsample2d {2, mode = "bilinear"}, nn.Dropout {0.5},
      nn.GlobalAvgPool2d {}, nn.Dense {10, activation = {"leaky_relu", negative_slope = 0.1}},
      nn.LayerNorm {}, nn.Activation {"softmax"},
    }, images)
    assert_same(model, images)
    assert_same(model:folded(), images)
    assert_same(nn.Ensemble {model, model:folded()}, images)
    local words = built(nn.Sequential {
      nn.Embedding {count = 20, size = 4, padding_index = 1}, nn.Flatten {}, nn.Dense {3},
    }, fnn.randint(1, 20, {2, 5}))
    assert_same(words, fnn.randint(1, 20, {2, 5}))
  end)

  it("has several tensors and results, numbers, positions, views and other handles", function()
    local a, b = fnn.randn(4, 5), fnn.randn(5)
    assert_same(function(x, y) return x - y * b end, b, b)
    assert_same(function(x, y)
      local values, places = (x * 2 - y):sort(2)
      local row = x[2]
      return values, places, x:gather(2, places), row, row:detach() + 1, x:t():reshape(2, 10), y, 3 / x, x:argmax(2),
        x:t():contiguous(), x:contiguous(), x:index {{1, 2}, {2, 4}}, fnn.stack {y, row}, x:gt(0):to "float32"
    end, a, b)
  end)

  it("uses other tensors as they are when it runs", function()
    local dense, x = nn.Dense {3}, fnn.randn(2, 4)
    dense(x)
    local run = fnn.trace(function(t) return dense(t) + (dense.bias + 1):sum() end, x)
    dense.bias:detach():fill_(2)
    dense.weight:detach():fill_(0)
    assert.is_true(run(x):equal(fnn.full({2, 3}, 2 + 9)))
  end)

  it("calls the function once, and keeps what it is not told", function()
    local calls, number = 0, 2
    local run = fnn.trace(function(x)
      calls = calls + 1
      return x * number + fnn.ones(2)
    end, fnn.zeros(2))
    number = 3
    for i = 1, 3 do assert.are.same({2.0 * i + 1, 1.0}, run(fnn.tensor {i, 0}):totable()) end
    assert.are.equal(1, calls)
  end)

  it("draws dropout's random numbers anew", function()
    local run = fnn.trace(function(x) return F.dropout(x, 0.5, {training = true}) end, fnn.ones(1000))
    local first = run(fnn.ones(1000))
    assert.is_false(first:equal(run(fnn.ones(1000))))
    assert.is_true(math.abs(first:mean():item() - 1) < 0.2)
  end)

  it("has no gradient, and can be in another one", function()
    local w = fnn.randn(3):requires_grad_()
    local inner = fnn.trace(function(x) return x * w end, w)
    assert.is_false(inner(w).requires_grad)
    local outer = fnn.trace(function(x) return inner(x) + 1 end, fnn.zeros(3))
    assert.is_true(outer(fnn.ones(3)):equal(w:detach() + 1))
    local handle = fnn.trace(function(x) return x:detach() end, w)
    assert_same(function(x) return handle(x), handle(x * 2) + 1 end, w:detach())
    local images, conv = fnn.randn(20, 3, 8, 8), nn.Conv2d {8, kernel = 3}
    conv(images)
    assert_same(function(x)
      local y = conv(x) -- in lanes until detach
      return y:detach():sum {3, 4}, y:sum {3, 4}
    end, images)
    local y, same = fnn.trace(function(x) local z = conv(x) return z, z:detach() end, images)(images)
    same:fill_(1)
    assert.is_true(y:equal(same))
    local double = fnn.custom {forward = function(_, x) return x * 2 end, backward = function(_, g) return g * 2 end}
    assert_same(function(x) return double(x) end, w:detach())
    local times = fnn.custom {forward = function(_, x, u) return x * u end, backward = function(_, g) return g end}
    assert_same(function(x) return fnn.enable_grad(times, x, w) + 1 end, w:detach())
  end)

  it("is the same with any number of threads", function()
    local threads, x = fnn.threads(), fnn.randn(1, 1, 28, 28)
    local model = built(nn.Sequential {
      nn.Conv2d {16, kernel = 3, padding = "same"}, nn.Conv2d {16, kernel = 3, padding = "same"}, nn.Flatten {},
      nn.Dense {10},
    }, x)
    local run, bytes = fnn.trace(model, x), {}
    for count = 1, 3 do
      fnn.set_threads(count)
      bytes[count] = run(x):tobytes()
    end
    fnn.set_threads(threads)
    assert.are.equal(bytes[1], bytes[2])
    assert.are.equal(bytes[1], bytes[3])
  end)
end)

describe("a trace's memory", function()
  it("is that of what it uses from outside, while it lives", function()
    local x, w = fnn.randn(64, 1000), fnn.randn(1000)
    settle()
    local before = core.memory().used
    do
      local run = fnn.trace(function(t) return ((t * w):exp() + 1):sum(2) end, x)
      w = nil -- luacheck: ignore
      settle()
      local during = core.memory().used
      assert.is_true(during > before and during < before + 8000, "it keeps what it computed")
      run(x):close()
      settle()
      assert.are.equal(during, core.memory().used)
      run = nil -- luacheck: ignore
    end
    settle()
    assert.is_true(core.memory().used <= before - 4000) -- w is gone too
  end)

  it("is given back where an allocation fails", function()
    local x = fnn.randn(4, 6)
    local function f(t)
      local values, places = (t:detach() * 2):exp():sort(2)
      return values, t:gather(2, places)
    end
    local function close(...)
      for _, tensor in ipairs {...} do tensor:close() end
    end
    for _, make in ipairs {
      function() close((fnn.trace(f, x))(x)) end,
      (function()
        local run = fnn.trace(f, x)
        return function() close(run(x)) end
      end)(),
    } do
      settle()
      local used, failed = core.memory().used, 0
      for n = 1, 200 do
        core.fail_allocation(n)
        local ok, message = pcall(make)
        core.fail_allocation(0)
        settle()
        assert.are.equal(used, core.memory().used, "allocation " .. n)
        if ok then break end
        failed = failed + 1
        assert.is_truthy(message:find("memory", 1, true))
      end
      assert.is_true(failed > 3 and failed < 200)
    end
  end)
end)

describe("a trace that a finalizer calls", function()
  it("may have been freed", function()
    local message
    do
      local used = setmetatable({}, {__gc = function(self) message = select(2, pcall(self.run, fnn.ones(2))) end})
      used.run = fnn.trace(function(x) return x * 2 end, fnn.ones(2))
    end
    settle()
    assert.is_truthy(message:find("trace: Lua's collector has freed it before the finalizer that calls it", 1, true))
  end)
end)

describe("a trace refuses", function()
  local x = fnn.tensor {{1, 2, 3}, {4, 5, 6}}

  local function assert_refused(text, ...)
    local ok, message = pcall(fnn.trace, ...)
    assert.is_false(ok)
    assert.is_truthy(message:find(text, 1, true), message)
    assert.are.equal(21, x:sum():item()) -- nothing is traced any longer
  end

  it("what is no function of tensors", function()
    assert_refused("trace: expected a function or a model, got number 1", 1)
    assert_refused("trace: argument 2: expected a tensor, got number 1", function(t) return t end, x, 1)
    assert_refused("trace: the function returned nothing: expected tensors", function() end, x)
    assert_refused("trace: result 2: expected a tensor, got number 3", function(t) return t, 3 end, x)
    assert_refused("trace: result 1: it is neither an argument nor what an operation gave",
      function() return fnn.ones(2) end, x)
    assert_refused("mine", function(t) error("mine" .. t:dim(), 0) end, x)
    local closed = fnn.zeros(2)
    closed:close()
    assert_refused("closed", function(t) return t end, closed)
    assert_refused("trace: cannot be traced: a trace is being made",
      function(t) return fnn.trace(function(u) return u end, t)(t) end, x)
  end)

  it("what it could not do again", function()
    local same = ": cannot be traced: what it reads of a tensor would be the same at each run"
    assert_refused("item" .. same, function(t) return t * t:sum():item() end, x)
    assert_refused("index" .. same, function(t) return t * t[1][2] end, x)
    assert_refused("totable" .. same, function(t) return fnn.tensor(t:totable()) end, x)
    assert_refused("tobytes" .. same, function(t) return fnn.frombytes(t:tobytes(), {2, 3}) end, x)
    assert_refused("equal" .. same, function(t) return t:equal(x + 1) and t or x end, x)
    assert_refused("cannot be traced", function(t) return t, tostring(t) end, x)
    local in_place = ": cannot be traced: it changes a tensor in place"
    assert_refused("add" .. in_place, function(t) return (t * 2):add_(1) end, x)
    assert_refused("fill_" .. in_place, function(t) fnn.zeros(2):fill_(1) return t end, x)
    assert_refused("copy_: cannot be traced", function(t) return (t * 2):copy_(t) end, x)
    assert_refused("assign" .. in_place, function(t)
      local y = fnn.zeros(3)
      y[1] = 2
      return t + y
    end, x)
    assert_refused("randn: cannot be traced: its random numbers", function(t) return t + fnn.randn(3) end, x)
    assert_refused("uniform: cannot be traced: its random numbers", nn.Dense {2}, x)
    assert_refused("randperm: cannot be traced: its order",
      function(t) return t:index_select(2, fnn.randperm(3)) end, x)
    local gradient = ": cannot be traced: its gradients would be the same at each run"
    assert_refused("backward" .. gradient, function(t)
      local leaf = (t * 1):detach():requires_grad_()
      fnn.enable_grad(function() leaf:square():sum():backward() end)
      return t - leaf.grad
    end, x)
    assert_refused("grad" .. same, function(t)
      local y = fnn.zeros(2, 3)
      y.grad = t * 2
      return t + y.grad
    end, x)
    local layer = nn.Dense {2}
    layer(x):sum():backward()
    local optimizer, average = fnn.optim.SGD {model = layer, lr = 1}, fnn.averages.EMA {model = layer}
    average:update()
    in_place = ": cannot be traced: it changes tensors in place"
    assert_refused("optimizer" .. in_place, function(t) optimizer:step() return layer(t) end, x)
    assert_refused("average" .. in_place, function(t) average:update() return layer(t) end, x)
    local norm = nn.BatchNorm1d {}
    norm(x)
    assert_refused("cannot be traced: it changes a tensor in place (as batch normalization does in training)", norm, x)
  end)

  it("to be left in the middle, and is no longer made where a coroutine ends with an error", function()
    local function raise() error("mine", 0) end
    for message, f in pairs {["attempt to yield across a C-call boundary"] = coroutine.yield, mine = raise} do
      local thread = coroutine.create(function() return fnn.trace(f, x) end)
      assert.are.same({false, message}, {coroutine.resume(thread)})
      assert.are.equal(21, x:sum():item())
      assert.are.equal("dead", coroutine.status(thread))
    end
    assert_same(function(t) return coroutine.wrap(function() coroutine.yield(t + 1) end)() end, x)
  end)

  it("other tensors than it was made for", function()
    local run = fnn.trace(function(t, u) return t + u end, x, fnn.zeros(3))
    local function refused(text, ...)
      local ok, message = pcall(run, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    refused("trace: expected 2 tensors, got 1", x)
    refused("trace: argument 2: expected a tensor, got number 2", x, 2)
    refused("trace: argument 2: expected float32 of shape (3), as traced, got float32 of shape (2)", x, fnn.zeros(2))
    refused("trace: argument 1: expected float32 of shape (2,3), as traced, got int64 of shape (2,3)",
      x:to "int64", fnn.zeros(3))
    assert.is_true(run(x, fnn.zeros(3)):equal(x))
  end)
end)
