-- IDX files, good and bad; where Fashion-MNIST is looked for; data sets and their batches.
local core = require "fmnistnn.core"
local fnn = require "fmnistnn"
local idx = require "spec.support.idx"
local process = require "spec.support.process"

local data = fnn.data

local DEBIAN = "/usr/share/datasets/fashion-mnist"

local folder

setup(function() folder = process.folder() end)
teardown(function() process.remove(folder) end)

local function write(name, text)
  local path = folder .. "/" .. name
  process.write(path, text)
  return path
end

local function plain(text, pattern) return text:find(pattern, 1, true) ~= nil end

-- nil and a message with the path and these words.
local function refused(path, words, value, message)
  assert.is_nil(value)
  assert(plain(message, path), ("expected the name %s in: %s"):format(path, message))
  assert(plain(message, words), ("expected '%s' in: %s"):format(words, message))
end

describe("IDX files", function()
  local images = idx.head {4, 3, 2} .. idx.pattern(24, 1)
  local labels = idx.head {4} .. "\0\9\5\1"

  it("are read plain and gzip'd", function()
    for _, zipped in ipairs {false, true} do
      local packed = zipped and idx.gzip or function(text) return text end
      local got = assert(core.data.idx(write("images", packed(images)), 3))
      assert.are.same({4, 3, 2}, got.shape)
      assert.are.equal("uint8", got.dtype)
      assert.are.equal(idx.pattern(24, 1), got:tobytes())
      assert.are.same({0, 9, 5, 1}, assert(core.data.idx(write("labels", packed(labels)), 1)):totable())
    end
  end)

  it("are read when they are longer than the reader's pieces, and in several gzip members", function()
    local text = idx.head {1500, 40, 40} .. idx.pattern(2400000, 3)
    for _, packed in ipairs {text, idx.gzip(text), idx.gzip(text:sub(1, 999)) .. idx.gzip(text:sub(1000))} do
      local got = assert(core.data.idx(write("large", packed), 3))
      assert(got:tobytes() == text:sub(17))
    end
  end)

  it("are read without elements", function()
    assert.are.same({0, 3, 2}, assert(core.data.idx(write("none", idx.head {0, 3, 2}), 3)).shape)
  end)

  it("are refused when truncated anywhere, plain or gzip'd", function()
    local zipped = idx.gzip(images)
    for length = 0, #images - 1 do
      local path = write("short", images:sub(1, length))
      refused(path, length < 16 and "" or "truncated", core.data.idx(path, 3))
      path = write("short.gz", idx.gzip(images:sub(1, length)))
      refused(path, length < 16 and "" or "truncated", core.data.idx(path, 3))
    end
    for length = 0, #zipped - 1 do
      local path = write("cut.gz", zipped:sub(1, length))
      refused(path, "", core.data.idx(path, 3))
    end
    refused(folder .. "/short", "truncated within its head", core.data.idx(write("short", images:sub(1, 9)), 3))
    refused(folder .. "/short", "it has 23", core.data.idx(write("short", images:sub(1, -2)), 3))
  end)

  it("are refused when compressed data is damaged", function()
    local zipped = idx.gzip(images)
    for at = 1, #zipped do -- the program's name, flags and time in the head do not matter
      local path = write("damaged.gz", zipped:sub(1,
      at - 1) .. string.char(zipped:byte(at) ~ 0x41) .. zipped:sub(at + 1))
      local got, message = core.data.idx(path, 3)
      if got then assert.are.equal(idx.pattern(24, 1), got:tobytes()) else assert(plain(message, path)) end
    end
    local sum = #zipped - 6
    local path = write("sum.gz", zipped:sub(1, sum - 1) .. string.char(zipped:byte(sum) ~ 1) .. zipped:sub(sum + 1))
    local _, message = core.data.idx(path, 3) -- how much was read before is not known
    assert.equal(path .. ": damaged: incorrect data check", message)
  end)

  it("are told apart from what is no file", function()
    local _, message = core.data.idx(folder, 3)
    assert.equal(folder .. ": Is a directory", message)
  end)

  it("are refused when oversized", function()
    for _, text in ipairs {images .. "x", idx.gzip(images .. "x"), images .. images} do
      local path = write("long", text)
      refused(path, "oversized", core.data.idx(path, 3))
    end
  end)

  it("are refused for a wrong magic number or type", function()
    local path = write("magic", "\1" .. images:sub(2))
    refused(path, "not an IDX file", core.data.idx(path, 3))
    path = write("magic", "PK\3\4" .. images)
    refused(path, "not an IDX file", core.data.idx(path, 3))
    for _, type in ipairs {0, 9, 11, 12, 13, 14, 255} do
      path = write("type", idx.head({4, 3, 2}, type) .. idx.pattern(24, 1))
      refused(path, "expected elements of type 8 (bytes), got type " .. type, core.data.idx(path, 3))
    end
  end)

  it("are refused when they are labels instead of images, or the reverse", function()
    local path = write("labels", labels)
    refused(path, "expected 3 axes (images), got 1", core.data.idx(path, 3))
    path = write("images", images)
    refused(path, "expected 1 axes (labels), got 3", core.data.idx(path, 1))
    path = write("axes", "\0\0\8\0")
    refused(path, "got 0", core.data.idx(path, 1))
    path = write("axes", "\0\0\8\255" .. ("\1"):rep(2000))
    refused(path, "got 255", core.data.idx(path, 3))
  end)

  it("that claim to be huge are refused before anything of that size is allocated", function()
    local top = 2 ^ 32 - 1 | 0
    for _, sizes in ipairs {
      {top, top, top}, {top, 1, 1}, {top, top, 1}, {1, top, top}, {2 ^ 31 | 0, 2 ^ 31 | 0, 4}, {2 ^ 22 | 0,
      2 ^ 21 | 0, 2 ^ 21 | 0},
      {60000, 28, 28}, {1, 1, 10 ^ 9 | 0},
    } do
      for _, packed in ipairs {idx.head(sizes) .. "abc", idx.gzip(idx.head(sizes) .. ("\0"):rep(100))} do
        local path = write("huge", packed)
        core.empty_cache()
        local before = core.memory().peak
        refused(path, "cannot hold", core.data.idx(path, 3))
        assert.are.equal(before, core.memory().peak)
      end
    end
    refused(folder .. "/huge", "", core.data.idx(write("huge", idx.head {top}), 1))
    refused(folder .. "/empty", "cannot hold", core.data.idx(write("empty", idx.head {top, top, 0}), 3))
    assert.are.same({top, 1 << 30, 0}, assert(core.data.idx(write("empty", idx.head {top, 1 << 30, 0}), 3)).shape)
  end)

  it("that are not there, or folders, are named", function()
    local path = folder .. "/nothing here"
    refused(path, "No such file", core.data.idx(path, 3))
    refused(folder, "directory", core.data.idx(folder, 3))
  end)

  it("are asked for with a path and 1..4 axes", function()
    assert.error_matches(function() core.data.idx(folder .. "/images", 0) end, "axes: expected 1..4, got 0")
    assert.error_matches(function() core.data.idx(folder .. "/images", "3") end, "axes: expected an integer")
    assert.error_matches(function() core.data.idx() end, "string expected")
  end)
end)

