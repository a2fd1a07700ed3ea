-- What the study's runs came to: a page, its plots, a table for programs, and one for the terminal.
local csv = require "fmnistnn.csv"
local fnn = require "fmnistnn"
local page = fnn.page
local result_file = require "result_file"

local report = {}

-- ---- numbers of a row ----

-- Mean and standard deviation (of a sample; nil for one) of a field over the runs that are done.
local function statistics(entry, field)
  local sum, squares, n = 0, 0, 0
  for _, result in ipairs(entry) do
    if result[field] then sum, n = sum + result[field], n + 1 end
  end
  if n == 0 then return nil end
  local mean = sum / n
  for _, result in ipairs(entry) do
    if result[field] then squares = squares + (result[field] - mean) ^ 2 end
  end
  return mean, n > 1 and math.sqrt(squares / (n - 1)) or nil, n
end

-- The runs of a row by seed: those that there are.
local function runs_of(entry, seeds)
  local runs = {}
  for seed = 1, seeds do runs[#runs + 1] = entry[seed] end
  return runs
end

local function histories_of(runs)
  local histories = {}
  for _, result in ipairs(runs) do
    if result.history and #(result.history.loss or {}) > 0 then histories[#histories + 1] = result.history end
  end
  return histories
end

local function minutes(seconds) return seconds and seconds / 60 end

local function table_rows(entries)
  local rows = {}
  for i, entry in ipairs(entries) do
    local row, accuracy, deviation, done = entry.row, statistics(entry.runs, "accuracy")
    local study = row.study or {}
    rows[i] = {
      name = row.name, epochs = row.epochs, runs = done or 0, accuracy = accuracy, deviation = deviation,
      train_accuracy = statistics(entry.runs, "train_accuracy"), minutes = minutes(statistics(entry.runs, "seconds")),
      validation_accuracy = statistics(entry.runs, "validation_accuracy"),
      parameters = statistics(entry.runs, "parameters"), study_accuracy = study[1], study_minutes = study[2],
      stopped = entry.stopped,
    }
  end
  return rows
end

local columns = {
  {"trial", "name", "%s"}, {"validation", "validation_accuracy", "%.4f"}, {"test", "accuracy", "%.4f"},
  {"±", "deviation", "%.4f"}, {"study", "study_accuracy", "%.4f"}, {"training", "train_accuracy", "%.4f"},
  {"min", "minutes", "%.2f"}, {"study min", "study_minutes", "%.1f"}, {"parameters", "parameters", "%.0f"},
}

-- Whether one of them has that field.
local function has(rows, field)
  for _, row in ipairs(rows) do
    if row[field] ~= nil then return true end
  end
  return false
end

-- Those columns that have something to show.
local function columns_of(rows)
  local some = {}
  for _, column in ipairs(columns) do
    if has(rows, column[2]) then some[#some + 1] = column end
  end
  return some
end

-- ---- the page ----

local function add_overview(shown, rows)
  local titles, cells = {}, {}
  for i = 1, #rows do cells[i] = {} end
  for k, column in ipairs(columns_of(rows)) do
    titles[k] = {title = column[1], format = column[3]}
    for i, row in ipairs(rows) do cells[i][k] = row[column[2]] end
  end
  shown:heading("Results")
  shown:table{
    columns = titles, rows = cells,
    caption = "Accuracy at the last epoch on test images and on training images",
  }
  shown:text((has(rows, "deviation") and "Means over the runs, ± their standard deviation. " or "")
    .. "Minutes are those of training, without evaluation.")
  for _, row in ipairs(rows) do
    if row.stopped then shown:text(("%s: %s"):format(row.name, row.stopped)) end
  end
end

local function scatter_series(name, rows, x, y)
  local series = {name, x = {}, y = {}, labels = {}}
  for _, row in ipairs(rows) do
    if row[x] and row[y] then
      local i = #series.x + 1
      series.x[i], series.y[i], series.labels[i] = row[x], row[y], row.name
    end
  end
  return #series.x > 0 and series or nil
end

local function time_chart(rows)
  local series = {}
  for _, one in ipairs{
    {"the study", "study_minutes", "study_accuracy"}, {"here", "minutes", "accuracy"},
  } do
    series[#series + 1] = scatter_series(one[1], rows, one[2], one[3])
  end
  if #series == 0 then return nil end
  return page.scatter{
    title = "Accuracy against time of training", x = {title = "time (min)", log = true},
    y = "test accuracy", series = series,
  }
end

local measures = {
  {"val_accuracy", "accuracy", "Accuracy on %s images"}, {"accuracy", "accuracy", "Accuracy on training images"},
  {"val_loss", "loss", "Loss on %s images"}, {"loss", "loss", "Loss on training images"},
}

local function curve_chart(entries, measure, what)
  local series, several = {}, false
  for _, entry in ipairs(entries) do
    local lists = {}
    for _, history in ipairs(histories_of(entry.runs)) do
      if #(history[measure[1]] or {}) > 0 then lists[#lists + 1] = history[measure[1]] end
    end
    if #lists > 0 then
      local line = page.spread(lists)
      line.name, several = entry.row.name, several or #lists > 1
      series[#series + 1] = line
    end
  end
  if #series == 0 then return nil end
  return page.lines{
    title = measure[3]:format(what) .. (several and ": mean and range over the seeds" or ""), x = "epoch",
    y = measure[2], series = series,
  }
end

-- The charts of all rows by the names of their files.
local function overview_charts(entries, rows, what)
  local charts = {{"accuracy-time", time_chart(rows)}}
  for _, measure in ipairs(measures) do charts[#charts + 1] = {measure[1], curve_chart(entries, measure, what)} end
  return charts
end

local function wrong_images(result, data, name)
  local images, labels, class_names = {}, {}, data.test.class_names
  for i, wrong in ipairs(result.wrong) do
    images[i] = data.test.examples[wrong.image][1]
    labels[i] = ("%s\ntaken for %s\n(%.1f %%)"):format(class_names[wrong.is], class_names[wrong.taken],
      100 * wrong.probability)
  end
  if #images == 0 then return nil end
  return page.images{title = "Most confidently wrong, trial " .. name, images = images, labels = labels}
end

-- The first run of a row that is done, in full. what: the images that it was validated with.
local function add_run(shown, entry, data, charts, what)
  local result
  for _, each in ipairs(entry.runs) do result = result or each.confusion and each end
  shown:heading("Trial " .. entry.row.name)
  local histories = histories_of(entry.runs)
  if #histories > 0 then shown:history(histories, {validation = what}) end
  if not result then return end
  local name, class_names = entry.row.name, data.test.class_names
  shown:text(("What follows is of the run with seed %d."):format(result.seed))
  local confusion = fnn.tensor(result.confusion, {dtype = "int64"})
  shown:confusion(confusion, class_names)
  shown:classification(confusion, class_names)
  local wrong = wrong_images(result, data, name)
  if wrong then
    shown:chart(wrong)
    charts[#charts + 1] = {"wrong-" .. name, wrong}
  end
  if result.filters then
    local filters = page.images{
      title = "Filters of the first layer, trial " .. name, images = fnn.tensor(result.filters), diverging = true,
    }
    shown:chart(filters)
    charts[#charts + 1] = {"filters-" .. name, filters}
  end
  shown:code(result.summary)
end

-- ---- files ----

local function write_svgs(folder, charts)
  local ok, message = require "fmnistnn.folder".make(folder)
  for _, pair in ipairs(charts) do
    local name, chart = pair[1], pair[2]
    if ok and chart then
      ok, message = fnn.write_file(("%s/%s.svg"):format(folder, name:gsub("[^%w%-]+", "_")), chart:svg())
    end
  end
  return ok, message
end

local function csv_of(rows)
  local names = {
    "name", "runs", "epochs", "accuracy", "deviation", "train_accuracy", "minutes", "parameters", "study_accuracy",
    "study_minutes", "validation_accuracy",
  }
  local lines = {csv.line(names, #names)}
  for i, row in ipairs(rows) do
    local cells = {}
    for k, name in ipairs(names) do cells[k] = row[name] end
    lines[i + 1] = csv.line(cells, #names)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Results as report takes them: runs without gaps.
local function entries_of(results, seeds)
  local entries = {}
  for i, entry in ipairs(results) do
    entries[i] = {row = entry.row, runs = runs_of(entry, seeds)}
    for _, result in ipairs(entries[i].runs) do entries[i].stopped = entries[i].stopped or result.stopped end
  end
  return entries
end

--- Writes study.html, study.json, study.csv and plots/ into a folder. results: for each row a table of runs by seed
-- and `row`. Options: seeds; refresh: seconds after which the page loads itself anew; validation. Returns true, or nil
-- and a message.
function report.write(folder, results, data, o)
  local entries = entries_of(results, o.seeds)
  local rows, what = table_rows(entries), o.validation and "validation" or "test"
  local beside = has(rows, "study_accuracy") and "; the study's own figures beside ours" or ""
  local shown = page{
    title = "Fashion-MNIST: the study",
    description = ("%d training images for each network%s."):format(#data.train, beside),
    refresh = o.refresh,
  }
  local charts = overview_charts(entries, rows, what)
  add_overview(shown, rows)
  for _, pair in ipairs(charts) do
    if pair[2] then shown:chart(pair[2]) end
  end
  for _, entry in ipairs(entries) do
    if #entry.runs > 0 then add_run(shown, entry, data, charts, what) end
  end
  local runs = fnn.json.array()
  for _, entry in ipairs(entries) do table.move(entry.runs, 1, #entry.runs, #runs + 1, runs) end
  local ok, message = shown:write(folder .. "/study.html")
  if ok then ok, message = write_svgs(folder .. "/plots", charts) end
  if ok then ok, message = fnn.write_file(folder .. "/study.csv", csv_of(rows)) end
  if ok then
    ok, message = result_file.write(folder .. "/study.json", {rows = rows, runs = runs})
  end
  return ok, message
end

--- The table as text.
function report.text(results, seeds)
  local rows = table_rows(entries_of(results, seeds))
  local lines = {}
  for i = 0, #rows do lines[i] = {} end
  for k, column in ipairs(columns_of(rows)) do
    local width = utf8.len(column[1])
    lines[0][k] = column[1]
    for i, row in ipairs(rows) do
      local value = row[column[2]]
      lines[i][k] = value and column[3]:format(value) or "-"
      width = math.max(width, #lines[i][k])
    end
    for i = 0, #rows do
      local space = (" "):rep(width - utf8.len(lines[i][k]))
      lines[i][k] = k == 1 and lines[i][k] .. space or space .. lines[i][k]
    end
  end
  for i = 0, #rows do
    lines[i] = table.concat(lines[i], "  ")
    if i > 0 and rows[i].stopped then lines[i] = lines[i] .. "\n  " .. rows[i].stopped end
  end
  return table.concat(lines, "\n", 0)
end

return report
