-- The study's residual network: the identity block and the convolutional block of the Keras-style ResNet-50 (1x1, 3x3
-- and 1x1 convolutions with batch normalization), with many of its layers removed, zero padding, pooling, flatten and
-- dense. The study reached 0.85 with it, and nearly 1.0 on the training images.
--
--   lua5.4 examples/resnet.lua            the study's network
--   lua5.4 examples/resnet.lua --help     its options
local options = dofile((arg[0]:match("^(.*/)") or "") .. "options.lua")

local given = options.parse("Train the study's residual network on Fashion-MNIST.", {
  epochs = "10", batch = "128", lr = "0.001", seed = "1",
})

local fnn = require "fmnistnn"
local nn = fnn.nn

-- The path that both blocks share: 1x1 (with the stride), 3x3, 1x1 to `out` channels.
local function bottleneck(inner, out, stride)
  return nn.Sequential{
    nn.Conv2d{inner, kernel = 1, stride = stride}, nn.BatchNorm2d{}, nn.Activation{"relu"},
    nn.Conv2d{inner, kernel = 3, padding = "same"}, nn.BatchNorm2d{}, nn.Activation{"relu"},
    nn.Conv2d{out, kernel = 1}, nn.BatchNorm2d{},
  }
end

local IdentityBlock = nn.Module:extend("IdentityBlock")

function IdentityBlock:init(inner, out) self.path = bottleneck(inner, out, 1) end

function IdentityBlock:forward(x) return (self.path(x) + x):relu() end

local ConvolutionalBlock = nn.Module:extend("ConvolutionalBlock")

function ConvolutionalBlock:init(inner, out, stride)
  self.path = bottleneck(inner, out, stride)
  self.shortcut = nn.Sequential{nn.Conv2d{out, kernel = 1, stride = stride}, nn.BatchNorm2d{}}
end

function ConvolutionalBlock:forward(x) return (self.path(x) + self.shortcut(x)):relu() end

local train, test = options.check(fnn.data.fashion_mnist())
if given.limit then train = train:first(given.limit) end

local model = nn.Sequential{
  nn.ZeroPad2d{3},
  nn.Conv2d{32, kernel = 7, stride = 2}, nn.BatchNorm2d{}, nn.Activation{"relu"},
  ConvolutionalBlock(32, 128, 1), IdentityBlock(32, 128),
  ConvolutionalBlock(64, 256, 2), IdentityBlock(64, 256),
  nn.AvgPool2d{2},
  nn.Flatten{},
  nn.Dense{10, activation = "softmax"},
}
fnn.manual_seed(given.seed) -- summary makes the weights
model:summary{1, 28, 28}

local trainer = fnn.Trainer{
  model = model,
  optimizer = fnn.optim.Adam{lr = given.lr},
  loss = "categorical_crossentropy",
  metrics = {"accuracy"},
}
local history = trainer:fit(train, {
  epochs = given.epochs, batch_size = given.batch, validation = test, seed = given.seed, interruptible = true,
})
if history.interrupted then io.stderr:write("stopped; the results so far:\n") end

local result = trainer:evaluate(test)
local confusion = fnn.metrics.confusion_matrix(trainer:predict(test):argmax(2), test.labels, #test.class_names)
print(("\ntest accuracy %.4f, test loss %.4f\n"):format(result.accuracy, result.loss))
print(fnn.report.classification(confusion, test.class_names) .. "\n")
print(fnn.report.confusion(confusion, test.class_names))

if given.save then options.check(model:save(given.save)) end
if given.json then options.write_json(given.json, model, history, result, confusion) end
