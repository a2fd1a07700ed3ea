--- fnn.page.images: a gallery of small images, of a data set or of the filters of a layer.
local charts = require "fmnistnn.page.chart"
local core = require "fmnistnn.core"
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local png = require "fmnistnn.page.png"
local refuse = require "fmnistnn.refuse"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"images", "any"},
  {"labels", "any", optional = true},
  {"diverging", "boolean", default = false},
  {"low", "number", optional = true},
  {"high", "number", optional = true},
}

local SIZE, SMALL = 84, 56 -- about the width of an image with a label, and without
local GAP, LINE = 12, 15 -- what is between them, the height of a line of a label
local LABEL = 130 -- the most that a label widens an SVG's column to

-- ---- pixels ----

-- An image as {values =, width =, height =, channels =}: one value after the other, a pixel's channels together.
local function pixels_of(who, image)
  options.input(who, image, "an image (H,W), (1,H,W) or (3,H,W)", 2, 3)
  if image:dim() == 2 then image = image:unsqueeze(1) end
  local channels, height, width = table.unpack(image.shape)
  if channels ~= 1 and channels ~= 3 or height < 1 or width < 1 then
    refuse("%s: expected an image (H,W), (1,H,W) or (3,H,W), got (%s)", who, table.concat(image.shape, ","))
  end
  local bytes = image.dtype == "uint8"
  local list = image:detach():permute(2, 3, 1):flatten():totable()
  return {values = list, width = width, height = height, channels = channels, bytes = bytes}
end

-- Raises where the ends that were given are none.
local function check_ends(o)
  for _, name in ipairs {"low", "high"} do
    if o[name] and not numbers.is_finite(o[name]) then
      refuse("images: %s: expected a finite number, got %s", name, o[name])
    end
  end
  if o.low and o.high and o.low >= o.high then
    refuse("images: expected low below high, got %s and %s", o.low, o.high)
  end
end

-- The ends of the values of all images.
local function range_of(o)
  local low, high, bytes = math.huge, -math.huge, true
  for _, image in ipairs(o.images) do
    bytes = bytes and image.bytes
    for _, value in ipairs(image.values) do
      if numbers.is_finite(value) then low, high = math.min(low, value), math.max(high, value) end
    end
  end
  if low > high then low, high = 0, 0 end -- there is no number
  if o.diverging then
    high = math.max(math.abs(o.low or low), math.abs(o.high or high))
    return -high, high
  end
  if bytes then low, high = 0, 255 end
  return o.low or low, o.high or high
end

