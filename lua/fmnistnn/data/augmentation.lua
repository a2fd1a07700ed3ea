--- How the images of a batch are changed at random: the options of Dataset:augmented, and a batch by them. What happens
-- to pixels is done in C (csrc/data/augment.h).
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local augmentation = {}

local spec = {
  {"flip", "any", default = false},
  {"shift", "pair0", default = 0},
  {"padding_mode", "string", default = "zeros"},
  {"rotation", "interval", default = 0},
  {"zoom", "interval", default = 0},
  {"shear", "interval", default = 0},
  {"brightness", "interval", default = 0},
  {"contrast", "interval", default = 0},
  {"erase", "any", default = false},
  {"cutout", "whole", default = 0},
  {"mixup", "number", default = 0},
  {"cutmix", "number", default = 0},
  {"classes", "count", optional = true},
}

local erase_spec = {
  {"probability", "fraction", default = 0.5},
  {"area", "interval", default = {0.02, 0.33}},
  {"aspect", "interval", default = {0.3, 3.3}},
  {"value", "any", default = "random"},
}

-- A number is how far from `middle` it may go, to either side but not below `least`.
local function interval(given, middle, least)
  if type(given) == "table" then return given end
  return {math.max(middle - given, least), middle + given}
end

-- The options of erase, for the core.
local function add_erase(how, given)
  local o = options.check("augmented: erase", type(given) == "table" and given or {}, erase_spec)
  if given ~= true and type(given) ~= "table" then
    if given then refuse("augmented: erase: expected true, false or a table, got %s", type(given)) end
    o.probability = 0
  end
  how["erase: probability"] = o.probability
  how["erase: area"] = type(o.area) == "table" and o.area or {o.area, o.area}
  how["erase: aspect"] = type(o.aspect) == "table" and o.aspect or {o.aspect, o.aspect}
  how["erase: random"] = o.value == "random"
  how["erase: value"] = o.value == "random" and 0 or o.value
end

-- How many classes there are, where labels have to be mixed that are class numbers; else nil.
local function classes_to_mix(set, o)
  if o.mixup == 0 and o.cutmix == 0 or set.labels.dtype == "float32" then return nil end
  if set.labels:dim() ~= 1 then
    refuse("augmented: mixup and cutmix: expected labels that are class numbers (N) or float32, got (%s) of %s",
      table.concat(set.labels.shape, ","), set.labels.dtype)
  end
  local classes = o.classes or set.class_names and #set.class_names
  if not classes then
    refuse "augmented: classes: expected the number of classes, as mixup and cutmix make rows of class numbers"
  end
  return classes
end

--- What a data set is to be augmented by, from the options, checked.
function augmentation.new(set, given)
  local o = options.check("augmented", given, spec)
  local how = {
    flip = o.flip == true and "random" or o.flip or "none",
    shift = o.shift,
    padding_mode = o.padding_mode,
    rotation = interval(o.rotation, 0, -math.huge),
    shear = interval(o.shear, 0, -math.huge),
    zoom = interval(o.zoom, 1, 0),
    brightness = interval(o.brightness, 1, 0),
    contrast = interval(o.contrast, 1, 0),
    cutout = o.cutout,
    mixup = o.mixup,
    cutmix = o.cutmix,
    classes = classes_to_mix(set, o),
  }
  add_erase(how, o.erase)
  local none <close> = core.full({0}, 1, "int64")
  local ok, message = pcall(core.data.augment, set.examples, none, set.scale, how, 0, 0, 0)
  if not ok then error(message, 0) end
  message:close()
  return how
end

-- Labels as rows, each with so large a share of its partner's.
local function mix_labels(labels, classes, partner, share)
  local rows <close> = classes and labels:one_hot(classes) or labels:clone()
  local mixed = rows:index_select(1, partner)
  local shape = {#share}
  for i = 2, rows:dim() do shape[i] = 1 end
  local factor <close> = share:reshape(shape)
  mixed:sub_(rows)
  mixed:mul_(factor)
  mixed:add_(rows)
  return mixed
end

--- The examples of a data set at these positions, augmented, and their labels. pass: seed, flip_seed and epoch of the
-- pass over the data that this batch belongs to.
function augmentation.batch(set, positions, how, pass)
  local images, partner, share = core.data.augment(set.examples, positions, set.scale, how, pass.seed, pass.flip_seed,
    pass.epoch)
  local labels = set.labels:index_select(1, positions)
  if not partner then return images, labels end
  local mixed = mix_labels(labels, how.classes, partner, share)
  for _, tensor in ipairs {labels, partner, share} do tensor:close() end
  return images, mixed
end

return augmentation
