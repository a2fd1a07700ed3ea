--- A page with every kind of chart, of made-up data; the specs of pages and scripts/check_page use it.
--
--   lua5.4 spec/support/page_demo.lua FILE     writes the page
local fnn = require "fmnistnn"
local page = fnn.page

local demo = {}

-- ---- made-up data ----

-- A sequence of numbers 0..1 that is the same everywhere (Park and Miller 1988).
function demo.generator(seed)
  local state = seed
  return function()
    state = state * 48271 % 2147483647
    return state / 2147483647
  end
end
local generator = demo.generator

local function curve(n, last, noise, random)
  local list = {}
  for i = 1, n do list[i] = last - 0.16 * math.exp(-0.45 * (i - 1)) + noise * (random() - 0.5) end
  return list
end

demo.class_names = {
  "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

demo.history = {
  loss = {0.52, 0.34, 0.29, 0.26, 0.235, 0.21, 0.195, 0.18},
  val_loss = {0.37, 0.31, 0.28, 0.27, 0.262, 0.259, 0.261, 0.268},
  accuracy = {0.815, 0.877, 0.895, 0.905, 0.914, 0.922, 0.928, 0.934},
  val_accuracy = {0.864, 0.887, 0.897, 0.903, 0.906, 0.907, 0.909, 0.908},
  seconds = {9.1, 9.0, 9.2, 9.1, 9.0, 9.1, 9.3, 9.0},
  images_per_second = {6593, 6666, 6521, 6593, 6666, 6593, 6451, 6666},
}

-- ---- charts ----

local charts = {}

function charts.lines()
  local random, series = generator(1), {}
  for i, last in ipairs {0.912, 0.914, 0.902, 0.908, 0.912, 0.907, 0.9214, 0.9229, 0.9252, 0.941} do
    local runs = {}
    for run = 1, 3 do runs[run] = curve(12, last, 0.012, random) end
    series[i] = page.spread(runs)
    series[i].name = i == 10 and "ResNet" or "Trial " .. i
  end
  return page.lines {
    title = "Validation accuracy of ten networks: mean and spread over three seeds", x = "epoch",
    y = {title = "accuracy", format = "%.3f"}, series = series,
  }
end

function charts.gaps()
  return page.lines {
    title = "Lines with gaps, and logarithmic axes",
    x = {title = "learning rate", log = true}, y = {title = "loss", log = true},
    series = {
      {"with gaps", x = {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1}, y = {2.1, 0.9, nil, 0.3, 0 / 0, 8}},
      {"beyond", x = {1e-5, 1e-3, 1e-1, 1}, y = {1.5, 0.25, math.huge, 20}, low = {1, 0.2}, high = {2, 0.5}},
    },
  }
end

function charts.scatter()
  return page.scatter {
    title = "Accuracy against time", x = {title = "time (min)", log = true},
    y = {title = "test accuracy", format = "%.4f"},
    series = {
      {
        "by hand", x = {15, 2.5, 3, 3.5, 6.5, 9, 8.5, 8.5, 39},
        y = {0.9118, 0.9139, 0.9023, 0.9079, 0.9119, 0.9068, 0.9214, 0.9229, 0.9252},
        labels = {"1", "2", "3", "4", "5", "6", "7", "8", "9: batch normalization"},
      },
      {
        "here", x = {0.3, 0.4, 1.2}, y = {0.9146, 0.9228, 0.9411}, labels = {"Trial 2", "Trial 8", "ResNet-20"},
        line = true,
      },
    },
  }
end

function charts.slice()
  local random = generator(7)
  local x, y, z = {}, {}, {}
  for i = 1, 60 do
    x[i] = 10 ^ (-5 + 4 * random())
    y[i] = 0.92 - 0.02 * (math.log(x[i], 10) + 3) ^ 2 + 0.01 * random()
    z[i] = i
  end
  return page.scatter {
    title = "Learning rate, coloured by trial", x = {title = "learning rate", log = true}, y = "accuracy", z = "trial",
    series = {{x = x, y = y, z = z}},
  }
end

function charts.categories()
  local random, x, y = generator(3), {}, {}
  for i = 1, 40 do
    x[i] = ({"Adam", "SGD", "RMSprop", "Adamax"})[1 + math.floor(4 * random())]
    y[i] = 0.88 + 0.04 * random()
  end
  return page.scatter {title = "Optimizer", x = "optimizer", y = "accuracy", series = {{x = x, y = y}}}
end

function charts.best_so_far()
  local random, x, y, best = generator(5), {}, {}, {}
  for i = 1, 50 do
    x[i], y[i] = i, 0.8 + 0.12 * random() * math.min(1, 0.4 + i / 40)
    best[i] = math.max(y[i], best[i - 1] or 0)
  end
  return page.scatter {
    title = "History of a search", x = "trial", y = {title = "accuracy", min = 0.78},
    series = {{"trial", x = x, y = y}, {"best so far", x = x, y = best, line = true, points = false}},
  }
end

function charts.bars()
  return page.bars {
    title = "What each part is worth", x = {title = "change of accuracy", format = "%+.4f"},
    names = {"without batch normalization", "without dropout", "average instead of max pooling", "with augmentation"},
    values = {-0.0061, -0.0042, -0.0137, 0.0079}, low = {-0.0078, -0.0055, -0.0151, 0.0062},
    high = {-0.0044, -0.0031, -0.0119, 0.0098},
  }
end

function charts.importances()
  return page.bars {
    title = "Importance of hyperparameters", x = "share of variance",
    names = {"lr", "dropout", "filters", "batch", "epochs"}, values = {0.61, 0.17, 0.12, 0.07, 0.03},
  }
end

function charts.heat_map()
  return page.heat_map {
    title = "Wrong classes", rows = {"Coat", "Shirt", "Dress"}, columns = {"Coat", "Shirt", "Dress"},
    values = {{0.81, 0.12, 0.07}, {0.2, 0.75, 0.05}, {0, nil, 0 / 0}}, x = "predicted", y = "true", z = "share",
  }
end

function charts.images()
  local random, images, labels = generator(11), {}, {}
  for i = 1, 12 do
    local image = {}
    for y = 1, 28 do
      image[y] = {}
      for x = 1, 28 do
        local inside = math.abs(x - 14.5) < 4 + i % 5 + y / 6 and y > 3 and y < 26
        image[y][x] = inside and math.floor(120 + 120 * random()) or 0
      end
    end
    images[i] = fnn.tensor(image, {dtype = "uint8"})
    local is, taken = demo.class_names[i % 10 + 1], demo.class_names[(i * 3) % 10 + 1]
    labels[i] = ("%s\ntaken for %s\n(%d %%)"):format(is, taken, 99 - i)
  end
  return page.images {title = "The most confidently wrong", images = images, labels = labels}
end

function charts.filters()
  local random, values = generator(13), {}
  for i = 1, 35 * 9 do values[i] = random() - 0.5 end
  local filters = fnn.tensor(values):reshape(35, 1, 3, 3)
  return page.images {title = "Filters of the first layer", images = filters, diverging = true}
end

function charts.parallel()
  local random = generator(17)
  local lr, batch, dropout, optimizer, accuracy = {}, {}, {}, {}, {}
  for i = 1, 40 do
    lr[i], batch[i] = 10 ^ (-5 + 4 * random()), 2 ^ math.floor(4 + 5 * random())
    dropout[i] = 0.8 * random()
    optimizer[i] = ({"Adam", "SGD", "RMSprop"})[1 + math.floor(3 * random())]
    accuracy[i] = 0.92 - 0.02 * (math.log(lr[i], 10) + 3) ^ 2 - 0.03 * (dropout[i] - 0.5) ^ 2 + 0.01 * random()
  end
  accuracy[7], lr[9] = nil, nil
  return page.parallel {
    title = "Forty trials", axes = {
      {"learning rate", values = lr, log = true}, {"batch", values = batch, log = true},
      {"dropout", values = dropout}, {"optimizer", values = optimizer}, {"accuracy", values = accuracy},
    },
  }
end

function charts.contour()
  local random, x, y, z = generator(19), {}, {}, {}
  for i = 1, 40 do
    x[i], y[i] = 10 ^ (-5 + 4 * random()), 0.8 * random()
    z[i] = 0.92 - 0.02 * (math.log(x[i], 10) + 3) ^ 2 - 0.1 * (y[i] - 0.5) ^ 2
  end
  return page.contour {
    title = "Learning rate and dropout", x = {title = "learning rate", log = true}, y = "dropout", z = "accuracy",
    points = {x = x, y = y, z = z},
  }
end

function charts.timeline()
  local random, spans, clocks = generator(23), {}, {0, 0, 0}
  for i = 1, 24 do
    local worker = 1
    for w = 2, 3 do
      if clocks[w] < clocks[worker] then worker = w end
    end
    local state = random() < 0.25 and "pruned" or random() < 0.1 and "failed" or "complete"
    local stop = clocks[worker] + (state == "pruned" and 8 or 40) * (0.6 + random())
    spans[i] = {tostring(i), row = "worker " .. worker, start = clocks[worker], stop = stop, state = state}
    clocks[worker] = stop + 1
  end
  return page.timeline {title = "When trials ran", x = "time (s)", spans = spans, states = {"complete", "pruned"}}
end

function charts.curves()
  local random, series = generator(31), {}
  for i = 1, 30 do
    local length = i % 3 == 0 and 3 or 10
    local y = curve(length, 0.88 + 0.04 * random(), 0.01, random)
    series[i] = {"trial " .. i, y = y, z = y[length], dash = length < 10}
  end
  series[4].z, series[5].y[3] = nil, 0 / 0
  return page.curves {title = "Learning curves", x = "epoch", y = "accuracy", z = "last accuracy", series = series}
end

function charts.none()
  return page.lines {title = "Nothing yet", x = "epoch", y = "loss", series = {}}
end

demo.kinds = {
  "lines", "gaps", "scatter", "slice", "categories", "best_so_far", "bars", "importances", "heat_map", "images",
  "filters", "parallel", "contour", "timeline", "curves", "none",
}

--- All charts, by name.
function demo.charts()
  local made = {}
  for _, kind in ipairs(demo.kinds) do made[kind] = charts[kind]() end
  return made
end

local function confusion()
  local random, rows = generator(29), {}
  for i = 1, 10 do
    rows[i] = {}
    local left = 1000
    for j = 1, 10 do
      local near = (i - j) % 2 == 0 and i ~= j
      rows[i][j] = i == j and 0 or near and math.floor(30 * random()) or math.floor(4 * random())
      left = left - rows[i][j]
    end
    rows[i][i] = left
  end
  rows[2][2] = 1000
  return fnn.tensor(rows, {dtype = "int64"})
end

local summary = [[
Sequential         output          parameters    memory  multiply-adds
----------------------------------------------------------------------
Sequential         (N,10)           1,855,101       40 B     12,905,300
  1 Conv2d         (N,35,26,26)           350   92.4 KiB        212,940
  2 BatchNorm2d    (N,35,26,26)            70   92.4 KiB              0]]

--- The page.
function demo.page(o)
  local made = demo.charts()
  local report = page {
    title = "A study of ten networks", refresh = o and o.refresh,
    description = "Every kind of chart that a page can have, of made-up data: nothing here was ever measured.",
  }
  report:heading("Trials"):text "A paragraph of text, so that charts do not stand alone.\n\nAnd a second one."
  report:table {
    caption = "Nine trials by hand", filter = true, columns = {
      "trial", "epochs", "batch", "optimizer", "convolutions", {"time (min)"}, {"test accuracy", format = "%.4f"},
    }, rows = {
      {"1", 5, 16, "Adam", "32 and 16 filters of 3 x 3", 15, 0.9118},
      {"2", 5, 8, "Adam", "32 of 3 x 3, 32 of 5 x 5", 2.5, 0.9139},
      {"4", 5, 32, "RMSprop", "64, 32 and 16 filters", 3.5, 0.9079},
      {"9", 12, 128, "Adam, lr 0.0005", "35 and 50, batch normalization", 39, 0.9252},
      {"<script>alert(1)</script>", nil, nil, "\"&'", "harmless", nil, 0 / 0},
    },
  }
  report:chart(made.lines):chart(made.scatter):chart(made.gaps)
  report:heading("One training"):history(demo.history):code(summary)
  report:heading("Mistakes"):confusion(confusion(), demo.class_names):classification(confusion(), demo.class_names)
  report:chart(made.heat_map, made.none):chart(made.images):chart(made.filters)
  report:heading("Search"):chart(made.best_so_far):chart(made.slice, made.categories):chart(made.parallel)
  report:chart(made.curves)
  report:chart(made.contour):chart(made.timeline)
  report:heading("What matters", 3):chart(made.importances, made.bars):chart(made.bars)
  return report
end

if arg and arg[0] and arg[0]:match "page_demo%.lua$" and arg[1] then assert(demo.page():write(arg[1])) end

return demo
