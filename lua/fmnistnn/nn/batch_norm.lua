--- nn.BatchNorm1d{} for x (N,C) or (N,C,L) and nn.BatchNorm2d{} for (N,C,H,W): batch normalization of each channel
-- (Ioffe and Szegedy 2015), as Keras does it: in training by the batch's mean and (biased) variance, in evaluation by
-- running ones.
--
-- momentum 0.99: how much of the running statistics stays at each step; epsilon 0.001; affine true: with weight and
-- bias. Unlike in Keras, the running statistics are averages of the batches alone, from the first one on: their start
-- of 0 and 1 is weighted out, as in Adam's bias correction (Kingma and Ba 2014, section 3), so that a model can be
-- evaluated after a few steps.
-- Parameters: weight, bias (C); buffers: running_mean, running_variance (C), batches, how many these are made of.
local core = require "fmnistnn.core"
local F = require "fmnistnn.nn.functional"
local Module = require "fmnistnn.nn.module"
local initializers = require "fmnistnn.initializers"
local options = require "fmnistnn.options"

local spec = {
  {"momentum", "rate", default = 0.99},
  {"epsilon", "positive", default = 1e-3},
  {"affine", "boolean", default = true},
}

local function batch_norm(name, least, most, expected)
  local BatchNorm = Module:extend(name)
  BatchNorm.fresh = true

  function BatchNorm:init(given)
    self._options = options.check(name, given, spec)
  end

  function BatchNorm:build(x)
    local shape = {x:size(2)}
    if self._options.affine then
      self.weight = initializers.make("ones", shape)
      self.bias = initializers.make("zeros", shape)
    end
    self.running_mean = initializers.buffer("zeros", shape)
    self.running_variance = initializers.buffer("ones", shape)
    self.batches = core.full({}, 0, "int64")
  end

  local function normalize(self, x, relu, addend, max_pool)
    options.input(name, x, expected, least, most)
    if not self.running_mean then self:build(x) end
    local o = self._options
    local momentum = o.momentum
    if self.training then
      self.batches:add_(1)
      momentum = 1 - (1 - momentum) / (1 - momentum ^ self.batches:item())
    end
    return F.batch_norm(x, {
      weight = self.weight, bias = self.bias,
      running_mean = self.running_mean, running_variance = self.running_variance,
      training = self.training, momentum = momentum, epsilon = o.epsilon, relu = relu, addend = addend,
      max_pool = max_pool,
    })
  end

  function BatchNorm:forward(x) return normalize(self, x, false) end

  function BatchNorm:_fuses_relu() return self:_runs_as(BatchNorm) end

  function BatchNorm:_with_relu(x, addend) return normalize(self, x, true, addend), self.fresh end

  function BatchNorm:_fuses_max_pool() return self:_runs_as(BatchNorm) end

  function BatchNorm:_with_max_pool(x, relu) return normalize(self, x, relu, nil, true), self.fresh end

  return BatchNorm
end

return {
  BatchNorm1d = batch_norm("BatchNorm1d", 2, 3, "(examples, channels) or (examples, channels, length)"),
  BatchNorm2d = batch_norm("BatchNorm2d", 4, 4, "(images, channels, height, width)"),
}