-- From blue over white to red (ColorBrewer's RdBu, reversed), for a place 0..1.
local stops = {{33, 102, 172}, {146, 197, 222}, {247, 247, 247}, {244, 165, 130}, {178, 24, 43}}

local function diverging(place)
  local at = place * (#stops - 1)
  local i = math.min(#stops - 1, math.floor(at) + 1)
  local parts = {}
  for c = 1, 3 do parts[c] = math.floor(stops[i][c] + (stops[i + 1][c] - stops[i][c]) * (at - i + 1) + 0.5) end
  return string.char(table.unpack(parts))
end

-- What is no number, and images of one value, are black, or the white of 0.
local function uri_of(o, image, low, high)
  local parts, otherwise = {}, o.diverging and 0.5 or 0
  for i, value in ipairs(image.values) do
    local has_place = numbers.is_finite(value) and high > low
    local place = has_place and math.max(0, math.min(1, (value - low) / (high - low))) or otherwise
    parts[i] = o.diverging and diverging(place) or string.char(math.floor(place * 255 + 0.5))
  end
  return png.data_uri(table.concat(parts), image.width, image.height, o.diverging and 3 or image.channels)
end

-- A whole multiple of an image's width, so that its pixels stay alike.
local function scale_of(o, image)
  local size = #o.labels > 0 and SIZE or SMALL
  return math.max(1, math.floor(size / math.max(image.width, image.height)))
end

-- ---- drawing ----

local function gallery(o)
  local items = {}
  for i, image in ipairs(o.images) do
    local scale = scale_of(o, image)
    local width, label = image.width * scale + 2, o.labels[i] or ""
    local height, alt = image.height * scale + 2, label == "" and tostring(i) or ""
    items[i] = e("li", {style = ("width:%dpx"):format(math.max(width, label ~= "" and SIZE + 10 or 0))},
      e("img", {src = image.uri, alt = alt, width = width, height = height}), label)
  end
  return e("ul", {class = "gallery"}, items)
end

-- The lines of a label, each cut to its image.
local function label_lines(label, x, y, width)
  local nodes = {}
  for line in (label .. "\n"):gmatch "(.-)\n" do
    nodes[#nodes + 1] = e("text", {x = x, y = y + #nodes * LINE}, text.cut(line, width))
  end
  return nodes
end

-- How many lines the longest label has, and how wide the widest line is.
local function measure(labels)
  local most, widest = 0, 0
  for _, label in ipairs(labels) do
    if label ~= "" then most = math.max(most, 1 + select(2, label:gsub("\n", ""))) end
    for line in label:gmatch "[^\n]+" do widest = math.max(widest, text.width(line)) end
  end
  return most, math.min(LABEL, widest)
end

local function draw(o, width)
  local largest_width, largest_height, nodes = 1, 1, {}
  for _, image in ipairs(o.images) do
    largest_width = math.max(largest_width, image.width * scale_of(o, image))
    largest_height = math.max(largest_height, image.height * scale_of(o, image))
  end
  local lines, widest = measure(o.labels)
  largest_width = math.max(largest_width, widest)
  local columns = math.max(1, (width + GAP) // (largest_width + GAP))
  local row = largest_height + lines * LINE + GAP
  for i, image in ipairs(o.images) do
    local x, y, scale = (i - 1) % columns * (largest_width + GAP), (i - 1) // columns * row, scale_of(o, image)
    nodes[i] = {
      e("image", {
        class = "pixels", href = image.uri, x = x, y = y, width = image.width * scale, height = image.height * scale,
      }),
      label_lines(o.labels[i] or "", x, y + largest_height + 13, largest_width),
    }
  end
  return nodes, math.max(1, math.ceil(#o.images / columns)) * row
end

local function describe(o)
  local range = o.diverging and (", from %s (blue) over 0 (white) to %s (red)"):format(numbers.short(o.ends[1]),
    numbers.short(o.ends[2])) or ""
  return ("%d images%s."):format(#o.images, range)
end

return function(given)
  local o = options.check("images", given, spec)
  if core.is_tensor(o.images) then
    options.input("images: images", o.images, "(N,H,W) or (N,C,H,W)", 3, 4)
    local list = {}
    for i = 1, #o.images do list[i] = o.images:select(1, i) end
    o.images = list
  end
  local list = values.items("images: images", o.images)
  o.images = {}
  for i, image in ipairs(list) do o.images[i] = pixels_of(("images: image %d"):format(i), image) end
  local count
  o.labels, count = values.texts("images: labels", o.labels)
  if count > 0 then values.same_length("images", {"images", #o.images}, {"labels", count}) end
  check_ends(o)
  o.ends = {range_of(o)}
  for _, image in ipairs(o.images) do
    if o.diverging and image.channels == 3 then refuse("images: diverging: expected images of one channel") end
    image.uri = uri_of(o, image, o.ends[1], o.ends[2])
  end
  local chart = charts.new {title = o.title, description = o.description or describe(o)}
  local note = (o.description or o.diverging) and e("p", {class = "note"}, chart.description)
  function chart.draw(width) return draw(o, width) end
  function chart._figure(self)
    return e("figure", {}, e("figcaption", {}, self.title), note, gallery(o))
  end
  return chart
end
