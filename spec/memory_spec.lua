--- Memory: the counters, the limit, and that training needs no more of it after a thousand steps than after ten,
-- whatever
-- Lua's collector does.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local check = require "spec.support.check"
local idx = require "spec.support.idx"
local process = require "spec.support.process"

local MIB = 1 << 20

local function settle()
  collectgarbage()
  collectgarbage()
end

local function used()
  settle()
  return core.memory().used
end

-- Runs f with other settings of the memory, and puts them back.
local function with_memory(settings, f)
  local before = core.memory()
  core.set_memory(settings)
  local ok, message = pcall(f)
  core.set_memory {limit = before.limit, slack = before.slack}
  if not ok then error(message, 0) end
end

describe("counters:", function()
  before_each(settle)

  it("follow a tensor's life", function()
    local before = core.memory()
    local t = fnn.zeros(1000)
    local during = core.memory()
    assert.is_true(during.used >= before.used + 4000)
    assert.is_true(during.used <= before.used + 8000)
    assert.is_true(during.blocks > before.blocks)
    assert.is_true(during.peak >= during.used)
    assert.equal(before.boxed + 4000, during.boxed)
    t:close()
    local after = core.memory()
    assert.equal(before.used, after.used)
    assert.equal(before.blocks, after.blocks)
    assert.equal(before.boxed, after.boxed)
    assert.is_true(after.cached >= 4000)
  end)

  it("are integers of bytes", function()
    for _, name in ipairs {"used", "cached", "peak", "limit", "blocks", "system_calls", "boxed", "slack"} do
      assert.equal("integer", math.type(core.memory()[name]), name)
    end
  end)

  it("do not count a view's elements twice", function()
    local t = fnn.zeros(100000)
    local before = core.memory().used
    local views = {t:reshape(10, 10000), t:narrow(1, 5, 100), t:detach(), t:reshape(1, 100000):expand(50, 100000)}
    assert.is_true(core.memory().used < before + 4 * 1000)
    t:close()
    assert.is_true(core.memory().used > 400000)
    for _, view in ipairs(views) do view:close() end
    assert.is_true(used() <= before - 400000)
  end)

  it("empty_cache gives back what is free and forgets the peak", function()
    fnn.zeros(MIB):close()
    assert.is_true(core.memory().cached >= 4 * MIB)
    core.empty_cache()
    local after = core.memory()
    assert.equal(0, after.cached)
    assert.equal(after.used, after.peak)
  end)

  it("free memory is used again", function()
    fnn.zeros(MIB):close()
    local before = core.memory().system_calls
    for _ = 1, 10 do fnn.zeros(MIB):close() end
    assert.equal(before, core.memory().system_calls)
  end)

  it("what lies free stays bounded", function()
    core.empty_cache()
    for size = 1, 64 do fnn.zeros(size * MIB // 16):close() end -- 4 MiB the largest, 130 MiB in all
    local memory = core.memory()
    assert.is_true(memory.used + memory.cached <= memory.peak * 5 // 4 + 65 * MIB)
  end)
end)

describe("the limit:", function()
  before_each(settle)

  it("refuses what would pass it, and says how much", function()
    with_memory({limit = core.memory().used + 10 * MIB}, function()
      check.refused(function() return fnn.zeros(3 * MIB) end, {"out of memory", "12.0 MiB asked for", "limit"})
      local x <close> = fnn.zeros(2 * MIB)
      check.refused(function() return x + 1 end, {"out of memory", "8.0 MiB asked for"})
      check.refused(function() return x:reshape(1, 2 * MIB):tile(4, 1) end, {"out of memory"})
      x:add_(1)
      assert.equal(1, x[1])
    end)
  end)

  it("is never passed", function()
    local limit = core.memory().used + 4 * MIB
    with_memory({limit = limit}, function()
      local kept = {}
      for i = 1, 200 do
        local ok, t = pcall(fnn.zeros, i * 1000)
        if ok then kept[#kept + 1] = t end
        if i % 7 == 0 and #kept > 0 then table.remove(kept, 1):close() end
        assert.is_true(core.memory().used <= limit)
      end
    end)
  end)

  it("lets Lua's collector look for garbage first", function()
    collectgarbage("stop")
    with_memory({limit = core.memory().used + 10 * MIB}, function()
      for _ = 1, 20 do fnn.zeros(MIB) end
      local x = fnn.zeros(MIB)
      for _ = 1, 20 do x = x + 1 end
      assert.equal(20, x[1])
    end)
    collectgarbage("restart")
  end)

  it("is for sizes that overflow too", function()
    for _, shape in ipairs {{1 << 40}, {1 << 40, 1 << 40}, {math.maxinteger}, {1 << 31, 1 << 31, 4}, {math.maxinteger,
      3}} do
      check.refused(fnn.zeros, {"out of memory"}, shape)
      check.refused(core.uniform, {"out of memory"}, shape, 0, 1)
    end
    check.refused(fnn.zeros, {"out of memory"}, {0, math.maxinteger, math.maxinteger})
    local empty = fnn.zeros({math.maxinteger, 0}, {dtype = "uint8"})
    for count = 2, 4 do
      check.refused(fnn.cat, {"too large to address"}, {table.unpack({empty, empty, empty, empty}, 1, count)}, 1)
    end
    check.refused(empty.pad, {"too large to address"}, empty, {{1, 0}, {0, 0}})
    check.refused(fnn.ones(1).expand, {"too large"}, fnn.ones(1), math.maxinteger)
    check.refused(fnn.randperm, {"out of memory"}, 1 << 40)
    check.refused(fnn.eye, {"out of memory"}, 1 << 30)
  end)

  it("and the slack are checked", function()
    check.refused(core.set_memory, {"set_memory: limit", "got -1"}, {limit = -1})
    check.refused(core.set_memory, {"set_memory: slack", "integer"}, {slack = "much"})
    check.refused(core.set_memory, {"set_memory: unknown option", "limt"}, {limt = 5})
    check.refused(core.set_memory, {"set_memory: expected a table of options, got number 5"}, 5)
  end)

  it("of another size holds for what comes", function()
    local before = core.memory().limit
    with_memory({limit = 12345}, function() assert.equal(12345, core.memory().limit) end)
    assert.equal(before, core.memory().limit)
  end)
end)

-- Whatever makes tensors besides ops: each makes one of about `bytes` bytes, and others that are smaller.
local function makers(path, bytes)
  local rows = bytes // 4
  local source, first = fnn.zeros(1, rows), fnn.ones({1}, {dtype = "int64"})
  local images, w = fnn.zeros(1, 1, 1, rows), fnn.ones(rows, {requires_grad = true})
  local turned = fnn.zeros(rows, 1, 2):narrow(3, 1, 1) -- not dense
  local plain = {
    flip = "none", padding_mode = "zeros", shift = 0, rotation = 0, shear = 0, zoom = 1, brightness = 1, contrast = 1,
    cutout = 0, mixup = 1, cutmix = 0, ["erase: probability"] = 0, ["erase: area"] = 0.1, ["erase: aspect"] = 1,
    ["erase: value"] = 0, ["erase: random"] = false,
  }
  local file = assert(io.open(path, "wb"))
  file:write(idx.head {bytes}, ("x"):rep(bytes))
  file:close()
  return {
    idx = function() return assert(core.data.idx(path, 1)) end,
    gather = function() return core.data.gather(source, first, 1) end,
    augment = function() return core.data.augment(images, first, 1, plain, 1, 2, 3) end,
    shuffled = function() return core.data.shuffled(bytes // 8, 1) end,
    full = function() return core.full({rows}, 1) end,
    tobytes = function() return #turned:tobytes() end,
    equal = function() return turned:equal(turned) end,
    detach = function() return w:detach() end,
    record = function() return core.record("same", w, {w}, print) end,
  }
end

describe("what the collector looks for:", function()
  local path

  before_each(function()
    path = os.tmpname()
    settle()
  end)
  after_each(function() os.remove(path) end)

  it("the bytes of every tensor that Lua holds", function()
    local make = makers(path, 8000)
    local seen = fnn.custom {
      name = "seen", forward = function(_, x) return x * 1 end,
      backward = function(_, gradient)
        local before = core.memory().boxed
        gradient:close()
        assert.equal(before - 8000, core.memory().boxed)
      end,
    }
    local function grows(name, bytes, f)
      local before = core.memory().boxed
      local results = table.pack(f())
      assert.equal(before + bytes, core.memory().boxed, name)
      for _, result in ipairs(results) do
        if core.is_tensor(result) then result:close() end
      end
      assert.equal(before, core.memory().boxed, name)
    end
    collectgarbage("stop")
    for _, name in ipairs {"idx", "gather", "shuffled", "full", "detach", "record"} do grows(name, 8000, make[name]) end
    grows("augment", 8000 + 8 + 4, make.augment)
    grows("tobytes", 0, make.tobytes)
    grows("equal", 0, make.equal)
    local w = fnn.ones(2000, {requires_grad = true})
    w:sum():backward()
    grows("grad", 8000, function() return w.grad end)
    local grad = w.grad
    grows("expand", 8000, function() return grad:expand(1 << 30, 2000) end)
    grad:close()
    seen(w):square():sum():backward()
    collectgarbage("restart")
    w:close()
    settle()
  end)

  for _, name in ipairs {"idx", "gather", "augment", "shuffled", "full", "tobytes", "equal"} do
    it("more, whenever as much as the slack and half of what is in use has come: " .. name, function()
      local make = makers(path, MIB)[name]
      local base = used()
      core.empty_cache()
      collectgarbage("stop")
      for _ = 1, 460 do make() end
      collectgarbage("restart")
      assert.is_true(core.memory().peak < base + 300 * MIB)
      assert.is_true(used() <= base)
    end)
  end

  -- Those of the second list hold little but a handle.
  for i, names in ipairs {{"idx", "gather", "augment", "shuffled", "full", "tobytes", "equal"}, {"detach", "record"}} do
    for _, name in ipairs(names) do
      it("room, before there is said to be none: " .. name, function()
        local make = makers(path, MIB)[name]
        settle()
        with_memory({slack = 1 << 50, limit = core.memory().used + (i == 1 and 24 * MIB or MIB // 8)}, function()
          collectgarbage("stop")
          local ok, message = true, nil
          for _ = 1, i == 1 and 60 or 2000 do
            ok, message = pcall(make)
            if not ok then break end
          end
          collectgarbage("restart")
          assert(ok, message)
          core.set_memory {limit = core.memory().used // 2}
          check.refused(make, {"out of memory"})
        end)
      end)
    end
  end
end)

-- In a process of its own: busted's heap is too large for this.
describe("many small tensors", function()
  -- Makes them beside a heap of about `live` KiB, after some Lua code; returns that and the largest heap.
  local function heaps(live, before)
    local code, out, err = process.run_lua(([[
      local live = %d
      local fnn = require "fmnistnn"
      local kept, most = {}, 0
      for i = 1, live * 16 do kept[i] = {} end
      local a, b = fnn.ones(16), fnn.ones(16)
      collectgarbage()
      local count = collectgarbage "count"
      %s
      for _ = 1, 200000 do
        local _ = a + b
        most = math.max(most, collectgarbage "count")
      end
      print(count, most, #kept)
    ]]):format(live, before))
    assert(code == 0, err)
    local count, most = out:match "(%S+)%s+(%S+)"
    return tonumber(count), tonumber(most)
  end

  for name, before in pairs {
    [""] = "",
    [", after a finalizer that made some"] = [[
      setmetatable({}, {__gc = function()
        for _ = 1, 10000 do local _ = a + b end
      end})
      collectgarbage()
    ]],
  } do
    it("leave Lua's heap small" .. name, function()
      local live, most = heaps(800, before)
      assert.is_true(live > 800 and most < 2 * live, ("%.0f KiB of %.0f"):format(most, live))
    end)
  end

  it("are not collected when the script has stopped the collector", function()
    local live, most = heaps(10, "collectgarbage 'stop'")
    assert.is_true(most > live + 200000 * 40 / 1024, ("%.0f KiB of %.0f"):format(most, live))
  end)

  it("are left to Lua beside a large heap, where a full collection would be felt", function()
    local live, most = heaps(10000, "")
    assert.is_true(live > 10000 and most > live + 4096, ("%.0f KiB of %.0f"):format(most, live))
  end)
end)

-- One training step of a small network; `let_go` gets each tensor in between.
local function make_step(let_go)
  local w1 = fnn.randn(64, 49, {requires_grad = true})
  local w2 = fnn.randn(10, 64, {requires_grad = true})
  local kernel = fnn.randn(1, 1, 4, 4, {requires_grad = true})
  local labels = fnn.randint(1, 10, {256})
  local function step()
    local images = let_go(fnn.ones(256, 1, 28, 28))
    local maps = let_go(core.ops.conv2d(images, kernel, nil, {stride = 4}))
    local hidden = let_go(let_go(core.ops.linear(let_go(maps:flatten(2)), w1)):relu())
    local logits = let_go(core.ops.linear(hidden, w2))
    local loss = let_go(core.ops.cross_entropy_classes(logits, labels))
    loss:backward()
    fnn.no_grad(function()
      for _, w in ipairs {w1, w2, kernel} do
        w:sub_(let_go(let_go(w.grad) * 0.01))
        w.grad = nil
      end
    end)
  end
  return step
end

-- The images alone are 784 KiB a step: all steps would fill 460 MiB.
local STEPS = 600

describe("a training step", function()
  before_each(settle)

  it("whose tensors are closed uses the same memory again, with Lua's collector stopped", function()
    local open = {}
    local step = make_step(function(tensor)
      open[#open + 1] = tensor
      return tensor
    end)
    local function run()
      step()
      while #open > 0 do table.remove(open):close() end
    end
    collectgarbage("stop")
    for _ = 1, 3 do run() end
    local before = core.memory()
    for _ = 1, 50 do run() end
    local after = core.memory()
    collectgarbage("restart")
    assert.equal(before.used, after.used)
    assert.equal(before.blocks, after.blocks)
    assert.equal(before.system_calls, after.system_calls)
  end)

  for _, mode in ipairs {"stopped", "generational", "incremental"} do
    it("needs no more memory after many steps, with Lua's collector " .. mode, function()
      local step = make_step(function(tensor) return tensor end)
      local base = used()
      core.empty_cache()
      if mode == "stopped" then collectgarbage("stop") else collectgarbage(mode) end
      for _ = 1, STEPS do step() end
      local peak = core.memory().peak
      if mode == "stopped" then collectgarbage("restart") else collectgarbage("incremental") end
      step = nil -- luacheck: ignore
      assert.is_true(peak < base + 300 * MIB, ("peak %.1f MiB"):format(peak / MIB))
      assert.is_true(used() <= base)
    end)
  end

  it("leaves nothing when its graph is never gone through", function()
    local w = fnn.randn(100, 100, {requires_grad = true})
    local base = used()
    for _ = 1, 200 do
      local y = w
      for _ = 1, 10 do y = y:matmul(w):tanh() end
    end
    assert.equal(base, used())
    assert.is_true(core.memory().used < base + MIB)
    w:close()
  end)

  it("leaves nothing when it fails in the middle", function()
    local step = make_step(function(tensor) return tensor end)
    for _ = 1, 3 do step() end
    local base, failures = used(), 0
    for n = 1, 400, 7 do
      core.fail_allocation(n)
      if not pcall(step) then failures = failures + 1 end
      core.fail_allocation(0)
    end
    assert(failures > 5, failures)
    step()
    assert.is_true(used() <= base + 32 * 1024) -- gradients of the last one that failed
  end)
end)
