---@meta _

-- Learning rates that change from step to step, for the option `lr` of every optimizer. Steps are those of the
-- optimizer, one a batch, and count from 0 as in Keras: the first step is made with schedule(0).
--
--   local schedule = fnn.schedules.Warmup{fnn.schedules.Cosine{lr = 0.1, steps = 10000}, steps = 500}
--   local optimizer = fnn.optim.SGD{model = model, lr = schedule}
--   print(schedule(500)) --> 0.1

--- What makes schedules.
---@class fmnistnn.schedules
local schedules = {}

--- A number, a schedule, or another function that gives a number for how many steps were done before.
---@alias fmnistnn.LearningRate number|fmnistnn.Schedule|fun(step: integer): number

--- A learning rate for each step. It remembers nothing: it may be asked in any order, and by several optimizers.
---@class fmnistnn.Schedule
---@field name string The name of what made it.
---@field options table Its options, with their defaults.
---@operator call(integer): number

--- lr factor^(step // every).
---@param options fmnistnn.schedules.StepOptions
---@return fmnistnn.Schedule
function schedules.Step(options) end

--- Options of Step.
---@class fmnistnn.schedules.StepOptions
---@field lr? number (required) Above 0; may be given by position.
---@field every? integer (required) Steps between two changes.
---@field factor? number (default 0.1) Above 0.

--- lr factor^n, where n of the milestones have been reached.
---@param options fmnistnn.schedules.MultiStepOptions
---@return fmnistnn.Schedule
function schedules.MultiStep(options) end

--- Options of MultiStep.
---@class fmnistnn.schedules.MultiStepOptions
---@field lr? number (required) Above 0; may be given by position.
---@field milestones? integer[] (required) Rising steps: each changes the rate from then on.
---@field factor? number (default 0.1) Above 0.

--- lr factor^(step / every).
---@param options fmnistnn.schedules.ExponentialOptions
---@return fmnistnn.Schedule
function schedules.Exponential(options) end

--- Options of Exponential.
---@class fmnistnn.schedules.ExponentialOptions
---@field lr? number (required) Above 0; may be given by position.
---@field factor? number (required) Above 0.
---@field every? integer (default 1) In how many steps the factor comes in once.

--- lr / (1 + rate step / every).
---@param options fmnistnn.schedules.InverseTimeOptions
---@return fmnistnn.Schedule
function schedules.InverseTime(options) end

--- Options of InverseTime.
---@class fmnistnn.schedules.InverseTimeOptions
---@field lr? number (required) Above 0; may be given by position.
---@field rate? number (required) 0 or more.
---@field every? integer (default 1) In how many steps the rate comes in once.

--- final + (lr - final) (1 - step / steps)^power, and final from then on.
---@param options fmnistnn.schedules.PolynomialOptions
---@return fmnistnn.Schedule
function schedules.Polynomial(options) end

--- Options of Polynomial.
---@class fmnistnn.schedules.PolynomialOptions
---@field lr? number (required) Above 0; may be given by position.
---@field steps? integer (required) How long it falls.
---@field final? number (default 0.0001) 0 or more.
---@field power? number (default 1) Above 0; 1 is a straight line.

--- Half a cosine from lr down to final (Loshchilov and Hutter 2016, equation 5), and final from then on.
---@param options fmnistnn.schedules.CosineOptions
---@return fmnistnn.Schedule
function schedules.Cosine(options) end

--- Options of Cosine.
---@class fmnistnn.schedules.CosineOptions
---@field lr? number (required) Above 0; may be given by position.
---@field steps? integer (required) How long it falls.
---@field final? number (default 0) 0 or more. Keras's alpha is final / lr.

--- Cosine again and again, without end (SGDR, Loshchilov and Hutter 2016).
---@param options fmnistnn.schedules.CosineRestartsOptions
---@return fmnistnn.Schedule
function schedules.CosineRestarts(options) end

--- Options of CosineRestarts.
---@class fmnistnn.schedules.CosineRestartsOptions
---@field lr? number (required) Above 0; may be given by position.
---@field steps? integer (required) How long it falls the first time.
---@field growth? number (default 2) How many times as long it falls each next time; 1 or more.
---@field factor? number (default 1) How many times as high above final it begins each next time; above 0.
---@field final? number (default 0) What it falls to; 0 or more.

--- From `start` up to the first rate of a schedule; then that schedule, from its own step 0 on.
---@param options fmnistnn.schedules.WarmupOptions
---@return fmnistnn.Schedule
function schedules.Warmup(options) end

--- Options of Warmup.
---@class fmnistnn.schedules.WarmupOptions
---@field schedule? fmnistnn.LearningRate (required) What comes after; may be given by position.
---@field steps? integer (required) How long it rises.
---@field start? number (default 0) The rate of step 0; 0 or more.
---@field curve? "linear"|"cosine" (default "linear") How it rises.

--- One cycle (Smith and Topin 2017), as PyTorch's OneCycleLR: from lr / div_factor up to lr, then down to
--- lr / div_factor / final_div_factor in the last step, and there it stays.
---@param options fmnistnn.schedules.OneCycleOptions
---@return fmnistnn.Schedule
function schedules.OneCycle(options) end

--- Options of OneCycle.
---@class fmnistnn.schedules.OneCycleOptions
---@field lr? number (required) The highest rate; may be given by position.
---@field steps? integer (required) All steps of the training.
---@field warmup? number (default 0.3) The part of them in which it rises; 0 <= warmup < 1.
---@field div_factor? number (default 25) Above 0.
---@field final_div_factor? number (default 10000) Above 0.
---@field curve? "linear"|"cosine" (default "cosine") How it rises and falls.

--- values[1] up to and including step boundaries[1], then values[2], and so on, as in Keras.
---@param options fmnistnn.schedules.PiecewiseConstantOptions
---@return fmnistnn.Schedule
function schedules.PiecewiseConstant(options) end

--- Options of PiecewiseConstant.
---@class fmnistnn.schedules.PiecewiseConstantOptions
---@field boundaries? integer[] (required) Rising steps, the last ones of their values; may be given by position.
---@field values? number[] (required) Learning rates, one more than boundaries.

--- Options of Sequential.
---@class fmnistnn.schedules.SequentialOptions
---@field schedules? fmnistnn.LearningRate[] (required) The schedules; may be given by position.
---@field milestones? integer[] (required) Rising steps: where the second schedule begins, and so on.

--- One schedule after another, each from its own step 0 on.
---@param options fmnistnn.schedules.SequentialOptions
---@return fmnistnn.Schedule
function schedules.Sequential(options) end
