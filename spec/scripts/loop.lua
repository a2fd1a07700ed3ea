local fnn = require "fmnistnn"
local nn, optim, data = fnn.nn, fnn.optim, fnn.data
fnn.manual_seed(1)
local train, test = data.fashion_mnist()
local model = nn.Sequential{
  nn.Conv2d{35, kernel = 3, activation = "relu"}, nn.BatchNorm2d{},
  nn.Conv2d{50, kernel = 3, activation = "relu"}, nn.BatchNorm2d{},
  nn.MaxPool2d{2}, nn.Dropout{0.7}, nn.Flatten{},
  nn.Dense{256, activation = "relu"}, nn.Dense{10},
}
local optimizer = optim.Adam{model = model, lr = 0.0005}
for epoch = 1, 1 do
  for images, labels in train:batches{size = 128, shuffle = true, limit = 12800} do
    local loss = nn.functional.cross_entropy(model(images), labels)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
  end
end
model:eval()
local right, seen = 0, 0
for images, labels in test:batches{size = 500} do
  local predicted = fnn.no_grad(function() return model(images):argmax(2) end)
  right, seen = right + predicted:eq(labels):sum():item(), seen + labels:numel()
end
print(right / seen)
assert(right / seen > 0.8)
