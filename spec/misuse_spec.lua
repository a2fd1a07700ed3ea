--- Misuse: every wrong argument raises an error that names the op and the argument; nothing crashes, nothing leaks.
-- What ops refuse by their shape rules is in spec/support/cases.lua; here is what the way in refuses, for each kind of
-- argument.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local check = require "spec.support.check"
local fuzz = require "spec.support.fuzz"
local process = require "spec.support.process"

local ops = core.ops
local nan, inf = 0 / 0, math.huge

local function refuses(texts, f, ...) check.refused(f, texts, ...) end

-- Values that are of none of the kinds in `but`, with the words that an error has for them.
local function wrong_values(but)
  local closed = fnn.ones(1)
  closed:close()
  local values = {
    string = {"x", "string 'x'"}, number = {1.5, "number 1.5"}, nan = {nan, "nan"}, infinity = {inf, "inf"},
    boolean = {true, "true"}, table = {{"x"}, "table"}, ["function"] = {print, "function"},
    userdata = {io.stdout, "userdata"}, thread = {coroutine.create(print), "thread"}, tensor = {fnn.ones(1),
      "a tensor"},
    long = {("x"):rep(1000), "a long string"},
  }
  for _, kind in ipairs(but) do values[kind] = nil end
  return values
end

describe("an argument of the wrong type:", function()
  local x, image = fnn.ones(2, 3), fnn.ones(1, 1, 4, 4)
  local at = fnn.tensor({1, 2}, {dtype = "int64"})

  -- Calls f(value) for each wrong value: the error must have the op, the argument and what it got.
  local function refuses_values(op, argument, but, f)
    for kind, each in pairs(wrong_values(but)) do
      local value, words = each[1], each[2]
      local ok, message = pcall(f, value)
      assert.is_false(ok, ("%s takes a %s as %s"):format(op, kind, argument))
      for _, text in ipairs {op .. ": " .. argument, "expected", words} do
        assert.is_truthy(message:find(text, 1, true), ("expected '%s' in: %s"):format(text, message))
      end
    end
  end

  it("a tensor", function()
    refuses_values("exp", "input", {"tensor"}, function(v) return ops.exp(v) end)
    refuses_values("matmul", "other", {"tensor"}, function(v) return ops.matmul(x, v) end)
    refuses_values("conv2d", "weight", {"tensor"}, function(v) return ops.conv2d(image, v) end)
    refuses_values("linear", "bias", {"tensor", "table"}, function(v) return ops.linear(x, x, v) end)
  end)

  it("a tensor or a number", function()
    local numbers = {"tensor", "number", "nan", "infinity"}
    refuses_values("add", "other", numbers, function(v) return ops.add(x, v) end)
    refuses_values("sub", "input", numbers, function(v) return ops.sub(v, x) end)
    refuses_values("where", "a", numbers, function(v) return ops.where(x:gt(0), v, 0) end)
  end)

  it("positions", function()
    refuses_values("index_select", "index", {"tensor"}, function(v) return ops.index_select(x, 1, v) end)
    refuses({"gather: index", "integers", "float32"}, ops.gather, x, 1, fnn.ones(2, 3))
  end)

  it("a list of tensors", function()
    refuses_values("cat", "tensors", {"tensor", "table"}, function(v) return ops.cat(v) end)
    refuses_values("cat", "tensors", {"tensor"}, function(v) return ops.cat({x, v}) end)
    refuses({"cat: tensors", "list of tensors"}, ops.cat, {})
    refuses({"cat: tensors", "list of tensors", "a tensor"}, ops.cat, x)
  end)

  it("a size", function()
    refuses_values("one_hot", "classes", {}, function(v) return ops.one_hot(at, v) end)
    refuses_values("group_norm", "groups", {}, function(v) return ops.group_norm(x, v) end)
    refuses_values("conv2d", "groups", {}, function(v) return ops.conv2d(image, image, {groups = v}) end)
    refuses_values("narrow", "length", {}, function(v) return x:narrow(1, 1, v) end)
  end)

  it("a number", function()
    local numbers = {"number", "nan", "infinity"}
    refuses_values("leaky_relu", "negative_slope", {"number", "nan", "infinity", "table"}, function(v)
      return ops.leaky_relu(x, v)
    end)
    refuses_values("clamp", "min", numbers, function(v) return ops.clamp(x, {min = v}) end)
    refuses_values("dropout", "rate", numbers, function(v) return ops.dropout(x, {rate = v}) end)
    refuses({"leaky_relu: negative_slope", "string '1'"}, ops.leaky_relu, x, "1")
  end)

  it("true or false", function()
    refuses_values("sum", "keepdim", {"boolean"}, function(v) return x:sum({keepdim = v}) end)
    refuses_values("sort", "descending", {"boolean"}, function(v) return x:sort({descending = v}) end)
    refuses({"sum: keepdim", "number 1"}, x.sum, x, 1, 1)
    local leaf, model = fnn.ones(2), fnn.nn.Dense {1}
    model(x)
    for _, value in ipairs {0, "false", {}} do
      refuses({"requires_grad: expected true or false, got"}, leaf.requires_grad_, leaf, value)
      for _, method in ipairs {"train", "mixed_precision", "requires_grad_"} do
        refuses({method .. ": expected true or false, got " .. type(value)}, model[method], model, value)
      end
    end
  end)

  it("one of several words", function()
    refuses_values("to", "dtype", {"table"}, function(v) return x:to(v) end)
    refuses_values("cross_entropy_classes", "reduction", {}, function(v)
      return ops.cross_entropy_classes(x, at, nil, {reduction = v})
    end)
  end)

  it("an axis", function()
    refuses_values("softmax", "dim", {"table"}, function(v) return x:softmax(v) end)
    refuses_values("select", "dim", {}, function(v) return x:select(v, 1) end)
    refuses_values("unsqueeze", "dim", {"table"}, function(v) return x:unsqueeze(v) end)
    for _, dim in ipairs {0, 3, -3, math.maxinteger, math.mininteger, 1 << 32} do
      refuses({"softmax: dim", "1..2", "-2..-1", "got " .. dim}, x.softmax, x, dim)
    end
  end)

  it("several axes", function()
    refuses_values("sum", "dim", {"table"}, function(v) return x:sum(v) end)
    refuses_values("flip", "dim", {"table"}, function(v) return x:flip(v) end)
    refuses_values("permute", "axes", {"table"}, function(v) return x:permute(v) end)
    refuses({"sum: dim", "string 'x'"}, x.sum, x, {1, "x"})
    refuses({"sum: dim", "at most 8", "got 9"}, x.sum, x, {1, 1, 1, 1, 1, 1, 1, 1, 1})
    refuses({"permute: axes", "number 1.5"}, x.permute, x, 2, 1.5)
    refuses({"permute: axes", "at most 8", "got 9"}, x.permute, x, 1, 2, 1, 2, 1, 2, 1, 2, 1)
  end)

  it("a position", function()
    refuses_values("narrow", "start", {}, function(v) return x:narrow(1, v, 1) end)
    refuses_values("select", "index", {"table"}, function(v) return x:select(1, v) end)
    refuses({"select: index", "got 0"}, x.select, x, 1, 0)
    refuses({"select: index", tostring(math.mininteger)}, x.select, x, 1, math.mininteger)
    refuses({"select: index", tostring(math.maxinteger)}, x.select, x, 1, math.maxinteger)
  end)

  it("sizes", function()
    refuses_values("reshape", "shape", {"table"}, function(v) return x:reshape(v) end)
    refuses_values("expand", "shape", {"table"}, function(v) return x:expand({2, v}) end)
    refuses({"reshape: shape", "number 1.5"}, x.reshape, x, 1.5, 4)
    refuses({"reshape: shape", "at most 8", "got 9"}, x.reshape, x, 1, 1, 1, 1, 1, 1, 1, 1, 6)
    refuses({"reshape: shape", "got -2"}, x.reshape, x, -2, -3)
  end)

  it("a pair", function()
    refuses_values("max_pool2d", "kernel", {}, function(v) return ops.max_pool2d(image, v) end)
    refuses_values("conv2d", "stride", {}, function(v) return ops.conv2d(image, image, {stride = v}) end)
    refuses({"max_pool2d: kernel", "rows, columns"}, ops.max_pool2d, image, {1, 2, 3})
    refuses({"max_pool2d: kernel", "string 'x'"}, ops.max_pool2d, image, {1, "x"})
    refuses({"max_pool2d: kernel", "at least 1", "got 0"}, ops.max_pool2d, image, {1, 0})
  end)

  it("a padding", function()
    refuses_values("conv2d", "padding", {}, function(v) return ops.conv2d(image, image, {padding = v}) end)
    refuses({"conv2d: padding", "top, bottom, left, right"}, ops.conv2d, image, image, {padding = {1, 2, 3}})
    refuses({"conv2d: padding", "got -1"}, ops.conv2d, image, image, {padding = {1, 1, 1, -1}})
    refuses({"conv2d: padding", "valid, same", "string 'full'"}, ops.conv2d, image, image, {padding = "full"})
  end)

  it("margins", function()
    refuses_values("pad", "margins", {"table"}, function(v) return x:pad(v) end)
    refuses_values("pad", "margins", {}, function(v) return x:pad({v}) end)
    refuses({"pad: value", "string '0'"}, x.pad, x, {{1, 1}}, "0")
  end)
end)

