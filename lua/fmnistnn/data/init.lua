--- Data sets.
--
--   local train, test = assert(fnn.data.fashion_mnist())
--   for images, labels in train:batches{size = 128, shuffle = true} do ... end
--   local set = fnn.data.Dataset{images, labels}    -- one's own tensors
--   local set = fnn.data.Dataset{{images, texts}, labels}    -- for a model of several inputs
local core = require "fmnistnn.core"
local augmentation = require "fmnistnn.data.augmentation"
local files = require "fmnistnn.data.files"
local is_list = require "fmnistnn.is_list"
local options = require "fmnistnn.options"
local parts = require "fmnistnn.data.parts"
local refuse = require "fmnistnn.refuse"

local data = {}

-- ---- Dataset: examples and labels in memory ----

local Dataset = {}
Dataset.__index = Dataset
Dataset.__name = "fmnistnn.Dataset"

local function new(examples, labels, settings)
  return setmetatable({
    examples = examples,
    labels = labels,
    scale = settings.scale,
    class_names = settings.class_names,
    _augmentation = settings._augmentation,
  }, Dataset)
end

-- f of a tensor, or a list of f of each, and its number, where there are several.
local function map(examples, f)
  if core.is_tensor(examples) then return f(examples) end
  local list = {}
  for i, tensor in ipairs(examples) do list[i] = f(tensor, i) end
  return list
end

-- What examples of this type become floats by.
local function usual_scale(tensor) return tensor.dtype == "uint8" and 1 / 255 or 1 end

local dataset_options = {true, true, scale = true, class_names = true}

local function check_examples(who, examples)
  if not core.is_tensor(examples) or examples:dim() < 1 then
    refuse("Dataset: %s: expected a tensor of at least one axis, got %s", who, options.describe(examples))
  end
end

