-- Every layer and every activation against PyTorch and Keras: outputs, gradients of inputs and parameters, running
-- statistics. What is random, or ours alone, is tested by its properties below.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local nn, F = fnn.nn, fnn.nn.functional
local peer = require "spec.support.peer"

local cases = peer.cases("layers")

-- ---- one case ----

-- Runs the model once, so that it builds itself, and gives it the state of the case.
local function prepared(case, inputs)
  local model = peer.build(case.model)
  model:eval()
  fnn.no_grad(model, table.unpack(inputs))
  local state = peer.under(case, "state")
  for name, buffer in model:named_buffers() do state[name] = state[name] or buffer end -- patterns have none
  model:load_state(state)
  return model:train(case.training)
end

-- The numbers of scripts/peer_reference.py by the same name.
local function pattern(shape, seed, scale)
  local count = 1
  for _, size in ipairs(shape) do count = count * size end
  local numbers = (fnn.arange(count) * 7919 + seed * 104729) % 1009 - 504
  return (numbers:float() * (scale / 512)):reshape(shape)
end

-- Of large results some numbers are compared: as `sample` there.
local function sampled(case, tensor)
  if not case.sampled then return tensor end
  local positions = fnn.arange(1, tensor:numel() + 1, tensor:numel() // 200 | 1)
  return tensor:detach():flatten()[positions]
end

-- Sums by tiles (Winograd's) round otherwise than direct ones.
local tolerances = {["large Conv2d"] = 2e-5}

local function check_layer(case)
  local tolerance = tolerances[case.name]
  for role, given in pairs(case.patterns or {}) do case.tensors[role] = pattern(table.unpack(given)) end
  local inputs = {}
  for i = 1, case.inputs do inputs[i] = case.tensors["input/" .. i] end
  local model = prepared(case, inputs)
  for _, x in ipairs(inputs) do
    if x.dtype == "float32" then x.requires_grad = true end
  end
  local y = model(table.unpack(inputs))
  peer.check_close("output", sampled(case, y), case.tensors.output, tolerance)
  y:backward(case.tensors.upstream)
  local named = {}
  for name, tensor in model:named_parameters() do named["state/" .. name] = tensor end
  for i, x in ipairs(inputs) do named["input/" .. i] = x end
  for role, expected in pairs(peer.under(case, "gradient")) do
    local tensor = assert(named[role], "the model has no " .. role)
    peer.check_close("gradient of " .. role, sampled(case, tensor.grad), expected, tolerance)
  end
end

local function check_running(case)
  local x = case.tensors.input
  local layer = peer.build(case.running)
  for i = 1, case.batches do layer(x[i]) end
  peer.check_close("running mean", layer.running_mean, case.tensors.mean)
  peer.check_close("running variance", layer.running_variance, case.tensors.variance)
  assert.equal(case.batches, layer.batches:item())
  local plain = nn[case.running[1]] {affine = false}
  plain(x[1])
  plain:load_state {
    running_mean = layer.running_mean, running_variance = layer.running_variance, batches = layer.batches,
  }
  peer.check_close("evaluation", plain:eval()(x[case.batches + 1]), case.tensors.evaluated)
end

local function check_activation(case)
  local x = case.tensors.input:requires_grad_()
  local y = nn.functional[case.activation](x, next(case.parameters) and case.parameters)
  peer.check_close("output", y, case.tensors.output)
  y:backward(case.tensors.upstream)
  peer.check_close("gradient", x.grad, case.tensors.gradient)
end

local check = {model = check_layer, running = check_running, activation = check_activation}

describe("a layer", function()
  for _, case in ipairs(cases) do
    it("is as in PyTorch and Keras: " .. case.name, function()
      for kind, run in pairs(check) do
        if case[kind] then run(case) end
      end
    end)
  end

  it("has a case, each of them", function()
    local with_case = {Module = true, functional = true, load = true} -- no layers
    for _, case in ipairs(cases) do with_case[case.model and case.model[1] or ""] = true end
    for name in pairs(nn.layers) do
      assert.is_true(with_case[name], name .. " has no case in scripts/peer_reference.py")
    end
  end)

  it("has a case in training and in evaluation, where they differ", function()
    local trained, evaluated = {Dropout2d = true}, {} -- dropout is random in training: see below
    for _, case in ipairs(cases) do
      if case.model then (case.training and trained or evaluated)[case.model[1]] = true end
    end
    for _, name in ipairs {"BatchNorm1d", "BatchNorm2d", "Dropout", "Dropout2d"} do
      assert.is_true(trained[name] and evaluated[name], name)
    end
  end)
end)

describe("nn.functional", function()
  it("has a form of every layer that computes", function()
    local other_names = {Dense = "linear", BatchNorm1d = "batch_norm", BatchNorm2d = "batch_norm", Concat = "cat"}
    local none = { -- what others are put together with
      Module = true, Sequential = true, Residual = true, Ensemble = true, Identity = true, Activation = true,
      functional = true, load = true,
    }
    for name in pairs(nn.layers) do
      local form = other_names[name] or name:gsub("%l%f[%u]", "%0_"):lower()
      assert.equal(not none[name], nn.functional[form] ~= nil, form)
    end
  end)
end)

describe("nn.functional.shift and hflip", function()
  local x = fnn.arange(1, 2 * 3 * 4 * 5 + 1):float():reshape(2, 3, 4, 5)

  -- The pixel that comes to a place, or 0.
  local function pixel(image, row, column)
    return row >= 1 and row <= 4 and column >= 1 and column <= 5 and x[image][2][row][column] or 0
  end

  it("move and mirror each image by whole pixels", function()
    for _, step in ipairs {{0, 0}, {1, 0}, {-1, 2}, {3, -4}, {-3, -1}, {4, 0}, {0, 5}, {-9, 7}, {0, math.mininteger}} do
      local moved, mirrored = F.shift(x, step[1], step[2]), F.hflip(x)
      assert.same(x.shape, moved.shape)
      for image = 1, 2 do
        for row = 1, 4 do
          for column = 1, 5 do
            assert.equal(pixel(image, row - step[1], column - step[2]), moved[image][2][row][column])
            assert.equal(pixel(image, row, 6 - column), mirrored[image][2][row][column])
          end
        end
      end
    end
  end)

  it("leave their argument as it was, and take integers too", function()
    local bytes = x:tobytes()
    F.shift(x, 1, 1):fill_(7)
    F.hflip(x):fill_(7)
    assert.equal(bytes, x:tobytes())
    assert.equal("uint8", F.shift(x:to("uint8"), 1, 1).dtype)
  end)

  it("refuse what are no images and steps", function()
    for _, case in ipairs {
      {"hflip: expected %(images, channels, height, width%), got %(2,3%)", F.hflip, fnn.ones(2, 3)},
      {"hflip: expected a tensor, got nil", F.hflip},
      {"shift: expected %(images, channels, height, width%), got %(3%)", F.shift, fnn.ones(3), 1, 1},
      {"shift: rows: expected an integer, got number 0.5", F.shift, x, 0.5, 1},
      {"shift: columns: expected an integer, got none", F.shift, x, 1},
    } do
      local ok, message = pcall(table.unpack(case, 2))
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
  end)
end)

describe("an activation", function()
  it("has a case, each of them", function()
    local with_case = {}
    for _, case in ipairs(cases) do with_case[case.activation or ""] = true end
    for name in pairs(require "fmnistnn.nn.activations") do
      assert.is_true(with_case[name], name .. " has no case in scripts/peer_reference.py")
    end
  end)

  it("is the same as a name, as a layer, as a function and in a layer", function()
    local x = fnn.randn(3, 4)
    for name, f in pairs(require "fmnistnn.nn.activations") do
      local expected = f(x)
      assert.is_true(nn.Activation {name}(x):equal(expected), name)
      assert.is_true(nn.Activation {f}(x):equal(expected), name)
      assert.is_true(nn.functional[name](x):equal(expected), name)
      local dense = nn.Dense {4, initializer = "dirac", activation = name}
      assert.is_true(dense(x):equal(expected), name)
    end
  end)

  it("linear is none", function()
    local x = fnn.randn(3, 4)
    assert.is_true(rawequal(nn.Activation {"linear"}(x), x))
    assert.is_true(nn.Dense {4, initializer = "dirac", activation = "linear"}(x):equal(x))
  end)
end)

-- ---- what is random ----

-- Of n examples with probability p, the number that comes up is within five deviations.
local function check_fraction(count, n, p)
  local slack = 5 * math.sqrt(n * p * (1 - p))
  assert(math.abs(count - n * p) <= slack, ("%d of %d, expected about %g"):format(count, n, n * p))
end

describe("dropout", function()
  before_each(function() fnn.manual_seed(7) end)

  it("drops its share of the elements and scales the others up", function()
    for _, rate in ipairs {0.1, 0.5, 0.7} do
      local x = fnn.randn(100, 101)
      local y = nn.Dropout {rate}(x)
      local dropped = y:eq(0)
      check_fraction(dropped:sum():item(), x:numel(), rate)
      -- nothing else happens to them: kept or dropped, each is one or the other
      peer.check_close("kept", y, fnn.where(dropped, 0, x / (1 - rate)), 1e-6)
    end
  end)

  it("drops whole channels in Dropout2d", function()
    for _, shape in ipairs {{200, 30, 3, 2}, {200, 30}, {200, 30, 5}} do
      local y = nn.Dropout2d {0.4}(fnn.ones(shape)):reshape(6000, -1)
      local kept = y:mean(2)
      check_fraction(kept:eq(0):sum():item(), 6000, 0.4)
      peer.check_close("channels", y, kept:unsqueeze(2):expand(y.shape))
      peer.check_close("scale", kept:max(), fnn.tensor(1 / 0.6))
    end
  end)

  it("gives the gradient to what was kept", function()
    for _, class in ipairs {nn.Dropout, nn.Dropout2d} do
      local x = fnn.ones({4, 5, 3, 3}, {requires_grad = true})
      local y = class {0.5}(x)
      y:sum():backward()
      assert.is_true(x.grad:equal(y:detach()))
    end
  end)

  it("draws anew at each call, and the same after the same seed", function()
    local layer, x = nn.Dropout {0.5}, fnn.ones(1000)
    local first, second = layer(x), layer(x)
    assert.is_false(first:equal(second))
    fnn.manual_seed(7)
    assert.is_true(layer(x):equal(first))
    assert.is_true(layer(x):equal(second))
  end)

  it("is its input in evaluation, and at a rate of 0", function()
    local x = fnn.randn(3, 4)
    for _, class in ipairs {nn.Dropout, nn.Dropout2d} do
      assert.is_true(rawequal(class {0.5}:eval()(x), x))
      assert.is_true(rawequal(class {0}(x), x))
    end
  end)
end)

-- ---- running statistics by hand ----

describe("batch normalization", function()
  it("keeps averages of its batches alone, the later ones weighing more", function()
    local layer = nn.BatchNorm1d {momentum = 0.5, affine = false}
    layer(fnn.tensor {{1}, {3}}) -- mean 2, variance 1
    assert.same({2, 1}, {layer.running_mean[1], layer.running_variance[1]})
    layer(fnn.tensor {{4}, {12}}) -- mean 8, variance 16
    -- 0.5 * 8 + 0.25 * 2 over the sum of these weights, 0.75
    peer.check_close("mean", layer.running_mean, fnn.tensor {(4 + 0.5) / 0.75})
    peer.check_close("variance", layer.running_variance, fnn.tensor {(8 + 0.25) / 0.75})
    layer(fnn.tensor {{-1}, {-1}}) -- mean -1, variance 0
    peer.check_close("mean", layer.running_mean, fnn.tensor {(-0.5 + 2 + 0.25) / 0.875})
    peer.check_close("variance", layer.running_variance, fnn.tensor {(0 + 4 + 0.125) / 0.875})
    assert.equal(3, layer.batches:item())
  end)

  it("evaluates by the one batch that it has seen", function()
    local layer = nn.BatchNorm1d {affine = false, epsilon = 1}
    layer(fnn.tensor {{1}, {3}})
    peer.check_close("result", layer:eval()(fnn.tensor {{2}, {5}}), fnn.tensor {{0}, {3 / math.sqrt(2)}})
  end)

  it("before any batch evaluates by mean 0 and variance 1, and counts nothing in evaluation", function()
    local layer = nn.BatchNorm2d {epsilon = 3}:eval()
    peer.check_close("result", layer(fnn.full({1, 1, 1, 2}, 5)), fnn.full({1, 1, 1, 2}, 2.5))
    assert.equal(0, layer.batches:item())
    assert.same({0, 1}, {layer.running_mean[1], layer.running_variance[1]})
  end)

  it("with a momentum of 0 keeps the last batch", function()
    local layer = nn.BatchNorm1d {momentum = 0}
    layer(fnn.tensor {{1}, {3}})
    layer(fnn.tensor {{4}, {12}})
    assert.same({8, 16}, {layer.running_mean[1], layer.running_variance[1]})
  end)

  it("lets no gradient flow to or from its running statistics", function()
    local layer = nn.BatchNorm1d {}
    layer(fnn.randn(5, 2)):sum():backward()
    assert.is_false(layer.running_mean.requires_grad)
    assert.is_true(layer.running_mean.is_leaf)
    layer:eval()(fnn.randn(5, 2)):sum():backward()
    assert.is_nil(layer.running_mean.grad)
  end)
end)

-- ---- relu on the way ----

describe("a relu after a layer that can do it on the way", function()
  local function unknown(x) return x:relu() end -- a relu that no layer knows of

  -- Makes the network anew, with this relu; gives result, gradients and buffers, after a step in training or not.
  local function run(network, activation, training)
    fnn.manual_seed(7)
    local x = fnn.randn(6, 3, 5, 4):requires_grad_()
    local model = network(function() return nn.Activation {activation} end, activation)
    model(x:detach())
    model:train(training)
    local y = model(x)
    y:mul(y):sum():backward()
    local found = {y, x.grad}
    for _, parameter in ipairs(model:parameters()) do found[#found + 1] = parameter.grad end
    for _, buffer in ipairs(model:buffers()) do found[#found + 1] = buffer end
    return found
  end

  local function conv(filters) return nn.Conv2d {filters, kernel = 3, padding = "same"} end

  local networks = {
    ["a convolution"] = function(relu) return nn.Sequential {conv(4), relu(), conv(2)} end,
    ["batch normalization"] = function(relu)
      return nn.Sequential {conv(4), nn.BatchNorm2d {}, relu(), conv(2), nn.BatchNorm2d {}, relu()}
    end,
    ["a residual sum"] = function(relu)
      local body = nn.Sequential {conv(3), nn.BatchNorm2d {}, relu(), conv(3), nn.BatchNorm2d {}}
      return nn.Sequential {nn.Residual {body}, relu(), conv(2)}
    end,
    ["a residual sum of its own"] = function(_, activation)
      return nn.Residual {
        body = nn.Sequential {conv(3), nn.BatchNorm2d {}}, shortcut = conv(3), activation = activation,
      }
    end,
    ["a layer, where a residual sum of its own comes next"] = function(_, activation)
      return nn.Sequential {conv(3), nn.Residual {body = conv(3), activation = activation}}
    end,
    ["a residual sum that ends in a convolution"] = function(_, activation)
      return nn.Residual {body = nn.Sequential {conv(3)}, activation = activation}
    end,
  }
  for name, network in pairs(networks) do
    it("gives the same, after " .. name, function()
      for _, training in ipairs {true, false} do
        local fused, plain = run(network, "relu", training), run(network, unknown, training)
        assert.equal(#plain, #fused)
        for i in ipairs(plain) do peer.check_close("tensor " .. i, fused[i], plain[i]) end
      end
    end)
  end

  it("is left to itself where one of the two classes is derived", function()
    local Doubled = nn.Conv2d:extend("Doubled")
    function Doubled:forward(x) return nn.Conv2d.forward(self, x) * 2 end
    local x = fnn.randn(2, 3, 5, 5)
    for _, fresh in ipairs {false, true} do
      Doubled.fresh = fresh
      local layer = Doubled {2, kernel = 3}
      peer.check_close("result", nn.Sequential {layer, nn.Activation {"relu"}}(x), layer(x):relu())
    end
    local Relu = nn.Activation:extend("Relu")
    Relu.fresh = true
    function Relu:forward(t) return nn.Activation.forward(self, t) * 2 end
    local plain = nn.Conv2d {2, kernel = 3}
    peer.check_close("relu", nn.Sequential {plain, Relu {"relu"}}(x), plain(x):relu() * 2)
  end)

  it("is seen by a summary", function()
    local model = nn.Sequential {conv(4), nn.BatchNorm2d {}, nn.Activation {"relu"}}
    local printed = {}
    local print_ = print
    _G.print = function(text) printed[#printed + 1] = text end
    model:summary {3, 4, 4}
    _G.print = print_
    assert.truthy(table.concat(printed, "\n"):find("Activation"))
  end)
end)

-- ---- a pool on the way ----

describe("a pool of 2 x 2 after a layer that can do it on the way", function()
  -- The convolutions and pools that f calls, by their ops' names.
  local function ops_of(f)
    local names = {}
    core.profile_begin()
    f()
    for _, line in ipairs(core.profile_end()) do
      local counts = line.name:find("conv2d") or line.name:find("pool")
      if counts and line.phase == "forward" then names[#names + 1] = line.name end
    end
    table.sort(names)
    return table.concat(names, " ")
  end
  local function conv(activation) return nn.Conv2d {4, kernel = 3, padding = "same", activation = activation} end
  local together = "conv2d_relu_max_pool"

  it("is done with it, whatever the batch, with the same results", function()
    for _, n in ipairs {1, 3, 6, 17} do
      for _, layers in ipairs {
        {conv "relu", nn.MaxPool2d {2}},
        {conv(), nn.Activation {"relu"}, nn.MaxPool2d {{2, 2}, stride = 2, padding = 0}},
        {conv "relu", nn.MaxPool2d {2, stride = {2, 2}}, nn.Dropout {0}},
      } do
        local x, y = fnn.randn(n, 3, 5, 6), nil
        local model = nn.Sequential(layers)
        model(x)
        assert.equal(together, ops_of(function() y = model(x) end))
        local z = x
        for _, layer in ipairs(layers) do z = layer(z) end
        peer.check_close("result", y, z)
        assert.equal(together, ops_of(function() fnn.no_grad(model, x) end))
      end
    end
  end)

  it("is done with a batch normalization in training, with the same results", function()
    for _, between in ipairs {{}, {nn.Activation {"relu"}}} do
      for _, n in ipairs {3, 17} do
        fnn.manual_seed(n)
        local layers = {conv(), nn.BatchNorm2d {}, between[1], nn.MaxPool2d {2}}
        if not between[1] then layers[3], layers[4] = layers[4], nil end
        local model, x = nn.Sequential(layers), fnn.randn(n, 3, 5, 6)
        local function run(f)
          model:zero_grad()
          local y = f()
          y:square():sum():backward()
          local found = {y:detach()}
          for _, parameter in ipairs(model:parameters()) do found[#found + 1] = parameter.grad:clone() end
          return found
        end
        local function one_by_one()
          local y = x
          for _, layer in ipairs(layers) do y = layer(y) end
          return y
        end
        model(x)
        local got
        assert.equal("batch_norm_max_pool_train conv2d", ops_of(function()
          got = run(function() return model(x) end)
        end))
        for i, want in ipairs(run(one_by_one)) do peer.check_close("tensor " .. i, got[i], want) end
        model:eval()
        peer.check_close("evaluated", model(x), one_by_one())
      end
    end
  end)

  it("is left to itself where it is another, or not known", function()
    local Pool = nn.MaxPool2d:extend("Pool")
    Pool.fresh = true
    function Pool:forward(x) return nn.MaxPool2d.forward(self, x) * 2 end
    local x = fnn.randn(2, 3, 6, 6)
    for i, layers in ipairs {
      {conv "relu", nn.MaxPool2d {3}}, {conv "relu", nn.MaxPool2d {2, stride = 1}},
      {conv "relu", nn.MaxPool2d {2, padding = 1}}, {conv "relu", nn.AvgPool2d {2}}, {conv "relu", Pool {2}},
      {conv "tanh", nn.MaxPool2d {2}}, {conv(), nn.MaxPool2d {2}}, {conv(), nn.MaxPool2d {2}, nn.Activation {"relu"}},
      {conv "relu", nn.Activation {"tanh"}, nn.MaxPool2d {2}},
    } do
      local model, y = nn.Sequential(layers), nil
      model(x)
      assert.is_nil(ops_of(function() y = model(x) end):find(together), i)
      local z = x
      for _, layer in ipairs(layers) do z = layer(z) end
      peer.check_close("result " .. i, y, z)
    end
  end)
end)

-- ---- ten steps ----

-- As llm.c tests itself: everything together, against the same steps in another library.
describe("a small network", function()
  it("learns as it does in Keras", function()
    local case = peer.cases("curve")[1]
    local t = case.tensors
    local model = peer.build(case.model)
    local function batch(i) return t.images[i]:float() / 255 end
    model:eval()
    model(batch(1))
    local state = peer.under(case, "start")
    for name, buffer in model:named_buffers() do state[name] = buffer end
    model:load_state(state):train()
    local optimizer = fnn.optim.Adam {model = model, lr = case.lr}
    for step = 1, #t.images do
      local loss = fnn.losses.categorical_crossentropy(model(batch(step)), t.labels[step])
      peer.check_close("loss of step " .. step, loss, fnn.tensor(t.loss[step]))
      optimizer:zero_grad()
      loss:backward()
      if step == 1 then
        for name, w in model:named_parameters() do
          peer.check_close("gradient of " .. name, w.grad, t["gradient/" .. name])
        end
      end
      optimizer:step()
    end
    -- Adam divides by what may be close to 0: ten steps of rounding have grown to this at most
    for name, w in model:named_parameters() do peer.check_close(name, w, t["after/" .. name], 1e-4) end
    peer.check_close("evaluation", model:eval()(batch(1)), t.evaluated, 1e-4)
  end)
end)
