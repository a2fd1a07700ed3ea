---@meta _

-- A tensor is an array of numbers of one type with up to 8 axes; one of no axes is a single number. Several tensors
-- may look at the same numbers: views (reshape, narrow, transpose and the like) copy nothing, and a write to one shows
-- in all.
--
-- Elements are float32 unless told otherwise. uint8 holds pixels and the results of comparisons (0 or 1), int64 class
-- numbers and positions. Where types meet, float32 wins over int64, and int64 over uint8; arithmetic on uint8 gives
-- int64.
--
-- Shapes of two operands are broadcast as in NumPy: aligned at their ends, an axis of size 1 (or none) is repeated.
--
-- The memory of a tensor is freed when Lua's collector finds it, or at once by close() and `local t <close> = ...`.

--- An array of numbers. `fnn.tensor` and its kin make them.
---@class fmnistnn.Tensor
---@field shape integer[] The sizes of the axes, as a new table.
---@field dtype fmnistnn.DType The type of the elements.
---@field requires_grad boolean Whether backward is to find the gradient of it. Can be set, for float32 leaves.
---@field grad fmnistnn.Tensor? What backward found, added up over its calls. Can be set, also to nil.
---@field is_leaf boolean Whether it was made, and not computed from a tensor that requires a gradient.
---@field [integer] any Element i of a vector, as a number; else row i, as a view. Negative: from the end.
---@field [table] any What `Tensor:index` gives, and what `Tensor:assign` sets.
---@operator add(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator sub(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator mul(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator div(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator mod(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator pow(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator idiv(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator band(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator bor(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator bxor(fmnistnn.Tensor|number): fmnistnn.Tensor
---@operator unm: fmnistnn.Tensor
---@operator bnot: fmnistnn.Tensor
---@operator len: integer
local Tensor = {}

-- ---- The tensor itself ----
-- `a == b` asks whether both are one tensor; `Tensor:equal` compares elements, `Tensor:eq` each of them. `#t` is the
-- size of the first axis; go over it with `for i = 1, #t`, since `ipairs` runs past the end, where indexing raises.

--- The shape, or one of its sizes.
---@param dim? integer
---@return integer|integer[]
function Tensor:size(dim) end

--- The number of axes.
---@return integer
function Tensor:dim() end

--- The number of elements.
---@return integer
function Tensor:numel() end

--- The single element of a tensor that has one, as a number.
---@return number
function Tensor:item() end

--- The elements as nested tables of numbers; as a number where there are no axes.
---@return table|number
function Tensor:totable() end

--- The elements as they lie in memory, row by row, little-endian: what `fnn.frombytes` reads.
---@return string
function Tensor:tobytes() end

--- The elements as text, as NumPy prints them: what tostring and print give.
---@return string
function Tensor:tostring() end

--- Whether both have the same type, shape and elements. A NaN equals nothing.
---@param other fmnistnn.Tensor
---@return boolean
function Tensor:equal(other) end

--- Whether both look at the same memory.
---@param other fmnistnn.Tensor
---@return boolean
function Tensor:shares_storage(other) end

--- Whether the elements lie densely, row by row.
---@return boolean
function Tensor:is_contiguous() end

--- The tensor itself where it is contiguous, else a copy that is.
---@return fmnistnn.Tensor
function Tensor:contiguous() end

--- A contiguous copy. Gradients flow through it.
---@return fmnistnn.Tensor
function Tensor:clone() end

--- Lets go of the elements now. Other tensors that look at them keep them; any later use of this one raises.
function Tensor:close() end

-- ---- Conversions ----
-- From float32 to integers, fractions are cut off, what is too large or small becomes the largest or smallest that
-- fits, and NaN 0. From int64 to uint8 the lowest 8 bits stay.

--- A copy with elements of this type. Gradients flow through it.
---@param dtype fmnistnn.DType
---@return fmnistnn.Tensor
function Tensor:to(dtype) end

--- As float32: the tensor itself where it is.
---@return fmnistnn.Tensor
function Tensor:float() end

--- As int64: the tensor itself where it is.
---@return fmnistnn.Tensor
function Tensor:long() end

--- As uint8: the tensor itself where it is.
---@return fmnistnn.Tensor
function Tensor:byte() end

-- ---- Indexing ----
--
--   t[2]              -- row 2 (a view), or element 2 of a vector (a number); t[-1] is the last one
--   t[{2, 3}]         -- element (2,3): a number
--   t[{{1, 3}, 2}]    -- rows 1 to 3, both included, of column 2: a view; {} takes the whole axis
--   t[mask]           -- a uint8 mask of t's shape: the elements where it is not 0, as a vector
--   t[positions]      -- an int64 vector: these rows
--   t[{1, {}}] = 0    -- writes; the value is a number, a table or a tensor, and is broadcast
--   t[mask] = 0       -- but positions cannot be assigned to

--- What t[key] gives for a list, a mask or positions.
---@param key fmnistnn.Index
---@return fmnistnn.Tensor|number # a view; a copy for masks and positions; a number for a list that names one element
function Tensor:index(key) end

--- Does t[key] = value.
---@param key integer|fmnistnn.Index
---@param value number|boolean|table|fmnistnn.Tensor Broadcast to the place.
function Tensor:assign(key, value) end

--- The elements where the mask is not 0.
---@param mask fmnistnn.Tensor Of the tensor's shape.
---@return fmnistnn.Tensor # a vector
function Tensor:masked_select(mask) end

--- A copy with this value where the mask is not 0.
---@param mask fmnistnn.Tensor uint8, broadcast.
---@param value number|fmnistnn.Tensor
---@return fmnistnn.Tensor
function Tensor:masked_fill(mask, value) end

--- The slices along an axis that a list of positions names.
---@param dim integer
---@param index fmnistnn.Tensor Integers from 1 on, a vector.
---@return fmnistnn.Tensor
function Tensor:index_select(dim, index) end

--- For the second of three axes, y(i,j,k) = x(i, index(i,j,k), k).
---@param dim integer
---@param index fmnistnn.Tensor Integers from 1 on. It has as many axes, and along the others is at most as long.
---@return fmnistnn.Tensor # of the index's shape
function Tensor:gather(dim, index) end

--- The first of two tensors where the condition, the uint8 tensor itself, is not 0, else the second; all are broadcast.
---@param a fmnistnn.Tensor|number
---@param b fmnistnn.Tensor|number
---@return fmnistnn.Tensor # float32 where a or b is, else int64
function Tensor:where(a, b) end

--- The positions of the elements that are not 0, in order.
---@return fmnistnn.Tensor # int64 (count, axes)
function Tensor:nonzero() end

--- Rows of zeros with a single 1, from class numbers 1..classes of any shape.
---@param classes integer
---@return fmnistnn.Tensor # float32 (..., classes)
function Tensor:one_hot(classes) end

-- ---- Views ----
-- Other shapes over the same elements. Sizes and axes come as a list or one by one.

--- The same elements in another shape; a copy where they do not lie densely.
---@param shape integer|integer[] One size may be -1: what is left.
---@param ... integer
---@return fmnistnn.Tensor
function Tensor:reshape(shape, ...) end

--- The axes from first to last made one.
---@param first? integer|fmnistnn.ByName (default 1)
---@param last? integer (default -1)
---@return fmnistnn.Tensor
function Tensor:flatten(first, last) end

--- The axes in another order.
---@param axes integer|integer[] All axes, each once.
---@param ... integer
---@return fmnistnn.Tensor
function Tensor:permute(axes, ...) end

--- Two axes exchanged.
---@param a integer
---@param b integer
---@return fmnistnn.Tensor
function Tensor:transpose(a, b) end

--- The last two axes exchanged.
---@return fmnistnn.Tensor
function Tensor:t() end

--- A part along an axis: `length` elements from `start` on.
---@param dim integer
---@param start integer A position; negative: from the end.
---@param length integer
---@return fmnistnn.Tensor
function Tensor:narrow(dim, start, length) end

--- One slice along an axis, which is gone from the result.
---@param dim integer
---@param index integer A position; negative: from the end.
---@return fmnistnn.Tensor
function Tensor:select(dim, index) end

--- Without axes of size 1.
---@param dim? integer|integer[] (default: all axes) Only these, where their size is 1.
---@param ... integer
---@return fmnistnn.Tensor
function Tensor:squeeze(dim, ...) end

--- With a new axis of size 1.
---@param dim integer Where it will be.
---@return fmnistnn.Tensor
function Tensor:unsqueeze(dim) end

--- With axes of size 1 repeated, without copying, so that the result cannot be written to.
---@param shape integer|integer[] -1 keeps a size; more sizes than axes add axes in front.
---@param ... integer
---@return fmnistnn.Tensor
function Tensor:expand(shape, ...) end

--- Parts along an axis.
---@param length integer|integer[] Of each, the last one maybe shorter; or a list of lengths that add up.
---@param dim? integer (default 1)
---@return fmnistnn.Tensor[]
function Tensor:split(length, dim) end

--- At most so many parts along an axis, equally long but for the last one.
---@param count integer
---@param dim? integer (default 1)
---@return fmnistnn.Tensor[]
function Tensor:chunk(count, dim) end

-- ---- Joining and repeating ----

--- Tensors one after the other along an axis; their other sizes agree. Called as `fnn.cat{a, b}`.
---@param tensors fmnistnn.Tensor[]
---@param dim? integer (default 1)
---@return fmnistnn.Tensor
function Tensor.cat(tensors, dim) end

--- Tensors of one shape along a new axis. Called as `fnn.stack{a, b}`.
---@param tensors fmnistnn.Tensor[]
---@param dim? integer (default 1) Where the new axis will be.
---@return fmnistnn.Tensor
function Tensor.stack(tensors, dim) end

--- The tensor repeated along its axes.
---@param ... integer|integer[] How often along each; more numbers than axes add axes in front.
---@return fmnistnn.Tensor
function Tensor:tile(...) end

--- With a frame around the last axes.
---@param margins (integer|integer[])[] A pair {before, after}, or one number for both, for each of the last axes.
---@param value? number (default 0) What the frame is made of; one that the tensor's type can hold.
---@return fmnistnn.Tensor
function Tensor:pad(margins, value) end

--- With the order of the elements along some axes reversed.
---@param dim integer|integer[] One or more axes.
---@param ... integer
---@return fmnistnn.Tensor
function Tensor:flip(dim, ...) end

-- ---- Reductions ----
-- Over all axes or some: `t:sum()`, `t:sum(2)`, `t:sum({1, 2}, true)`, `t:sum{dim = 2, keepdim = true}`. A reduced axis
-- is gone, or stays with size 1 when `keepdim` is true.

--- The sum. Integers give int64.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:sum(dim, keepdim) end

--- The mean, as float32.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:mean(dim, keepdim) end

--- The product. Integers give int64.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:prod(dim, keepdim) end

--- The variance, sum (x - mean)^2 / (n - correction); a correction of 0 gives the biased one.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@param correction? number|fmnistnn.ByName (default 1)
---@return fmnistnn.Tensor
function Tensor:var(dim, keepdim, correction) end

--- The standard deviation: the square root of the variance, with the same arguments. Its gradient is 0 where it is 0.
---@param ... any
---@return fmnistnn.Tensor
function Tensor:std(...) end

--- The largest element. The first of equal ones gets the gradient.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:max(dim, keepdim) end

--- The smallest element. The first of equal ones gets the gradient.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:min(dim, keepdim) end

--- The position of the largest element, the first of equal ones, as int64 from 1 on; several axes count as one.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:argmax(dim, keepdim) end

--- The position of the smallest element, likewise.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:argmin(dim, keepdim) end

--- Whether any element is not 0, as uint8.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:any(dim, keepdim) end

--- Whether no element is 0, as uint8.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:all(dim, keepdim) end

--- log sum e^x, without overflow.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:logsumexp(dim, keepdim) end

--- The Euclidean norm, the square root of the sum of the squares. Its gradient is 0 where it is 0.
---@param dim? integer|integer[] (default: all axes)
---@param keepdim? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor
function Tensor:norm(dim, keepdim) end

-- ---- Along an axis ----

--- Running sums.
---@param dim? integer (default -1)
---@return fmnistnn.Tensor
function Tensor:cumsum(dim) end

--- e^x / sum e^x, without overflow.
---@param dim? integer (default -1)
---@return fmnistnn.Tensor
function Tensor:softmax(dim) end

--- The logarithm of softmax, x - log sum e^x.
---@param dim? integer (default -1)
---@return fmnistnn.Tensor
function Tensor:log_softmax(dim) end

--- The elements in order. Equal ones keep theirs; NaN counts as the largest.
---@param dim? integer|fmnistnn.ByName (default -1)
---@param descending? boolean|fmnistnn.ByName (default false)
---@return fmnistnn.Tensor sorted
---@return fmnistnn.Tensor positions where each came from, int64 from 1 on
function Tensor:sort(dim, descending) end

--- The k largest (or smallest) elements in order.
---@param k integer 0..the size of the axis.
---@param dim? integer (default -1)
---@param options? fmnistnn.TopkOptions
---@return fmnistnn.Tensor values
---@return fmnistnn.Tensor positions where each came from, int64 from 1 on
function Tensor:topk(k, dim, options) end

--- Options of topk.
---@class fmnistnn.TopkOptions
---@field largest? boolean (default true) False: the smallest.

-- ---- Products ----

--- The matrix product of the last two axes; those before them are broadcast. A tensor of one axis counts as a row on
--- the left and as a column on the right, and that axis is gone from the result.
---@param other fmnistnn.Tensor
---@return fmnistnn.Tensor # float32
function Tensor:matmul(other) end

-- ---- Arithmetic ----
-- Of two tensors or a tensor and a number, each element with its like. `fnn.sub(1, t)` takes a number on the left too.

--- a + b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:add(other) end

--- a - b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:sub(other) end

--- a * b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:mul(other) end

--- a / b, as float32.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:div(other) end

--- a^b, as float32.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:pow(other) end

--- a // b, rounded down; raises for an integer 0 as b. No gradient.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:floor_divide(other) end

--- a % b, with the sign of b, as in Lua; raises for an integer 0 as b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:remainder(other) end

--- The larger of both.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:maximum(other) end

--- The smaller of both.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:minimum(other) end

--- The angle of the point (b, a) in radians, -pi..pi, as float32.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:atan2(other) end

-- ---- Comparisons ----
-- 0 or 1 for each element, as uint8. Lua's own == and < cannot give tensors.

--- a == b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:eq(other) end

--- a ~= b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:ne(other) end

--- a < b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:lt(other) end

--- a <= b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:le(other) end

--- a > b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:gt(other) end

--- a >= b.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:ge(other) end

--- Both are not 0; the operator `&`.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:logical_and(other) end

--- One or both are not 0; the operator `|`.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:logical_or(other) end

--- Exactly one is not 0; the operator `~` between two.
---@param other fmnistnn.Tensor|number
---@return fmnistnn.Tensor
function Tensor:logical_xor(other) end

--- It is 0; the operator `~` before one.
---@return fmnistnn.Tensor
function Tensor:logical_not() end

--- It is NaN.
---@return fmnistnn.Tensor
function Tensor:isnan() end

--- It is infinite.
---@return fmnistnn.Tensor
function Tensor:isinf() end

--- It is neither NaN nor infinite.
---@return fmnistnn.Tensor
function Tensor:isfinite() end

-- ---- Elementwise functions ----
-- They give float32, but neg, abs, sign and square leave integers integers.

--- -x.
---@return fmnistnn.Tensor
function Tensor:neg() end

--- |x|.
---@return fmnistnn.Tensor
function Tensor:abs() end

--- -1, 0 or 1. No gradient.
---@return fmnistnn.Tensor
function Tensor:sign() end

--- x^2.
---@return fmnistnn.Tensor
function Tensor:square() end

--- 1 / x.
---@return fmnistnn.Tensor
function Tensor:reciprocal() end

--- The square root of x.
---@return fmnistnn.Tensor
function Tensor:sqrt() end

--- 1 / the square root of x.
---@return fmnistnn.Tensor
function Tensor:rsqrt() end

--- Rounded down. No gradient.
---@return fmnistnn.Tensor
function Tensor:floor() end

--- Rounded up. No gradient.
---@return fmnistnn.Tensor
function Tensor:ceil() end

--- Rounded to the nearest whole number, halves to the even one. No gradient.
---@return fmnistnn.Tensor
function Tensor:round() end

--- Rounded towards 0. No gradient.
---@return fmnistnn.Tensor
function Tensor:trunc() end

--- Cut to min..max; max where that is less than min.
---@param min? number|fmnistnn.ByName (default -math.huge)
---@param max? number (default math.huge)
---@return fmnistnn.Tensor
function Tensor:clamp(min, max) end

--- e^x.
---@return fmnistnn.Tensor
function Tensor:exp() end

--- e^x - 1, also exact near 0.
---@return fmnistnn.Tensor
function Tensor:expm1() end

--- The natural logarithm.
---@return fmnistnn.Tensor
function Tensor:log() end

--- log(1 + x), also exact near 0.
---@return fmnistnn.Tensor
function Tensor:log1p() end

--- The logarithm to base 2.
---@return fmnistnn.Tensor
function Tensor:log2() end

--- The logarithm to base 10.
---@return fmnistnn.Tensor
function Tensor:log10() end

--- The error function.
---@return fmnistnn.Tensor
function Tensor:erf() end

--- The sine of x radians.
---@return fmnistnn.Tensor
function Tensor:sin() end

--- The cosine of x radians.
---@return fmnistnn.Tensor
function Tensor:cos() end

--- The tangent of x radians.
---@return fmnistnn.Tensor
function Tensor:tan() end

--- The arc sine, in radians.
---@return fmnistnn.Tensor
function Tensor:asin() end

--- The arc cosine, in radians.
---@return fmnistnn.Tensor
function Tensor:acos() end

--- The arc tangent, in radians.
---@return fmnistnn.Tensor
function Tensor:atan() end

--- The hyperbolic sine.
---@return fmnistnn.Tensor
function Tensor:sinh() end

--- The hyperbolic cosine.
---@return fmnistnn.Tensor
function Tensor:cosh() end

--- The hyperbolic tangent.
---@return fmnistnn.Tensor
function Tensor:tanh() end

-- ---- Activations ----
-- Layers take them by name, `activation = "relu"`; nn.Activation is a layer of one.

--- max(x, 0).
---@return fmnistnn.Tensor
function Tensor:relu() end

--- x cut to 0..6.
---@return fmnistnn.Tensor
function Tensor:relu6() end

--- x, or negative_slope x where it is negative (Maas et al. 2013).
---@param negative_slope? number|fmnistnn.ByName (default 0.2)
---@return fmnistnn.Tensor
function Tensor:leaky_relu(negative_slope) end

--- x, or alpha (e^x - 1) where it is negative (Clevert et al. 2015).
---@param alpha? number|fmnistnn.ByName (default 1)
---@return fmnistnn.Tensor
function Tensor:elu(alpha) end

--- 1.0507 times elu with alpha 1.6733, at which activations normalize themselves (Klambauer et al. 2017).
---@return fmnistnn.Tensor
function Tensor:selu() end

--- x Phi(x) with the normal distribution's Phi, exactly, by erf (Hendrycks and Gimpel 2016).
---@return fmnistnn.Tensor
function Tensor:gelu() end

--- gelu approximated by tanh (Hendrycks and Gimpel 2016, section 2).
---@return fmnistnn.Tensor
function Tensor:gelu_tanh() end

--- x sigmoid(x), also called swish (Ramachandran et al. 2017).
---@return fmnistnn.Tensor
function Tensor:silu() end

--- x tanh(softplus(x)) (Misra 2019).
---@return fmnistnn.Tensor
function Tensor:mish() end

--- 1 / (1 + e^-x).
---@return fmnistnn.Tensor
function Tensor:sigmoid() end

--- The logarithm of sigmoid, without overflow.
---@return fmnistnn.Tensor
function Tensor:log_sigmoid() end

--- log(1 + e^x), without overflow.
---@return fmnistnn.Tensor
function Tensor:softplus() end

--- x / (1 + |x|).
---@return fmnistnn.Tensor
function Tensor:softsign() end

--- x / 6 + 1 / 2, cut to 0..1.
---@return fmnistnn.Tensor
function Tensor:hard_sigmoid() end

--- x hard_sigmoid(x) (Howard et al. 2019).
---@return fmnistnn.Tensor
function Tensor:hard_swish() end

--- x cut to -1..1.
---@return fmnistnn.Tensor
function Tensor:hard_tanh() end

-- ---- In place ----
-- These write their result over the tensor, which keeps its type and shape, and return it. A tensor that autograd
-- knows, because it requires a gradient or was computed from one that does, is refused except within `fnn.no_grad`; so
-- is such a tensor as an operand, whose gradient would be lost: `x = x + w` for `x:add_(w)`, or `x:add_(w:detach())`.

--- Fills the tensor with a number.
---@param value number|boolean
---@return fmnistnn.Tensor
function Tensor:fill_(value) end

--- Fills the tensor with zeros.
---@return fmnistnn.Tensor
function Tensor:zero_() end

--- Copies the elements of another tensor, converted and broadcast.
---@param other fmnistnn.Tensor
---@return fmnistnn.Tensor
function Tensor:copy_(other) end

-- ---- The same in place ----
-- Arithmetic, elementwise functions and activations, with the arguments of the name without `_`.

Tensor.abs_ = Tensor.abs
Tensor.acos_ = Tensor.acos
Tensor.add_ = Tensor.add
Tensor.asin_ = Tensor.asin
Tensor.atan2_ = Tensor.atan2
Tensor.atan_ = Tensor.atan
Tensor.ceil_ = Tensor.ceil
Tensor.clamp_ = Tensor.clamp
Tensor.cos_ = Tensor.cos
Tensor.cosh_ = Tensor.cosh
Tensor.div_ = Tensor.div
Tensor.elu_ = Tensor.elu
Tensor.erf_ = Tensor.erf
Tensor.exp_ = Tensor.exp
Tensor.expm1_ = Tensor.expm1
Tensor.floor_ = Tensor.floor
Tensor.floor_divide_ = Tensor.floor_divide
Tensor.gelu_ = Tensor.gelu
Tensor.gelu_tanh_ = Tensor.gelu_tanh
Tensor.hard_sigmoid_ = Tensor.hard_sigmoid
Tensor.hard_swish_ = Tensor.hard_swish
Tensor.hard_tanh_ = Tensor.hard_tanh
Tensor.leaky_relu_ = Tensor.leaky_relu
Tensor.log10_ = Tensor.log10
Tensor.log1p_ = Tensor.log1p
Tensor.log2_ = Tensor.log2
Tensor.log_ = Tensor.log
Tensor.log_sigmoid_ = Tensor.log_sigmoid
Tensor.maximum_ = Tensor.maximum
Tensor.minimum_ = Tensor.minimum
Tensor.mish_ = Tensor.mish
Tensor.mul_ = Tensor.mul
Tensor.neg_ = Tensor.neg
Tensor.pow_ = Tensor.pow
Tensor.reciprocal_ = Tensor.reciprocal
Tensor.relu6_ = Tensor.relu6
Tensor.relu_ = Tensor.relu
Tensor.remainder_ = Tensor.remainder
Tensor.round_ = Tensor.round
Tensor.rsqrt_ = Tensor.rsqrt
Tensor.selu_ = Tensor.selu
Tensor.sigmoid_ = Tensor.sigmoid
Tensor.sign_ = Tensor.sign
Tensor.silu_ = Tensor.silu
Tensor.sin_ = Tensor.sin
Tensor.sinh_ = Tensor.sinh
Tensor.softplus_ = Tensor.softplus
Tensor.softsign_ = Tensor.softsign
Tensor.sqrt_ = Tensor.sqrt
Tensor.square_ = Tensor.square
Tensor.sub_ = Tensor.sub
Tensor.tan_ = Tensor.tan
Tensor.tanh_ = Tensor.tanh
Tensor.trunc_ = Tensor.trunc

-- ---- Gradients of tensors ----

--- Adds the gradient of this tensor by each leaf that requires one to that leaf's `grad`. What the graph had saved is
--- let go. Raises when the tensor depends on no such leaf, and when its graph was used up before. On x86, gradients
--- nearer to 0 than 1.2e-38 are 0: CPUs take many times as long for denormal numbers.
---@param gradient? fmnistnn.Tensor|fmnistnn.BackwardOptions (default: 1, for a tensor of one element) Its own gradient.
---@param options? fmnistnn.BackwardOptions
function Tensor:backward(gradient, options) end

--- Options of backward.
---@class fmnistnn.BackwardOptions
---@field retain_graph? boolean (default false) Whether the graph is to be gone through again.

--- The same elements without a history: gradients do not flow through it.
---@return fmnistnn.Tensor
function Tensor:detach() end

--- Sets `requires_grad` and returns the tensor.
---@param value? boolean (default true)
---@return fmnistnn.Tensor
function Tensor:requires_grad_(value) end
