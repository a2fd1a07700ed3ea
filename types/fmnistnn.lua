---@meta fmnistnn

-- `require "fmnistnn"` gives a table of all that there is: the functions of this chapter, and the parts that the other
-- chapters are about. It makes no globals.
--
--   local fnn = require "fmnistnn"
--   local nn = fnn.nn
--   local model = nn.Sequential{nn.Flatten{}, nn.Dense{128, activation = "relu"}, nn.Dense{10}}
--
-- Editors with the Lua language server (LuaLS) know all of this when the folder types/ is in their `workspace.library`.
--
-- What holds everywhere:
--
-- - Axes, positions and class numbers count from 1. Negative axes and positions count from the end.
-- - The arguments of ops may be given by name: a table as the last argument gives those that come after the others, as
--   in `t:sum(2, {keepdim = true})`, `t:sum{dim = 2, keepdim = true}` and `F.conv2d(x, weight, bias, {stride = 2})`.
-- - Misuse raises an error that names the function, the argument and what was expected. What files and the network did
--   is returned: nil and a message.
-- - Shapes are written with these letters: N images (or examples), C channels, H and W their height and width,
--   K filters, P and Q height and width of the result.

-- ---- Types ----

--- The type of a tensor's elements.
---@alias fmnistnn.DType "float32"|"int64"|"uint8"

--- One number for both axes of an image, or {rows, columns}.
---@alias fmnistnn.Pair integer|integer[]

--- "valid" is none; "same" makes the result ceil(size / stride), with the odd zero at the end, as in Keras; or numbers
--- of zeros: one for all sides, {rows, columns}, or {top, bottom, left, right}.
---@alias fmnistnn.Padding "valid"|"same"|integer|integer[]

--- What stands in t[...]: a list of positions, ranges {first, last} and {} for all; a mask; or positions.
---@alias fmnistnn.Index (integer|integer[])[]|fmnistnn.Tensor

--- How the losses of the examples become one: their mean, their sum, or not at all.
---@alias fmnistnn.Reduction "mean"|"sum"|"none"

--- A tensor whose first axis counts examples; or a list of such, for a model of several inputs, which is called with
--- this list.
---@alias fmnistnn.Examples fmnistnn.Tensor|fmnistnn.Tensor[]

--- The name of a loss, a table that begins with one and has its options, such as
--- {"cross_entropy", weight = {1, 5}}, or a function of prediction and target.
---@alias fmnistnn.Loss string|table|fun(prediction: fmnistnn.Tensor, target: fmnistnn.Tensor): fmnistnn.Tensor

--- The name of an activation, a table that begins with one and has its parameters, such as
--- {"leaky_relu", negative_slope = 0.1}, or a function of a tensor. "linear" is none.
---@alias fmnistnn.Activation string|table|fun(x: fmnistnn.Tensor): fmnistnn.Tensor

--- The name of an initializer, a table that begins with one (or with a function like one) and has its settings, such as
--- {"normal", deviation = 0.01}, or a function (shape, fan_in, fan_out, settings) that returns a tensor.
---@alias fmnistnn.Initializer string|table|function

--- A table of the arguments from here on, by name.
---@alias fmnistnn.ByName table<string, any>

--- The table that `require "fmnistnn"` gives. Its parts are loaded when they are first used.
---@class fmnistnn
---@field _VERSION string The version, such as "0.1.0".
---@field nn fmnistnn.nn Layers and models.
---@field initializers fmnistnn.initializers Initial values of parameters.
---@field losses fmnistnn.losses Losses.
---@field optim fmnistnn.optim Optimizers.
---@field schedules fmnistnn.schedules Learning rates that change.
---@field averages fmnistnn.averages Averages of weights.
---@field data fmnistnn.data Data sets.
---@field callbacks fmnistnn.callbacks Callbacks of training.
---@field metrics fmnistnn.metrics Measures of classifiers.
---@field report fmnistnn.report Results as text.
---@field page fmnistnn.page Results as pages of HTML and charts.
---@field json fmnistnn.json JSON.
---@field safetensors fmnistnn.safetensors Files of tensors.
---@field search fmnistnn.search Hyperparameter search.
local fnn = {}

---@type fmnistnn.Tensor
local Tensor

-- ---- Making tensors ----
-- Sizes come as a list or one by one, `fnn.zeros(2, 3)` or `fnn.zeros({2, 3})`; after them may stand options.

--- A tensor of a number, of a boolean, or of nested tables of them.
---@param value number|boolean|table Tables of one length at each depth.
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.tensor(value, options) end

