---@meta _

-- Layers are made with a table of options, `nn.Conv2d{32, kernel = 3}`, and called with a tensor, `layer(x)`. The first
-- option may stand there by position. Sizes that depend on the input are found out at the first call: that is when a
-- layer makes its parameters.
--
--   local model = nn.Sequential{
--     nn.Conv2d{32, kernel = 3, padding = "same", activation = "relu"},
--     nn.MaxPool2d{2},
--     nn.Flatten{},
--     nn.Dense{10},
--   }
--   model:summary{1, 28, 28}
--   local logits = model(images)

--- Layers, models and functions for them.
---@class fmnistnn.nn
---@field Module fmnistnn.nn.Module What all layers and models are derived from.
---@field functional fmnistnn.nn.functional The layers as functions.
---@field layers table<string, string> The names of all that is here, for programs.
local nn = {}

-- ---- Models ----

--- Layers one after the other: `nn.Sequential{a, b, c}(x)` is c(b(a(x))). Where two layers keep nothing, what the first
--- gives to the second is closed as soon as it has been used.
---@param layers fmnistnn.nn.Module[]
---@return fmnistnn.nn.Sequential
function nn.Sequential(layers) end

--- `model[i]` is layer i, `#model` their number.
---@class fmnistnn.nn.Sequential: fmnistnn.nn.Module
---@field [integer] fmnistnn.nn.Module Layer i.
---@operator len: integer

--- The sum of branches, `nn.Add{a, b}(x)` = a(x) + b(x); without any, of its arguments, `nn.Add{}(x, y)` = x + y.
---@param branches? fmnistnn.nn.Module[]
---@return fmnistnn.nn.Module
function nn.Add(branches) end

--- The mean of what several models give, `nn.Ensemble{a, b}(x)` = (a(x) + b(x)) / 2 (Lakshminarayanan et al. 2017). The
--- members should end in a softmax: `nn.Sequential{model, nn.Activation{"softmax"}}`. Of logits it is the mean too.
---@param models fmnistnn.nn.Module[]
---@return fmnistnn.nn.Module
function nn.Ensemble(models) end

--- The results of branches one after the other, `nn.Concat{a, b}(x)`; without any, its arguments.
---@param options? fmnistnn.nn.ConcatOptions
---@return fmnistnn.nn.Module
function nn.Concat(options) end

--- Branches and options of Concat.
---@class fmnistnn.nn.ConcatOptions
---@field [integer] fmnistnn.nn.Module The branches.
---@field dim? integer (default 2) The axis; 2 is that of the channels.

--- A body with a way past it: body(x) + x, or body(x) + shortcut(x) (He et al. 2015).
---@param options fmnistnn.nn.ResidualOptions
---@return fmnistnn.nn.Residual
function nn.Residual(options) end

--- Options of Residual.
---@class fmnistnn.nn.ResidualOptions
---@field body? fmnistnn.nn.Module (required) The body.
---@field shortcut? fmnistnn.nn.Module (default: the input itself) What goes past the body.
---@field activation? fmnistnn.Activation (default: none) Of the sum.

--- A residual block.
---@class fmnistnn.nn.Residual: fmnistnn.nn.Module
---@field body fmnistnn.nn.Module The body.
---@field shortcut? fmnistnn.nn.Module The shortcut.

-- ---- Convolutions ----

--- Convolution (cross-correlation) of x (N,C,H,W) to (N,filters,P,Q), plus a bias, then an activation.
---@param options fmnistnn.nn.Conv2dOptions
---@return fmnistnn.nn.Conv2d
function nn.Conv2d(options) end

--- Options of Conv2d.
---@class fmnistnn.nn.Conv2dOptions
---@field filters? integer (required) Channels of the result.
---@field kernel fmnistnn.Pair Pixels that a filter covers.
---@field stride? fmnistnn.Pair (default 1) Pixels from one place of the filter to the next.
---@field padding? fmnistnn.Padding (default "valid") Zeros around the image.
---@field dilation? fmnistnn.Pair (default 1) Pixels from one tap of the filter to the next.
---@field groups? integer (default 1) Cuts channels and filters into so many independent convolutions.
---@field bias? boolean (default true) Whether there is a bias.
---@field activation? fmnistnn.Activation (default: none) Of the result.
---@field initializer? fmnistnn.Initializer (default "glorot_uniform") Of the weight.
---@field bias_initializer? fmnistnn.Initializer (default "zeros") Of the bias.

