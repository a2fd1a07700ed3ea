--- What each Lua state of states.c runs: several networks trained at once, each in a coroutine of its own that yields
-- after every step and in the middle of backward. Arguments: a seed, the number of networks, the number of threads.
-- Returns all losses and weights as a string of bytes.
local core = require "fmnistnn.core"
local ops = core.ops

local seed, networks, threads = ...
core.set_threads(threads)

local function parameter(...)
  local tensor = core.normal({...}, 0, 0.2)
  tensor.requires_grad = true
  return tensor
end

local function square(x)
  local y = core.no_grad(ops.mul, x, x)
  return core.record("square", y, {x}, function(gradient)
    coroutine.yield()
    return core.no_grad(function() return gradient * x * 2 end)
  end)
end

local function zeros_like(tensor) return core.full(tensor.shape, 0) end

local function train()
  local images, bytes = core.uniform({16, 1, 14, 14}, 0, 1), {}
  local labels = ops.minimum(ops.to(core.uniform({16}, 1, 11), "int64"), 10)
  local parameters = {
    parameter(6, 1, 3, 3), parameter(6), parameter(10, 6 * 7 * 7), parameter(10), parameter(40, 41, 42),
  }
  local states = {}
  for i, each in ipairs(parameters) do states[i] = {zeros_like(each), zeros_like(each)} end
  for step = 1, 4 do
    local x = ops.conv2d(images, parameters[1], parameters[2], {padding = "same"})
    x = square(ops.max_pool2d(ops.relu(x), 2))
    x = ops.linear(ops.dropout(ops.flatten(x, 2), {rate = 0.25}), parameters[3], parameters[4])
    -- a tensor that is large enough to be cut among threads
    local loss = ops.cross_entropy_classes(x, labels) + ops.mean(ops.tanh(parameters[5]) * parameters[5])
    loss:backward()
    core.optim.step("adam", parameters, states, {1, math.huge, 1e-2, 1, 0.9, 0.999, 1e-7})
    core.optim.zero_grad(parameters)
    bytes[#bytes + 1] = string.pack("<d", loss:item())
    if step % 2 == 0 then collectgarbage() end
    coroutine.yield()
  end
  for _, each in ipairs(parameters) do bytes[#bytes + 1] = each:tobytes() end
  return table.concat(bytes)
end

-- Round and round; each coroutine draws from a stream of its own.
local tasks, results, left = {}, {}, networks
for i = 1, networks do tasks[i] = {run = coroutine.create(train), seed = seed + i, offset = 0} end
while left > 0 do
  for i, task in ipairs(tasks) do
    if coroutine.status(task.run) ~= "dead" then
      core.set_generator_state(task.seed, task.offset)
      local ok, result = coroutine.resume(task.run)
      if not ok then error(result) end
      task.seed, task.offset = core.generator_state()
      if coroutine.status(task.run) == "dead" then
        results[i] = result
        left = left - 1
      end
    end
  end
end
return table.concat(results)
