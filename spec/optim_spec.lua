-- Every optimizer against Keras, and against PyTorch where the formulas are the same: ten steps on given gradients.
-- Then what no formula says: groups, missing gradients, models that grow.
local fnn = require "fmnistnn"
local nn, optim = fnn.nn, fnn.optim
local peer = require "spec.support.peer"

local cases = peer.cases("optimizers")

-- Those that are made of options alone, without another optimizer.
local plain = {}
for name, class in pairs(optim) do
  if class.spec then plain[name] = class end
end

-- Gives each parameter the gradient `gradients[i]`.
local function set_gradients(parameters, gradients)
  for i, w in ipairs(parameters) do
    w.grad = nil
    if gradients[i] then (w * gradients[i]):sum():backward() end
  end
end

local function parameters_of(...)
  local list = {}
  for i, values in ipairs {...} do list[i] = fnn.tensor(values, {requires_grad = true}) end
  return list
end

describe("an optimizer", function()
  for _, case in ipairs(cases) do
    it("steps as in Keras and PyTorch: " .. case.name, function()
      local gradients, after, parameters = peer.under(case, "gradient"), peer.under(case, "after"), {}
      for name, start in pairs(peer.under(case, "start")) do parameters[tonumber(name)] = start:requires_grad_() end
      local options = {parameters = parameters}
      for name, value in pairs(case.options) do options[name] = value end
      local optimizer = optim[case.optimizer](options)
      for step = 1, #after["1"] do
        set_gradients(parameters, {gradients["1"][step], gradients["2"][step]})
        optimizer:step()
        for i, w in ipairs(parameters) do
          peer.check_close(("parameter %d after step %d"):format(i, step), w, after[tostring(i)][step])
        end
      end
    end)
  end

  it("of RMSprop has no variance below 0 when gradients have become constant", function()
    local w = fnn.zeros(64):requires_grad_()
    local optimizer, gradient = optim.RMSprop {parameters = {w}, centered = true}, fnn.linspace(1, 1000, 64)
    for step = 1, 300 do
      w.grad = step < 20 and gradient * 2 or gradient
      optimizer:step()
    end
    assert.equal(64, w:isfinite():sum():item())
  end)

  it("has a case, each of them", function()
    local with_case = {}
    for _, case in ipairs(cases) do with_case[case.optimizer] = true end
    for name in pairs(plain) do assert.is_true(with_case[name], name .. " has no case in scripts/peer_reference.py") end
  end)

  it("says of a parameter that is not dense that it is not", function()
    local w = fnn.ones(2, 3):transpose(1, 2):requires_grad_();
    (w * 1):sum():backward()
    local ok, message = pcall(function() optim.SGD {parameters = {w}}:step() end)
    assert.is_false(ok)
    assert.matches("expected float32 of shape %(3,2%), dense, got float32 of shape %(3,2%), not dense", message)
  end)

  it("leaves parameters without a gradient alone, with weight_decay too", function()
    for name, class in pairs(plain) do
      local a, b = table.unpack(parameters_of({1, 2}, {3, 4}))
      local optimizer = class {parameters = {a, b}, weight_decay = 0.1}
      set_gradients({a}, {fnn.ones(2)})
      optimizer:step()
      assert.is_false(a:equal(fnn.tensor {1, 2}), name)
      assert.is_true(b:equal(fnn.tensor {3, 4}), name)
    end
  end)

  it("forgets gradients by zero_grad", function()
    local list = parameters_of({1, 2}, {3})
    set_gradients(list, {fnn.ones(2), fnn.ones(1)})
    optim.SGD {parameters = list}:zero_grad()
    assert.is_nil(list[1].grad)
    assert.is_nil(list[2].grad)
  end)

  it("takes up what was switched on after some steps", function()
    local w = parameters_of({1})[1]
    local optimizer = optim.SGD {parameters = {w}, lr = 0.5}
    set_gradients({w}, {fnn.ones(1)})
    optimizer:step()
    optimizer.options.momentum = 0.5
    optimizer:step()
    optimizer:step()
    assert.equal(1 - 0.5 - 0.5 - 0.75, w[1])
  end)

  it("follows a learning rate that changes", function()
    local w = parameters_of({1})[1]
    local optimizer = optim.SGD {parameters = {w}, lr = 0.5}
    set_gradients({w}, {fnn.ones(1)})
    optimizer:step()
    optimizer.options.lr = 0.125
    optimizer:step()
    assert.equal(1 - 0.5 - 0.125, w[1])
  end)
end)