--- A convolution.
---@class fmnistnn.nn.Conv2d: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (filters, C / groups, rows, columns).
---@field bias? fmnistnn.Tensor (filters).

--- The transpose of a convolution, from x (N,C,H,W) to (N,filters,P,Q) with
--- P = (H - 1) stride - padding + dilation (kernel - 1) + 1 + output_padding, or H stride where the padding is "same".
---@param options fmnistnn.nn.ConvTranspose2dOptions
---@return fmnistnn.nn.ConvTranspose2d
function nn.ConvTranspose2d(options) end

--- Options of ConvTranspose2d.
---@class fmnistnn.nn.ConvTranspose2dOptions
---@field filters? integer (required) Channels of the result.
---@field kernel fmnistnn.Pair Pixels that a filter covers.
---@field stride? fmnistnn.Pair (default 1) Pixels of the result from one pixel of x to the next.
---@field padding? fmnistnn.Padding (default "valid") What to take away around the result.
---@field output_padding? fmnistnn.Pair (default 0) Added below and on the right; less than the stride or the dilation.
---@field dilation? fmnistnn.Pair (default 1) Pixels from one tap of the filter to the next.
---@field groups? integer (default 1) Cuts channels and filters into so many independent ones.
---@field bias? boolean (default true) Whether there is a bias.
---@field activation? fmnistnn.Activation (default: none) Of the result.
---@field initializer? fmnistnn.Initializer (default "glorot_uniform") Of the weight.
---@field bias_initializer? fmnistnn.Initializer (default "zeros") Of the bias.

--- A transposed convolution.
---@class fmnistnn.nn.ConvTranspose2d: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (C, filters / groups, rows, columns).
---@field bias? fmnistnn.Tensor (filters).

-- ---- Dense layers ----

--- y = x W' + b along the last axis, then an activation.
---@param options fmnistnn.nn.DenseOptions
---@return fmnistnn.nn.Dense
function nn.Dense(options) end

--- Options of Dense.
---@class fmnistnn.nn.DenseOptions
---@field units? integer (required) Size of the last axis of the result.
---@field activation? fmnistnn.Activation (default: none) Of the result.
---@field bias? boolean (default true) Whether there is a bias.
---@field initializer? fmnistnn.Initializer (default "glorot_uniform") Of the weight.
---@field bias_initializer? fmnistnn.Initializer (default "zeros") Of the bias.

--- A dense layer.
---@class fmnistnn.nn.Dense: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (units, inputs).
---@field bias? fmnistnn.Tensor (units).

--- A trained vector for each of the class numbers 1..count: integers of any shape become (..., size).
---@param options fmnistnn.nn.EmbeddingOptions
---@return fmnistnn.nn.Embedding
function nn.Embedding(options) end

--- Options of Embedding.
---@class fmnistnn.nn.EmbeddingOptions
---@field count? integer (required) How many classes there are.
---@field size integer Numbers in a vector.
---@field initializer? fmnistnn.Initializer (default "uniform") Of the weight.
---@field padding_index? integer (default: none) A class that stands for none: zeros, not trained.

--- An embedding.
---@class fmnistnn.nn.Embedding: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (count, size).

-- ---- Normalization ----
-- y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the biased variance.

--- Batch normalization of each channel of x (N,C) or (N,C,L) (Ioffe and Szegedy 2015): in training by the batch's mean
--- and variance, in evaluation by running ones. These are averages of the batches alone, from the first one on: their
--- start of 0 and 1 is weighted out (as in Kingma and Ba 2014, section 3), unlike in Keras.
---@param options? fmnistnn.nn.BatchNormOptions
---@return fmnistnn.nn.BatchNorm
function nn.BatchNorm1d(options) end

--- Batch normalization of each channel of x (N,C,H,W).
---@param options? fmnistnn.nn.BatchNormOptions As of BatchNorm1d.
---@return fmnistnn.nn.BatchNorm
function nn.BatchNorm2d(options) end

