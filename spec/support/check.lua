--- Checks of an op against its reference. A case is {"what", args, flags ...} as in support/cases.lua, with arrays (or
-- lists of them) in the place of tensors in args.
--
-- Tolerances are in units of float32's epsilon, relative to 1 or to the largest element where that is more: sums
-- of terms of both signs are no better than their largest terms, and an elementwise function is a few roundings.
local core = require "fmnistnn.core"
local array = require "spec.support.array"
local layouts = require "spec.support.layouts"
local reference = require "spec.support.reference"
local trace = require "fmnistnn.trace"
local values = require "spec.support.values"

local check = {}

local EPSILON = 2 ^ -23
local FORWARD, BACKWARD = 16, 64 -- backward is two or three steps, and the difference quotient errs by 1e-6
local STEP = 2 ^ -17 -- its square is far below float32's epsilon, and doubles have digits enough for the difference
local MOST = 3.4028234663852886e38

-- ---- comparing ----

local function as_float32(x)
  if x > MOST then return math.huge elseif x < -MOST then return -math.huge end
  return x
end

local function close_to(got, want, room)
  if want ~= want then return got ~= got end
  return got == want or math.abs(got - want) <= room
end

local function largest(a)
  local top = 1
  for _, x in ipairs(a) do
    if x == x and math.abs(x) < math.huge then top = math.max(top, math.abs(x)) end
  end
  return top
end

local function shape_text(a) return "(" .. table.concat(a.shape, ",") .. ")" end

--- Raises unless the array `got` has the shape, the type and, within `ulps`, the elements of `want`. With `pointwise`,
-- each is measured by its own size.
function check.near(got, want, ulps, what, pointwise)
  if got.dtype ~= want.dtype then error(("%s: expected %s, got %s"):format(what, want.dtype, got.dtype), 2) end
  if shape_text(got) ~= shape_text(want) then
    error(("%s: expected shape %s, got %s"):format(what, shape_text(want), shape_text(got)), 2)
  end
  local scale = pointwise and 1 or largest(want)
  for i, x in ipairs(want) do
    local expected = want.dtype == "float32" and as_float32(x) or x
    local room = want.dtype == "float32" and ulps * EPSILON * math.max(scale, math.abs(expected)) or 0
    if not close_to(got[i], expected, room) then
      error(("%s: element %d: expected %.9g, got %.9g (room %.2g)"):format(what, i, expected, got[i], room), 2)
    end
  end
end

-- ---- arguments ----

local function is_list_of_arrays(value)
  return type(value) == "table" and not array.is_array(value) and array.is_array(value[1])
end

local function map_list(list, f)
  local mapped = {}
  for i, value in ipairs(list) do mapped[i] = array.is_array(value) and f(value) or value end
  return mapped
end

-- The arguments with f(array) in the place of each array.
local function map_arrays(args, f)
  local mapped = {n = args.n}
  for i = 1, args.n do
    local value = args[i]
    if array.is_array(value) then
      mapped[i] = f(value)
    elseif is_list_of_arrays(value) then
      mapped[i] = map_list(value, f)
    else
      mapped[i] = value
    end
  end
  return mapped
end

local function takes_gradient(a) return a.dtype == "float32" and not a.constant end

