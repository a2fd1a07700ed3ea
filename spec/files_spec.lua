-- Models in files: what is saved comes back to the bit; a save that fails leaves what was there; a file that is damaged
-- or hostile gives nil and a message.
local core = require "fmnistnn.core"
local fnn = require "fmnistnn"
local json = require "fmnistnn.json"
local process = require "spec.support.process"
local safetensors = require "fmnistnn.safetensors"
local saved = require "spec.support.saved"

local nn = fnn.nn
local quote = process.quote
local assert_same_state, refused, same_bits = saved.assert_same_state, saved.refused, saved.same_bits
local folder

setup(function() folder = process.folder() end)
teardown(function() process.remove(folder) end)

local function plain(text, words) return text:find(words, 1, true) ~= nil end

-- Saves and loads a model; checks its state, its outputs for these inputs (in evaluation), and that the
-- loaded one is saved as the same bytes.
local function round_trip(model, inputs, classes)
  local path = folder .. "/model.safetensors"
  assert(model:save(path))
  local loaded = assert(nn.load(path, classes))
  assert.are.equal(model.class_name, loaded.class_name)
  assert_same_state(model, loaded)
  model:eval()
  loaded:eval()
  assert(same_bits(model(table.unpack(inputs)), loaded(table.unpack(inputs))), model.class_name)
  local again = folder .. "/again.safetensors"
  assert(loaded:save(again))
  assert(process.read(path) == process.read(again), "saved anew it has other bytes")
  return loaded
end

