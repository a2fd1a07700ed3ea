--- Results as text for people. Class names may be left out: classes then have their numbers.
local average = require "fmnistnn.metrics.average"
local metrics = require "fmnistnn.metrics"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local report = {}

-- ---- texts of a width, in characters where they are UTF-8 ----

local function width_of(text) return utf8.len(text) or #text end
local function pad_left(text, width) return (" "):rep(width - width_of(text)) .. text end
local function pad_right(text, width) return text .. (" "):rep(width - width_of(text)) end

local function cut(text, width)
  if width_of(text) <= width then return text end
  return text:sub(1, utf8.len(text) and utf8.offset(text, width + 1) - 1 or width)
end

local function widest(texts)
  local width = 0
  for _, text in ipairs(texts) do width = math.max(width, width_of(text)) end
  return width
end

local function check_names(who, confusion, given)
  local names = {}
  options.square(who, confusion)
  options.check(who, {names = given}, {{"names", "table", optional = true}})
  if given and #given ~= #confusion then
    refuse("%s: names: expected %d, one for each class, got %d", who, #confusion, #given)
  end
  for i = 1, #confusion do names[i] = tostring(given and given[i] or i) end
  return names
end

-- A number of examples; matrices that are means, or parts of a whole, have fractions.
local function count_text(x) return x % 1 == 0 and ("%.0f"):format(x) or ("%.4g"):format(x) end

-- ---- the two reports ----

--- Precision, recall, F1 and support of each class, as lines of text.
function report.classification(confusion, class_names)
  local names = check_names("classification", confusion, class_names)
  local rows, accuracy = metrics.classification_report(confusion)
  local width = math.max(widest(names), #"weighted mean")
  local lines = {pad_right("class", width) .. "  precision  recall      F1  images"}
  local columns, support, total = {precision = {}, recall = {}, f1 = {}}, {}, 0
  local function line(name, row, count)
    local text = ("  %9.3f  %6.3f  %6.3f  %6s"):format(row.precision, row.recall, row.f1, count_text(count))
    lines[#lines + 1] = pad_right(name, width) .. text
  end
  for i, row in ipairs(rows) do
    line(names[i], row, row.support)
    support[i], total = row.support, total + row.support
    for key, values in pairs(columns) do values[i] = row[key] end
  end
  local mean, weighted = {}, {}
  for key, values in pairs(columns) do
    mean[key], weighted[key] = average.macro(values), average.weighted(values, support)
  end
  line("mean", mean, total)
  line("weighted mean", weighted, total)
  lines[#lines + 1] = ("%s  %9s  %6s  %6.3f  %6s"):format(pad_right("accuracy", width), "", "", accuracy,
    count_text(total))
  return table.concat(lines, "\n")
end

-- The cells of a confusion matrix as texts: "." for no mistake.
local function cell_texts(confusion)
  local rows, all = confusion:totable(), {}
  for i, row in ipairs(rows) do
    for j, count in ipairs(row) do
      row[j] = count == 0 and i ~= j and "." or count_text(count)
      all[#all + 1] = row[j]
    end
  end
  return rows, widest(all)
end

--- The confusion matrix with class names: a row for each true class, a column for each predicted one.
function report.confusion(confusion, class_names)
  local names, headers = check_names("confusion", confusion, class_names), {}
  for i, name in ipairs(names) do headers[i] = cut(name, 5) end -- ten classes fit into 80 columns
  local rows, widest_cell = cell_texts(confusion)
  local title = "true \\ predicted"
  local width, cell = math.max(widest(names), #title), math.max(widest_cell, 5)
  local function line(name, texts)
    local parts = {pad_right(name, width)}
    for i, text in ipairs(texts) do parts[i + 1] = pad_left(text, cell) end
    return table.concat(parts, " ")
  end
  local lines = {line(title, headers)}
  for i, row in ipairs(rows) do lines[i + 1] = line(names[i], row) end
  return table.concat(lines, "\n")
end

return report
