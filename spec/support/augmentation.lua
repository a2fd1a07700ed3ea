--- What csrc/data/augment.h promises, in plain Lua: the same draws, pixel by pixel in doubles.
--
-- An image is a list of channels of rows of pixels. `how` has the intervals and numbers that the core gets.
local philox = require "spec.support.philox"

local augmentation = {}

local BLOCKS = {place = 0, warp = 1, tone = 2, erase = 3, try = 4, mix = 14, lambda = 15}

-- Four numbers of 32 bits for the image at a position (from 0).
local function draw(seed, position, block)
  local counter = (1 << 63) + position * 16 + block
  return philox.block({counter & 0xFFFFFFFF, counter >> 32 & 0xFFFFFFFF, 0, 0}, {seed & 0xFFFFFFFF, seed >> 32})
end
augmentation.draw = draw
augmentation.blocks = BLOCKS

local function within(interval, bits) return interval[1] + (interval[2] - interval[1]) * (bits / 2 ^ 32) end
local function below(n, bits) return bits * n >> 32 end

local function map(image, f)
  local result = {}
  for c, plane in ipairs(image) do
    result[c] = {}
    for y, row in ipairs(plane) do
      result[c][y] = {}
      for x in ipairs(row) do result[c][y][x] = f(c, y - 1, x - 1) end
    end
  end
  return result
end

-- ---- where pixels come from ----

local function mirrored(at, n)
  while at < 0 or at >= n do
    if at < 0 then at = -at else at = 2 * (n - 1) - at end
    if n == 1 then at = 0 end
  end
  return at
end

local function pixel(plane, y, x, reflect)
  local h, w = #plane, #plane[1]
  if reflect then y, x = mirrored(y, h), mirrored(x, w) end
  if y < 0 or y >= h or x < 0 or x >= w then return 0 end
  return plane[y + 1][x + 1]
end

local function sample(plane, y, x, reflect)
  local top, left = math.floor(y), math.floor(x)
  local down, right = y - top, x - left
  return (1 - down) * ((1 - right) * pixel(plane, top, left, reflect) + right * pixel(plane, top, left + 1, reflect))
    + down * ((1 - right) * pixel(plane, top + 1, left, reflect) + right * pixel(plane, top + 1, left + 1, reflect))
end

-- The matrix that moves the image's content, (x, y) with y downwards: zoom, then shear, then turn.
local function matrix(angle, slope, zoom)
  local c, s = math.cos(angle), math.sin(angle)
  local turned = {{c, s}, {-s, c}} -- what is on the right goes up
  local sheared = {{zoom, slope * zoom}, {0, zoom}}
  local product = {{}, {}}
  for i = 1, 2 do
    for k = 1, 2 do product[i][k] = turned[i][1] * sheared[1][k] + turned[i][2] * sheared[2][k] end
  end
  return product
end

local function inverse(m)
  local determinant = m[1][1] * m[2][2] - m[1][2] * m[2][1]
  return {{m[2][2] / determinant, -m[1][2] / determinant}, {-m[2][1] / determinant, m[1][1] / determinant}}
end

local function is_flipped(how, seed, position, pass)
  if how.flip == "random" then return draw(seed, position, BLOCKS.place)[1] >= 1 << 31 end
  if how.flip ~= "alternating" then return false end
  local first = draw(pass.flip_seed, position, BLOCKS.place)[1] >= 1 << 31
  return first == (pass.epoch % 2 == 0)
end

local function moved(image, how, seed, position, pass)
  local h, w = #image[1], #image[1][1]
  local place, warp = draw(seed, position, BLOCKS.place), draw(seed, position, BLOCKS.warp)
  local down = below(2 * how.shift[1] + 1, place[2]) - how.shift[1]
  local right = below(2 * how.shift[2] + 1, place[3]) - how.shift[2]
  local flipped = is_flipped(how, seed, position, pass)
  local back = inverse(matrix(math.rad(within(how.rotation, warp[1])), math.tan(math.rad(within(how.shear, warp[3]))),
    within(how.zoom, warp[2])))
  local middle_y, middle_x = (h - 1) / 2, (w - 1) / 2
  return map(image, function(c, y, x)
    if flipped then x = w - 1 - x end
    y, x = y - down - middle_y, x - right - middle_x
    local from_x, from_y = back[1][1] * x + back[1][2] * y, back[2][1] * x + back[2][2] * y
    return sample(image[c], from_y + middle_y, from_x + middle_x, how.padding_mode == "reflect")
  end)
end

-- ---- tones and rectangles ----

