--- Every op of the core: against its reference, in every memory layout, with failing allocations, with one to three
-- threads, in place, and refusing what it must. The cases are in spec/support/cases.lua.
local core = require "fmnistnn.core"
local cases = require "spec.support.cases"
local check = require "spec.support.check"
local reference = require "spec.support.reference"

local LAYOUTS = {"dense", "transposed", "spaced", "expanded"}

local function sorted_names(of)
  local names = {}
  for name in pairs(of) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- One test for all cases of an op: thousands of tests would make Lua's heap, and each collection in them, large.
local function for_each_case(name, check_case)
  for _, case in ipairs(cases[name]) do
    local ok, message = pcall(check_case, name, case)
    if not ok then error(("case '%s': %s"):format(case[1], tostring(message)), 0) end
  end
end

local function check_values(name, case)
  for _, layout in ipairs(case.large and {"dense"} or LAYOUTS) do check.values(name, case, layout) end
end

-- Allocations and places in memory do not depend on the number of elements.
local function check_allocations(name, case)
  if not case.large then check.allocations(name, case) end
end

local function check_traced(name, case)
  if not case.large then check.traced(name, case) end
end

local function check_in_place(name, case)
  for _, layout in ipairs(case.large and {} or LAYOUTS) do check.in_place(name, case, layout) end
end

local function check_refusals(name)
  for _, wrong in ipairs(cases[name].wrong) do
    local ok, message = pcall(check.op_refused, name, wrong[2], {table.unpack(wrong, 3)})
    if not ok then error(("case '%s': %s"):format(wrong[1], tostring(message)), 0) end
  end
end

local function describe_op(name)
  it("has the reference's values and gradients in every layout", function() for_each_case(name, check_values) end)
  it("gives the same bits with any number of threads", function() for_each_case(name, check.threads) end)
  it("does the same in a trace", function() for_each_case(name, check_traced) end)
  it("fails without a leak when the nth allocation does", function() for_each_case(name, check_allocations) end)
  it("refuses what it must", function() check_refusals(name) end)
  if core.methods[name .. "_"] then
    it("does the same in place", function() for_each_case(name, check_in_place) end)
  end
  if cases[name].gradient == false then
    it("gives no gradient", function()
      local built = check.build(cases[name][1][2], "dense", true)
      assert.is_false(core.ops[name](table.unpack(built, 1, built.n)).requires_grad)
    end)
  end
end

describe("ops:", function()
  local threads = core.threads()
  after_each(function()
    core.fail_allocation(0)
    core.set_threads(threads)
  end)

  it("every op has a reference and cases, some of them wrong", function()
    for _, name in ipairs(sorted_names(core.ops)) do
      assert(reference[name], "no reference of " .. name .. " in spec/support/reference.lua")
      assert(cases[name] and #cases[name] > 0, "no case of " .. name .. " in spec/support/cases.lua")
      assert(cases[name].wrong and #cases[name].wrong > 0, "no wrong case of " .. name)
    end
  end)

  it("every case is of an op", function()
    for name in pairs(cases) do assert(core.ops[name], name .. " is not an op") end
  end)

  it("every in-place form is of an op", function()
    for name in pairs(core.methods) do
      local plain = name:match("^(.*)_$")
      if plain and core.ops[plain] then assert(cases[plain], "no cases of " .. name) end
    end
  end)

  for _, name in ipairs(sorted_names(cases)) do
    describe(name, function() describe_op(name) end)
  end
end)
