-- Layers as modules: they build themselves at the first call, chains let go of their intermediate results, options are
-- refused; layers that join paths. What they compute is in nn_spec.lua.
local fnn = require "fmnistnn"
local nn = fnn.nn
local check = require "spec.support.check"
local peer = require "spec.support.peer"

local function refuses(message, f, ...) check.refused(f, {message}, ...) end

-- ---- building at the first call ----

-- A layer of each kind that has parameters, and an input for it.
local function each_lazy()
  local numbers = fnn.tensor({1, 2}, {dtype = "int64"})
  return {
    Dense = {nn.Dense {4}, fnn.randn(2, 3)},
    Conv2d = {nn.Conv2d {4, kernel = 3}, fnn.randn(2, 3, 5, 5)},
    ConvTranspose2d = {nn.ConvTranspose2d {4, kernel = 3}, fnn.randn(2, 3, 5, 5)},
    Embedding = {nn.Embedding {5, size = 3}, numbers},
    BatchNorm1d = {nn.BatchNorm1d {}, fnn.randn(2, 3)},
    BatchNorm2d = {nn.BatchNorm2d {}, fnn.randn(2, 3, 5, 5)},
    LayerNorm = {nn.LayerNorm {}, fnn.randn(2, 3)},
    GroupNorm = {nn.GroupNorm {1}, fnn.randn(2, 3)},
  }
end

