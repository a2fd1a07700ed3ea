-- The networks of the study's nine trials, trained for a while: prints images/s, one line a trial.
--
--   lua5.4 bench/trials.lua [TRIAL ...]     trials 1 to 9 unless given; FMNISTNN_BENCH_SECONDS each (3)
--
-- Data is in memory; a few batches warm up before the clock starts. bench/compare sets this beside PyTorch.
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local fnn = require "fmnistnn"
local nn = fnn.nn

local function conv(filters, kernel, padding, activation)
  return nn.Conv2d{filters, kernel = kernel, padding = padding, activation = activation}
end
local function pool() return nn.MaxPool2d{2} end
local function dense(units) return nn.Dense{units, activation = "relu"} end

-- {batch, optimizer, layers before the flatten, hidden dense layers}
local trials = {
  {16, "Adam", {conv(32, 3, "same", "relu"), pool(), conv(16, 3, "same", "relu"), pool()}, {64}},
  {8, "Adam", {conv(32, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool()}, {128}},
  {16, "Adam", {conv(64, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool()}, {128}},
  {32, "RMSprop", {
    conv(64, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool(), conv(16, 3, "same", "tanh"), pool(),
  }, {128}},
  {64, "Adam", {
    conv(64, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool(), conv(16, 3, "same", "tanh"), pool(),
  }, {128}},
  {128, "Adam", {
    conv(32, 3, "same", "relu"), pool(), conv(32, 5, "valid", "relu"), pool(), conv(16, 5, "same", "relu"),
    conv(8, 3, "valid", "relu"), conv(8, 3, "same", "tanh"), pool(),
  }, {256, 128}},
  {128, "Adam", {conv(32, 3, "same", "relu"), conv(32, 3, "valid", "relu"), pool()}, {256}},
  {128, "Adam", {conv(35, 3, "valid", "relu"), conv(50, 3, "valid", "relu"), pool()}, {256}},
  {128, "Adam", {
    conv(35, 3, "valid", "relu"), nn.BatchNorm2d{}, conv(50, 3, "valid", "relu"), nn.BatchNorm2d{}, pool(), nn.Dropout{0.7},
  }, {256}},
}

local function network(trial)
  local layers = table.move(trial[3], 1, #trial[3], 1, {})
  layers[#layers + 1] = nn.Flatten{}
  for _, units in ipairs(trial[4]) do layers[#layers + 1] = dense(units) end
  layers[#layers + 1] = nn.Dense{10}
  return nn.Sequential(layers)
end

local train = assert(fnn.data.fashion_mnist())
local seconds = tonumber(os.getenv "FMNISTNN_BENCH_SECONDS" or 3)

local function measure(number)
  local trial = trials[number]
  local batch, model = trial[1], network(trial)
  local optimizer = fnn.optim[trial[2]]{model = model}
  local done, steps, started = 0, 0, nil
  fnn.manual_seed(1)
  while true do
    for images, labels in train:batches{size = batch, shuffle = true, drop_last = true} do
      local loss <close> = nn.functional.cross_entropy(model(images), labels)
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
      images:close()
      labels:close()
      steps = steps + 1
      if steps == 10 then
        started = fnn.now()
      elseif started then
        done = done + batch
        if fnn.now() - started > seconds then return done / (fnn.now() - started) end
      end
    end
  end
end

if arg[1] == "info" then
  local info = fnn.info()
  print(("fmnistnn %s, %d threads, kernels %s, %s"):format(info.version, fnn.threads(), info.isa, info.blas))
  return
end
for i = 1, math.max(#arg, arg[1] and 0 or #trials) do
  local number = math.tointeger(tonumber(arg[i] or i))
  print(("%d %.1f"):format(number, measure(number)))
end
