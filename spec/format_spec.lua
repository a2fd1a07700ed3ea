--- tostring of tensors is what str() of NumPy gives. The expected texts are in spec/data/numpy_str.lua, which
-- scripts/numpy_reference.py writes.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"

local expected = dofile("spec/data/numpy_str.lua")

local function from_hex(hex)
  return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local function tensor_of(case)
  if case.hex then return fnn.frombytes(from_hex(case.hex), case.shape, case.dtype) end
  local count = 1
  for _, size in ipairs(case.shape) do count = count * size end
  return core.sequence(case.first, case.step, count, case.dtype):reshape(case.shape)
end

local function label(case, i)
  return ("%d: %s (%s) %s"):format(i, case.dtype, table.concat(case.shape, ","), case.hex and case.hex:sub(1, 32) or "")
end

describe("tostring:", function()
  it("is NumPy's str", function()
    for i, case in ipairs(expected) do
      local text = tostring(tensor_of(case))
      if text ~= case.text then error(("%s\nexpected:\n%s\ngot:\n%s"):format(label(case, i), case.text, text), 0) end
    end
  end)

  it("has no decimal comma", function()
    if not os.setlocale "de_DE.UTF-8" then return pending "needs the locale de_DE.UTF-8" end
    local text = tostring(fnn.tensor(2.5)) .. tostring(fnn.tensor {1.5, 2}) .. tostring(fnn.tensor {1.5e-9, 2})
    os.setlocale "C"
    assert.equal("2.5[1.5 2. ][1.5e-09 2.0e+00]", text)
  end)

  it("does not depend on the layout", function()
    local t = fnn.arange(6):reshape(2, 3)
    assert.equal("[[0 3]\n [1 4]\n [2 5]]", tostring(t:t()))
    assert.equal("[[7 7 7]\n [7 7 7]]", tostring(fnn.full({1, 1}, 7, {dtype = "int64"}):expand(2, 3)))
  end)

  it("of expanded tensors with more elements than memory is short", function()
    local text = tostring(fnn.ones(1):expand(1 << 40))
    assert.equal("[1. 1. 1. ... 1. 1. 1.]", text)
    assert.equal("[]", tostring(fnn.zeros(1 << 40, 0)))
  end)

  it("records nothing and leaves nothing", function()
    local w = fnn.ones(2, {requires_grad = true})
    assert.equal("[1. 1.]", tostring(w))
    collectgarbage()
    local before = core.memory().used
    tostring(w)
    tostring(fnn.no_grad(function() return w * 2 end))
    collectgarbage()
    assert.equal(before, core.memory().used)
  end)

  it("raises for a closed tensor", function()
    local t = fnn.ones(2)
    t:close()
    local ok, message = pcall(tostring, t)
    assert.is_false(ok)
    assert.is_truthy(message:find("closed", 1, true))
  end)
end)
