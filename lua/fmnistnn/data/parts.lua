--- Which examples go to which part of a data set: Dataset:split and Dataset:folds.
local core = require "fmnistnn.core"

local parts = {}

-- The positions of each class, as they stand in the order, and the classes as they first do. Without labels, all are
-- of one class.
local function by_class(order, labels)
  local classes, found = {}, {}
  for _, position in ipairs(order) do
    local label = labels and labels[position] or 1
    if not found[label] then
      found[label] = {}
      classes[#classes + 1] = found[label]
    end
    table.insert(found[label], position)
  end
  return classes
end

-- How many examples of each class are part/whole of all, so that every class has its share: rounded down, and one more
-- for those that lose most by that.
local function shares(classes, part, whole)
  local total, list, ranking = 0, {}, {}
  for i, class in ipairs(classes) do
    total = total + #class
    list[i] = #class * part // whole
    ranking[i] = {class = i, lost = #class * part % whole}
  end
  local left = total * part // whole
  for _, count in ipairs(list) do left = left - count end
  table.sort(ranking, function(a, b) return a.lost > b.lost or a.lost == b.lost and a.class < b.class end)
  for i = 1, left do
    local class = ranking[i].class
    list[class] = list[class] + 1
  end
  return list
end

--- Deals the positions of an order, a vector, out to parts, one after another as they stand there; with labels, a
-- vector of class numbers, those of each class by themselves. The parts' sizes are as their weights, integers, are to
-- each other. Returns a function that gives, for the number of a part, the positions of all others and its own, in the
-- order.
function parts.deal(order, weights, labels)
  order = order:totable()
  local classes, part_of, whole = by_class(order, labels and labels:totable()), {}, 0
  for _, weight in ipairs(weights) do whole = whole + weight end
  for part = #weights, 1, -1 do
    for i, count in ipairs(shares(classes, weights[part], whole)) do
      for _ = 1, count do part_of[table.remove(classes[i])] = part end
    end
    whole = whole - weights[part]
  end
  return function(part)
    local others, own = {}, {}
    for _, position in ipairs(order) do table.insert(part_of[position] == part and own or others, position) end
    return core.from_table(others, "int64"), core.from_table(own, "int64")
  end
end

return parts
