local fnn = require "fmnistnn"
local nn = fnn.nn
local Block = nn.Module:extend("Block")
function Block:init(channels, stride)
  self.conv1 = nn.Conv2d{channels, kernel = 3, stride = stride, padding = "same", bias = false}
  self.bn1 = nn.BatchNorm2d{}
  self.conv2 = nn.Conv2d{channels, kernel = 3, padding = "same", bias = false}
  self.bn2 = nn.BatchNorm2d{}
  self.shortcut = stride == 1 and nn.Identity{} or nn.Sequential{nn.Conv2d{channels, kernel = 1, stride = stride, bias = false}, nn.BatchNorm2d{}}
end
function Block:forward(x)
  local y = self.bn1(self.conv1(x)):relu()
  return (self.bn2(self.conv2(y)) + self.shortcut(x)):relu()
end
local train, test = fnn.data.fashion_mnist()
local model = nn.Sequential{
  nn.Conv2d{16, kernel = 3, padding = "same", bias = false}, nn.BatchNorm2d{}, nn.Activation{"relu"},
  Block(16, 1), Block(32, 2), Block(64, 2), nn.GlobalAvgPool2d{}, nn.Dense{10},
}
model:summary{1, 28, 28}
local trainer = fnn.Trainer{model = model, optimizer = fnn.optim.Adam{lr = 0.001}, loss = "categorical_crossentropy", metrics = {"accuracy"}}
local history = trainer:fit(train:first(6000), {epochs = 2, batch_size = 64, validation = test:first(1000), seed = 1})
assert(#history.loss == 2 and history.val_accuracy[2] > 0.6)
local path = os.tmpname()
model:save(path)
local again = nn.load(path, {Block = Block})
local x = test:first(10):tensors()
again:eval() model:eval()
assert((again(x) - model(x)):abs():max():item() == 0)