describe("the number and the names of arguments:", function()
  local x = fnn.ones(2, 3)

  it("too many", function()
    refuses({"exp", "at most 1", "got 2"}, x.exp, x, 1)
    refuses({"add", "at most 2", "got 3"}, x.add, x, 1, 1)
    refuses({"clamp", "at most 3", "got 5"}, x.clamp, x, 1, 2, 3, 4)
    refuses({"exp", "at most 1", "got 2"}, x.exp, x, {foo = 1})
    assert.same({2, 3}, x:exp(nil, nil).shape) -- nil at the end is nothing
  end)

  it("none", function()
    for name, op in pairs(ops) do
      local ok, message = pcall(op)
      assert.is_false(ok, name)
      assert.is_truthy(message:find(name .. ": ", 1, true), message)
    end
  end)

  it("unknown, or given twice", function()
    refuses({"sum", "unknown option", "'dims'"}, x.sum, x, {dims = 1})
    refuses({"sum: dim", "twice"}, x.sum, x, 1, {dim = 2})
    refuses({"sum", "unknown option", "true"}, x.sum, x, {dim = 1, [true] = 2})
    refuses({"softmax: dim", "integer"}, x.softmax, x, {[7] = 1})
    refuses({"add: input", "twice"}, x.add, x, {other = 1, input = x})
  end)

  it("in a table that runs code", function()
    local image, closed = fnn.ones(1, 1, 3, 3), false
    local options = setmetatable({stride = 1}, {__index = function()
      image:close()
      closed = true
    end})
    refuses({"conv2d", "metatable"}, ops.conv2d, image, fnn.ones(1, 1, 2, 2), options)
    assert.is_false(closed)
  end)
end)

