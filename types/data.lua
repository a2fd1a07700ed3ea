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
---@field checksums? table<string, string> (default: Fashion-MNIST's) By train_images, test_labels and so on.
---@field progress? boolean (default true) Whether to tell on standard error how a download goes.

--- A data set of one's own, from two tensors whose first axes count the examples: `Dataset{examples, labels}`.
---@param options fmnistnn.data.DatasetOptions
---@return fmnistnn.Dataset
function data.Dataset(options) end

--- The two tensors and options of a data set.
---@class fmnistnn.data.DatasetOptions
---@field [1] fmnistnn.Tensor Examples (N, ...), uint8 or float32.
---@field [2] fmnistnn.Tensor Labels: class numbers 1..C (N), or floats to be predicted (N, ...).
---@field scale? number (default: 1/255 for uint8, else 1) A factor on the examples.
---@field class_names? string[] Names of the classes, for reports.

--- Whether a value is a data set.
---@param value any
---@return boolean
function data.is_dataset(value) end

--- Examples and their labels. `#set` is how many there are.
---@class fmnistnn.Dataset
---@field examples fmnistnn.Tensor As they were given.
---@field labels fmnistnn.Tensor As they were given.
---@field scale number The factor on the examples.
---@field class_names? string[] Names of the classes.
---@operator len: integer
local Dataset = {}

--- Goes over the examples: `for examples, labels in set:batches{size = 128, shuffle = true} do`. A loop without `for`
--- gets the number of batches as well: `local next_batch, count = set:batches()`.
---@param options? fmnistnn.data.BatchesOptions
---@return fun(): fmnistnn.Tensor?, fmnistnn.Tensor? next_batch examples, as floats times `scale`, and labels
---@return integer count how many batches there will be
---@return nil
---@return fmnistnn.Tensor order what `for` closes when the loop is left
function Dataset:batches(options) end

--- Options of batches.
---@class fmnistnn.data.BatchesOptions
---@field size? integer (default 32) Examples in a batch.
---@field shuffle? boolean (default false) Whether to go over them in random order.
---@field seed? integer (default: the generator's) The order then depends on it alone.
---@field limit? integer (default: all) So many examples in all.
---@field drop_last? boolean (default false) Whether to leave out a last batch that is not full.

--- Examples first..last, both included, without copying.
---@param first integer
---@param last integer
---@return fmnistnn.Dataset
function Dataset:range(first, last) end

--- The first n examples, or all where there are fewer.
---@param n integer
---@return fmnistnn.Dataset
function Dataset:first(n) end

--- Two parts, as Keras's validation_split makes them.
---@param fraction number Between 0 and 1.
---@return fmnistnn.Dataset kept all examples but the last ones
---@return fmnistnn.Dataset split the last `fraction` of them
function Dataset:split(fraction) end

--- All examples, as floats, and their labels.
---@return fmnistnn.Tensor examples
---@return fmnistnn.Tensor labels
function Dataset:tensors() end

--- The examples at these positions, as floats, and their labels.
---@param positions fmnistnn.Tensor int64, a vector.
---@return fmnistnn.Tensor examples
---@return fmnistnn.Tensor labels
function Dataset:pick(positions) end
