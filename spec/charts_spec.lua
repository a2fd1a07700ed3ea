-- Charts and what they are made of: what is written is well-formed SVG, the data are there to the last digit, scales
-- and labels are where they belong.
local fnn = require "fmnistnn"
local check = require "spec.support.check"
local demo = require "spec.support.page_demo"
local labels = require "fmnistnn.page.labels"
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"
local png = require "fmnistnn.page.png"
local process = require "spec.support.process"
local Scale = require "fmnistnn.page.scale"
local text_width = require("fmnistnn.page.text").width
local xml = require "spec.support.xml"

local page = fnn.page
local nan, inf = 0 / 0, math.huge

local function refuses(texts, f, ...) check.refused(f, texts, ...) end

-- The data below a chart: titles of columns, and rows of texts.
local function data_of(chart)
  local tree = xml.parse(page {}:chart(chart):html())
  local tables = xml.all(xml.all(tree, "details")[1], "table")
  local titles = {}
  for i, heading in ipairs(xml.all(xml.all(tables[1], "thead")[1], "th")) do titles[i] = xml.text(heading) end
  return titles, xml.rows(tables[1])
end

-- ---- parts ----

describe("texts", function()
  it("are escaped", function()
    assert.equal("&lt;a href=&quot;x&quot;&gt; &amp; &#39;b&#39;", markup.escape "<a href=\"x\"> & 'b'")
    local p = markup.element("p", {title = '"<&'}, "<b>", 1, {markup.element("i", {}, "&")}, false)
    assert.equal('<p title="&quot;&lt;&amp;">&lt;b&gt;1<i>&amp;</i></p>', markup.write(p))
  end)

  it("that XML cannot hold are repaired", function()
    assert.equal("a\u{FFFD}b\u{FFFD}\u{FFFD}c", markup.escape "a\xFFb\xE9\xE8c")
    assert.equal("\u{FFFD}\t\n\u{FFFD}\u{FFFD}", markup.escape "\0\t\n\27\u{FFFE}")
    assert.equal("Schnürschuhe мешок", markup.escape "Schnürschuhe мешок")
    assert.equal("\u{FFFD}", markup.escape "\xC3") -- cut off
  end)
end)

describe("numbers", function()
  it("exact are read back as they were", function()
    for _, x in ipairs {0.1, 1 / 3, 1e-300, 123456789.123, -0.25, 5e-324, 2 ^ 53} do
      assert.equal(x, tonumber(numbers.exact(x)))
    end
    local texts = {}
    for i, x in ipairs {3, 3.0, 0.5, nan, inf, -inf} do texts[i] = numbers.exact(x) end
    assert.same({"3", "3", "0.5", "NaN", "inf", "-inf"}, texts)
  end)

  it("short have four digits", function()
    local wanted = {
      [0.92516] = "0.9252", [39.0] = "39", [39.126] = "39.13", [12345] = "12,345", [0.00012345] = "0.0001234",
      [1e-5] = "1e-5", [2.5e-7] = "2.5e-7", [-0.5] = "-0.5", [0] = "0", [1e6] = "1,000,000", [1.5e9] = "1.5e9",
      [0.99999] = "1", [inf] = "inf",
    }
    for x, text in pairs(wanted) do assert.equal(text, numbers.short(x)) end
  end)

  it("of a column have as many decimals", function()
    local function written(list)
      local write, texts = numbers.column(list), {}
      for i, x in ipairs(list) do texts[i] = write(x) end
      return texts
    end
    assert.same({"15.0", "2.5", "39.0"}, written {15, 2.5, 39})
    assert.same({"0.9118", "0.9200", "NaN"}, written {0.9118, 0.92, nan})
    assert.same({"1e-5", "0.5"}, written {1e-5, 0.5})
    assert.same({"1,862,516", "5"}, written {1862516, 5})
  end)

  it("are never written with a decimal comma", function()
    assert.equal("0.5", numbers.formatter("%.1f")(0.5))
    if os.setlocale "de_DE.UTF-8" then
      local text = numbers.coordinate(1.5) .. numbers.fixed(0.25, 2) .. numbers.formatter("%.1f")(0.5)
      os.setlocale "C"
      assert.equal("1.50.250.5", text)
    end
  end)
end)