--- Options of the functions that make tensors.
---@class fmnistnn.TensorOptions
---@field dtype? fmnistnn.DType (default "float32") The type of the elements. Random numbers are float32 only.
---@field requires_grad? boolean (default false) Whether backward is to find its gradient; float32 only.

--- A tensor of the elements that lie in a string as they do in memory, little-endian: what `Tensor:tobytes` gives.
---@param bytes string As many bytes as the shape needs.
---@param shape integer[]
---@param dtype? fmnistnn.DType (default "float32")
---@return fmnistnn.Tensor
function fnn.frombytes(bytes, shape, dtype) end

--- Zeros.
---@param ... integer|integer[]|fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.zeros(...) end

--- Ones.
---@param ... integer|integer[]|fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.ones(...) end

--- The same number everywhere.
---@param shape integer[]
---@param value number
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.full(shape, value, options) end

--- Zeros in the shape and type of another tensor.
---@param tensor fmnistnn.Tensor
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.zeros_like(tensor, options) end

--- Ones in the shape and type of another tensor.
---@param tensor fmnistnn.Tensor
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.ones_like(tensor, options) end

--- Numbers at equal steps: `arange(n)` gives 0 to n - 1; `arange(first, last, step)` first, first + step and so on,
--- without last. int64 where all arguments are integers, else float32.
---@param ... number|fmnistnn.TensorOptions Bounds and step (default 1, not 0), then options.
---@return fmnistnn.Tensor
function fnn.arange(...) end

--- Numbers at equal steps from first to last, both included.
---@param first number
---@param last number
---@param count integer 1 or more.
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.linspace(first, last, count, options) end

--- A matrix with ones on the diagonal and zeros elsewhere.
---@param ... integer|fmnistnn.TensorOptions Rows and, unless they are as many, columns; then options.
---@return fmnistnn.Tensor
function fnn.eye(...) end

--- Whether a value is a tensor.
---@param value any
---@return boolean
function fnn.is_tensor(value) end

-- ---- Random numbers ----
-- They follow from the seed alone, whatever the number of threads; on another machine normal ones may be rounded
-- differently. A program begins with the seed 0.

--- Uniform in [0, 1).
---@param ... integer|integer[]|fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.rand(...) end

--- Standard normal.
---@param ... integer|integer[]|fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.randn(...) end

--- Uniform in [low, high).
---@param shape integer[]
---@param low? number (default 0)
---@param high? number (default 1)
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.uniform(shape, low, high, options) end

--- Normal.
---@param shape integer[]
---@param mean? number (default 0)
---@param deviation? number (default 1)
---@param options? fmnistnn.TensorOptions
---@return fmnistnn.Tensor
function fnn.normal(shape, mean, deviation, options) end

--- Integers of low..high, both included, as math.random gives them.
---@param low integer
---@param high integer Less than 2^24 above low.
---@param shape integer[]
---@return fmnistnn.Tensor # int64
function fnn.randint(low, high, shape) end

--- 1..n in random order.
---@param n integer
---@return fmnistnn.Tensor # int64 (n)
function fnn.randperm(n) end

--- Starts the random numbers anew.
---@param seed integer
function fnn.manual_seed(seed) end

--- Where the generator is: for `fnn.set_generator_state`.
---@return integer seed
---@return integer offset how far it is in the seed's stream
function fnn.generator_state() end

--- Puts the generator where it was.
---@param seed integer
---@param offset integer
function fnn.set_generator_state(seed, offset) end

-- ---- Gradients ----
-- Ops on tensors that require a gradient are recorded; `Tensor:backward` goes back over them.

--- Calls f(...) with nothing recorded in this coroutine, and returns what it returns.
---@param f function
---@param ... any
---@return any
function fnn.no_grad(f, ...) end

--- Calls f(...) with ops recorded, also within `fnn.no_grad`, and returns what it returns.
---@param f function
---@param ... any
---@return any
function fnn.enable_grad(f, ...) end

--- Whether ops are recorded here.
---@return boolean
function fnn.is_grad_enabled() end

--- An op written in Lua: a function of any arguments, whose `backward` gives the gradients of the tensors among them.
---
--- ```lua
--- local square = fnn.custom{
---   name = "square",
---   forward = function(context, x) context.x = x return x * x end,
---   backward = function(context, gradient) return 2 * context.x * gradient end,
--- }
--- local y = square(x)
--- ```
---@param definition fmnistnn.CustomOptions
---@return fun(...: any): fmnistnn.Tensor
function fnn.custom(definition) end

--- What a custom op is made of. `context` is a table of each call's own, for what forward leaves to backward.
---@class fmnistnn.CustomOptions
---@field name? string (default "custom op") For error messages.
---@field forward fun(context: table, ...: any): fmnistnn.Tensor Gives one float32 tensor. Nothing in it is recorded.
---@field backward function From context and the result's gradient: one for each tensor argument in order; nil: none.

