--- The activations by name: functions of a tensor, and of a table of parameters where they have any.
local core = require "fmnistnn.core"

local names = {
  "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish", "sigmoid", "log_sigmoid", "tanh",
  "softplus", "softsign", "hard_sigmoid", "hard_swish", "hard_tanh", "softmax", "log_softmax", "exp",
}

local activations = {}
for _, name in ipairs(names) do activations[name] = core.methods[name] end

return activations
