--- The layers as functions of tensors, without state. Most are ops of the core (csrc/ops); the others are made of
-- these.
local core = require "fmnistnn.core"
local activations = require "fmnistnn.nn.activations"
local create = require "fmnistnn.create"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local F = {}

for name, op in pairs(core.functional) do F[name] = op end -- conv2d, linear, max_pool2d, layer_norm ...
for name, activation in pairs(activations) do F[name] = activation end
for _, name in ipairs {"one_hot", "pad", "flatten", "reshape", "add", "cat"} do F[name] = core.methods[name] end
for name, loss in pairs(require "fmnistnn.losses") do F[name] = loss end

local ops = core.ops

local batch_norm = {
  {"weight", "any", optional = true},
  {"bias", "any", optional = true},
  {"running_mean", "any", optional = true},
  {"running_variance", "any", optional = true},
  {"training", "boolean", default = false},
  {"momentum", "number", default = 0.99},
  {"epsilon", "positive", default = 1e-3},
  {"relu", "boolean", default = false},
  {"addend", "any", optional = true},
  {"max_pool", "boolean", default = false},
}

-- By the running statistics: y.
local function normalize(x, o)
  local settings = {epsilon = o.epsilon}
  if not o.relu then
    return ops.batch_norm_apply(x, o.running_mean, o.running_variance, o.weight, o.bias, settings)
  end
  return ops.batch_norm_relu_apply(x, o.running_mean, o.running_variance, o.weight, o.bias, o.addend, settings)
end

-- By the batch's: y, mean, variance.
local function normalize_batch(x, o)
  local settings = {epsilon = o.epsilon}
  if o.max_pool then
    settings.relu = o.relu
    return ops.batch_norm_max_pool_train(x, o.weight, o.bias, settings)
  end
  if not o.relu then return ops.batch_norm_train(x, o.weight, o.bias, settings) end
  return ops.batch_norm_relu_train(x, o.weight, o.bias, o.addend, settings)
end

--- batch_norm(x, {weight, bias, running_mean, running_variance, training, momentum, epsilon, relu, addend, max_pool}).
-- While training, normalizes x (N,C,...) by the batch's mean and (biased) variance and moves the running ones towards
-- these, running = momentum * running + (1 - momentum) * batch; else normalizes by the running ones. momentum 0.99,
-- epsilon 0.001. With relu, relu of the result, in the same pass, or of its sum with an addend of x's shape. With
-- max_pool, the largest of each 2 x 2 pixels of that.
function F.batch_norm(x, given)
  local o = options.check("batch_norm", given, batch_norm)
  if o.addend and not o.relu then refuse("batch_norm: addend: expected together with relu = true") end
  if o.addend and o.max_pool then refuse("batch_norm: addend: expected none together with max_pool = true") end
  if not o.training then
    local y = normalize(x, o)
    if not o.max_pool then return y end
    local pooled = F.max_pool2d(y, 2)
    y:close()
    return pooled
  end
  local y, mean, variance = normalize_batch(x, o)
  if o.running_mean or o.running_variance then
    options.input("batch_norm: running_mean", o.running_mean, "(channels)", 1, 1)
    options.input("batch_norm: running_variance", o.running_variance, "(channels)", 1, 1)
    for _, name in ipairs {"running_mean", "running_variance"} do -- before one of them has changed
      if #o[name] ~= #mean then refuse("batch_norm: %s: expected (%d), got (%d)", name, #mean, #o[name]) end
    end
    core.no_grad(function()
      o.running_mean:mul_(o.momentum):add_(mean * (1 - o.momentum))
      o.running_variance:mul_(o.momentum):add_(variance * (1 - o.momentum))
    end)
  end
  mean:close()
  variance:close()
  return y
end

local dropout = {{"training", "boolean", default = true}}

--- dropout(x, rate, {training}): x itself unless training (true unless told otherwise).
function F.dropout(x, rate, given)
  local o = options.check("dropout", given, dropout)
  if rate == 0 or not o.training then return x end
  return ops.dropout(x, rate)
end

--- The same for whole channels of x (N,C,...).
function F.dropout2d(x, rate, given)
  local o = options.check("dropout2d", given, dropout)
  if rate == 0 or not o.training then return x end
  return ops.dropout(x, rate, true)
end

local embedding = {{"padding_index", "count", optional = true}}