-- Raises unless the examples are a tensor, or a list of tensors of as many.
local function check_all_examples(examples, scale)
  if type(examples) ~= "table" then return check_examples("examples", examples) end
  if not is_list(examples) or #examples == 0 then refuse("Dataset: examples: expected a tensor or a list of them") end
  if scale then refuse("Dataset: scale: expected none for several tensors") end
  for i, tensor in ipairs(examples) do
    local who = ("examples: element %d"):format(i)
    check_examples(who, tensor)
    if #tensor ~= #examples[1] then
      refuse("Dataset: %s: expected %d examples, as the first has, got %d", who, #examples[1], #tensor)
    end
  end
end

--- Dataset{examples, labels, scale =, class_names =}: two tensors whose first axes count the examples. The examples
-- stay as they are (uint8 or float32) and become floats, times `scale` (1/255 for uint8, else 1), a batch at a time;
-- int64 ones, numbers of something, remain int64, without a scale. Labels are class numbers 1..C, or floats to be
-- predicted. Examples of several parts, such as an image and a text, are a list of tensors, without a scale of one's
-- own; batches have such a list too, which is what a model is then called with.
function data.Dataset(given)
  if type(given) ~= "table" then refuse("Dataset: expected a table of two tensors, got %s", type(given)) end
  for name in pairs(given) do
    if not dataset_options[name] then refuse("Dataset: unknown option %s", tostring(name)) end
  end
  local examples, labels = given[1], given[2]
  options.check("Dataset", {scale = given.scale, class_names = given.class_names}, {
    {"scale", "number", optional = true}, {"class_names", "table", optional = true},
  })
  check_all_examples(examples, given.scale)
  local count = core.is_tensor(examples) and #examples or #examples[1]
  if not core.is_tensor(labels) or labels:dim() < 1 or #labels ~= count then
    refuse("Dataset: labels: expected a tensor of %d, one for each example", count)
  end
  if examples.dtype == "int64" and given.scale and given.scale ~= 1 then
    refuse("Dataset: scale: expected none for int64 examples, which stay as they are, got %s", given.scale)
  end
  local scale = core.is_tensor(examples) and (given.scale or usual_scale(examples)) or nil
  examples = map(examples, function(tensor) return tensor:contiguous() end)
  return new(examples, labels:contiguous(), {scale = scale, class_names = given.class_names})
end

--- Whether a value is a Dataset.
function data.is_dataset(value) return getmetatable(value) == Dataset end

function Dataset:__len() return #self.labels end

-- A tensor's shape, but for how many examples it has, and type, in words.
local function kind_of(tensor)
  local shape = tensor.shape
  shape[1] = "N"
  return ("(%s) of %s"):format(table.concat(shape, ","), tensor.dtype)
end

-- What sets must have in common to be joined: names, and in words what is there.
local function nature(set)
  local kinds = {}
  for i, tensor in ipairs(core.is_tensor(set.examples) and {set.examples} or set.examples) do
    kinds[i] = kind_of(tensor)
  end
  return {
    {"examples", table.concat(kinds, " and ")},
    {"labels", kind_of(set.labels)},
    {"scale", set.scale and ("%.17g"):format(set.scale) or "none"},
    {"class_names", set.class_names and table.concat(set.class_names, ", ") or "none"},
  }
end

-- Raises unless these are plain data sets of one nature.
local function check_sets(sets)
  if data.is_dataset(sets) then refuse("concat: expected a list of data sets, as in concat{a, b}, got one set") end
  if type(sets) ~= "table" or not is_list(sets) then
    refuse("concat: expected a list of data sets, got %s", options.describe(sets))
  end
  if #sets == 0 then refuse("concat: expected a list of data sets, got an empty one") end
  local expected
  for i, set in ipairs(sets) do
    if not data.is_dataset(set) then
      refuse("concat: element %d: expected a data set, got %s", i, options.describe(set))
    end
    if set._augmentation then refuse("concat: element %d: the data set is augmented: augment what concat gives", i) end
    expected = expected or nature(set)
    for at, entry in ipairs(nature(set)) do
      if entry[2] ~= expected[at][2] then
        refuse("concat: element %d: %s: expected %s, as the first has, got %s", i, entry[1], expected[at][2], entry[2])
      end
    end
  end
end

--- concat{a, b, ...}: the examples of all of these data sets, one set after another: a copy of them. Shapes, types,
-- scale and class_names must be the same in all. None may be augmented, as that belongs to a whole set: augment what
-- concat gives.
function data.concat(sets)
  check_sets(sets)
  local function joined(of)
    local tensors = {}
    for i, set in ipairs(sets) do tensors[i] = of(set) end
    return core.ops.cat(tensors, 1)
  end
  local examples = map(sets[1].examples, function(_, i)
    return joined(function(set) return i and set.examples[i] or set.examples end)
  end)
  return new(examples, joined(function(set) return set.labels end), sets[1])
end

local function check_count(who, n, least, most)
  if math.type(n) ~= "integer" or n < least or n > most then
    refuse("%s: expected an integer of %d..%d, got %s", who, least, most, tostring(n))
  end
end

--- Examples first..last, both included, without copying.
function Dataset:range(first, last)
  check_count("range: first", first, 1, #self + 1)
  check_count("range: last", last, first - 1, #self)
  local function part(tensor) return tensor:narrow(1, first, last - first + 1) end
  return new(map(self.examples, part), part(self.labels), self)
end

--- The first n examples, or all where there are fewer.
function Dataset:first(n)
  check_count("first", n, 0, math.maxinteger)
  return self:range(1, math.min(n, #self))
end

--- The examples that a vector of positions names, as often as it does and in its order: a copy of them. A random part
-- is set:subset(fnn.randperm(#set):narrow(1, 1, n)).
function Dataset:subset(positions)
  options.input("subset: positions", positions, "a vector of integers", 1, 1)
  if positions.dtype == "float32" then refuse("subset: positions: expected integers, got float32") end
  local function part(tensor) return tensor:index_select(1, positions) end
  return new(map(self.examples, part), part(self.labels), self)
end

-- All positions, as they stand or in an order that depends on the seed alone, or without one on the generator.
local function order_of(set, shuffle, seed)
  if shuffle then return core.data.shuffled(#set, seed) end
  return core.sequence(1, 1, #set, "int64")
end

local part_options = {
  {"shuffle", "boolean", default = false},
  {"seed", "integer", optional = true},
  {"stratify", "boolean", default = false},
}

local function check_part_options(who, given)
  local o = options.check(who, given, part_options)
  if o.seed and not o.shuffle then refuse("%s: seed: expected shuffle = true beside it, which it is for", who) end
  return o
end

-- A function that gives, for the number of a part, the examples of all others and its own, which are to validate with:
-- they are never augmented. See parts.deal.
local function deal(who, set, weights, o)
  local labels = o.stratify and set.labels or nil
  if labels and (labels:dim() ~= 1 or labels.dtype == "float32") then
    refuse("%s: stratify: expected labels that are class numbers (N), got (%s) of %s", who,
      table.concat(labels.shape, ","), labels.dtype)
  end
  local dealt = parts.deal(order_of(set, o.shuffle, o.seed), weights, labels)
  return function(number)
    local others, own = dealt(number)
    return set:subset(others), set:plain():subset(own)
  end
end

--- Two parts: all but the last `fraction` of the examples, and these, as Keras's validation_split. The latter are to
-- validate with: they are never augmented. Without options, nothing is copied.
--
-- shuffle false: they are the last in random order; seed: which depends on it alone (else on the generator), refused
-- without shuffle; stratify false: they are the last of each class, of labels that are class numbers, the same fraction
-- of each as near as whole examples allow (rounded by largest remainders, as scikit-learn's train_test_split does).
-- stratify alone does not shuffle. Both parts keep the order that they are cut from.
function Dataset:split(fraction, given)
  local o = check_part_options("split", given)
  if type(fraction) ~= "number" or not (fraction > 0 and fraction < 1) then
    refuse("split: expected a fraction between 0 and 1, got %s", tostring(fraction))
  end
  local kept = #self - math.floor(#self * fraction + 0.5)
  if kept == 0 or kept == #self then
    refuse("split: %d examples are too few to set %s of them apart", #self, fraction)
  end
  if o.shuffle or o.stratify then return deal("split", self, {kept, #self - kept}, o)(2) end
  return self:range(1, kept), self:plain():range(kept + 1, #self)
end

--- for train, held_out in set:folds(k, {...}) do, for cross-validation: k times, two parts as split makes them with the
-- same options, copies. Each example is held out once; the folds' sizes differ by 1 at most, as scikit-learn's KFold
-- and (stratify) StratifiedKFold have it.
function Dataset:folds(k, given)
  local o = check_part_options("folds", given)
  check_count("folds", k, 2, #self)
  local weights, fold = {}, 0
  for i = 1, k do weights[i] = 1 end
  local parts_of = deal("folds", self, weights, o)
  return function()
    if fold == k then return nil end
    fold = fold + 1
    return parts_of(fold)
  end
end

--- All examples as floats, and all labels. Not augmented.
function Dataset:tensors() return self:pick(core.sequence(1, 1, #self, "int64")) end

--- The examples that an int64 vector of positions names, as floats, and their labels. Not augmented.
function Dataset:pick(positions)
  local function part(tensor) return core.data.gather(tensor, positions, self.scale or usual_scale(tensor)) end
  return map(self.examples, part), self.labels:index_select(1, positions)
end

--- A data set of the same images (N,C,H,W), uint8 or float32, whose batches are changed at random, in this order:
--
--   zoom, shear, rotation    of the image about its middle. zoom 0.1: by a factor of 0.9..1.1; shear 5: by -5..5
--                            degrees, lower rows to the right; rotation 10: by -10..10 degrees, counter-clockwise. Or
--                            {low, high}. By linear interpolation
--   shift                    2: by -2..2 whole pixels, up or down and left or right; or {rows, columns}. A random crop
--                            of a padded image, as Keras and PyTorch have it, is the same
--   flip                     true or "random": left to right with probability 1/2. "alternating": in every second
--                            epoch; a hash of position and seed says from the first or the second on (Jordan 2024)
--   padding_mode "zeros"     what comes in from outside in all of these; "reflect": the image mirrored
--   brightness, contrast     0.2: by a factor of 0.8..1.2, or {low, high}: of the pixels, as in torchvision's
--                            ColorJitter, then of their distance from the mean of their channel, as in Keras's
--                            RandomContrast. What was bytes is then cut to 0..255 (times `scale`)
--   erase                    random erasing (Zhong et al. 2017): a table of probability 0.5, area {0.02, 0.33} (of the
--                            image), aspect {0.3, 3.3} (height to width, uniform in its logarithm) and value, what the
--                            rectangle is filled with: a number or "random", a uniform one for each pixel of 0..255 for
--                            bytes, 0..1 for floats (times `scale`). true: all of these defaults
--   cutout                   8: a square of 8 x 8 zeros with its centre anywhere (DeVries and Taylor 2017)
--   mixup, cutmix            alpha of Beta(alpha, alpha), from which lambda is drawn for each image: it becomes lambda
--                            of itself plus 1 - lambda of another of its batch (Zhang et al. 2017), or gets a rectangle
--                            of that share from it (Yun et al. 2019). With both, either with probability 1/2. Class
--                            numbers become float32 rows (N, classes), for which `classes` is needed if there are no
--                            class_names; float labels are mixed as they are
--
-- What is drawn for an image depends on the seed and epoch of the pass (Dataset:batches) and its position in this data
-- set, not on the batch; but the image that it is mixed with is one of its batch. Only batches are augmented: tensors,
-- pick, the second part of a split, Trainer:evaluate and Trainer:predict see the plain set.
function Dataset:augmented(given)
  if self._augmentation then refuse("augmented: the data set is augmented already; see plain()") end
  if not core.is_tensor(self.examples) then refuse("augmented: expected images, got examples of several tensors") end
  local how = augmentation.new(self, given)
  return new(self.examples, self.labels, {scale = self.scale, class_names = self.class_names, _augmentation = how})
end

--- The data set that `augmented` was called on; of one that is not augmented, itself.
function Dataset:plain()
  if not self._augmentation then return self end
  return new(self.examples, self.labels, {scale = self.scale, class_names = self.class_names})
end

local batch_options = {
  {"size", "count", default = 32},
  {"shuffle", "boolean", default = false},
  {"seed", "integer", optional = true},
  {"epoch", "integer", optional = true},
  {"limit", "whole", default = math.maxinteger},
  {"drop_last", "boolean", default = false},
}

-- What a pass over the data depends on. Without a seed that follows from the generator, except who is flipped first.
local function pass_of(self, o)
  local how = self._augmentation
  if how and how.flip == "alternating" and not o.epoch then
    refuse('batches: epoch: expected an integer, as flip is "alternating", got none')
  end
  local seed = o.seed and o.epoch and o.seed * 1000003 + o.epoch or o.seed
  if not seed and (how or o.shuffle) then seed = core.data.seed() end
  return {seed = seed, flip_seed = o.seed or 0, epoch = o.epoch or 0}
end

--- for examples, labels in set:batches{...} do. size 32; shuffle false; seed: the order, and what an augmented set
-- draws, depend on it alone (else on the generator), or on it and the number `epoch`; limit: so many examples in all;
-- drop_last false: leaves out a last batch that is not full. Also returns the number of batches, as #-less iterators
-- cannot tell: local next_batch, count = set:batches{...}; the order goes with the loop.
function Dataset:batches(given)
  local o = options.check("batches", given, batch_options)
  local size, total, pass = o.size, math.min(#self, o.limit), pass_of(self, o)
  local order = order_of(self, o.shuffle, pass.seed)
  local count = total // size
  if total % size > 0 and not o.drop_last then count = count + 1 end
  local batch = 0
  return function()
    if batch >= count then return nil end
    local first = batch * size + 1
    batch = batch + 1
    local positions <close> = order:narrow(1, first, math.min(size, total - first + 1))
    if self._augmentation then return augmentation.batch(self, positions, self._augmentation, pass) end
    return self:pick(positions)
  end, count, nil, order
end

-- ---- Fashion-MNIST ----

local class_names = {
  "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

-- Images (N,H,W) and labels 0..9 of one half, as a data set; or nil and a message.
local function read_half(images_path, labels_path)
  local images, labels, message
  images, message = core.data.idx(images_path, 3)
  if not images then return nil, message end
  labels, message = core.data.idx(labels_path, 1)
  if not labels then return nil, message end
  if #images ~= #labels then
    return nil, ("%s: %d labels for the %d images of %s"):format(labels_path, #labels, #images, images_path)
  end
  if #labels > 0 and labels:max():item() >= #class_names then
    return nil, ("%s: a label is %d; expected 0..%d"):format(labels_path, labels:max():item(), #class_names - 1)
  end
  return data.Dataset {images:unsqueeze(2), labels:to("int64") + 1, class_names = class_names}
end

--- Fashion-MNIST (Xiao et al. 2017): two data sets, of 60,000 and 10,000 images (N,1,28,28) with labels 1..10. The
-- four IDX files, gzip'd or plain, are looked for in the folder given, or in that of the environment variable
-- FMNISTNN_DATA, or in Debian's (package dataset-fashion-mnist) and in the user's cache folder, and if they are
-- nowhere downloaded into the latter.
--
-- fashion_mnist(folder) or fashion_mnist{folder =, download = true, url =, checksums =, progress = true}. With a
-- `url`, the gzip'd files come from there, into the folder given or else the cache folder, unless that has them;
-- `checksums` are then their SHA-256 by train_images, train_labels, test_images and test_labels, where they are
-- others than those of Fashion-MNIST (none is checked that is not there). Returns nil and a message for files that
-- are missing or damaged.
function data.fashion_mnist(given)
  if type(given) == "string" then given = {folder = given} end
  local o = options.check("fashion_mnist", given, {
    {"folder", "string", optional = true},
    {"download", "boolean", default = true},
    {"url", "string", optional = true},
    {"checksums", "table", optional = true},
    {"progress", "boolean", default = true},
  })
  o.checksums = o.checksums and options.check("fashion_mnist: checksums", o.checksums, {
    {"train_images", "sha256", optional = true},
    {"train_labels", "sha256", optional = true},
    {"test_images", "sha256", optional = true},
    {"test_labels", "sha256", optional = true},
  })
  local paths, message = files.locate(o)
  if not paths then return nil, message end
  local train, test
  train, message = read_half(paths.train_images, paths.train_labels)
  if not train then return nil, message end
  test, message = read_half(paths.test_images, paths.test_labels)
  if not test then return nil, message end
  local expected, got = table.concat(train.examples.shape, "x", 3), table.concat(test.examples.shape, "x", 3)
  if expected ~= got then
    return nil, ("%s: images of %s pixels, but those of %s have %s"):format(paths.test_images, got, paths.train_images,
      expected)
  end
  return train, test
end

data.class_names = class_names

return data