-- Large enough to be cut into pieces.
local function after_steps(name, threads)
  fnn.set_threads(threads)
  fnn.manual_seed(1)
  local list = {fnn.randn(170, 300), fnn.randn(50001)}
  for _, w in ipairs(list) do w:requires_grad_() end
  local optimizer = optim[name] {parameters = list, lr = 0.1, weight_decay = 0.1, global_clip_norm = 10}
  for _ = 1, 2 do
    set_gradients(list, {fnn.randn(170, 300), fnn.randn(50001)})
    optimizer:step()
  end
  return list[1]:tobytes() .. list[2]:tobytes()
end

describe("an optimizer over many numbers", function()
  it("gives the same bits on any number of threads", function()
    local threads = fnn.threads()
    for name in pairs(plain) do
      local expected = after_steps(name, 1)
      for count = 2, 3 do assert(after_steps(name, count) == expected, name) end
    end
    fnn.set_threads(threads)
  end)

  it("lets momentum come to 0, not to what CPUs are slow with", function()
    local is_x86, denormal = fnn.info().isa ~= "base", 2^-1070
    local w = fnn.zeros(100003):requires_grad_()
    local optimizer = optim.SGD {parameters = {w}, momentum = 0.5}
    w.grad = fnn.full({100003}, 1e-37)
    optimizer:step()
    w.grad:zero_()
    for _ = 1, 10 do optimizer:step() end
    if is_x86 then
      for name, tensor in pairs(optimizer:state().tensors) do assert.equal(0, tensor:abs():max():item(), name) end
    end
    assert.is_true(denormal / 2 > 0)
  end)

  it("leaves nothing behind, without Lua's collector too", function()
    for name in pairs(plain) do
      local list = {fnn.randn(64, 96):requires_grad_(), fnn.randn(4, 8, 3, 3):requires_grad_()}
      local optimizer = optim[name] {parameters = list, clip_value = 1}
      set_gradients(list, {fnn.randn(64, 96), fnn.randn(4, 8, 3, 3)})
      optimizer:step()
      collectgarbage()
      collectgarbage("stop")
      local before = fnn.memory().used
      for _ = 1, 3 do optimizer:step() end
      local after = fnn.memory().used
      collectgarbage("restart")
      assert(after - before <= 4096, ("%s: %d bytes"):format(name, after - before))
    end
  end)
end)

describe("LAMB", function()
  it("goes by the learning rate where a norm is 0", function()
    local w = parameters_of({0, 0})[1]
    set_gradients({w}, {fnn.tensor {1, -2}})
    local optimizer = optim.LAMB {parameters = {w}, lr = 0.5, epsilon = 1e-30}
    optimizer:step()
    peer.check_close("zero weights", w, fnn.tensor {-0.5, 0.5})
    local still = parameters_of({3, 4})[1]
    set_gradients({still}, {fnn.zeros(2)})
    optim.LAMB {parameters = {still}}:step()
    assert.same({3, 4}, still:totable())
  end)
end)