--- The arguments with tensors, and these in a list beside the arrays that they came from.
function check.build(args, layout, with_gradients)
  local tensors, arrays = {}, {}
  local built = map_arrays(args, function(a)
    local tensor = layouts[layout](a)
    if with_gradients and takes_gradient(a) then tensor.requires_grad = true end
    tensors[#tensors + 1], arrays[#arrays + 1] = tensor, a
    return tensor
  end)
  return built, tensors, arrays
end

local function unpack_all(list) return table.unpack(list, 1, list.n) end

-- Random numbers of ops come from a generator that stands where the reference expects it.
local function call(op, args)
  core.manual_seed(reference.SEED)
  return table.pack(op(unpack_all(args)))
end

-- ---- gradients ----

-- The loss of the references: the first result's elements times fixed weights, summed.
local function loss(name, args, weights)
  local y, sum = reference[name](unpack_all(args)), 0
  for i, w in ipairs(weights) do sum = sum + y[i] * w end
  return sum
end

--- d loss / d a by central differences.
function check.difference_quotients(name, args, a, weights)
  return array.new(a.shape, function(i)
    local x = a[i]
    a[i] = x + STEP
    local above = loss(name, args, weights)
    a[i] = x - STEP
    local below = loss(name, args, weights)
    a[i] = x
    return (above - below) / (2 * STEP)
  end)
end

-- The same for many elements: one quotient along a random direction, against the gradient's component there.
local function check_direction(name, args, a, weights, gradient, ulps, what)
  local direction, x, component, size = values.random(a.shape, -1, 1), array.copy(a), 0, 1
  for i, d in ipairs(direction) do
    component = component + gradient[i] * d
    size = math.max(size, math.abs(gradient[i] * d))
  end
  for i, d in ipairs(direction) do a[i] = x[i] + STEP * d end
  local above = loss(name, args, weights)
  for i, d in ipairs(direction) do a[i] = x[i] - STEP * d end
  local below = loss(name, args, weights)
  for i in ipairs(direction) do a[i] = x[i] end
  local want = array.from({}, {(above - below) / (2 * STEP)})
  local room = ulps * size * math.sqrt(#direction) -- errors of independent terms add up as their root
  check.near(array.from({}, {component}), want, room, what .. ": along a direction", true)
end

-- The arguments of a case; a large one makes them when asked, so that they do not burden Lua's collector.
local function args_of(case)
  if type(case[2]) == "function" then return case[2]() end
  return case[2]
end

-- The weights of a case's loss.
local function weights_of(case, shape)
  if case.large then return values.random(shape) end
  case.weights = case.weights or values.random(shape)
  return case.weights
end

-- The difference quotients of a case, made once for all layouts that have the same elements.
local function quotients_of(name, case, args, a, weights)
  if args ~= case[2] then return check.difference_quotients(name, args, a, weights) end
  case.quotients = case.quotients or {}
  case.quotients[a] = case.quotients[a] or check.difference_quotients(name, args, a, weights)
  return case.quotients[a]
end

-- ---- the checks of a case ----

local function check_outputs(name, case, outputs, args, what)
  local wants = table.pack(reference[name](unpack_all(args)))
  for i = 1, outputs.n do
    check.near(array.of(outputs[i]), wants[i], case.ulps or FORWARD, ("%s: output %d"):format(what, i), case.pointwise)
  end
  return wants
end

local function check_gradients(name, case, args, tensors, arrays, weights, what)
  for i, a in ipairs(arrays) do
    local grad = tensors[i].grad
    local label = ("%s: gradient of input %d"):format(what, i)
    if not takes_gradient(a) then
      if grad then error(label .. ": expected none") end
    elseif not grad then
      error(label .. ": there is none")
    elseif case.large then
      check_direction(name, args, a, weights, array.of(grad), case.gradient_ulps or BACKWARD, label)
    else
      check.near(array.of(grad), quotients_of(name, case, args, a, weights), case.gradient_ulps or BACKWARD, label)
    end
  end
end

-- Whether the case's first result must have a gradient to check.
local function has_gradient(case, y, arrays)
  if case.gradient == false or y.dtype ~= "float32" then return false end
  for _, a in ipairs(arrays) do
    if takes_gradient(a) then return true end
  end
  return false
end

--- Forward and gradients, with all inputs in one layout.
function check.values(name, case, layout)
  local args = args_of(case)
  if layout == "expanded" then args = map_arrays(args, layouts.flat) end
  local built, tensors, arrays = check.build(args, layout, true)
  local outputs = call(core.ops[name], built)
  local what = ("%s of %s inputs"):format(name, layout)
  local wants = check_outputs(name, case, outputs, args, what)
  if not has_gradient(case, wants[1], arrays) or (layout == "expanded" and case.distinct) then return end
  local weights = weights_of(case, wants[1].shape)
  outputs[1]:backward(array.to_tensor(weights))
  check_gradients(name, case, args, tensors, arrays, weights, what)
end

-- One forward and backward; `kept` holds the results as they come, so that they can be closed after an error.
local function step(name, built, weights, kept)
  local outputs = call(core.ops[name], built)
  for i = 1, outputs.n do kept[i] = outputs[i] end
  if weights then outputs[1]:backward(weights) end
end

-- What to go back with, as a tensor; nil where nothing goes back.
local function weights_for(name, case, built)
  local y = call(core.ops[name], built)[1]
  return y.requires_grad and array.to_tensor(weights_of(case, y.shape)) or nil
end

--- The bytes of all results and gradients.
local function bytes_of(kept, tensors)
  local bytes = {}
  for _, tensor in ipairs(kept) do bytes[#bytes + 1] = tensor:tobytes() end
  for _, tensor in ipairs(tensors) do bytes[#bytes + 1] = tensor.grad and tensor.grad:tobytes() or "" end
  return table.concat(bytes, "|")
end

--- Whatever the number of threads, the results are the same bits. Leaves three threads.
function check.threads(name, case)
  local args, first, weights = args_of(case), nil, nil
  for count = 1, 3 do
    core.set_threads(count)
    local built, tensors = check.build(args, "dense", true)
    local kept = {}
    weights = weights or weights_for(name, case, built)
    step(name, built, weights, kept)
    local bytes = bytes_of(kept, tensors)
    first = first or bytes
    if bytes ~= first then error(("%s: other bits with %d threads than with 1"):format(name, count)) end
  end
end

-- The arguments with these tensors in the place of arrays, in order.
local function with_tensors(args, tensors)
  local i = 0
  return map_arrays(args, function()
    i = i + 1
    return tensors[i]
  end)
end

local function reversed(a)
  local copy = array.copy(a)
  for i = 1, #a do copy[i] = a[#a + 1 - i] end
  return copy
end

--- A trace of the op, made with the elements in another order, gives the same bits as the op.
function check.traced(name, case)
  local args = args_of(case)
  local built, tensors = check.build(args, "dense")
  local _, others = check.build(map_arrays(args, reversed), "dense")
  if #tensors == 0 then return end
  local run = trace(function(...)
    local results = call(core.ops[name], with_tensors(args, {...}))
    return unpack_all(results)
  end, table.unpack(others))
  local expected = call(core.ops[name], built)
  core.manual_seed(reference.SEED)
  local got = table.pack(run(table.unpack(tensors)))
  if got.n ~= expected.n then error(("%s: %d results, not %d"):format(name, got.n, expected.n)) end
  for i = 1, got.n do
    local same = got[i]:tobytes() == expected[i]:tobytes() and got[i].dtype == expected[i].dtype
    if not same or shape_text(got[i]) ~= shape_text(expected[i]) then
      error(("%s: output %d: the trace's is another"):format(name, i))
    end
  end
end

-- What is in use, after Lua's collector has run if it is not `used` bytes in `blocks` blocks before.
local function counters(used, blocks)
  local memory = core.memory()
  if memory.used == used and memory.blocks == blocks then return used, blocks end
  collectgarbage()
  memory = core.memory()
  return memory.used, memory.blocks
end

--- The nth allocation fails, for every n: an error that says so, and nothing leaks. Every op allocates its result.
function check.allocations(name, case)
  local built, tensors = check.build(args_of(case), "transposed", true)
  local weights = weights_for(name, case, built)
  local used, blocks = counters()
  for n = 1, 1000 do
    local kept = {}
    core.fail_allocation(n)
    local ok, message = pcall(step, name, built, weights, kept)
    core.fail_allocation(0)
    for _, tensor in ipairs(kept) do tensor:close() end
    for _, tensor in ipairs(tensors) do
      if tensor.requires_grad then tensor.grad = nil end
    end
    local used_now, blocks_now = counters(used, blocks)
    if used_now ~= used or blocks_now ~= blocks then
      error(("%s: allocation %d: %d bytes in %d blocks leaked"):format(name, n, used_now - used, blocks_now - blocks))
    end
    if ok and n == 1 then error(name .. ": no allocation failed") end
    if ok then return end
    if not tostring(message):find("out of memory", 1, true) then
      error(("%s: allocation %d: expected 'out of memory', got: %s"):format(name, n, message))
    end
  end
  error(name .. ": it still fails at allocation 1000")
end

-- What the in-place form must leave in its first argument, or nil and a part of the error.
local function expected_in_place(name, case, layout)
  local args = layout == "expanded" and map_arrays(case[2], layouts.flat) or case[2]
  local x, y = args[1], reference[name](unpack_all(args))
  if layout == "expanded" and layouts.first_long_axis(x) then return nil, "share one place" end
  if shape_text(x) ~= shape_text(y) then return nil, "does not fit into a tensor of shape" end
  if x.dtype ~= "float32" and y.dtype == "float32" then return nil, "does not fit into a tensor of " .. x.dtype end
  return reference.to(y, x.dtype), args
end

--- The form `name_` leaves in its first argument what the plain form gives.
function check.in_place(name, case, layout)
  if not array.is_array(case[2][1]) then return end
  local want, args = expected_in_place(name, case, layout)
  local op = core.methods[name .. "_"]
  local built = check.build(want and args or map_arrays(case[2], layouts.flat), layout)
  if want then
    assert(op(unpack_all(built)) == built[1], name .. "_ does not return its first argument")
    check.near(array.of(built[1]), want, case.ulps or FORWARD, name .. "_ of a " .. layout .. " tensor", case.pointwise)
    return
  end
  local ok, message = pcall(op, unpack_all(built))
  assert(not ok and message:find(args, 1, true), ("%s_: expected '%s', got: %s"):format(name, args, message))
end

--- A call that must raise an error with all these texts.
function check.refused(f, texts, ...)
  local ok, message = pcall(f, ...)
  if ok then error("expected an error with '" .. table.concat(texts, "', '") .. "'", 2) end
  for _, text in ipairs(texts) do
    if type(message) ~= "string" or not message:find(text, 1, true) then
      error(("expected an error with '%s', got: %s"):format(text, tostring(message)), 2)
    end
  end
end

--- The same for an op, with arrays in its arguments.
function check.op_refused(name, args, texts)
  local built = check.build(args, "dense")
  check.refused(core.ops[name], {name, table.unpack(texts)}, unpack_all(built))
end

return check