--- Options of BatchNorm1d and BatchNorm2d.
---@class fmnistnn.nn.BatchNormOptions
---@field momentum? number (default 0.99) How much of the running statistics stays at each step, 0 <= momentum < 1.
---@field epsilon? number (default 0.001) Above 0.
---@field affine? boolean (default true) Whether there are weight and bias.

--- A batch normalization.
---@class fmnistnn.nn.BatchNorm: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (C).
---@field bias? fmnistnn.Tensor (C).
---@field running_mean? fmnistnn.Tensor (C), a buffer.
---@field running_variance? fmnistnn.Tensor (C), a buffer.
---@field batches? fmnistnn.Tensor How many batches these are made of, a buffer.

--- Normalizes each example over its last axes (Ba et al. 2016).
---@param options? fmnistnn.nn.LayerNormOptions
---@return fmnistnn.nn.LayerNorm
function nn.LayerNorm(options) end

--- Options of LayerNorm.
---@class fmnistnn.nn.LayerNormOptions
---@field axes? integer (default 1) How many axes.
---@field epsilon? number (default 0.001) Above 0.
---@field affine? boolean (default true) Whether there are weight and bias.

--- A layer normalization.
---@class fmnistnn.nn.LayerNorm: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor Of the shape of these axes.
---@field bias? fmnistnn.Tensor Likewise.

--- Normalizes x (N,C,...) over each group of channels of each example (Wu and He 2018).
---@param options? fmnistnn.nn.GroupNormOptions
---@return fmnistnn.nn.GroupNorm
function nn.GroupNorm(options) end

--- Options of GroupNorm.
---@class fmnistnn.nn.GroupNormOptions
---@field groups? integer (default 32) How many groups: a divisor of C.
---@field epsilon? number (default 0.001) Above 0.
---@field affine? boolean (default true) Whether there are weight and bias.

--- A group normalization.
---@class fmnistnn.nn.GroupNorm: fmnistnn.nn.Module
---@field weight? fmnistnn.Tensor (C).
---@field bias? fmnistnn.Tensor (C).

-- ---- Pooling ----
-- Of x (N,C,H,W), each channel by itself.

--- The largest pixel of each window. Padding never is it.
---@param options fmnistnn.nn.MaxPool2dOptions
---@return fmnistnn.nn.Module
function nn.MaxPool2d(options) end

--- Options of MaxPool2d.
---@class fmnistnn.nn.MaxPool2dOptions
---@field kernel? fmnistnn.Pair (required) The window.
---@field stride? fmnistnn.Pair (default: the kernel) Pixels from one window to the next.
---@field padding? fmnistnn.Padding (default "valid") Around the image.

--- The mean of each window.
---@param options fmnistnn.nn.AvgPool2dOptions
---@return fmnistnn.nn.Module
function nn.AvgPool2d(options) end

--- Options of AvgPool2d.
---@class fmnistnn.nn.AvgPool2dOptions: fmnistnn.nn.MaxPool2dOptions
---@field count_padding? boolean (default false) Whether the zeros around the image count in the mean.

--- The means of nearly equal parts of the image, which may share a pixel, as in PyTorch: (N,C,P,Q).
---@param options fmnistnn.nn.AdaptiveAvgPool2dOptions
---@return fmnistnn.nn.Module
function nn.AdaptiveAvgPool2d(options) end

--- Options of AdaptiveAvgPool2d.
---@class fmnistnn.nn.AdaptiveAvgPool2dOptions
---@field size? fmnistnn.Pair (required) P and Q.

--- The mean of each channel: (N,C).
---@param options? table
---@return fmnistnn.nn.Module
function nn.GlobalAvgPool2d(options) end

--- The largest pixel of each channel: (N,C).
---@param options? table
---@return fmnistnn.nn.Module
function nn.GlobalMaxPool2d(options) end

-- ---- Dropout ----
-- Only in training; in evaluation these give x itself.

--- Sets each element to 0 with a probability, and divides the others by what is left of 1 (Srivastava et al. 2014).
---@param options fmnistnn.nn.DropoutOptions
---@return fmnistnn.nn.Module
function nn.Dropout(options) end

--- Options of Dropout and Dropout2d.
---@class fmnistnn.nn.DropoutOptions
---@field rate? number (required) The probability, 0 <= rate < 1.