-- ---- The machine ----

--- Version, instruction set and BLAS.
---@return fmnistnn.Info
function fnn.info() end

--- What the library runs on.
---@class fmnistnn.Info
---@field version string As `fnn._VERSION`.
---@field isa string "avx512", "avx2" or "base": the CPU's, or less where the environment variable FMNISTNN_ISA says so.
---@field bf16 boolean Whether the CPU multiplies bfloat16, and so whether mixed precision makes a difference.
---@field blas string The name of the BLAS library.

--- How many threads work: at first as many as there are CPUs. Results do not depend on it.
---@return integer
function fnn.threads() end

--- Sets how many threads work.
---@param count integer 1..64.
function fnn.set_threads(count) end

--- What memory the tensors take.
---@return fmnistnn.Memory
function fnn.memory() end

--- Bytes and counts.
---@class fmnistnn.Memory
---@field used integer Bytes in use.
---@field cached integer Bytes that are free and kept for what comes next.
---@field peak integer The most that was in use, since the start or `fnn.empty_cache`.
---@field limit integer Beyond this "out of memory" is raised. At first the machine's, or its control group's.
---@field blocks integer How many blocks are in use.
---@field system_calls integer How often memory was asked from the system.
---@field boxed integer Bytes of the tensors that Lua holds, those included that its collector has yet to find.
---@field slack integer Lua's collector runs when `boxed` has grown by so many bytes, and not too often.

--- Sets the limit, the slack or both.
---@param options fmnistnn.MemoryOptions
function fnn.set_memory(options) end

--- Options of set_memory.
---@class fmnistnn.MemoryOptions
---@field limit? integer (default: as it was) Bytes.
---@field slack? integer (default: as it was) Bytes.

--- Gives the free memory back to the system, and lets `peak` begin anew.
function fnn.empty_cache() end

--- Seconds of a clock that never goes back.
---@return number
function fnn.now() end

--- Where the time of `f(...)` goes: prints a line for each op and phase, the longest first, with calls, time and its
--- share, GFLOP/s (a multiply-add counts two) and GB/s (of the tensors that came in and went out). An error is raised.
---@param f function
---@param ... any What f is called with.
---@return fmnistnn.ProfileLine[] # The longest first.
function fnn.profile(f, ...) end

--- What one op took in one phase.
---@class fmnistnn.ProfileLine
---@field name string The op, or the rule of an optimizer.
---@field phase "forward"|"backward"|"step"
---@field calls integer
---@field seconds number
---@field multiply_adds number
---@field bytes number

--- A function that does to other tensors what `f` does to these, without Lua:
--- `run = fnn.trace(model:folded(), images)`. That is worth it where tensors are small, as with one image: Lua takes
--- longer than some operations.
---
--- f is called once, with the tensors given. The operations on tensors that it calls are noted, and called again by
--- each run, without a gradient. What else f does, it does once, here: branches are taken as they were taken, numbers
--- and new tensors (`fnn.zeros`) stay what they were. Other tensors that it uses, such as weights, are used as they are
--- at each run, after an optimizer's steps or `load_state` too; but a field that is given another tensor is not seen.
--- Raises where f reads elements of an argument or of what an operation gave (`t:item()`), changes a tensor in place,
--- computes gradients (`t:backward()`), yields, or draws random numbers other than dropout's, as a model does that has
--- not been called before. A result that is a view shares its memory with what it is a view of, as f's do.
---@param f function Or a model: of tensors, which returns tensors that it computes from them.
---@param ... fmnistnn.Tensor What f is called with.
---@return fun(...: fmnistnn.Tensor): ... # Takes tensors of the same types and shapes, and returns as many as f.
function fnn.trace(f, ...) end

--- Writes a file so that there is never half of it: what was there before stays until the new one is whole.
--- Links are followed, and the permissions of a file that was there are kept.
---@param path string
---@param content string|(string|fmnistnn.Tensor)[] A text, or a list of texts and tensors (their bytes).
---@return true? ok
---@return string? message what went wrong
function fnn.write_file(path, content) end

--- The training loop; see the chapter Training.
---@param options fmnistnn.TrainerOptions
---@return fmnistnn.Trainer
function fnn.Trainer(options) end

--- A display of how training goes that several fits share: each is given it as its `progress`.
---@param options fmnistnn.ProgressOptions
---@return fmnistnn.Progress
function fnn.Progress(options) end

-- ---- Ops as functions ----
-- `fnn.matmul(a, b)` is `a:matmul(b)`; the chapter Tensors describes them.