describe("save and load", function()
  before_each(function() fnn.manual_seed(11) end)

  local function images() return fnn.randn(2, 4, 6, 6) end
  local function rows() return fnn.randn(3, 4) end

  -- A model of each class, and inputs for it.
  local cases = {
    Sequential = function() return nn.Sequential {nn.Dense {3}, nn.Sequential {nn.Dense {2}}}, rows() end,
    Conv2d = function()
      return nn.Conv2d {6, kernel = {3, 2}, stride = 2, padding = "same", groups = 2, activation = {"leaky_relu",
      negative_slope = 0.3}},
        images()
    end,
    ConvTranspose2d = function()
      return nn.ConvTranspose2d {3, kernel = 3, stride = 2, padding = {1, 0, 1, 1}, output_padding = 1,
      bias = false}, images()
    end,
    Dense = function() return nn.Dense {5, activation = "tanh", initializer = {"normal", deviation = 0.1}}, rows() end,
    Embedding = function()
      return nn.Embedding {7, size = 3, padding_index = 3}, fnn.tensor({1, 7, 3}, {dtype = "int64"})
    end,
    BatchNorm1d = function() return nn.BatchNorm1d {momentum = 0.5}, rows() end,
    BatchNorm2d = function() return nn.BatchNorm2d {affine = false, epsilon = 0.1}, images() end,
    LayerNorm = function() return nn.LayerNorm {axes = 2}, images() end,
    GroupNorm = function() return nn.GroupNorm {2}, images() end,
    MaxPool2d = function() return nn.MaxPool2d {3, stride = {2, 1}, padding = "same"}, images() end,
    AvgPool2d = function() return nn.AvgPool2d {2, padding = 1, count_padding = true}, images() end,
    AdaptiveAvgPool2d = function() return nn.AdaptiveAvgPool2d {{4, 5}}, images() end,
    GlobalAvgPool2d = function() return nn.GlobalAvgPool2d {}, images() end,
    GlobalMaxPool2d = function() return nn.GlobalMaxPool2d(), images() end,
    Upsample2d = function() return nn.Upsample2d {{2, 3}, mode = "bilinear"}, images() end,
    ZeroPad2d = function() return nn.ZeroPad2d {{1, 2, 0, 3}}, images() end,
    Dropout = function() return nn.Dropout {0.25}, rows() end,
    Dropout2d = function() return nn.Dropout2d {rate = 0.5}, images() end,
    Flatten = function() return nn.Flatten(), images() end,
    Reshape = function() return nn.Reshape {{-1, 2, 9}}, images() end,
    Identity = function() return nn.Identity {}, rows() end,
    Activation = function() return nn.Activation {"elu", alpha = 0.5}, rows() end,
    Add = function() return nn.Add {nn.Dense {4}, nn.Identity {}}, rows() end,
    Ensemble = function()
      local shared = nn.Dense {2}
      return nn.Ensemble {shared, nn.Sequential {shared, nn.Activation {"tanh"}}, nn.Dense {2}}, rows()
    end,
    Concat = function() return nn.Concat {nn.Dense {2}, nn.Dense {3}, dim = -1}, rows() end,
    Residual = function() return nn.Residual {nn.Dense {2}, shortcut = nn.Dense {2}, activation = "relu"}, rows() end,
  }

  it("bring back a model of every class", function()
    for name in pairs(nn.layers) do
      if name ~= "Module" and name ~= "functional" and name ~= "load" then
        assert(cases[name], "there is no case for nn." .. name)
        local model, input = cases[name]()
        model(input)
        round_trip(model, {input})
      end
    end
  end)

  it("bring back a model that has never been called, which is then built like the first", function()
    local model = nn.Sequential {nn.Conv2d {3, kernel = 3}, nn.BatchNorm2d {}, nn.Flatten {}, nn.Dense {2}}
    assert(model:save(folder .. "/new"))
    local loaded = assert(nn.load(folder .. "/new"))
    assert.are.equal(0, #loaded:state())
    local x = images()
    fnn.manual_seed(5)
    local expected = model(x)
    fnn.manual_seed(5)
    assert(same_bits(expected, loaded(x)))
  end)

  it("bring back what training left: statistics and their count", function()
    local model = nn.Sequential {nn.Conv2d {3, kernel = 3}, nn.BatchNorm2d {}, nn.Activation {"relu"}, nn.Flatten {},
    nn.Dense {2}}
    for _ = 1, 3 do model(images()) end
    local loaded = round_trip(model, {images()})
    assert.are.equal(3, loaded[2].batches:item())
    assert.are.equal("int64", loaded[2].batches.dtype)
    assert.is_false(loaded[2].running_mean.requires_grad)
  end)

  it("train on from where the file stands", function()
    local model = nn.Sequential {nn.Dense {4, activation = "tanh"}, nn.Dense {2}}
    model(rows())
    local loaded = round_trip(model, {rows()})
    local x, y = rows(), fnn.tensor({1, 2, 1}, {dtype = "int64"})
    for _, each in ipairs {model, loaded} do
      local optimizer = fnn.optim.Adam {model = each, global_clip_norm = 0.5}
      for _ = 1, 3 do
        optimizer:zero_grad()
        fnn.losses.cross_entropy(each(x), y):backward()
        optimizer:step()
      end
    end
    assert_same_state(model, loaded)
  end)

  it("keep frozen parameters frozen", function()
    local model = nn.Sequential {nn.Dense {4}, nn.Dense {2}}
    model(rows())
    model[1]:requires_grad_(false)
    local loaded = round_trip(model, {rows()})
    assert.is_false(loaded[1].weight.requires_grad)
    assert.is_true(loaded[2].weight.requires_grad)
  end)

  it("keep odd values, empty tensors and scalars", function()
    local Odd = nn.Module:extend("Odd")
    function Odd:forward(x) return x end
    local model = Odd()
    model.values = fnn.tensor {0 / 0, math.huge, -math.huge, -0.0, 1e-45, 3.4e38}
    model.none = fnn.zeros(0)
    model.rows = fnn.zeros(3, 0, 2)
    model.scalar = fnn.tensor(2.5, {requires_grad = true})
    model.bytes = fnn.tensor({{0, 255}}, {dtype = "uint8"})
    model.numbers = fnn.tensor({math.maxinteger, math.mininteger, -1}, {dtype = "int64"})
    model.strided = fnn.arange(6):float():reshape(2, 3):t()
    round_trip(model, {rows()}, {Odd = Odd})
    local only = Odd()
    only.rows = fnn.zeros(2, 0)
    round_trip(only, {rows()}, {Odd = Odd})
    round_trip(Odd(), {rows()}, {Odd = Odd})
  end)

  it("bring back classes of one's own, with their arguments", function()
    local Block = nn.Module:extend("Block")
    function Block:init(units, options, inner, scale)
      self.first = nn.Dense {units, activation = options.activation}
      self.layers = {inner, nn.Dense {units}}
      self.offset = fnn.full({units}, scale)
      self._twice = options.sizes[2] == 2.5 and options.deep.er == "x" and scale == 0.1
    end
    function Block:forward(x)
      x = self.layers[2](self.layers[1](self.first(x))) + self.offset
      return self._twice and x * 2 or x
    end
    local model = Block(4, {activation = "relu", sizes = {1, 2.5, false}, deep = {er = "x"}}, nn.Dense {3}, 0.1)
    model(rows())
    local loaded = round_trip(model, {rows()}, {Block = Block})
    assert.is_true(loaded._twice)
    local names = {}
    for name in loaded:named_parameters() do names[#names + 1] = name end
    assert.are.equal("first.weight first.bias layers.1.weight layers.1.bias layers.2.weight layers.2.bias",
    table.concat(names, " "))
    local whole = nn.Sequential {model, nn.Dense {2}}
    whole(rows())
    round_trip(whole, {rows()}, {Block = Block})
  end)

  it("keep the kind and number of arguments", function()
    local seen
    local Any = nn.Module:extend("Any")
    function Any:init(...) seen = table.pack(...) end
    function Any:forward(x) return x end
    assert(Any(1, 1.0, -0.0, math.maxinteger, 1e300, "a\0\"é", true, nil, false, nil):save(folder .. "/any"))
    assert(nn.load(folder .. "/any", {Any = Any}))
    assert.are.equal(10, seen.n)
    assert.are.equal("integer float float integer float string boolean nil boolean nil", (table.concat({
      math.type(seen[1]), math.type(seen[2]), math.type(seen[3]), math.type(seen[4]), math.type(seen[5]),
      type(seen[6]), type(seen[7]),
      type(seen[8]), type(seen[9]), type(seen[10]),
    }, " ")))
    assert.are.equal(-math.huge, 1 / seen[3])
    assert.are.equal("a\0\"é", seen[6])
  end)

  it("keep numbers that are not finite among the arguments", function()
    local Mask = nn.Module:extend("Mask")
    function Mask:init(options)
      self._fill = options.fill
      self.dense = nn.Dense {2}
    end
    function Mask:forward(x) return self.dense(x):maximum(self._fill) end
    for _, fill in ipairs {-math.huge, math.huge, 0 / 0} do
      local model = Mask {fill = fill}
      model(rows())
      local loaded = round_trip(model, {rows()}, {Mask = Mask})
      assert.are.equal(("%f"):format(fill), ("%f"):format(loaded._fill))
    end
  end)

  it("keep what occurs twice one thing", function()
    local shared = nn.Dense {4}
    local model = nn.Sequential {shared, nn.Activation {"tanh"}, shared}
    model(rows())
    local loaded = round_trip(model, {rows()})
    assert.is_true(rawequal(loaded[1], loaded[3]))

    local Pair = nn.Module:extend("Pair")
    function Pair:init(parts) self.a, self.b, self.c = parts.a, parts.b, parts.c end
    function Pair:forward(x) return self.a(x) + self.b(x) + self.c(x) end
    for _ = 1, 10 do -- the order of a table's fields is not always the same
      local pair = Pair {a = shared, b = shared, c = shared, d = {e = shared}}
      pair(rows())
      local back = round_trip(pair, {rows()}, {Pair = Pair})
      assert.is_true(rawequal(back.a, back.b) and rawequal(back.b, back.c))
    end
  end)

  it("keep it one thing where another locale sorts names otherwise", function()
    local Pair = nn.Module:extend("Pair")
    function Pair:init(parts) self.a, self.b = parts.a, parts.B end
    function Pair:forward(x) return self.a(x) + self.b(x) end
    local shared, sort = nn.Dense {4}, table.sort
    local model = Pair {a = shared, B = shared}
    model(rows())
    assert(model:save(folder .. "/pair"))
    finally(function() table.sort = sort end) -- luacheck: ignore 122
    function table.sort(list, before) -- luacheck: ignore 122
      sort(list, before or function(a, b) return a:lower() < b:lower() end)
    end
    local loaded = assert(nn.load(folder .. "/pair", {Pair = Pair}))
    assert.is_true(rawequal(loaded.a, loaded.b))
  end)

  it("keep tied weights tied", function()
    local model = nn.Sequential {nn.Dense {4}, nn.Dense {4}}
    model(rows())
    model[2].weight = model[1].weight
    local loaded = round_trip(model, {rows()})
    assert.is_true(rawequal(loaded[1].weight, loaded[2].weight))
    assert.are.equal(3, #loaded:parameters())
  end)

  it("keep layers that have been exchanged or added since", function()
    local model = nn.Sequential {nn.Dense {4}, nn.Dense {10}}
    model(rows())
    model[2] = nn.Dense {2, activation = "relu"}
    model[3] = nn.Activation {"softmax"}
    model(rows())
    local loaded = round_trip(model, {rows()})
    assert.are.equal(3, #loaded)
    assert.are.equal("relu", loaded[2]._options.activation)
  end)

  it("keep branches that have been exchanged", function()
    local function dense(activation) return nn.Dense {4, activation = activation} end
    local concat = nn.Concat {dense(), dense(), dim = 1}
    concat[2] = dense "tanh"
    local residual = nn.Residual {dense(), activation = "relu"}
    residual.body, residual.shortcut = dense "sigmoid", dense "tanh"
    for _, model in ipairs {nn.Add {dense(), dense "tanh"}, nn.Ensemble {dense(), dense()}, concat, residual} do
      model[1] = model[1] and dense "relu"
      model(rows())
      round_trip(model, {rows()})
    end
  end)

  it("keep what has been exchanged in classes derived from ours", function()
    local Twice = nn.Sequential:extend("Twice")
    function Twice:forward(x) return nn.Sequential.forward(self, x) * 2 end
    local Again = Twice:extend("Again")
    for class, given in pairs {
      [Twice] = {nn.Dense {4}, nn.Activation {"relu"}}, [Again] = {nn.Dense {4}, nn.Activation {"relu"}},
      [nn.Add:extend "Sum"] = {nn.Dense {4}, nn.Dense {4, activation = "relu"}},
      [nn.Concat:extend "Both"] = {nn.Dense {4}, nn.Dense {4, activation = "relu"}, dim = 1},
    } do
      local model = class(given)
      model[2] = nn.Dense {4, activation = "tanh"}
      model(rows())
      round_trip(model, {rows()}, {[class.class_name] = class})
    end
    local Body = nn.Residual:extend("Body")
    local model = Body {nn.Dense {4}, activation = "relu"}
    model.body = nn.Dense {4, activation = "tanh"}
    model(rows())
    round_trip(model, {rows()}, {Body = Body})
  end)

  it("make a derived class with an init of its own as it was made", function()
    local Units = nn.Sequential:extend("Units")
    function Units:init(units) nn.Sequential.init(self, {nn.Dense {units}}) end
    local Named = Units:extend("Named")
    local model = Named(4)
    model(rows())
    round_trip(model, {rows()}, {Named = Named})
  end)

  it("keep the options that a layer was made with, whatever becomes of their table", function()
    local given = {4, activation = {"leaky_relu", negative_slope = 0.5}}
    local model = nn.Dense(given)
    given[1], given.activation[1], given.activation.negative_slope = 7, "tanh", nil
    model(rows())
    local loaded = round_trip(model, {rows()})
    assert.are.equal(4, loaded.weight:size(1))
  end)

  it("keep tensors under numbers", function()
    local List = nn.Module:extend("List")
    function List:forward(x) return x * self[1] + self[2] end
    local model = List()
    model[1], model[2] = fnn.tensor(2.0, {requires_grad = true}), fnn.tensor(3.0)
    round_trip(model, {rows()}, {List = List})
  end)

  it("do not touch the generator", function()
    local model = nn.Sequential {nn.Dense {4}}
    model(rows())
    local seed, offset = fnn.generator_state()
    assert(model:save(folder .. "/model"))
    assert(nn.load(folder .. "/model"))
    assert.are.same({seed, offset}, {fnn.generator_state()})
  end)

  it("leave no file open, whatever comes in between", function()
    local path, closed = folder .. "/open", fnn.zeros(1)
    closed:close()
    assert(safetensors.save(path, {a = fnn.zeros(1000)}))
    collectgarbage()
    core.empty_cache()
    local before = core.memory()
    local function count() -- at least; the pipe to who counts may still have two ends here
      local least = math.huge
      for _ = 1, 3 do least = math.min(least, #process.list("/proc/" .. core.process_id() .. "/fd")) end
      return least
    end
    collectgarbage("stop")
    local open = count()
    core.set_memory {limit = before.used}
    local loaded, message = pcall(safetensors.load, path)
    core.set_memory {limit = before.limit}
    local written = pcall(fnn.write_file, path, {"a", closed})
    require "fmnistnn.probe"(folder)
    local left = count()
    collectgarbage("restart")
    assert.is_false(loaded)
    assert(plain(message, "out of memory"), message)
    assert.is_false(written)
    assert.are.equal(open, left)
  end)

  it("take any name for the file", function()
    local model = nn.Sequential {nn.Flatten {}}
    for _, name in ipairs {"with space", "it's \"$(x)\"", "-x", "é\n", "%s%d", "[1]", "*"} do
      assert(model:save(folder .. "/" .. name))
      assert(nn.load(folder .. "/" .. name))
    end
  end)
end)

describe("save refuses", function()
  local function raises(model, message)
    local path = folder .. "/refused"
    assert.error_matches(function() model:save(path) end, message)
    assert.is_nil(process.read(path))
  end

  it("functions and other values that a file cannot hold", function()
    raises(nn.Sequential {nn.Dense {3, activation = math.abs}},
    "Dense: argument 1: activation: a function cannot be saved")
    raises(nn.Sequential {nn.Activation {function(x) return x end}},
    "Activation: argument 1: a function cannot be saved")
    local Own = nn.Module:extend("Own")
    raises(Own(1, print), "Own: argument 2: a function cannot be saved")
    raises(Own {a = {b = io.stdout}}, "Own: argument 1: a: b: a userdata cannot be saved")
    raises(Own(coroutine.create(print)), "a thread cannot be saved")
    raises(Own {[1.5] = 1}, "a table with the key 1.5 cannot be saved")
    raises(Own {[3] = 1}, "a table with the key 3 cannot be saved")
    raises(Own {[true] = 1}, "a table with the key true cannot be saved")
    local circle = {}
    circle.circle = circle
    raises(Own(circle), "Own: argument 1: circle: a table that contains itself cannot be saved")
    local twice = {}
    assert(Own(twice, {twice, twice}):save(folder .. "/twice"))
  end)

  it("what is no path", function()
    assert.error_matches(function() nn.Flatten():save() end, "save: expected a path, got nil")
    assert.error_matches(function() nn.load(5) end, "load: expected a path, got number")
  end)
end)

describe("a save that fails", function()
  local model, place

  setup(function()
    model = nn.Sequential {nn.Dense {50}}
    model(fnn.zeros(1, 200))
  end)
  before_each(function() place = process.folder() end)
  after_each(function() process.remove(place) end)

  local function fails(path, words)
    local ok, message = model:save(path)
    assert.is_nil(ok)
    assert(plain(message, path) and plain(message, words), message)
  end

  it("for want of a folder says so", function()
    fails(place .. "/none/model", "No such file or directory")
    process.write(place .. "/file", "x")
    fails(place .. "/file/model", "Not a directory")
    fails(place, "Is a directory")
    fails("", "")
    assert.are.same({"file"}, process.list(place))
  end)

  it("for want of room leaves the file that was there, and nothing else", function()
    local path = place .. "/model"
    assert(model:save(path))
    local before = process.read(path)
    local script = ([[
      local fnn = require "fmnistnn"
      local model = fnn.nn.Sequential {fnn.nn.Dense {50}}
      model(fnn.zeros(1, 200))
      print(model:save(%q))
    ]]):format(path)
    process.write(folder .. "/script.lua", script)
    -- files of at most 8 blocks of 512 bytes; the signal about it is ignored, so that write returns an error
    local code, out, err = process.run("trap '' XFSZ; ulimit -f 8; exec " .. process.lua(folder .. "/script.lua"))
    assert.are.equal(0, code, err)
    assert(plain(out, "nil\t" .. path) and plain(out, "File too large"), out)
    assert(process.read(path) == before)
    assert.are.same({"model"}, process.list(place))
  end)

  it("that the disk refuses at last leaves the file that was there, and nothing else", function()
    if not process.has "strace" then return pending("strace is needed") end
    process.write(place .. "/file", "before")
    process.write(folder .. "/script.lua",
      ('print(require("fmnistnn").write_file(%q, "after"))'):format(place .. "/file"))
    local function write(code)
      local before = ("strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=%s"):format(code)
      return process.run(process.lua(folder .. "/script.lua", before))
    end
    if write "EINVAL" ~= 0 then return pending("a process cannot be traced here") end
    assert.are.equal("after", process.read(place .. "/file"))
    process.write(place .. "/file", "before")
    for name, words in pairs {EIO = "Input/output error", ENOSPC = "No space left on device"} do
      local _, out = write(name)
      assert.are.equal(("nil\t%s/file: %s\n"):format(place, words), out)
      assert.are.equal("before", process.read(place .. "/file"))
      assert.are.same({"file"}, process.list(place))
    end
  end)

  it("that is interrupted leaves nothing", function()
    local closed = fnn.ones(2)
    closed:close()
    assert.error_matches(function() fnn.write_file(place .. "/new", {"a", closed}) end, "tensor is closed")
    assert.are.same({}, process.list(place))
  end)

  it("on a device says so, and leaves the device", function()
    if not os.execute "test -c /dev/full" then return pending("there is no /dev/full here") end
    fails("/dev/full", "No space left on device")
    assert(os.execute("ln -s /dev/full " .. quote(place .. "/link")))
    fails(place .. "/link", "No space left on device")
    assert.are.same({"link"}, process.list(place))
    assert.matches("^/dev/full", process.output("readlink " .. quote(place .. "/link")))
    assert(os.execute "test -c /dev/full")
  end)

  it("where nothing may be written says so", function()
    if process.output("id -u"):match("^0") then return pending("nothing is closed to root") end
    process.write(place .. "/model", "old")
    assert(os.execute("chmod a-w " .. quote(place)))
    fails(place .. "/model", "Permission denied")
    assert.are.equal("old", process.read(place .. "/model"))
  end)

  it("through a link is one through the file behind it", function()
    assert(os.execute(("mkdir %s/a; ln -s a/model %s/link"):format(place, place)))
    process.write(place .. "/a/model", "old")
    assert(model:save(place .. "/link"))
    assert(process.read(place .. "/a/model") == process.read(place .. "/link"))
    assert.matches("^a/model", process.output("readlink " .. quote(place .. "/link")))
    assert.are.same({"model"}, process.list(place .. "/a"))
    assert(nn.load(place .. "/link"))
  end)

  it("through links to what is not there makes that", function()
    assert(os.execute(("cd %s; mkdir a; ln -s a/second first; ln -s ../third a/second; ln -s $PWD/new third"):format(
      quote(place))))
    assert(fnn.write_file(place .. "/first", "x"))
    assert.are.equal("x", process.read(place .. "/new"))
    for link, target in pairs {first = "a/second", ["a/second"] = "../third", third = place .. "/new"} do
      assert.are.equal(target .. "\n", process.output("readlink " .. quote(place .. "/" .. link)))
    end
    assert(os.execute(("cd %s; ln -s none/new nowhere; ln -s other one; ln -s one other"):format(quote(place))))
    fails(place .. "/nowhere", "No such file or directory")
    fails(place .. "/one", "Too many levels of symbolic links")
    assert.are.same({"a", "first", "new", "nowhere", "one", "other", "third"}, process.list(place))
  end)

  it("and another one of the same file at once, as of two Lua states, are both whole", function()
    local path, sync, inner = place .. "/model", core.sync, nil
    finally(function() core.sync = sync end)
    core.sync = function(...) -- luacheck: ignore
      core.sync = sync -- luacheck: ignore
      inner = {fnn.write_file(path, "the other's")}
      return sync(...)
    end
    assert(fnn.write_file(path, {"o", "w", "n"}))
    assert.are.same({true}, inner)
    assert.are.equal("own", process.read(path))
    assert.are.same({"model"}, process.list(place))
  end)

  it("keeps the permissions of the file that was there, and shows nobody more in between", function()
    local path, sync, between = place .. "/model", core.sync, {}
    local function permissions(of) return process.output("stat -c %a " .. quote(of)):match("%d+") end
    process.write(path, "old")
    finally(function() core.sync = sync end)
    core.sync = function(written, ...) -- luacheck: ignore
      between[#between + 1] = permissions(written)
      return sync(written, ...)
    end
    for _, mode in ipairs {"600", "640", "666", "400", "755"} do
      assert(os.execute(("chmod %s %s"):format(mode, quote(path))))
      assert(fnn.write_file(path, mode))
      assert.are.same({mode, mode}, {permissions(path), process.read(path)})
    end
    assert.are.same({"600", "600", "600", "600", "600"}, between)
    assert(fnn.write_file(place .. "/new", "x"))
    process.write(place .. "/like", "x")
    assert.are.equal(permissions(place .. "/like"), permissions(place .. "/new"))
  end)
end)

describe("load refuses", function()
  local path

  setup(function() path = folder .. "/wrong" end)

  local function write(text) process.write(path, text) end
  local function refuses(words) refused(path, words, nn.load(path)) end

  -- A model file with this architecture and list of tensors, which are values or already JSON.
  local function write_model(architecture, state, tensors, format)
    local function text(value) return type(value) == "string" and value or json.encode(value) end
    assert(safetensors.save(path, tensors or {}, {
      format = format or "fmnistnn 1", architecture = text(architecture), state = text(state),
    }))
  end

  local function module(class, ...)
    local arguments = json.array {...}
    return {class = class, arguments = arguments, id = 1}
  end
  local nothing = json.array()

  it("what is not there, a folder, a pipe", function()
    refused(folder .. "/none", "No such file", nn.load(folder .. "/none"))
    refused(folder, "", nn.load(folder))
    assert(os.execute("mkfifo " .. quote(folder .. "/pipe")))
    local writer = io.popen(("sleep 0.1; printf 12345678 > %s"):format(quote(folder .. "/pipe")), "w")
    refused(folder .. "/pipe", "", nn.load(folder .. "/pipe"))
    writer:close()
  end)

  it("other safetensors files", function()
    assert(safetensors.save(path, {{"a", fnn.zeros(2)}}))
    refuses("expected a model of the format fmnistnn 1, got nil")
    write_model(module "Flatten", nothing, nil, "fmnistnn 2")
    refuses("got fmnistnn 2")
  end)

  it("classes that it does not know", function()
    local Own = nn.Module:extend("Own")
    function Own:forward(x) return x end
    assert(nn.Sequential {Own()}:save(path))
    refuses("the class Own is not known: give it to nn.load(path, {Own = Own})")
    refused(path, "the class Own", nn.load(path, {Other = Own}))
    assert(nn.load(path, {Own = Own}))
    for _, name in ipairs {"functional", "load", "layers", "", "Conv2D", "__index", "init", "extend"} do
      write_model(module(name), nothing)
      refuses(("the class %s is not known"):format(name))
    end
  end)

  it("architectures that are none", function()
    local damaged = {
      "", "x", "[]", "{}", "null", "1", '"x"', "true", '{"class":1}', '{"class":null,"arguments":[]}',
      '{"class":"Flatten"}',
      '{"class":"Flatten","arguments":1}', '{"class":"Flatten","arguments":"x"}', '{"same":1}', '{"same":null}',
      '{"same":{}}', '{"number":"1"}', '{"number":1}', '{"number":{}}', '{"number":null}',
      '{"list":[],"fields":{}}', '{"list":[],"fields":1}', '{"list":1,"fields":{}}',
      '{"class":"Sequential","arguments":[{"same":1}],"id":1}',
      '{"class":"Sequential","arguments":[{"list":[{"same":1}],"fields":{}}],"id":1}',
      ("["):rep(150) .. ("]"):rep(150), ("["):rep(100000),
    }
    for _, text in ipairs(damaged) do
      write_model(text, nothing)
      refuses("its architecture is damaged")
    end
    for _, state in ipairs {"", "x", "{}", "null", "1", "[1]", "[null]", "[[]]", "[{}]", '[{"name":1}]',
    '[{"trained":true}]'} do
      write_model(module "Flatten", state)
      refuses("its list of tensors is damaged")
    end
  end)

  it("arguments that the class does not take, with its words", function()
    write_model(module("Dense", {list = json.array {0}, fields = {}}), nothing)
    refuses("Dense: units: expected an integer of 1 or more, got number 0")
    write_model(module("Dense", {list = json.array {3}, fields = {activation = "nothing"}}), nothing)
    refuses("Dense: activation: expected one of")
    write_model(module("Sequential", {list = json.array {1}, fields = {}}), nothing)
    refuses("Sequential: element 1: expected a module, got number")
    write_model(module("Sequential", module "Flatten"), nothing)
    refuses("Sequential: expected a list of modules")
    write_model(module("Conv2d", "x"), nothing)
    refuses("Conv2d: expected a table of options")
    write_model(module("Activation", {list = json.array {{list = nothing, fields = {}}}, fields = {}}), nothing)
    refuses("Activation: ")
  end)

  it("tensors that do not belong to the model, or are missing", function()
    local one = fnn.tensor {1}
    local function state(...)
      local list = json.array()
      for i, name in ipairs {...} do list[i] = {name = name, trained = false} end
      return list
    end
    write_model(module "Identity", state "x", {})
    refuses("the tensor x is missing")
    write_model(module "Identity", json.array(), {{"x", one}})
    refuses("the tensor x is not one of the model's")
    write_model(module "Identity", state "1.weight", {{"1.weight", one}})
    refuses("the model has no module for the tensor 1.weight")
    write_model(module "Identity", '[{"name":"x","trained":false,"same":"y"}]', {{"x", one}})
    refuses("the tensor y is missing")
    write_model(module "Identity", '[{"name":"x","trained":false,"same":{}}]', {{"x", one}})
    refuses("is missing")
    write_model(module "Identity", '[{"name":"x","trained":true}]', {{"x", one:long()}})
    refuses("")
    for _, name in ipairs {
      "forward", "training", "class_name", "super", "train", "init", "__call", "__index", "_order", "_known",
      "_options", "_hidden",
    } do
      write_model(module "Identity", state(name), {{name, one}})
      refuses(("the tensor %s has the name of something else"):format(name))
    end
    local twice = {list = json.array {module "Flatten"}, fields = {}}
    write_model({class = "Sequential", arguments = json.array {twice}, id = 2}, state "1", {{"1", one}})
    refuses("the tensor 1 has the name of something else")
  end)

  it("heads that are none", function()
    local function head(text, data, length)
      write(string.pack("<I8", length or #text) .. text .. (data or ""))
      refused(path, "", safetensors.load(path))
      return refused(path, "", nn.load(path))
    end
    for _, length in ipairs {0, 1, 3, 7, 8, 9, 2 ^ 31 | 0, 2 ^ 32 | 0, 2 ^ 40 | 0, math.maxinteger, math.mininteger,
    -1} do
      if length ~= 2 then head("{}", "", length) end
    end
    for _, text in ipairs {
      "", "x", "[]", "null", "1", '"x"', "true", "{", '{"a"}', "{}{}", "{} x", ("["):rep(1000000),
      ('{"a":'):rep(100000), "\0\0\0\0",
      '{"a":1,"a":1}', '{"__metadata__":{},"__metadata__":{}}',
    } do
      head(text)
    end
    for _, metadata in ipairs {"1", "null", "[]", '"x"', '{"format":1}', '{"format":null}', '{"format":{}}',
    '{"a":["b"]}'} do
      head(('{"__metadata__":%s}'):format(metadata))
    end
    for _, text in ipairs {'{"__metadata__":{"format":"fmnistnn 1"}}', "{}", " {}", "{}   "} do
      write(string.pack("<I8", #text) .. text)
      assert.are.same({}, (safetensors.load(path)))
    end
  end)

  it("entries of wrong types, sizes that overflow, gaps and overlaps", function()
    local function entries(text, data)
      write(string.pack("<I8", #text) .. text .. data)
      core.empty_cache()
      local before = core.memory().peak
      refused(path, "", safetensors.load(path))
      assert(core.memory().peak - before < 10000)
    end
    local good = {dtype = '"F32"', shape = "[2]", data_offsets = "[0,8]"}
    local function entry(changed)
      local fields = {}
      for key, value in pairs(good) do
        value = changed[key] == nil and value or changed[key]
        if value then fields[#fields + 1] = ('"%s":%s'):format(key, value) end
      end
      return ('{"a":{%s}}'):format(table.concat(fields, ","))
    end
    local text = entry {}
    write(string.pack("<I8", #text) .. text .. ("\0"):rep(8))
    assert.are.same({0.0, 0.0}, assert(safetensors.load(path)).a:totable())

    for _, value in ipairs {"1", "null", "[]", "true", '"F32"', "{}"} do entries(('{"a":%s}'):format(value),
    ("\0"):rep(8)) end
    local wrong = {
      dtype = {
        false, "1", "null", "[]", "{}", '"f32"', '"F64"', '"F16"', '"BF16"', '"BOOL"', '"float32"', '""', '["F32"]',
        '"U8"', '"I64"',
      },
      shape = {
        false, "2", "null", "{}", '"2"', "[]", "[1]", "[3]", "[2.0]", "[2e0]", "[-2]", "[2,2]", '["2"]', "[null]",
        "[[2]]", "[true]", "[0]",
        "[4611686018427387904]", "[9223372036854775807]", "[9223372036854775808]", "[18446744073709551618]",
        "[4294967296,4294967296]",
        "[2,9223372036854775807]", "[0,9223372036854775807,9223372036854775807]",
        "[9223372036854775807,9223372036854775807,0]",
        "[1,1,1,1,1,1,1,1,2]", "[2,1e400]", "[1e308,1e308]", "[-1,-2]", "[-9223372036854775808]",
      },
      data_offsets = {
        false, "0", "null", "{}", '"x"', "[]", "[0]", "[8]", "[0,8,8]", "[0,9]", "[1,9]", "[8,0]", "[0,4]", "[4,8]",
        "[-8,0]", "[0.0,8.0]",
        '["0","8"]', "[null,8]", "[0,null]", "[[0],[8]]", "[0,9223372036854775807]",
        "[9223372036854775807,9223372036854775807]",
        "[-9223372036854775808,-9223372036854775800]", "[9223372036854775800,-9223372036854775808]",
        "[0,18446744073709551624]",
        "[true,false]", "[8,16]",
      },
    }
    for key, values in pairs(wrong) do
      for _, value in ipairs(values) do entries(entry {[key] = value}, ("\0"):rep(8)) end
    end
    local function two(a, b)
      local entry_at = '{"dtype":"U8","shape":[4],"data_offsets":%s}'
      return ('{"a":%s,"b":%s}'):format(entry_at:format(a), entry_at:format(b))
    end
    for _, each in ipairs {{"[0,4]", "[0,4]"}, {"[0,4]", "[3,7]"}, {"[0,4]", "[5,9]"}, {"[4,8]", "[8,12]"}, {"[0,4]",
    "[8,12]"}, {"[1,5]", "[5,9]"}} do
      for _, length in ipairs {7, 8, 9, 12} do entries(two(each[1], each[2]), ("\0"):rep(length)) end
    end
    entries(two("[0,4]", "[4,8]"), ("\0"):rep(9))
    entries(two("[0,4]", "[4,8]"), ("\0"):rep(7))
    text = two("[4,8]", "[0,4]")
    write(string.pack("<I8", #text) .. text .. "abcdefgh")
    assert.are.equal("efgh", assert(safetensors.load(path)).a:tobytes())
  end)
end)

describe("a damaged file", function()
  local path, good, head_length, model, x

  setup(function()
    path = folder .. "/small"
    x = fnn.randn(2, 3)
    model = nn.Sequential {nn.Dense {2}, nn.BatchNorm1d {}}
    model(x)
    assert(model:save(path))
    good = process.read(path)
    head_length = 8 + string.unpack("<I8", good)
  end)

  -- Loads it as it is now: a model, or nil and a message with its name; whichever, without an error and without much
  -- memory.
  local function try()
    core.empty_cache()
    local before = core.memory().peak
    local ok, loaded, message = pcall(nn.load, path)
    assert(ok, loaded)
    assert(core.memory().peak - before < 100000, "a damaged file took much memory")
    if loaded == nil then assert(plain(message, path), message) else assert(nn.Module.is_module(loaded)) end
    return loaded, message
  end

  it("is refused when it ends anywhere before its end, or goes on after it", function()
    for length = 0, #good - 1 do
      process.write(path, good:sub(1, length))
      assert.is_nil(try())
    end
    process.write(path, good .. "\0")
    assert.is_nil(try())
    process.write(path, good .. good)
    assert.is_nil(try())
    process.write(path, good)
    assert.is_truthy(try())
  end)

  it("is refused for any single wrong byte in its head, or is a whole model still", function()
    local kept = 0
    for at = 1, head_length do
      local byte = good:byte(at)
      for _, other in ipairs {byte ~ 1, byte ~ 2, byte ~ 128, byte + 1 & 255, 0, ("0"):byte(), ('"'):byte(),
      (" "):byte()} do
        if other ~= byte then
          process.write(path, good:sub(1, at - 1) .. string.char(other) .. good:sub(at + 1))
          local loaded = try()
          if loaded then -- a number in the architecture, a space: nothing is missing
            kept = kept + 1
            assert.are.equal(#model:state(), #loaded:state())
            pcall(loaded:eval(), x)
          end
        end
      end
    end
    assert(kept < head_length / 2, kept)
  end)

  it("is refused when two bytes change places, or one is lost or doubled", function()
    for at = 1, head_length do
      local before, byte, after = good:sub(1, at - 1), good:sub(at, at), good:sub(at + 1)
      process.write(path, before .. after)
      try()
      process.write(path, before .. byte .. byte .. after)
      try()
      process.write(path, before .. after:sub(1, 1) .. byte .. after:sub(2))
      try()
    end
  end)

  it("of random bytes is refused", function()
    local state = 0x9E3779B97F4A7C15
    local function random()
      state = state ~ state << 13
      state = state ~ state >> 7
      state = state ~ state << 17
      return state
    end
    for _ = 1, 1000 do
      local words = {}
      for i = 1, (random() & 31) + 1 do words[i] = random() end
      local bytes = string.pack(("i8"):rep(#words), table.unpack(words))
      process.write(path, bytes)
      assert.is_nil(try())
      process.write(path, string.pack("<I8", #bytes // 2) .. bytes)
      assert.is_nil(try())
    end
  end)
end)
