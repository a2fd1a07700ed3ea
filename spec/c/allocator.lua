--- What allocator.c runs while memory fails: a little of everything that makes Lua objects and tensors.
local core = require "fmnistnn.core"
local Tensor = require "fmnistnn.tensor"
local ops = core.ops

-- tensors, fields, elements, views
local x = core.from_table({{1, 2, 3}, {4, 5, 6}})
x.requires_grad = true
local positions = core.from_table({2, 1}, "int64")
assert(#x == 2 and x.shape[2] == 3 and x[1][3] == 3 and x.dtype == "float32")
assert(x[{2, {1, 2}}]:totable()[2] == 5)
assert(x[positions]:totable()[1][1] == 4)
local filled = core.full({2, 3}, 7)
filled[1] = 0
filled[{2, {2, 3}}] = core.from_table({8, 9})
assert(filled:tobytes() == core.from_table({{0, 0, 0}, {7, 8, 9}}):tobytes())
assert(#core.frombytes(("\0"):rep(12), {3}) == 3)

-- ops: options, lists, several results, in place, errors
local parts = {}
for i = 1, 8 do parts[i] = x * i end
local long = ops.cat(parts, 1)
local values, order = ops.sort(long, 1, {descending = true})
assert(values[1][1] == 32 and order[1][1] == 16)
filled:add_(1)
local ok, message = pcall(ops.matmul, x, x)
assert(not ok and type(message) == "string")
local image = core.uniform({1, 2, 6, 6}, -1, 1)
local kernel = core.normal({3, 2, 3, 3}, 0, 1)
kernel.requires_grad = true
local y = ops.max_pool2d(ops.relu(ops.conv2d(image, kernel, nil, {padding = "same"})), 2)

-- a custom op whose backward yields, in a coroutine
local function square(input)
  local output = core.no_grad(ops.mul, input, input)
  return core.record("square", output, {input}, function(gradient)
    coroutine.yield()
    return gradient * input:detach() * 2
  end)
end
local loss = ops.sum(long) + ops.sum(square(y)) + ops.sum(square(x))
local task = coroutine.wrap(function() loss:backward() return true end)
while not task() do end
assert(x.grad[1][1] == 38 and kernel.grad:dim() == 4)
local velocities = {{core.full(x.shape, 0)}, {core.full(kernel.shape, 0)}}
core.optim.step("momentum", {x, kernel}, velocities, {1, math.huge, 0.1, 1, 0.9, 0})

-- text, and the end of things
assert(Tensor.tostring(filled) == tostring(filled))
do local _ <close> = core.full({100}, 1) end
assert(core.data.gather(filled, core.data.shuffled(2, 1), 0.5):dim() == 2)
local plain = {
  flip = "random", padding_mode = "zeros", shift = 0, rotation = 0, shear = 0, zoom = 1, brightness = 1, contrast = 1,
  cutout = 1, mixup = 1, cutmix = 0, ["erase: probability"] = 1, ["erase: area"] = {0.1, 0.5}, ["erase: aspect"] = 1,
  ["erase: value"] = 0, ["erase: random"] = true,
}
local mixed, partner = core.data.augment(image, core.full({3}, 1, "int64"), 1, plain, 1, 2, 3)
assert(mixed:dim() == 4 and #partner == 3)
assert(core.memory().used > 0)
collectgarbage()
return true
