--- Legends above a chart: of series, and of the colours of values.
local colors = require "fmnistnn.page.colors"
local markup = require "fmnistnn.page.markup"
local text = require "fmnistnn.page.text"

local e = markup.element
local legend = {}

local ROW, SAMPLE = 20, 28

--- Entries {text =, draw = function(x, y)}: their samples are 20 wide. Returns the elements and their height.
function legend.series(entries, width)
  local nodes, x, y = {}, 0, 10
  for _, entry in ipairs(entries) do
    local label = text.cut(entry.text, width - SAMPLE)
    local needed = SAMPLE + text.width(label) + 14
    if x > 0 and x + needed - 14 > width then x, y = 0, y + ROW end
    nodes[#nodes + 1] = {entry.draw(x, y), e("text", {x = x + SAMPLE - 2, y = y, dy = ".35em"}, label)}
    x = x + needed
  end
  return nodes, #entries > 0 and y + ROW - 6 or 0
end

--- The levels of colours on an axis that has been fitted; class: "c" of cells, "m" of marks.
function legend.levels(axis, width, class)
  local low, high = axis:end_texts()
  local swatch = 14
  local title = axis.title ~= "" and text.cut(axis.title, width - 210) or ""
  local x = title ~= "" and text.width(title) + 12 or 0
  local nodes = {
    e("text", {y = 10, dy = ".35em"}, title), e("text", {class = "muted", x = x, y = 10, dy = ".35em"}, low),
  }
  x = x + text.width(low) + 6
  for i = 1, colors.LEVELS do
    local level = axis.reverse and colors.LEVELS + 1 - i or i
    nodes[#nodes + 1] = e("rect", {
      x = x + (i - 1) * swatch, y = 3, width = swatch, height = 14,
      class = class == "m" and "bar m" .. level or "c" .. level,
    })
  end
  x = x + colors.LEVELS * swatch + 6
  nodes[#nodes + 1] = e("text", {class = "muted", x = x, y = 10, dy = ".35em"}, high)
  return nodes, 26
end

return legend
