--- What a Trainer's fit saw, as charts: one for each measure, with training and validation; a measure that is a list (a
-- number a class) has a line for each of its numbers.
local lines = require "fmnistnn.page.lines"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local values = require "fmnistnn.page.values"

local history = {}

--- The mean of several lists and what they spread over, position by position: {y = means, low = minima, high =
-- maxima}, as a series of fnn.page.lines takes them. Where a list has no number, it does not count.
function history.spread(lists)
  local result, longest, checked = {y = {}, low = {}, high = {}}, 0, {}
  for i, list in ipairs(values.items("spread: lists", lists)) do
    local count
    checked[i], count = values.numbers(("spread: list %d"):format(i), list)
    longest = math.max(longest, count)
  end
  for position = 1, longest do
    local sum, count, low, high = 0, 0, math.huge, -math.huge
    for _, list in ipairs(checked) do
      local value = list[position]
      if numbers.is_finite(value) then
        sum, count, low, high = sum + value, count + 1, math.min(low, value), math.max(high, value)
      end
    end
    if count > 0 then result.y[position], result.low[position], result.high[position] = sum / count, low, high end
  end
  return result
end

local not_measures = {seconds = true, images_per_second = true}

-- The measures of histories, the loss first: {"loss", "accuracy"}.
local function measures_of(histories)
  local names, known = {}, {}
  for _, one in ipairs(histories) do
    for key, list in pairs(one) do
      local name = type(list) == "table" and type(key) == "string" and key:gsub("^val_", "")
      if name and not known[name] and not not_measures[name] then
        known[name], names[#names + 1] = true, name
      end
    end
  end
  table.sort(names, function(a, b)
    if (a == "loss") ~= (b == "loss") then return a == "loss" end
    return a < b
  end)
  return names
end

-- How many numbers the longest value has in lists whose values are lists, or 0.
local function count_parts(lists)
  local count = 0
  for _, list in ipairs(lists) do
    for _, value in pairs(list) do count = math.max(count, type(value) == "table" and #value or 0) end
  end
  return count
end

-- Number i of each value.
local function part_of(list, i)
  local part = {}
  for position, value in pairs(list) do part[position] = type(value) == "table" and value[i] or nil end
  return part
end

local function one_series(lists, name, dash, color)
  local series = history.spread(lists)
  if #lists == 1 then series = {y = lists[1]} end
  series.name, series.dash, series.color = name, dash, color
  return series
end

-- Adds the line of a measure, or its lines.
local function add_series(series, histories, key, name)
  local lists, dash = {}, name == "training"
  for _, one in ipairs(histories) do
    local list = one[key]
    if list ~= nil and type(list) ~= "table" then
      refuse("history: %s: expected a list with a value an epoch, got %s", key, options.describe(list))
    end
    lists[#lists + 1] = list
  end
  if #lists == 0 then return end
  local count = count_parts(lists)
  if count == 0 then series[#series + 1] = one_series(lists, name, dash) end
  for i = 1, count do
    local parts = {}
    for k, list in ipairs(lists) do parts[k] = part_of(list, i) end
    series[#series + 1] = one_series(parts, ("%s %d"):format(name, i), dash, i)
  end
end

local function chart_of(histories, name, validation)
  local series = {}
  add_series(series, histories, name, "training")
  add_series(series, histories, "val_" .. name, validation)
  local title = name:sub(1, 1):upper() .. name:sub(2):gsub("_", " ")
  return lines {title = title, x = "epoch", y = (name:gsub("_", " ")), series = series}
end

local function sum(list)
  local total = 0
  for _, value in pairs(list) do total = total + value end
  return total
end

-- "12 epochs in 75.2 s of training."
local function sentence(histories)
  local first, epochs = histories[1], 0
  for _, list in pairs(first) do epochs = math.max(epochs, type(list) == "table" and #list or 0) end
  local words = {("%d epoch%s"):format(epochs, epochs == 1 and "" or "s")}
  if first.seconds then words[#words + 1] = (" in %s s of training"):format(numbers.short(sum(first.seconds))) end
  if #histories > 1 then words[#words + 1] = (", the first of %d runs"):format(#histories) end
  if first.interrupted then words[#words + 1] = "; interrupted" end
  if first.stopped then words[#words + 1] = "; " .. first.stopped end
  return table.concat(words) .. "."
end

-- Raises unless what a history, called `who`, has beside its measures is what a fit leaves there.
local function check_end(who, one)
  if one.seconds ~= nil then values.numbers(who .. ": seconds", one.seconds) end
  if one.stopped ~= nil then options.check(who, {stopped = one.stopped}, {{"stopped", "string"}}) end
end

--- For a history, or a list of them: a sentence, and a list of charts. Of several, the lines are means and the bands
-- go from the least to the greatest. `validation` is what the lines of the validation are called.
function history.charts(given, validation)
  if type(given) ~= "table" then refuse("history: expected a history of a Trainer, got %s", type(given)) end
  local histories = given[1] and values.items("history", given) or {given}
  for i, one in ipairs(histories) do
    if type(one) ~= "table" then refuse("history: %d: expected a history, got %s", i, type(one)) end
    check_end(given[1] and ("history: %d"):format(i) or "history", one)
  end
  local measures, charts = measures_of(histories), {}
  if #measures == 0 then refuse("history: expected a history of a Trainer, got one without measures") end
  for i, name in ipairs(measures) do charts[i] = chart_of(histories, name, validation) end
  return sentence(histories), charts
end

return history
