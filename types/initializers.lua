---@meta _

-- Initial values of parameters. Layers take the name of one, `initializer = "he_normal"`, a table with settings,
-- `{"normal", deviation = 0.01}`, or a function of one's own of the same form. Definitions and defaults are Keras's.
--
-- `fan_in` and `fan_out` count what one output is made of and what one input goes to: for a convolution, channels times
-- the kernel's pixels and filters times these.

--- The initializers by name.
---@class fmnistnn.initializers
local initializers = {}

-- ---- Constants ----

--- Zeros.
---@param shape integer[]
---@return fmnistnn.Tensor
function initializers.zeros(shape) end

--- Ones.
---@param shape integer[]
---@return fmnistnn.Tensor
function initializers.ones(shape) end

--- The same number everywhere.
---@param shape integer[]
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.ConstantOptions Its number.
---@return fmnistnn.Tensor
function initializers.constant(shape, fan_in, fan_out, settings) end

--- Settings of constant.
---@class fmnistnn.initializers.ConstantOptions
---@field value? number (default 0) The number.

-- ---- Random numbers of a width of one's own ----

--- Uniform in [low, high).
---@param shape integer[]
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.UniformOptions Its bounds.
---@return fmnistnn.Tensor
function initializers.uniform(shape, fan_in, fan_out, settings) end

--- Settings of uniform.
---@class fmnistnn.initializers.UniformOptions
---@field low? number (default -0.05) The lower bound.
---@field high? number (default 0.05) The upper bound.

--- Normal.
---@param shape integer[]
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.NormalOptions Its mean and deviation.
---@return fmnistnn.Tensor
function initializers.normal(shape, fan_in, fan_out, settings) end

--- Settings of normal and truncated_normal.
---@class fmnistnn.initializers.NormalOptions
---@field mean? number (default 0) The mean.
---@field deviation? number (default 0.05) The standard deviation.

--- Normal, drawn anew where it is beyond two deviations.
---@param shape integer[]
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.NormalOptions Its mean and deviation, as of normal.
---@return fmnistnn.Tensor
function initializers.truncated_normal(shape, fan_in, fan_out, settings) end

-- ---- Random numbers of a width that follows from the shape ----
-- Uniform in +-sqrt(3 v), or truncated normal of the variance v.

--- v = 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
---@param shape integer[]
---@param fan_in integer
---@param fan_out integer
---@return fmnistnn.Tensor
function initializers.glorot_uniform(shape, fan_in, fan_out) end

--- v = 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
---@param shape integer[]
---@param fan_in integer
---@param fan_out integer
---@return fmnistnn.Tensor
function initializers.glorot_normal(shape, fan_in, fan_out) end

--- v = 2 / fan_in (He et al. 2015).
---@param shape integer[]
---@param fan_in integer
---@return fmnistnn.Tensor
function initializers.he_uniform(shape, fan_in) end

--- v = 2 / fan_in (He et al. 2015).
---@param shape integer[]
---@param fan_in integer
---@return fmnistnn.Tensor
function initializers.he_normal(shape, fan_in) end

--- v = 1 / fan_in (LeCun et al. 1998).
---@param shape integer[]
---@param fan_in integer
---@return fmnistnn.Tensor
function initializers.lecun_uniform(shape, fan_in) end

--- v = 1 / fan_in (LeCun et al. 1998).
---@param shape integer[]
---@param fan_in integer
---@return fmnistnn.Tensor
function initializers.lecun_normal(shape, fan_in) end

-- ---- Matrices of a kind ----

--- Orthogonal rows or columns of the matrix that the shape is when all axes but the first are one (Saxe et al. 2013).
---@param shape integer[]
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.OrthogonalOptions Its gain.
---@return fmnistnn.Tensor
function initializers.orthogonal(shape, fan_in, fan_out, settings) end

--- Settings of orthogonal.
---@class fmnistnn.initializers.OrthogonalOptions
---@field gain? number (default 1) A factor.

--- A convolution (filters, channels, rows, columns) that passes channel i on as filter i; the identity for a matrix
--- (Zagoruyko and Komodakis 2017).
---@param shape integer[] Of two axes or more.
---@param fan_in? integer
---@param fan_out? integer
---@param settings? fmnistnn.initializers.DiracOptions
---@return fmnistnn.Tensor
function initializers.dirac(shape, fan_in, fan_out, settings) end

--- Settings of dirac.
---@class fmnistnn.initializers.DiracOptions
---@field groups? integer (default 1) Those of the convolution, in each of which channel i becomes filter i.

-- ---- For layers of one's own ----

--- A parameter: what the initializer draws, with `requires_grad`.
---@param given fmnistnn.Initializer
---@param shape integer[]
---@param fan_in? integer Where the initializer asks for it.
---@param fan_out? integer Likewise.
---@return fmnistnn.Tensor
function initializers.make(given, shape, fan_in, fan_out) end

--- A buffer: the same, but it is not trained.
---@param given fmnistnn.Initializer
---@param shape integer[]
---@return fmnistnn.Tensor
function initializers.buffer(given, shape) end

--- Whether a layer may be given this as an initializer.
---@param given any
---@return boolean
function initializers.exists(given) end
