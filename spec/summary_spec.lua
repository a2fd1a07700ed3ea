-- The summary of a model: names, shapes, parameters and multiply-adds.
local fnn = require "fmnistnn"
local nn = fnn.nn
local check = require "spec.support.check"

local function refuses(message, f, ...) check.refused(f, {message}, ...) end

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

  it("names the modules of lists by the list and the number, as the parameters are", function()
    local Net = nn.Module:extend("Net")
    function Net:init()
      self.down, self.up = {nn.Sequential {nn.Dense {2}}}, {nn.Dense {3}}
    end
    function Net:forward(x) return self.up[1](self.down[1](x)) end
    local _, lines = summary(nn.Sequential {Net()}, {4})
    local labels = {}
    for _, line in ipairs(lines) do labels[#labels + 1] = line:match("^( +%S+ %u%w+)") end
    assert.same({"  1 Net", "    down.1 Sequential", "      1 Dense", "    up.1 Dense"}, labels)
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
    refuses("summary: dtype: expected a string, or one for each input, got number 4", nn.Dense({1}).summary,
      nn.Dense {1}, {3}, {dtype = 4})
  end)

  it("takes modules of the user's, whatever they return", function()
    local Two = nn.Module:extend("Two")
    function Two.forward(_, x) return {x} end
    local totals = summary(Two(), {3})
    assert.same({0, 0}, {totals.parameters, totals.multiply_adds})
  end)
end)
