--- fnn.page.lines: values over an axis, as curves over epochs; with bands of what they spread over.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local decimal = require "fmnistnn.decimal"
local labels = require "fmnistnn.page.labels"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local marks = require "fmnistnn.page.marks"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local series = require "fmnistnn.page.series"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"x", "any", default = {}},
  {"y", "any", default = {}},
  {"series", "table"},
}

local series_spec = {
  {"name", "string", default = ""},
  {"x", "any", optional = true},
  {"y", "any"},
  {"low", "any", optional = true},
  {"high", "any", optional = true},
  {"dash", "boolean", default = false},
  {"color", "count", optional = true},
}

local series_lists = {{"x", values.places}, {"y", values.numbers}, {"low", values.numbers}, {"high", values.numbers}}

-- ---- drawing ----

-- The points of a series that have a place, in runs between its gaps.
local function runs_of(frame, each)
  local runs, run = {}, nil
  for i = 1, each.n do
    local x, y = frame:x(each.x[i]), frame:y(each.y[i])
    if x and y then
      if not run then
        run = {}
        runs[#runs + 1] = run
      end
      run[#run + 1] = {x, y}
    else
      run = nil
    end
  end
  return runs
end

local function path_of(points)
  local parts = {}
  for i, point in ipairs(points) do
    parts[i] = numbers.coordinate(point[1]) .. " " .. numbers.coordinate(point[2])
  end
  return "M" .. table.concat(parts, "L") .. (#points == 1 and "h0" or "") -- a point by itself shows by its round end
end

-- The bands of a series, one for each run of places that have both a low and a high end.
local function bands_of(frame, each)
  local parts, there, back = {}, {}, {}
  local function close()
    for i = #back, 1, -1 do there[#there + 1] = back[i] end
    if #there > 2 then parts[#parts + 1] = path_of(there) .. "Z" end
    there, back = {}, {}
  end
  for i = 1, each.low and each.high and each.n or 0 do
    local x, low, high = frame:x(each.x[i]), frame:y(each.low[i]), frame:y(each.high[i])
    if x and low and high then
      there[#there + 1], back[#back + 1] = {x, high}, {x, low}
    else
      close()
    end
  end
  close()
  return parts[1] and e("path", {class = "band", d = table.concat(parts)})
end

-- About eight marks on a line, elsewhere on each, and one at its end.
local function marked_points(runs, index)
  local all, list = {}, {}
  for _, run in ipairs(runs) do table.move(run, 1, #run, #all + 1, all) end
  local every = math.ceil(#all / 8)
  for i, point in ipairs(all) do
    local has_room = i + every // 2 < #all or every == 1
    if i == #all or has_room and (i + index * 2) % every == 0 then list[#list + 1] = point end
  end
  return list
end

local function draw_series(frame, all)
  local nodes = {}
  for _, each in ipairs(all) do
    nodes[#nodes + 1] = e("g", {class = marks.class(each.index)}, bands_of(frame, each) or false)
  end
  for _, each in ipairs(all) do
    local runs, parts = runs_of(frame, each), {}
    for i, run in ipairs(runs) do parts[i] = path_of(run) end
    each.last = runs[1] and runs[#runs][#runs[#runs]]
    nodes[#nodes + 1] = e("g", {class = marks.class(each.index)},
      parts[1] and e("path", {class = "line" .. (each.dash and " dash" or ""), d = table.concat(parts)}),
      #all > 1 and marks.path(each.index, marked_points(runs, each.index), 3.5) or false)
  end
  return frame:clip(nodes)
end

-- Names at the right ends of the lines, joined to them where they had to move.
local function draw_labels(frame, all)
  local shown, wanted, nodes = {}, {}, {}
  for _, each in ipairs(all) do
    if each.last then
      shown[#shown + 1] = each
      wanted[#wanted + 1] = math.max(frame.top, math.min(frame.bottom, each.last[2]))
    end
  end
  local places = labels.spread(wanted, 15, frame.top, frame.bottom)
  for i, each in ipairs(shown) do
    local x, y = math.min(each.last[1], frame.right), wanted[i]
    local is_apart = math.abs(places[i] - y) > 2 or x < frame.right - 1
    nodes[i] = e("g", {class = marks.class(each.index)},
      is_apart and e("path", {
        class = "leader", d = decimal("M%.1f %.1fL%.1f %.1fh4", x + 6, y, frame.right + 12, places[i]),
      }),
      e("text", {class = "label", x = frame.right + (is_apart and 19 or 10), y = places[i], dy = ".35em"}, each.name))
  end
  return nodes
end

local function legend_entries(all)
  local entries = {}
  for i, each in ipairs(all) do
    entries[i] = {text = each.name, draw = function(x, y)
      return e("g", {class = marks.class(each.index)},
        e("path", {class = "line" .. (each.dash and " dash" or ""), d = decimal("M%.1f %.1fh20", x + 1, y)}),
        marks.path(each.index, {{x + 11, y}}, 3.5))
    end}
  end
  return entries
end

-- ---- values beside the pointer ----

-- The places on x that have values: {x, text}.
local function stops_of(frame, all)
  local by_place, stops = {}, {}
  for _, each in ipairs(all) do
    for i = 1, each.n do
      local x = frame:x(each.x[i])
      if x and each.y[i] ~= nil then
        local place = numbers.coordinate(x)
        if not by_place[place] then
          local named = frame.x_axis.title ~= "" and frame.x_axis.title .. " " or ""
          by_place[place] = {x = x, lines = {named .. frame.x_axis:text(each.x[i])}}
          stops[#stops + 1] = by_place[place]
        end
        local lines = by_place[place].lines
        local named = each.name ~= "" and each.name .. ": " or ""
        lines[#lines + 1] = named .. frame.y_axis:text(each.y[i])
      end
    end
  end
  table.sort(stops, function(a, b) return a.x < b.x end)
  return stops
end

-- Strips from the middle before to the middle after each stop, none narrower than three units.
local function draw_hits(frame, all)
  local stops, strips, last = stops_of(frame, all), {}, -math.huge
  for _, stop in ipairs(stops) do
    if stop.x - last >= 3 then strips[#strips + 1], last = stop, stop.x end
  end
  local nodes = {}
  for i, strip in ipairs(strips) do
    local left = i == 1 and frame.left or (strips[i - 1].x + strip.x) / 2
    local right = i == #strips and frame.right or (strip.x + strips[i + 1].x) / 2
    nodes[i] = e("rect", {
      class = "hit", x = left, y = frame.top, width = right - left, height = frame.bottom - frame.top,
    }, e("title", {}, table.concat(strip.lines, "\n")))
  end
  return nodes
end

local function draw(o, width)
  local height = width < 500 and 200 or 300
  local names = {}
  for i, each in ipairs(o.series) do names[i] = each.name end
  local widest = text.widest(names)
  local direct = #names > 1 and widest <= width * 0.3 and #names * 15 <= height + 10
  local top, nodes = 0, {}
  if #names > 1 and not direct then nodes, top = legend.series(legend_entries(o.series), width) end
  local frame = Frame.new {
    width = width, height = height, top = top, right = direct and widest + 22 or 12, x = o.x, y = o.y,
  }
  local drawn = draw_series(frame, o.series)
  return {
    nodes, frame:draw(), draw_hits(frame, o.series), e("g", {["pointer-events"] = "none"}, drawn),
    direct and draw_labels(frame, o.series),
  }, frame.total
end

-- ---- the data and what is said of it ----

-- Columns of a series, and how its numbers go into the rows that row_of(x, times) gives.
local function add_series(each, columns, row_of)
  local first, names, times = #columns, {}, {}
  for _, name in ipairs {"y", "low", "high"} do
    if each[name] then
      names[#names + 1] = name
      columns[#columns + 1] = {title = (each.name .. (name ~= "y" and " " .. name or "")):gsub("^ ", "")}
    end
  end
  for i = 1, each.n do
    local key = numbers.exact_or_text(each.x[i])
    times[key] = (times[key] or 0) + 1
    local row = row_of(each.x[i], key .. " " .. times[key])
    for k, name in ipairs(names) do row[first + k] = each[name][i] end
  end
end

-- A row for each value of x, in order; where a series has a value of x twice, there are two.
local function table_of(o)
  local columns, rows, by_key = {{title = series.named(o.x, "x")}}, {}, {}
  local function row_of(x, key)
    if not by_key[key] then
      by_key[key] = {x, place = o.x:at(x) or math.huge, order = #rows}
      rows[#rows + 1] = by_key[key]
    end
    return by_key[key]
  end
  for _, each in ipairs(o.series) do add_series(each, columns, row_of) end
  table.sort(rows, function(a, b)
    if a.place ~= b.place then return a.place < b.place end
    return a.order < b.order
  end)
  return columns, rows
end

-- "training ends at 0.98 (0.81 to 0.98)"
local function sentence_of(o, each)
  local low, high, last = math.huge, -math.huge, nil
  for i = 1, each.n do
    local y = each.y[i]
    if numbers.is_finite(y) then low, high, last = math.min(low, y), math.max(high, y), y end
  end
  local name = each.name ~= "" and each.name or "the line"
  if not last then return name .. " has no values" end
  return ("%s ends at %s (%s to %s)"):format(name, o.y:text(last), o.y:text(low), o.y:text(high))
end

local function describe(o)
  local parts = {}
  for i, each in ipairs(o.series) do parts[i] = sentence_of(o, each) end
  return ("Lines of %s over %s: %s."):format(series.named(o.y, "values"), series.named(o.x, "positions"),
    parts[1] and table.concat(parts, "; ") or "there is no data")
end

return function(given)
  local o = options.check("lines", given, spec)
  o.x, o.y = Axis.new("lines: x", o.x, "places"), Axis.new("lines: y", o.y)
  o.series = series.check("lines", o.series, series_spec, series_lists)
  o.x:fit(series.lists(o.series, "x"))
  o.y:fit(series.lists(o.series, "y", "low", "high"), {nice = true})
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
