-- types/ against the program: every public name, option, argument and default has its entry, and every entry has a
-- thing behind it; the reference is written from them.
local options = require "fmnistnn.options"
local process = require "spec.support.process"

-- Modules take options.check when they are loaded, so this comes first: within `specs_of`, a function goes no further
-- than to its check.
local check, listener = options.check, nil
function options.check(who, given, spec)
  if not listener then return check(who, given, spec) end
  listener[who] = spec
  error("that was all", 0)
end

local core = require "fmnistnn.core"
local fnn = require "fmnistnn"
local nn, F = fnn.nn, fnn.nn.functional
local reference = assert(loadfile("scripts/reference"))("library")
local parsed = reference.parse()

-- ---- what there is ----

-- The names of the specs that a call checks its options by, and the specs.
local function specs_of(f, ...)
  listener = {}
  pcall(f, ...)
  local found = listener
  listener = nil
  return found
end

local function upvalue(f, name)
  for i = 1, 60 do
    local key, value = debug.getupvalue(f, i)
    if key == name then return value end
  end
  error("there is no upvalue " .. name)
end

local function is_public(name) return type(name) == "string" and (name:sub(1, 1) ~= "_" or name == "_VERSION") end

local function public_names(...)
  local names = {}
  for _, table_ in ipairs {...} do
    for name in pairs(table_) do
      if is_public(name) then names[name] = true end
    end
  end
  return names
end

-- An empty table, and one of the names that it is asked for.
local function watched()
  local asked = {}
  return setmetatable({}, {__index = function(_, name) asked[name] = true end}), asked
end

-- ---- what types/ says ----

local function class(name) return assert(parsed.classes["fmnistnn" .. name], "there is no class fmnistnn" .. name) end
local function functions_of(name) return parsed.functions["fmnistnn" .. name] or {} end

local function field_names(name)
  local names = {}
  for _, field in ipairs(reference.fields_of(parsed, class(name))) do
    if not field.name:find("^%[") then names[field.name] = true end
  end
  return names
end

-- Fields and functions, without those of a parent.
local function documented(name)
  local names = public_names(functions_of(name))
  for _, field in ipairs(class(name).fields) do
    if not field.name:find("^%[") then names[field.name] = true end
  end
  return names
end

