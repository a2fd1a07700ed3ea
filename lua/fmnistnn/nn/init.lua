--- Layers. Each is a class that is called with a table of options, nn.Conv2d{32, kernel = 3}; an instance is called
-- with a tensor. Sizes that depend on the input are found out at the first call. Files are loaded at first use.
local files = {
  Module = "module",
  Sequential = "sequential",
  Conv2d = "conv2d",
  ConvTranspose2d = "conv_transpose2d",
  Dense = "dense",
  Embedding = "embedding",
  BatchNorm1d = "batch_norm",
  BatchNorm2d = "batch_norm",
  LayerNorm = "layer_norm",
  GroupNorm = "group_norm",
  MaxPool2d = "pooling",
  AvgPool2d = "pooling",
  AdaptiveAvgPool2d = "pooling",
  GlobalAvgPool2d = "pooling",
  GlobalMaxPool2d = "pooling",
  Upsample2d = "upsample2d",
  ZeroPad2d = "zero_pad2d",
  Dropout = "dropout",
  Dropout2d = "dropout",
  Flatten = "shape",
  Reshape = "shape",
  Identity = "shape",
  Activation = "activation",
  Add = "branches",
  Concat = "branches",
  Ensemble = "branches",
  Residual = "branches",
  functional = "functional",
  load = "files",
}

-- files that define several classes return them by name
local several = {batch_norm = true, pooling = true, dropout = true, shape = true, branches = true, files = true}

local nn = {layers = files}

return setmetatable(nn, {
  __index = function(self, name)
    local file = files[name]
    if not file then return nil end
    local loaded = require("fmnistnn.nn." .. file)
    if several[file] then loaded = loaded[name] end
    rawset(self, name, loaded)
    return loaded
  end,
})