--- embedding(index, table, {padding_index}): the rows of a table (count, size) for class numbers of any shape:
-- (..., size). The row of the class padding_index gets no gradient.
function F.embedding(index, table_, given)
  options.input("embedding: index", index)
  options.input("embedding: table", table_, "(count, size)", 2, 2)
  local padding, count = options.check("embedding", given, embedding).padding_index, table_:size(1)
  if padding and padding > count then
    refuse("embedding: padding_index: expected one of the classes 1..%d, got %d", count, padding)
  end
  local shape, flat = index.shape, index:flatten()
  shape[#shape + 1] = table_:size(2)
  local rows = table_:index_select(1, flat)
  if padding and rows.requires_grad then rows = ops.where(flat:eq(padding):unsqueeze(2), rows:detach(), rows) end
  return rows:reshape(shape)
end

--- The mean of each channel of x (N,C,H,W): (N,C).
function F.global_avg_pool2d(x)
  options.input("global_avg_pool2d", x, "(images, channels, height, width)", 4, 4)
  return x:mean({3, 4})
end
--- The maximum of each channel of x (N,C,H,W): (N,C).
function F.global_max_pool2d(x)
  options.input("global_max_pool2d", x, "(images, channels, height, width)", 4, 4)
  return x:max({3, 4})
end

-- The matrix (scale * size, size) that interpolates linearly along an axis: a row has the shares of the pixels that one
-- of the result is made of. Pixels lie at their centres, half a pixel from the border, and the outermost go on beyond.
local function interpolation(size, scale)
  local place = ((create.arange(scale * size) + 0.5) / scale - 0.5):clamp(0, size - 1)
  return (1 - (place:unsqueeze(2) - create.arange(size)):abs()):relu()
end

local enlarge = {} -- (N,C,H,W) to (N,C,rows H,columns W), by mode

function enlarge.nearest(x, rows, columns) return ops.upsample2d(x, {rows, columns}) end

function enlarge.bilinear(x, rows, columns)
  local wide = x:matmul(interpolation(x:size(4), columns):t())
  local y = interpolation(x:size(3), rows):matmul(wide)
  wide:close()
  return y
end

local upsampling = {{"mode", "upsampling", default = "nearest"}}

--- upsample2d(x, scale, {mode}): images (N,C,H,W), scale times as high and wide; or {rows, columns}. mode "nearest":
-- each pixel repeated; "bilinear": interpolated between the centres of pixels, the outermost repeated at the border.
function F.upsample2d(x, scale, given)
  options.input("upsample2d", x, "(images, channels, height, width)", 4, 4)
  options.check("upsample2d", {scale = scale}, {{"scale", "pair"}})
  local mode = options.check("upsample2d", given, upsampling).mode
  local rows, columns = table.unpack(type(scale) == "table" and scale or {scale, scale})
  return enlarge[mode](x, rows, columns)
end

--- zero_pad2d(x, {top, bottom, left, right}); also {rows, columns} or one number.
function F.zero_pad2d(x, margins)
  if type(margins) == "number" then margins = {margins, margins} end
  options.check("zero_pad2d", {margins = margins}, {{"margins", "margin"}})
  if #margins == 2 then margins = {margins[1], margins[1], margins[2], margins[2]} end
  return ops.pad(x, {{margins[1], margins[2]}, {margins[3], margins[4]}})
end

--- Images (N,C,H,W) with left and right exchanged.
function F.hflip(x)
  options.input("hflip", x, "(images, channels, height, width)", 4, 4)
  return x:flip(4)
end

-- The part of an axis that is still there when it is moved by `step`, and the margins of what is not.
local function moved(x, axis, step)
  local size = x:size(axis)
  step = math.max(-size, math.min(step, size))
  return x:narrow(axis, math.max(0, -step) + 1, size - math.abs(step)), {math.max(0, step), math.max(0, -step)}
end

--- Images (N,C,H,W) moved down by `rows` and right by `columns` pixels, or up and left where these are negative. Zeros
-- come in.
function F.shift(x, rows, columns)
  options.input("shift", x, "(images, channels, height, width)", 4, 4)
  options.check("shift", {rows = rows, columns = columns}, {{"rows", "integer"}, {"columns", "integer"}})
  local vertical, horizontal
  x, vertical = moved(x, 3, rows)
  x, horizontal = moved(x, 4, columns)
  return ops.pad(x, {vertical, horizontal})
end

return F
