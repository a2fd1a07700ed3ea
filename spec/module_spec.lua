-- nn.Module and what is built of it: classes, what belongs to a model, its modes, lazy building, chains that let go of
-- their intermediate results, refused options, summaries, and ops written in Lua.
local fnn = require "fmnistnn"
local nn = fnn.nn
local peer = require "spec.support.peer"

local function names_of(iterator)
  local names = {}
  for name in iterator do names[#names + 1] = name end
  return names
end

local function refuses(message, f, ...)
  local ok, got = pcall(f, ...)
  assert.is_false(ok, "accepted: " .. message)
  assert.truthy(tostring(got):find(message, 1, true), ("expected %s, got %s"):format(message, tostring(got)))
end

-- ---- classes ----

describe("a class of modules", function()
  it("runs init with the arguments of its call, and forward with those of an instance's", function()
    local Scale = nn.Module:extend("Scale")
    function Scale:init(factor, offset) self._factor, self._offset = factor, offset end
    function Scale:forward(x, y) return x * self._factor + y * self._offset end
    assert.equal(2 * 3 + 5 * 7, Scale(3, 7)(2, 5))
  end)

  it("gives all results of forward", function()
    local Pair = nn.Module:extend("Pair")
    function Pair.forward(_, x) return x, x + 1, nil end
    assert.same({n = 3, 1, 2, nil}, table.pack(Pair()(1)))
  end)

  it("can be extended further, and its parent's functions called", function()
    local A = nn.Module:extend("A")
    function A:init(x) self.x = x end
    function A:forward(y) return self.x + y end
    local B = A:extend("B")
    function B:init(x) A.init(self, x * 10) end
    local C = B:extend("C")
    function C:forward(y) return C.super.forward(self, y) + 0.5 end
    assert.equal(42, B(4)(2))
    assert.equal(42.5, C(4)(2))
    assert.equal("C", tostring(C(1)))
    assert.equal("C", C(1).class_name)
    assert.equal(A, B.super)
  end)

  it("keeps its instances apart", function()
    local A = nn.Module:extend("A")
    local a, b = A(), A()
    a.weight = fnn.ones(2, {requires_grad = true})
    assert.equal(1, #a:parameters())
    assert.equal(0, #b:parameters())
  end)

  it("is no module, but its instances are", function()
    local A = nn.Module:extend("A")
    assert.is_true(nn.Module.is_module(A()))
    assert.is_true(nn.Module.is_module(nn.Dense {1}))
    for _, other in ipairs {A, nn.Dense, nn.Module, {}, "Dense", 1, fnn.ones(1)} do
      assert.is_false(nn.Module.is_module(other))
    end
    assert.is_false(nn.Module.is_module(nil))
  end)

  it("needs a name and a forward", function()
    refuses("extend: expected the name of the class, got nil", nn.Module.extend, nn.Module)
    refuses("A: forward is not defined", nn.Module:extend("A")(), 1)
  end)
end)

-- ---- what belongs to a module ----

local Net = nn.Module:extend("Net")

function Net:init()
  self.second = nn.Dense {2} -- named so that no alphabet gives this order
  self.first = nn.Dense {3}
  self.blocks = {nn.BatchNorm1d {}, nn.Dense {2, bias = false}}
  self.scale = fnn.ones(2, {requires_grad = true})
  self.table = fnn.zeros(3)
  self._hidden = fnn.ones(4, {requires_grad = true})
  self._helper = nn.Dense {9}
  self.options = {depth = 3, {1, 2}}
  self.count = 5
end

function Net:forward(x)
  x = self.first(self.second(x))
  for _, block in ipairs(self.blocks) do x = block(x) end
  return x * self.scale
end

describe("a module's fields", function()
  local net

  before_each(function()
    net = Net()
    net(fnn.randn(4, 5))
  end)

  it("are its parameters, in the order of their assignment, its own first", function()
    assert.same({
      "scale", "second.weight", "second.bias", "first.weight", "first.bias", "blocks.1.weight", "blocks.1.bias",
      "blocks.2.weight",
    }, names_of(net:named_parameters()))
    local list = net:parameters()
    assert.equal(8, #list)
    assert.is_true(rawequal(list[1], net.scale) and rawequal(list[8], net.blocks[2].weight))
  end)

  it("are its buffers", function()
    assert.same({"table", "blocks.1.running_mean", "blocks.1.running_variance", "blocks.1.batches"},
      names_of(net:named_buffers()))
    assert.equal(4, #net:buffers())
  end)

  it("are its modules, itself first, under no name", function()
    assert.same({"", "second", "first", "blocks.1", "blocks.2"}, names_of(net:named_modules()))
  end)

  it("keep their place when they are assigned again", function()
    net.second = nn.Identity {}
    assert.same({"", "second", "first", "blocks.1", "blocks.2"}, names_of(net:named_modules()))
    net.first = nil
    assert.same({"", "second", "blocks.1", "blocks.2"}, names_of(net:named_modules()))
    net.first = nn.Dense {1}
    assert.same({"", "second", "first", "blocks.1", "blocks.2"}, names_of(net:named_modules()))
  end)

  it("do not count when they were computed", function()
    net.last = net.scale * 2
    assert.equal(8, #net:parameters())
    assert.equal(4, #net:buffers())
  end)

  it("are counted in numbers of float32", function()
    -- scale 2; second 5 * 2 + 2; first 2 * 3 + 3; batch normalization 3 + 3, and 3 + 3 running; last 3 * 2; table 3
    local all, trained = net:count_parameters()
    assert.same({2 + 12 + 9 + 12 + 6 + 3, 2 + 12 + 9 + 6 + 6}, {all, trained})
  end)

  it("of layers in a Sequential are named by their places", function()
    local model = nn.Sequential {nn.Dense {2}, nn.Sequential {nn.Identity {}, nn.Dense {1}}}
    model(fnn.ones(1, 3))
    assert.same({"1.weight", "1.bias", "2.2.weight", "2.2.bias"}, names_of(model:named_parameters()))
    assert.same({"", "1", "2", "2.1", "2.2"}, names_of(model:named_modules()))
    assert.equal(2, #model)
    assert.is_true(rawequal(model[2][2].weight, model:parameters()[3]))
  end)

  it("that are closed are refused by name, since only what is private may be anybody else's", function()
    local Keeper = nn.Module:extend("Keeper")
    function Keeper:forward(x)
      self.seen = x
      return x * 1
    end
    local keeper, x = Keeper(), fnn.ones(2)
    keeper(x)
    x:close()
    refuses("Keeper: seen: tensor is closed", keeper.parameters, keeper)
  end)
end)

describe("shared modules and tensors", function()
  it("count once, under their first name", function()
    local shared = nn.Dense {3}
    local model = nn.Sequential {shared, nn.Activation {"tanh"}, shared}
    model(fnn.ones(1, 3))
    assert.same({"", "1", "2"}, names_of(model:named_modules()))
    assert.same({"1.weight", "1.bias"}, names_of(model:named_parameters()))
    assert.equal(3 * 3 + 3, (model:count_parameters()))

    local a, b = nn.Dense {2}, nn.Dense {2}
    local both = nn.Sequential {a, b}
    both(fnn.ones(1, 2))
    b.weight = a.weight
    assert.same({"1.weight", "1.bias", "2.bias"}, names_of(both:named_parameters()))
  end)

  it("gather the gradients of all their uses", function()
    local shared = nn.Dense {2, initializer = "dirac", bias = false}
    nn.Sequential {shared, shared}(fnn.tensor {{1, 2}}):sum():backward()
    -- d/dW of sum W W x at W = 1: (1 1)' x' + (1 1)' x'
    assert.same({{2, 4}, {2, 4}}, shared.weight.grad:totable())
  end)

  it("do not make modules that contain each other go round for ever", function()
    local A = nn.Module:extend("A")
    local a, b = A(), A()
    a.other, b.other = b, a
    assert.same({"", "other"}, names_of(a:named_modules()))
  end)
end)

-- ---- modes ----

describe("train and eval", function()
  it("reach all modules below, also in lists, and return the module", function()
    local net = Net()
    assert.is_true(rawequal(net:eval(), net))
    for _, module in net:named_modules() do assert.is_false(module.training) end
    assert.is_true(rawequal(net:train(), net))
    for _, module in net:named_modules() do assert.is_true(module.training) end
    net:train(false)
    assert.is_false(net.blocks[1].training)
  end)

  it("begin with training", function()
    assert.is_true(nn.Dropout {0.5}.training)
    assert.is_true(Net().training)
  end)

  it("may differ below", function()
    local model = nn.Sequential {nn.BatchNorm1d {}, nn.Dropout {0.5}}
    model[1]:eval()
    model(fnn.ones(2, 3))
    assert.equal(0, model[1].batches:item())
    assert.is_true(model[2].training)
  end)
end)

describe("requires_grad_", function()
  local net

  before_each(function()
    net = Net()
    net(fnn.randn(4, 5))
  end)

  it("freezes parameters and thaws them, and never buffers", function()
    local before = names_of(net:named_parameters())
    assert.is_true(rawequal(net:requires_grad_(false), net))
    assert.same({}, net:parameters())
    assert.same({45 - 1, 0}, {net:count_parameters()})
    net:requires_grad_()
    assert.same(before, names_of(net:named_parameters()))
    assert.is_false(net.blocks[1].running_mean.requires_grad)
    assert.is_false(net.table.requires_grad)
    net:requires_grad_(true)
    assert.equal(4, #net:buffers())
  end)

  it("thaws what was frozen by hand", function()
    net.scale.requires_grad = false
    assert.equal(7, #net:parameters())
    net:requires_grad_(true)
    assert.equal(8, #net:parameters())
  end)

  it("freezes a part of a model", function()
    net.first:requires_grad_(false)
    net(fnn.randn(4, 5)):sum():backward()
    assert.is_nil(net.first.weight.grad)
    assert.is_not_nil(net.second.weight.grad)
  end)

  it("thaws a model that was saved frozen", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local model = nn.Sequential {nn.Dense {2}, nn.BatchNorm1d {}}
    model(fnn.ones(2, 3))
    assert(model:requires_grad_(false):save(path))
    local loaded = assert(nn.load(path))
    assert.equal(0, #loaded:parameters())
    loaded:requires_grad_(true)
    assert.same({"1.weight", "1.bias", "2.weight", "2.bias"}, names_of(loaded:named_parameters()))
  end)
end)

describe("load_state", function()
  local model, given

  before_each(function()
    model = nn.Sequential {nn.Dense {2}, nn.BatchNorm1d {affine = false}}
    model(fnn.ones(2, 3))
    given = {}
    for _, entry in ipairs(model:state()) do given[entry[1]] = entry[2]:detach():clone():fill_(7) end
  end)

  local function all_sevens()
    for _, entry in ipairs(model:state()) do
      if entry[2]:ne(7):any():item() == 1 then return false end
    end
    return true
  end

  it("copies into parameters and buffers", function()
    assert.is_true(rawequal(model:load_state(given), model))
    assert.is_true(all_sevens())
    assert.same({"1.weight", "1.bias"}, names_of(model:named_parameters()))
    given["1.weight"]:fill_(8)
    assert.is_true(all_sevens())
  end)

  it("takes what state gives", function()
    local other = nn.Sequential {nn.Dense {2}, nn.BatchNorm1d {affine = false}}
    other(fnn.ones(2, 3))
    other:load_state(given)
    assert.is_true(rawequal(model:load_state(other:state()), model))
    assert.is_true(all_sevens())
    model:load_state(model:state())
    assert.is_true(all_sevens())
    refuses("load_state: element 1: expected {name, tensor}, got number", model.load_state, model, {7})
    refuses("load_state: element 2: expected {name, tensor}, got table", model.load_state, model,
      {{"1.weight", given["1.weight"]}, {given["1.bias"]}})
    refuses("load_state: there are two tensors named 1.bias", model.load_state, model,
      {{"1.bias", given["1.bias"]}, {"1.bias", given["1.bias"]}})
    refuses("load_state: there is no tensor named 1.weight", model.load_state, model, {{"1.bias", given["1.bias"]}})
  end)

  it("refuses what does not fit, and leaves the model as it was", function()
    local before = {}
    for i, entry in ipairs(model:state()) do before[i] = entry[2]:clone() end
    local function refuses_with(name, tensor, message)
      local wrong = {}
      for key, value in pairs(given) do wrong[key] = value end
      wrong[name] = tensor
      refuses(message, model.load_state, model, wrong)
      for i, entry in ipairs(model:state()) do assert.is_true(before[i]:equal(entry[2]), entry[1]) end
    end
    refuses_with("2.running_variance", nil, "load_state: there is no tensor named 2.running_variance")
    refuses_with("2.running_variance", 7, "load_state: there is no tensor named 2.running_variance")
    refuses_with("2.running_variance", fnn.ones(3), "load_state: 2.running_variance: expected (2), got (3)")
    refuses_with("3.weight", fnn.ones(3), "load_state: the model has no tensor named 3.weight")
  end)

  it("of a model that is not built refuses any tensor", function()
    local dense = nn.Dense {2}
    refuses("load_state: the model has no tensor named weight", dense.load_state, dense, {weight = fnn.ones(2, 3)})
  end)
end)

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

-- ---- options ----

-- What each layer needs to be made at all; class by class.
local needed = {
  Sequential = {}, Conv2d = {8, kernel = 3}, ConvTranspose2d = {8, kernel = 3}, Dense = {4}, Embedding = {4, size = 3},
  BatchNorm1d = {}, BatchNorm2d = {}, LayerNorm = {}, GroupNorm = {}, MaxPool2d = {2}, AvgPool2d = {2},
  AdaptiveAvgPool2d = {2}, GlobalAvgPool2d = {}, GlobalMaxPool2d = {}, ZeroPad2d = {1}, Dropout = {0.5},
  Dropout2d = {0.5}, Flatten = {}, Reshape = {{2, 2}}, Identity = {}, Add = {}, Concat = {}, Residual = {nn.Dense {1}},
  Ensemble = {nn.Dense {1}},
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
  Embedding = {count = {0, "4"}, size = {0, -3}, initializer = {"none"}},
  BatchNorm1d = {momentum = {1, -0.1, "0.9"}, epsilon = {0, -1, "x"}, affine = {1}},
  BatchNorm2d = {momentum = {1}, epsilon = {0}, affine = {"yes"}},
  LayerNorm = {axes = {0, 1.5, {1, 2}}, epsilon = {0}, affine = {0}},
  GroupNorm = {groups = {0, "2"}, epsilon = {-1}, affine = {0}},
  MaxPool2d = {kernel = {0, {2}, "2"}, stride = {0, "2"}, padding = {"full", -1}},
  AvgPool2d = {kernel = {0}, stride = {0}, padding = {"x"}, count_padding = {1}},
  AdaptiveAvgPool2d = {size = {0, {1}, "7"}},
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
      {"AdaptiveAvgPool2d", "size", {}}, {"ZeroPad2d", "margin", {}}, {"Dropout", "rate", {}},
      {"Reshape", "shape", {}}, {"Residual", "body", {}},
    } do
      refuses(("%s: %s: expected"):format(case[1], case[2]), nn[case[1]], case[3])
    end
  end)

  it("come in a table", function()
    for name in pairs(needed) do
      if name ~= "Sequential" then refuses(name .. ": expected a table of options", nn[name], "3") end
    end
  end)

  it("are told where the caller made the mistake", function()
    local _, message = pcall(function()
      local layer = nn.Dense {unit = 3}
      return layer
    end)
    assert.matches("^[^:]*module_spec.lua:%d+: Dense: unknown option unit", message)
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

-- ---- summary ----

-- What summary prints, line by line, and returns.
local function summary(model, shape)
  local lines, print = {}, _G.print
  _G.print = function(line) lines[#lines + 1] = line end
  local ok, totals = pcall(model.summary, model, shape)
  _G.print = print
  if not ok then error(totals, 0) end
  return totals, lines
end

describe("summary", function()
  -- the best network of the study, by hand
  local function study()
    return nn.Sequential {
      nn.Conv2d {35, kernel = 3, activation = "relu"}, nn.BatchNorm2d {},
      nn.Conv2d {50, kernel = 3, activation = "relu"}, nn.BatchNorm2d {},
      nn.MaxPool2d {2}, nn.Dropout {0.7}, nn.Flatten {},
      nn.Dense {256, activation = "relu"}, nn.Dense {10, activation = "softmax"},
    }
  end

  local rows = { -- output, parameters, multiply-adds
    {"Conv2d", "(N,35,26,26)", 35 * 9 + 35, 26 * 26 * 35 * 9},
    {"BatchNorm2d", "(N,35,26,26)", 4 * 35, 0},
    {"Conv2d", "(N,50,24,24)", 50 * 35 * 9 + 50, 24 * 24 * 50 * 35 * 9},
    {"BatchNorm2d", "(N,50,24,24)", 4 * 50, 0},
    {"MaxPool2d", "(N,50,12,12)", 0, 0},
    {"Dropout", "(N,50,12,12)", 0, 0},
    {"Flatten", "(N,7200)", 0, 0},
    {"Dense", "(N,256)", 7200 * 256 + 256, 7200 * 256},
    {"Dense", "(N,10)", 256 * 10 + 10, 256 * 10},
  }

  local function with_commas(n)
    local text = tostring(n)
    local count
    repeat text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2") until count == 0
    return text
  end

  it("tells the totals of a known model", function()
    local totals, lines = summary(study(), {1, 28, 28})
    assert.same({
      text = table.concat(lines, "\n"),
      parameters = 350 + 140 + 15800 + 200 + 1843456 + 2570,
      trained = 350 + 70 + 15800 + 100 + 1843456 + 2570,
      multiply_adds = 212940 + 9072000 + 1843200 + 2560,
      output_bytes = 4 * (2 * 35 * 26 * 26 + 2 * 50 * 24 * 24 + 3 * 7200 + 256 + 10),
    }, totals)
  end)

  it("prints a row for each layer, and the totals", function()
    local totals, lines = summary(study(), {1, 28, 28})
    assert.matches("^layer +output +parameters +memory +multiply%-adds$", lines[1])
    local first
    for i, line in ipairs(lines) do
      if line:match("^Sequential ") then first = i end
    end
    assert.matches("^Sequential +%(N,10%) +1,862,516 +40 B +11,130,700$", lines[first])
    for i, row in ipairs(rows) do
      local found = {lines[first + i]:match("^  (%S+) (%S+) +(%S+) +(%S+) +[%d.]+ %S+ +(%S+)$")}
      assert.same({tostring(i), row[1], row[2], with_commas(row[3]), with_commas(row[4])}, found)
    end
    local text = table.concat(lines, "\n")
    assert.truthy(text:find("1,862,516 (1,862,346 trained)", 1, true))
    assert.truthy(text:find(with_commas(totals.multiply_adds) .. " multiply-adds", 1, true))
  end)

  it("shows frozen parameters as not trained", function()
    local model = study()
    summary(model, {1, 28, 28})
    model[1]:requires_grad_(false)
    local totals = summary(model, {1, 28, 28})
    assert.same({1862516, 1862346 - 350}, {totals.parameters, totals.trained})
  end)

  it("shows modules within modules, and shared ones as often as they are called", function()
    local shared = nn.Dense {3, bias = false}
    local totals, lines = summary(nn.Sequential {shared, nn.Residual {shared}}, {3})
    assert.same({9, 9, 18}, {totals.parameters, totals.trained, totals.multiply_adds})
    local text = table.concat(lines, "\n")
    assert.matches("\n  1 Dense [^\n]*\n  2 Residual [^\n]*\n    1 Dense ", text)
  end)

  it("leaves the model as it was, but built", function()
    local model = nn.Sequential {nn.BatchNorm1d {}, nn.Dropout {0.5}}
    model[2]:eval()
    local before = fnn.generator_state()
    summary(model, {3})
    assert.same({true, true, false}, {model.training, model[1].training, model[2].training})
    assert.equal(0, model[1].batches:item())
    assert.is_true(model[1].weight.requires_grad)
    assert.same(before, fnn.generator_state())
  end)

  it("of a model that fails says why, and listens no longer", function()
    local model = nn.Sequential {nn.Flatten {}, nn.Conv2d {3, kernel = 3}}
    refuses("Conv2d: expected (images, channels, height, width), got (1,9)", summary, model, {1, 3, 3})
    assert.is_true(model.training)
    refuses("summary: expected the shape", summary, model)
    refuses("summary: expected the shape", summary, model, 28)
    assert.same({1, 9}, model[1](fnn.ones(1, 1, 3, 3)).shape)
  end)

  it("gives class numbers to a model that begins with an embedding", function()
    local function embedding() return nn.Embedding {5, size = 4} end
    for _, model in ipairs {
      embedding(), nn.Sequential {embedding(), nn.Flatten {}, nn.Dense {2}},
      nn.Sequential {nn.Add {nn.Sequential {embedding()}, embedding()}},
    } do
      local totals = summary(model, {7})
      assert.equal(model:count_parameters(), totals.parameters)
    end
    local Words = nn.Module:extend("Words")
    function Words:init() self.embedding = embedding() end
    function Words:forward(x) return self.embedding(x) end
    assert.equal(20, Words():summary({7}, {print = false, dtype = "int64"}).parameters)
    refuses("dtype: expected one of float32, uint8, int64", Words().summary, Words(), {7}, {dtype = "int"})
    assert.is_true(nn.Conv2d({1, kernel = 1}):_fuses_relu()) -- nobody listens any longer
    refuses("summary: dtype: expected a string, got number 4", nn.Dense({1}).summary, nn.Dense {1}, {3}, {dtype = 4})
  end)

  it("takes modules of the user's, whatever they return", function()
    local Two = nn.Module:extend("Two")
    function Two.forward(_, x) return {x} end
    local totals = summary(Two(), {3})
    assert.same({0, 0}, {totals.parameters, totals.multiply_adds})
  end)
end)

-- ---- ops in Lua ----

describe("a custom op", function()
  local square = fnn.custom {
    name = "square",
    forward = function(context, x)
      context.x = x
      return x * x
    end,
    backward = function(context, gradient) return 2 * context.x * gradient end,
  }

  it("has the gradient that its backward gives", function()
    local x = fnn.tensor({1, -3}, {requires_grad = true})
    local y = square(x)
    assert.same({1, 9}, y:totable())
    local z = square(y) * fnn.tensor {1, 10}
    z:sum():backward()
    assert.same({4, 10 * 4 * -27}, x.grad:totable())
  end)

  it("takes several tensors and other values; nil is no gradient", function()
    local mix = fnn.custom {
      forward = function(context, factor, a, word, b)
        context.factor = factor
        assert.equal("word", word)
        return a * factor + b
      end,
      backward = function(context, gradient) return gradient * context.factor, nil end,
    }
    local a, b = fnn.tensor({1, 2}, {requires_grad = true}), fnn.tensor({3, 4}, {requires_grad = true})
    local y = mix(10, a, "word", b)
    y:sum():backward()
    assert.same({13, 24}, y:totable())
    assert.same({10, 10}, a.grad:totable())
    assert.is_nil(b.grad)
  end)

  it("records nothing of its forward, and nothing at all where no gradient is wanted", function()
    local inside
    local op = fnn.custom {
      forward = function(_, x)
        inside = x * 2
        return inside * 1
      end,
      backward = function(_, gradient) return gradient end,
    }
    local x = fnn.ones(2, {requires_grad = true})
    assert.is_true(op(x).requires_grad)
    assert.is_false(inside.requires_grad)
    assert.is_false(op(fnn.ones(2)).requires_grad)
    assert.is_false(fnn.no_grad(op, x).requires_grad)
  end)

  it("has a context of its own for each call", function()
    local x = fnn.tensor({2, 3}, {requires_grad = true})
    local y = square(x) + square(x * 10)
    y:sum():backward()
    assert.same({2 * 2 + 200 * 2, 2 * 3 + 200 * 3}, x.grad:totable())
  end)

  it("may hand on its input", function()
    local reverse = fnn.custom {
      name = "gradient reversal",
      forward = function(_, x) return x end,
      backward = function(_, gradient) return -gradient end,
    }
    local x = fnn.tensor({2, 3}, {requires_grad = true})
    reverse(x):sum():backward()
    assert.same({-1, -1}, x.grad:totable())
  end)

  it("works within modules", function()
    local model = nn.Sequential {
      nn.Dense {2, initializer = "dirac"}, nn.Activation {square}, nn.Dense {1, initializer = "ones"},
    }
    local y = model(fnn.tensor {{2, 3}})
    y:sum():backward()
    assert.equal(13, y:item())
    assert.same({{8, 12}, {12, 18}}, model[1].weight.grad:totable())
  end)

  it("says what it needs", function()
    local f = function(_, x) return x end
    refuses("custom: expected a table of options, got number", fnn.custom, 3)
    refuses("custom: forward: expected a function, got none", fnn.custom, {backward = f})
    refuses("custom: backward: expected a function, got none", fnn.custom, {forward = f})
    refuses("custom: unknown option backwards", fnn.custom, {forward = f, backward = f, backwards = f})
    refuses("custom: name: expected a string", fnn.custom, {forward = f, backward = f, name = 3})
  end)

  it("says what is wrong with its results", function()
    local x = fnn.ones(2, {requires_grad = true})
    local function same(_, t) return t * 1 end
    local function op(forward, backward)
      return fnn.custom {name = "odd", forward = forward or same, backward = backward or same}
    end
    local function to_integers(_, t) return t:long() end
    refuses("odd: forward: expected a tensor as its result, got number 3", op(function() return 3 end), x)
    refuses("odd: forward: expected a float32 tensor as its result, got int64", op(to_integers), x)
    local function backward_of(backward)
      return function() op(nil, backward)(x):sum():backward() end
    end
    refuses("odd: gradient 1: expected float32 of shape (2), got float32 of shape (3)",
      backward_of(function() return fnn.ones(3) end))
    refuses("gradient 1: expected a tensor or nil, got number 3", backward_of(function() return 3 end))
    refuses("gave 2 gradients for its 1 tensors", backward_of(function(_, gradient) return gradient, gradient end))
    refuses("my own", backward_of(function() error("my own") end))
    assert.is_nil(x.grad)
  end)
end)
