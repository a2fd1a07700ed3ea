--- A small data set that a network learns at once: 8 x 8 images, bright above (class 1) or below (class 2), with noise.
local fnn = require "fmnistnn"

--- So many examples; the same ones every time, whatever the generator's state.
return function(count)
  local noise, rows, labels = 7, {}, {}
  for i = 1, count do
    local class, pixels = i % 3 == 0 and 2 or 1, {}
    for place = 1, 64 do
      noise = (noise * 1103515245 + 12345) & 0x7fffffff
      local bright = (place <= 32) == (class == 1)
      pixels[place] = (bright and 120 or 40) + (noise >> 16) % 80
    end
    rows[i], labels[i] = pixels, class
  end
  local images = fnn.tensor(rows, {dtype = "uint8"}):reshape(count, 1, 8, 8)
  return fnn.data.Dataset {images, fnn.tensor(labels, {dtype = "int64"}), class_names = {"above", "below"}}
end