describe("a layer", function()
  it("builds itself at the first call, in any mode, and once", function()
    for _, name in ipairs {"train", "eval", "no_grad"} do
      for kind, pair in pairs(each_lazy()) do
        local layer, x = pair[1], pair[2]
        assert.same({}, layer:state(), kind)
        if name == "no_grad" then fnn.no_grad(layer, x) else layer[name](layer)(x) end
        local parameters = layer:parameters()
        assert.is_true(#parameters > 0, kind)
        for _, w in ipairs(parameters) do assert.is_true(w.requires_grad and w.is_leaf, kind) end
        layer(x)
        for i, w in ipairs(layer:parameters()) do assert.is_true(rawequal(w, parameters[i]), kind) end
      end
    end
  end)

  it("is built the same after the same seed", function()
    local function built(seed)
      fnn.manual_seed(seed)
      local model = nn.Sequential {
        nn.Conv2d {3, kernel = 2, initializer = "he_normal"}, nn.BatchNorm2d {}, nn.Flatten {},
        nn.Dense {5, initializer = "orthogonal"}, nn.Dense {2, bias_initializer = "normal"},
      }
      model(fnn.ones(1, 1, 4, 4))
      return model
    end
    local a, b, c = built(1), built(1), built(2)
    local same = true
    for i, w in ipairs(a:parameters()) do
      assert.is_true(w:equal(b:parameters()[i]))
      same = same and w:equal(c:parameters()[i])
    end
    assert.is_false(same)
  end)

  it("refuses another number of inputs than it was built for", function()
    local dense, conv = nn.Dense {2}, nn.Conv2d {2, kernel = 1}
    dense(fnn.ones(1, 3))
    conv(fnn.ones(1, 3, 2, 2))
    refuses("linear: weight: expected", dense, fnn.ones(1, 4))
    refuses("conv2d: weight: expected", conv, fnn.ones(1, 4, 2, 2))
  end)

  it("refuses inputs of a wrong shape before it builds itself", function()
    for _, class in ipairs {nn.Conv2d, nn.ConvTranspose2d} do
      local layer = class {2, kernel = 3}
      refuses(layer.class_name .. ": expected (images, channels, height, width), got (2,3)", layer, fnn.ones(2, 3))
      assert.same({}, layer:parameters())
    end
    refuses("BatchNorm2d: expected (images, channels, height, width), got (2,3)", nn.BatchNorm2d {}, fnn.ones(2, 3))
    refuses("BatchNorm1d: expected (examples, channels)", nn.BatchNorm1d {}, fnn.ones(2, 3, 4, 4))
    refuses("Conv2d: groups: expected a divisor of 3 channels and 4 filters, got 2",
      nn.Conv2d {4, kernel = 1, groups = 2}, fnn.ones(1, 3, 2, 2))
  end)
end)

-- ---- chains ----

-- Modules that keep what passes through them, with a copy to compare it with.
local function keeper(name, keep)
  local Keeper = nn.Module:extend(name)
  Keeper.forward = keep
  return Keeper
end

local kept -- {tensor, copy}, ...

local function remember(x)
  kept[#kept + 1] = {x, x:detach():clone()}
  return x
end

local KeepsInput = keeper("KeepsInput", function(_, x) return remember(x) * 2 end)
local KeepsOutput = keeper("KeepsOutput", function(_, x) return remember(x * 2) end)
local KeepsBoth = keeper("KeepsBoth", function(_, x) return remember(remember(x):tanh()) end)
local KeepsWhatItPasses = keeper("KeepsWhatItPasses", function(_, x) return remember(x) end)
local KeepsView = keeper("KeepsView", function(_, x) return remember(x:reshape(x.shape)) end)

-- Classes derived from those whose own instances keep nothing.
local function keeping(class)
  local Keeping = class:extend("Keeping" .. class.class_name)
  function Keeping:forward(x) return remember(class.forward(self, remember(x))) end
  return Keeping
end
local KeepingDense, KeepingSequential = keeping(nn.Dense), keeping(nn.Sequential)
local KeepingAdd, KeepingResidual = keeping(nn.Add), keeping(nn.Residual)
local KeepingEnsemble = keeping(nn.Ensemble)

-- One module with a forward of its own.
local function listening(module)
  local forward = module.forward
  function module:forward(x) return remember(forward(self, remember(x))) end
  return module
end

-- Every kind of layer that passes (N,4) on as (N,4).
local kinds = {
  function() return nn.Dense {4} end,
  function() return nn.Dense {4, activation = "relu"} end,
  function() return nn.Dense {4, activation = {"leaky_relu", negative_slope = 0.1}} end,
  function() return nn.Dense {4, activation = function(x) return remember(remember(x):tanh()) end} end,
  function() return nn.Activation {"sigmoid"} end,
  function() return nn.Activation {function(x) return remember(remember(x) * 3) end} end,
  function() return nn.Activation {remember} end,
  function() return nn.Activation {"linear"} end,
  function() return nn.Identity {} end,
  function() return nn.Dropout {0.5} end,
  function() return nn.LayerNorm {} end,
  function() return nn.BatchNorm1d {} end,
  function() return nn.Flatten {} end,
  function() return nn.Reshape {{4}} end,
  KeepsInput, KeepsOutput, KeepsBoth, KeepsWhatItPasses, KeepsView,
  function() return KeepingDense {4} end,
  function() return KeepingSequential {nn.Dense {4}, nn.Activation {"relu"}} end,
  function() return KeepingAdd {nn.Dense {4}, nn.Identity {}} end,
  function() return KeepingResidual {nn.Dense {4}} end,
  function() return KeepingEnsemble {nn.Dense {4}, nn.Identity {}} end,
  function() return nn.Ensemble {nn.Dense {4}, nn.Activation {remember}} end,
  function() return listening(nn.Dense {4}) end,
  function() return listening(nn.Sequential {nn.Dense {4}}) end,
  function() return listening(nn.Add {nn.Dense {4}}) end,
}

local state = 1
local function below(n) -- Lewis, Goodman and Miller 1969
  state = state * 16807 % 2147483647
  return state % n
end

local random_module

local function random_list(depth)
  local list = {}
  for i = 1, below(4) + (depth == 0 and 3 or 0) do list[i] = random_module(depth + 1) end
  return list
end

function random_module(depth)
  local choice = depth < 4 and below(10) or 0
  if choice == 7 then return nn.Sequential(random_list(depth)) end
  if choice == 8 then
    return nn.Residual {nn.Sequential(random_list(depth)), activation = below(2) == 0 and "relu" or remember}
  end
  if choice == 9 then return nn.Add {nn.Sequential(random_list(depth)), random_module(depth + 1)} end
  return kinds[below(#kinds) + 1]()
end

local function describe_model(model)
  local lines = {}
  for name, module in model:named_modules() do lines[#lines + 1] = name .. " " .. module.class_name end
  return table.concat(lines, "; ")
end

describe("Sequential", function()
  before_each(function()
    kept = {}
    fnn.manual_seed(1)
  end)

  it("calls one layer after the other", function()
    local function add_two(x) return x + 2 end
    local function square(x) return x * x end
    assert.same({9}, nn.Sequential {nn.Activation {add_two}, nn.Activation {square}}(fnn.ones(1)):totable())
    assert.same({3}, nn.Sequential {nn.Activation {square}, nn.Activation {add_two}}(fnn.ones(1)):totable())
  end)

  it("closes nothing that a chain says it keeps", function()
    local seen
    local Watch, Keeper = nn.Module:extend("Watch"), nn.Sequential:extend("Keeper")
    function Watch:forward(x) -- luacheck: no unused args
      seen = x
      return x + 1
    end
    function Keeper:keeps_nothing() return false end -- luacheck: no unused args
    Watch.fresh, Keeper.fresh = true, true
    local model = nn.Sequential {nn.Activation {"tanh"}, Keeper {Watch()}, nn.Activation {"tanh"}}
    model(fnn.randn(2, 3))
    assert.are.same({2, 3}, seen.shape)
  end)

  it("never closes what a module of the user's, or the caller, may have kept", function()
    for round = 1, 400 do
      local model, x = nn.Sequential(random_list(0)), fnn.randn(3, 4)
      local copy = x:clone()
      if round % 2 == 0 then model:eval() end
      local function run() return model(x) end
      for _ = 1, 2 do
        local y = round % 3 == 0 and fnn.no_grad(run) or run()
        assert.same({3, 4}, y.shape)
        if y.requires_grad then y:sum():backward() end
        assert.is_true(x:equal(copy))
        for _, pair in ipairs(kept) do
          local ok, same = pcall(pair[1].equal, pair[1], pair[2])
          assert(ok and same, ("round %d: %s: %s"):format(round, describe_model(model), tostring(same)))
        end
        kept = {}
      end
    end
  end)

  it("lets go of what nobody else has, without the collector", function()
    local slack = fnn.memory().slack
    collectgarbage()
    collectgarbage("stop")
    fnn.set_memory {slack = 1 << 30}
    finally(function()
      collectgarbage("restart")
      fnn.set_memory {slack = slack}
    end)
    local layers = {}
    for i = 1, 20, 5 do
      layers[i], layers[i + 1] = nn.Activation {"relu"}, nn.Identity {}
      layers[i + 2], layers[i + 3], layers[i + 4] = nn.Dropout {0.5}, nn.LayerNorm {affine = false}, nn.Flatten {}
    end
    local model = nn.Sequential {nn.Sequential(layers):eval(), nn.Activation {"tanh"}}:eval()
    local x = fnn.randn(256, 1024) -- 1 MiB
    fnn.no_grad(function() model(x):close() end) -- the first call builds
    local before = fnn.memory().used
    local y = fnn.no_grad(model, x)
    assert.is_true(fnn.memory().used - before <= 1.5 * 2 ^ 20) -- the result alone
    y:close()
  end)

  it("of nothing is its input", function()
    local x = fnn.ones(2)
    assert.is_true(rawequal(nn.Sequential {}(x), x))
  end)

  it("takes modules alone", function()
    refuses("Sequential: expected a list of modules, got Dense", nn.Sequential, nn.Dense {1})
    refuses("Sequential: expected a list of modules, got nil", nn.Sequential)
    refuses("Sequential: element 2: expected a module, got number", nn.Sequential, {nn.Dense {1}, 2})
    refuses("Sequential: element 1: expected a module", nn.Sequential, {nn.Dense})
    refuses("Sequential: element 2: expected a module, got nil", nn.Sequential, {nn.Dense {1}, nil, nn.Dense {2}})
    refuses("Sequential: unknown option lr", nn.Sequential, {nn.Dense {1}, lr = 1})
  end)
end)

-- ---- embedding ----

describe("nn.Embedding with a padding_index", function()
  it("keeps the vector of that class at zero, whatever trains it", function()
    local index = fnn.tensor({{1, 3, 2}, {3, 3, 4}}, {dtype = "int64"})
    for _, name in ipairs {"SGD", "Adam", "AdamW", "LAMB", "Muon"} do
      local layer = nn.Embedding {5, size = 4, padding_index = 3}
      assert.same({0, 0, 0, 0}, layer(index)[{1, 2}]:totable())
      local before = layer.weight:detach():clone()
      local optimizer = fnn.optim[name] {model = layer, lr = 0.1}
      for _ = 1, 3 do
        optimizer:zero_grad();
        (layer(index) - 1):square():sum():backward()
        optimizer:step()
      end
      assert.same({0, 0, 0, 0}, layer.weight[3]:totable(), name)
      assert.is_false(layer.weight[1]:equal(before[1]), name)
      assert.is_true(layer(index):equal(fnn.no_grad(layer, index)), name)
    end
  end)

  it("trains all others as without it", function()
    local index = fnn.tensor({1, 3, 2, 3, 4}, {dtype = "int64"})
    local table_ = fnn.randn(4, 2):requires_grad_()
    local upstream = fnn.randn(5, 2)
    fnn.nn.functional.embedding(index, table_):backward(upstream)
    local expected = table_.grad:clone()
    expected[3] = 0
    table_.grad = nil
    fnn.nn.functional.embedding(index, table_, {padding_index = 3}):backward(upstream)
    assert.is_true(table_.grad:equal(expected))
  end)

  it("refuses a class that there is not", function()
    refuses("Embedding: padding_index: expected one of the classes 1..4, got 5", nn.Embedding,
      {4, size = 2, padding_index = 5})
    refuses("embedding: padding_index: expected one of the classes 1..4, got 5", nn.functional.embedding,
      fnn.ones({1}, {dtype = "int64"}), fnn.ones(4, 2), {padding_index = 5})
  end)
end)

-- ---- upsampling ----

describe("nn.Upsample2d", function()
  local function repeated(x, rows, columns) -- each pixel in the place of rows x columns
    local n, c, h, w = table.unpack(x.shape)
    local y = fnn.zeros(n, c, h * rows, w * columns)
    for i = 1, h * rows do
      for j = 1, w * columns do
        y[{{}, {}, i, j}] = x[{{}, {}, (i - 1) // rows + 1, (j - 1) // columns + 1}]
      end
    end
    return y
  end

  it("repeats pixels, and adds up their gradients", function()
    for _, scale in ipairs {1, 2, {2, 3}} do
      local rows, columns = table.unpack(type(scale) == "table" and scale or {scale, scale})
      for _, images in ipairs {1, 5, 17} do
        local x = fnn.randn(images, 9, 3, 4):requires_grad_()
        local y = nn.Upsample2d {scale}(x)
        assert.is_true(y:equal(repeated(x:detach(), rows, columns)))
        local upstream = fnn.randint(-4, 4, y.shape):float()
        y:backward(upstream)
        local expected = upstream:reshape(images, 9, 3, rows, 4, columns):sum({4, 6})
        assert.is_true(x.grad:equal(expected))
      end
    end
  end)

  it("goes between convolutions", function()
    local first, second = nn.Conv2d {8, kernel = 3, padding = 1}, nn.Conv2d {2, kernel = 3, padding = 1}
    local x = fnn.randn(20, 1, 6, 6)
    local y = nn.Sequential {first, nn.Upsample2d {2}, second}(x)
    assert.same({20, 2, 12, 12}, y.shape)
    assert.is_true((y - second(repeated(first(x):detach(), 2, 2))):abs():max():item() < 1e-5)
  end)

  it("interpolates: planes stay planes within, and the border repeats", function()
    local rows, columns = fnn.arange(5):reshape(5, 1):float(), fnn.arange(7):float()
    local y = nn.Upsample2d {{2, 4}, mode = "bilinear"}((rows * 10 + columns):reshape(1, 1, 5, 7):expand(20, 3, 5, 7))
    assert.same({20, 3, 10, 28}, y.shape)
    local places = {{1, 1, 0, 0}, {2, 3, 0.25, 0.125}, {6, 14, 2.25, 2.875}, {3, 27, 0.75, 6}, {10, 28, 4, 6}}
    for _, place in ipairs(places) do
      local i, j, row, column = table.unpack(place)
      peer.check_close("pixel", y[{20, 3, {i, i}, j}], fnn.tensor {row * 10 + column})
    end
  end)

  it("interpolates the same with and without recording, between layers and in a folded model", function()
    local model = nn.Sequential {
      nn.Conv2d {8, kernel = 3, padding = 1}, nn.BatchNorm2d {}, nn.Upsample2d {2, mode = "bilinear"},
      nn.Conv2d {2, kernel = 3, padding = 1},
    }
    local x = fnn.randn(20, 1, 6, 6)
    model(x):sum():backward()
    local expected = model:eval()(x)
    assert.same({20, 2, 12, 12}, expected.shape)
    peer.check_close("without recording", fnn.no_grad(model, x), expected)
    peer.check_close("folded", fnn.no_grad(model:folded(), x), expected)
    assert.is_true(model:summary({1, 6, 6}, {print = false}).text:find("(N,8,12,12)", 1, true) ~= nil)
  end)

  it("interpolates batches without images", function()
    assert.same({0, 3, 4, 6}, nn.Upsample2d {{2, 3}, mode = "bilinear"}(fnn.zeros(0, 3, 2, 2)).shape)
  end)
end)

-- ---- options ----

-- What each layer needs to be made at all; class by class.
local needed = {
  Sequential = {}, Conv2d = {8, kernel = 3}, ConvTranspose2d = {8, kernel = 3}, Dense = {4}, Embedding = {4, size = 3},
  BatchNorm1d = {}, BatchNorm2d = {}, LayerNorm = {}, GroupNorm = {}, MaxPool2d = {2}, AvgPool2d = {2},
  AdaptiveAvgPool2d = {2}, GlobalAvgPool2d = {}, GlobalMaxPool2d = {}, Upsample2d = {2}, ZeroPad2d = {1},
  Dropout = {0.5}, Dropout2d = {0.5}, Flatten = {}, Reshape = {{2, 2}}, Identity = {}, Add = {}, Concat = {},
  Residual = {nn.Dense {1}}, Ensemble = {nn.Dense {1}},
}

-- Wrong values by layer and option. What an option is wrong with is added to what is needed.
local wrong = {
  Conv2d = {
    filters = {0, -1, 2.5, "8"}, kernel = {0, {3}, {3, 0}, {3, 3, 3}, 1.5, "3"}, stride = {0, {1, -1}, "2"},
    padding = {-1, "full", {1, 2, 3}, {1, -1}, 0.5, true}, dilation = {0, "2"}, groups = {0, "2", {1, 1}},
    bias = {1, "no"}, activation = {"relo", 3, true, {"relo"}, {}}, initializer = {"glorot", {}, 3},
    bias_initializer = {"nought"},
  },
  ConvTranspose2d = {output_padding = {-1, "1", {1}}, padding = {"full"}, stride = {0}, groups = {0}, filters = {0}},
  Dense = {units = {0, 1.5, "4", {4}}, bias = {0}, activation = {"softmaxx"}, initializer = {"none"}},
  Embedding = {count = {0, "4"}, size = {0, -3}, initializer = {"none"}, padding_index = {0, 5, "1"}},
  BatchNorm1d = {momentum = {1, -0.1, "0.9"}, epsilon = {0, -1, "x"}, affine = {1}},
  BatchNorm2d = {momentum = {1}, epsilon = {0}, affine = {"yes"}},
  LayerNorm = {axes = {0, 1.5, {1, 2}}, epsilon = {0}, affine = {0}},
  GroupNorm = {groups = {0, "2"}, epsilon = {-1}, affine = {0}},
  MaxPool2d = {kernel = {0, {2}, "2"}, stride = {0, "2"}, padding = {"full", -1}},
  AvgPool2d = {kernel = {0}, stride = {0}, padding = {"x"}, count_padding = {1}},
  AdaptiveAvgPool2d = {size = {0, {1}, "7"}},
  Upsample2d = {scale = {0, {2}, 1.5, "2"}, mode = {"bicubic", 1, true}},
  ZeroPad2d = {margin = {-1, "same", {1, 2, 3}, 1.5}},
  Dropout = {rate = {1, -0.1, "half", 0 / 0}},
  Dropout2d = {rate = {1, -0.1}},
  Reshape = {shape = {3, "4"}},
  Concat = {dim = {"channels", 1.5}},
  Residual = {body = {5, "conv"}, shortcut = {5, true, {}}, activation = {"relo"}},
}

local function with(options, name, value)
  local copy = {}
  for key, each in pairs(options) do copy[key] = each end
  copy[name] = value
  return copy
end

describe("a layer's options", function()
  it("are checked: nothing unknown, by name or by position", function()
    for name in pairs(nn.layers) do
      if needed[name] then
        nn[name](needed[name])
        refuses(name .. ": unknown option colour", nn[name], with(needed[name], "colour", 1))
        local is_list = name == "Sequential" or name == "Add" or name == "Concat" or name == "Ensemble"
        if not is_list then
          refuses(name .. ": unknown option 2", nn[name], with(needed[name], 2, nn.Dense {1}))
        end
      else
        local elsewhere = {Module = true, functional = true, load = true, Activation = true}
        assert.truthy(elsewhere[name], name .. " is not tested")
      end
    end
  end)

  for name, options in pairs(wrong) do
    it("are checked: values of " .. name, function()
      for option, values in pairs(options) do
        for _, value in ipairs(values) do
          refuses(("%s: %s: expected "):format(name, option), nn[name], with(needed[name], option, value))
        end
      end
    end)
  end

  it("stand by position or by name", function()
    refuses("Dense: units: expected it by position or by name, got both", nn.Dense, {5, units = 7})
    refuses("Flatten: unknown option 1 (there are none)", nn.Flatten, {3})
  end)

  it("are required where there is no default", function()
    for _, case in ipairs {
      {"Conv2d", "filters", {kernel = 3}}, {"Conv2d", "kernel", {8}}, {"ConvTranspose2d", "kernel", {8}},
      {"Dense", "units", {}}, {"Embedding", "count", {}}, {"Embedding", "size", {5}}, {"MaxPool2d", "kernel", {}},
      {"AdaptiveAvgPool2d", "size", {}}, {"Upsample2d", "scale", {}}, {"ZeroPad2d", "margin", {}},
      {"Dropout", "rate", {}}, {"Reshape", "shape", {}}, {"Residual", "body", {}},
    } do
      refuses(("%s: %s: expected"):format(case[1], case[2]), nn[case[1]], case[3])
    end
  end)

  it("come in a table", function()
    for name in pairs(needed) do
      if name ~= "Sequential" then refuses(name .. ": expected a table of options", nn[name], "3") end
    end
  end)

  it("stay what they were when a list among them is changed, before the first call and after it", function()
    local padding, kernel, shape, initializer = {1, 1}, {3, 3}, {2, 50}, {"constant", value = 1}
    local options = {2, kernel = kernel, padding = padding, initializer = initializer}
    local layer, reshape = nn.Conv2d(options), nn.Reshape {shape}
    kernel[1], initializer.value = 5, 2
    local expected = layer(fnn.ones(1, 1, 5, 5))
    assert.same({1, 2, 5, 5}, expected.shape)
    assert.equal(9, expected:max():item())
    padding[1], padding[2], shape[1], shape[2] = 0, 0, 100, 1
    assert.same({1, 2, 5, 5}, layer(fnn.ones(1, 1, 5, 5)).shape)
    assert.same({1, 2, 50}, reshape(fnn.ones(1, 100)).shape)
  end)

  it("are told where the caller made the mistake", function()
    local _, message = pcall(function()
      local layer = nn.Dense {unit = 3}
      return layer
    end)
    assert.matches("^[^:]*layers_spec.lua:%d+: Dense: unknown option unit", message)
  end)
end)

describe("nn.Activation", function()
  it("takes parameters by name", function()
    local x = fnn.tensor {-2, 2}
    assert.same({-1, 2}, nn.Activation {"leaky_relu", negative_slope = 0.5}(x):totable())
    assert.same({-0.5, 2}, nn.Activation {"leaky_relu", negative_slope = 0.25}(x):totable())
    peer.check_close("elu", nn.Activation {"elu", alpha = 3}(x), fnn.tensor {3 * (math.exp(-2) - 1), 2})
    local function scale(t, parameters) return t * parameters.factor end
    assert.same({-6, 6}, nn.Activation {scale, factor = 3}(x):totable())
  end)

  it("takes a name without a table", function()
    assert.same({0, 2}, nn.Activation "relu"(fnn.tensor {-2, 2}):totable())
  end)

  it("refuses what is none", function()
    refuses("Activation: activation: expected one of elu, exp,", nn.Activation, {"relo"})
    refuses("Activation: activation: expected one of", nn.Activation, {})
    refuses("Activation: expected a name", nn.Activation)
    refuses("leaky_relu: unknown option", nn.Activation {"leaky_relu", slope = 1}, fnn.ones(2))
    refuses("relu: ", nn.Activation {"relu", slope = 1}, fnn.ones(2))
  end)
end)

describe("nn.Ensemble", function()
  local function member(activation, ...)
    return nn.Sequential {nn.Dense {3, activation = activation}, ...}
  end

  it("gives the mean of what its models give, one or more", function()
    local a, b, c = member "softmax", member "softmax", member "softmax"
    local x = fnn.randn(5, 2)
    local p, q, r = a(x):totable(), b(x):totable(), c(x):totable()
    local mean, one = nn.Ensemble {a, b, c}(x), nn.Ensemble {b}(x)
    for i = 1, 5 do
      for j = 1, 3 do
        assert(math.abs((p[i][j] + q[i][j] + r[i][j]) / 3 - mean[i][j]) < 1e-6)
        assert.equal(q[i][j], one[i][j])
      end
    end
  end)

  it("is a model like any: its parameters train, its modes are its models'", function()
    local model = nn.Ensemble {member("softmax", nn.Dropout {0.5}), member "softmax"}
    model:eval()
    local x, labels = fnn.randn(6, 2), fnn.tensor({1, 2, 3, 1, 2, 3}, {dtype = "int64"})
    local trainer = fnn.Trainer {model = model, loss = "cross_entropy", optimizer = fnn.optim.SGD {lr = 0.5}}
    local before = trainer:evaluate {x, labels}.loss
    assert(math.abs(fnn.losses.cross_entropy(model(x), labels, {from_logits = false}):item() - before) < 1e-6)
    trainer:fit({x, labels}, {epochs = 20, progress = false, seed = 1})
    assert(trainer:evaluate {x, labels}.loss < before)
    assert.equal(4, #model:parameters())
    assert.is_true(model[1][2].training)
  end)

  it("ends in probabilities where its models do, also within a chain", function()
    local x, labels = fnn.randn(4, 2), fnn.tensor({1, 2, 3, 1}, {dtype = "int64"})
    for _, activation in ipairs {"softmax", "linear"} do
      local model = nn.Sequential {nn.Identity {}, nn.Ensemble {member(activation), member(activation)}}
      local value = fnn.Trainer {model = model, loss = "cross_entropy"}:evaluate {x, labels}.loss
      local expected = fnn.losses.cross_entropy(model(x), labels, {from_logits = activation == "linear"}):item()
      assert(math.abs(expected - value) < 1e-6, activation)
    end
  end)
end)

describe("layers that join paths", function()
  it("take modules alone", function()
    for _, name in ipairs {"Add", "Concat", "Ensemble"} do
      refuses(name .. ": element 2: expected a module, got number", nn[name], {nn.Identity {}, 3})
      refuses(name .. ": element 2: expected a module, got nil", nn[name], {nn.Identity {}, nil, nn.Identity {}})
    end
  end)

  it("refuse shapes that do not fit, with both", function()
    refuses("(2,3)", nn.Add {}, fnn.ones(2, 3), fnn.ones(2, 4))
    refuses("cat: ", nn.Concat {}, fnn.ones(2, 3), fnn.ones(3, 3))
    refuses("cat: dim: expected", nn.Concat {dim = 3}, fnn.ones(2, 3))
    refuses("(1,3)", nn.Residual {nn.Dense {3}}, fnn.ones(1, 4))
    refuses("Ensemble: model 2: expected (1,3), got (1,1)", nn.Ensemble {nn.Dense {3}, nn.Dense {1}}, fnn.ones(1, 4))
  end)

  it("need something to join", function()
    refuses("Add: expected at least one tensor", nn.Add {})
    refuses("Concat: expected at least one tensor", nn.Concat {})
    refuses("Ensemble: expected at least one model", nn.Ensemble, {})
  end)

  it("give their input to each branch as it was", function()
    local x = fnn.tensor {{1, 2}}
    local y = nn.Add {nn.Identity {}, nn.Identity {}, nn.Activation {"relu"}}(x)
    assert.same({{3, 6}}, y:totable())
    assert.same({{1, 2}}, x:totable())
  end)
end)
