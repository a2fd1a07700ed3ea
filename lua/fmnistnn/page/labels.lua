--- Places for labels, so that none lies on another.
local labels = {}

--- Moves places on a line apart, each as little as may be: `wanted` in any order, each at least `gap` from the next,
-- between low and high where there is room. Returns the places in the order of `wanted`.
function labels.spread(wanted, gap, low, high)
  local order = {}
  for i in ipairs(wanted) do order[i] = i end
  table.sort(order, function(a, b)
    if wanted[a] ~= wanted[b] then return wanted[a] < wanted[b] end
    return a < b
  end)
  local groups = {} -- that touch: {first place, count}; a group stands so that its members' moves cancel out
  for position, i in ipairs(order) do
    local group = {sum = wanted[i], count = 1, first = position}
    local function start(g)
      local middle = (g.count - 1) * gap / 2
      return math.max(low, math.min(high - 2 * middle, g.sum / g.count - middle))
    end
    local before = groups[#groups]
    while before and start(before) + before.count * gap > start(group) do
      group = {sum = before.sum + group.sum, count = before.count + group.count, first = before.first}
      groups[#groups] = nil
      before = groups[#groups]
    end
    group.start = start(group)
    groups[#groups + 1] = group
  end
  local places = {}
  for _, group in ipairs(groups) do
    for k = 0, group.count - 1 do places[order[group.first + k]] = group.start + k * gap end
  end
  return places
end

local function overlap(a, b) return a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4] end

-- Where a label of a width and height may stand beside a point: class, x and y of the text, and its box.
local function candidates(x, y, width, height)
  local list = {}
  for _, way in ipairs {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {-1, -1}, {1, 1}, {-1, 1}} do
    local dx, dy = way[1], way[2]
    local away = dy == 0 and 8 or dx == 0 and 0 or 5
    local text_x, text_y = x + dx * away, y + dy * (dx == 0 and 14 or 10)
    local left = dx == 0 and x - width / 2 or dx > 0 and text_x or text_x - width
    list[#list + 1] = {
      class = dx == 0 and "middle" or dx < 0 and "end" or nil, x = text_x, y = text_y,
      box = {left, text_y - height / 2, left + width, text_y + height / 2},
    }
  end
  return list
end

--- Finds places beside points for as many labels as have one: items {x, y, width =}; `taken` are boxes {left, top,
-- right, bottom} and grow; `area` is the box to stay in. Returns the place of each item, or false.
function labels.beside(items, height, taken, area)
  local places = {}
  local function is_free(box)
    if box[1] < area[1] or box[2] < area[2] or box[3] > area[3] or box[4] > area[4] then return false end
    for _, other in ipairs(taken) do
      if overlap(box, other) then return false end
    end
    return true
  end
  for i, item in ipairs(items) do
    places[i] = false
    for _, candidate in ipairs(candidates(item[1], item[2], item.width, height)) do
      if is_free(candidate.box) then
        places[i], taken[#taken + 1] = candidate, candidate.box
        break
      end
    end
  end
  return places
end

return labels
