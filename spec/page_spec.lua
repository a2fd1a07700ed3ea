-- Pages: they are one file, well-formed and harmless; scripts/check_page looks at one with a browser.
local fnn = require "fmnistnn"
local check = require "spec.support.check"
local demo = require "spec.support.page_demo"
local process = require "spec.support.process"
local xml = require "spec.support.xml"

local page = fnn.page
local nan, inf = 0 / 0, math.huge

local function refuses(texts, f, ...) check.refused(f, texts, ...) end

describe("a page", function()
  it("is one file that loads nothing", function()
    local text = demo.page():html()
    xml.parse(text)
    for address in text:gmatch '[%s](%a[%w-]*="[^"]*:)' do
      local is_known = address:find '^src="data:' or address:find '^href="data:' or address:find "^aria%-label="
        or address:find "^style=" or address:find "^content="
      assert(is_known, address)
    end
    assert.is_nil(text:find("url(", 1, true) or text:find("@import", 1, true))
    assert(#text < 500000, #text)
  end)

  it("is harmless, whatever the texts are", function()
    local evil = '</title></style></script><script>alert("1")</script><img src=x onerror=alert(1)>\0\xFF'
    local one = {evil}
    local report = page {title = evil, description = evil, language = evil}
    report:heading(evil):text(evil):code(evil):table {columns = one, rows = {one}, caption = evil}
    local shared = {title = evil, description = evil, x = evil, y = evil}
    local function chart(kind, o) report:chart(page[kind](o)) end
    local function with(o)
      for key, value in pairs(shared) do o[key] = o[key] or value end
      return o
    end
    chart("lines", with {series = {{evil, x = one, y = {1}}, {evil, x = one, y = {2}}}})
    chart("scatter", with {
      series = {{evil, x = one, y = one, labels = one, z = {1}}, {evil, x = one, y = one}}, z = evil,
    })
    chart("contour", with {points = {x = one, y = one, z = {1}}, z = evil})
    chart("heat_map", with {rows = one, columns = one, values = {{1}}, z = evil})
    chart("bars", {title = evil, x = evil, names = one, values = {1}})
    chart("parallel", {title = evil, names = one, axes = {{evil, values = one}, {evil, values = {1}}}})
    chart("timeline", {
      title = evil, spans = {{evil, row = evil, start = 0, stop = 1, state = evil}}, states = {evil, "b"},
    })
    chart("images", {title = evil, images = {fnn.zeros(2, 2)}, labels = one})
    local tree = xml.parse(report:html())
    assert.equal(1, #xml.all(tree, "script")) -- the page's own
    assert.equal(1, #xml.all(tree, "img"))
    assert.is_nil(xml.all(tree, "img")[1].attributes.onerror)
  end)

  it("has its parts in order, as elements with a meaning", function()
    local report = page {title = "T", language = "de"}
    report:heading "One":text "first\n\nsecond":heading("Within", 3):heading "Two":code "a  <b":heading "Three"
    local tree = xml.parse(report:html())
    assert.equal("de", tree.attributes.lang)
    local order = {}
    local function walk(node)
      local name = node.name
      if name:find "^h%d$" or name == "p" or name == "pre" then order[#order + 1] = name .. " " .. xml.text(node) end
      for _, child in ipairs(node) do
        if type(child) == "table" then walk(child) end
      end
    end
    walk(tree)
    assert.same({
      "h1 T", "h2 One", "p first", "p second", "h3 Within", "h2 Two", "pre a  <b", "h2 Three",
    }, order)
    local links = xml.all(xml.all(tree, "nav")[1], "a")
    for i, heading in ipairs(xml.all(tree, "h2")) do
      assert.equal("#" .. heading.attributes.id, links[i].attributes.href)
      assert.equal(xml.text(heading), xml.text(links[i]))
    end
  end)

  it("has tables with numbers aligned, and exact ones to sort by", function()
    local report = page {}:table {
      columns = {"name", {"accuracy", format = "%.1f"}, "note", "n"}, caption = "C",
      rows = {{"a", 0.25, "x", 1}, {"b", 1 / 3, 5, 20000}, {"c", nil, true, nil}},
    }
    local table_ = xml.all(xml.parse(report:html()), "table", "sortable")[1]
    assert.equal("C", table_.attributes["aria-label"])
    assert.same({{"a", "0.2", "x", "1"}, {"b", "0.3", "5", "20,000"}, {"c", "", "true", ""}}, xml.rows(table_))
    local cells, classes = xml.all(table_, "td"), {}
    for i = 1, 6 do classes[i] = cells[i].attributes.class or "" end
    assert.same({"n", "", "n", "n", "", "n"}, classes)
    assert.same({"0.3333333333333333", "20000"}, {cells[4].attributes["data-value"], cells[6].attributes["data-value"]})
    assert.same({"col", "row"}, {xml.all(table_, "th")[1].attributes.scope, xml.all(table_, "th")[5].attributes.scope})
  end)

  it("has tables that can be filtered, where it is told so, and numbers that are infinite in their order", function()
    local function table_of(o)
      o.columns, o.rows = {"name", "x"}, {{"a", math.huge}, {"b", -math.huge}}
      return xml.all(xml.parse(page {}:table(o):html()), "table", "sortable")[1]
    end
    assert.is_nil(table_of {}.attributes["data-filter"])
    local filtered = table_of {filter = true}
    assert.equal("", filtered.attributes["data-filter"])
    assert.same({{"a", "inf"}, {"b", "-inf"}}, xml.rows(filtered))
    local cells = xml.all(filtered, "td")
    assert.same({"Infinity", "-Infinity"}, {cells[1].attributes["data-value"], cells[2].attributes["data-value"]})
  end)

  it("loads itself anew only when it is told to", function()
    local function live(o) return xml.all(xml.parse(page(o):html()), "p", "live")[1] end
    assert.is_nil(live {})
    assert.equal("2.5", live {refresh = 2.5}.attributes["data-seconds"])
  end)

  it("is written whole, or it is said why not", function()
    local folder = process.folder()
    local report = page {title = "T"}
    assert.is_true(report:write(folder .. "/page.html"))
    assert.equal(report:html(), process.read(folder .. "/page.html"))
    local ok, message = report:write(folder .. "/none/page.html")
    assert.is_nil(ok)
    assert.matches("none/page%.html", message)
    process.remove(folder)
  end)
end)

describe("the history of a training", function()
  it("is shown in one line", function()
    local labels_ = fnn.ones({8}, {dtype = "int64"})
    local trainer = fnn.Trainer {
      model = fnn.nn.Dense {2}, optimizer = fnn.optim.SGD {}, loss = "cross_entropy", metrics = {"accuracy"},
    }
    trainer:fit({fnn.zeros(8, 3), labels_}, {epochs = 2, validation_split = 0.5, progress = false, seed = 1})
    local html = page {title = "Training"}:history(trainer.history):html()
    local tree, found = xml.parse(html), {}
    for i, caption in ipairs(xml.all(tree, "figcaption")) do found[i] = xml.text(caption) end
    assert.same({"Loss", "Accuracy"}, found)
    local rows = xml.rows(xml.all(tree, "table")[1])
    for epoch = 1, 2 do
      local wanted = {epoch, trainer.history.loss[epoch], trainer.history.val_loss[epoch]}
      for i, value in ipairs(wanted) do assert.equal(value, tonumber(rows[epoch][i])) end
    end
    assert.matches("<p>2 epochs in [%d.e-]+ s of training%.</p>", html)
    local heads = {}
    for _, html_ in ipairs {html, page {}:history(trainer.history, {validation = "test"}):html()} do
      local head = xml.all(xml.all(xml.parse(html_), "table")[1], "th")
      heads[#heads + 1] = xml.text(head[3])
    end
    assert.same({"validation", "test"}, heads)
  end)

  it("of several seeds has means and what they spread over", function()
    local report = page {}:history {{loss = {3, 1}, seconds = {1, 1}}, {loss = {1, nil}, seconds = {1}}}
    local tree = xml.parse(report:html())
    assert.same({{"1", "2", "1", "3"}, {"2", "1", "1", "1"}}, xml.rows(xml.all(tree, "table")[1]))
    assert.matches("<p>2 epochs, the first of 2 runs%.</p>", -- of which the first has no loss
      page {}:history({{val_accuracy = {0.5, 0.6}}, {loss = {3}}}):html())
  end)

  it("has a line for each number of a measure that is a list", function()
    local one = {loss = {2, 1}, f1_none = {{0.1, 0.2}, {0.3, nan}}, val_f1_none = {{0.5}, {0.6, 0.7}}}
    local function rows_of(given)
      local tree = xml.parse(page {}:history(given):html())
      local f1 = xml.all(tree, "table")[2]
      local heads = {}
      for i, head in ipairs(xml.all(f1, "th")) do heads[i] = xml.text(head) end
      return heads, xml.rows(f1)
    end
    local heads, rows = rows_of(one)
    assert.same({"epoch", "training 1", "training 2", "validation 1", "validation 2"}, {table.unpack(heads, 1, 5)})
    assert.same({"0.1", "0.2", "0.5"}, {table.unpack(rows[1], 2, 4)})
    assert.same({"0.3", "0.6", "0.7"}, {rows[2][2], rows[2][4], rows[2][5]})
    heads, rows = rows_of {one, {loss = {2, 1}, f1_none = {{0.3, 0.4}, {0.5, 0.6}}}}
    assert.same({"training 1", "training 1 low", "training 1 high", "training 2"}, {table.unpack(heads, 2, 5)})
    assert.same({"0.2", "0.1", "0.3"}, {table.unpack(rows[1], 2, 4)})
  end)

  it("says how it ended", function()
    local function text(history)
      history.loss = {1, 0.5}
      return xml.text(xml.all(xml.all(xml.parse(page {}:history(history):html()), "main")[1], "p")[1])
    end
    assert.equal("2 epochs.", text {})
    assert.equal("2 epochs in 3.5 s of training; interrupted.", text {seconds = {1.5, 2}, interrupted = true})
    assert.equal("2 epochs; the loss is NaN.", text {stopped = "the loss is NaN"})
  end)

  it("spreads position by position", function()
    local spread = page.spread {{1, 2, nan}, {3, 4, nil, 8}, {5}}
    assert.same({y = {3, 3, nil, 8}, low = {1, 2, nil, 8}, high = {5, 4, nil, 8}}, spread)
  end)
end)

describe("a confusion matrix", function()
  it("is a heat map and a table of its classes", function()
    local confusion = fnn.tensor({{8, 2}, {1, 9}}, {dtype = "int64"})
    local names = {"cat", "dog"}
    local tree = xml.parse(page {}:confusion(confusion, names):classification(confusion, names):html())
    local tables = xml.all(tree, "table")
    assert.same({{"cat", "8", "2"}, {"dog", "1", "9"}}, xml.rows(tables[1]))
    assert.same({
      {"cat", "0.889", "0.800", "0.842", "10"}, {"dog", "0.818", "0.900", "0.857", "10"},
    }, xml.rows(tables[2]))
    tree = xml.parse(page {}:confusion(confusion):html())
    assert.same({{"1", "8", "2"}, {"2", "1", "9"}}, xml.rows(xml.all(tree, "table")[1]))
    refuses({"confusion: names: expected 2, one for each class, got 1"}, function()
      page {}:confusion(confusion, {"a"})
    end)
  end)
end)

-- ---- misuse ----

describe("pages refuse", function()
  local function lines(o) return page.lines {title = "t", series = {o}} end

  it("options that are none", function()
    refuses({"page: unknown option titel"}, page, {titel = "x"})
    refuses({"page: refresh: expected a number above 0"}, page, {refresh = 0})
    refuses({"page: refresh: expected at most 2147483 seconds, got inf"}, page, {refresh = inf})
    refuses({"lines: title: expected a string, got none"}, page.lines, {series = {}})
    refuses({"lines: x: unknown option logarithmic"}, page.lines, {title = "t", series = {}, x = {logarithmic = true}})
    refuses({"lines: y: unknown option reverse"}, page.lines, {title = "t", series = {}, y = {reverse = true}})
    refuses({"bars: x: unknown option categories"}, page.bars, {
      title = "t", names = {}, values = {}, x = {categories = {"a"}},
    })
  end)

  it("axes that cannot be", function()
    local function axis(x) return function() page.lines {title = "t", series = {}, x = x} end end
    refuses({"lines: x: min: expected a number above 0 on a logarithmic axis, got 0"}, axis {log = true, min = 0})
    refuses({"lines: x: expected min below max, got 2 and 1"}, axis {min = 2, max = 1})
    refuses({"lines: x: max: expected a number of at most 1e+250, got inf"}, axis {max = inf})
    for _, other in ipairs {{log = true}, {min = 1}, {max = 1}} do
      other.categories = {"a", "b"}
      refuses({"lines: x: categories: expected none of log, min and max beside them"}, axis(other))
    end
    refuses({"lines: x: format: expected a format of one number", "'%s %s'"}, axis {format = "%s %s"})
    refuses({"lines: x: format: expected a format of one number", "'.3f'"}, axis {format = ".3f"})
    refuses({"lines: x: format: expected a format of one number", "'100 %%'"}, axis {format = "100 %%"})
    local nothing = page.lines {title = "t", series = {{y = {1, 2}}}, x = {format = function() end}}
    refuses({"format: expected a text from the function, got nil"}, nothing.svg, nothing)
    refuses({"lines: x: expected a table of options, got number 5"}, axis(5))
  end)

  it("lists that are none, and of wrong lengths", function()
    refuses({"lines: series 1: y: expected a list of numbers, got number"}, lines, {y = 5})
    refuses({"lines: series 1: y: 2: expected numbers, got string 'x'"}, lines, {y = {1, "x"}})
    refuses({"lines: series 1: y: expected a list, got the key a"}, lines, {y = {a = 1}})
    refuses({"lines: series 1: y: expected a tensor of one axis, got (2,2)"}, lines, {y = fnn.zeros(2, 2)})
    refuses({"lines: series 1: x: expected 3, as many as there are of the others, got 2"}, lines, {
      x = {1, 2}, y = {1, 2, 3},
    })
    refuses({"lines: series 1: unknown option z"}, lines, {y = {1}, z = {1}})
    refuses({"lines: series: there is no 1"}, page.lines, {title = "t", series = {nil, {y = {}}}})
    refuses({"bars: values: expected 1, one for each name, got 2"}, page.bars, {
      title = "t", names = {"a"}, values = {1, 2},
    })
    refuses({"heat_map: values: expected 2, one for each of rows, got 1"}, page.heat_map, {
      title = "t", rows = {"a", "b"}, columns = {"a"}, values = {{1}},
    })
    refuses({"heat_map: values: row 1: expected 1, one for each of columns, got 2"}, page.heat_map, {
      title = "t", rows = {"a"}, columns = {"a"}, values = {{1, 2}},
    })
    refuses({"parallel: axes: expected two or more, got 1"}, page.parallel, {title = "t", axes = {{"a", values = {}}}})
    refuses({"parallel: axis 2: values: expected a list"}, page.parallel, {
      title = "t", axes = {{"a", values = {}}, {"b"}},
    })
    refuses({"timeline: span 1: expected start before stop, got 2 and 1"}, page.timeline, {
      title = "t", spans = {{row = "a", start = 2, stop = 1}},
    })
  end)

  it("images that are none", function()
    local function images(o) o.title = "t"; return page.images(o) end
    refuses({"images: image 1: expected a tensor, got number"}, images, {images = {5}})
    refuses({"images: image 1: expected an image (H,W), (1,H,W) or (3,H,W), got (2,3,3)"}, images, {
      images = {fnn.zeros(2, 3, 3)},
    })
    refuses({"images: images: expected (N,H,W) or (N,C,H,W), got (3,3)"}, images, {images = fnn.zeros(3, 3)})
    refuses({"images: labels: expected 1, one for each of images, got 2"}, images, {
      images = {fnn.zeros(3, 3)}, labels = {"a", "b"},
    })
    refuses({"images: low: expected a finite number, got -inf"}, images, {images = {fnn.zeros(3, 3)}, low = -math.huge})
    refuses({"images: expected low below high, got 1 and 0"}, images, {images = {fnn.zeros(3, 3)}, low = 1, high = 0})
    refuses({"images: diverging: expected images of one channel"}, images, {
      images = {fnn.zeros(3, 2, 2)}, diverging = true,
    })
  end)

  it("content that is none", function()
    local report = page {}
    refuses({"chart: 1: expected a chart, got table"}, report.chart, report, {})
    refuses({"chart: expected a chart, got none"}, report.chart, report)
    refuses({"heading: level: expected 2 or 3, got 1"}, report.heading, report, "a", 1)
    refuses({"heading: level: expected a heading of level 2 first"}, report.heading, report, "a", 3)
    refuses({"text: text: expected a string, got none"}, report.text, report)
    refuses({"table: row 1: expected at most 1 cells, got the key 2"}, report.table, report, {
      columns = {"a"}, rows = {{1, 2}},
    })
    refuses({"table: row 1: cell 1: expected a text or a number, got table"}, report.table, report, {
      columns = {"a"}, rows = {{{}}},
    })
    refuses({"history: expected a history of a Trainer, got number"}, report.history, report, 5)
    refuses({"history: expected a history of a Trainer, got one without measures"}, report.history, report, {})
    refuses({"history: val_loss: expected a list with a value an epoch, got number 1"}, report.history, report, {
      loss = {1}, val_loss = 1,
    })
    refuses({"history: 2: seconds: 1: expected numbers, got string '1'"}, report.history, report, {
      {loss = {1}}, {loss = {1}, seconds = {"1"}},
    })
    refuses({"history: stopped: expected a string, got boolean"}, report.history, report, {loss = {1}, stopped = true})
    refuses({"write: path: expected a string, got nil"}, report.write, report)
  end)
end)

-- ---- with a browser ----

describe("in a browser #long", function()
  local function check_page(text)
    local folder = process.folder()
    process.write(folder .. "/page.html", text)
    local code, out, err = process.run("scripts/check_page " .. folder .. "/page.html")
    process.remove(folder)
    if code == 77 then pending(err) end
    return code, out .. err
  end

  it("the page of all charts has no problem", function()
    local code, text = check_page(demo.page({refresh = 600}):html())
    assert.equal(0, code, text)
  end)

  it("problems are found", function()
    local code, text = check_page([[<!doctype html><html><head><title>x</title></head><body><main>
      <div style="width:900px">wide</div><img src="https://example.invalid/x.png">
      <div class="plot"><svg aria-label="chart" width="200" height="50"><text y="20">one</text><text y="22">two</text>
      <text y="45" style="font-size:3px">tiny</text></svg></div>
      <script>console.error("on the console"); nothing();</script></main></body></html>]])
    assert.equal(1, code, text)
    for _, problem in ipairs {
      "scrolls sideways", "a request to https://example.invalid", "on the console", "nothing is not defined",
      '"two" lies on "one"', '"tiny" is 3.0 px high', "axe: image-alt", "axe: html-has-lang",
    } do
      assert(text:find(problem, 1, true), "not found: " .. problem .. "\n" .. text)
    end
  end)
end)
