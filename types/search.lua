---@meta _

-- Hyperparameter search: an objective is called for trial after trial, draws its hyperparameters from the trial and
-- returns what is to be made small or large.
--
--   local search = require "fmnistnn.search"
--   local study = search.study{
--     name = "cnn", storage = "sqlite:///cnn.db", direction = "maximize", sampler = search.TPE{seed = 1},
--   }
--   study:optimize(function(trial)
--     local lr = trial:float("lr", 1e-4, 1e-2, {log = true})
--     local dropout = trial:float("dropout", 0, 0.8)
--     return train_and_evaluate(lr, dropout)
--   end, {trials = 30, workers = 2})
--   print(study.best.number, study.best.value, study.best.params.lr)
--
-- Killed and started again, the script goes on until there are 30 trials in all. A study in a database is of the same
-- form as Optuna's: Optuna and its dashboard open it, and its studies can be opened here.

--- The functions of a search, its samplers and pruners. `fnn.search` is the same as `require "fmnistnn.search"`.
---@class fmnistnn.search
---@field null table Stands for nil among choices and enqueued values.
---@field overrides table What `fmnistnn-worker` tells a script: its storage and workers.
local search = {}

-- ---- Studies ----

--- The study of this name in a storage; one that is there goes on. Raises when the storage cannot be opened, is
--- damaged, or holds something else; it is then left as it is.
---@param options fmnistnn.search.StudyOptions
---@return fmnistnn.search.Study
function search.study(options) end

--- As search.study, but nil and a message when there is none of this name.
---@param options fmnistnn.search.StudyOptions
---@return fmnistnn.search.Study? study
---@return string? message What is wrong.
function search.load_study(options) end

--- The names of the studies in a storage, the oldest first.
---@param storage fmnistnn.search.Storage
---@return string[]
function search.studies(storage) end

--- Deletes a study and its trials: true, or nil and a message when there is none of this name.
---@param options fmnistnn.search.DeleteOptions
---@return boolean? done
---@return string? message What is wrong.
function search.delete_study(options) end

