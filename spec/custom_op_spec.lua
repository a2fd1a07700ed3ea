-- Ops written in Lua: fnn.custom.
local fnn = require "fmnistnn"
local nn = fnn.nn
local check = require "spec.support.check"

local function refuses(message, f, ...) check.refused(f, {message}, ...) end

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
