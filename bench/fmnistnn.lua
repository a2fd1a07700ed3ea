-- Our side of the benchmarks: measures one part and prints lines "name value".
--
--   lua5.4 bench/fmnistnn.lua PART [NAME ...]
--
--   info              version and chosen kernels, as text
--   train NETWORK     images/s of training, from shuffled batches of data in memory (bench/networks.lua)
--   bf16 NETWORK      the same in mixed precision
--   tiny NETWORK      the same with gradients as they are, and times 1e-36: as small as where all has been learnt
--   conv NAME ...     GFLOP/s of convolutions by name (bench/convolutions.txt), forward and both backward passes
--   infer NETWORK     ms for a batch of 1 and for one of 1000, by a trace of the folded model
--   trace NETWORK     ms for one image: by a folded model, and by its trace; medians of nine, in turn
--   small             ns for an addition of 16 floats, without and with gradient
--   start WHAT        MB of a process that has loaded "nothing", "fmnistnn", or with it the layers of "trial9"
--   memory NETWORK    MB at the peak of a process that trains 50 steps
--   input NETWORK     % of a training step's time that its batch takes
--
-- FMNISTNN_BENCH_SECONDS (3) is how long a measurement takes, FMNISTNN_BENCH_THREADS the number of threads (all CPUs).
-- bench/peers.py does the same for PyTorch and ONNX Runtime, bench/compare runs both.
--
-- In training, a convolution meets tensors that another op has made, which may keep them in a layout of its own, so
-- `conv` makes its inputs thus: x is the result of a 1x1 convolution, the gradient that of a product. Images of up to 3
-- channels are a network's input and come as they are.
local part, names = arg[1], {table.unpack(arg, 2)}
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local function report(name, value) print(("%s %.6g"):format(name, value)) end

-- The most memory that this process has had, in MB.
local function peak_memory()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmHWM:%s*(%d+)"
    if kilobytes then return kilobytes * 1024 / 1e6 end
  end
end

if part == "start" then
  local library = names[1] ~= "nothing" and require "fmnistnn"
  local _ = names[1] == "trial9" and dofile(here .. "networks.lua")(library).trial9.model()
  report(names[1], peak_memory())
  return
end

local fnn = require "fmnistnn"
local F = fnn.nn.functional
local networks = dofile(here .. "networks.lua")(fnn)
local seconds = tonumber(os.getenv "FMNISTNN_BENCH_SECONDS" or 3)
local threads = os.getenv "FMNISTNN_BENCH_THREADS"
if threads then fnn.set_threads(math.tointeger(tonumber(threads))) end
fnn.manual_seed(1)

-- How often a second f can be called, after ten calls and a fifth of the time to warm up. The clock is looked at every
-- `chunk` calls (1).
local function rate(f, chunk)
  local function run(duration)
    local started, calls, elapsed = fnn.now(), 0, 0
    while elapsed < duration do
      for _ = 1, chunk or 1 do f() end
      calls = calls + (chunk or 1)
      elapsed = fnn.now() - started
    end
    return calls / elapsed
  end
  for _ = 1, 10 do f() end
  run(seconds / 5)
  return run(seconds)
end

-- ---- training ----

-- A function that gives batch after batch, epoch after epoch.
local function batches(size)
  local train = assert(fnn.data.fashion_mnist())
  local next_batch
  local function images_and_labels()
    local images, labels
    if next_batch then images, labels = next_batch() end
    if images then return images, labels end
    next_batch = train:batches{size = size, shuffle = true, drop_last = true}
    return next_batch()
  end
  return images_and_labels
end

-- A function that trains a network for a step, and the one it has its batches from; backward begins with `factor` (1).
local function trainer(network, mixed, factor)
  local next_batch = batches(network.batch)
  local model = network.model()
  if mixed then model:mixed_precision() end
  local optimizer = network.optimizer(model)
  local function step()
    local images, labels = next_batch()
    local loss <close> = F.cross_entropy(model(images), labels)
    optimizer:zero_grad()
    loss:backward(factor)
    optimizer:step()
    images:close()
    labels:close()
  end
  return step, next_batch
end

local parts = {}

function parts.train(name)
  local network = networks[name]
  local step = trainer(network)
  report(name, network.batch * rate(step))
