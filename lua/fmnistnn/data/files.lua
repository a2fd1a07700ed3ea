--- Where the files of Fashion-MNIST are, and how they get there.
local core = require "fmnistnn.core"
local download = require "fmnistnn.data.download"

local files = {}

local names = {
  train_images = "train-images-idx3-ubyte",
  train_labels = "train-labels-idx1-ubyte",
  test_images = "t10k-images-idx3-ubyte",
  test_labels = "t10k-labels-idx1-ubyte",
}
local order = {"train_images", "train_labels", "test_images", "test_labels"}

-- SHA-256 of the four gzip'd files as their authors publish them; the option `checksums` takes their place.
local checksums = {
  train_images = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
  train_labels = "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
  test_images = "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
  test_labels = "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

local URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
local DEBIAN = "/usr/share/datasets/fashion-mnist"

-- The four paths in a folder, or nil and the name of the first that is not there.
local function in_folder(folder)
  local paths = {}
  for _, key in ipairs(order) do
    local plain = folder .. "/" .. names[key]
    local zipped = plain .. ".gz"
    paths[key] = core.file_size(zipped) and zipped or core.file_size(plain) and plain or nil
    if not paths[key] then return nil, names[key] end
  end
  return paths
end

local function demand(folder, why)
  local paths, missing = in_folder(folder)
  if paths then return paths end
  return nil, ("%s: expected the file %s or %s.gz in this folder (%s)"):format(folder, missing, missing, why)
end

local function is_set(name)
  local value = os.getenv(name)
  return value and value ~= "" and value or nil
end

--- The user's folder for data that can be had again (XDG base directory specification), or nil where there is no home.
function files.cache_folder()
  local cache = is_set "XDG_CACHE_HOME"
  local home = is_set "HOME"
  if not cache and not home then return nil end
  return (cache or home .. "/.cache") .. "/fmnistnn/fashion-mnist"
end

-- Fetches what is missing into a folder.
local function fetch(folder, options)
  if not folder then
    return nil, "Fashion-MNIST was not found, and without HOME there is no folder to download it to"
  end
  local sums = options.checksums or checksums
  for _, key in ipairs(order) do
    local name = names[key] .. ".gz"
    local path = folder .. "/" .. name
    if not core.file_size(path) then
      local ok, message = download(((options.url or URL):gsub("/*$", "/")) .. name, path, {
        sha256 = sums[key],
        progress = options.progress,
      })
      if not ok then return nil, message end
    end
  end
  return demand(folder, "after the download")
end

--- Paths of the four files by what they are, or nil and a message. Options as data.fashion_mnist.
function files.locate(options)
  if options.url then return fetch(options.folder or files.cache_folder(), options) end
  if options.folder then return demand(options.folder, "the folder given") end
  local named = is_set "FMNISTNN_DATA"
  if named then return demand(named, "the environment variable FMNISTNN_DATA") end
  local cache = files.cache_folder()
  local paths = in_folder(DEBIAN) or cache and in_folder(cache)
  if paths then return paths end
  if options.download == false then
    return nil, "Fashion-MNIST was not found; install Debian's dataset-fashion-mnist or name a folder in FMNISTNN_DATA"
  end
  return fetch(cache, options)
end

return files
