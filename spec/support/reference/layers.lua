--- References of products, convolutions, pooling, normalization, dropout and cross-entropy.
local array = require "spec.support.array"
local philox = require "spec.support.philox"

local ref = {}

-- The element at an index of one to four numbers.
local function get(a, i, j, k, l)
  local shape, place = a.shape, i
  if j then place = (place - 1) * shape[2] + j end
  if k then place = (place - 1) * shape[3] + k end
  if l then place = (place - 1) * shape[4] + l end
  return a[place]
end

-- ---- products ----

-- A vector as a row (left) or a column (right); the axes before the last two.
local function as_matrices(x, is_right)
  if #x.shape > 1 then return x end
  return array.from(is_right and {x.shape[1], 1} or {1, x.shape[1]}, x)
end

local function batch_of(x) return table.move(x.shape, 1, #x.shape - 2, 1, {}) end

function ref.matmul(a_, b_)
  local a, b = as_matrices(a_, false), as_matrices(b_, true)
  local shape = array.broadcast_shape(batch_of(a), batch_of(b))
  local rows, inner, columns = a.shape[#a.shape - 1], a.shape[#a.shape], b.shape[#b.shape]
  local wide_a = array.broadcast_to(a, table.move({rows, inner}, 1, 2, #shape + 1, {table.unpack(shape)}))
  local wide_b = array.broadcast_to(b, table.move({inner, columns}, 1, 2, #shape + 1, {table.unpack(shape)}))
  local count, y = array.numel(shape), array.new({}, nil)
  for n = 0, count - 1 do
    for i = 0, rows - 1 do
      for j = 0, columns - 1 do
        local sum = 0
        for k = 0, inner - 1 do
          sum = sum + wide_a[(n * rows + i) * inner + k + 1] * wide_b[(n * inner + k) * columns + j + 1]
        end
        y[(n * rows + i) * columns + j + 1] = sum
      end
    end
  end
  if #a_.shape > 1 then shape[#shape + 1] = rows end
  if #b_.shape > 1 then shape[#shape + 1] = columns end
  y.shape = shape
  return y
end

function ref.linear(x, weight, bias)
  local outputs, inputs, shape = weight.shape[1], weight.shape[2], table.move(x.shape, 1, #x.shape, 1, {})
  shape[#shape] = outputs
  local y = array.new(shape, 0)
  for index, at in array.each(shape) do
    local o, row = index[#shape], (at - 1) // outputs
    local sum = bias and bias[o] or 0
    for i = 1, inputs do sum = sum + x[row * inputs + i] * get(weight, o, i) end
    y[at] = sum
  end
  return y
end

-- ---- windows over images ----

local function pair(value, otherwise)
  if value == nil then return otherwise, otherwise end
  if type(value) == "table" then return value[1], value[2] end
  return value, value
end

-- top, bottom, left, right, or nil for "same"
local function explicit_padding(padding)
  if padding == "same" then return nil end
  if padding == nil or padding == "valid" then return {0, 0, 0, 0} end
  if type(padding) == "table" and #padding == 4 then return padding end
  local rows, columns = pair(padding)
  return {rows, rows, columns, columns}
end

-- Along one axis: the number of outputs and the zeros before the first pixel.
local function slide(size, kernel, stride, dilation, before, after)
  local reach = (kernel - 1) * dilation + 1
  if before then return (size + before + after - reach) // stride + 1, before end
  local outputs = -(-size // stride)
  return outputs, math.max(0, (outputs - 1) * stride + reach - size) // 2
end

local function window_of(x, r, s, options, stride_otherwise)
  local p = explicit_padding(options.padding) or {}
  local w = {r = r, s = s, h = x.shape[3], w = x.shape[4]}
  w.stride_h, w.stride_w = pair(options.stride or stride_otherwise, 1)
  w.dilation_h, w.dilation_w = pair(options.dilation, 1)
  w.p, w.top = slide(w.h, r, w.stride_h, w.dilation_h, p[1], p[2])
  w.q, w.left = slide(w.w, s, w.stride_w, w.dilation_w, p[3], p[4])
  return w
end

-- The pixel (row, column) of tap (i, j) of the window at (p, q); nil outside of the image.
local function pixel(w, p, q, i, j)
  local row = (p - 1) * w.stride_h - w.top + (i - 1) * w.dilation_h + 1
  local column = (q - 1) * w.stride_w - w.left + (j - 1) * w.dilation_w + 1
  if row < 1 or row > w.h or column < 1 or column > w.w then return nil end
  return row, column
end

-- Calls f(row, column, i, j) for each tap inside of the image.
local function each_tap(w, p, q, f)
  for i = 1, w.r do
    for j = 1, w.s do
      local row, column = pixel(w, p, q, i, j)
      if row then f(row, column, i, j) end
    end
  end
end

function ref.conv2d(x, weight, bias, options)
  options = options or {}
  local groups, filters, channels = options.groups or 1, weight.shape[1], weight.shape[2]
  local w = window_of(x, weight.shape[3], weight.shape[4], options)
  local y = array.new({x.shape[1], filters, w.p, w.q}, 0)
  for index, at in array.each(y.shape) do
    local n, k, p, q = table.unpack(index)
    local first = (k - 1) // (filters // groups) * channels
    local sum = bias and bias[k] or 0
    each_tap(w, p, q, function(row, column, i, j)
      for c = 1, channels do sum = sum + get(x, n, first + c, row, column) * get(weight, k, c, i, j) end
    end)
    y[at] = sum
  end
  return y
end

function ref.conv2d_relu(x, weight, bias, addend, options)
  if addend and not addend.shape then addend, options = nil, addend end
  local y = ref.conv2d(x, weight, bias, options)
  for i, value in ipairs(y) do y[i] = math.max(value + (addend and addend[i] or 0), 0) end
  return y
end

-- Along one axis: the size of the result, and how far it is cut before.
local function spread(inputs, kernel, stride, dilation, before, after, extra)
  local whole = (inputs - 1) * stride + (kernel - 1) * dilation + 1
  if before then return whole + extra - before - after, before end
  return inputs * stride, math.max(0, whole - inputs * stride) // 2
end

function ref.conv_transpose2d(x, weight, bias, options)
  options = options or {}
  local groups, filters, channels = options.groups or 1, weight.shape[1], weight.shape[2]
  local pad = explicit_padding(options.padding) or {}
  local stride_h, stride_w = pair(options.stride, 1)
  local dilation_h, dilation_w = pair(options.dilation, 1)
  local extra_h, extra_w = pair(options.output_padding, 0)
  local h, top = spread(x.shape[3], weight.shape[3], stride_h, dilation_h, pad[1], pad[2], extra_h)
  local w, left = spread(x.shape[4], weight.shape[4], stride_w, dilation_w, pad[3], pad[4], extra_w)
  local y = array.new({x.shape[1], channels * groups, h, w}, 0)
  for index, at in array.each(y.shape) do y[at] = bias and bias[index[2]] or 0 end
  for from, at in array.each(x.shape) do
    local n, k, p, q = table.unpack(from)
    local first = (k - 1) // (filters // groups) * channels
    for tap, value in array.each {channels, weight.shape[3], weight.shape[4]} do
      local c, i, j = table.unpack(tap)
      local row = (p - 1) * stride_h + (i - 1) * dilation_h - top + 1
      local column = (q - 1) * stride_w + (j - 1) * dilation_w - left + 1
      if row >= 1 and row <= h and column >= 1 and column <= w then
        local to = array.place(y.shape, {n, first + c, row, column})
        y[to] = y[to] + x[at] * weight[(k - 1) * channels * weight.shape[3] * weight.shape[4] + value]
      end
    end
  end
  return y
end

-- Pooling: f(list of the pixels of a window, size of the whole window) for each channel and place.
local function pool(x, kernel, options, f)
  local r, s = pair(kernel)
  local w = window_of(x, r, s, options or {}, kernel)
  local y = array.new({x.shape[1], x.shape[2], w.p, w.q}, 0)
  for index, at in array.each(y.shape) do
    local pixels = {}
    each_tap(w, index[3], index[4], function(row, column)
      pixels[#pixels + 1] = get(x, index[1], index[2], row, column)
    end)
    y[at] = f(pixels, r * s)
  end
  return y
end

function ref.max_pool2d(x, kernel, options)
  return pool(x, kernel, options, function(pixels)
    local top = -math.huge
    for _, v in ipairs(pixels) do top = (v > top or v ~= v) and v or top end
    return top
  end)
end

function ref.conv2d_relu_max_pool(x, weight, bias, options)
  return ref.max_pool2d(ref.conv2d_relu(x, weight, bias, options), 2)
end

function ref.avg_pool2d(x, kernel, options)
  return pool(x, kernel, options, function(pixels, whole)
    local sum, count = 0, options and options.count_padding and whole or #pixels
    for _, v in ipairs(pixels) do sum = sum + v end
    return count > 0 and sum / count or 0
  end)
end

-- Part i of P parts of n pixels: floor(i n / P) .. ceil((i + 1) n / P), counted from 0.
local function part(i, parts, n) return (i - 1) * n // parts + 1, -(-i * n // parts) end

function ref.adaptive_avg_pool2d(x, size)
  local rows, columns = pair(size)
  local y = array.new({x.shape[1], x.shape[2], rows, columns}, 0)
  for index, at in array.each(y.shape) do
    local first_row, last_row = part(index[3], rows, x.shape[3])
    local first_column, last_column = part(index[4], columns, x.shape[4])
    local sum, count = 0, 0
    for row = first_row, last_row do
      for column = first_column, last_column do
        sum, count = sum + get(x, index[1], index[2], row, column), count + 1
      end
    end
    y[at] = sum / count
  end
  return y
end

function ref.upsample2d(x, scale)
  local rows, columns = pair(scale)
  local y = array.new({x.shape[1], x.shape[2], rows * x.shape[3], columns * x.shape[4]}, 0)
  for index, at in array.each(y.shape) do
    y[at] = get(x, index[1], index[2], (index[3] - 1) // rows + 1, (index[4] - 1) // columns + 1)
  end
  return y
end

-- ---- normalization ----

local EPSILON = 1e-3

local function moments(list)
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / #list
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  return mean, squares / #list
end

-- y = (x - mean) / sqrt(variance + epsilon) * weight + bias, where key(index) names the statistics that an element
-- goes by, and slot(index, i) the weight.
local function normalize(x, options, key, slot, weight, bias, mean, variance)
  local epsilon = options and options.epsilon or EPSILON
  local y = array.new(x.shape, 0)
  for index, i in array.each(x.shape) do
    local k, w = key(index, i), slot(index, i)
    y[i] = (x[i] - mean[k]) / math.sqrt(variance[k] + epsilon) * (weight and weight[w] or 1) + (bias and bias[w] or 0)
  end
  return y
end

-- Mean and biased variance of the elements with the same key.
local function statistics(x, count, key)
  local lists, mean, variance = {}, array.new({count}, 0), array.new({count}, 0)
  for index, i in array.each(x.shape) do
    local k = key(index, i)
    lists[k] = lists[k] or {}
    table.insert(lists[k], x[i])
  end
  for k, list in pairs(lists) do mean[k], variance[k] = moments(list) end
  return mean, variance
end

local function channel(index) return index[2] end

function ref.batch_norm_train(x, weight, bias, options)
  local mean, variance = statistics(x, x.shape[2], channel)
  return normalize(x, options, channel, channel, weight, bias, mean, variance), mean, variance
end

function ref.batch_norm_apply(x, mean, variance, weight, bias, options)
  return normalize(x, options, channel, channel, weight, bias, mean, variance)
end

-- relu(y + addend), in place.
local function add_relu(y, addend)
  for i, value in ipairs(y) do y[i] = math.max(value + (addend and addend[i] or 0), 0) end
  return y
end

function ref.batch_norm_relu_train(x, weight, bias, addend, options)
  local y, mean, variance = ref.batch_norm_train(x, weight, bias, options)
  return add_relu(y, addend), mean, variance
end

function ref.batch_norm_max_pool_train(x, weight, bias, options)
  local y, mean, variance = ref.batch_norm_train(x, weight, bias, options)
  if options and options.relu then add_relu(y) end
  return ref.max_pool2d(y, 2), mean, variance
end

function ref.batch_norm_relu_apply(x, mean, variance, weight, bias, addend, options)
  return add_relu(ref.batch_norm_apply(x, mean, variance, weight, bias, options), addend)
end

function ref.layer_norm(x, weight, bias, options)
  local length = 1
  for axis = #x.shape - (options and options.axes or 1) + 1, #x.shape do length = length * x.shape[axis] end
  local function row(_, i) return (i - 1) // length + 1 end
  local function slot(_, i) return (i - 1) % length + 1 end
  local mean, variance = statistics(x, array.numel(x.shape) // math.max(1, length), row)
  return normalize(x, options, row, slot, weight, bias, mean, variance)
end

function ref.group_norm(x, groups, weight, bias, options)
  local size = x.shape[2] // groups
  local function group(index) return (index[1] - 1) * groups + (index[2] - 1) // size + 1 end
  local mean, variance = statistics(x, x.shape[1] * groups, group)
  return normalize(x, options, group, channel, weight, bias, mean, variance)
end

-- ---- dropout: the generator has the seed SEED and is at its beginning ----

ref.SEED = 20

function ref.dropout(x, options)
  options = options or {}
  local rate, repeated = options.rate or 0.5, 1
  for axis = 3, options.channels and #x.shape or 0 do repeated = repeated * x.shape[axis] end
  return array.new(x.shape, function(i)
    local u = philox.uniform(ref.SEED, (i - 1) // repeated)
    return u < rate and 0 or x[i] / (1 - rate)
  end)
end

-- ---- cross-entropy ----

-- The weights may be left out before the options.
local function weight_and_options(weight, options)
  if array.is_array(weight) then return weight, options or {} end
  return nil, weight or options or {}
end

-- target(i, c) is the given probability of class c, row_weight(i) what row i counts in the mean.
local function cross_entropy(x, target, weight, options, row_weight)
  local n, classes, smoothing = x.shape[1], x.shape[2], options.label_smoothing or 0
  local losses, divisor = array.new({n}, 0), 0
  for i = 1, n do
    local sum, first = 0, get(x, i, 1)
    for c = 1, classes do sum = sum + math.exp(get(x, i, c) - first) end
    for c = 1, classes do
      local t = (1 - smoothing) * target(i, c) + smoothing / classes
      losses[i] = losses[i] - t * (weight and weight[c] or 1) * (get(x, i, c) - first - math.log(sum))
    end
    divisor = divisor + row_weight(i)
  end
  if options.reduction == "none" then return losses end
  local total = 0
  for i = 1, n do total = total + losses[i] end
  return array.from({}, {options.reduction == "sum" and total or total / divisor})
end

function ref.cross_entropy_classes(x, classes, ...)
  local weight, options = weight_and_options(...)
  return cross_entropy(x, function(i, c) return classes[i] == c and 1 or 0 end, weight, options,
    function(i) return weight and weight[classes[i]] or 1 end)
end

function ref.cross_entropy_soft(x, target, ...)
  local weight, options = weight_and_options(...)
  return cross_entropy(x, function(i, c) return get(target, i, c) end, weight, options, function() return 1 end)
end

return ref
