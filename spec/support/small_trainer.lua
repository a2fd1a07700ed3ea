--- A small network for spec.support.blobs, and what trains it.
local fnn = require "fmnistnn"

local nn = fnn.nn
local small = {}

function small.make_model()
  return nn.Sequential {
    nn.Conv2d {4, kernel = 3, activation = "relu"}, nn.BatchNorm2d {momentum = 0.8}, nn.MaxPool2d {2},
    nn.Dropout {0.2},
    nn.Flatten {}, nn.Dense {2},
  }
end

--- A trainer of a plain model, with options to change.
function small.make(changed)
  local options = {
    model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.Adam {lr = 0.02},
    loss = "categorical_crossentropy",
    metrics = {"accuracy"},
  }
  for name, value in pairs(changed or {}) do options[name] = value or nil end
  return fnn.Trainer(options)
end

--- Trains without progress.
function small.fit(trainer, set, options)
  options.progress = false
  return trainer:fit(set, options)
end

--- The message of the error that f(...) raises.
function small.error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "it raised no error")
  return message
end

return small
