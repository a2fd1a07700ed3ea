-- What mixed precision costs in accuracy: networks (bench/networks.lua) trained on Fashion-MNIST in float32 and in
-- mixed precision, from the same weights and over the same batches.
--
--   lua5.4 bench/mixed_accuracy.lua SEEDS EPOCHS NETWORK ...
--
-- Prints a row of Markdown for each network: the mean of the test accuracies after so many epochs, and their standard
-- deviation over the seeds 1 .. SEEDS.
local here = arg[0]:match "^(.*/)" or "./"
package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local fnn = require "fmnistnn"
local networks = dofile(here .. "networks.lua")(fnn)
local seeds, epochs = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))
local train, test = assert(fnn.data.fashion_mnist())

local function accuracy(network, seed, mixed)
  fnn.manual_seed(seed)
  local model = network.model()
  model(fnn.zeros(1, 1, 28, 28)) -- makes the parameters
  local trainer = fnn.Trainer{
    model = model, optimizer = network.optimizer(model), loss = "cross_entropy", metrics = {"accuracy"},
    mixed_precision = mixed,
  }
  trainer:fit(train, {epochs = epochs, batch_size = network.batch, progress = false})
  return trainer:evaluate(test).accuracy
end

local function mean_and_deviation(values)
  local all = fnn.tensor(values)
  return ("%.4f ± %.4f"):format(all:mean():item(), #values > 1 and all:std():item() or 0)
end

print "| network | float32 | mixed precision |\n|---|---:|---:|"
for i = 3, #arg do
  local plain, mixed = {}, {}
  for seed = 1, seeds do
    plain[seed], mixed[seed] = accuracy(networks[arg[i]], seed, false), accuracy(networks[arg[i]], seed, true)
    io.stderr:write(("%s, seed %d: %.4f, %.4f\n"):format(arg[i], seed, plain[seed], mixed[seed]))
  end
  print(("| %s, %d epochs | %s | %s |"):format(arg[i], epochs, mean_and_deviation(plain), mean_and_deviation(mixed)))
end
