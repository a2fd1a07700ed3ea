-- From a row of study/trials.lua to a network.
local fnn = require "fmnistnn"
local nn = fnn.nn

local networks = {}

-- ---- convolutional ----

--- Whether a pool follows convolution i of a row.
function networks.has_pool(row, i)
  for _, place in ipairs(row.pools) do
    if place == i then return true end
  end
  return false
end

local function convolutional(row)
  local layers = {}
  local function add(layer) layers[#layers + 1] = layer end
  for i, convolution in ipairs(row.convolutions) do
    local filters, kernel, padding, activation = table.unpack(convolution)
    add(nn.Conv2d{filters, kernel = kernel, padding = padding, activation = activation})
    if row.batch_norm then add(nn.BatchNorm2d{}) end
    if networks.has_pool(row, i) then add(nn[row.pool_kind or "MaxPool2d"]{2}) end
  end
  if row.dropout then add(nn.Dropout{row.dropout}) end
  add(nn.Flatten{})
  for _, units in ipairs(row.dense) do add(nn.Dense{units, activation = "relu"}) end
  add(nn.Dense{10, activation = "softmax"})
  return nn.Sequential(layers)
end

-- ---- the study's residual network ----

-- The path of both blocks: 1x1 (with the stride), 3x3, 1x1 to `out` channels.
local function bottleneck(inner, out, stride)
  return nn.Sequential{
    nn.Conv2d{inner, kernel = 1, stride = stride}, nn.BatchNorm2d{}, nn.Activation{"relu"},
    nn.Conv2d{inner, kernel = 3, padding = "same"}, nn.BatchNorm2d{}, nn.Activation{"relu"},
    nn.Conv2d{out, kernel = 1}, nn.BatchNorm2d{},
  }
end

local function identity_block(inner, out)
  return nn.Residual{body = bottleneck(inner, out, 1), activation = "relu"}
end

local function convolutional_block(inner, out, stride)
  return nn.Residual{
    body = bottleneck(inner, out, stride), activation = "relu",
    shortcut = nn.Sequential{nn.Conv2d{out, kernel = 1, stride = stride}, nn.BatchNorm2d{}},
  }
end

--- As examples/resnet.lua has it.
function networks.bottlenecks()
  return nn.Sequential{
    nn.ZeroPad2d{3},
    nn.Conv2d{32, kernel = 7, stride = 2}, nn.BatchNorm2d{}, nn.Activation{"relu"},
    convolutional_block(32, 128, 1), identity_block(32, 128),
    convolutional_block(64, 256, 2), identity_block(64, 256),
    nn.AvgPool2d{2},
    nn.Flatten{},
    nn.Dense{10, activation = "softmax"},
  }
end

-- ---- a residual network of basic blocks (He et al. 2016, section 4.2), wide and shallow ----

local function conv(filters, kernel, stride)
  return nn.Conv2d{
    filters, kernel = kernel, stride = stride, padding = kernel // 2, bias = false, initializer = "he_normal",
  }
end

local function norm() return nn.BatchNorm2d{momentum = 0.9} end

local function basic_block(filters, stride)
  return nn.Residual{
    body = nn.Sequential{
      conv(filters, 3, stride), norm(), nn.Activation{"relu"}, conv(filters, 3, 1), norm(),
    },
    shortcut = stride > 1 and nn.Sequential{conv(filters, 1, stride), norm()} or nil, activation = "relu",
  }
end

function networks.residual()
  return nn.Sequential{
    conv(32, 3, 1), norm(), nn.Activation{"relu"},
    basic_block(64, 2), basic_block(64, 1),
    basic_block(128, 2), basic_block(128, 1),
    nn.GlobalAvgPool2d{},
    nn.Dense{10, activation = "softmax"},
  }
end

--- The network of a row.
function networks.make(row) return row.residual and row.residual() or convolutional(row) end

return networks