--- The same for whole channels of x (N,C,...) (Tompson et al. 2015).
---@param options fmnistnn.nn.DropoutOptions As of Dropout.
---@return fmnistnn.nn.Module
function nn.Dropout2d(options) end

-- ---- Shapes and activations ----

--- (N, ...) to (N, everything).
---@param options? table
---@return fmnistnn.nn.Module
function nn.Flatten(options) end

--- (N, ...) to (N, shape).
---@param options fmnistnn.nn.ReshapeOptions
---@return fmnistnn.nn.Module
function nn.Reshape(options) end

--- Options of Reshape: `nn.Reshape{{16, 7, 7}}`.
---@class fmnistnn.nn.ReshapeOptions
---@field shape? integer[] (required) Sizes without the first; one may be -1: what is left.

--- Images (N,C,H,W) with each pixel repeated (nearest neighbour), or interpolated: (N,C,scale H,scale W).
---@param options fmnistnn.nn.Upsample2dOptions
---@return fmnistnn.nn.Module
function nn.Upsample2d(options) end

--- Options of Upsample2d: `nn.Upsample2d{2}`, `nn.Upsample2d{2, mode = "bilinear"}`.
---@class fmnistnn.nn.Upsample2dOptions: fmnistnn.nn.functional.UpsampleOptions
---@field scale? fmnistnn.Pair (required) How many times as high and wide.

--- Zeros around the images of x (N,C,H,W).
---@param options fmnistnn.nn.ZeroPad2dOptions
---@return fmnistnn.nn.Module
function nn.ZeroPad2d(options) end

--- Options of ZeroPad2d: `nn.ZeroPad2d{1}`, `nn.ZeroPad2d{{1, 1, 2, 2}}`.
---@class fmnistnn.nn.ZeroPad2dOptions
---@field margin? integer|integer[] (required) One number, {rows, columns} or {top, bottom, left, right}.

--- The input itself.
---@param options? table
---@return fmnistnn.nn.Module
function nn.Identity(options) end

--- An activation as a layer: `nn.Activation{"relu"}`, `nn.Activation{"leaky_relu", negative_slope = 0.1}`. A model with
--- a function of one's own, `nn.Activation{f}`, cannot be saved.
---@param activation fmnistnn.Activation
---@return fmnistnn.nn.Module
function nn.Activation(activation) end

-- ---- Reading models ----

--- Reads a model that `Module:save` wrote.
---@param path string
---@param classes? table<string, fmnistnn.nn.Module> Classes of one's own by name: `nn.load(path, {Block = Block})`.
---@return fmnistnn.nn.Module? model
---@return string? message what went wrong
function nn.load(path, classes) end

--- What all layers and models are derived from.
---
--- ```lua
--- local Block = nn.Module:extend("Block")
--- function Block:init(channels) self.conv = nn.Conv2d{channels, kernel = 3, padding = "same"} end
--- function Block:forward(x) return self.conv(x):relu() + x end
--- local block = Block(16)
--- local y = block(x)
--- ```
---
--- The fields of a module decide what belongs to it: modules, and lists of modules, are its children; tensors that
--- require a gradient its parameters; other tensors its buffers, which are saved with it but not trained. Names that
--- begin with `_` are private: they hold what does not belong to the state of the model. Nor do lists of tensors, and
--- what was computed with a gradient: a new value of a buffer has to be detached. The name of a tensor has no dot.
---@class fmnistnn.nn.Module
---@field class_name string The name of the class.
---@field super? fmnistnn.nn.Module The class that it was extended from; of classes, and through them of their modules.
---@field training boolean Whether it trains: see `Module:train`.
---@field fresh boolean Whether forward gives a tensor that nobody else holds, or x itself; of one's own classes false.
---@overload fun(...: any): any
local Module = {}

-- ---- Classes ----

--- A new class that is derived from this one. A call of it makes a module and runs `init` with the same arguments.
---@param name string
---@return fmnistnn.nn.CustomModule
function Module:extend(name) end

--- A class of one's own, and a module of such a class.
---@class fmnistnn.nn.CustomModule: fmnistnn.nn.Module
---@field [string] any Its own fields and methods.
---@overload fun(...: any): any

--- To be defined by classes: prepares a new module.
---@param ... any What the class was called with.
function Module:init(...) end

