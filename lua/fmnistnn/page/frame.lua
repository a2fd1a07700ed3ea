--- The area of a chart with two axes: where it lies, its grid, ticks and titles.
--
--   local frame = Frame.new{width = 760, height = 300, top = 0, right = 90, x = x_axis, y = y_axis}
--   frame:x(3), frame:y(0.9)   --> coordinates, or nil for what has no place
--   frame:draw()               --> elements
local Axis = require "fmnistnn.page.axis"
local decimal = require "fmnistnn.decimal"
local markup = require "fmnistnn.page.markup"
local text = require "fmnistnn.page.text"

local e = markup.element

local Frame = {}
Frame.__index = Frame

local GAP = 8 -- between a tick's text and the area

local function texts_of(ticks)
  local list = {}
  for i, tick in ipairs(ticks) do list[i] = tick.text end
  return list
end

-- ---- the frame ----

--- o: width of the whole, height of the area, top: where the chart begins, right: room beside the area, the axes x and
-- y, which have been fitted. Without y the rows are the caller's, and left is the room for their names.
function Frame.new(o)
  local self = setmetatable({width = o.width, x_axis = o.x, y_axis = o.y}, Frame)
  self.names = not o.y or o.y.scale.names ~= nil
  self.is_empty = o.x.is_empty or o.y and o.y.is_empty
  self.y_ticks = o.y and o.y:ticks(math.max(2, o.height // 50)) or {}
  self.left = o.left or math.min(text.widest(texts_of(self.y_ticks)) + GAP, o.width * 0.34)
  self.top = o.top + (o.y and o.y.title ~= "" and 26 or 8)
  self.bottom = self.top + o.height
  self.right = o.width - (o.right or 12)
  self.x_ticks = o.x:fitting_ticks(self.right - self.left, self.left, self.width - self.right)
  if self.is_empty then self.x_ticks, self.y_ticks = {}, {} end
  self.total = self.bottom + 22 + (o.x.title ~= "" and 18 or 0)
  return self
end

function Frame:x(value)
  local place = self.x_axis:at(value)
  return place and self.left + place * (self.right - self.left)
end

--- From the bottom up; names from the top down.
function Frame:y(value)
  local place = self.y_axis:at(value)
  if not place then return nil end
  if self.names then return self.top + place * (self.bottom - self.top) end
  return self.bottom - place * (self.bottom - self.top)
end

--- What lies beyond the area, where an axis ends before its data does, is not shown.
function Frame:clip(nodes)
  local x, y = self.x_axis, self.y_axis or {}
  if not (x.min or x.max or y.min or y.max) then return nodes end
  local left, top, width, height = self.left - 5, self.top - 5, self.right - self.left + 10, self.bottom - self.top + 10
  local box = decimal("%.1f %.1f %.1f %.1f", left, top, width, height)
  return e("svg", {x = left, y = top, width = width, height = height, viewBox = box}, nodes)
end

local function draw_y(self, nodes, with_grid)
  local grid = {}
  for _, tick in ipairs(self.y_ticks) do
    local y = self:y(tick.value)
    if with_grid and not self.names then grid[#grid + 1] = decimal("M%.1f %.1fH%.1f", self.left, y, self.right) end
    nodes[#nodes + 1] = e("text", {
      class = "end" .. (self.names and "" or " muted"), x = self.left - GAP, y = y, dy = ".35em",
    }, text.cut(tick.text, self.left - GAP))
  end
  if grid[1] then table.insert(nodes, 1, e("path", {class = "grid", d = table.concat(grid)})) end
end

local function draw_x(self, nodes, with_grid)
  local grid = {}
  for _, tick in ipairs(self.x_ticks) do
    local x, half = self:x(tick.value), text.width(tick.text) / 2
    if with_grid then grid[#grid + 1] = decimal("M%.1f %.1fV%.1f", x, self.top, self.bottom) end
    x = Axis.inside(x, half, 0, self.width)
    nodes[#nodes + 1] = e("text", {class = "muted middle", x = x, y = self.bottom + 17}, tick.text)
  end
  if grid[1] then table.insert(nodes, 1, e("path", {class = "grid", d = table.concat(grid)})) end
end

local function draw_titles(self, nodes)
  if self.y_axis and self.y_axis.title ~= "" then
    local arrow = self.names and "" or "↑ "
    local title = text.cut(arrow .. self.y_axis.title, self.width)
    nodes[#nodes + 1] = e("text", {class = "strong", x = 0, y = self.top - 14}, title)
  end
  if self.x_axis.title ~= "" then
    local arrow = self.x_axis.scale.names and "" or " →"
    local title = text.cut(self.x_axis.title .. arrow, self.width)
    local right = math.max(self.right, text.width(title))
    nodes[#nodes + 1] = e("text", {class = "strong end", x = right, y = self.bottom + 36}, title)
  end
end

--- Ticks and titles; grid: "y", the usual, draws lines for the ticks of y, "xy" for those of x too, "" none.
function Frame:draw(grid)
  local nodes = {}
  draw_y(self, nodes, grid ~= "")
  draw_x(self, nodes, grid == "xy")
  if not self.names then
    nodes[#nodes + 1] = e("path", {class = "axis", d = decimal("M%.1f %.1fH%.1f", self.left, self.bottom, self.right)})
  end
  if self.is_empty then
    local x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
    nodes[#nodes + 1] = e("text", {class = "muted middle", x = x, y = y}, "no data yet")
  end
  draw_titles(self, nodes)
  return nodes
end

return Frame
