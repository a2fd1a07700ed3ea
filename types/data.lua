---@meta _

-- Data sets keep their examples in memory as they are and make floats of them a batch at a time.
--
--   local train, test = assert(fnn.data.fashion_mnist())
--   for images, labels in train:batches{size = 128, shuffle = true} do ... end

--- Data sets.
---@class fmnistnn.data
---@field class_names string[] The ten classes of Fashion-MNIST in English; class 1 is "T-shirt/top".
local data = {}

--- Fashion-MNIST (Xiao et al. 2017): 60,000 images to train with and 10,000 to test, (N,1,28,28), with classes 1..10.
---
--- The four IDX files, gzip'd or plain, are looked for in the folder given; else in that of the environment variable
--- FMNISTNN_DATA; else in that of Debian's package dataset-fashion-mnist and in the user's cache folder, to which they
--- are downloaded, by the program curl, when they are in neither.
---@param options? string|fmnistnn.data.FashionMnistOptions The folder, or a table.
---@return fmnistnn.Dataset? train nil when a file is missing or damaged
---@return fmnistnn.Dataset|string test or what went wrong
function data.fashion_mnist(options) end

--- Options of fashion_mnist.
---@class fmnistnn.data.FashionMnistOptions
---@field folder? string (default: as above) Where the files are.
---@field download? boolean (default true) Whether to download what is nowhere.
---@field url? string (default: the authors' server) Fetch what `folder` or the cache lacks from here.
---@field checksums? table<string, string> (default: Fashion-MNIST's) SHA-256 by train_images, test_labels and so on.
---@field progress? boolean (default true) Whether to tell on standard error how a download goes.

--- A data set of one's own, from two tensors whose first axes count the examples: `Dataset{examples, labels}`.
---@param options fmnistnn.data.DatasetOptions
---@return fmnistnn.Dataset
function data.Dataset(options) end

--- The two tensors and options of a data set.
---@class fmnistnn.data.DatasetOptions
---@field [1] fmnistnn.Examples Examples (N, ...), uint8, float32, or int64, which stay so; or a list of tensors of N.
---@field [2] fmnistnn.Tensor Labels: class numbers 1..C (N), or floats to be predicted (N, ...).
---@field scale? number (default: 1/255 for uint8, else 1) A factor on the examples, none on int64 ones and on lists.
---@field class_names? string[] Names of the classes, for reports.

--- The examples of several data sets, one set after another: `concat{a, b}`; a copy of them. Shapes, types, scale and
--- class_names must be the same in all, and none may be augmented: augment what concat gives.
---@param sets fmnistnn.Dataset[]
---@return fmnistnn.Dataset
function data.concat(sets) end

--- Whether a value is a data set.
---@param value any
---@return boolean
function data.is_dataset(value) end

--- Examples and their labels. `#set` is how many there are.
---@class fmnistnn.Dataset
---@field examples fmnistnn.Examples As they were given.
---@field labels fmnistnn.Tensor As they were given.
---@field scale? number The factor on the examples; none where they are a list.
---@field class_names? string[] Names of the classes.
---@operator len: integer
local Dataset = {}

--- Goes over the examples: `for examples, labels in set:batches{size = 128, shuffle = true} do`. A loop without `for`
--- gets the number of batches as well: `local next_batch, count = set:batches()`.
---@param options? fmnistnn.data.BatchesOptions
---@return fun(): fmnistnn.Examples?, fmnistnn.Tensor? next_batch examples, as floats times `scale`, and labels
---@return integer count how many batches there will be
---@return nil
---@return fmnistnn.Tensor order what `for` closes when the loop is left
function Dataset:batches(options) end

--- Options of batches.
---@class fmnistnn.data.BatchesOptions
---@field size? integer (default 32) Examples in a batch.
---@field shuffle? boolean (default false) Whether to go over them in random order.
---@field seed? integer (default: the generator's) The order, and what an augmented set draws, then depend on it alone.
---@field epoch? integer (default: none) With a seed: what is drawn is other for each. Alternating flips need it.
---@field limit? integer (default: all) So many examples in all.
---@field drop_last? boolean (default false) Whether to leave out a last batch that is not full.

--- Examples first..last, both included, without copying.
---@param first integer
---@param last integer
---@return fmnistnn.Dataset
function Dataset:range(first, last) end

--- The examples that a vector of positions names, as often as it does and in its order; a copy of them. A random part
--- is `set:subset(fnn.randperm(#set):narrow(1, 1, n))`.
---@param positions fmnistnn.Tensor Integers from 1 on.
---@return fmnistnn.Dataset
function Dataset:subset(positions) end

--- The first n examples, or all where there are fewer.
---@param n integer
---@return fmnistnn.Dataset
function Dataset:first(n) end

--- Two parts: all but the last `fraction` of the examples, and these, as Keras's validation_split makes them. The
--- second is never augmented. Without options, nothing is copied.
---@param fraction number Between 0 and 1.
---@param options? fmnistnn.data.PartOptions
---@return fmnistnn.Dataset kept all other examples
---@return fmnistnn.Dataset split so many that are set apart
function Dataset:split(fraction, options) end

--- Goes over the parts of a k-fold cross-validation: `for train, held_out in set:folds(5, {stratify = true}) do`. Each
--- example is held out once, in folds whose sizes differ by 1 at most; what is held out is never augmented. Both parts
--- are copies.
---@param k integer From 2 on, and at most as many as there are examples.
---@param options? fmnistnn.data.PartOptions
---@return fun(): fmnistnn.Dataset?, fmnistnn.Dataset? next_fold all other examples, and those of the fold
function Dataset:folds(k, options) end

--- Options of split and folds. Both parts keep the order that they are cut from. To stratify alone does not shuffle:
--- split then sets the last examples of each class apart.
---@class fmnistnn.data.PartOptions
---@field shuffle? boolean (default false) Whether to cut a random order instead of the examples as they stand.
---@field seed? integer (default: the generator's) The random order then depends on it alone; needs shuffle.
---@field stratify? boolean (default false) Whether each class, of labels that are class numbers, keeps its share.

--- The same images (N,C,H,W), uint8 or float32, changed at random in each batch: zoomed, sheared and turned about the
--- middle, shifted, flipped, made brighter or darker, with more or less contrast, erased in part, mixed with another
--- image of the batch; in this order, each if it is asked for.
---
--- What is drawn for an image depends on the seed and epoch of the pass and on its position in this data set, whatever
--- batch it is in; but the image that it is mixed with is one of its batch.
---
--- Only `batches` augments, and so `Trainer:fit`. `tensors`, `pick`, the second part of a `split`, `Trainer:evaluate`
--- and `Trainer:predict` see the plain set.
---@param options? fmnistnn.data.AugmentedOptions
---@return fmnistnn.Dataset
function Dataset:augmented(options) end

--- Options of augmented. Where a number says how far something may go to both sides, {low, high} may stand instead.
--- Mirrored images: flip "alternating" is Jordan's (2024), erase is random erasing (Zhong et al. 2017), cutout DeVries
--- and Taylor's (2017), mixup Zhang et al.'s (2017), cutmix Yun et al.'s (2019); brightness is as in torchvision's
--- ColorJitter, contrast as in Keras's RandomContrast. Afterwards, images of bytes are cut to 0..255 times the scale.
---
--- A shift is what others call a random crop of the padded image. `alpha` is that of the distribution Beta(alpha,
--- alpha), from which lambda is drawn for each image: it keeps lambda of itself and gets 1 - lambda of another, all
--- over it (mixup) or in a rectangle with its centre anywhere (cutmix). With both, either happens with probability 1/2.
--- Labels then become float32 rows (N, classes), or stay floats.
---@class fmnistnn.data.AugmentedOptions
---@field flip? boolean|string (default false) Left to right: true or "random"; "alternating": in every second epoch.
---@field shift? integer|integer[] (default 0) Up to so many whole pixels, vertically and horizontally; {rows, columns}.
---@field padding_mode? string (default "zeros") What comes in from outside; or "reflect": the image mirrored.
---@field rotation? number|number[] (default 0) Degrees, counter-clockwise.
---@field zoom? number|number[] (default 0) 0.1: by a factor of 0.9..1.1; {low, high} are factors.
---@field shear? number|number[] (default 0) Degrees by which columns lean, their lower ends to the right.
---@field brightness? number|number[] (default 0) 0.2: pixels times 0.8..1.2; {low, high} are factors.
---@field contrast? number|number[] (default 0) The same, on their distance from the mean of their channel.
---@field erase? boolean|fmnistnn.data.EraseOptions (default false) A rectangle is filled; true: with the defaults.
---@field cutout? integer (default 0) The side of a square of zeros whose centre is anywhere.
---@field mixup? number (default 0) Alpha: so far are two images laid over each other.
---@field cutmix? number (default 0) Alpha: so large a rectangle comes from another image.
---@field classes? integer (default: as many as class_names) How many, where labels to be mixed are class numbers.

--- Options of erase: where ten rectangles drawn do not fit into the image, it stays as it is.
---@class fmnistnn.data.EraseOptions
---@field probability? number (default 0.5) How often.
---@field area? number|number[] (default {0.02, 0.33}) {low, high}: its share of the image, uniformly.
---@field aspect? number|number[] (default {0.3, 3.3}) {low, high}: its height to its width, uniform in the logarithm.
---@field value? number|string (default "random") Of all pixels, scaled; or each 0..255 (of floats 0..1) times scale.

--- The set without augmentation: of one that is not augmented, itself.
---@return fmnistnn.Dataset
function Dataset:plain() end

--- All examples, as floats, and their labels; not augmented.
---@return fmnistnn.Tensor examples
---@return fmnistnn.Tensor labels
function Dataset:tensors() end

--- The examples at these positions, as floats, and their labels; not augmented.
---@param positions fmnistnn.Tensor int64, a vector.
---@return fmnistnn.Tensor examples
---@return fmnistnn.Tensor labels
function Dataset:pick(positions) end
