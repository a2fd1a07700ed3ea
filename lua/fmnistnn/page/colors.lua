--- The colours of the pages, light and dark. Text has a contrast of 4.5 and more against what it stands on, lines and
-- marks 3 and more (WCAG 2.2, 1.4.3 and 1.4.11).
local colors = {}

colors.light = {
  background = "#ffffff", surface = "#f6f7f9", ink = "#1a1d21", muted = "#5b6470", grid = "#e3e6ea",
  line = "#8a929c", accent = "#1d5fbf",
  -- of series, in their order
  series = {
    "#1d5fbf", "#b45309", "#15803d", "#be185d", "#7c3aed", "#0f766e", "#8a4b1f", "#4b5563", "#a21caf", "#5f6b00",
  },
  -- of cells, for small to large values: ColorBrewer's Blues
  cells = {
    "#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b",
  },
  -- of lines and points, for small to large values: the part of viridis that stands out from the background
  marks = {
    "#22a585", "#21948b", "#27828d", "#2e6f8e", "#365d8d", "#3f4988", "#45337d", "#471b6c", "#440154",
  },
}

colors.dark = {
  background = "#14171b", surface = "#1d2126", ink = "#e8eaed", muted = "#a3abb6", grid = "#2b3036",
  line = "#6f7883", accent = "#7db3ff",
  series = {
    "#7db3ff", "#fbaa5c", "#5fd38a", "#ff8fb8", "#c4a1ff", "#4fd6c9", "#d8b08c", "#b6bfcc", "#f08cf5", "#c6d04a",
  },
  cells = {
    "#17212d", "#193049", "#1b4266", "#1f5685", "#2a6ca5", "#4184bf", "#639fd6", "#8fbdea", "#c4defa",
  },
  marks = {
    "#2d708e", "#26848d", "#21978a", "#24a983", "#3fbc73", "#66ca5c", "#96d73f", "#cbe126", "#fde725",
  },
}

colors.SERIES, colors.LEVELS = #colors.light.series, #colors.light.cells

-- Relative luminance of a colour (WCAG 2.2).
local function luminance(color)
  local total = 0
  for i, weight in ipairs {0.2126, 0.7152, 0.0722} do
    local part = tonumber(color:sub(2 * i, 2 * i + 1), 16) / 255
    total = total + weight * (part <= 0.04045 and part / 12.92 or ((part + 0.055) / 1.055) ^ 2.4)
  end
  return total
end

--- Black or white, whichever is better to read on a colour.
function colors.ink_on(color) return luminance(color) > 0.179 and "#000000" or "#ffffff" end

--- The variables of a theme, by name.
function colors.variables(theme)
  local variables = {}
  for name, value in pairs(theme) do
    if type(value) == "string" then variables[name] = value end
  end
  for i, color in ipairs(theme.series) do variables["series-" .. i] = color end
  for i, color in ipairs(theme.cells) do
    variables["cell-" .. i], variables["on-cell-" .. i] = color, colors.ink_on(color)
  end
  for i, color in ipairs(theme.marks) do variables["mark-" .. i] = color end
  return variables
end

--- The level of a place 0..1 on a scale, 1..LEVELS, or nil.
function colors.level(place, reverse)
  if not place then return nil end
  if reverse then place = 1 - place end
  return math.max(1, math.min(colors.LEVELS, 1 + math.floor(place * colors.LEVELS)))
end

return colors
