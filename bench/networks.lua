-- The ten networks of the benchmarks: the study's nine trials and ResNet-20. bench/networks.py is its twin for PyTorch:
-- the same layers in the same order, batch sizes and optimizers.
--
-- Returns a function of the library that gives the networks by name: {batch =, optimizer =, model = function}; both
-- functions make new ones.
return function(fnn)
  local nn = fnn.nn

  local function conv(filters, kernel, padding, activation)
    return nn.Conv2d{filters, kernel = kernel, padding = padding, activation = activation}
  end
  local function norm() return nn.BatchNorm2d{} end
  local function pool() return nn.MaxPool2d{2} end

  -- ---- the trials: convolutions and pools, then hidden dense layers, then ten outputs ----

  local function trial(batch, rule, lr, hidden, body)
    local function model()
      local layers = body()
      layers[#layers + 1] = nn.Flatten{}
      for _, units in ipairs(hidden) do layers[#layers + 1] = nn.Dense{units, activation = "relu"} end
      layers[#layers + 1] = nn.Dense{10}
      return nn.Sequential(layers)
    end
    local function optimizer(of) return fnn.optim[rule]{model = of, lr = lr} end
    return {batch = batch, model = model, optimizer = optimizer}
  end

  local function trial_4_body()
    return {
      conv(64, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool(), conv(16, 3, "same", "tanh"), pool(),
    }
  end

  -- ---- ResNet-20: He et al. 2016, section 4.2, for images of 28 x 28 x 1 ----

  local function plain(filters, kernel, stride)
    return nn.Conv2d{filters, kernel = kernel, stride = stride, padding = kernel // 2, bias = false}
  end

  local function block(filters, stride, widens)
    return nn.Residual{
      body = nn.Sequential{
        plain(filters, 3, stride), norm(), nn.Activation{"relu"}, plain(filters, 3, 1), norm(),
      },
      shortcut = widens and nn.Sequential{plain(filters, 1, stride), norm()} or nil,
      activation = "relu",
    }
  end

  local function resnet20()
    return nn.Sequential{
      plain(16, 3, 1), norm(), nn.Activation{"relu"},
      block(16, 1), block(16, 1), block(16, 1),
      block(32, 2, true), block(32, 1), block(32, 1),
      block(64, 2, true), block(64, 1), block(64, 1),
      nn.GlobalAvgPool2d{}, nn.Dense{10},
    }
  end

  return {
    trial1 = trial(16, "Adam", 0.001, {64}, function()
      return {conv(32, 3, "same", "relu"), pool(), conv(16, 3, "same", "relu"), pool()}
    end),
    trial2 = trial(8, "Adam", 0.001, {128}, function()
      return {conv(32, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool()}
    end),
    trial3 = trial(16, "Adam", 0.001, {128}, function()
      return {conv(64, 3, "same", "relu"), pool(), conv(32, 5, "same", "relu"), pool()}
    end),
    trial4 = trial(32, "RMSprop", 0.001, {128}, trial_4_body),
    trial5 = trial(64, "Adam", 0.001, {128}, trial_4_body),
    trial6 = trial(128, "Adam", 0.001, {256, 128}, function()
      return {
        conv(32, 3, "same", "relu"), pool(), conv(32, 5, "valid", "relu"), pool(), conv(16, 5, "same", "relu"),
        conv(8, 3, "valid", "relu"), conv(8, 3, "same", "tanh"), pool(),
      }
    end),
    trial7 = trial(128, "Adam", 0.001, {256}, function()
      return {conv(32, 3, "same", "relu"), conv(32, 3, "valid", "relu"), pool()}
    end),
    trial8 = trial(128, "Adam", 0.001, {256}, function()
      return {conv(35, 3, "valid", "relu"), conv(50, 3, "valid", "relu"), pool()}
    end),
    trial9 = trial(128, "Adam", 0.0005, {256}, function()
      return {
        conv(35, 3, "valid", "relu"), norm(), conv(50, 3, "valid", "relu"), norm(), pool(), nn.Dropout{0.7},
      }
    end),
    resnet20 = {
      batch = 128,
      model = resnet20,
      optimizer = function(of) return fnn.optim.SGD{model = of, lr = 0.05, momentum = 0.9} end,
    },
  }
end