--- To be defined by classes: what a call of the module does.
---@param ... any What the module was called with.
---@return any
function Module:forward(...) end

--- Whether a value is a module.
---@param value any
---@return boolean
function Module.is_module(value) end

--- Whether the module is `fresh`, and all that it is made of.
---@return boolean
function Module:keeps_nothing() end

-- ---- What belongs to a module ----
-- Names are those of the fields, with points: "conv.weight", "3.bias". Each module and tensor comes once, in the order
-- of the fields' first assignments.

--- A list of the tensors that are trained.
---@return fmnistnn.Tensor[]
function Module:parameters() end

--- A list of the tensors that are saved but not trained.
---@return fmnistnn.Tensor[]
function Module:buffers() end

--- Goes over the parameters: `for name, tensor in model:named_parameters() do`.
---@return fun(): string?, fmnistnn.Tensor?
function Module:named_parameters() end

--- Goes over the buffers: `for name, tensor in model:named_buffers() do`.
---@return fun(): string?, fmnistnn.Tensor?
function Module:named_buffers() end

--- Goes over the module itself, with the name "", and all modules below it: `for name, module in model:named_modules()
--- do`.
---@return fun(): string?, fmnistnn.nn.Module?
function Module:named_modules() end

--- Counts the float32 numbers of parameters and buffers.
---@return integer all
---@return integer trained
function Module:count_parameters() end

--- The parameters and buffers.
---@param each_name? boolean (default false) Whether a tensor with several names is there under each.
---@return {[1]: string, [2]: fmnistnn.Tensor}[] # a list of {name, tensor}
function Module:state(each_name) end

--- Copies tensors into the parameters and buffers of the same names. Raises when a name or a shape does not fit; all is
--- then as it was. Layers that were never called have no parameters yet: `nn.load` reads whole models.
---@param tensors table<string, fmnistnn.Tensor>|{[1]: string, [2]: fmnistnn.Tensor}[] By name, or what `state` gives.
---@return fmnistnn.nn.Module # the module itself
function Module:load_state(tensors) end

-- ---- Modes and gradients ----

--- Tells the module and all below it to train: dropout drops, and batch normalization goes by the batch. New modules
--- do.
---@param training? boolean (default true)
---@return fmnistnn.nn.Module # the module itself
function Module:train(training) end

--- The same as train(false).
---@return fmnistnn.nn.Module # the module itself
function Module:eval() end

--- Whether convolutions and dense layers of the module and all below it multiply as bfloat16 (and add up as float32),
--- forward and backward: in less time, with two or three significant digits in each factor. Parameters and results stay
--- float32. The errors' root mean square is at most 0.4 % of the results', and 1.4 % of the weights' gradients'. It
--- makes a difference for batches of nine images or more, and to dense layers for 16 rows, inputs and outputs or more,
--- where the CPU has instructions for it (`fnn.info().bf16`).
---@param mixed? boolean (default true)
---@return fmnistnn.nn.Module # the module itself
function Module:mixed_precision(mixed) end

--- Freezes all parameters, or has them trained again. Those that a first call is yet to make are not among them.
--- Running statistics of batch normalizations are none: they move in training, whatever is frozen.
---@param value? boolean (default true) Whether they are trained.
---@return fmnistnn.nn.Module # the module itself
function Module:requires_grad_(value) end

--- Forgets the gradients of all parameters.
---@return fmnistnn.nn.Module # the module itself
function Module:zero_grad() end

-- ---- Use, summaries and files ----

--- What the model gives for many examples, as one tensor: in evaluation, a batch at a time, without a gradient. With
--- functions in `augment` it is the mean of the outputs; `Trainer:predict` knows whether they are logits.
---@param examples fmnistnn.Dataset|fmnistnn.Tensor|fmnistnn.Examples[] A data set, examples, or {examples, labels}.
---@param options? fmnistnn.EvaluateOptions
---@return fmnistnn.Tensor
function Module:predict(examples, options) end

--- Prints layers, shapes of their results, parameters, memory and multiply-adds. Builds layers that were never called.
---@param shape integer[]|integer[][] Of an input, without the first axis; a list of them for several inputs.
---@param options? fmnistnn.nn.SummaryOptions
---@return fmnistnn.nn.Summary
function Module:summary(shape, options) end

