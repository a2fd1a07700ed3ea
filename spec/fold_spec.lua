--- Folded models: the same results as in evaluation, without the batch normalizations.
local fnn = require "fmnistnn"
local nn = fnn.nn

local function conv(filters, options)
  local all = {filters, kernel = 3}
  for name, value in pairs(options or {}) do all[name] = value end
  return nn.Conv2d(all)
end

-- Called on random batches, with weights and biases as training may leave them.
local function trained(model, shape, least)
  fnn.manual_seed(3)
  for _ = 1, 3 do model(fnn.randn(8, table.unpack(shape)) * 2 + 1) end
  for _, parameter in ipairs(model:parameters()) do
    fnn.no_grad(function() parameter:add_(fnn.uniform(parameter.shape, least or -0.5, 0.5)) end)
  end
  return model
end

local function count(model, class_name)
  local total = 0
  for _, module in model:named_modules() do
    if module.class_name == class_name then total = total + 1 end
  end
  return total
end

local function assert_same(model, folded, shape)
  local x = fnn.randn(5, table.unpack(shape))
  model:eval()
  local want, got = model(x), folded(x)
  assert.are.same(want.shape, got.shape)
  local distance, scale = (want - got):abs():max():item(), want:abs():max():item()
  assert(distance <= 2e-5 * scale, ("%g apart, of at most %g"):format(distance, scale))
end

local Own = nn.Module:extend("Own")
function Own:init() self.path = nn.Sequential {conv(3, {padding = 1}), nn.BatchNorm2d {}} end
function Own:forward(x) return (self.path(x) + x):relu() end

