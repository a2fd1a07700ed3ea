--- What charts of several series have in common: their checks, and what is said of them.
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local values = require "fmnistnn.page.values"

local series = {}

-- 1..n
local function positions(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

--- Checks one series; its lists may end before x does: in gaps.
function series.check_one(where, given, spec, lists)
  local each = options.check(where, given, spec)
  local longest, n = 0, nil
  for _, entry in ipairs(lists) do
    local name, check = entry[1], entry[2]
    if each[name] ~= nil then
      local list, length = check(("%s: %s"):format(where, name), each[name])
      each[name], longest = list, math.max(longest, length)
      if name == "x" then n = length end
    end
  end
  if n and longest > n then
    refuse("%s: x: expected %d, as many as there are of the others, got %d", where, longest, n)
  end
  each.n = n or longest
  each.x = each.x or positions(each.n)
  return each
end

--- Checks a list of series against the options `spec`; `lists` has {name, function of values} for those that are
-- lists. Returns them, each with n, the length of its lists, and index, the number of its colour and mark.
function series.check(who, given, spec, lists)
  local checked = {}
  for i, one in ipairs(values.items(who .. ": series", given)) do
    checked[i] = series.check_one(("%s: series %d"):format(who, i), one, spec, lists)
    checked[i].index = checked[i].color or i
  end
  return checked
end

--- The lists of all series that have these names, with their lengths, for Axis.fit.
function series.lists(all, ...)
  local lists = {}
  for _, each in ipairs(all) do
    for _, name in ipairs {...} do
      if each[name] then lists[#lists + 1] = table.move(each[name], 1, each.n, 1, {n = each.n}) end
    end
  end
  return lists
end

--- The title of an axis, or a word for an axis without one.
function series.named(axis, otherwise) return axis.title ~= "" and axis.title or otherwise end

--- "a, b and c", of many "a, b, c and 4 more".
function series.enumerate(names)
  local shown = {}
  for i = 1, math.min(#names, #names > 6 and 4 or 6) do shown[i] = names[i] end
  if #shown < #names then return ("%s and %d more"):format(table.concat(shown, ", "), #names - #shown) end
  if #shown < 2 then return shown[1] or "nothing" end
  return table.concat(shown, ", ", 1, #shown - 1) .. " and " .. shown[#shown]
end

return series