end

function parts.bf16(name)
  local network = networks[name]
  report(name, network.batch * rate((trainer(network, true))))
end

function parts.tiny(name)
  local network = networks[name]
  for _, factor in ipairs{1, 1e-36} do
    report(("%s*%g"):format(name, factor), network.batch * rate((trainer(network, false, fnn.tensor(factor)))))
  end
end

function parts.memory(name)
  local step = trainer(networks[name])
  for _ = 1, 50 do step() end
  report(name, peak_memory())
end

function parts.input(name)
  local step, next_batch = trainer(networks[name])
  local steps = rate(step)
  local function take()
    local images, labels = next_batch()
    images:close()
    labels:close()
  end
  report(name, 100 * steps / rate(take))
end

-- ---- inference ----

function parts.infer(name)
  local network = networks[name]
  local _, test = assert(fnn.data.fashion_mnist())
  local function images(count)
    return (test:batches{size = count})()
  end
  local model = network.model()
  model(images(network.batch))
  model = model:folded()
  for _, count in ipairs{1, 1000} do
    local x = images(count)
    local run = fnn.trace(model, x)
    report(name .. "/" .. count, 1e3 / rate(function() run(x):close() end))
  end
end

function parts.trace(name)
  local network, x = networks[name], fnn.randn(1, 1, 28, 28)
  local model = network.model()
  model(x)
  model = model:folded()
  local run = fnn.trace(model, x)
  local folded_ms, trace_ms = {}, {}
  fnn.no_grad(function()
    for i = 1, 9 do
      folded_ms[i] = 1e3 / rate(function() model(x):close() end)
      trace_ms[i] = 1e3 / rate(function() run(x):close() end)
    end
  end)
  table.sort(folded_ms)
  table.sort(trace_ms)
  report(name .. "/folded", folded_ms[5])
  report(name .. "/trace", trace_ms[5])
end

-- ---- single ops ----

-- The convolutions by name, from bench/convolutions.txt.
local function read_convolutions()
  local list = {}
  for line in io.lines(here .. "convolutions.txt") do
    local name, numbers = line:match "^([^#%s]+)%s+(.*)"
    local c = {}
    for number in (numbers or ""):gmatch "%d+" do c[#c + 1] = math.tointeger(tonumber(number)) end
    if name then list[name] = c end
  end
  return list
end

function parts.conv(...)
  local convolutions = read_convolutions()
  local images = 128
  seconds = seconds / 10 -- each
  for _, name in ipairs{...} do
    local channels, size, filters, kernel, stride, padding, dilation, groups = table.unpack(convolutions[name])
    local settings = {stride = stride, padding = padding, dilation = dilation, groups = groups}
    local x = fnn.randn(images, channels <= 3 and channels or 1, size, size)
    if channels > 3 then x = fnn.no_grad(F.conv2d, x, fnn.randn(channels, 1, 1, 1)) end
    local w = fnn.randn(filters, channels // groups, kernel, kernel)
    local function forward() return F.conv2d(x, w, nil, settings) end

    local y = forward()
    local gigaflop = 2 * y:numel() * channels // groups * kernel * kernel / 1e9
    local g = y * 1
    fnn.no_grad(function() report(name .. "/forward", gigaflop * rate(function() forward():close() end)) end)

    local function backward(what, tensor)
      tensor:requires_grad_(true)
      y = forward()
      report(name .. what, gigaflop * rate(function()
        tensor.grad = nil
        y:backward(g, {retain_graph = true})
      end))
      tensor.grad = nil
      tensor:requires_grad_(false)
    end
    backward("/input", x)
    backward("/weight", w)
  end
end

function parts.small()
  local a, b, sum = fnn.randn(16), fnn.randn(16), nil
  local function add() sum = a + b end
  report("add", 1e9 / rate(add, 1000))
  a:requires_grad_(true)
  report("add-with-gradient", 1e9 / rate(add, 1000))
  assert(sum:numel() == 16)
end

function parts.info()
  local info = fnn.info()
  print(("fmnistnn %s, %d threads, kernels %s; %s"):format(info.version, fnn.threads(), info.isa, info.blas))
end

parts[part](table.unpack(names))
