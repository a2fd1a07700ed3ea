-- Augmented data sets: against a reference that draws the same numbers, by what the draws must look like, and by what
-- must not change anything.
local core = require "fmnistnn.core"
local fnn = require "fmnistnn"
local blobs = require "spec.support.blobs"
local reference = require "spec.support.augmentation"

local data = fnn.data

-- Sets of random images with classes 1..3.
local function random_set(shape, dtype, options)
  fnn.manual_seed(11)
  local images = fnn.rand(table.unpack(shape))
  if dtype == "uint8" then images = (images * 255):to "uint8" end
  local labels = fnn.randint(1, 3, {shape[1]})
  return data.Dataset {images, labels, scale = options and options.scale, class_names = {"a", "b", "c"}}
end

-- n images that are all this one (C,H,W).
local function copies(image, n)
  return data.Dataset {fnn.stack({image}, 1):expand(n, table.unpack(image.shape)), fnn.ones(n):long()}
end

-- All images and labels of a pass, as two tensors.
local function pass(set, options)
  local images, labels = {}, {}
  for x, y in set:batches(options) do images[#images + 1], labels[#labels + 1] = x, y end
  return fnn.cat(images, 1), fnn.cat(labels, 1)
end

-- The first image of one pass over copies of an image.
local function one(image, options)
  return pass(copies(image, 1):augmented(options), {seed = 1})[1]
end

local function assert_near(want, got, room, what)
  assert.are.same(want.shape, got.shape)
  local largest = (want - got):abs():max():item()
  assert(largest <= room, ("%s: %.3g off"):format(what or "", largest))
end

-- Whether a count of events of this probability is one that a fair draw gives: within five deviations.
local function assert_binomial(count, n, probability, what)
  local expected, deviation = n * probability, math.sqrt(n * probability * (1 - probability))
  assert(math.abs(count - expected) <= 5 * deviation, ("%s: %g of %d, expected %.0f"):format(what, count, n, expected))
end

-- ---- the reference ----

-- The same parameters as the core gets.
local function core_form(options)
  local erase = options.erase or {probability = 0}
  local shift = options.shift or 0
  return {
    flip = options.flip == true and "random" or options.flip, padding_mode = options.padding_mode,
    shift = type(shift) == "table" and shift or {shift, shift},
    rotation = options.rotation or {0, 0}, shear = options.shear or {0, 0}, zoom = options.zoom or {1, 1},
    brightness = options.brightness or {1, 1}, contrast = options.contrast or {1, 1},
    ["erase: probability"] = erase.probability or 0.5, ["erase: area"] = erase.area or {0.02, 0.33},
    ["erase: aspect"] = erase.aspect or {0.3, 3.3}, ["erase: value"] = erase.value,
    ["erase: random"] = erase.value == nil, cutout = options.cutout or 0, mixup = options.mixup or 0,
    cutmix = options.cutmix or 0,
  }
end

-- What the reference makes of a batch of all images in order, and of their labels as rows of three classes.
local function referred(set, options, given)
  local how, bytes = core_form(options), set.examples.dtype == "uint8"
  local plain, changed, positions = set:tensors():totable(), {}, {}
  for i, image in ipairs(plain) do
    positions[i] = i - 1
    changed[i] = reference.image(image, how, i - 1, given, bytes and 255 * set.scale or set.scale, bytes)
  end
  if how.mixup == 0 and how.cutmix == 0 then return fnn.tensor(changed), set.labels end
  local images, rows, classes = {}, {}, set.labels:totable()
  for i in ipairs(changed) do
    local partner, share
    images[i], partner, share = reference.mixed(changed, i, positions, how, given.seed)
    rows[i] = {0, 0, 0}
    rows[i][classes[i]] = 1 - share
    rows[i][classes[partner]] = rows[i][classes[partner]] + share
  end
  return fnn.tensor(images), fnn.tensor(rows)
end

describe("augmented batches are as the reference draws them:", function()
  local cases = {
    {flip = true}, {flip = "random"}, {flip = "alternating"}, {shift = 2}, {shift = {3, 0}}, {shift = {0, 3}},
    {shift = 3, padding_mode = "reflect"}, {flip = true, shift = {1, 2}, padding_mode = "reflect"},
    {rotation = {-30, 30}}, {rotation = {-180, 180}, padding_mode = "reflect"}, {zoom = {0.5, 2}},
    {zoom = {0.3, 0.4}, padding_mode = "reflect"}, {shear = {-40, 40}}, {rotation = {20, 20}, shear = {25, 25}},
    {rotation = {-50, 50}, zoom = {0.7, 1.4}, shear = {-20, 20}, shift = {2, 1}, flip = true},
    {rotation = {-50, 50}, zoom = {0.7, 1.4}, shear = {-20, 20}, shift = 1, flip = true, padding_mode = "reflect"},
    {brightness = {0.3, 1.9}}, {contrast = {0, 3}}, {brightness = {0.5, 1.5}, contrast = {0.5, 1.5}},
    {erase = {probability = 0.6}}, {erase = {probability = 1, area = {0.1, 0.9}, aspect = {0.2, 5}}},
    {erase = {probability = 1, value = 0.25}}, {cutout = 1}, {cutout = 2}, {cutout = 3}, {cutout = 100},
    {mixup = 0.2}, {mixup = 1}, {mixup = 30}, {cutmix = 1}, {cutmix = 0.3}, {mixup = 0.5, cutmix = 2},
    {
      flip = true, shift = 1, rotation = {-10, 10}, zoom = {0.9, 1.1}, brightness = {0.8, 1.2}, contrast = {0.8, 1.2},
      erase = {}, cutout = 2, mixup = 0.4, cutmix = 1,
    },
  }
  for number, options in ipairs(cases) do
    local names = {}
    for name in pairs(options) do names[#names + 1] = name end
    table.sort(names)
    it(("%s (%d)"):format(table.concat(names, ", "), number), function()
      for _, each in ipairs {{{9, 1, 5, 7}, "uint8"}, {{6, 3, 6, 4}, "float32"}, {{4, 2, 4, 70}, "uint8"}} do
        local set = random_set(each[1], each[2], {scale = each[2] == "float32" and 2 or nil})
        for epoch = 1, 2 do
          local images, labels = pass(set:augmented(options), {size = 100, seed = 5, epoch = epoch})
          local given = {seed = 5 * 1000003 + epoch, flip_seed = 5, epoch = epoch}
          local want, want_labels = referred(set, options, given)
          assert_near(want, images, 2e-5, "images")
          assert_near(want_labels:float(), labels:float(), 1e-6, "labels")
        end
      end
    end)
  end

  it("an image of one pixel", function()
    for _, mode in ipairs {"zeros", "reflect"} do
      local set = random_set({5, 2, 1, 1}, "float32")
      local options = {flip = true, rotation = {-90, 90}, zoom = {0.5, 2}, padding_mode = mode}
      assert_near(set:tensors(), (pass(set:augmented(options), {seed = 1})), 1e-6)
    end
  end)

  it("nothing asked for changes nothing", function()
    local set = random_set({7, 2, 4, 5}, "uint8")
    local images, labels = pass(set:augmented {}, {size = 3})
    assert.are.equal(set:tensors():tobytes(), images:tobytes())
    assert.are.equal(set.labels:tobytes(), labels:tobytes())
    assert.are.equal(set:tensors():tobytes(), (pass(set:augmented())):tobytes())
  end)
end)

-- ---- what moves where ----

describe("movements:", function()
  local image = fnn.arange(16):float():reshape(1, 4, 4) / 16

  it("a turn by 90 degrees is counter-clockwise, by 180 two flips, and a turn back undoes it", function()
    local turned = {{4, 8, 12, 16}, {3, 7, 11, 15}, {2, 6, 10, 14}, {1, 5, 9, 13}}
    assert_near((fnn.tensor(turned):reshape(1, 4, 4) - 1) / 16, one(image, {rotation = {90, 90}}), 1e-6)
    assert_near(image:flip {2, 3}, one(image, {rotation = {180, 180}}), 1e-6)
    assert_near(image, one(one(image, {rotation = {90, 90}}), {rotation = {-90, -90}}), 1e-6)
  end)

  it("a shear by 45 degrees moves lower rows to the right", function()
    local square = fnn.tensor {{{0, 1, 0}, {0, 2, 0}, {0, 3, 0}}}
    assert_near(fnn.tensor {{{1, 0, 0}, {0, 2, 0}, {0, 0, 3}}}, one(square, {shear = {45, 45}}), 1e-6)
  end)

  it("a zoom by 3 makes a pixel three", function()
    local dot = fnn.tensor {{{0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}}}
    local row = {1 / 3, 2 / 3, 1, 2 / 3, 1 / 3}
    local got = one(dot, {zoom = {3, 3}}):totable()[1]
    for y = 1, 5 do
      for x = 1, 5 do assert(math.abs(got[y][x] - row[y] * row[x]) < 1e-6) end
    end
  end)

  it("shifts are uniform in both directions, and flips as often as not", function()
    local n, rows, columns, flips, pairs_seen = 4000, {}, {}, 0, {}
    local cross = fnn.zeros(1, 9, 9)
    cross[{1, 5, 5}], cross[{1, 5, 6}] = 1, 2 -- the 2 is right of the 1, if it is not flipped
    local images = pass(copies(cross, n):augmented {shift = {2, 3}, flip = true}, {size = 500, seed = 3})
    local places = images:flatten(2):argmax(2):totable()
    local ones = images:eq(1):flatten(2):float():argmax(2):totable()
    for i = 1, n do
      local two, first = places[i] - 1, ones[i] - 1
      local flipped = two < first
      flips = flips + (flipped and 1 or 0)
      local down, right = first // 9 - 4, first % 9 - 4
      if flipped then right = -right end
      rows[down], columns[right] = (rows[down] or 0) + 1, (columns[right] or 0) + 1
      local both = down * 10 + right
      pairs_seen[both] = (pairs_seen[both] or 0) + 1
    end
    assert_binomial(flips, n, 0.5, "flips")
    for down = -2, 2 do assert_binomial(rows[down], n, 1 / 5, "rows") end
    for right = -3, 3 do assert_binomial(columns[right], n, 1 / 7, "columns") end
    for down = -2, 2 do
      for right = -3, 3 do assert_binomial(pairs_seen[down * 10 + right], n, 1 / 35, "rows and columns") end
    end
  end)

  it("angles are spread evenly", function()
    local n, bar = 2000, fnn.zeros(1, 21, 21)
    bar[{1, 11, {12, 21}}] = 1 -- points to the right
    local images = pass(copies(bar, n):augmented {rotation = 40}, {size = 500, seed = 4})
    local heights = (fnn.arange(21):float() - 10):reshape(1, 1, 21, 1)
    local up = -(images * heights):flatten(2):sum(2) / images:flatten(2):sum(2) -- about 5.5 times the angle's sine
    local counts = {0, 0, 0, 0}
    for _, height in ipairs(up:totable()) do
      local angle = math.deg(math.asin(math.max(-1, math.min(height / 5.5, 1))))
      assert(math.abs(angle) < 42, angle)
      local quarter = math.max(1, math.min(math.floor((angle + 40) / 20) + 1, 4))
      counts[quarter] = counts[quarter] + 1
    end
    for quarter = 1, 4 do assert_binomial(counts[quarter], n, 1 / 4, "quarter " .. quarter) end
  end)

  it("an alternating flip turns every image in one of two epochs", function()
    local n, image_of = 2000, fnn.tensor {{{0, 1}}}
    local set = copies(image_of, n):augmented {flip = "alternating"}
    local function flipped(epoch, seed)
      return pass(set, {size = 64, seed = seed, epoch = epoch}):flatten(2):select(2, 1)
    end
    local first, second = flipped(1, 7), flipped(2, 7)
    assert_binomial(first:sum():item(), n, 0.5, "in the first epoch")
    assert_near(fnn.ones(n), first + second, 0)
    assert.are.equal(first:tobytes(), flipped(3, 7):tobytes())
    assert.are.equal(second:tobytes(), flipped(100, 7):tobytes())
    assert.are_not.equal(first:tobytes(), flipped(1, 8):tobytes())
    assert.are.equal(flipped(1):tobytes(), flipped(1):tobytes()) -- without a seed too
    assert_near(fnn.ones(n), flipped(1) + flipped(2), 0)
    assert.error_matches(function() pass(set, {seed = 1}) end, 'batches: epoch: .* "alternating"')
  end)
end)

-- ---- rectangles ----

describe("rectangles:", function()
  -- Height, width, top and left of the zeros in images of ones; nil where there are none.
  local function boxes_of(images)
    local zeros = images:eq(0):float():select(2, 1)
    local rows, columns = zeros:max(3):totable(), zeros:max(2):totable()
    local function span(list)
      local first, last
      for i, x in ipairs(list) do
        if x > 0 then first, last = first or i, i end
      end
      return first, last
    end
    local boxes = {}
    for i, row in ipairs(rows) do
      local top, bottom = span(row)
      local left, right = span(columns[i])
      boxes[i] = top and {h = bottom - top + 1, w = right - left + 1, top = top - 1, left = left - 1} or false
      local area = zeros[i]:sum():item()
      assert.are.equal(area, top and boxes[i].h * boxes[i].w or 0)
    end
    return boxes
  end

  it("erased ones have the area and proportion asked for, anywhere inside, as often as asked for", function()
    local n, ones = 3000, fnn.ones(2, 40, 40)
    local erase = {probability = 0.3, area = {0.1, 0.3}, aspect = {0.5, 2}, value = 0}
    local boxes = boxes_of((pass(copies(ones, n):augmented {erase = erase}, {size = 500, seed = 2})))
    local count, small, tall, up = 0, 0, 0, 0
    for _, box in ipairs(boxes) do
      if box then
        local area, aspect = box.h * box.w / 1600, box.h / box.w
        assert(area > 0.09 and area < 0.32 and aspect > 0.45 and aspect < 2.2)
        assert(box.top + box.h <= 40 and box.left + box.w <= 40)
        count, small = count + 1, small + (area < 0.2 and 1 or 0)
        tall = tall + (aspect > 1 and 1 or aspect == 1 and 0.5 or 0)
        up = up + (2 * box.top + box.h < 40 and 1 or 2 * box.top + box.h == 40 and 0.5 or 0)
      end
    end
    assert_binomial(count, n, 0.3, "erased")
    assert_binomial(small, count, 0.5, "of less than the middle area")
    assert_binomial(tall, count, 0.5, "higher than wide")
    assert_binomial(up, count, 0.5, "in the upper half")
  end)

  it("erased ones are filled with evenly spread numbers, other ones for each pixel", function()
    local n = 200
    local set = data.Dataset {fnn.full({n, 1, 20, 20}, 7, {dtype = "uint8"}), fnn.ones(n):long()}
    local images = pass(set:augmented {erase = {probability = 1, area = 0.25}}, {size = n, seed = 2})
    local values, low, seen = images:flatten():totable(), 0, {}
    local count, different = 0, 0
    for _, x in ipairs(values) do
      if math.abs(x - 7 / 255) > 1e-7 then
        assert(x >= 0 and x < 1)
        count, low = count + 1, low + (x < 0.5 and 1 or 0)
        if not seen[x] then different = different + 1 end
        seen[x] = true
      end
    end
    assert(math.abs(count - n * 100) < n * 10)
    assert_binomial(low, count, 0.5, "below the middle")
    assert(different > count * 0.99, different)
  end)

  it("leave the image where nothing fits", function()
    local set = random_set({20, 1, 6, 6}, "uint8")
    local images = pass(set:augmented {erase = {probability = 1, area = 1, aspect = 4}}, {seed = 1})
    assert.are.equal(set:tensors():tobytes(), images:tobytes())
    local whole = pass(set:augmented {erase = {probability = 1, area = 1, aspect = 1, value = 3}}, {seed = 1})
    assert_near(fnn.full({20, 1, 6, 6}, 3), whole, 0)
  end)

  it("a cutout has its centre anywhere, and is cut at the border", function()
    local n = 3000
    local images = pass(copies(fnn.ones(1, 6, 8), n):augmented {cutout = 3}, {size = 500, seed = 9})
    local counts = {}
    for _, box in ipairs(boxes_of(images)) do
      local row = box.h == 3 and box.top + 1 or box.top == 0 and 0 or 5
      local column = box.w == 3 and box.left + 1 or box.left == 0 and 0 or 7
      counts[row * 8 + column] = (counts[row * 8 + column] or 0) + 1
    end
    for place = 0, 47 do assert_binomial(counts[place] or 0, n, 1 / 48, "centre " .. place) end
  end)
end)

-- ---- tones ----

it("tones of bytes stay in 0..255, of floats go anywhere", function()
  local bytes = data.Dataset {fnn.tensor({{{{0, 200, 255}}}}, {dtype = "uint8"}), fnn.ones(1):long()}
  assert_near(fnn.tensor {{{{0, 1, 1}}}}, (pass(bytes:augmented {brightness = {2, 2}})), 1e-6)
  assert_near(fnn.tensor {{{{0, 100 / 255, 0.5}}}}, (pass(bytes:augmented {brightness = {0.5, 0.5}})), 1e-6)
  local floats = data.Dataset {fnn.tensor {{{{-1, 2, 5}}}}, fnn.ones(1):long()}
  assert_near(fnn.tensor {{{{-4, 2, 8}}}}, (pass(floats:augmented {contrast = {2, 2}})), 1e-5)
  assert_near(fnn.tensor {{{{-3, 6, 15}}}}, (pass(floats:augmented {brightness = {3, 3}})), 1e-5)
end)

-- ---- mixing ----

describe("mixing:", function()
  -- Image i is of class i, and so are its pixels.
  local function constant_set(n, side)
    local values = fnn.arange(n):float() + 1
    return data.Dataset {values:reshape(n, 1, 1, 1):expand(n, 1, side, side), fnn.arange(n) + 1}
  end

  it("mixup's labels are what its pixels are", function()
    local n = 500
    local images, labels = pass(constant_set(n, 2):augmented {mixup = 1, classes = n}, {size = n, seed = 1})
    assert.are.same({n, n}, labels.shape)
    assert_near(fnn.ones(n), labels:sum(2), 1e-5)
    local classes = fnn.arange(n):float() + 1
    assert_near(images:flatten(2):mean(2), (labels * classes):sum(2), 1e-3)
    for i, row in ipairs(labels:totable()) do
      local parts = 0
      for _, share in ipairs(row) do parts = parts + (share > 0 and 1 or 0) end
      assert(parts <= 2 and (row[i] > 0 or parts == 1), parts)
    end
  end)

  -- Lambda of each image: how much its row keeps of its own class, and whether another is in it at all.
  local function kept(n, options, seed)
    local _, labels = pass(constant_set(n, 1):augmented(options), {size = n, seed = seed})
    return labels:totable()
  end

  it("lambda is of the Beta distribution", function()
    local n = 2000
    for _, alpha in ipairs {0.2, 0.5, 1, 4} do
      local lambda, sum, squares, count = {}, 0, 0, 0
      for i, row in ipairs(kept(n, {mixup = alpha, classes = n}, 3)) do
        lambda[i] = row[i]
        sum, squares, count = sum + row[i], squares + (row[i] - 0.5) ^ 2, count + 1
      end
      local variance = 1 / (4 * (2 * alpha + 1))
      assert(math.abs(sum / count - 0.5) < 5 * math.sqrt(variance / count), alpha)
      assert(math.abs(squares / count - variance) < 0.1 * variance, ("alpha %g: variance %g, expected %g"):format(alpha,
        squares / count, variance))
      if alpha == 1 then -- uniform
        table.sort(lambda)
        for i = 1, n do assert(math.abs(lambda[i] - i / n) < 1.95 / math.sqrt(n)) end -- Kolmogorov and Smirnov
      end
    end
  end)

  it("partners are drawn from the batch, each as often as others", function()
    local n, counts = 8, {}
    local set = constant_set(n, 1):augmented {mixup = 1, classes = n}
    for seed = 1, 400 do
      local _, labels = pass(set, {size = n, seed = seed})
      for i, row in ipairs(labels:totable()) do
        for k, share in ipairs(row) do
          if k ~= i and share > 0 then counts[k] = (counts[k] or 0) + 1 end
        end
      end
    end
    for k = 1, n do assert_binomial(counts[k], 400 * (n - 1), 1 / n, "partner " .. k) end
    local _, alone = pass(set, {size = 1, seed = 1})
    assert_near(fnn.eye(n), alone, 1e-6)
  end)

  it("cutmix's labels are the shares of pixels", function()
    local n, side = 300, 9
    local images, labels = pass(constant_set(n, side):augmented {cutmix = 1, classes = n}, {size = n, seed = 6})
    local rows = labels:totable()
    for i, pixels in ipairs(images:flatten(2):totable()) do
      local counts, parts = {}, 0
      for _, class in ipairs(pixels) do counts[class] = (counts[class] or 0) + 1 end
      for class, count in pairs(counts) do
        assert(math.abs(rows[i][math.tointeger(class)] - count / side ^ 2) < 1e-6)
        parts = parts + 1
      end
      assert(parts <= 2)
    end
  end)

  it("with both, either happens half of the time", function()
    local n, both = 1000, {mixup = 1, cutmix = 1, classes = 1000}
    local images = pass(constant_set(n, 8):augmented(both), {size = n, seed = 6}):flatten(2)
    local cut = 0 -- pixels differ within the image, unless the rectangle is empty or all of it; mixed ones are alike
    for _, range in ipairs((images:max(2) - images:min(2)):totable()) do cut = cut + (range > 0.01 and 1 or 0) end
    assert_binomial(cut, n, 0.49, "cut")
  end)

  it("floats to be predicted are mixed as they are", function()
    local n = 50
    local values = fnn.arange(n):float()
    for _, shape in ipairs {{n}, {n, 1}, {n, 1, 1}} do
      local set = data.Dataset {values:reshape(n, 1, 1, 1), values:reshape(shape)}
      local images, labels = pass(set:augmented {mixup = 1}, {size = n, seed = 2})
      assert.are.same(shape, labels.shape)
      assert_near(images:flatten(), labels:flatten(), 1e-4)
    end
  end)

  it("rows serve losses, metrics and a Trainer", function()
    local set = blobs(120):augmented {mixup = 0.4, flip = true}
    for _, loss in ipairs {"categorical_crossentropy", "mean_squared_error", "focal", "binary_crossentropy",
      "kullback_leibler_divergence", "categorical_hinge"} do
      local trainer = fnn.Trainer {
        model = fnn.nn.Sequential {fnn.nn.Flatten {}, fnn.nn.Dense {2}}, optimizer = fnn.optim.Adam {lr = 0.01},
        loss = loss, metrics = {"accuracy", fnn.metrics.top_k(1)},
      }
      local history = trainer:fit(set, {epochs = 8, batch_size = 20, seed = 1, progress = false})
      assert(history.loss[8] < history.loss[1], loss)
      assert(history.accuracy[8] > 0.7, history.accuracy[8]) -- argmax of the row
      assert(trainer:evaluate(set).accuracy > 0.9)
    end
  end)
end)

-- ---- seeds ----

local everything = {
  flip = true, shift = 2, rotation = 20, zoom = 0.2, brightness = 0.3, contrast = 0.3, erase = true, cutout = 3,
}

describe("what is drawn", function()
  local set, mixing

  before_each(function()
    set = random_set({70, 1, 8, 9}, "uint8"):augmented(everything)
    mixing = set:plain():augmented {mixup = 0.4, cutmix = 1, shift = 1}
  end)

  it("is the same bits with 1, 2 and 3 threads", function()
    local before = fnn.threads()
    local large = random_set({64, 3, 40, 40}, "uint8")
    for _, options in ipairs {everything, {mixup = 0.4, cutmix = 1, shift = 1, padding_mode = "reflect"}} do
      local bytes = {}
      for count = 1, 3 do
        fnn.set_threads(count)
        local images, labels = pass(large:augmented(options), {size = 50, seed = 3, shuffle = true})
        bytes[count] = images:tobytes() .. labels:tobytes()
      end
      assert(bytes[1] == bytes[2] and bytes[1] == bytes[3])
    end
    fnn.set_threads(before)
  end)

  it("depends on the seed and the epoch alone", function()
    for _, each in ipairs {set, mixing} do
      local function bytes(options)
        options.shuffle, options.size = true, 32
        local images, labels = pass(each, options)
        return images:tobytes() .. labels:tobytes()
      end
      fnn.manual_seed(1)
      local first, second = bytes {seed = 1, epoch = 1}, bytes {seed = 1, epoch = 2}
      fnn.manual_seed(2)
      assert(first == bytes {seed = 1, epoch = 1} and second == bytes {seed = 1, epoch = 2})
      assert(first ~= second and first ~= bytes {seed = 2, epoch = 1})
      assert(bytes {seed = 1} == bytes {seed = 1})
      fnn.manual_seed(3)
      local third, fourth = bytes {}, bytes {}
      assert(third ~= fourth)
      fnn.manual_seed(3)
      assert(third == bytes {} and fourth == bytes {})
    end
  end)

  it("for an image does not depend on its batch, nor on the order", function()
    local whole, labels = pass(set, {size = 70, seed = 4})
    for _, options in ipairs {{size = 1}, {size = 7}, {size = 32}, {size = 30, limit = 70}} do
      options.seed = 4
      local images, others = pass(set, options)
      assert.are.equal(whole:tobytes(), images:tobytes())
      assert.are.equal(labels:tobytes(), others:tobytes())
    end
    local shuffled = pass(set, {size = 32, seed = 4, shuffle = true})
    local order = core.data.shuffled(70, 4)
    assert.are.equal(whole:index_select(1, order):tobytes(), shuffled:tobytes())
    local part = pass(set:first(20), {seed = 4})
    assert.are.equal(whole:narrow(1, 1, 20):tobytes(), part:tobytes())
  end)

  it("takes nothing from the generator when there is a seed, and one seed when there is none", function()
    fnn.manual_seed(5)
    local state = fnn.generator_state()
    pass(set, {seed = 4, shuffle = true})
    assert.are.same(state, fnn.generator_state())
    pass(set, {shuffle = true})
    local after = fnn.generator_state()
    fnn.manual_seed(5)
    pass(set:plain(), {shuffle = true})
    assert.are.same(after, fnn.generator_state())
  end)

  it("differs between epochs of a fit, and is the same again with its seed", function()
    local function seen(seed)
      local pictures = {}
      local model = fnn.nn.Module:extend "Watcher" ()
      function model:forward(x) -- luacheck: ignore self
        pictures[#pictures + 1] = x:tobytes()
        return x:flatten(2):narrow(2, 1, 3) * self.weight
      end
      model.weight = fnn.ones(3):requires_grad_()
      local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.SGD {}, loss = "cross_entropy"}
      trainer:fit(set:plain():augmented {flip = "alternating", shift = 1}, {
        epochs = 3, batch_size = 70, seed = seed, shuffle = false, progress = false,
      })
      return pictures
    end
    local first = seen(1)
    assert(first[1] ~= first[2] and first[1] ~= first[3])
    assert.are.same(first, seen(1))
    assert.are_not.same(first, seen(2))
    local plain = pass(set:plain():augmented {flip = "alternating", shift = 1}, {size = 70, seed = 1, epoch = 2})
    assert.are.equal(plain:tobytes(), first[2])
  end)
end)

-- ---- data sets ----

describe("an augmented set", function()
  local plain, set

  before_each(function()
    plain = random_set({23, 2, 5, 6}, "uint8")
    set = plain:augmented(everything)
  end)

  it("is a data set as the plain one is", function()
    assert.is_true(data.is_dataset(set))
    assert.are.equal(23, #set)
    assert.are.same(plain.class_names, set.class_names)
    local sizes, count = {}, select(2, set:batches {size = 10})
    for images, labels in set:batches {size = 10} do
      sizes[#sizes + 1] = #images
      assert.are.equal(#images, #labels)
      assert.are.same({#images, 2, 5, 6}, images.shape)
      assert.are.equal("int64", labels.dtype)
    end
    assert.are.same({10, 10, 3}, sizes)
    assert.are.equal(3, count)
    assert.are.same({13, 2, 5, 6}, (pass(set:range(5, 17))).shape)
    assert.are_not.equal(set:range(5, 17):tensors():tobytes(), (pass(set:range(5, 17))):tobytes())
    assert.are.equal(0, #set:first(0))
    for _ in set:first(0):batches() do error "nothing" end
  end)

  it("gives its images as they are where it is not trained with", function()
    assert.are.equal(plain:tensors():tobytes(), set:tensors():tobytes())
    local positions = fnn.tensor({3, 1}, {dtype = "int64"})
    assert.are.equal(plain:pick(positions):tobytes(), set:pick(positions):tobytes())
    assert.are.equal(plain:tensors():tobytes(), (pass(set:plain())):tobytes())
    assert.are.equal(plain, plain:plain())
    local train, validation = set:split(0.3)
    assert.are.equal(plain:range(17, 23):tensors():tobytes(), (pass(validation)):tobytes())
    assert.are_not.equal(plain:range(1, 16):tensors():tobytes(), (pass(train)):tobytes())
    local trainer = fnn.Trainer {
      model = fnn.nn.Sequential {fnn.nn.Flatten {}, fnn.nn.Dense {3}}, loss = "cross_entropy", metrics = {"accuracy"},
      optimizer = fnn.optim.SGD {},
    }
    assert.are.equal(trainer:predict(plain):tobytes(), trainer:predict(set):tobytes())
    local mixing = plain:augmented {mixup = 1}
    assert.are.same(trainer:evaluate(plain), trainer:evaluate(mixing))
    local history = trainer:fit(mixing, {validation_split = 0.3, progress = false})
    assert.are.equal(trainer:evaluate(plain:range(17, 23)).loss, history.val_loss[1])
    history = trainer:fit(mixing, {validation = mixing, progress = false})
    assert.are.equal(trainer:evaluate(plain).loss, history.val_loss[1])
  end)

  it("leaves nothing behind in memory", function()
    local mixing = plain:augmented {mixup = 1, erase = true, rotation = 5}
    pass(mixing, {size = 10})
    collectgarbage()
    collectgarbage "stop"
    local before = core.memory().used
    for round = 1, 4 do
      for images, labels in mixing:batches {size = 10, shuffle = true} do
        images:close()
        labels:close()
        if round > 2 then break end
      end
    end
    local after = core.memory().used
    collectgarbage "restart"
    assert.are.equal(before, after)
  end)

  it("raises and leaks nothing when memory is short", function()
    local mixing = plain:augmented {mixup = 1, shift = 1}
    collectgarbage()
    local before, n = core.memory().used, 0
    repeat
      n = n + 1
      core.fail_allocation(n)
      local message = select(2, pcall(function() pass(mixing, {size = 23}) end))
      core.fail_allocation(0)
      if message then assert.matches("out of memory", message) end
      collectgarbage()
      assert.are.equal(before, core.memory().used)
    until not message
    assert(n > 20, n)
  end)
end)

describe("augmented refuses", function()
  local plain = random_set({4, 1, 5, 6}, "uint8")

  local function refuses(pattern, options, set)
    local message = select(2, pcall(function()
      local _ = (set or plain):augmented(options)
    end))
    assert(message and message:find(pattern), message or pattern)
    assert(message:find("augment_spec.lua:%d+: augmented: "), message) -- where it was called
  end

  it("options that it does not know or cannot use", function()
    refuses("unknown option rotate", {rotate = 5})
    refuses("expected a table of options, got number 5", 5)
    refuses("flip: expected one of none, random, alternating, got string 'often'", {flip = "often"})
    refuses("flip: .* got number 1", {flip = 1})
    refuses("shift: expected an integer of 0 or more, or two of them, got number 1.5", {shift = 1.5})
    refuses("shift: expected less than the images' %(5,6%), got %(5,5%)", {shift = 5})
    refuses("shift: .* got %(0,6%)", {shift = {0, 6}})
    refuses("padding_mode: expected one of zeros, reflect, got string 'edge'", {padding_mode = "edge"})
    refuses("rotation: expected a number of 0 or more, or {low, high}, got number %-5", {rotation = -5})
    refuses("rotation: .* got table", {rotation = {5, -5}})
    refuses("rotation: .* got table", {rotation = {5}})
    refuses("rotation: .* got number %-?nan", {rotation = 0 / 0})
    refuses("rotation: expected %-360..360, got %-400", {rotation = 400})
    refuses("zoom: expected 0.01..100, got 0", {zoom = 1})
    refuses("zoom: expected 0.01..100, got %-2", {zoom = {-2, 2}})
    refuses("shear: expected %-80..80, got %-90", {shear = 90})
    refuses("brightness: expected 0..1e%+06, got inf", {brightness = {1, math.huge}})
    refuses("contrast: .* got string 'x'", {contrast = "x"})
    refuses("erase: expected true, false or a table, got number", {erase = 1})
    refuses("erase: unknown option size", {erase = {size = 1}})
    refuses("erase: probability: expected 0..1, got number 2", {erase = {probability = 2}})
    refuses("erase: area: expected 0..1, got 2", {erase = {area = {0, 2}}})
    refuses("erase: aspect: expected 0.001..1000, got 0", {erase = {aspect = {0, 2}}})
    refuses("erase: value: expected a number, got string 'white'", {erase = {value = "white"}})
    refuses("cutout: expected an integer of 0 or more", {cutout = 2.5})
    refuses("mixup: expected 0..1e%+06, got %-1", {mixup = -1})
    refuses("cutmix: expected a number, got boolean", {cutmix = true})
    refuses("classes: expected an integer of 1 or more, got number 0", {mixup = 1, classes = 0})
  end)

  it("what is no set of images, or has no classes to mix", function()
    local labels = fnn.ones(4):long()
    local function set(images, given) return data.Dataset {images, given or labels} end
    refuses("expected images %(N,C,H,W%), uint8 or float32, got %(4,3%) of float32", {}, set(fnn.zeros(4, 3)))
    refuses("got %(4,1,2,2%) of int64", {flip = true}, set(fnn.zeros(4, 1, 2, 2):long()))
    refuses("got %(4,1,0,2%) of float32", {}, set(fnn.zeros(4, 1, 0, 2)))
    refuses("classes: expected the number of classes", {mixup = 1}, set(fnn.zeros(4, 1, 2, 2)))
    refuses("expected labels that are class numbers %(N%) or float32, got %(4,2%) of int64", {cutmix = 1},
      set(fnn.zeros(4, 1, 2, 2), fnn.ones(4, 2):long()))
    local few = set(fnn.zeros(4, 1, 2, 2), fnn.full({4}, 3, {dtype = "int64"})):augmented {mixup = 1, classes = 2}
    assert.error_matches(function() pass(few) end, "one_hot: .* 1..2, got 3")
    assert.error_matches(function() plain:augmented({}):augmented {} end, "augmented already")
  end)

  it("whatever it cannot use, and gives finite images by everything else", function()
    local numbers = {0, 0, 0.1, 0.5, 1, 1, 2, 3, 5, 30, 90, 360, 1000, 2 ^ 24, 1e9, 1e300, -1, 0 / 0, math.huge}
    local names = {"shift", "rotation", "zoom", "shear", "brightness", "contrast", "cutout", "mixup", "cutmix"}
    local parts = {"probability", "area", "aspect", "value"}
    local kinds = {flip = {true, false, "random"}, padding_mode = {"zeros", "reflect"}}
    math.randomseed(4)
    local function pick(list) return list[math.random(#list)] end
    local function number()
      local value = pick(numbers)
      value = math.random(2) == 1 and math.tointeger(value) or value
      return math.random(3) == 1 and {value, pick(numbers)} or value
    end
    local usable = 0
    for _ = 1, 600 do
      local options, erase = {erase = math.random(2) == 1, classes = 3}, {}
      for name, list in pairs(kinds) do options[name] = pick(list) end
      for _ = 1, math.random(4) do options[pick(names)] = number() end
      if math.random(2) == 1 then erase[pick(parts)], options.erase = number(), erase end
      local set = random_set({3, pick {1, 3}, pick {1, 2, 7}, pick {1, 5, 66}}, pick {"uint8", "float32"})
      local ok, message = pcall(function() return pass(set:augmented(options), {size = 2, seed = 1}) end)
      if ok then
        usable = usable + 1
        local images = message
        assert.are.same(set.examples.shape, images.shape)
        assert(images:eq(images):all():item() == 1 and images:abs():max():item() <= 1e31)
      else
        assert(message:find "augmented: ", message)
      end
    end
    assert(usable > 50 and usable < 550, usable)
  end)

  it("in the core what would lead it astray", function()
    local none, how, images = core.full({0}, 1, "int64"), plain:augmented({})._augmentation, plain.examples
    local function stops(pattern, ...)
      local given = table.pack(...)
      assert.error_matches(function() core.data.augment(table.unpack(given, 1, given.n)) end, pattern)
    end
    stops("flip: expected one of", images, none, 1, {}, 0, 0, 0)
    stops("table expected", images, none, 1, nil, 0, 0, 0)
    stops("seed: expected", images, none, 1, how, 0.5, 0, 0)
    stops("expected 1..4, got 5", images, fnn.tensor({5}, {dtype = "int64"}), 1, how, 0, 0, 0)
    stops("got %" .. math.mininteger, images, fnn.tensor({math.mininteger}, {dtype = "int64"}), 1, how, 0, 0, 0)
    stops("expected int64, got float32", images, fnn.ones(1), 1, how, 0, 0, 0)
    stops("expected a tensor", {}, none, 1, how, 0, 0, 0)
    local changed = setmetatable({rotation = {0 / 0, 0 / 0}}, {__index = how})
    stops("rotation: expected %-360..360, got %-?nan", images, none, 1, changed, 0, 0, 0)
  end)
end)