--- Where trials are kept: nil, in memory; "sqlite:///FILE", one file for the processes of one machine (never on a
--- network's file system); "postgresql://USER:PASSWORD@HOST/DATABASE", for many machines; or {URL, optuna = "5"}, where
--- new tables are for Optuna "5" (3.2 and newer), "3.1", or "any" that opens them first. They need LuaSQL: Debian's
--- lua-sql-sqlite3 or lua-sql-postgres.
---@alias fmnistnn.search.Storage nil|string|table

--- Options of study and load_study.
---@class fmnistnn.search.StudyOptions
---@field name? string (required) Its name.
---@field storage? fmnistnn.search.Storage (default: in memory) Where its trials are.
---@field direction? "minimize"|"maximize" (default: minimize) Which way is better.
---@field directions? ("minimize"|"maximize")[] (default: one) For several objectives.
---@field metric_names? string[] (default: none) A name for each objective.
---@field sampler? table (default: TPE, for several objectives NSGA2) What draws hyperparameters.
---@field pruner? table (default: Median, for several objectives none) What gives trials up early.
---@field seed? integer (default: the first sampler's) What trials draw follows from it and their numbers; it is kept.
---@field load_if_exists? boolean (default true) Whether to go on with a study that is there, or to raise an error.
---@field heartbeat? number (default 60) Seconds between two signs of life; after twice as long a trial is lost.
---@field checkpoints? string (default: beside the database) The folder of the trials' checkpoints.

--- Options of delete_study.
---@class fmnistnn.search.DeleteOptions
---@field name? string (required) The study.
---@field storage? fmnistnn.search.Storage (default: in memory) Where it is.

--- Trials of one objective.
---@class fmnistnn.search.Study
---@field name string Its name.
---@field directions ("minimize"|"maximize")[] Which way is better, for each objective.
---@field metric_names string[] Names of the objectives, if they have some.
---@field seed integer What its trials draw follows from this.
---@field trials fmnistnn.search.StoredTrial[] All trials; number n stands at n + 1.
---@field best? fmnistnn.search.StoredTrial The best feasible trial, the earliest of equals; nil when there is none.
---@field best_trials fmnistnn.search.StoredTrial[] Those that no other one beats in all objectives.
---@field user_attributes table<string, any> What set_user_attribute has kept.
local Study = {}

--- Calls objective(trial), which returns the value (of several objectives several, a list, or a table by metric_names),
--- for one trial after the other. Before each, the generator is seeded with trial.seed.
---
--- Ctrl-C ends the search when the trials that run are over; pressed again it stops them, and they are begun again at
--- their checkpoints when the search goes on.
---@param objective fun(trial: fmnistnn.search.Trial): any
---@param options? fmnistnn.search.OptimizeOptions
function Study:optimize(objective, options) end

--- Options of optimize.
---@class fmnistnn.search.OptimizeOptions
---@field trials? integer (default: no end) How many in all, with those of earlier runs and of other workers.
---@field timeout? number (default: none) Seconds after which no trial begins.
---@field no_improvement? integer (default: none) Ends after so many trials that were not better than the best.
---@field workers? integer (default 1) 1: in this process; more: processes that share out the threads.
---@field callbacks? function[] (default {}) Functions (study, trial), called after each trial where it ran.
---@field catch? boolean (default true) Whether a trial that raises an error is kept as failed, and the search goes on.
---@field max_failures? integer (default 10) So many failed trials in a row end the search with an error.
---@field retries? integer (default 0) How often a failed trial is tried again with its parameters.
---@field restarts? integer (default 3) How often one is whose process or machine has died.
---@field duplicates? "allow"|"reuse"|"redraw" (default "allow") What becomes of parameters that were tried before.
---@field progress? boolean (default true) Whether to tell on standard error how it goes.

--- A new trial, or the first that was enqueued: to be told by hand.
---@param space? table<string, fmnistnn.search.Distribution|any[]> Draws these now; trial.params has them.
---@return fmnistnn.search.Trial
function Study:ask(space) end

--- Ends a trial that ask gave. A value that is no number makes it a failed one, with a message. Returns true, or nil
--- and why when it was over already.
---@param trial fmnistnn.search.Trial|integer The trial, or its number.
---@param values? number|number[] The value, or one for each objective.
---@param options? fmnistnn.search.TellOptions
---@return boolean? done
---@return string? message Why not.
function Study:tell(trial, values, options) end

--- Options of tell.
---@class fmnistnn.search.TellOptions
---@field state? "complete"|"pruned"|"failed" (default "complete") How it ended; a pruned one keeps its last report.
---@field reason? string (default: none) Why, for those that failed or were pruned.

--- Enqueues a trial with these parameters; those it does not name are drawn. Returns whether it was enqueued.
---@param params table<string, any> By name; search.null for nil.
---@param options? fmnistnn.search.EnqueueOptions
---@return boolean
function Study:enqueue(params, options) end

--- Options of enqueue.
---@class fmnistnn.search.EnqueueOptions
---@field user_attributes? table<string, any> (default {}) Kept with the trial.
---@field skip_if_exists? boolean (default false) Whether to leave it when there is one with just these parameters.

--- In a callback or the objective: optimize ends when the trials that run are over.
function Study:stop() end

--- The trial of a number, as in trials.
---@param number integer From 0.
---@return fmnistnn.search.StoredTrial?
function Study:trial(number) end

--- What samplers and pruners see, brought up to date: the records themselves, which must not be changed.
---@return table # {directions =, metric_names =, trials =}
function Study:history() end

--- Keeps a value of JSON with the study.
---@param name string
---@param value any
function Study:set_user_attribute(name, value) end

--- The trials as comma-separated values, with the columns of Optuna's trials_dataframe: as a text, or in a file.
---@param path? string The file.
---@return string|boolean? # the text; with a path true, or nil
---@return string? message What is wrong with the file.
function Study:csv(path) end

--- The study as JSON: as a text, or in a file.
---@param path? string The file.
---@return string|boolean? # the text; with a path true, or nil
---@return string? message What is wrong with the file.
function Study:json(path) end

--- Writes a page that shows the study, in one file.
---@param path string The file.
---@return boolean? done
---@return string? message What is wrong with the file.
function Study:report(path) end

-- ---- Trials ----

--- A trial as its objective sees it.
---@class fmnistnn.search.Trial
---@field number integer From 0.
---@field seed integer Of 31 bits; it follows from the study's seed and the number of the first attempt.
---@field params table<string, any> What was drawn so far.
---@field user_attributes table<string, any> What set_user_attribute has kept.
---@field study fmnistnn.search.Study Its study.
local Trial = {}

--- A float of low..high.
---@param name string
---@param low number
---@param high number
---@param options? fmnistnn.search.FloatOptions
---@return number
function Trial:float(name, low, high, options) end

--- An integer of low..high.
---@param name string
---@param low integer
---@param high integer
---@param options? fmnistnn.search.IntOptions
---@return integer
function Trial:int(name, low, high, options) end

--- One of a list of strings, numbers, booleans or nil.
---@param name string
---@param choices any[] {"a", nil, n = 2} has two.
---@return any
function Trial:categorical(name, choices) end

--- The value of a hyperparameter of any distribution: drawn at the first call, the same at later ones.
---@param name string
---@param distribution fmnistnn.search.Distribution
---@return any
function Trial:suggest(name, distribution) end

--- The values of a declared space, by name.
---@param space table<string, fmnistnn.search.Distribution|any[]> Distributions or lists of choices.
---@return table<string, any>
function Trial:draw(space) end

--- Reports a value after a step, such as the epoch; of several for one step the first counts. Returns false when the
--- trial was taken for lost, and is over for the others.
---@param value number
---@param step integer 0 or more.
---@return boolean
function Trial:report(value, step) end

--- Whether the pruner advises to give the trial up, after a report: `if trial:should_prune() then search.prune() end`.
---@return boolean
function Trial:should_prune() end

--- Keeps a value of JSON with the trial. Returns false when it is over.
---@param name string
---@param value any
---@return boolean
function Trial:set_user_attribute(name, value) end

--- Adds words to find trials by: the user attribute "tags". Returns false when it is over.
---@param ... string
---@return boolean
function Trial:tag(...) end

--- Says how far a constraint is from being met: 0 or less is feasible. Returns false when it is over.
---@param name string
---@param value number
---@return boolean
function Trial:set_constraint(name, value) end

--- The path of a file in a folder of the trial's own. The attempt that takes the place of a trial that was cut off has
--- the same one, and goes on from what it finds there.
---@param name? string (default "checkpoint") The file's name.
---@return string
function Trial:checkpoint_path(name) end

--- Ends the trial that runs as a pruned one: it does not return.
function search.prune() end

--- A trial as it is kept: a copy.
---@class fmnistnn.search.StoredTrial
---@field number integer From 0.
---@field state "waiting"|"running"|"complete"|"pruned"|"failed" How far it is.
---@field value? number The first of its values.
---@field values? number[] One for each objective; of a pruned trial the last report.
---@field params table<string, any> By name.
---@field distributions table<string, fmnistnn.search.Distribution> What they were drawn from.
---@field intermediate table<integer, number> What was reported, by step.
---@field constraints? number[] Those of set_constraint, in the order of their names.
---@field user_attributes table<string, any> What set_user_attribute has kept.
---@field system_attributes table<string, any> fail_reason, prune_reason, and what samplers keep.
---@field started? number When it began, in seconds since 1970.
---@field finished? number When it ended.

-- ---- Spaces ----

--- What values a hyperparameter may take: made by float, int or categorical.
---@alias fmnistnn.search.Distribution table

--- Floats of low..high.
---@param low number
---@param high number
---@param options? fmnistnn.search.FloatOptions
---@return fmnistnn.search.Distribution
function search.float(low, high, options) end

--- Options of float; log and step exclude each other.
---@class fmnistnn.search.FloatOptions
---@field log? boolean (default false) Whether to draw on a logarithmic scale.
---@field step? number (default: none) A grid from low on.

--- Integers of low..high.
---@param low integer
---@param high integer
---@param options? fmnistnn.search.IntOptions
---@return fmnistnn.search.Distribution
function search.int(low, high, options) end

--- Options of int; log and a step other than 1 exclude each other.
---@class fmnistnn.search.IntOptions
---@field log? boolean (default false) Whether to draw on a logarithmic scale.
---@field step? integer (default 1) A grid from low on.

--- One of a list of strings, numbers, booleans or nil.
---@param choices any[] {"a", nil, n = 2} has two.
---@return fmnistnn.search.Distribution
function search.categorical(choices) end