--- Options of summary.
---@class fmnistnn.nn.SummaryOptions
---@field print? boolean (default true) Whether to print it.
---@field dtype? string|string[] (default: "int64" where an Embedding is first, else "float32") Of the input or inputs.

--- A copy for inference, in which layers do the batch normalizations that follow or precede them in an nn.Sequential,
--- and a large batch of images is done in parts: the same results but for rounding, in less time. It is in evaluation,
--- shares all other parameters, is not to be trained and cannot be saved. Raises where a batch normalization has not
--- been called yet.
---@return fmnistnn.nn.Module
function Module:folded() end

--- The totals of a summary.
---@class fmnistnn.nn.Summary
---@field parameters integer Numbers in parameters and buffers.
---@field trained integer Those that are trained.
---@field multiply_adds integer Multiply-adds for one example.
---@field output_bytes integer Bytes of the results of all layers for one example.
---@field text string What is printed.

--- Writes the model, its architecture, parameters and buffers, to a safetensors file. Raises for arguments of layers
--- that cannot be saved, such as functions.
---@param path string
---@return true? ok
---@return string? message what went wrong
function Module:save(path) end

--- For programs that watch calls: f(module, ...) is called in place of every module, and calls module:forward(...)
--- itself.
---@param f function? nil: no longer.
function Module.set_recorder(f) end

--- The layers as functions of tensors, without state: `local F = fnn.nn.functional`.
---@class fmnistnn.nn.functional
local F = {}

---@type fmnistnn.Tensor
local Tensor

---@type fmnistnn.losses
local losses

-- ---- Products and convolutions ----

--- x W' + b along the last axis.
---@param input fmnistnn.Tensor (..., I).
---@param weight fmnistnn.Tensor (O, I).
---@param bias? fmnistnn.Tensor (O).
---@param precision? "float32"|"bf16" (default "float32") What to multiply: see `Module:mixed_precision`.
---@return fmnistnn.Tensor # (..., O)
function F.linear(input, weight, bias, precision) end

--- Cross-correlation, plus a bias.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param weight fmnistnn.Tensor (K, C / groups, rows, columns).
---@param bias? fmnistnn.Tensor|fmnistnn.ByName (K).
---@param stride? fmnistnn.Pair (default 1)
---@param padding? fmnistnn.Padding (default "valid")
---@param dilation? fmnistnn.Pair (default 1)
---@param groups? integer (default 1) A divisor of C and K.
---@param precision? "float32"|"bf16" (default "float32") What to multiply: see `Module:mixed_precision`.
---@return fmnistnn.Tensor # (N,K,P,Q)
function F.conv2d(input, weight, bias, stride, padding, dilation, groups, precision) end

--- The same as conv2d, plus an addend if there is one, followed by relu, in one pass.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param weight fmnistnn.Tensor (K, C / groups, rows, columns).
---@param bias? fmnistnn.Tensor|fmnistnn.ByName (K).
---@param addend? fmnistnn.Tensor|fmnistnn.ByName (N,K,P,Q).
---@param stride? fmnistnn.Pair (default 1)
---@param padding? fmnistnn.Padding (default "valid")
---@param dilation? fmnistnn.Pair (default 1)
---@param groups? integer (default 1) A divisor of C and K.
---@param precision? "float32"|"bf16" (default "float32") What to multiply: see `Module:mixed_precision`.
---@return fmnistnn.Tensor # (N,K,P,Q)
function F.conv2d_relu(input, weight, bias, addend, stride, padding, dilation, groups, precision) end

--- The transpose of a convolution: the image whose convolution would have the shape of the input.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param weight fmnistnn.Tensor (C, K / groups, rows, columns).
---@param bias? fmnistnn.Tensor|fmnistnn.ByName (K).
---@param stride? fmnistnn.Pair (default 1)
---@param padding? fmnistnn.Padding (default "valid")
---@param output_padding? fmnistnn.Pair (default 0) Less than the stride or the dilation.
---@param dilation? fmnistnn.Pair (default 1)
---@param groups? integer (default 1) A divisor of C.
---@return fmnistnn.Tensor # (N,K,P,Q) with P = (H - 1) stride - padding + dilation (rows - 1) + 1 + output_padding
function F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, dilation, groups) end

