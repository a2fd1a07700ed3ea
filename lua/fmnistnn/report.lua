--- Results as text for people.
local metrics = require "fmnistnn.metrics"

local report = {}

local function pad_left(text, width) return (" "):rep(width - utf8.len(text)) .. text end
local function pad_right(text, width) return text .. (" "):rep(width - utf8.len(text)) end

local function widest(names)
  local width = 0
  for _, name in ipairs(names) do width = math.max(width, utf8.len(name)) end
  return width
end

--- Precision, recall, F1 and support of each class, as lines of text.
function report.classification(confusion, names)
  local rows, accuracy = metrics.classification_report(confusion)
  local width = math.max(widest(names), #"weighted mean")
  local lines = {pad_right("class", width) .. "  precision  recall      F1  images"}
  local sums, total = {precision = 0, recall = 0, f1 = 0}, 0
  local weighted = {precision = 0, recall = 0, f1 = 0}
  local function line(name, row, count)
    lines[#lines + 1] = ("%s  %9.3f  %6.3f  %6.3f  %6d"):format(pad_right(name, width), row.precision, row.recall, row.f1, count)
  end
  for i, row in ipairs(rows) do
    line(names[i], row, row.support)
    total = total + row.support
    for key in pairs(sums) do
      sums[key] = sums[key] + row[key] / #rows
      weighted[key] = weighted[key] + row[key] * row.support
    end
  end
  for key in pairs(weighted) do weighted[key] = total > 0 and weighted[key] / total or 0 end
  line("mean", sums, total)
  line("weighted mean", weighted, total)
  lines[#lines + 1] = ("%s  %9s  %6s  %6.3f  %6d"):format(pad_right("accuracy", width), "", "", accuracy, total)
  return table.concat(lines, "\n")
end

--- The confusion matrix with class names: a row for each true class, a column for each predicted one.
function report.confusion(confusion, names)
  local counts = confusion:totable()
  local width, cell = widest(names), 0
  local headers = {}
  for i, name in ipairs(names) do headers[i] = name:sub(1, 5) end -- ten classes fit into 80 columns
  cell = math.max(widest(headers), 5)
  local lines = {pad_right("true \\ predicted", math.max(width, 16))}
  width = math.max(width, 16)
  for i in ipairs(names) do lines[1] = lines[1] .. " " .. pad_left(headers[i], cell) end
  for i, row in ipairs(counts) do
    local line = pad_right(names[i], width)
    for j, count in ipairs(row) do
      line = line .. " " .. pad_left(count == 0 and i ~= j and "." or ("%d"):format(count), cell)
    end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

return report
