-- An optimizer that takes up another's state goes on as that one does, to the bit; one that does not fit is refused.
local fnn = require "fmnistnn"
local nn, optim = fnn.nn, fnn.optim

-- Those that are made of options alone, without another optimizer.
local plain = {}
for name, class in pairs(optim) do
  if class.spec then plain[name] = class end
end

-- Gives each parameter a gradient that depends on the step and on where the parameter is.
local function set_gradients(parameters, step)
  for i, w in ipairs(parameters) do
    w.grad = nil;
    (w * w * (0.3 * i) + w * math.sin(step * i)):sum():backward()
  end
end

local function parameters()
  local list = {fnn.tensor {{1, -2, 0.5}, {0.1, 3, -1}}, fnn.tensor {0.7, -0.3}}
  for _, w in ipairs(list) do w:requires_grad_() end
  return list
end

local function copies(list)
  local result = {}
  for i, w in ipairs(list) do result[i] = w:detach():clone():requires_grad_() end
  return result
end

local function run(optimizer, list, first, last)
  for step = first, last do
    set_gradients(list, step)
    optimizer:step()
  end
end

local function bytes_of(list)
  local parts = {}
  for i, w in ipairs(list) do parts[i] = w:tobytes() end
  return table.concat(parts)
end

-- The state as it comes back from files.
local function through_files(state)
  local path, list = os.tmpname(), {}
  for name, tensor in pairs(state.tensors) do list[#list + 1] = {name, tensor} end
  assert(fnn.safetensors.save(path, list))
  local tensors = assert(fnn.safetensors.load(path))
  os.remove(path)
  return {numbers = assert(fnn.json.decode(fnn.json.encode(state.numbers))), tensors = tensors}
end

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

-- What makes each class keep all that it can.
local cases = {
  {"SGD"}, {"SGD", momentum = 0.9}, {"SGD", momentum = 0.9, nesterov = true, weight_decay = 0.1}, {"Adam"}, {"AdamW"},
  {"Adamax"}, {"Nadam"}, {"RMSprop"}, {"RMSprop", momentum = 0.5, centered = true}, {"Adagrad"}, {"Adadelta"},
  {"Adam", clip_norm = 0.5}, {"Lion"}, {"LAMB", weight_decay = 0.1}, {"RAdam", beta2 = 0.5}, {"Muon"},
  {"Muon", use_muon = false},
}

describe("an optimizer's state", function()
  for _, case in ipairs(cases) do
    local words = {}
    for name in pairs(case) do words[#words + 1] = type(name) == "string" and name or nil end
    table.sort(words)

    local function make(list)
      local options = {parameters = {{parameters = {list[1]}}, {parameters = {list[2]}, lr = 0.05}}}
      for name, value in pairs(case) do
        if name ~= 1 then options[name] = value end
      end
      return optim[case[1]](options)
    end

    it("lets another go on to the bit: " .. case[1] .. " " .. table.concat(words, " "), function()
      local list = parameters()
      local optimizer = make(list)
      run(optimizer, list, 1, 4)
      local state, others = through_files(optimizer:state()), copies(list)
      run(optimizer, list, 5, 8)
      local other = make(others)
      other:set_state(state)
      assert.are.equal(4, other.steps)
      run(other, others, 5, 8)
      assert(bytes_of(list) == bytes_of(others))
    end)
  end

  it("has a case, each class", function()
    local with_case = {}
    for _, case in ipairs(cases) do with_case[case[1]] = true end
    for name in pairs(plain) do assert.is_true(with_case[name], name .. " has no case") end
  end)

  it("is a copy", function()
    local list = parameters()
    local optimizer = optim.Adam {parameters = list}
    run(optimizer, list, 1, 2)
    local state = optimizer:state()
    local before = state.tensors["1.2.1"]:tobytes()
    run(optimizer, list, 3, 4)
    assert.are.equal(2, state.numbers["Adam.steps"])
    assert(state.tensors["1.2.1"]:tobytes() == before)
    optimizer:set_state(state)
    run(optimizer, list, 3, 3)
    assert(state.tensors["1.2.1"]:tobytes() == before)
  end)

  it("names what is in it", function()
    local list = parameters()
    local optimizer = optim.Nadam {parameters = {{parameters = {list[1]}}, {parameters = {list[2]}, lr = 0.25}}}
    local state = optimizer:state()
    assert.are.same({["Nadam.steps"] = 0, lr = 0.001, ["2.lr"] = 0.25, ["1.product"] = 1, ["2.product"] = 1},
      state.numbers)
    local shapes = {}
    for name, tensor in pairs(state.tensors) do shapes[name] = table.concat(tensor.shape, ",") end
    assert.are.same({["1.1.1"] = "2,3", ["1.1.2"] = "2,3", ["2.1.1"] = "2", ["2.1.2"] = "2"}, shapes)
    assert.are.same({}, optim.SGD {parameters = list}:state().tensors)
  end)

  it("holds learning rates that were changed", function()
    local list = parameters()
    local optimizer = optim.SGD {parameters = {{parameters = list, lr = 0.5}}, lr = 1}
    optimizer.options.lr, optimizer.groups[1].lr = 0.125, 0.0625
    local other = optim.SGD {parameters = {{parameters = list, lr = 0.5}}, lr = 1}
    other:set_state(optimizer:state())
    assert.are.same({0.125, 0.0625}, {other.options.lr, other.groups[1].lr})
  end)

  it("of a model is taken up once the model is built", function()
    local model, x = nn.Dense {2}, fnn.ones(1, 3)
    model(x)
    local state = optim.Adam {model = model}:state()
    local other = nn.Dense {2}
    local optimizer = optim.Adam {}
    assert.matches("Adam: nothing to train", error_of(optimizer.set_state, optimizer, state))
    optimizer:attach(other)
    assert.matches("Adam: set_state: the model has no parameters before its first call",
      error_of(optimizer.set_state, optimizer, state))
    other(x)
    optimizer:set_state(state)
  end)
end)

describe("the state of a model that is frozen in part", function()
  local x = fnn.tensor {{1, -2, 0.5}, {0.3, 1, -1}}

  local function make() return nn.Sequential {nn.Dense {4}, nn.Dense {3}, nn.Dense {1}} end

  local function train(model, optimizer, steps)
    for _ = 1, steps do
      optimizer:zero_grad()
      model(x):square():sum():backward()
      optimizer:step()
    end
  end

  local function bytes_of_model(model)
    local parts = {}
    for _, entry in ipairs(model:state()) do parts[#parts + 1] = entry[2]:tobytes() end
    return table.concat(parts)
  end

  -- A model of the same weights, with the same layers frozen, and an optimizer that has taken up the state.
  local function resumed(model, class, state, frozen)
    local other = make()
    other(x)
    for i, entry in ipairs(other:state()) do fnn.no_grad(entry[2].copy_, entry[2], model:state()[i][2]) end
    for _, layer in ipairs(frozen) do other[layer]:requires_grad_(false) end
    local optimizer = class(other)
    optimizer:set_state(through_files(state))
    return other, optimizer
  end

  local classes = {
    Adam = function(model) return optim.Adam {model = model, lr = 0.01} end,
    SGD = function(model) return optim.SGD {model = model, lr = 0.01} end,
    Muon = function(model) return optim.Muon {model = model, lr = 0.01} end,
    Lookahead = function(model)
      return optim.Lookahead {optim.SGD {model = model, lr = 0.01, momentum = 0.9}, steps = 3}
    end,
  }

  for name, class in pairs(classes) do
    it("keeps what there is of frozen parameters, and takes it up whatever is frozen then: " .. name, function()
      local model = make()
      model(x)
      model[1]:requires_grad_(false) -- from the start
      local optimizer = class(model)
      train(model, optimizer, 4)
      model[2]:requires_grad_(false) -- since
      train(model, optimizer, 1)
      local state = optimizer:state()
      local thawed, one = resumed(model, class, state, {})
      local frozen, two = resumed(model, class, state, {1, 2})
      for layer = 1, 2 do
        frozen[layer]:requires_grad_(true)
        model[layer]:requires_grad_(true)
      end
      for _, each in ipairs {{model, optimizer}, {thawed, one}, {frozen, two}} do train(each[1], each[2], 4) end
      assert(bytes_of_model(model) == bytes_of_model(thawed))
      assert(bytes_of_model(model) == bytes_of_model(frozen))
    end)
  end

  it("has nothing of those that were frozen from the start, and says so", function()
    local model = make()
    model(x)
    model[1]:requires_grad_(false)
    local optimizer = classes.Adam(model)
    train(model, optimizer, 1)
    local state = optimizer:state()
    assert.are.same({1, 1}, {state.numbers["1.1.frozen"], state.numbers["1.2.frozen"]})
    assert.is_nil(state.numbers["1.3.frozen"])
    assert.is_nil(state.tensors["1.1.1"])
    assert.are.same({3, 4}, state.tensors["1.3.1"].shape)
    train(model, optimizer, 1)
    optimizer:set_state(state)
    assert(optimizer:state().tensors["1.3.1"]:equal(state.tensors["1.3.1"]))
    model[1]:requires_grad_(true)
    optimizer:set_state(state)
    assert.are.equal(0, optimizer:state().tensors["1.1.1"]:abs():sum():item())
  end)

  it("is taken up as it once was, without those that are frozen", function()
    for name, class in pairs(classes) do
      local model = make()
      model(x)
      model[1]:requires_grad_(false)
      local optimizer = class(model)
      train(model, optimizer, 4)
      local state, old = optimizer:state(), {numbers = {}, tensors = {}}
      for key, number in pairs(state.numbers) do old.numbers[key] = not key:find "frozen$" and number or nil end
      for key, tensor in pairs(state.tensors) do
        local before, number, rest = key:match "^(%a*%.?1%.)(%d)(.*)$" -- "1.", "inner.1." or "Lookahead.1." before it
        old.tensors[before .. math.tointeger(number - 2) .. rest] = tensor
      end
      local other, again = resumed(model, class, old, {1})
      for _, each in ipairs {{model, optimizer}, {other, again}} do train(each[1], each[2], 4) end
      assert(bytes_of_model(model) == bytes_of_model(other), name)
    end
  end)
end)

describe("set_state refuses", function()
  local list, optimizer

  before_each(function()
    list = parameters()
    optimizer = optim.Adam {parameters = list}
    run(optimizer, list, 1, 3)
  end)

  -- A state changed by a function is refused with a message, and changes nothing.
  local function refuses(message, change)
    local others = copies(list)
    local other = optim.Adam {parameters = others, lr = 0.5}
    run(other, others, 1, 1)
    local before, state = through_files(other:state()), optimizer:state()
    local got = error_of(function() other:set_state(change(state) or state) end)
    assert.matches("optim_state_spec.lua:%d+: Adam: set_state: " .. message, got)
    local after = other:state()
    assert.are.same(before.numbers, after.numbers)
    for name, tensor in pairs(before.tensors) do assert(tensor:equal(after.tensors[name]), name) end
  end

  it("another class's", function()
    refuses("numbers: expected Adam.steps, which is missing; there are SGD.steps, lr", function()
      return optim.SGD {parameters = list}:state()
    end)
  end)

  it("what is missing", function()
    refuses("tensors: expected 1.2.1, which is missing; there are 1.1.1, 1.1.2, 1.2.2", function(state)
      state.tensors["1.2.1"] = nil
    end)
    refuses("numbers: expected lr, which is missing", function(state) state.numbers.lr = nil end)
    refuses("numbers: expected a table by name, got nil", function(state) state.numbers = nil end)
    refuses("tensors: expected a table by name, got number", function(state) state.tensors = 1 end)
    refuses("expected a table, got string", function() return "state" end)
  end)

  it("what has no place", function()
    refuses("tensors: there is no place for 1.3.1", function(state) state.tensors["1.3.1"] = fnn.zeros(1) end)
    refuses("numbers: there is no place for momentum", function(state) state.numbers.momentum = 1 end)
  end)

  it("wrong values", function()
    refuses("tensors: 1.2.1: expected float32 %(2%), got float32 %(3%)", function(state)
      state.tensors["1.2.1"] = fnn.zeros(3)
    end)
    refuses("tensors: 1.2.1: expected float32 %(2%), got int64 %(2%)", function(state)
      state.tensors["1.2.1"] = fnn.zeros({2}, {dtype = "int64"})
    end)
    refuses("tensors: 1.2.1: expected float32 %(2%), got number", function(state) state.tensors["1.2.1"] = 0 end)
    refuses("numbers: Adam.steps: expected an integer, got 1.5", function(state) state.numbers["Adam.steps"] = 1.5 end)
    refuses("numbers: lr: expected a number, got fast", function(state) state.numbers.lr = "fast" end)
  end)
end)