--- The rows of a table that class numbers name.
---@param index fmnistnn.Tensor Integers 1..count, of any shape.
---@param weight fmnistnn.Tensor (count, size).
---@param options? fmnistnn.nn.functional.EmbeddingOptions
---@return fmnistnn.Tensor # (..., size)
function F.embedding(index, weight, options) end

--- Options of embedding.
---@class fmnistnn.nn.functional.EmbeddingOptions
---@field padding_index? integer (default: none) A class whose row gets no gradient.

-- ---- Pooling of images ----

--- The largest pixel of each window. Padding never is it.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param kernel fmnistnn.Pair
---@param stride? fmnistnn.Pair (default: the kernel)
---@param padding? fmnistnn.Padding (default "valid")
---@param dilation? fmnistnn.Pair (default 1)
---@return fmnistnn.Tensor # (N,C,P,Q)
function F.max_pool2d(input, kernel, stride, padding, dilation) end

--- The mean of each window.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param kernel fmnistnn.Pair
---@param stride? fmnistnn.Pair (default: the kernel)
---@param padding? fmnistnn.Padding (default "valid")
---@param count_padding? boolean|fmnistnn.ByName (default false) Whether zeros of the padding count in the mean.
---@return fmnistnn.Tensor # (N,C,P,Q)
function F.avg_pool2d(input, kernel, stride, padding, count_padding) end

--- The means of P x Q nearly equal parts: part i of an axis runs from floor(i H / P) to ceil((i + 1) H / P), i from 0
--- on.
---@param input fmnistnn.Tensor (N,C,H,W).
---@param size fmnistnn.Pair P and Q.
---@return fmnistnn.Tensor # (N,C,P,Q)
function F.adaptive_avg_pool2d(input, size) end

--- The mean of each channel of x (N,C,H,W): (N,C).
---@param x fmnistnn.Tensor
---@return fmnistnn.Tensor
function F.global_avg_pool2d(x) end

--- The largest pixel of each channel of x (N,C,H,W): (N,C).
---@param x fmnistnn.Tensor
---@return fmnistnn.Tensor
function F.global_max_pool2d(x) end

--- Images with each pixel repeated (nearest neighbour), or interpolated.
---@param x fmnistnn.Tensor (N,C,H,W).
---@param scale fmnistnn.Pair How many times as high and wide.
---@param options? fmnistnn.nn.functional.UpsampleOptions
---@return fmnistnn.Tensor # (N,C,scale H,scale W)
function F.upsample2d(x, scale, options) end

--- Options of upsample2d.
---@class fmnistnn.nn.functional.UpsampleOptions
---@field mode? "nearest"|"bilinear" (default "nearest") Bilinear: between pixels' centres, corners not aligned.

--- Zeros around images.
---@param x fmnistnn.Tensor (N,C,H,W).
---@param margins integer|integer[] One number, {rows, columns} or {top, bottom, left, right}.
---@return fmnistnn.Tensor
function F.zero_pad2d(x, margins) end

-- ---- Images ----

--- Images with left and right exchanged.
---@param x fmnistnn.Tensor (N,C,H,W).
---@return fmnistnn.Tensor
function F.hflip(x) end

--- Images moved by whole pixels. Zeros come in, and what goes beyond the border is lost.
---@param x fmnistnn.Tensor (N,C,H,W).
---@param rows integer How far down; up where it is negative.
---@param columns integer How far to the right; to the left where it is negative.
---@return fmnistnn.Tensor
function F.shift(x, rows, columns) end

-- ---- Normalizing and dropping ----

--- Batch normalization. In training, by the batch's mean and biased variance, and the running ones move towards these:
--- running = momentum running + (1 - momentum) batch. Else by the running ones.
---@param x fmnistnn.Tensor (N,C) or (N,C,...).
---@param options fmnistnn.nn.functional.BatchNormOptions
---@return fmnistnn.Tensor
function F.batch_norm(x, options) end