describe("sizes:", function()
  it("that are no sizes", function()
    for _, make in ipairs {
      function(n) return core.full({n}, 0) end, function(n) return core.uniform({n, 2}, 0, 1) end,
      function(n) return core.normal({2, n}, 0, 1) end, function(n) return fnn.zeros(n) end,
      function(n) return fnn.eye(n) end, function(n) return fnn.frombytes("", {n}) end,
      function(n) return fnn.randperm(n) end,
    } do
      for _, n in ipairs {nan, inf, -inf, 1.5, 1e300, -1, math.mininteger, -(1 << 40)} do
        local ok, message = pcall(make, n)
        assert.is_false(ok)
        assert.is_truthy(message:find("expected", 1, true), message)
      end
    end
  end)

  it("that are too large", function()
    for _, n in ipairs {1 << 40, 1 << 60, math.maxinteger} do
      for _, make in ipairs {
        function() return core.full({n}, 0) end, function() return core.full({n, n}, 0) end,
        function() return core.uniform({n, 2}, 0, 1) end, function() return fnn.eye(n) end,
        function() return fnn.arange(n) end, function() return fnn.linspace(0, 1, n) end,
        function() return fnn.randperm(n) end, function() return fnn.ones(2):tile(n) end,
        function() return fnn.ones(1):expand(n) + 1 end, function() return fnn.ones(1):expand(n):tobytes() end,
        function() return fnn.ones(2):pad({{n, n}}) end,
        function() return ops.one_hot(fnn.ones(2):long(), n) end,
        function() return ops.conv2d(fnn.ones(1, 1, 2, 2), fnn.ones(1, 1, 2, 2), {padding = n // 4}) end,
        function() return ops.conv2d(fnn.ones(1, 1, 2, 2), fnn.ones(1, 1, 2, 2), {dilation = n}) end,
        function() return ops.conv_transpose2d(fnn.ones(1, 1, 2, 2), fnn.ones(1, 1, 2, 2), {stride = n}) end,
        function() return ops.conv_transpose2d(fnn.ones(1, 1, 2, 2), fnn.ones(1, 1, 2, 2), {padding = n}) end,
        function() return ops.max_pool2d(fnn.ones(1, 1, 2, 2), n) end,
        function() return ops.adaptive_avg_pool2d(fnn.ones(1, 1, 2, 2), n) end,
        function() return ops.layer_norm(fnn.ones(2), {axes = n}) end,
        function() return fnn.ones(2):narrow(1, n, n) end,
        function() return fnn.arange(1) // fnn.ones(1):long():expand(n) end,
      } do
        local ok, message = pcall(make)
        assert.is_false(ok)
        assert.is_truthy(type(message) == "string", message)
      end
    end
  end)

  it("that are too large for BLAS", function()
    local one, large, most = fnn.ones(1, 1), 1 << 31, "at most 2147483647"
    local tall, wide, vector = one:expand(large, 1), one:expand(1, large), fnn.ones(1):expand(large)
    refuses({"matmul: ", "(2147483648,1) and (1,1)", most}, one.matmul, tall, one)
    refuses({"matmul: ", "(1,1) and (1,2147483648)", most}, one.matmul, one, wide)
    refuses({"matmul: ", "(1,2147483648) and (2147483648,1)", most}, one.matmul, wide, tall)
    refuses({"matmul: ", "(1,2147483648) and (2147483648,1)", most}, one.matmul, vector, vector)
    refuses({"matmul: ", "(2147483648,1) and (1,1)", most}, one.matmul, fnn.ones(1, 1, 1):expand(2, large, 1), one)
    local image = fnn.ones(1, 1, 1, 1) -- 65537 x 65537 with its padding
    for _, name in ipairs {"conv2d", "conv2d_relu"} do
      refuses({name .. ": ", "(1,1) and (1,4295098369)", most}, ops[name], image, image, {padding = 1 << 15})
    end
  end)

  it("that fit although they are large", function()
    local x = fnn.ones(1, 1, 3, 3)
    assert.same({0, 2}, fnn.zeros(0, 1 << 40):matmul(fnn.ones(1, 1):expand(1 << 40, 2)).shape)
    assert.same({1 << 40, 0}, fnn.ones(1, 1):expand(1 << 40, 1):matmul(fnn.zeros(1, 0)).shape)
    assert.same({1, 1, 1, 1}, ops.conv2d(x, x:narrow(3, 1, 2):narrow(4, 1, 2), {stride = math.maxinteger}).shape)
    assert.same({1, 1, 1, 1}, ops.max_pool2d(x, 2, {stride = math.maxinteger}).shape)
    assert.same({0, 1 << 40}, fnn.zeros(0, 1 << 40).shape)
  end)
end)

describe("classes and positions out of range", function()
  it("raise before anything is computed", function()
    local logits = fnn.ones(2, 3)
    collectgarbage()
    local used = core.memory().used
    for _, class in ipairs {0, 4, -1, math.maxinteger, math.mininteger} do
      local classes <close> = fnn.tensor({1, class}, {dtype = "int64"})
      refuses({"cross_entropy_classes: target", "number 2", "1..3", tostring(class)}, ops.cross_entropy_classes,
        logits, classes)
      refuses({"one_hot: index", "number 2", "1..3"}, ops.one_hot, classes, 3)
      refuses({"index_select: index", "number 2", "1..3"}, logits.index_select, logits, 2, classes)
      refuses({"gather: index", "1..3"}, logits.gather, logits, 2, classes:reshape(2, 1))
    end
    collectgarbage()
    assert.equal(used, core.memory().used)
  end)
end)

describe("functions written in Lua", function()
  local nn, F = fnn.nn, fnn.nn.functional
  local x, classes = fnn.ones(2, 3), fnn.ones(2, {dtype = "int64"})
  local path = "/nowhere/file"

  it("name themselves and the argument", function()
    local wrong = {
      {"Dense: expected a tensor, got nil", nn.Dense {2}},
      {"Dense: expected (..., inputs), got ()", nn.Dense {2}, fnn.tensor(1)},
      {"Conv2d: expected a tensor, got string 'x'", nn.Conv2d {2, kernel = 1}, "x"},
      {"ConvTranspose2d: expected a tensor, got table", nn.ConvTranspose2d {2, kernel = 1}, {}},
      {"BatchNorm2d: expected a tensor, got number 1", nn.BatchNorm2d {}, 1},
      {"GroupNorm: expected a tensor, got nil", nn.GroupNorm {1}},
      {"GroupNorm: expected (examples, channels, ...), got (2)", nn.GroupNorm {1}, classes},
      {"LayerNorm: expected a tensor, got nil", nn.LayerNorm {}},
      {"LayerNorm: expected 3 axes or more, got (2,3)", nn.LayerNorm {axes = 3}, x},
      {"Flatten: expected a tensor, got table", nn.Flatten {}, {}},
      {"Flatten: expected (examples, ...) of two axes or more, got (2)", nn.Flatten {}, classes},
      {"Reshape: expected a tensor, got nil", nn.Reshape {{2}}},
      {"Add: expected a tensor, got string '2'", nn.Add {}, "2", "3"},
      {"global_avg_pool2d: expected a tensor, got nil", F.global_avg_pool2d},
      {"global_avg_pool2d: expected (images, channels, height, width), got (2,3)", nn.GlobalAvgPool2d {}, x},
      {"global_max_pool2d: expected a tensor, got nil", F.global_max_pool2d},
      {"embedding: index: expected a tensor, got nil", F.embedding},
      {"embedding: table: expected (count, size), got (2)", F.embedding, classes, classes},
      {"upsample2d: expected (images, channels, height, width), got (", F.upsample2d, fnn.zeros(2, 3), 2},
      {"upsample2d: scale: expected an integer of 1 or more, or two of them, got none", F.upsample2d,
        fnn.zeros(1, 1, 2, 2)},
      {'upsample2d: mode: expected "nearest" or "bilinear", got string \'bicubic\'', F.upsample2d,
        fnn.zeros(1, 1, 2, 2), 2, {mode = "bicubic"}},
      {"zero_pad2d: margins: expected an integer, {rows, columns}", F.zero_pad2d, x, "x"},
      {"zero_pad2d: margins: expected an integer, {rows, columns}", F.zero_pad2d, x, {1, 2, 3}},
      {"batch_norm: running_variance: expected a tensor, got nil", F.batch_norm, x,
        {training = true, running_mean = fnn.ones(3)}},
      {"batch_norm: running_variance: expected (3), got (2)", F.batch_norm, x,
        {training = true, running_mean = fnn.ones(3), running_variance = fnn.ones(2)}},
      {"batch_norm: addend: expected none together with max_pool = true", F.batch_norm, x,
        {training = true, relu = true, addend = x, max_pool = true}},
      {"zeros: shape: expected sizes of 0 or more, got -1", fnn.zeros, -1},
      {"ones: shape: expected an integer", fnn.ones, nan},
      {"rand: shape: expected", fnn.rand, -1},
      {"randn: shape: expected", fnn.randn, 1.5},
      {"randint: shape: expected", fnn.randint, 1, 2, -1},
      {"randperm: n: expected", fnn.randperm, -1},
      {"linspace: dtype: expected", fnn.linspace, 1, 2, 3, {dtype = "int"}},
      {"no_grad: expected a function, got no value", fnn.no_grad},
      {"no_grad: expected a function, got table", fnn.no_grad, {}},
      {"profile: expected a function, got nil", fnn.profile},
      {"enable_grad: expected a function, got number 1", fnn.enable_grad, 1},
      {"he_normal: fan_in: expected a number of 0 or more, got nil", fnn.initializers.he_normal, {2}},
      {"glorot_uniform: fan_out: expected a number of 0 or more, got nil", fnn.initializers.glorot_uniform, {2}, 2},
      {"zeros: shape: expected a list of sizes, got number", fnn.initializers.zeros, 5},
      {"orthogonal: shape: expected at least one size", fnn.initializers.orthogonal, {}},
      {"SGD: lr: expected a number of 0 or more, or a schedule, got number", fnn.optim.SGD, {lr = nan}},
      {"Trainer: optimizer: expected one of fnn.optim", fnn.Trainer,
        {model = nn.Dense {2}, loss = "huber", optimizer = {}}},
      {"Dataset: scale: expected a number, got string 'x'", fnn.data.Dataset, {x, classes, scale = "x"}},
      {"Dataset: class_names: expected a table, got number 1", fnn.data.Dataset, {x, classes, class_names = 1}},
      {"load_state: expected a table of tensors by name, got nil", nn.Dense({2}).load_state, nn.Dense {2}},
      {"load: classes: expected a table of classes by name, got number", nn.load, path, 1},
      {"safetensors.load: expected a path, got number", fnn.safetensors.load, 3},
      {"safetensors.save: expected a path, got number", fnn.safetensors.save, 3, {}},
      {"safetensors.save: tensors: expected a list, got nil", fnn.safetensors.save, path},
      {"safetensors.save: tensors: element 1: expected {name, tensor}", fnn.safetensors.save, path, {5}},
      {"safetensors.save: checksum: expected true or false, got string 'no'", fnn.safetensors.save, path, {}, {}, "no"},
      {"write_file: path: expected a string, got table", fnn.write_file, {}, "x"},
      {"write_file: content: expected a text or a list, got nil", fnn.write_file, path},
      {"write_file: content: expected a text, or a list of texts and tensors, got number", fnn.write_file, path, {1}},
      {"write_file: content: expected a text, or a list of texts and tensors, got a table that is no list",
        fnn.write_file, path, {text = "abc"}},
      {"json: indent: expected a string of spaces, got number", fnn.json.encode, {}, 2},
      {"confusion_matrix: predicted: expected a tensor, got nil", fnn.metrics.confusion_matrix},
      {"confusion_matrix: target: expected (examples), got (2,3)", fnn.metrics.confusion_matrix, classes, x, 3},
      {"confusion_matrix: classes: expected an integer of 1 or more", fnn.metrics.confusion_matrix, classes, classes},
      {"out of memory", fnn.metrics.confusion_matrix, classes, classes, 2 ^ 40 | 0},
      {"classification_report: expected a tensor, got nil", fnn.metrics.classification_report},
      {"confusion: expected (classes, classes), got (2,3)", fnn.report.confusion, x},
      {"classification: names: expected a table, got string 'x'", fnn.report.classification, fnn.ones(2, 2), "x"},
    }
    for _, case in ipairs(wrong) do
      local ok, message = pcall(table.unpack(case, 2, math.max(#case, case[1]:find "no value" and 2 or 3)))
      assert.is_false(ok, case[1])
      assert.is_truthy(tostring(message):find(case[1], 1, true), ("%s instead of %s"):format(message, case[1]))
    end
  end)

  it("take what can be called for a function", function()
    local callable = setmetatable({}, {__call = function(_, value) return value, fnn.is_grad_enabled() end})
    assert.same({7, false}, {fnn.no_grad(callable, 7)})
  end)
end)

describe("a Lua state that is closed", function()
  it("refuses what finalizers still ask for", function()
    local code, out = process.run_lua [[
      late = setmetatable({}, {__gc = function()
        for name, f in pairs(calls) do
          local ok, message = pcall(f)
          print(name, ok, (tostring(message):gsub("^.-: ", "", 1)))
        end
      end})
      local core = require "fmnistnn.core"
      local t = core.full({2}, 1)
      calls = {
        memory = core.memory, full = function() return core.full({2}, 1) end, use = function() return t + 1 end,
        close = function() t:close() end, no_grad = function() core.no_grad(print) end,
      }
    ]]
    assert.equal(0, code)
    for _, name in ipairs {"memory", "full", "use", "no_grad"} do
      assert.is_truthy(out:find(name .. "\tfalse", 1, true), out)
    end
  end)

  it("in the middle of everything frees it all", function()
    local code, out, err = process.run_lua [[
      local core = require "fmnistnn.core"
      local w = core.full({3}, 1)
      w.requires_grad = true
      kept = {w, w:exp(), core.record("op", w:detach(), {w}, coroutine.yield)}
      waiting = coroutine.wrap(function() kept[3]:sum():backward() end)
      waiting()
      inside = coroutine.wrap(function() core.no_grad(coroutine.yield) end)
      inside()
      core.set_threads(2)
      kept[4] = core.uniform({100000}, 0, 1):exp()
      print "end"
    ]]
    assert.equal(0, code, err)
    assert.equal("end\n", out)
  end)
end)

describe("a finalizer that closes tensors", function()
  it("does not take them away from under a call", function()
    for _ = 1, 50 do
      local x, y = fnn.ones(10, 10), fnn.ones(10, 10)
      setmetatable({}, {__gc = function()
        x:close()
        y:close()
      end})
      for _ = 1, 100 do
        local ok, message = pcall(function() return #x:totable() + #x.shape + #(x + y):tobytes() + #fnn.cat({x,
          y}).shape end)
        if not ok then
          assert.is_truthy(message:find("closed", 1, true), message)
          break
        end
      end
      collectgarbage("step")
    end
  end)
end)

describe("an error of misuse", function()
  -- Each raises in a line of this file; the library notices it in one of its own.
  local function raise_all()
    local x, dense = fnn.ones(2, 3), fnn.nn.Dense{2}
    dense(x)
    return {
      function() fnn.tensor("x") end,
      function() fnn.zeros(-1) end,
      function() fnn.arange(0, 1, 0) end,
      function() x:split(3, 2.5) end,
      function() x:tile(1 << 40, 1 << 40) end,
      function() return x[{1, 2, 3}] end,
      function() return x[true] end,
      function() x[{5}] = 1 end,
      function() fnn.nn.Dense{2, kernel = {1}} end,
      function() dense(fnn.ones(2, 4)) end,
      function() fnn.nn.functional.dropout(x, 2) end,
      function() fnn.losses.huber(x, 1) end,
      function() fnn.no_grad(function() fnn.losses.cross_entropy(x, fnn.tensor({1, 9}, {dtype = "int64"})) end) end,
    }
  end

  it("names the line of the script that called", function()
    local here = debug.getinfo(1, "S").short_src
    for i, f in ipairs(raise_all()) do
      local ok, message = pcall(f)
      local line = debug.getinfo(f, "S").linedefined
      assert.is_false(ok, "number " .. i)
      assert.equal(("%s:%d: "):format(here, line), message:match("^.-:%d+: "), message)
    end
  end)
end)

describe("options within a list", function()
  it("are refused rather than lost", function()
    local x, words = fnn.ones(2, 3), "given within a list; options are a table of their own"
    refuses({"sum: keepdim: " .. words}, x.sum, x, {1, keepdim = true})
    refuses({"zeros: dtype: " .. words}, fnn.zeros, {2, 3, dtype = "int64"})
    refuses({"tensor: dtype: " .. words}, fnn.tensor, {{1, 2}, {3, 4}, dtype = "int64"})
    refuses({"reshape: foo: " .. words}, x.reshape, x, {3, 2, foo = 1})
  end)
end)

describe("an option that must be true or false", function()
  it("is not taken for true where it is another thing", function()
    local x = fnn.ones(2)
    for _, wrong in ipairs {0, "false", {}, x} do
      refuses({"ones: requires_grad: expected true or false, got"}, fnn.ones, {2}, {requires_grad = wrong})
    end
  end)
end)

describe("anything called with anything", function()
  -- FMNISTNN_FUZZ_SECONDS and FMNISTNN_FUZZ_SEED make it longer, and other.
  it("neither crashes nor leaks", function()
    local seconds = tonumber(os.getenv("FMNISTNN_FUZZ_SECONDS") or "") or 3
    local seed, start = tonumber(os.getenv("FMNISTNN_FUZZ_SEED") or "") or 1, core.now()
    repeat
      fuzz.round(seed, 500)
      seed = seed + 1
    until core.now() - start > seconds
  end)
end)