describe("a scale", function()
  local function ticks(scale, count)
    local list = {}
    for i, tick in ipairs(scale:ticks(count)) do list[i] = tick.text end
    return list
  end

  it("has ticks at 1, 2 or 5 times powers of ten", function()
    assert.same({"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}, ticks(Scale.linear(0, 1), 5))
    assert.same({"2", "4", "6", "8"}, ticks(Scale.linear(1, 9), 5))
    assert.same({"-20", "-10", "0", "10", "20"}, ticks(Scale.linear(-23, 24), 5))
    assert.same({"0.85", "0.90", "0.95"}, ticks(Scale.linear(0.83, 0.957), 3))
    assert.same({"0", "20,000", "40,000", "60,000"}, ticks(Scale.linear(0, 60000), 3))
    assert.same({"1", "2", "3"}, ticks(Scale.linear(1, 3, {whole = true}), 10))
  end)

  it("has ticks with texts that differ, however near they are to each other", function()
    local function first(low, high)
      local texts = ticks(Scale.linear(low, high), 5)
      return {texts[1], texts[2]}
    end
    assert.same({"0.6931470", "0.6931475"}, first(0.693147, 0.693149))
    assert.same({"1,764,315,000", "1,764,315,100"}, first(1764315000, 1764315600)) -- seconds since 1970
    assert.same({"1,234,567.2", "1,234,567.4"}, first(1234567.1, 1234567.9))
    assert.same({"1e-8", "1.00002e-8"}, first(1e-8, 1.0001e-8))
    assert.same({"1e16", "1.000000000000002e16"}, first(1e16, 1e16 + 100))
    assert.same({"-2e-6", "0"}, first(-2e-6, 6e-6))
    assert.same({"1.0000100", "1.0000200"}, ticks(Scale.log(1.00001, 1.00002), 5))
  end)

  it("begins and ends at ticks when it is to be nice", function()
    local scale = Scale.linear(0.83, 0.957, {nice = true}) -- a step of 0.02
    assert.near(0.82, scale.low, 1e-12)
    assert.near(0.96, scale.high, 1e-12)
    assert.near(0.5, scale:at(0.89), 1e-12)
    scale = Scale.linear(0.83, 0.957, {nice = true, low_fixed = 0.83})
    assert.equal(0.83, scale.low)
  end)

  it("of one value has room around it", function()
    assert.equal(0.5, Scale.linear(7, 7):at(7))
    assert.equal(0.5, Scale.linear(0, 0):at(0))
    assert.near(0.5, Scale.log(3, 3):at(3), 1e-12)
  end)

  it("can be logarithmic", function()
    local scale = Scale.log(1e-5, 1e-1)
    assert.near(0.25, scale:at(1e-4), 1e-12)
    assert.same({"1e-5", "0.0001", "0.001", "0.01", "0.1"}, ticks(scale, 6))
    assert.same({"1", "10", "100"}, ticks(Scale.log(1, 100), 3))
    assert.same({"1", "3", "10", "30", "100"}, ticks(Scale.log(1, 100), 6))
    assert.same({"2", "3", "4", "5"}, ticks(Scale.log(2, 5), 9))
    assert.same({"2.1", "2.2"}, ticks(Scale.log(2.1, 2.2), 3))
  end)

  it("has no place for what is not a number on it", function()
    for _, x in ipairs {nan, inf, -inf} do
      assert.is_nil(Scale.linear(0, 1):at(x))
      assert.is_nil(Scale.log(1, 2):at(x))
    end
    assert.is_nil(Scale.log(1, 2):at(0))
    assert.is_nil(Scale.log(1, 2):at(-1))
  end)

  it("of names has each in the middle of its part", function()
    local scale = Scale.categories {"a", "b"}
    assert.same({0.25, 0.75}, {scale:at "a", scale:at "b"})
    assert.is_nil(scale:at "c")
  end)
end)

-- The texts below lying axes, by their height: lists of {left end, right end}, in order.
local function labels_below(tree)
  local rows = {}
  for _, label in ipairs(xml.all(tree, "text")) do
    local class = label.attributes.class
    if class == "muted middle" or class == "muted middle halo" then
      local x, y, half = tonumber(label.attributes.x), label.attributes.y, text_width(xml.text(label)) / 2
      rows[y] = rows[y] or {}
      table.insert(rows[y], {x - half, x + half})
    end
  end
  return rows
end

describe("the ticks of a lying axis", function()
  local trials = {0.00022, 0.0009, 0.0007} -- ticks between powers of ten lie closer and closer
  local axis = {"lr", log = true, values = trials}
  local charts = {
    scatter = page.scatter {title = "t", x = {title = "lr", log = true}, series = {{"a", x = trials, y = {1, 2, 3}}}},
    parallel = page.parallel {title = "t", axes = {axis, axis, axis, axis, axis}},
    -- whose first and last texts are moved inwards
    long = page.lines {title = "t", series = {{x = {1764315000, 1764315300, 1764315600}, y = {1, 2, 3}}}},
  }
  for name, chart in pairs(charts) do
    it("have room: " .. name, function()
      local rows = labels_below(xml.parse(chart:svg(340)))
      assert.is_not_nil(next(rows))
      for _, row in pairs(rows) do
        assert.is_true(#row >= 2)
        for i = 2, #row do assert.is_true(row[i - 1][2] < row[i][1]) end
      end
    end)
  end
end)

describe("labels", function()
  it("are moved apart as little as may be", function()
    assert.same({45, 55}, labels.spread({50, 50}, 10, 0, 100))
    assert.same({10, 20, 30}, labels.spread({21, 20, 19}, 10, 0, 100) and labels.spread({19, 20, 21}, 10, 0, 100))
    assert.same({30, 20, 10}, labels.spread({21, 20, 19}, 10, 0, 100))
    assert.same({0, 10, 20}, labels.spread({1, 1, 1}, 10, 0, 100))
    assert.same({80, 90, 100}, labels.spread({99, 99, 99}, 10, 0, 100))
    assert.same({5, 50, 90}, labels.spread({5, 50, 90}, 10, 0, 100))
  end)

  -- Least squares by brute force over whole places.
  it("move by the least sum of squares", function()
    local wanted, best, least = {3, 5, 9}, nil, inf
    for a = 0, 20 do
      for b = a + 4, 20 do
        for c = b + 4, 20 do
          local sum = (a - wanted[1]) ^ 2 + (b - wanted[2]) ^ 2 + (c - wanted[3]) ^ 2
          if sum < least then best, least = {a, b, c}, sum end
        end
      end
    end
    local places, sum = labels.spread(wanted, 4, 0, 20), 0
    for i, place in ipairs(places) do sum = sum + (place - wanted[i]) ^ 2 end
    assert(sum <= least + 1e-9, table.concat(best, " "))
    assert.near(places[1] + 4, places[2], 1e-9)
  end)

  it("beside points lie on nothing", function()
    local items, taken = {}, {}
    for i = 1, 30 do
      items[i] = {(i * 137) % 250, (i * 53) % 120, width = 40}
      taken[i] = {items[i][1] - 5, items[i][2] - 5, items[i][1] + 5, items[i][2] + 5}
    end
    local area, shown = {0, 0, 250, 120}, 0
    local places = labels.beside(items, 12, taken, area)
    for i, place in ipairs(places) do
      if place then
        shown = shown + 1
        local box = place.box
        assert(box[1] >= 0 and box[2] >= 0 and box[3] <= 250 and box[4] <= 120, i)
        for _, other in ipairs(taken) do
          local apart = other[1] >= box[3] or box[1] >= other[3] or other[2] >= box[4] or box[2] >= other[4]
          assert(apart or other == box, i)
        end
      end
    end
    assert(shown > 3 and shown < 30, shown)
  end)
end)

describe("widths of texts", function()
  local text = require "fmnistnn.page.text"

  it("are not smaller than those of Helvetica", function()
    -- Adobe's AFM: thousandths of the size
    local sizes = {
      i = 222, l = 222, [" "] = 278, t = 278, a = 556, n = 556, ["0"] = 556, M = 833, W = 944, S = 667, m = 833,
    }
    for letter, size in pairs(sizes) do assert(text.width(letter, 1000) >= size, letter) end
    assert.near(text.width "abc" + text.width "é", text.width "abcé", 1e-9)
  end)

  it("decide where a text is cut or goes on in a new line", function()
    local width = text.width "a long name"
    assert.equal("a long name", text.cut("a long name", width))
    assert.equal("a long…", text.cut("a long name", text.width "a long…"))
    assert.equal("…", text.cut("Schnürschuhe", 1))
    assert.equal("false", text.cut("false", text.width "false" + 8 - 8)) -- a little less, by rounding
    assert.same({"a long name", "of many", "words"}, text.wrap("a long name of many words", width))
    assert.same({}, text.wrap("", 10))
  end)
end)

describe("colours", function()
  -- WCAG 2.2: relative luminance and contrast.
  local function luminance(color)
    local channels = {}
    for i = 1, 3 do
      local c = tonumber(color:sub(2 * i, 2 * i + 1), 16) / 255
      channels[i] = c <= 0.04045 and c / 12.92 or ((c + 0.055) / 1.055) ^ 2.4
    end
    return 0.2126 * channels[1] + 0.7152 * channels[2] + 0.0722 * channels[3]
  end

  local function contrast(a, b)
    a, b = luminance(a), luminance(b)
    return (math.max(a, b) + 0.05) / (math.min(a, b) + 0.05)
  end

  it("have the contrast that WCAG asks for", function()
    local colors = require "fmnistnn.page.colors"
    assert.near(21, contrast("#000000", "#ffffff"), 1e-9)
    for name, theme in pairs {light = colors.light, dark = colors.dark} do
      local function at_least(wanted, a, b)
        assert(contrast(a, b) >= wanted, ("%s: %s on %s: %.2f"):format(name, a, b, contrast(a, b)))
      end
      for _, text in ipairs {theme.ink, theme.muted, theme.accent} do
        at_least(4.5, text, theme.background)
        at_least(4.5, text, theme.surface)
      end
      for _, color in ipairs(theme.series) do at_least(4.5, color, theme.background) end
      for _, color in ipairs(theme.marks) do at_least(3, color, theme.background) end
      for _, color in ipairs(theme.cells) do at_least(4.5, colors.ink_on(color), color) end
      at_least(3, theme.line, theme.background)
    end
  end)
end)

-- ---- charts ----

describe("every chart", function()
  local made = demo.charts()
  for _, kind in ipairs(demo.kinds) do
    it(("is well-formed SVG at any width: %s"):format(kind), function()
      for _, width in ipairs {240, 320, 500, 760, 1200} do
        local text = made[kind]:svg(width)
        local tree = xml.parse(text)
        assert.same({"svg", "img"}, {tree.name, tree.attributes.role})
        assert.equal("http://www.w3.org/2000/svg", tree.attributes.xmlns)
        assert.equal(made[kind].description, tree.attributes["aria-label"])
        assert.is_nil(text:find "nan[ \",]" or text:find "inf[ \",]" or text:find "var%(" or text:find "nil")
      end
    end)
  end

  it("is the same where the locale has a decimal comma", function()
    local format, expected = string.format, {}
    for _, kind in ipairs(demo.kinds) do expected[kind] = {made[kind]:svg(), made[kind]:svg(320)} end
    finally(function() string.format = format end) -- luacheck: ignore 122
    function string.format(how, ...) -- luacheck: ignore 122
      local text = format(how, ...)
      return how:find("%%%.%d+[efg]") and text:gsub("(%d)%.(%d)", "%1,%2") or text
    end
    for _, kind in ipairs(demo.kinds) do
      assert(expected[kind][1] == made[kind]:svg() and expected[kind][2] == made[kind]:svg(320), kind)
    end
  end)

  it("is drawn within its width", function()
    for _, kind in ipairs(demo.kinds) do
      for _, width in ipairs {320, 760} do
        local tree = xml.parse(made[kind]:svg(width))
        for _, name in ipairs {"text", "rect", "circle"} do
          for _, node in ipairs(xml.all(tree, name)) do
            local x = tonumber(node.attributes.x or node.attributes.cx or 0)
            assert(x >= -1 and x <= width + 1, ("%s: a %s at %s of %d"):format(kind, name, x, width))
          end
        end
      end
    end
  end)

  it("is the same whenever it is drawn", function()
    local again = demo.charts()
    for _, kind in ipairs(demo.kinds) do assert.equal(made[kind]:svg(), again[kind]:svg()) end
    assert.equal(demo.page():html(), demo.page():html())
  end)

  it("says what it shows, unless it is told what to say", function()
    local function of(kind, o) return page[kind](o).description end
    assert.equal("Lines of loss over epoch: training ends at 0.2 (0.2 to 0.5); b has no values.", of("lines", {
      title = "t", x = "epoch", y = "loss", series = {{"training", y = {0.5, 0.2}}, {"b", y = {nan}}},
    }))
    assert.equal("Bars of share: lr 0.6 and batch 0.4.", of("bars", {
      title = "t", x = "share", names = {"lr", "batch"}, values = {0.6, 0.4},
    }))
    assert.equal("mine", of("lines", {title = "t", description = "mine", series = {}}))
  end)

  -- gaps, and numbers that arithmetic breaks on
  local hard = {
    nan, inf, -inf, 0, -0.0, 1e308, -1e308, 1.7e308, 1e-320, 5e-324, 5, -3, 0.1, 1, 2, math.maxinteger, math.mininteger,
    1e15, 1e15 + 1,
  }

  it("takes any numbers there are", function()
    local random = demo.generator(31)
    local n
    local function one() return hard[1 + math.floor((#hard + 2) * random())] end
    local function list()
      local all = {}
      for i = 1, n do all[i] = one() end
      return all
    end
    local function axis() return {"t", log = random() < 0.4} end
    local function parallel_axis() return {"t", log = random() < 0.4, values = list()} end
    local x = {}
    local makers = {
      lines = function()
        return {x = axis(), y = axis(), series = {{x = x, y = list(), low = list(), high = list()}}}
      end,
      scatter = function()
        return {x = axis(), y = axis(), z = axis(), series = {{x = x, y = list(), z = list(), line = true}}}
      end,
      bars = function() return {x = axis(), names = x, values = list(), low = list(), high = list()} end,
      heat_map = function() return {z = axis(), rows = {"a", "b"}, columns = x, values = {list(), list()}} end,
      parallel = function() return {axes = {parallel_axis(), parallel_axis()}} end,
      contour = function()
        return {x = axis(), y = axis(), z = axis(), points = {x = x, y = list(), z = list()}}
      end,
      curves = function()
        return {x = axis(), y = axis(), z = axis(), series = {{y = list(), z = one()}, {y = list(), z = one()}}}
      end,
    }
    for round = 1, 60 do
      n = round % 5
      x = list()
      for i = 1, n do x[i] = x[i] or i end
      for kind, make in pairs(makers) do
        local o = make()
        o.title = "t"
        local text = page[kind](o):svg(320)
        xml.parse(text)
        text = text:gsub('aria%-label="[^"]*"', ""):gsub(">[^<]*<", "><")
        assert.is_nil(text:find "nan" or text:find "inf[ \",]", kind)
      end
    end
  end)

  it("is drawn for wide places too where no other one stands beside it", function()
    local function drawings(...) return #xml.all(xml.parse(page {}:chart(...):html()), "svg") end
    assert.equal(2, drawings(made.bars))
    assert.equal(2, drawings(made.bars, made.slice))
  end)

  it("refuses a width that it cannot be drawn at", function()
    refuses({"svg: width: expected 240 or more", "100"}, made.lines.svg, made.lines, 100)
    refuses({"svg: width: expected an integer"}, made.lines.svg, made.lines, "wide")
  end)
end)

describe("lines", function()
  local function paths(chart, class) return xml.all(xml.parse(chart:svg()), "path", class) end

  it("break at gaps", function()
    local chart = page.lines {title = "t", series = {{y = {1, 2, nil, 4, nan, inf, 7, 8, [10] = 10}}}}
    local line = paths(chart, "line")[1].attributes.d
    local runs = {}
    for run in line:gmatch "M[^M]*" do
      local _, count = run:gsub("L", "")
      runs[#runs + 1] = run:find "h0$" and "point" or count + 1
    end
    assert.same({2, "point", 2, "point"}, runs)
  end)

  it("break where a logarithmic axis has no place", function()
    local y = {title = "", log = true}
    local line = paths(page.lines {title = "t", y = y, series = {{y = {1, 0, 10, 100}}}}, "line")[1].attributes.d
    assert.equal(2, select(2, line:gsub("M", "")))
  end)

  -- the y axis goes from 0 to 10, the x axis from 1 to 3
  it("go through their points", function()
    local chart = page.lines {title = "t", y = {min = 0, max = 10}, series = {{y = {0, 10, 5}}}}
    local grid = paths(chart, "axis")[1].attributes.d
    local left, bottom, right = grid:match "^M([%d.]+) ([%d.]+)H([%d.]+)$"
    local d = paths(chart, "line")[1].attributes.d
    local x1, y1, x2, y2, x3, y3 = d:match "^M([%d.]+) ([%d.]+)L([%d.]+) ([%d.]+)L([%d.]+) ([%d.]+)$"
    assert.near(tonumber(left), tonumber(x1), 0.1)
    assert.near(tonumber(bottom), tonumber(y1), 0.1)
    assert.near((left + right) / 2, tonumber(x2), 0.1)
    assert.near(tonumber(right), tonumber(x3), 0.1)
    assert.near((tonumber(y1) + tonumber(y2)) / 2, tonumber(y3), 0.1)
  end)

  it("have their bands where both ends are known", function()
    local chart = page.lines {title = "t", series = {
      {y = {1, 2, 3, 4, 5}, low = {0, 1, nil, 3, 4}, high = {2, 3, 4, 5, nan}},
    }}
    local bands = paths(chart, "band")[1].attributes.d
    assert.equal(1, select(2, bands:gsub("Z", ""))) -- positions 1 and 2; 4 by itself is none
    assert.equal(3, select(2, bands:gsub("L", "")))
  end)

  it("are named at their ends, or in a legend where there is no room", function()
    local series = {{"short", y = {1, 2}}, {"names", y = {2, 1}}}
    local function texts(width)
      local list = {}
      local chart = page.lines {title = "t", series = series}
      for i, node in ipairs(xml.all(xml.parse(chart:svg(width)), "text", "label")) do list[i] = xml.text(node) end
      return list
    end
    assert.same({"short", "names"}, texts(760))
    series[1][1] = ("long "):rep(20)
    assert.same({}, texts(320))
  end)

  it("have all of their numbers below, and no others", function()
    local titles, rows = data_of(page.lines {title = "t", x = "epoch", series = {
      {"a", y = {0.1, 1 / 3, nil, nan}, low = {0, 0.25}, high = {1, 1e-17}},
      {"b", x = {2, 2, 5}, y = {-1, -2, inf}},
    }})
    assert.same({"epoch", "a", "a low", "a high", "b"}, titles)
    assert.same({
      {"1", "0.1", "0", "1", ""},
      {"2", "0.3333333333333333", "0.25", "1e-17", "-1"},
      {"2", "", "", "", "-2"},
      {"3", "", "", "", ""},
      {"4", "NaN", "", "", ""},
      {"5", "", "", "", "inf"},
    }, rows)
  end)

  it("take tensors, and names on their axis", function()
    local _, rows = data_of(page.lines {title = "t", series = {{x = {"b", "a"}, y = fnn.tensor {0.5, 0.25}}}})
    assert.same({{"b", "0.5"}, {"a", "0.25"}}, rows)
  end)

  it("tell the values at a place", function()
    local chart = page.lines {title = "t", x = "epoch", y = {format = "%.2f"}, series = {
      {"a", y = {1, 2}}, {"b", y = {3, nil}},
    }}
    local hits = xml.all(xml.parse(chart:svg()), "rect", "hit")
    assert.same({"epoch 1\na: 1.00\nb: 3.00", "epoch 2\na: 2.00"}, {xml.text(hits[1]), xml.text(hits[2])})
  end)
end)

describe("other charts have all of their numbers below:", function()
  it("scatter", function()
    local titles, rows = data_of(page.scatter {title = "t", x = "time (s)", y = "accuracy", series = {
      {"a", x = {1, 2}, y = {0.5, nan}, z = {7, nil}, labels = {"one", "two"}}, {"b", x = {"3"}, y = {0.1}},
    }, z = "trial"})
    assert.same({"series", "label", "time (s)", "accuracy", "trial"}, titles)
    assert.same({{"a", "one", "1", "0.5", "7"}, {"a", "two", "2", "NaN", ""}, {"b", "", "3", "0.1", ""}}, rows)
  end)

  it("bars", function()
    local titles, rows = data_of(page.bars {title = "t", names = {"a", "b"}, values = {1, nil}, high = {2, 3}})
    assert.same({"name", "value", "high"}, titles)
    assert.same({{"a", "1", "2"}, {"b", "", "3"}}, rows)
  end)

  it("heat_map", function()
    local titles, rows = data_of(page.heat_map {
      title = "t", rows = {"a"}, columns = {"x", "y", "z"}, y = "true", values = {{1, nil, nan}},
    })
    assert.same({"true", "x", "y", "z"}, titles)
    assert.same({{"a", "1", "", "NaN"}}, rows)
    local confusion = fnn.tensor({{8, 2}, {0, 5}}, {dtype = "int64"})
    rows = select(2, data_of(page.heat_map {title = "t", rows = {"a", "b"}, columns = {"a", "b"}, values = confusion}))
    assert.same({{"a", "8", "2"}, {"b", "0", "5"}}, rows)
  end)

  it("parallel", function()
    local titles, rows = data_of(page.parallel {title = "t", axes = {
      {"lr", values = {0.1, nil, 1e-5}}, {"optimizer", values = {"Adam", "SGD"}}, {"loss", values = {1, 2, 3}},
    }})
    assert.same({"name", "lr", "optimizer", "loss"}, titles)
    assert.same({{"1", "0.1", "Adam", "1"}, {"2", "", "SGD", "2"}, {"3", "1e-05", "", "3"}}, rows)
  end)

  it("contour", function()
    local points = {x = {1, 2}, y = {"p", "q"}, z = {5, nan}}
    local titles, rows = data_of(page.contour {title = "t", x = "a", z = "loss", points = points})
    assert.same({"a", "y", "loss"}, titles)
    assert.same({{"1", "p", "5"}, {"2", "q", "NaN"}}, rows)
  end)

  it("curves", function()
    local titles, rows = data_of(page.curves {title = "t", x = "epoch", z = "last", series = {
      {"a", y = {0.5, 0.25}, z = 0.25}, {x = {7}, y = {3}},
    }})
    assert.same({"name", "epoch", "y", "last"}, titles)
    assert.same({{"a", "1", "0.5", "0.25"}, {"a", "2", "0.25", "0.25"}, {"2", "7", "3", ""}}, rows)
  end)

  it("unless a page has them elsewhere", function()
    local chart = page.lines {title = "t", series = {{y = {1, 2}}}}
    assert.equal(chart, chart:without_data())
    assert.same({}, xml.all(xml.parse(page {}:chart(chart):html()), "details"))
  end)

  it("timeline", function()
    local titles, rows = data_of(page.timeline {title = "t", spans = {
      {"1", row = "w", start = 0, stop = 1.5, state = "complete"}, {row = "v", start = 1, stop = 2},
    }})
    assert.same({"name", "row", "start", "stop", "state"}, titles)
    assert.same({{"1", "w", "0", "1.5", "complete"}, {"", "v", "1", "2", ""}}, rows)
  end)
end)

describe("a heat map", function()
  -- Each number with the class of its ink.
  local function numbers_of(chart)
    local found = {}
    for _, text in ipairs(xml.all(xml.parse(chart:svg()), "text")) do
      local class = text.attributes.class or ""
      if class:find "^o" or class == "muted" then found[#found + 1] = class .. " " .. xml.text(text) end
    end
    return found
  end

  -- How many cells there are of each level.
  local function cells_of(chart)
    local counts = {}
    for _, path in ipairs(xml.all(xml.parse(chart:svg()), "path")) do
      local level = (path.attributes.class or ""):match "^c(%d)$"
      if level then counts[tonumber(level)] = select(2, path.attributes.d:gsub("M", "")) end
    end
    return counts
  end

  it("has a number in each cell, and the strongest colour where it is greatest", function()
    local chart = page.heat_map {title = "t", rows = {"a", "b"}, columns = {"a", "b"}, values = {{9, 0}, {4, 9}}}
    assert.same({"o9 9", "o1 0", "o5 4", "o9 9"}, numbers_of(chart)) -- 4/9 of the way is level 5 of 9
    assert.same({1, nil, nil, nil, 1, nil, nil, nil, 2}, cells_of(chart))
    chart = page.heat_map {
      title = "t", rows = {"a", "b"}, columns = {"a", "b"}, values = {{9, 0}, {4, nil}}, z = {reverse = true},
    }
    assert.same({"o1 9", "o9 0", "o6 4"}, numbers_of(chart))
  end)

  it("tells both ends of its colours, however near they are to each other", function()
    local chart = page.heat_map {
      title = "t", rows = {"a"}, columns = {"b", "c"}, values = {{0.693147, 0.693149}}, z = "loss",
    }
    assert.truthy(chart:svg():find('>0.69314700<.*>0.69314900<'))
  end)

  it("gives no colour to what has no place on a logarithmic scale", function()
    local chart = page.heat_map {title = "t", rows = {"a"}, columns = {"a", "b"}, values = {{0, 5}}, z = {log = true}}
    assert.same({"muted 0", "o5 5"}, numbers_of(chart))
    assert.same({[5] = 1}, cells_of(chart))
  end)

  it("tells its values where there is no room for them", function()
    local names, values = {}, {}
    for i = 1, 30 do names[i], values[i] = "name " .. i, i * 1.2345 end
    local chart = page.heat_map {
      title = "t", rows = {"a"}, columns = names, values = {values}, x = "column", y = "row", z = "share",
    }
    local hits = xml.all(xml.parse(chart:svg(320)), "rect", "hit")
    assert.equal(30, #hits)
    assert.equal("row: a\ncolumn: name 2\nshare: 2.469", xml.text(hits[2]))
    assert.same({}, xml.all(xml.parse(page.heat_map {
      title = "t", rows = {"a"}, columns = {"b"}, values = {{1}},
    }:svg()), "rect", "hit"))
  end)
end)

describe("curves", function()
  it("have the colours of their values, the best last; those without one are grey", function()
    local chart = page.curves {title = "t", z = {reverse = true}, series = {
      {"best", y = {1, 2}, z = 1}, {"worst", y = {1, 3}, z = 2}, {"none", y = {1, 4}, dash = true},
      {"one", y = {5}, z = 1.5},
    }}
    local classes, names = {}, {}
    for i, path in ipairs(xml.all(xml.parse(chart:svg()), "path", "path")) do
      classes[i], names[i] = path.attributes.class, xml.text(xml.all(path, "title")[1]):match "[^\n]*"
    end
    assert.same({"none", "worst", "one", "best"}, names)
    assert.same({"line path s8 dash", "line path m1 ", "line path m5 dot", "line path m9 "}, classes)
  end)

  it("refuse what is no value", function()
    refuses({"curves: series 1: z: expected a number, got string"}, page.curves, {
      title = "t", series = {{y = {1}, z = "a"}},
    })
  end)
end)

describe("a contour", function()
  it("is flat where all values are alike, and passes through its points", function()
    local function levels(z)
      local chart = page.contour {title = "t", points = {x = {0, 1, 0, 1}, y = {0, 0, 1, 1}, z = z}}
      local list = {}
      for _, path in ipairs(xml.all(xml.parse(chart:svg()), "path")) do
        list[#list + 1] = (path.attributes.class or ""):match "^c%d$"
      end
      return list
    end
    assert.same({"c5"}, levels {3, 3, 3, 3})
    local both = levels {0, 1, 0, 1}
    assert.same({"c1", "c9"}, {both[1], both[#both]})
  end)
end)

describe("images", function()
  local function first_uri(chart)
    return xml.all(xml.parse(chart:svg()), "image")[1].attributes.href
  end

  -- What Python makes of a data URI: width, height, bits, colour type, and the bytes of the rows.
  local function decoded(uri)
    local code, out, err = process.run(([[python3 - <<'END'
import base64, struct, zlib
data = base64.b64decode("%s".split(",", 1)[1], validate=True)
assert data[:8] == b"\x89PNG\r\n\x1a\n"
at, chunks = 8, {}
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    body, crc = data[at + 8:at + 8 + size], struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
    assert crc == zlib.crc32(kind + body), kind
    chunks[kind] = body
    at += 12 + size
assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"] and at == len(data)
print(*struct.unpack(">IIBBBBB", chunks[b"IHDR"]), *zlib.decompress(chunks[b"IDAT"]))
END]]):format(uri))
    assert.equal(0, code, err)
    local list = {}
    for number in out:gmatch "%d+" do list[#list + 1] = tonumber(number) end
    return list
  end

  it("are PNG of their pixels", function()
    local image = fnn.tensor({{0, 128, 255}, {1, 2, 3}}, {dtype = "uint8"})
    local bytes = decoded(first_uri(page.images {title = "t", images = {image}}))
    assert.same({3, 2, 8, 0, 0, 0, 0, 0, 0, 128, 255, 0, 1, 2, 3}, bytes)
  end)

  it("of floats go from the least to the greatest, or as they are told", function()
    local image = fnn.tensor {{-1, 0}, {0.5, 1}}
    local function pixels(o)
      o.title, o.images = "t", {image}
      local bytes = decoded(first_uri(page.images(o)))
      return {bytes[9], bytes[10], bytes[12], bytes[13]}
    end
    assert.same({0, 128, 191, 255}, pixels {})
    assert.same({0, 0, 128, 255}, pixels {low = 0, high = 1})
  end)

  it("may have colours, their own or diverging ones", function()
    local rgb = fnn.tensor({{{10}}, {{20}}, {{30}}}, {dtype = "uint8"})
    assert.same({1, 1, 8, 2, 0, 0, 0, 0, 10, 20, 30}, decoded(first_uri(page.images {title = "t", images = {rgb}})))
    local filter = fnn.tensor {{-2, 0, 1}}
    local bytes = decoded(first_uri(page.images {title = "t", images = {filter}, diverging = true}))
    assert.same({33, 102, 172, 247, 247, 247, 244, 165, 130}, {table.unpack(bytes, 9)})
    for what, image in pairs {zeros = fnn.tensor {{0, 0}}, ["no number"] = fnn.tensor {{nan, inf}}} do
      local chart = page.images {title = "t", images = {image}, diverging = true}
      local white = decoded(first_uri(chart))
      assert.same({247, 247, 247, 247, 247, 247}, {table.unpack(white, 9)}, what)
      assert.equal("1 images, from 0 (blue) over 0 (white) to 0 (red).", chart.description)
    end
  end)

  it("of more than a block of deflate are whole", function()
    local text = ("abcdefgh"):rep(10000)
    local bytes = decoded(png.data_uri(text, 80000, 1, 1))
    assert.equal(7 + 1 + 80000, #bytes)
    assert.equal(("h"):byte(), bytes[#bytes])
  end)

  it("come as one tensor or as a list, and take what is no number for black", function()
    local tensor = fnn.zeros(3, 1, 2, 2)
    tensor:copy_(fnn.full({3, 1, 2, 2}, nan))
    local chart = page.images {title = "t", images = tensor, labels = {"a", "b\nc", "<"}}
    assert.equal(3, #xml.all(xml.parse(chart:svg()), "image"))
    local tree = xml.parse(page {}:chart(chart):html())
    assert.equal("a", xml.text(xml.all(tree, "li")[1]))
    assert.equal("", xml.all(tree, "img")[1].attributes.alt) -- its label says it
    assert.equal("3 images.", chart.description)
  end)
end)