local function missing_from(names, others)
  local list = {}
  for name in pairs(names) do
    if others[name] == nil then list[#list + 1] = name end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

local function assert_same_names(what, real, entries)
  assert.are.equal("", missing_from(real, entries), what .. ": not in types/")
  assert.are.equal("", missing_from(entries, real), what .. ": in types/, with nothing behind it")
end

-- The class that the last parameter of a function is of, if it is one of options.
local function options_class(item)
  local last = item.params[#item.params]
  return last and last.type:match("fmnistnn([%w_.]*Options)")
end

-- ---- names ----

describe("every public name has an entry, and every entry a name:", function()
  local data = fnn.data
  local set = data.Dataset {fnn.zeros(3, 2), fnn.tensor({1, 2, 1}, {dtype = "int64"})}
  local parts = upvalue(getmetatable(fnn).__index, "parts")

  it("the module", function()
    assert_same_names("fmnistnn", public_names(fnn, parts), documented "")
    for name in pairs(documented "") do assert(fnn[name] ~= nil, name) end
  end)

  it("tensors", function()
    local t = fnn.zeros(1)
    local fields = field_names ".Tensor"
    for field in pairs(fields) do assert(pcall(function() return t[field] end), field) end
    assert_same_names("Tensor", public_names(core.methods), public_names(functions_of ".Tensor"))
  end)

  it("operators", function()
    local real, entries = {}, {}
    for event in pairs(debug.getmetatable(fnn.zeros(1))) do real[event:match("^__(.*)")] = true end
    local others = {"index", "newindex", "gc", "close", "eq", "tostring", "name", "metatable"}
    for _, other in ipairs(others) do real[other] = nil end
    for _, operator in ipairs(class ".Tensor".operators) do entries[operator.name] = true end
    assert_same_names("operators", real, entries)
  end)

  it("layers", function()
    local real = public_names(nn.layers)
    real.layers = true
    assert_same_names("nn", real, documented ".nn")
    for name in pairs(real) do assert(nn[name] ~= nil, name) end
  end)

  it("callbacks", function()
    local real = public_names(fnn.callbacks.names)
    real.names = true
    assert_same_names("callbacks", real, documented ".callbacks")
    for name in pairs(real) do assert(fnn.callbacks[name] ~= nil, name) end
  end)

  it("modules", function()
    local entries = documented ".nn.Module"
    entries.training, entries.super = nil, nil -- of instances and of derived classes
    assert_same_names("nn.Module", public_names(nn.Module), entries)
    assert.is_true(nn.Flatten {}.training)
    assert.are.equal(nn.Module, nn.Flatten.super)
  end)

  for name, part in pairs {
    [".nn.functional"] = F, [".losses"] = fnn.losses, [".optim"] = fnn.optim, [".initializers"] = fnn.initializers,
    [".metrics"] = fnn.metrics, [".report"] = fnn.report, [".data"] = fnn.data, [".json"] = fnn.json,
    [".safetensors"] = fnn.safetensors, [".schedules"] = fnn.schedules,
    [".averages"] = fnn.averages, [".page"] = fnn.page,
  } do
    it(name:sub(2), function() assert_same_names(name, public_names(part), documented(name)) end)
  end

  it("objects", function()
    local optimizer = fnn.optim.SGD {parameters = {fnn.zeros(1):requires_grad_()}}
    local trainer = fnn.Trainer {model = nn.Flatten {}, loss = "hinge", optimizer = optimizer}
    local objects = {
      [".Optimizer"] = optimizer, [".Dataset"] = set, [".Trainer"] = trainer,
      [".Average"] = fnn.averages.EMA {nn.Flatten {}},
      [".page.Page"] = fnn.page {}, [".page.Chart"] = fnn.page.lines {title = "", series = {}},
    }
    for name, object in pairs(objects) do
      local methods = getmetatable(object)
      if name == ".Optimizer" or name == ".Average" then methods = getmetatable(methods).__index end
      assert_same_names(name, public_names(methods), public_names(functions_of(name)))
      for _, field in ipairs(class(name).fields) do
        assert(field.optional or object[field.name] ~= nil, name .. ": there is no " .. field.name)
      end
    end
  end)

  it("search", function()
    local search = fnn.search
    local names = public_names(search, upvalue(getmetatable(search).__index, "parts"))
    assert_same_names("search", names, documented ".search")
    local study = search.study {name = "s", sampler = search.Random {}}
    local trial = study:ask()
    study:tell(trial, 1)
    for name, object in pairs {[".search.Study"] = study, [".search.Trial"] = trial} do
      local properties = upvalue(getmetatable(object).__index, "properties")
      assert_same_names(name, public_names(getmetatable(object), properties),
        public_names(functions_of(name), properties))
      for _, field in ipairs(class(name).fields) do assert(object[field.name] ~= nil, field.name) end
    end
    local entries = field_names ".search.StoredTrial"
    for name in pairs(study.trials[1]) do assert(entries[name] or name == "id" or name == "study_id", name) end
  end)

  it("copies are what they are copies of", function()
    local homes = {
      [""] = fnn, [".Tensor"] = core.methods, [".losses"] = fnn.losses, [".nn.functional"] = F,
    }
    for owner, home in pairs(homes) do
      for name, item in pairs(functions_of(owner)) do
        local source = item.kind == "copy" and homes[item.of[1]:match("^fmnistnn(.*)")]
        if name:sub(-1) == "_" and item.kind == "copy" then
          assert.are.equal(name, item.of[2] .. "_")
        elseif source then
          assert(rawequal(home[name], source[item.of[2]]), item.shown)
        end
      end
    end
  end)
end)

-- ---- records ----

describe("records are as they are documented:", function()
  it("info and memory", function()
    assert_same_names("Info", fnn.info(), field_names ".Info")
    assert_same_names("Memory", fnn.memory(), field_names ".Memory")
    local memory = fnn.memory()
    for name in pairs(field_names ".MemoryOptions") do fnn.set_memory {[name] = memory[name]} end
  end)

  it("layers' parameters and buffers", function()
    local image, row = fnn.zeros(1, 2, 3, 3), fnn.zeros(1, 2)
    local made = {
      Conv2d = {nn.Conv2d {2, kernel = 1}, image}, ConvTranspose2d = {nn.ConvTranspose2d {2, kernel = 1}, image},
      Dense = {nn.Dense {2}, row}, Embedding = {nn.Embedding {2, size = 3}, fnn.ones({1}, {dtype = "int64"})},
      BatchNorm1d = {nn.BatchNorm1d {}, row}, BatchNorm2d = {nn.BatchNorm2d {}, image},
      LayerNorm = {nn.LayerNorm {}, row}, GroupNorm = {nn.GroupNorm {1}, image},
      Residual = {nn.Residual {nn.Identity {}, shortcut = nn.Identity {}}, row},
    }
    for name, item in pairs(functions_of ".nn") do
      local result = item.returns[1].type:match("^fmnistnn(%.nn%.[%w]+)$")
      if name ~= "Sequential" and result and result ~= ".nn.Module" then
        local module, real = assert(made[name], name)[1], {}
        module(made[name][2])
        for _, entry in ipairs(module:state()) do real[entry[1]] = true end
        for child in module:named_modules() do real[child] = child ~= "" or nil end
        assert_same_names(name, real, documented(result))
      end
    end
  end)

  it("summaries", function()
    local print = _G.print
    _G.print = function() end -- luacheck: ignore
    local totals = nn.Dense {2}:summary {3}
    _G.print = print -- luacheck: ignore
    assert_same_names("Summary", totals, field_names ".nn.Summary")
  end)

  it("metrics and reports", function()
    local entries = field_names ".Metric"
    entries.costly, entries.mode = nil, nil
    for _, metric in ipairs {fnn.metrics.accuracy(), fnn.metrics.top_k(1), fnn.metrics.f1(), fnn.metrics.roc_auc()} do
      for name in pairs(entries) do assert(metric[name] ~= nil, name) end
    end
    local classes = fnn.metrics.classification_report(fnn.ones({2, 2}, {dtype = "int64"}))
    assert_same_names("ClassReport", classes[1], field_names ".ClassReport")
  end)

  it("histories and callbacks", function()
    local labels = fnn.ones({4}, {dtype = "int64"})
    local trainer = fnn.Trainer {model = nn.Dense {2}, optimizer = fnn.optim.SGD {}, loss = "cross_entropy"}
    local callback, asked = watched()
    local history = trainer:fit({fnn.zeros(4, 3), labels}, {
      validation_split = 0.5, progress = false, callbacks = {callback},
    })
    local entries = field_names ".History"
    entries.interrupted, entries.stopped, entries.learning_rate = nil, nil, nil
    assert_same_names("History", history, entries)
    asked.name, asked.state, asked.set_state = true, true, true -- when a state is written and read
    assert_same_names("Callback", asked, field_names ".Callback")
  end)
end)

-- ---- options ----

-- The value that an entry gives as a default.
local function value_of(field) return assert(load("return " .. field.value))() end

local function assert_same_default(what, field, entry)
  if entry.default == nil then
    assert(field.value == nil, what .. ": there is no default")
    local optional = field.optional and field.default ~= "required"
    assert.are.equal(entry.optional == true, optional, what .. ": whether it is optional")
  elseif field.value then
    assert.are.same(entry.default, value_of(field), what)
  else -- in words, where the number says little
    assert(field.default and entry.default == math.maxinteger, what .. ": the default is not documented")
  end
end

-- A table of options, or nil for a function that takes none by name, against what its function checks.
local function assert_same_options(what, name, spec)
  local real, entries = {}, {}
  for _, entry in ipairs(spec) do real[entry[1]] = entry end -- a later one takes the place of one of the same name
  if name then
    for _, field in ipairs(reference.fields_of(parsed, class(name))) do
      if not field.name:find("^%[") then entries[field.name] = field end
    end
  end
  assert_same_names(what, real, entries)
  for option, entry in pairs(real) do assert_same_default(("%s: %s"):format(what, option), entries[option], entry) end
end

-- The only spec that a call checks.
local function spec_of(f, ...)
  local found = specs_of(f, ...)
  local name = next(found)
  assert(name and not next(found, name), "expected one check of options")
  return found[name]
end

describe("options and their defaults:", function()
  local x = fnn.zeros(1, 1)

  for name, item in pairs(functions_of ".nn") do
    if name ~= "Activation" and name ~= "load" then -- which take what no spec describes
      it("nn." .. name, function() assert_same_options(name, options_class(item), spec_of(nn[name], {})) end)
    end
  end

  for name, item in pairs(functions_of ".optim") do
    it("optim." .. name, function() assert_same_options(name, options_class(item), spec_of(fnn.optim[name], {})) end)
  end

  for name, item in pairs(functions_of ".schedules") do
    it("schedules." .. name, function()
      assert_same_options(name, options_class(item), spec_of(fnn.schedules[name], {}))
    end)
  end

  for name, item in pairs(functions_of ".averages") do
    it("averages." .. name, function()
      assert_same_options(name, options_class(item), spec_of(fnn.averages[name], {}))
    end)
  end

  it("averages", function()
    local average = fnn.averages.EMA {nn.Flatten {}}
    local spec = spec_of(average.update_batch_norm, average, nil, {})
    assert_same_options("update_batch_norm", ".averages.UpdateBatchNormOptions", spec)
  end)

  for name, item in pairs(functions_of ".callbacks") do
    it("callbacks." .. name, function()
      assert_same_options(name, options_class(item), spec_of(fnn.callbacks[name], {}))
    end)
  end

  for name, item in pairs(functions_of ".losses") do
    it("losses." .. name, function()
      assert_same_options(name, options_class(item.source or item), spec_of(fnn.losses[name], x, x, {}))
    end)
  end

  for name, item in pairs(functions_of ".initializers") do
    if name ~= "make" and name ~= "buffer" and name ~= "exists" then
      it("initializers." .. name, function()
        assert_same_options(name, options_class(item), spec_of(fnn.initializers[name], {1, 1}, 1, 1, {}))
      end)
    end
  end

  it("training", function()
    assert_same_options("Trainer", ".TrainerOptions", spec_of(fnn.Trainer, {}))
    for name, item in pairs(functions_of ".Trainer") do
      if name ~= "halt" and name ~= "save" and name ~= "load" then -- which take none
        assert_same_options(name, options_class(item), spec_of(fnn.Trainer[name], {}, nil, {}))
      end
    end
  end)

  it("search", function()
    local search = fnn.search
    local study = search.study {name = "s", sampler = search.Random {}}
    for name, item in pairs(functions_of ".search") do
      local known = options_class(item)
      if known then
        assert_same_options(name, known, spec_of(search[name], table.unpack(item.params[2] and {1, 2, {}} or {{}})))
      end
    end
    assert_same_options("optimize", ".search.OptimizeOptions", spec_of(study.optimize, study, print, {}))
    assert_same_options("tell", ".search.TellOptions", spec_of(study.tell, study, 0, 0, {}))
    assert_same_options("importances", ".search.ImportancesOptions", spec_of(study.importances, study, {}))
    assert_same_options("report", ".search.ReportOptions", spec_of(study.report, study, "x", {}))
    assert_same_options("enqueue", ".search.EnqueueOptions", spec_of(study.enqueue, study, {}, {}))
  end)

  for name, item in pairs(functions_of ".metrics") do
    if options_class(item) then
      it("metrics." .. name, function()
        local arguments = item.params[2] and {1, {}} or {{}}
        assert_same_options(name, options_class(item), spec_of(fnn.metrics[name], table.unpack(arguments)))
      end)
    end
  end

  it("predict", function()
    assert_same_options("predict", ".EvaluateOptions", spec_of(nn.Identity {}.predict, nn.Identity {}, x, {}))
  end)

  it("data", function()
    local set = fnn.data.Dataset {x, x}
    assert_same_options("batches", ".data.BatchesOptions", spec_of(set.batches, set, {}))
    assert_same_options("split", ".data.PartOptions", spec_of(set.split, set, 0.5, {}))
    assert_same_options("folds", ".data.PartOptions", spec_of(set.folds, set, 2, {}))
    local augmented = spec_of(set.augmented, set, {})
    assert_same_options("augmented", ".data.AugmentedOptions", augmented)
    assert_same_options("fashion_mnist", ".data.FashionMnistOptions", spec_of(fnn.data.fashion_mnist, {}))
    local known = public_names(upvalue(fnn.data.Dataset, "dataset_options"))
    assert_same_names("Dataset", known, field_names ".data.DatasetOptions")
  end)

  it("pages", function()
    local page = fnn.page
    assert_same_options("page", ".page.PageOptions", spec_of(page, {}))
    for name, item in pairs(functions_of ".page") do
      if name ~= "spread" then assert_same_options(name, options_class(item), spec_of(page[name], {})) end
    end
    assert_same_options("table", ".page.TableOptions", spec_of(page {}.table, page {}, {}))
    for name, spec in pairs {
      Line = upvalue(page.lines, "series_spec"), PointSeries = upvalue(page.scatter, "series_spec"),
      Points = upvalue(page.contour, "point_spec"), Curve = upvalue(page.curves, "series_spec"),
      Span = upvalue(upvalue(page.timeline, "check_spans"), "span_spec"),
    } do
      assert_same_options(name, ".page." .. name, spec)
    end
  end)

  it("axes", function()
    local Axis = require "fmnistnn.page.axis"
    for kind, name in pairs {places = "PlaceAxis", colors = "ColorAxis", values = "Axis"} do
      assert_same_options(name, ".page." .. name, spec_of(Axis.new, "x", {}, kind))
    end
    local parallel = spec_of(Axis.new, "x", {}, "parallel")
    parallel[#parallel + 1] = {"values", "any"}
    assert_same_options("ParallelAxis", ".page.ParallelAxis", parallel)
  end)

  it("functions", function()
    assert_same_options("custom", ".CustomOptions", spec_of(fnn.custom, {}))
    assert_same_options("topk", ".TopkOptions", spec_of(x.topk, x, 1, 1, {}))
    assert_same_options("batch_norm", ".nn.functional.BatchNormOptions", spec_of(F.batch_norm, x, {}))
    assert_same_options("dropout", ".nn.functional.DropoutOptions", spec_of(F.dropout, x, 0.5, {}))
    assert_same_options("dropout2d", ".nn.functional.DropoutOptions", spec_of(F.dropout2d, x, 0.5, {}))
  end)

  it("of tensors and gradients", function()
    local values = {dtype = "float32", requires_grad = true}
    assert_same_names("TensorOptions", values, field_names ".TensorOptions")
    for _, name in ipairs {"zeros", "ones", "rand", "randn"} do fnn[name]({1}, values) end
    fnn.tensor(1, values)
    fnn.full({1}, 1, values)
    fnn.zeros_like(x, values)
    fnn.ones_like(x, values)
    fnn.arange(3, values)
    fnn.linspace(0, 1, 2, values)
    fnn.eye(2, values)
    fnn.uniform({1}, 0, 1, values)
    fnn.normal({1}, 0, 1, values)
    for name in pairs(field_names ".BackwardOptions") do
      fnn.ones({}, {requires_grad = true}):sum():backward {[name] = true}
    end
  end)
end)

-- ---- arguments ----

local function parameter_names(item)
  local names = {}
  for i, param in ipairs(item.params) do names[i] = param.name end
  if names[#names] == "..." and #names > 1 then names[#names] = nil end -- sizes and axes one by one
  return table.concat(names, ", ")
end

-- Arguments of ops are named in their descriptors.
it("arguments of ops have their names", function()
  for owner, home in pairs {[".Tensor"] = core.methods, [".nn.functional"] = F} do
    for name, item in pairs(functions_of(owner)) do
      if item.kind == "function" and core.ops[name] and rawequal(home[name], core.ops[name]) then
        local first = item.method and 2 or 1
        assert.are.equal(table.concat(core.arguments[name], ", ", first), parameter_names(item), item.shown)
      end
    end
  end
end)

-- Other functions have no more parameters than they are written with.
it("functions take as many arguments as are documented", function()
  local homes = {
    [""] = fnn, [".Tensor"] = core.methods, [".nn.functional"] = F, [".nn"] = nn, [".nn.Module"] = nn.Module,
    [".losses"] = fnn.losses, [".initializers"] = fnn.initializers, [".data"] = fnn.data, [".metrics"] = fnn.metrics,
    [".report"] = fnn.report, [".json"] = fnn.json, [".safetensors"] = fnn.safetensors, [".Trainer"] = fnn.Trainer,
    [".page"] = fnn.page, [".page.Page"] = getmetatable(fnn.page {}),
    [".page.Chart"] = getmetatable(fnn.page.lines {title = "", series = {}}),
    [".Dataset"] = getmetatable(fnn.data.Dataset {fnn.zeros(1), fnn.zeros(1)}),
    [".Optimizer"] = getmetatable(fnn.optim.SGD).__index, [".optim"] = fnn.optim,
    [".schedules"] = fnn.schedules, [".averages"] = fnn.averages, [".callbacks"] = fnn.callbacks,
    [".Average"] = getmetatable(fnn.averages.EMA).__index, [".Progress"] = fnn.Progress, [".search"] = fnn.search,
    [".callbacks.Backup"] = fnn.callbacks.BackupAndRestore, [".search.Study"] = require "fmnistnn.search.study",
    [".search.Trial"] = require "fmnistnn.search.trial",
  }
  for owner in pairs(parsed.functions) do
    local home = assert(homes[owner:match("^fmnistnn(.*)")], owner)
    for name, item in pairs(parsed.functions[owner]) do
      local what = type(home[name]) == "function" and item.kind == "function" and debug.getinfo(home[name], "uS")
      if what and what.what ~= "C" and not what.isvararg and name ~= "init" and name ~= "forward" then
        local count = #item.params + (item.method and 1 or 0)
        assert(count <= what.nparams, ("%s: it has %d parameters"):format(item.shown, what.nparams))
      end
    end
  end
end)

-- ---- defaults of arguments ----

-- What can be compared of a result.
local function contents(value)
  if fnn.is_tensor(value) then return {value.dtype, value.shape, value:totable(), value.requires_grad} end
  if nn.Module.is_module(value) then return {value.training, contents(value:state())} end
  if type(value) ~= "table" then return value end
  local list = {}
  for i, each in ipairs(value) do list[i] = contents(each) end
  return list
end

describe("defaults of arguments hold:", function()
  local image, weight = fnn.randn(1, 2, 3, 3), fnn.randn(2, 2, 2, 2)
  local vector, matrix = fnn.tensor {3, -1, 2}, fnn.tensor {{3, -1, 2, 5}, {0, 0.5, -7, 1}}

  -- Arguments before the first that has a default.
  local given = {
    ["fnn.frombytes"] = table.pack(vector:tobytes(), {3}),
    ["fnn.uniform"] = table.pack {3}, ["fnn.normal"] = table.pack {3},
    ["Tensor.cat"] = table.pack {matrix, matrix}, ["Tensor.stack"] = table.pack {matrix, matrix},
    ["Tensor:pad"] = table.pack(matrix, {{1, 1}}), ["Tensor:topk"] = table.pack(matrix, 1),
    ["Tensor:split"] = table.pack(matrix, 1), ["Tensor:chunk"] = table.pack(matrix, 2),
    ["F.linear"] = table.pack(matrix, matrix, nil),
    ["F.conv2d"] = table.pack(image, weight, nil), ["F.conv2d_relu"] = table.pack(image, weight, nil),
    ["F.conv_transpose2d"] = table.pack(image, weight, nil),
    ["F.max_pool2d"] = table.pack(image, 2, nil), ["F.avg_pool2d"] = table.pack(image, 2, nil),
    ["F.layer_norm"] = table.pack(image, nil, nil), ["F.group_norm"] = table.pack(image, 2, nil, nil),
  }

  local function new_self(item)
    if item.owner == "fmnistnn.Tensor" then return matrix:clone() end
    local module = nn.Dense {2, initializer = "ones"}
    module(fnn.ones(1, 3))
    return module:eval()
  end

  local function call(item, f, at, value)
    local list = given[item.shown] or table.pack(new_self(item))
    local arguments = {table.unpack(list, 1, list.n)}
    if at then arguments[at] = value end
    fnn.manual_seed(1)
    return contents {f(table.unpack(arguments, 1, math.max(at or 0, list.n)))}
  end

  local homes = {[""] = fnn, [".Tensor"] = core.methods, [".nn.functional"] = F, [".nn.Module"] = nn.Module}
  for owner, home in pairs(homes) do
    for name, item in pairs(functions_of(owner)) do
      for i, param in ipairs(item.params or {}) do
        if param.value then
          it(("%s: %s"):format(item.shown, param.name), function()
            local at = item.method and i + 1 or i
            assert.are.same(call(item, home[name]), call(item, home[name], at, value_of(param)))
          end)
        end
      end
    end
  end
end)

-- ---- the pages ----

describe("the reference", function()
  it("is up to date", function()
    local text = process.read(reference.output)
    assert(text == reference.write(parsed), "run lua5.4 scripts/reference")
  end)

  -- What the script says when a line of types/losses.lua is changed in a copy of it.
  local function with_change(pattern, replacement)
    local folder = process.folder()
    os.execute((("mkdir F/scripts F/docs && cp scripts/reference F/scripts && cp -r types F"):gsub("F", folder)))
    local path = folder .. "/types/losses.lua"
    local text, count = process.read(path):gsub(pattern, replacement, 1)
    assert.are.equal(1, count)
    process.write(path, text)
    local code, _, err = process.run(process.lua(folder .. "/scripts/reference"))
    local check_code = process.run(process.lua(folder .. "/scripts/reference") .. " --check")
    process.remove(folder)
    return code, err, check_code
  end

  it("is written by its script, which can tell whether it was", function()
    local code, err, check_code = with_change("Losses", "Losses")
    assert.are.same({0, "", 0}, {code, err, check_code})
    assert.are.equal(0, (process.run(process.lua "scripts/reference" .. " --check")))
  end)

  it("is not written from what the script cannot parse", function()
    local changes = {
      {"function losses%.poisson%(prediction", "function losses.poisson(guess", "documents the parameters"},
      {"%-%-%- p %- t log%(p %+ 1e%-7%)%.\n", "", "is not documented"},
      {"%-%-%-@field delta%?", "---@feild delta?", "cannot parse"},
      {"%-%-%-@field delta%? number", "---@field delta? fmnistnn.Nothing", "there is no type fmnistnn.Nothing"},
      {"\nlosses%.cross_entropy = losses%.categorical_crossentropy", "\nlosses.a = losses.b", "is a copy of nothing"},
      {"losses%.HuberOptions Its", "losses.Options Its", "nothing mentions the class fmnistnn.losses.HuberOptions"},
      {"%(default 1%) Where", "(default 1 +) Where", "expected a Lua value"},
      {"local losses = {}", "local losses = 5", "cannot parse"},
    }
    for _, change in ipairs(changes) do
      local code, err = with_change(change[1], change[2])
      assert(code ~= 0 and err:find(change[3], 1, true), ("expected '%s' in: %s"):format(change[3], err))
    end
  end)

  it("has what docs/from-pytorch.md names", function()
    local homes = {
      fnn = fnn, nn = nn, F = F, x = core.methods, a = core.methods, c = core.methods, loss = core.methods,
      model = nn.Module, trainer = fnn.Trainer, optimizer = getmetatable(fnn.optim.SGD).__index,
      set = getmetatable(fnn.data.Dataset {fnn.zeros(1), fnn.zeros(1)}),
    }
    local text, count = assert(process.read "docs/from-pytorch.md"), 0
    for owner, separator, name in text:gmatch("%f[%w.](%a+)([.:])([%a_][%w_]*)") do
      local home = homes[owner]
      if home and (separator == ":" or owner == "fnn" or owner == "nn" or owner == "F") then
        assert(home[name] ~= nil, ("there is no %s%s%s"):format(owner, separator, name))
        count = count + 1
      end
    end
    assert(count > 100, count)
  end)
end)