describe("Muon", function()
  it("makes all singular values of a step about the same", function()
    fnn.manual_seed(3)
    for _, shape in ipairs {{8, 20}, {20, 8}, {8, 5, 2, 2}} do
      local w = fnn.zeros(shape, {requires_grad = true})
      set_gradients({w}, {fnn.randn(shape)})
      optim.Muon {parameters = {w}, lr = 1}:step()
      local step = w:detach():reshape(shape[1], -1) / (0.2 * 20 ^ 0.5)
      local gram = shape[1] == 8 and step:matmul(step:t()) or step:t():matmul(step)
      local most = gram:sub(fnn.eye(8)):abs():max():item()
      assert(most < 0.65, most) -- of their squares
    end
  end)

  it("does not move by a gradient of zeros", function()
    local w = fnn.ones({2, 3}, {requires_grad = true})
    set_gradients({w}, {fnn.zeros(2, 3)})
    optim.Muon {parameters = {w}, weight_decay = 0}:step()
    assert.is_true(w:equal(fnn.ones(2, 3)))
  end)

  it("lets a group go by AdamW", function()
    local start = fnn.tensor {{1, 2}, {3, -4}}
    local a, b, c = start:clone():requires_grad_(), start:clone():requires_grad_(), start:clone():requires_grad_()
    local muon = optim.Muon {parameters = {{parameters = {a}}, {parameters = {b}, use_muon = false}}, lr = 0.1}
    local adamw = optim.AdamW {parameters = {c}, lr = 0.1}
    local g = fnn.tensor {{1, -1}, {0.5, 2}}
    set_gradients({a, b, c}, {g, g, g})
    muon:step()
    adamw:step()
    assert.is_true(b:equal(c))
    assert.is_false(a:equal(c))
  end)
end)

describe("clipping", function()
  local function step(options, ...)
    local list = parameters_of({0, 0}, {0})
    options.parameters, options.lr = list, 1
    set_gradients(list, {...})
    optim.SGD(options):step()
    return list[1]:totable(), list[2]:totable()
  end

  it("bounds each element, each tensor's norm, or the norm of all", function()
    local g, h = fnn.tensor {3, -4}, fnn.tensor {12}
    local a, b = step({clip_value = 3.5}, g, h)
    assert.same({{-3, 3.5}, {-3.5}}, {a, b})
    a, b = step({clip_norm = 2.5}, g, h)
    assert.same({{-1.5, 2}, {-2.5}}, {a, b})
    a, b = step({global_clip_norm = 6.5}, g, h)
    assert.same({{-1.5, 2}, {-6}}, {a, b})
  end)

  it("lets pass what is within the bound", function()
    local g, h = fnn.tensor {3, -4}, fnn.tensor {12}
    for _, options in ipairs {{clip_value = 12}, {clip_norm = 12}, {global_clip_norm = 13}} do
      local a, b = step(options, g, h)
      assert.same({{-3, 4}, {-12}}, {a, b})
    end
  end)

  it("of the norm of all looks over all groups", function()
    local a, b = table.unpack(parameters_of({0, 0}, {0}))
    local optimizer = optim.SGD {
      parameters = {{parameters = {a}}, {parameters = {b}, lr = 0.5}}, lr = 1, global_clip_norm = 6.5,
    }
    set_gradients({a, b}, {fnn.tensor {3, -4}, fnn.tensor {12}})
    optimizer:step()
    assert.same({{-1.5, 2}, {-3}}, {a:totable(), b:totable()})
  end)
end)

describe("groups of parameters", function()
  it("have options of their own and the optimizer's for the rest", function()
    local a, b, c = table.unpack(parameters_of({1}, {1}, {1}))
    local optimizer = optim.SGD {
      lr = 0.5,
      parameters = {{parameters = {a}}, {parameters = {b}, lr = 0.25}, {parameters = {c}, weight_decay = 0.5}},
    }
    set_gradients({a, b, c}, {fnn.ones(1), fnn.ones(1), fnn.ones(1)})
    optimizer:step()
    assert.same({0.5, 0.75, 0.25}, {a[1], b[1], c[1]})
  end)

  it("may be models", function()
    local head, body = nn.Dense {1, initializer = "ones"}, nn.Dense {1, initializer = "ones"}
    local optimizer = optim.SGD {lr = 1, parameters = {{model = body, lr = 0.5}, {model = head}}}
    head(body(fnn.ones(1, 1))):sum():backward()
    optimizer:step()
    assert.same({0.5, -0.5, 0, 0}, {
      body.weight:item(), body.bias:item(), head.weight:item() , head.bias:item() + 1,
    })
  end)

  it("start their states by their own options", function()
    local a, b = table.unpack(parameters_of({0}, {0}))
    local optimizer = optim.Adagrad {
      lr = 1, epsilon = 1e-30, initial_accumulator = 0,
      parameters = {{parameters = {a}}, {parameters = {b}, initial_accumulator = 3}},
    }
    set_gradients({a, b}, {fnn.ones(1), fnn.ones(1)})
    optimizer:step()
    assert.same({-1, -0.5}, {a[1], b[1]})
  end)

  it("keep Nadam's schedule each", function()
    local a, b, alone = table.unpack(parameters_of({1}, {1}, {1}))
    local both = optim.Nadam {lr = 0.1, parameters = {{parameters = {a}}, {parameters = {b}}}}
    local one = optim.Nadam {lr = 0.1, parameters = {alone}}
    for i = 1, 3 do
      set_gradients({a, b, alone}, {fnn.full({1}, i), fnn.full({1}, i), fnn.full({1}, i)})
      both:step()
      one:step()
    end
    assert.same({alone[1], alone[1]}, {a[1], b[1]})
  end)
end)

