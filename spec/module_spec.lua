-- nn.Module: classes, what belongs to a model, and its modes.
local fnn = require "fmnistnn"
local nn = fnn.nn
local check = require "spec.support.check"

local function names_of(iterator)
  local names = {}
  for name in iterator do names[#names + 1] = name end
  return names
end

local function refuses(message, f, ...) check.refused(f, {message}, ...) end

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

  it("that are tensors have names that a file can tell from those of modules", function()
    local message = ": expected a name without a dot, or an integer, for a tensor"
    for key, shown in pairs {["w.1"] = "w.1", [1.5] = "1.5", [true] = "true"} do
      refuses("Net: " .. shown .. message, function() net[key] = fnn.ones(2) end)
    end
    net["_w.1"], net[7], net["a.b"] = fnn.ones(2), fnn.ones(2), nn.Dense {2}
    net["a.b"](fnn.ones(1, 1))
    local names = names_of(net:named_parameters())
    assert.same({"blocks.2.weight", "a.b.weight", "a.b.bias"}, {table.unpack(names, 8)})
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