describe("fashion_mnist", function()
  local contents = idx.contents(12, 5, 3, 4)
  local place

  before_each(function() place = process.folder() end)
  after_each(function() process.remove(place) end)

  it("reads a folder's four files, plain, gzip'd or mixed", function()
    for _, zipped in ipairs {false, true} do
      local here = place .. (zipped and "/zipped" or "/plain")
      assert(os.execute("mkdir " .. here))
      idx.write_set(here, nil, zipped)
      local train, test = assert(data.fashion_mnist(here))
      assert.are.equal(12, #train)
      assert.are.equal(5, #test)
      assert.are.same({12, 1, 3, 4}, train.examples.shape)
      assert.are.equal("uint8", train.examples.dtype)
      assert.are.equal(contents.test_images:sub(17), test.examples:tobytes())
      assert.are.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2}, train.labels:totable())
      assert.are.equal("int64", test.labels.dtype)
      assert.are.equal("T-shirt/top", train.class_names[1])
      assert.are.equal(10, #test.class_names)
    end
    os.rename(place .. "/zipped/" .. idx.names.test_labels .. ".gz",
    place .. "/plain/" .. idx.names.test_labels .. ".gz")
    os.remove(place .. "/plain/" .. idx.names.test_labels)
    assert(data.fashion_mnist {folder = place .. "/plain"})
  end)

  -- What is said about the set with one of its files changed, which must name that file.
  local function refuses(key, text, words)
    idx.write_set(place, {[key] = text})
    refused(place .. "/" .. idx.names[key], words, data.fashion_mnist(place))
  end

  it("names the file that is wrong, and how", function()
    refuses("train_images", contents.train_images:sub(1, -2), "truncated")
    refuses("test_images", contents.test_images .. "\0", "oversized")
    refuses("train_labels", "\0\0\8\2" .. contents.train_labels:sub(5), "expected 1 axes (labels), got 2")
    refuses("train_images", contents.train_labels, "expected 3 axes (images), got 1")
    refuses("test_labels", contents.test_images, "expected 1 axes (labels), got 3")
    refuses("test_labels", "hello", "not an IDX file")
    refuses("train_labels", idx.head {12} .. "\0\1\2\3\4\5\6\7\8\9\0\10", "a label is 10; expected 0..9")
    refuses("test_labels", idx.head {5} .. "\0\1\255\3\4", "a label is 255; expected 0..9")
    refuses("train_labels", idx.head {11} .. ("\0"):rep(11), "11 labels for the 12 images of " .. place)
    refuses("test_labels", idx.head {6} .. ("\0"):rep(6), "6 labels for the 5 images")
    refuses("test_images", idx.head {5, 4, 3} .. idx.pattern(60, 1), "images of 4x3 pixels, but those of " .. place)
  end)

  it("names a file that is missing, and the folder", function()
    for _, key in ipairs {"train_images", "train_labels", "test_images", "test_labels"} do
      local here = place .. "/" .. key
      assert(os.execute("mkdir " .. here))
      idx.write_set(here, {[key] = false})
      refused(here, idx.names[key], data.fashion_mnist(here))
    end
    refused(place .. "/nowhere", "the folder given", data.fashion_mnist(place .. "/nowhere"))
  end)

  it("refuses options that it does not know", function()
    assert.error_matches(function() data.fashion_mnist {foldr = "x"} end, "fashion_mnist: unknown option foldr")
    assert.error_matches(function() data.fashion_mnist {folder = 5} end, "folder: expected a string, got number 5")
    assert.error_matches(function() data.fashion_mnist(5) end, "expected a table of options, got number 5")
    assert.error_matches(function() data.fashion_mnist {download = "no"} end, "download: expected true or false")
  end)

  -- Where the files are found in a process with this environment; `hidden`: as if Debian's package were not there.
  local function located(environment, hidden, options)
    local script = ([[
      if %s then
        local core = require "fmnistnn.core"
        local file_size = core.file_size
        function core.file_size(path) return not path:find("^/usr/share/datasets") and file_size(path) or nil end
      end
      local paths, message = require "fmnistnn.data.files".locate(%s)
      io.write(paths and paths.train_images:match("^(.*)/") or message)
    ]]):format(tostring(hidden), options or "{download = false}")
    local before = "env -u FMNISTNN_DATA -u XDG_CACHE_HOME -u HOME " .. environment
    local code, out, err = process.run_lua(script, before)
    assert.are.equal(0, code, err)
    return out
  end

  it("looks in the folder given, FMNISTNN_DATA, Debian's, the cache, in this order", function()
    for _, name in ipairs {"given", "named", "cache/fmnistnn/fashion-mnist", "home/.cache/fmnistnn/fashion-mnist"} do
      assert(os.execute(("mkdir -p %s/%s"):format(place, name)))
      idx.write_set(place .. "/" .. name, nil, name == "named")
    end
    local named, home = "FMNISTNN_DATA=" .. place .. "/named ", "HOME=" .. place .. "/home "
    local cache = "XDG_CACHE_HOME=" .. place .. "/cache "
    local everything = named .. home .. cache
    assert.are.equal(place .. "/given", located(everything, true, ("{folder = %q}"):format(place .. "/given")))
    assert.are.equal(place .. "/named", located(everything, true))
    assert.are.equal(place .. "/cache/fmnistnn/fashion-mnist", located(home .. cache, true))
    assert.are.equal(place .. "/home/.cache/fmnistnn/fashion-mnist", located(home, true))
    assert.are.equal(place .. "/home/.cache/fmnistnn/fashion-mnist",
    located(home .. "XDG_CACHE_HOME= FMNISTNN_DATA= ", true))
    if process.read(DEBIAN .. "/t10k-labels-idx1-ubyte.gz") then
      assert.are.equal(DEBIAN, located(home .. cache, false))
      assert.are.equal(place .. "/named", located(everything, false))
    end
  end)

  it("says what is missing when nothing is found", function()
    assert.matches("Fashion%-MNIST was not found", located("HOME=" .. place, true))
    for _, environment in ipairs {"", "HOME= ", "HOME= XDG_CACHE_HOME= "} do
      assert.matches("without HOME", located(environment, true, "{}"))
    end
    local message = located("FMNISTNN_DATA=" .. place .. "/none", false)
    assert(plain(message, place .. "/none: expected the file") and plain(message, "FMNISTNN_DATA"), message)
    assert.matches("given", located("FMNISTNN_DATA=" .. place, false, ("{folder = %q}"):format(place .. "/given")))
  end)

  it("reads the real one", function()
    local train, test = data.fashion_mnist {download = false}
    if not train then return pending("Fashion-MNIST is not on this machine") end
    assert.are.equal(60000, #train)
    assert.are.equal(10000, #test)
    for set, each in pairs {[train] = 6000, [test] = 1000} do
      assert.are.same({#set, 1, 28, 28}, set.examples.shape)
      for class = 1, 10 do assert.are.equal(each, set.labels:eq(class):sum():item()) end
    end
    assert.are.same({10, 1, 1, 4, 1, 3, 8, 3, 6, 6}, train:first(10).labels:totable())
    assert.are.same({10, 3, 2, 2, 7, 2, 5, 7, 6, 8}, test:first(10).labels:totable())
    assert.are.equal(255, train.examples:max():item())
    local mean = train.examples:float():mean():item() / 255
    assert(math.abs(mean - 0.2860) < 1e-4, mean)
  end)
end)

describe("a Dataset", function()
  local set

  -- Example i is (i, i + 1, ... i + 5) as 2 x 3 pixels, its label (i - 1) % 4 + 1.
  local function make(count)
    local rows, labels = {}, {}
    for i = 1, count do
      rows[i] = {{i, i + 1, i + 2}, {i + 3, i + 4, i + 5}}
      labels[i] = (i - 1) % 4 + 1
    end
    return data.Dataset {fnn.tensor(rows, {dtype = "uint8"}), fnn.tensor(labels, {dtype = "int64"}),
    class_names = {"a", "b", "c", "d"}}
  end

  before_each(function() set = make(23) end)

  -- The examples' numbers, from their first pixels.
  local function numbers(examples)
    local list = {}
    for i, row in ipairs(examples:totable()) do list[i] = math.floor(row[1][1] * 255 + 0.5) end
    return list
  end

  -- The numbers of the examples of all batches, and the batches' sizes.
  local function walk(given, options)
    local all, sizes = {}, {}
    for examples, labels in given:batches(options) do
      local list = numbers(examples)
      sizes[#sizes + 1] = #list
      for i, label in ipairs(labels:totable()) do
        all[#all + 1] = list[i]
        assert.are.equal((list[i] - 1) % 4 + 1, label)
      end
    end
    return all, sizes
  end

  local function counting(first, last)
    local list = {}
    for i = first, last do list[#list + 1] = i end
    return list
  end

  it("keeps bytes as bytes and gives floats in 0..1", function()
    assert.are.equal(23, #set)
    assert.are.equal("uint8", set.examples.dtype)
    local examples, labels = set:tensors()
    assert.are.equal("float32", examples.dtype)
    assert.are.same({23, 2, 3}, examples.shape)
    assert.are.same({23}, labels.shape)
    local all = data.Dataset {fnn.tensor({{0, 255, 128}}, {dtype = "uint8"}), fnn.tensor({1}, {dtype = "int64"})}
    local half = string.unpack("f", string.pack("f", 128 / 255))
    assert.are.same({{0.0, 1.0, half}}, all:tensors():totable())
    assert.are.equal("uint8", set.examples.dtype)
  end)

  it("keeps floats and integers as they are, times its scale", function()
    local floats = data.Dataset {fnn.tensor {{0.5, 2}, {-1, 3}}, fnn.tensor {{0.1}, {0.2}}}
    local examples, targets = floats:tensors()
    assert.are.same({{0.5, 2.0}, {-1.0, 3.0}}, examples:totable())
    assert.are.same({2, 1}, targets.shape)
    local scaled = data.Dataset {fnn.tensor {{0.5, 2}}, fnn.tensor {1}, scale = 4}
    assert.are.same({{2.0, 8.0}}, scaled:tensors():totable())
    local bytes = data.Dataset {fnn.tensor({7}, {dtype = "uint8"}), fnn.tensor {1}, scale = 1}
    assert.are.same({7.0}, bytes:tensors():totable())
    local words = data.Dataset {fnn.tensor({{3, 1}}, {dtype = "int64"}), fnn.tensor {1}}
    assert.are.same({{3, 1}}, words:tensors():totable())
    assert.are.same({{3, 1}}, data.Dataset({words.examples, words.labels, scale = words.scale}):tensors():totable())
  end)

  it("takes tensors that do not lie densely", function()
    local wide = fnn.tensor({{1, 2, 3}, {4, 5, 6}}, {dtype = "uint8"})
    local turned = data.Dataset {wide:t(), fnn.tensor({{1, 9}, {2, 9}, {3, 9}}, {dtype = "int64"}):select(2, 1),
    scale = 1}
    local examples, labels = turned:tensors()
    assert.are.same({{1.0, 4.0}, {2.0, 5.0}, {3.0, 6.0}}, examples:totable())
    assert.are.same({1, 2, 3}, labels:totable())
  end)

  it("has parts: range, first, split", function()
    assert.are.same(counting(4, 9), (walk(set:range(4, 9))))
    assert.are.equal(0, #set:range(24, 23))
    assert.are.same({23}, (walk(set:range(23, 23))))
    assert.are.same(counting(1, 5), (walk(set:first(5))))
    assert.are.equal(23, #set:first(100))
    assert.are.equal(0, #set:first(0))
    assert.are.same(counting(6, 7), (walk(set:range(4, 9):range(3, 4))))
    local train, validation = set:split(0.25)
    assert.are.same(counting(1, 17), (walk(train)))
    assert.are.same(counting(18, 23), (walk(validation)))
    assert.are.same({"a", "b", "c", "d"}, validation.class_names)
    local before = core.memory().used
    local whole <close> = set:range(1, 23).examples
    assert(core.memory().used - before < 2000)
    assert.are.equal("uint8", whole.dtype)
  end)

  -- A set of so many examples of each class, in its order, or in a random one.
  local function of_classes(counts, seed)
    local labels = {}
    for class, count in ipairs(counts) do
      for _ = 1, count do labels[#labels + 1] = class end
    end
    local ordered = data.Dataset {fnn.arange(1, #labels + 1), fnn.tensor(labels, {dtype = "int64"})}
    if not seed then return ordered end
    fnn.manual_seed(seed)
    return ordered:subset(fnn.randperm(#ordered))
  end

  -- How many of each class there are.
  local function class_counts(given, classes)
    local counts = {}
    for class = 1, classes do counts[class] = given.labels:eq(class):sum():item() end
    return counts
  end

  -- That two parts have each of so many examples, numbered from 1, once.
  local function assert_partition(count, kept, apart)
    local all = table.move(apart, 1, #apart, #kept + 1, table.move(kept, 1, #kept, 1, {}))
    table.sort(all)
    assert.are.same(counting(1, count), all)
  end

  describe("splits", function()
    it("off a random part, by the seed alone", function()
      local options = {shuffle = true, seed = 7}
      local order = walk(set, options)
      local train, validation = set:split(0.25, options)
      assert.are.same(table.move(order, 1, 17, 1, {}), (walk(train)))
      assert.are.same(table.move(order, 18, 23, 1, {}), (walk(validation)))
      assert.are.same({"uint8", set.scale, set.class_names},
        {train.examples.dtype, validation.scale, validation.class_names})
      fnn.manual_seed(3)
      local first, second = walk((set:split(0.5, {shuffle = true}))), walk((set:split(0.5, {shuffle = true})))
      assert.are_not.same(first, second)
      fnn.manual_seed(3)
      set:split(0.5, options) -- does not touch the generator
      assert.are.same(first, (walk((set:split(0.5, {shuffle = true})))))
    end)

    it("each class by the same fraction, with scikit-learn's rounding", function()
      -- train_test_split(y, test_size=count, stratify=y) of scikit-learn 1.9.1
      for _, case in ipairs {
        {{7, 5, 3}, 3, {1, 1, 1}}, {{7, 5, 3}, 4, {2, 1, 1}}, {{7, 5, 3}, 5, {2, 2, 1}}, {{7, 5, 3}, 11, {5, 4, 2}},
        {{70, 20, 10, 3}, 4, {3, 1, 0, 0}}, {{70, 20, 10, 3}, 26, {18, 5, 2, 1}}, {{70, 20, 10, 3}, 37, {25, 7, 4, 1}},
        {{2, 13, 50, 9}, 4, {0, 1, 3, 0}}, {{2, 13, 50, 9}, 11, {0, 2, 8, 1}}, {{33, 33, 34, 2}, 26, {8, 8, 9, 1}},
      } do
        local counts, count, expected = table.unpack(case)
        for _, options in ipairs {{stratify = true}, {stratify = true, shuffle = true, seed = count}} do
          local whole = of_classes(counts, count)
          local kept, apart = whole:split(count / #whole, options)
          assert.are.same(expected, class_counts(apart, #counts))
          assert_partition(#whole, kept.examples:totable(), apart.examples:totable())
        end
      end
    end)

    it("each class at its end unless they are shuffled, in the order of the set", function()
      local options = {stratify = true}
      local train, validation = set:split(0.35, options) -- 8 of 6, 6, 6 and 5
      assert.are.same({16, 17, 18, 19, 20, 21, 22, 23}, (walk(validation)))
      assert.are.same(counting(1, 15), (walk(train)))
      local grouped = of_classes {4, 2, 2}
      train, validation = grouped:split(0.5, options)
      assert.are.same({{1, 2, 5, 7}, {3, 4, 6, 8}}, {train.examples:totable(), validation.examples:totable()})
      local order = walk(set, {shuffle = true, seed = 2})
      train, validation = set:split(0.35, {shuffle = true, seed = 2, stratify = true})
      for _, part in ipairs {train, validation} do
        local at, seen = 0, walk(part)
        for _, number in ipairs(order) do at = number == seen[at + 1] and at + 1 or at end
        assert.are.equal(#part, at) -- which are a part of the order
      end
    end)

    it("an augmented set into a part that is augmented and a plain one", function()
      local images = data.Dataset {fnn.ones(8, 1, 1, 1), fnn.tensor({1, 2, 1, 2, 1, 2, 1, 2}, {dtype = "int64"})}
      local bright = images:augmented {brightness = {3, 3}}
      for _, options in ipairs {{shuffle = true}, {stratify = true}} do
        local train, validation = bright:split(0.25, options)
        assert.are.same({18, 2}, {train:batches()():sum():item(), validation:batches()():sum():item()})
        for rest, held_out in bright:folds(4, options) do
          assert.are.same({18, 2}, {rest:batches()():sum():item(), held_out:batches()():sum():item()})
        end
      end
    end)

    it("examples of several tensors", function()
      local numbers_of = fnn.arange(1, 9)
      local several = data.Dataset {{numbers_of, numbers_of:float() * 2}, fnn.tensor({1, 1, 1, 1, 2, 2, 2, 2}):long()}
      local _, validation = several:split(0.5, {stratify = true})
      assert.are.same({3, 4, 7, 8}, validation.examples[1]:totable())
      assert.are.same({6.0, 8.0, 14.0, 16.0}, validation.examples[2]:totable())
    end)
  end)

  describe("has folds", function()
    -- The numbers of the examples that each fold holds out.
    local function held_out_by(k, options)
      local folds = {}
      for train, held_out in set:folds(k, options) do
        local numbers_of = walk(held_out)
        assert_partition(23, (walk(train)), numbers_of)
        folds[#folds + 1] = numbers_of
      end
      assert.are.equal(k, #folds)
      return folds
    end

    it("one after another, of scikit-learn's sizes", function()
      assert.are.same({counting(1, 5), counting(6, 10), counting(11, 15), counting(16, 19), counting(20, 23)},
        held_out_by(5))
      assert.are.same({counting(1, 12), counting(13, 23)}, held_out_by(2))
      assert.are.equal(23, #held_out_by(23))
      local train = set:folds(5)()
      assert.are.same(counting(6, 23), (walk(train)))
    end)

    it("of a random order, which is that of batches", function()
      local options = {shuffle = true, seed = 4}
      local order, joined = walk(set, options), {}
      for _, fold in ipairs(held_out_by(5, options)) do table.move(fold, 1, #fold, #joined + 1, joined) end
      assert.are.same(order, joined)
    end)

    it("that have each class's share to within one example, and sizes as without", function()
      for seed, counts in ipairs {{7, 5, 3}, {70, 20, 10, 3}, {33, 1, 1, 1, 1, 1}, {9, 9, 9, 9, 9, 9, 8}} do
        local whole = of_classes(counts, seed)
        for _, k in ipairs {2, 3, 5, 10} do
          local sizes, plain_sizes = {}, {}
          for _, held_out in whole:folds(k) do plain_sizes[#plain_sizes + 1] = #held_out end
          for train, held_out in whole:folds(k, {stratify = true, shuffle = true, seed = seed}) do
            sizes[#sizes + 1] = #held_out
            assert_partition(#whole, train.examples:totable(), held_out.examples:totable())
            for class, count in ipairs(class_counts(held_out, #counts)) do
              assert(math.abs(count - counts[class] / k) < 1, count)
            end
          end
          assert.are.same(plain_sizes, sizes)
        end
      end
    end)
  end)

  describe("joins", function()
    it("others, one after another", function()
      local all = data.concat {set:range(4, 9), set:first(0), make(2), set:range(23, 23)}
      assert.are.same({4, 5, 6, 7, 8, 9, 1, 2, 23}, (walk(all)))
      assert.are.same({"uint8", set.scale, set.class_names}, {all.examples.dtype, all.scale, all.class_names})
      local copy = data.concat {set}
      assert.are.same(counting(1, 23), (walk(copy)))
      assert.is_false(copy.examples:shares_storage(set.examples))
    end)

    it("sets of several inputs, and of floats to be predicted", function()
      local bytes, words, targets = fnn.randint(1, 9, {5, 2}):byte(), fnn.randint(1, 9, {5, 3}), fnn.randn(5, 2)
      local several = data.Dataset {{bytes, words}, targets}
      local all = data.concat {several:range(3, 5), several:range(1, 2)}
      local order = fnn.tensor({3, 4, 5, 1, 2}, {dtype = "int64"})
      assert.is_true(all.examples[1]:equal(bytes:index_select(1, order)))
      assert.is_true(all.examples[2]:equal(words:index_select(1, order)))
      assert.is_true(all.labels:equal(targets:index_select(1, order)))
      assert.are.equal(2, #all:batches()())
    end)

    it("what split set apart, and what is then augmented", function()
      local kept, apart = set:split(0.25)
      assert.are.same(counting(1, 23), (walk(data.concat {kept, apart})))
      local images = data.Dataset {fnn.ones(4, 1, 2, 2), fnn.ones(4):long()}
      local bright = data.concat {images, images}:augmented {brightness = {3, 3}}
      assert.are.equal(96, bright:batches()():sum():item())
    end)

    it("no sets that differ, or are augmented", function()
      local labels = fnn.tensor({1, 2}, {dtype = "int64"})
      local function refuses(message, ...)
        local sets = {...}
        assert.error_matches(function() data.concat(sets) end, "concat: " .. message, 1, true)
      end
      local function differs(message, a, b) refuses("element 2: " .. message, data.Dataset(a), data.Dataset(b)) end
      local bytes = fnn.ones(2, 1, 2, 2):byte()
      differs("examples: expected (N,1,2,2) of uint8, as the first has, got (N,1,2,3) of uint8", {bytes, labels},
        {fnn.ones(2, 1, 2, 3):byte(), labels})
      differs("examples: expected (N,1,2,2) of uint8, as the first has, got (N,1,2,2) of float32", {bytes, labels},
        {bytes:float(), labels})
      differs("examples: expected (N,1,2,2) of uint8 and (N) of int64, as the first has, got (N,1,2,2) of uint8",
        {{bytes, labels}, labels}, {bytes, labels})
      differs("labels: expected (N) of int64, as the first has, got (N) of float32", {bytes, labels},
        {bytes, labels:float()})
      differs("scale: expected 1, as the first has, got 0.5", {bytes:float(), labels},
        {bytes:float(), labels, scale = 0.5})
      differs("class_names: expected a, b, as the first has, got none", {bytes, labels, class_names = {"a", "b"}},
        {bytes, labels})
      differs("class_names: expected a, b, as the first has, got a, c",
        {bytes, labels, class_names = {"a", "b"}}, {bytes, labels, class_names = {"a", "c"}})
      local images = data.Dataset {bytes, labels}
      refuses("element 2: the data set is augmented: augment what concat gives", images, images:augmented {shift = 1})
      refuses("element 2: expected a data set, got tensor", images, bytes)
      refuses("expected a list of data sets, got an empty one")
      assert.error_matches(function() data.concat(images, images) end,
        "concat: expected a list of data sets, as in concat{a, b}, got one set", 1, true)
      assert.error_matches(function() data.concat {a = 1} end, "concat: expected a list of data sets, got table")
      assert.error_matches(function() data.concat() end, "concat: expected a list of data sets, got nil")
    end)
  end)

  it("has subsets, which keep type, scale, names and augmentation", function()
    local positions = fnn.tensor({23, 1, 1, 7}, {dtype = "int64"})
    local some = set:subset(positions)
    assert.are.same({23, 1, 1, 7}, (walk(some)))
    assert.are.same({3, 1, 1, 3}, some.labels:totable())
    assert.are.same({"uint8", set.scale, set.class_names}, {some.examples.dtype, some.scale, some.class_names})
    assert.are.equal(0, #set:subset(positions:narrow(1, 1, 0)))
    local images = data.Dataset {fnn.ones(4, 1, 2, 2), fnn.ones(4):long()}:augmented {brightness = {3, 3}}
    local bright = images:subset(positions:narrow(1, 2, 2))
    assert.are.equal(24, bright:batches()():sum():item())
    assert.are.equal(8, bright:plain():tensors():sum():item())
    assert.error_matches(function() set:subset(positions + 1) end, "expected 1..23, got 24", 1, true)
    assert.error_matches(function() set:subset {1, 2} end, "subset: positions: expected a tensor, got table")
    assert.error_matches(function() set:subset(fnn.tensor {1}) end, "subset: positions: expected integers, got float")
    local square = positions:reshape(2, 2)
    assert.error_matches(function() set:subset(square) end, "expected a vector of integers, got (2,2)", 1, true)
  end)

  it("picks examples by position", function()
    local examples, labels = set:pick(fnn.tensor({23, 1, 1, 7}, {dtype = "int64"}))
    assert.are.same({23, 1, 1, 7}, numbers(examples))
    assert.are.same({3, 1, 1, 3}, labels:totable())
    assert.error_matches(function() set:pick(fnn.tensor({0}, {dtype = "int64"})) end, "expected 1..23, got 0")
    assert.error_matches(function() set:pick(fnn.tensor({24}, {dtype = "int64"})) end, "expected 1..23, got 24")
    for _, far in ipairs {math.mininteger, math.maxinteger} do -- one more, or less, would leave the integers
      local positions, text = fnn.tensor({1, far}, {dtype = "int64"}), ("number 2: expected 1..23, got %d"):format(far)
      assert.error_matches(function() core.data.gather(set.examples, positions) end, text, 1, true)
      assert.error_matches(function() set:pick(positions) end, text, 1, true)
    end
    assert.error_matches(function() set:pick(fnn.tensor {1}) end, "expected int64, got float32")
    assert.error_matches(function() set:pick {1, 2} end, "expected a tensor")
  end)

  it("gives batches in order, the last one maybe short", function()
    local all, sizes = walk(set, {size = 10})
    assert.are.same(counting(1, 23), all)
    assert.are.same({10, 10, 3}, sizes)
    assert.are.same({23}, (select(2, walk(set))))
    assert.are.same({23}, (select(2, walk(set, {size = math.maxinteger}))))
    assert.are.same({10, 10}, (select(2, walk(set, {size = 10, drop_last = true}))))
    assert.are.same({}, (walk(set, {size = 24, drop_last = true})))
    assert.are.same({1, 1}, (select(2, walk(set:first(2), {size = 1}))))
    assert.are.same({}, (walk(set:first(0))))
  end)

  it("gives at most `limit` examples", function()
    local all, sizes = walk(set, {size = 4, limit = 10})
    assert.are.same(counting(1, 10), all)
    assert.are.same({4, 4, 2}, sizes)
    assert.are.same({4, 4}, (select(2, walk(set, {size = 4, limit = 10, drop_last = true}))))
    assert.are.same({}, (walk(set, {limit = 0})))
    assert.are.equal(23, #walk(set, {limit = 1000}))
  end)

  it("tells how many batches there will be", function()
    local function count(options) return (select(2, set:batches(options))) end
    assert.are.equal(3, count {size = 10})
    assert.are.equal(2, count {size = 10, drop_last = true})
    assert.are.equal(1, count {size = math.maxinteger})
    assert.are.equal(0, count {limit = 0})
    assert.are.equal(3, count {size = 8, limit = 17})
  end)

  it("shuffles every example to one place, by the seed alone", function()
    local first = walk(set, {size = 5, shuffle = true, seed = 7})
    assert.are_not.same(counting(1, 23), first)
    assert.are.same(first, (walk(set, {size = 9, shuffle = true, seed = 7})))
    assert.are_not.same(first, (walk(set, {size = 5, shuffle = true, seed = 8})))
    table.sort(first)
    assert.are.same(counting(1, 23), first)
    local some = walk(set, {shuffle = true, seed = -1, limit = 10})
    table.sort(some)
    for i = 2, #some do assert(some[i] ~= some[i - 1]) end
  end)

  it("shuffles by the generator without a seed", function()
    fnn.manual_seed(3)
    local first, second = walk(set, {shuffle = true}), walk(set, {shuffle = true})
    assert.are_not.same(first, second)
    fnn.manual_seed(3)
    assert.are.same(first, (walk(set, {shuffle = true})))
    assert.are.same(second, (walk(set, {shuffle = true})))
    fnn.manual_seed(3)
    walk(set, {shuffle = true, seed = 5}) -- does not touch the generator
    assert.are.same(first, (walk(set, {shuffle = true})))
  end)

  it("shuffles evenly: each example comes to each place", function()
    local small, counts = make(4), {}
    for seed = 1, 2400 do
      local order = table.concat((walk(small, {shuffle = true, seed = seed})))
      counts[order] = (counts[order] or 0) + 1
    end
    local orders = 0
    for _, count in pairs(counts) do
      orders = orders + 1
      assert(count > 60 and count < 140, count) -- 100 each, deviation 10
    end
    assert.are.equal(24, orders)
  end)

  it("leaves nothing behind in memory when a loop is left", function()
    collectgarbage()
    collectgarbage "stop"
    local before = core.memory().used
    for round = 1, 5 do
      for examples, labels in set:batches {size = 4, shuffle = true} do
        examples:close()
        labels:close()
        if round > 2 then break end
      end
    end
    local after = core.memory().used
    collectgarbage "restart"
    assert.are.equal(before, after)
  end)

  it("has examples of several tensors", function()
    local bytes = fnn.randint(0, 255, {7, 1, 2, 2}):to("uint8")
    local words, labels = fnn.randint(1, 9, {7, 3}), fnn.arange(1, 8)
    local several = data.Dataset {{bytes, words}, labels}
    assert.are.equal(7, #several)
    local function check(examples, got, first, last)
      assert.are.equal(2, #examples)
      assert.is_true(examples[1]:equal(bytes[{{first, last}}]:float() * (1 / 255)))
      assert.is_true(examples[2]:equal(words[{{first, last}}]))
      assert.are.equal("int64", examples[2].dtype)
      assert.is_true(got:equal(labels[{{first, last}}]))
    end
    local first = 1
    for examples, got in several:batches {size = 3} do
      check(examples, got, first, math.min(first + 2, 7))
      first = first + 3
    end
    local kept, apart = several:range(2, 7):split(0.5)
    local examples, got = kept:tensors()
    check(examples, got, 2, 4)
    examples, got = apart:subset(fnn.tensor({2, 3}, {dtype = "int64"})):tensors()
    check(examples, got, 6, 7)
  end)

  it("refuses what it cannot use", function()
    local images, labels = fnn.zeros(3, 2), fnn.zeros(3)
    local function try(pattern, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() f(table.unpack(arguments, 1, arguments.n)) end, pattern)
    end
    try("expected a table of two tensors, got nil", data.Dataset)
    try("expected a table of two tensors, got userdata", data.Dataset, images)
    try("examples: expected a tensor", data.Dataset, {})
    try("examples: element 1: expected a tensor .* got number 1", data.Dataset, {{1, 2}, labels})
    try("examples: element 2: expected 3 examples, as the first has, got 2", data.Dataset,
      {{images, fnn.zeros(2)}, labels})
    try("examples: expected a tensor or a list", data.Dataset, {{first = images}, labels})
    try("labels: expected a tensor of 3", data.Dataset, {{images, images}, fnn.zeros(2)})
    try("scale: expected none for several tensors", data.Dataset, {{images, images}, labels, scale = 2})
    local several = data.Dataset {{images, images}, labels}
    try("augmented: expected images, got examples of several tensors", several.augmented, several, {shift = 1})
    try("examples: expected a tensor of at least one axis", data.Dataset, {fnn.tensor(1), labels})
    try("labels: expected a tensor of 3", data.Dataset, {images})
    try("labels: expected a tensor of 3", data.Dataset, {images, fnn.zeros(2)})
    local words = fnn.tensor({3, 1, 2}, {dtype = "int64"})
    try("scale: expected none for int64 examples, which stay as they are, got 0.5", data.Dataset,
      {words, labels, scale = 0.5})
    try("unknown option scales", data.Dataset, {images, labels, scales = 2})
    try("unknown option 3", data.Dataset, {images, labels, labels})
    try("range: first: expected an integer of 1..24, got 0", set.range, set, 0, 3)
    try("range: last: expected an integer of 3..23, got 24", set.range, set, 4, 24)
    try("range: last: .* got 2", set.range, set, 4, 2)
    try("range: last: .* got nil", set.range, set, 4)
    try("range: first: .* got 1.0", set.range, set, 1.0, 4)
    try("first: .* got %-1", set.first, set, -1)
    try("split: expected a fraction between 0 and 1, got 0", set.split, set, 0)
    try("split: expected a fraction between 0 and 1, got 1", set.split, set, 1)
    try("split: expected a fraction between 0 and 1, got %-?nan", set.split, set, 0 / 0)
    try("split: .* got half", set.split, set, "half")
    try("split: 23 examples are too few", set.split, set, 0.001)
    try("split: 23 examples are too few", set.split, set, 0.999)
    local floats, rows = data.Dataset {images, labels}, data.Dataset {images, fnn.ones(3, 2):long()}
    try("split: 23 examples are too few", set.split, set, 0.001, {stratify = true})
    try("split: unknown option seeds %(there are shuffle, seed, stratify%)", set.split, set, 0.5, {seeds = 1})
    try("split: seed: expected shuffle = true beside it", set.split, set, 0.5, {seed = 1})
    try("folds: seed: expected shuffle = true beside it", set.folds, set, 3, {seed = 1, stratify = true})
    try("split: stratify: expected true or false, got number 1", set.split, set, 0.5, {stratify = 1})
    try("split: stratify: expected labels that are class numbers %(N%), got %(3%) of float32", floats.split, floats,
      0.5, {stratify = true})
    try("folds: stratify: .* got %(3,2%) of int64", rows.folds, rows, 3, {stratify = true})
    try("folds: expected an integer of 2..23, got 1", set.folds, set, 1)
    try("folds: expected an integer of 2..23, got 24", set.folds, set, 24)
    try("folds: .* got nil", set.folds, set)
    try("folds: unknown option k", set.folds, set, 2, {k = 3})
    try("batches: expected a table of options, got number 5", set.batches, set, 5)
    try("batches: unknown option batch_size", set.batches, set, {batch_size = 5})
    try("batches: size: expected an integer of 1 or more, got number 0", set.batches, set, {size = 0})
    try("batches: size: .* got number 2.5", set.batches, set, {size = 2.5})
    try("batches: limit: .* got number %-1", set.batches, set, {limit = -1})
    try("batches: seed: .* got string 'x'", set.batches, set, {shuffle = true, seed = "x"})
    try("batches: shuffle: expected true or false", set.batches, set, {shuffle = 1})
  end)

  it("is known by is_dataset", function()
    assert.is_true(data.is_dataset(set))
    assert.is_true(data.is_dataset(set:first(3)))
    for _, value in ipairs {{}, 1, "x", fnn.zeros(1), print} do assert.is_false(data.is_dataset(value)) end
    assert.is_false(data.is_dataset(nil))
  end)
end)
