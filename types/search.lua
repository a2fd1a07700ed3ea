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

--- As search.study, but nil and a message when there is none of this name; load_if_exists = false is refused.
---@param options fmnistnn.search.StudyOptions
---@return fmnistnn.search.Study? study
---@return string? message What is wrong.
function search.load_study(options) end

--- The names of the studies in a storage, the oldest first. Raises when there is no such file.
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
---@field metric_names? string[] (default: none) A name for each objective; a study that has none yet is given them.
---@field sampler? table (default: TPE, for several objectives NSGA2) What draws hyperparameters.
---@field pruner? table (default: Median, for several objectives none) What gives trials up early.
---@field seed? integer (default: the first sampler's, or any) What trials draw follows from it; it is kept.
---@field load_if_exists? boolean (default true) Whether to go on with a study that is there, or to raise an error.
---@field heartbeat? number (default 60) Seconds between two signs of life; after twice as long a trial is lost.
---@field checkpoints? string (default: FILE.checkpoints by an SQLite file, else checkpoints) The folder of checkpoints.

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
---@field report? string (default: none) A file for the study's page, written every twenty seconds or so and at the end.

--- A new trial, or the first that was enqueued: to be told by hand. Raises when the space cannot be drawn: no trial has
--- begun then, but for an enqueued one with a value that the space does not have, which has failed.
---@param space? table<string, fmnistnn.search.Distribution|any[]> Draws these now; trial.params has them.
---@return fmnistnn.search.Trial
function Study:ask(space) end

--- Ends a trial that ask gave. A value that is no number makes it a failed one, with a message. Returns true, or nil
--- and why when it was over already, or still waits.
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

--- How important each parameter is for the values, the largest first: search.fanova or search.ped_anova.
---@param options? fmnistnn.search.ImportancesOptions
---@return fmnistnn.search.Importance[]
function Study:importances(options) end

--- Options of importances.
---@class fmnistnn.search.ImportancesOptions
---@field method? "fanova"|"ped_anova" (default "fanova") ped_anova takes conditional parameters too.
---@field objective? integer (default 1) Which of several objectives.

--- Writes a page that shows the study, in one file for any browser: the best trials, how the search went, importances
--- and what each parameter did, when trials ran, why they failed, and a table of them to sort and filter. Of thousands
--- of trials it shows some, and says so.
---@param path string The file.
---@param options? fmnistnn.search.ReportOptions
---@return boolean? done
---@return string? message What is wrong with the file.
function Study:report(path, options) end

--- Options of report.
---@class fmnistnn.search.ReportOptions
---@field refresh? number (default: none) The page loads itself anew after so many seconds: it is written again.

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
--- the same one, and goes on from what it finds there. The first attempt finds nothing there: what another study of the
--- same name left is renamed, to NUMBER.1, NUMBER.2 and so on.
---@param name? string (default "checkpoint") The file's name.
---@return string
function Trial:checkpoint_path(name) end

--- The path of the same file of the trial that this one goes on from, as search.PBT chose it.
---@param name? string (default "checkpoint") The file's name.
---@return string? # nil for a trial that begins anew
function Trial:parent_checkpoint(name) end

--- Ends the trial that runs as a pruned one: it does not return.
---@param reason? string (default: the pruner's) Why, kept with the trial.
function search.prune(reason) end

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

-- ---- Samplers ----

-- What draws hyperparameters. A draw depends on the study's seed, the trial's number and the trials that are over;
-- with TPE and GP also on those that run, so that workers keep apart. A search in one process that was interrupted
-- goes on as it would have. Parameters may be asked for behind an `if`.

--- What draws hyperparameters.
---@class fmnistnn.search.Sampler
---@field name string Its class.

--- Options of samplers that draw at random.
---@class fmnistnn.search.SamplerOptions
---@field seed? integer (default: the study's) What is drawn follows from it and the trials' numbers.

--- Every combination of the values of a space, once, in the order of the names, the last name's values changing
--- fastest; then the study ends. Enqueued trials take no combination.
---@param options fmnistnn.search.GridOptions
---@return fmnistnn.search.Sampler
function search.Grid(options) end

--- Options of Grid.
---@class fmnistnn.search.GridOptions
---@field space? table<string, fmnistnn.search.Distribution|any[]> (required) Floats need a step.

--- Each parameter by itself, uniformly (Bergstra and Bengio 2012).
---@param options? fmnistnn.search.SamplerOptions
---@return fmnistnn.search.Sampler
function search.Random(options) end

--- Points of Sobol's sequence, scrambled, which fill the space more evenly than random ones. Parameters take its
--- coordinates in the order in which the objective asks; those beyond the fortieth are random.
---@param options? fmnistnn.search.SamplerOptions
---@return fmnistnn.search.Sampler
function search.QuasiRandom(options) end

--- The tree-structured Parzen estimator (Bergstra et al. 2011), by the rules of Optuna 5: mixtures of kernels at the
--- best tenth of the trials, l, and at the others, g; of some points drawn from l the one with the largest l / g is
--- taken. Quick, and good for anything: choices, conditions, thousands of trials, several objectives, constraints.
---@param options? fmnistnn.search.TPEOptions
---@return fmnistnn.search.Sampler
function search.TPE(options) end

--- Options of TPE.
---@class fmnistnn.search.TPEOptions: fmnistnn.search.SamplerOptions
---@field startup_trials? integer (default 10) So many trials are random first.
---@field candidates? integer (default 48) How many points are drawn from l; Optuna draws 24.
---@field multivariate? boolean (default: with one objective) Whether what occurs together is drawn together.
---@field constant_liar? boolean (default true) Whether running trials count among the others, so that workers part.

--- CMA-ES (Hansen 2016) for the numeric parameters that all trials have; the others are random. Good for many trials of
--- some continuous parameters. Runs that have converged begin again with twice the population.
---@param options? fmnistnn.search.CMAESOptions
---@return fmnistnn.search.Sampler
function search.CMAES(options) end

--- Options of CMAES.
---@class fmnistnn.search.CMAESOptions: fmnistnn.search.SamplerOptions
---@field population? integer (default 6) How many trials make a generation. More take longer, and find more.
---@field sigma? number (default 1/6) The first standard deviation, as a part of each parameter's range.

--- A Gaussian process with a Matern 5/2 kernel and expected improvement: the fewest trials, each chosen with care, in
--- up to about twenty parameters that all trials have. It takes tens to hundreds of milliseconds a trial.
---@param options? fmnistnn.search.GPOptions
---@return fmnistnn.search.Sampler
function search.GP(options) end

--- Options of GP.
---@class fmnistnn.search.GPOptions: fmnistnn.search.SamplerOptions
---@field startup_trials? integer (default 10) So many trials are quasi-random first, or more until one is complete.

--- NSGA-II (Deb et al. 2002), a genetic algorithm for several objectives, with constraints.
---@param options? fmnistnn.search.NSGA2Options
---@return fmnistnn.search.Sampler
function search.NSGA2(options) end

--- Options of NSGA2.
---@class fmnistnn.search.NSGA2Options: fmnistnn.search.SamplerOptions
---@field population? integer (default 20) How many trials make a generation, and how many parents there are.
---@field crossover? number (default 0.9) The probability that a child mixes two parents.
---@field mutation? number (default: 1 / parameters) The probability that a parameter of a child changes.

--- Population based training (Jaderberg et al. 2017): a trial is some epochs of one of the networks that train side by
--- side. It goes on from `trial:parent_checkpoint()`: its own, or, when it was among the worst, one of the best's,
--- with hyperparameters a little changed.
---@param options? fmnistnn.search.PBTOptions
---@return fmnistnn.search.Sampler
function search.PBT(options) end

--- Options of PBT.
---@class fmnistnn.search.PBTOptions: fmnistnn.search.SamplerOptions
---@field population? integer (default 10) How many networks there are, which is how many trials make a generation.
---@field quantile? number (default 0.25) So large a part of them gives up in a generation, and so many are the best.
---@field resample? number (default 0.25) The probability that a hyperparameter of one that gave up is drawn anew.
---@field factors? number[] (default {0.8, 1.2}) Else a number is multiplied by one of these.

-- ---- Pruners ----

-- What gives trials up early, by what they report. A trial reports one series of values: with several objectives,
-- `metric` names the one that it is of, or `direction` says which way it is better.

--- What gives trials up early.
---@class fmnistnn.search.Pruner
---@field name string Its class.

--- Options of pruners that look at which way is better.
---@class fmnistnn.search.PrunerOptions
---@field metric? string (default: the only objective) Which of the study's metric_names the reports are of.
---@field direction? "minimize"|"maximize" (default: the objective's) Which way the reports are better.

--- Options of Median.
---@class fmnistnn.search.MedianOptions: fmnistnn.search.PrunerOptions
---@field startup_trials? integer (default 5) So many trials are completed first.
---@field warmup_steps? integer (default 0) No trial is judged before this step.
---@field interval_steps? integer (default 1) Trials are judged once in so many steps from there.
---@field min_trials? integer (default 1) So many complete trials must have reported at the step.

--- Gives up a trial whose best report is behind the median of what complete trials reported at the step.
---@param options? fmnistnn.search.MedianOptions
---@return fmnistnn.search.Pruner
function search.Median(options) end

--- Gives up a trial whose best report is behind a percentile of what complete trials reported at the step.
---@param options fmnistnn.search.PercentileOptions
---@return fmnistnn.search.Pruner
function search.Percentile(options) end

--- Options of Percentile.
---@class fmnistnn.search.PercentileOptions: fmnistnn.search.MedianOptions
---@field percentile? number (required) How many of a hundred go on: 0..100.

--- Asynchronous successive halving (Li et al. 2020): at each of some steps, the rungs, the best 1 / reduction of those
--- that have come there so far go on. Ask should_prune after each report.
---@param options? fmnistnn.search.ASHAOptions
---@return fmnistnn.search.Pruner
function search.ASHA(options) end

--- Options of ASHA.
---@class fmnistnn.search.ASHAOptions: fmnistnn.search.PrunerOptions
---@field min_resource? integer (default 1) The step of the first rung.
---@field max_resource? integer (default: none) Where trials end: there is no rung at this step or beyond.
---@field reduction? integer (default 4) Each rung is at so many times the step of the one before.
---@field brackets? integer (default 1) Trials are shared out among so many, each beginning a rung later.

--- Hyperband (Li et al. 2018): ASHA in brackets, from one that judges early to one that lets trials run to their end.
---@param options fmnistnn.search.HyperbandOptions
---@return fmnistnn.search.Pruner
function search.Hyperband(options) end

--- Options of Hyperband.
---@class fmnistnn.search.HyperbandOptions: fmnistnn.search.PrunerOptions
---@field min_resource? integer (default 1) The step of the first rung.
---@field max_resource? integer (required) Where trials end.
---@field reduction? integer (default 3) Each rung is at so many times the step of the one before.

--- Asks another pruner only when a trial's reports have not become better for a while.
---@param options fmnistnn.search.PatientOptions
---@return fmnistnn.search.Pruner
function search.Patient(options) end

--- Options of Patient.
---@class fmnistnn.search.PatientOptions: fmnistnn.search.PrunerOptions
---@field pruner? fmnistnn.search.Pruner (default: none) Who decides then; without one, the trial is given up.
---@field patience? integer (required) So many further reports may pass without a better one.
---@field min_delta? number (default 0) A report must be better by so much.

--- Gives up a trial whose report is out of bounds, or NaN.
---@param options fmnistnn.search.ThresholdOptions
---@return fmnistnn.search.Pruner
function search.Threshold(options) end

--- Options of Threshold, of which lower or upper is needed.
---@class fmnistnn.search.ThresholdOptions
---@field lower? number (default: none) The least value that is inside.
---@field upper? number (default: none) The largest.
---@field warmup_steps? integer (default 0) No trial is judged before this step.
---@field interval_steps? integer (default 1) Trials are judged once in so many steps from there.

--- Gives up a trial that is surely worse than the best, by Wilcoxon's signed-rank test over reports at the same steps:
--- for objectives that are means over instances, such as folds, whose numbers are the steps.
---@param options? fmnistnn.search.WilcoxonOptions
---@return fmnistnn.search.Pruner
function search.Wilcoxon(options) end

--- Options of Wilcoxon.
---@class fmnistnn.search.WilcoxonOptions
---@field p? number (default 0.1) How unlikely its reports must be, if it were as good.
---@field startup_steps? integer (default 2) How many pairs of reports there must be.
---@field metric? string (default: the only objective) Which of the study's metric_names the reports' mean is.

-- ---- Importance ----

--- A parameter and its part of what all explain.
---@class fmnistnn.search.Importance
---@field name string The parameter.
---@field importance number They sum up to 1.

--- Which part of the values' variance over the space each parameter explains by itself, the largest first: fANOVA
--- (Hutter et al. 2014), by the predictions of a random forest. It takes the parameters that all complete trials have.
---@param study fmnistnn.search.Study|table A study, or what Study:history gives.
---@param options? fmnistnn.search.FANOVAOptions
---@return fmnistnn.search.Importance[]
function search.fanova(study, options) end

--- Options of fanova.
---@class fmnistnn.search.FANOVAOptions
---@field trees? integer (default 64) Of the forest.
---@field seed? integer (default 0) Of the forest.
---@field objective? integer (default 1) Which of several objectives is explained.

--- Options of ped_anova.
---@class fmnistnn.search.PEDANOVAOptions
---@field quantile? number (default 0.1) Which part of the trials are the best.
---@field objective? integer (default 1) Which of several objectives is explained.

--- By how much the best trials' values of each parameter differ from those of all, the largest first: PED-ANOVA
--- (Watanabe et al. 2023). Quick, and takes conditional parameters too.
---@param study fmnistnn.search.Study|table A study, or what Study:history gives.
---@param options? fmnistnn.search.PEDANOVAOptions
---@return fmnistnn.search.Importance[]
function search.ped_anova(study, options) end