local function toned(image, how, seed, position, top)
  local bits = draw(seed, position, BLOCKS.tone)
  local brightness, contrast = within(how.brightness, bits[1]), within(how.contrast, bits[2])
  local means = {}
  for c, plane in ipairs(image) do
    local sum = 0
    for _, row in ipairs(plane) do
      for _, x in ipairs(row) do sum = sum + x end
    end
    means[c] = sum / (#plane * #plane[1])
  end
  return map(image, function(c, y, x)
    local value = image[c][y + 1][x + 1] * brightness
    value = means[c] * brightness + (value - means[c] * brightness) * contrast
    return top and math.max(0, math.min(value, top)) or value
  end)
end

-- The image with f(c, y, x) in a rectangle, of which bottom and right are outside.
local function with_box(image, box, f)
  return map(image, function(c, y, x)
    local inside = y >= box.top and y < box.bottom and x >= box.left and x < box.right
    return inside and f(c, y, x) or image[c][y + 1][x + 1]
  end)
end

local function centred(size, side, bits)
  local first = below(size, bits) - side // 2
  return math.max(first, 0), math.min(first + side, size)
end

local function centred_box(h, w, box_h, box_w, row, column)
  local box = {}
  box.top, box.bottom = centred(h, box_h, row)
  box.left, box.right = centred(w, box_w, column)
  return box
end

-- The rectangle that is erased, or nil.
function augmentation.erased_box(how, seed, position, h, w)
  if draw(seed, position, BLOCKS.erase)[1] / 2 ^ 32 >= how["erase: probability"] then return nil end
  local aspects = how["erase: aspect"]
  for try = 0, 9 do
    local bits = draw(seed, position, BLOCKS.try + try)
    local area = within(how["erase: area"], bits[1]) * h * w
    local aspect = math.exp(within({math.log(aspects[1]), math.log(aspects[2])}, bits[2]))
    local box_h, box_w = math.floor(math.sqrt(area * aspect) + 0.5), math.floor(math.sqrt(area / aspect) + 0.5)
    if box_h >= 1 and box_h <= h and box_w >= 1 and box_w <= w then
      local top, left = below(h - box_h + 1, bits[3]), below(w - box_w + 1, bits[4])
      return {top = top, bottom = top + box_h, left = left, right = left + box_w}
    end
  end
end

local function erased(image, how, seed, position, white)
  local box = augmentation.erased_box(how, seed, position, #image[1], #image[1][1])
  if not box then return image end
  local bits = draw(seed, position, BLOCKS.erase)
  local fill_seed = bits[2] << 32 | bits[3]
  local h, w = box.bottom - box.top, box.right - box.left
  return with_box(image, box, function(c, y, x)
    if not how["erase: random"] then return how["erase: value"] end
    local row = (c - 1) * h + y - box.top -- each row begins a counter of its own
    return philox.uniform(fill_seed, x - box.left, row * ((w + 3) // 4)) * white
  end)
end

local function cut(image, how, seed, position)
  local bits, side = draw(seed, position, BLOCKS.tone), how.cutout
  return with_box(image, centred_box(#image[1], #image[1][1], side, side, bits[3], bits[4]), function() return 0 end)
end

--- An image at a position (from 0), before it is mixed. white: 255 times the scale, or for floats the scale; `bytes`:
-- whether it came from bytes.
function augmentation.image(image, how, position, pass, white, bytes)
  local seed = pass.seed
  image = moved(image, how, seed, position, pass)
  image = toned(image, how, seed, position, bytes and white)
  image = erased(image, how, seed, position, white)
  return cut(image, how, seed, position)
end

-- ---- mixing ----

local function lambda(alpha, seed, position)
  local bits = draw(seed, position, BLOCKS.lambda)
  local u, cosine = (bits[1] + 0.5) / 2 ^ 32, math.cos(2 * math.pi * bits[2] / 2 ^ 32)
  -- Student's t with 2 alpha degrees of freedom (Bailey 1994), and the symmetric Beta number that belongs to it
  local t = math.sqrt(2 * alpha * (u ^ (-1 / alpha) - 1)) * cosine
  return 0.5 + t / (2 * math.sqrt(2 * alpha + t * t))
end

--- Number i of a batch of images at these positions, mixed; its partner's number and the share of that.
function augmentation.mixed(images, i, positions, how, seed)
  local position, image = positions[i], images[i]
  local bits = draw(seed, position, BLOCKS.mix)
  local cuts = how.cutmix > 0 and (how.mixup == 0 or bits[1] >= 1 << 31)
  local kept = lambda(cuts and how.cutmix or how.mixup, seed, position)
  local partner = below(#images, bits[2]) + 1
  local other = images[partner]
  if not cuts then
    return map(image, function(c, y, x)
      return kept * image[c][y + 1][x + 1] + (1 - kept) * other[c][y + 1][x + 1]
    end), partner, 1 - kept
  end
  local h, w, side = #image[1], #image[1][1], math.sqrt(1 - kept)
  local box = centred_box(h, w, math.floor(h * side), math.floor(w * side), bits[3], bits[4])
  local share = (box.bottom - box.top) * (box.right - box.left) / (h * w)
  return with_box(image, box, function(c, y, x) return other[c][y + 1][x + 1] end), partner, share
end

return augmentation
