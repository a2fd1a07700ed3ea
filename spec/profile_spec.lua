--- fnn.profile: what it counts and prints.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local F = fnn.nn.functional

-- The lines by "op phase", and what was printed.
local function profile(f, ...)
  local printed, real = {}, print
  _G.print = function(text) printed[#printed + 1] = text end -- luacheck: ignore
  local ok, lines = pcall(fnn.profile, f, ...)
  _G.print = real -- luacheck: ignore
  if not ok then return nil, lines end
  local by_name = {}
  for _, line in ipairs(lines) do by_name[line.name .. " " .. line.phase] = line end
  return by_name, table.concat(printed, "\n"), lines
end

describe("profile", function()
  it("counts calls, multiply-adds and bytes of ops, backward and steps", function()
    local x, w = fnn.rand(20, 2, 5, 5), fnn.rand(3, 2, 3, 3):requires_grad_()
    local optimizer = fnn.optim.Adam {parameters = {w}}
    local lines, text, list = profile(function(times)
      for _ = 1, times do
        F.conv2d(x, w):sum():backward()
        optimizer:step()
      end
    end, 2)
    local per_step = 20 * 3 * 9 * 2 * 9
    assert.are.equal(2, lines["conv2d forward"].calls)
    assert.are.equal(2 * per_step, lines["conv2d forward"].multiply_adds)
    assert.are.equal(2 * per_step, lines["conv2d backward"].multiply_adds) -- of the weight alone
    assert.are.equal(2, lines["adam step"].calls)
    assert.are.equal(2 * 7 * 4 * w:numel(), lines["adam step"].bytes)
    assert.is_truthy(text:find("conv2d +backward +2 "))
    assert.is_truthy(text:find("outside of ops", 1, true))
    for i = 2, #list do assert(list[i - 1].seconds >= list[i].seconds, "the longest first") end
  end)

  it("raises what the function raises, and is over then", function()
    local lines, message = profile(function() error("mine", 0) end)
    assert.is_nil(lines)
    assert.are.equal("mine", message)
    assert.are.same({}, core.profile_end())
  end)

  it("may be ended by a finalizer while its lines are told", function()
    local x, mode = fnn.ones(1), collectgarbage "generational"
    for count = 1, 400 do
      core.profile_begin()
      for _, op in ipairs {"exp", "abs", "neg", "cos", "sin", "tanh", "square", "relu", "gelu"} do core.ops[op](x) end
      for _ = 1, count do setmetatable({}, {__gc = function() core.profile_end() end}) end
      for _, line in ipairs(core.profile_end()) do
        assert.are.same({"forward", 1, 8.0}, {line.phase, line.calls, line.bytes})
      end
    end
    collectgarbage(mode)
  end)
end)
