--- Writes IDX files, right and wrong ones, and small sets in the shape of Fashion-MNIST.
local process = require "spec.support.process"

local idx = {}

--- The head: two zero bytes, the type (8: bytes), the number of axes, the sizes.
function idx.head(sizes, type)
  local parts = {string.char(0, 0, type or 8, #sizes)}
  for i, size in ipairs(sizes) do parts[i + 1] = string.pack(">I4", size) end
  return table.concat(parts)
end

--- Bytes that differ from place to place: (seed + 7 i) mod 251.
function idx.pattern(count, seed)
  local parts = {}
  for i = 1, count do parts[i] = string.char((seed + 7 * i) % 251) end
  return table.concat(parts)
end

--- The bytes of a text after the program gzip.
function idx.gzip(text)
  local path = os.tmpname()
  process.write(path, text)
  local zipped = process.output("gzip -nc " .. process.quote(path))
  os.remove(path)
  return zipped
end

idx.names = {
  train_images = "train-images-idx3-ubyte",
  train_labels = "train-labels-idx1-ubyte",
  test_images = "t10k-images-idx3-ubyte",
  test_labels = "t10k-labels-idx1-ubyte",
}

--- The contents of four files by their keys: `train` and `test` images of rows x columns, labels 0, 1 ... 9, 0 ...
function idx.contents(train, test, rows, columns)
  local contents = {}
  for part, count in pairs {train = train, test = test} do
    local labels = {}
    for i = 1, count do labels[i] = string.char((i - 1) % 10) end
    contents[part .. "_images"] = idx.head {count, rows, columns} .. idx.pattern(count * rows * columns, count)
    contents[part .. "_labels"] = idx.head {count} .. table.concat(labels)
  end
  return contents
end

--- Writes such files into a folder, gzip'd if asked; `changed` replaces some by their keys (false: leaves them out).
function idx.write_set(folder, changed, zipped)
  local contents = idx.contents(12, 5, 3, 4)
  for key, name in pairs(idx.names) do
    local text = contents[key]
    if changed and changed[key] ~= nil then text = changed[key] end
    local path = folder .. "/" .. name
    if text and zipped then process.write(path .. ".gz", idx.gzip(text)) end
    if text and not zipped then process.write(path, text) end
  end
end

return idx