fnn.abs = Tensor.abs
fnn.acos = Tensor.acos
fnn.add = Tensor.add
fnn.all = Tensor.all
fnn.any = Tensor.any
fnn.argmax = Tensor.argmax
fnn.argmin = Tensor.argmin
fnn.asin = Tensor.asin
fnn.atan = Tensor.atan
fnn.atan2 = Tensor.atan2
fnn.cat = Tensor.cat
fnn.ceil = Tensor.ceil
fnn.chunk = Tensor.chunk
fnn.clamp = Tensor.clamp
fnn.clone = Tensor.clone
fnn.cos = Tensor.cos
fnn.cosh = Tensor.cosh
fnn.cumsum = Tensor.cumsum
fnn.div = Tensor.div
fnn.elu = Tensor.elu
fnn.eq = Tensor.eq
fnn.erf = Tensor.erf
fnn.exp = Tensor.exp
fnn.expand = Tensor.expand
fnn.expm1 = Tensor.expm1
fnn.flatten = Tensor.flatten
fnn.flip = Tensor.flip
fnn.floor = Tensor.floor
fnn.floor_divide = Tensor.floor_divide
fnn.gather = Tensor.gather
fnn.ge = Tensor.ge
fnn.gelu = Tensor.gelu
fnn.gelu_tanh = Tensor.gelu_tanh
fnn.gt = Tensor.gt
fnn.hard_sigmoid = Tensor.hard_sigmoid
fnn.hard_swish = Tensor.hard_swish
fnn.hard_tanh = Tensor.hard_tanh
fnn.index_select = Tensor.index_select
fnn.isfinite = Tensor.isfinite
fnn.isinf = Tensor.isinf
fnn.isnan = Tensor.isnan
fnn.le = Tensor.le
fnn.leaky_relu = Tensor.leaky_relu
fnn.log = Tensor.log
fnn.log10 = Tensor.log10
fnn.log1p = Tensor.log1p
fnn.log2 = Tensor.log2
fnn.log_sigmoid = Tensor.log_sigmoid
fnn.log_softmax = Tensor.log_softmax
fnn.logical_and = Tensor.logical_and
fnn.logical_not = Tensor.logical_not
fnn.logical_or = Tensor.logical_or
fnn.logical_xor = Tensor.logical_xor
fnn.logsumexp = Tensor.logsumexp
fnn.lt = Tensor.lt
fnn.masked_fill = Tensor.masked_fill
fnn.matmul = Tensor.matmul
fnn.max = Tensor.max
fnn.maximum = Tensor.maximum
fnn.mean = Tensor.mean
fnn.min = Tensor.min
fnn.minimum = Tensor.minimum
fnn.mish = Tensor.mish
fnn.mul = Tensor.mul
fnn.narrow = Tensor.narrow
fnn.ne = Tensor.ne
fnn.neg = Tensor.neg
fnn.nonzero = Tensor.nonzero
fnn.one_hot = Tensor.one_hot
fnn.pad = Tensor.pad
fnn.permute = Tensor.permute
fnn.pow = Tensor.pow
fnn.prod = Tensor.prod
fnn.reciprocal = Tensor.reciprocal
fnn.relu = Tensor.relu
fnn.relu6 = Tensor.relu6
fnn.remainder = Tensor.remainder
fnn.reshape = Tensor.reshape
fnn.round = Tensor.round
fnn.rsqrt = Tensor.rsqrt
fnn.select = Tensor.select
fnn.selu = Tensor.selu
fnn.sigmoid = Tensor.sigmoid
fnn.sign = Tensor.sign
fnn.silu = Tensor.silu
fnn.sin = Tensor.sin
fnn.sinh = Tensor.sinh
fnn.softmax = Tensor.softmax
fnn.softplus = Tensor.softplus
fnn.softsign = Tensor.softsign
fnn.sort = Tensor.sort
fnn.split = Tensor.split
fnn.sqrt = Tensor.sqrt
fnn.square = Tensor.square
fnn.squeeze = Tensor.squeeze
fnn.stack = Tensor.stack
fnn.std = Tensor.std
fnn.sub = Tensor.sub
fnn.sum = Tensor.sum
fnn.tan = Tensor.tan
fnn.tanh = Tensor.tanh
fnn.tile = Tensor.tile
fnn.to = Tensor.to
fnn.topk = Tensor.topk
fnn.transpose = Tensor.transpose
fnn.trunc = Tensor.trunc
fnn.unsqueeze = Tensor.unsqueeze
fnn.var = Tensor.var
fnn.where = Tensor.where

return fnn