--- Options of batch_norm. Tensors are (C).
---@class fmnistnn.nn.functional.BatchNormOptions
---@field training? boolean (default false) Whether to go by the batch.
---@field running_mean? fmnistnn.Tensor Written to in training; required otherwise.
---@field running_variance? fmnistnn.Tensor Likewise.
---@field weight? fmnistnn.Tensor (default: ones)
---@field bias? fmnistnn.Tensor (default: zeros)
---@field momentum? number (default 0.99) How much of the running statistics stays.
---@field epsilon? number (default 0.001) Above 0; added to the variance.
---@field relu? boolean (default false) Whether relu follows, in the same pass.
---@field addend? fmnistnn.Tensor (default: none) Of x's shape; added before relu.
---@field max_pool? boolean (default false) Whether the largest of each 2 x 2 pixels follows; without an addend.

--- Normalization of each example over its last axes.
---@param input fmnistnn.Tensor
---@param weight? fmnistnn.Tensor|fmnistnn.ByName (default: ones) Of the shape of these axes.
---@param bias? fmnistnn.Tensor|fmnistnn.ByName (default: zeros) Likewise.
---@param axes? integer|fmnistnn.ByName (default 1) How many.
---@param epsilon? number (default 0.001) 0 or more; added to the variance.
---@return fmnistnn.Tensor
function F.layer_norm(input, weight, bias, axes, epsilon) end

--- Normalization over each group of channels of each example.
---@param input fmnistnn.Tensor (N,C,...).
---@param groups integer A divisor of C.
---@param weight? fmnistnn.Tensor|fmnistnn.ByName (default: ones) (C).
---@param bias? fmnistnn.Tensor|fmnistnn.ByName (default: zeros) (C).
---@param epsilon? number|fmnistnn.ByName (default 0.001) 0 or more; added to the variance.
---@return fmnistnn.Tensor
function F.group_norm(input, groups, weight, bias, epsilon) end

--- Sets elements to 0 with a probability, and divides the others by 1 - rate.
---@param x fmnistnn.Tensor
---@param rate number 0 <= rate < 1.
---@param options? fmnistnn.nn.functional.DropoutOptions
---@return fmnistnn.Tensor
function F.dropout(x, rate, options) end

--- Options of dropout and dropout2d.
---@class fmnistnn.nn.functional.DropoutOptions
---@field training? boolean (default true) False gives x itself.

--- The same for whole channels.
---@param x fmnistnn.Tensor (N,C,...).
---@param rate number 0 <= rate < 1.
---@param options? fmnistnn.nn.functional.DropoutOptions
---@return fmnistnn.Tensor
function F.dropout2d(x, rate, options) end

-- ---- Activations, losses and the like ----
-- As methods of tensors, with the tensor as the first argument, and as in the chapter Losses.

F.add = Tensor.add
F.cat = Tensor.cat
F.elu = Tensor.elu
F.exp = Tensor.exp
F.flatten = Tensor.flatten
F.gelu = Tensor.gelu
F.gelu_tanh = Tensor.gelu_tanh
F.hard_sigmoid = Tensor.hard_sigmoid
F.hard_swish = Tensor.hard_swish
F.hard_tanh = Tensor.hard_tanh
F.leaky_relu = Tensor.leaky_relu
F.log_sigmoid = Tensor.log_sigmoid
F.log_softmax = Tensor.log_softmax
F.mish = Tensor.mish
F.one_hot = Tensor.one_hot
F.pad = Tensor.pad
F.relu = Tensor.relu
F.relu6 = Tensor.relu6
F.reshape = Tensor.reshape
F.selu = Tensor.selu
F.sigmoid = Tensor.sigmoid
F.silu = Tensor.silu
F.softmax = Tensor.softmax
F.softplus = Tensor.softplus
F.softsign = Tensor.softsign
F.tanh = Tensor.tanh
F.binary_crossentropy = losses.binary_crossentropy
F.categorical_crossentropy = losses.categorical_crossentropy
F.categorical_hinge = losses.categorical_hinge
F.cosine_similarity = losses.cosine_similarity
F.cross_entropy = losses.cross_entropy
F.focal = losses.focal
F.hinge = losses.hinge
F.huber = losses.huber
F.kullback_leibler_divergence = losses.kullback_leibler_divergence
F.log_cosh = losses.log_cosh
F.mean_absolute_error = losses.mean_absolute_error
F.mean_squared_error = losses.mean_squared_error
F.poisson = losses.poisson
F.squared_hinge = losses.squared_hinge