describe("an optimizer of a model", function()
  it("trains what the model has at each step, also when it is built later", function()
    local model = nn.Dense {1, initializer = "ones"}
    local optimizer = optim.Adam {model = model, lr = 0.5}
    optimizer:zero_grad()
    model(fnn.ones(2, 3)):mean():backward()
    optimizer:step()
    peer.check_close("weight", model.weight, fnn.full({1, 3}, 0.5))
  end)

  it("does not train what is frozen", function()
    local model = nn.Sequential {nn.Dense {2}, nn.Dense {1}}
    model(fnn.ones(1, 3))
    model[1]:requires_grad_(false)
    local before = model[1].weight:clone()
    model(fnn.ones(1, 3)):sum():backward()
    optim.SGD {model = model, weight_decay = 0.1}:step()
    assert.is_true(model[1].weight:equal(before))
  end)

  it("can be attached to one model only, and not where it was given parameters", function()
    local first, second = nn.Dense {1, initializer = "ones"}, nn.Dense {1, initializer = "ones"}
    local optimizer, given = optim.SGD {lr = 1}, optim.SGD {model = first, lr = 1}
    optimizer:attach(first)
    optimizer:attach(first)
    assert.error_matches(function() optimizer:attach(second) end,
      "SGD: it trains another model already; expected an optimizer for each")
    given:attach(second)
    first(fnn.ones(1, 1)):backward(fnn.ones(1, 1))
    second(fnn.ones(1, 1)):backward(fnn.ones(1, 1))
    given:step()
    assert.same({0, 1}, {first.weight:item(), second.weight:item()})
  end)
end)