describe("a folded model", function()
  -- {layers, batch normalizations that must remain, least change of parameters}
  local models = {
    ["convolution, normalization"] = {{conv(4), nn.BatchNorm2d {}}, 0},
    ["without a bias"] = {{conv(4, {bias = false}), nn.BatchNorm2d {}, nn.Activation {"relu"}}, 0},
    ["without weight and bias of its own"] = {{conv(4), nn.BatchNorm2d {affine = false}}, 0},
    ["groups"] = {{conv(6, {groups = 3, padding = "same"}), nn.BatchNorm2d {}}, 0},
    ["an activation between"] = {{conv(4, {activation = "tanh"}), nn.BatchNorm2d {}, conv(2)}, 0},
    ["an activation between, and padding"] = {
      {conv(4, {activation = "relu"}), nn.BatchNorm2d {}, conv(2, {padding = {0, 1}})}, 1,
    },
    ["groups that follow"] = {{conv(4, {activation = "relu"}), nn.BatchNorm2d {}, conv(2, {groups = 2})}, 1},
    ["poolings between"] = {
      {
        conv(4, {activation = "relu"}), nn.BatchNorm2d {}, nn.AvgPool2d {2, padding = "same"}, nn.MaxPool2d {2},
        nn.Dropout {0.5}, conv(2, {kernel = 2, padding = 0}),
      }, 0, 0,
    },
    ["a maximum that a negative scale turns around"] = {
      {conv(9, {activation = "relu"}), nn.BatchNorm2d {}, nn.MaxPool2d {2}, conv(2, {kernel = 2})}, 1, -1.9,
    },
    ["padding that a mean counts"] = {
      {
        conv(4, {activation = "relu"}), nn.BatchNorm2d {}, nn.AvgPool2d {2, padding = 1, count_padding = true},
        conv(2, {kernel = 2}),
      }, 1, 0,
    },
    ["dense layers"] = {
      {nn.Flatten {}, nn.Dense {7}, nn.BatchNorm1d {}, nn.Activation {"relu"}, nn.BatchNorm1d {}, nn.Dense {3}}, 0,
    },
    ["dense layers along another axis"] = {{nn.Dense {9}, nn.BatchNorm2d {}, nn.Dense {3}}, 1},
    ["Flatten before a dense layer"] = {
      {conv(4, {activation = "relu"}), nn.BatchNorm2d {}, nn.MaxPool2d {2}, nn.Flatten {}, nn.Dense {5}}, 0, 0,
    },
    ["a mean before a dense layer"] = {
      {conv(4, {activation = "relu"}), nn.BatchNorm2d {}, nn.GlobalAvgPool2d {}, nn.Dense {5}}, 0,
    },
    ["two in a row"] = {{conv(4), nn.BatchNorm2d {}, nn.BatchNorm2d {}}, 0},
    ["one at the beginning"] = {{nn.BatchNorm2d {}, conv(4)}, 0},
    ["one alone"] = {{nn.BatchNorm2d {}}, 1},
    ["chains in chains"] = {{nn.Sequential {conv(4)}, nn.Sequential {nn.BatchNorm2d {}, conv(2)}}, 0},
    ["a residual sum"] = {
      {
        nn.Residual {
          body = nn.Sequential {
            conv(5, {padding = 1, bias = false}), nn.BatchNorm2d {}, nn.Activation {"relu"},
            conv(3, {padding = 1}), nn.BatchNorm2d {},
          },
          shortcut = nn.Sequential {conv(3, {kernel = 1}), nn.BatchNorm2d {}}, activation = "relu",
        },
      }, 0,
    },
    ["a module of the user's"] = {{Own(), conv(2)}, 0},
  }
  for name, case in pairs(models) do
    it("gives the same: " .. name, function()
      local model = trained(nn.Sequential(case[1]), {3, 10, 9}, case[3])
      local layers = #model
      local folded = model:folded()
      assert.equal(case[2], count(folded, "BatchNorm2d") + count(folded, "BatchNorm1d"))
      assert_same(model, folded, {3, 10, 9})
      assert.equal(layers, #model)
    end)
  end

  it("leaves the model as it was, and shares what it need not change", function()
    local model = trained(nn.Sequential {conv(4), nn.BatchNorm2d {}, nn.Flatten {}, nn.Dense {2}}, {3, 6, 6})
    model:train()
    local folded = model:folded()
    assert.is_true(model.training)
    assert.is_false(folded.training)
    assert.is_true(rawequal(folded[3].weight, model[4].weight))
    assert.is_false(rawequal(folded[1].weight, model[1].weight))
    assert.is_true(model[1].weight.requires_grad)
  end)

  describe("of a large batch", function()
    local forward = nn.Dense.forward
    local seen -- by its dense layer: the images of each call

    before_each(function()
      seen = {}
      nn.Dense.forward = function(self, x)
        seen[#seen + 1] = x:size(1)
        return forward(self, x)
      end
    end)
    after_each(function() nn.Dense.forward = forward end)

    local function small(...)
      return trained(nn.Sequential {conv(2), nn.BatchNorm2d {}, nn.GlobalAvgPool2d {}, nn.Dense {2}, ...}, {1, 4, 4})
    end

    -- The sizes of the parts; the results must be those of the model as it was.
    local function parts_of(model, images)
      local folded, x = model:folded(), fnn.randn(images, 1, 4, 4)
      local want = model:eval()(x)
      seen = {}
      local got = folded(x)
      assert.are.same(want.shape, got.shape)
      assert.is_true((want - got):abs():max():item() < 1e-5)
      return seen
    end

    it("takes parts, none of them small", function()
      for images, expected in pairs {
        [191] = {191}, [192] = {96, 96}, [239] = {96, 143}, [240] = {96, 96, 48}, [520] = {96, 96, 96, 96, 136},
      } do
        assert.are.same(expected, parts_of(small(), images))
      end
    end)

    it("has the gradient of all of it", function()
      local folded, x = small():folded(), fnn.randn(300, 1, 4, 4)
      local same = x:clone()
      x.requires_grad, same.requires_grad = true, true
      folded(x):square():sum():backward()
      for first = 1, 201, 100 do folded(same:narrow(1, first, 100)):square():sum():backward() end
      assert.is_true((x.grad - same.grad):abs():max():item() < 1e-5)
    end)

    it("takes it whole where images may know of each other", function()
      local function centred(x) return x - x:mean(1, true) end
      local Centred = nn.Module:extend("Centred")
      Centred.fresh = true
      function Centred:forward(x) return centred(x) end
      for _, layer in ipairs {
        nn.Activation {centred}, nn.Dense {2, activation = centred}, Centred(), nn.Sequential {Centred()},
        nn.Concat {nn.Identity {}, nn.Identity {}, dim = 1},
      } do
        assert.are.equal(300, parts_of(small(layer), 300)[1])
      end
    end)

    it("takes it whole where there are many weights", function()
      local folded = small(nn.Dense {1024}, nn.Dense {1024}):folded()
      seen = {}
      folded(fnn.randn(300, 1, 4, 4))
      assert.are.same({300, 300, 300}, seen)
    end)

    it("takes it whole where a batch normalization has been told to train", function()
      local folded = trained(nn.Sequential {
        nn.Activation {"tanh"}, nn.BatchNorm2d {}, nn.Activation {"tanh"}, nn.GlobalAvgPool2d {}, nn.Dense {2},
      }, {1, 4, 4}):folded()
      seen = {}
      folded[2]:train()
      folded(fnn.randn(300, 1, 4, 4))
      assert.are.same({300}, seen)
    end)
  end)

  it("is refused before the model was called", function()
    local model = nn.Sequential {nn.BatchNorm2d {}, conv(2)}
    assert.has_error(function() model:folded() end, "BatchNorm2d: it has not been called yet")
  end)

  it("is not saved", function()
    local folded = trained(nn.Sequential {conv(4), nn.BatchNorm2d {}}, {3, 6, 6}):folded()
    local ok, message = pcall(folded.save, folded, "x")
    assert.is_false(ok)
    assert.truthy(message:find("save the model that it was made of"))
  end)
end)
