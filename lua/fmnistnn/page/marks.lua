--- Marks of series: ten that differ in shape, or in being filled, so that nobody needs their colours.
local colors = require "fmnistnn.page.colors"
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"

local e, coordinate = markup.element, numbers.coordinate
local marks = {}

local function polygon(x, y, corners, r)
  local parts = {}
  for i = 1, #corners, 2 do
    parts[#parts + 1] = coordinate(x + corners[i] * r) .. " " .. coordinate(y + corners[i + 1] * r)
  end
  return "M" .. table.concat(parts, "L") .. "Z"
end

local shapes = {
  function(x, y, r)
    local d = coordinate(r)
    local two = coordinate(2 * r)
    return ("M%s %sa%s %s 0 1 0 %s 0a%s %s 0 1 0 -%s 0Z"):format(coordinate(x - r), coordinate(y), d, d, two, d, d, two)
  end,
  function(x, y, r) return polygon(x, y, {-0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9}, r) end,
  function(x, y, r) return polygon(x, y, {0, -1.25, 1.15, 0.85, -1.15, 0.85}, r) end,
  function(x, y, r) return polygon(x, y, {0, -1.35, 1.35, 0, 0, 1.35, -1.35, 0}, r) end,
  function(x, y, r) return polygon(x, y, {0, 1.25, 1.15, -0.85, -1.15, -0.85}, r) end,
}

--- The class of series number i's colour.
function marks.class(i) return "s" .. (i - 1) % colors.SERIES + 1 end

--- One path for marks of series number i at points {x, y}.
function marks.path(i, points, r, class)
  local shape, hollow = shapes[(i - 1) % #shapes + 1], (i - 1) // #shapes % 2 == 1
  local parts = {}
  for n, point in ipairs(points) do parts[n] = shape(point[1], point[2], r) end
  if #parts == 0 then return nil end
  return e("path", {class = (hollow and "hollow" or "mark") .. (class and " " .. class or ""), d = table.concat(parts)})
end

return marks