describe("an optimizer refuses", function()
  local w = parameters_of({1})[1]

  local function refuses(message, class, options)
    local ok, got = pcall(optim[class], options)
    assert.is_false(ok)
    assert.matches(message, got)
  end

  it("unknown options", function()
    for name in pairs(plain) do
      local group = {parameters = {w}, learning_rate = 1}
      refuses(name .. ": unknown option learning_rate", name, group)
      refuses(name .. ": unknown option learning_rate", name, {parameters = {group}})
    end
    refuses("SGD: unknown option beta1", "SGD", {parameters = {w}, beta1 = 0.9})
  end)

  it("wrong values", function()
    refuses("Adam: lr: expected a number of 0 or more", "Adam", {lr = "fast"})
    refuses("Adam: beta1: expected", "Adam", {beta1 = 1})
    refuses("Adam: beta2: expected", "Adam", {beta2 = -0.1})
    refuses("SGD: momentum: expected", "SGD", {momentum = 1.5})
    refuses("SGD: nesterov: expected", "SGD", {nesterov = 1})
    refuses("SGD: clip_value: expected", "SGD", {clip_value = 0})
    refuses("SGD: clip_norm: expected", "SGD", {clip_norm = -1})
    refuses("SGD: global_clip_norm: expected", "SGD", {global_clip_norm = "1"})
    refuses("SGD: weight_decay: expected", "SGD", {weight_decay = true})
    refuses("Adam: lr: expected a number of 0 or more, or a schedule, got number", "Adam", {lr = -0.1})
    refuses("AdamW: weight_decay: expected a number of 0 or more", "AdamW", {weight_decay = -0.1})
    refuses("Muon: epsilon: expected a number of 0 or more", "Muon", {epsilon = -1e-7})
    refuses("SGD: expected a table of options", "SGD", 0.1)
  end)

  it("what cannot be trained", function()
    refuses("SGD: model: expected a module", "SGD", {model = {}})
    refuses("SGD: parameters: element 2: expected a tensor, got number", "SGD", {parameters = {w, 1}})
    refuses("SGD: parameters: element 1: expected a tensor, got number", "SGD", {parameters = {1}})
    refuses("SGD: parameters: element 2: expected a table", "SGD", {parameters = {{parameters = {w}}, w}})
    refuses("SGD: parameters: element 1: expected either a model or parameters", "SGD", {parameters = {{lr = 1}}})
    refuses("SGD: expected either a model or parameters", "SGD", {model = nn.Dense {1}, parameters = {w}})
  end)

  it("an empty list, as a model gives before its first call", function()
    local model = nn.Sequential {nn.Dense {2}}
    local hint = "SGD: parameters: got an empty list; a model has none before its first call: give it as model = model"
    refuses(hint, "SGD", {parameters = model:parameters()})
    refuses(hint, "SGD", {parameters = {{parameters = {w}}, {parameters = {}}}})
    refuses("SGD: parameters: expected a list, got another table", "SGD", {parameters = {weight = w}})
    refuses("SGD: parameters: expected a list, got another table", "SGD", {parameters = {nil, w}})
  end)

  it("a parameter that is there twice", function()
    local message = "SGD: parameter %d of group %d is in group %d already; expected each parameter once"
    local model = nn.Sequential {nn.Dense {2}, nn.Dense {1}}
    model(fnn.ones(1, 3))
    refuses(message:format(2, 1, 1), "SGD", {parameters = {w, w}})
    refuses(message:format(1, 2, 1), "SGD", {parameters = {{parameters = {w}, lr = 1}, {parameters = {w}}}})
    refuses(message:format(1, 2, 1), "SGD", {parameters = {{model = model}, {model = model[2]}}})
  end)

  it("to step a parameter that is in two groups of a model that was built since", function()
    local model = nn.Sequential {nn.Dense {2}, nn.Dense {1}}
    local optimizer = optim.SGD {parameters = {{model = model}, {model = model[2]}}}
    model(fnn.ones(1, 3)):sum():backward()
    local before = model[2].weight:clone()
    assert.error_matches(function() optimizer:step() end, "SGD: parameter 1 of group 2 is in group 1 already")
    assert.is_true(model[2].weight:equal(before))
  end)

  it("a model in the place of its parameters", function()
    local dense = nn.Dense {1}
    for _, model in ipairs {dense, nn.Sequential {dense}} do
      refuses("SGD: parameters: expected a list, got a model: give it as model = model", "SGD", {parameters = model})
      local message = "SGD: parameters: element 1: expected a group, got a model: give it as {model = model}"
      refuses(message, "SGD", {parameters = {model, dense}})
    end
  end)

  it("two bounds on norms", function()
    local message = "SGD: expected either clip_norm or global_clip_norm"
    refuses(message, "SGD", {clip_norm = 1, global_clip_norm = 1})
    refuses(message, "SGD", {parameters = {{parameters = {w}, clip_norm = 1}}, global_clip_norm = 1})
    local group = {parameters = {w}, global_clip_norm = 1}
    refuses("SGD: parameters: element 1: global_clip_norm", "SGD", {parameters = {group}})
  end)

  it("to step without anything to train", function()
    for _, method in ipairs {"step", "zero_grad"} do
      local ok, message = pcall(function() optim.SGD {}[method](optim.SGD {}) end)
      assert.is_false(ok)
      assert.matches("SGD: nothing to train", message)
    end
  end)
end)
