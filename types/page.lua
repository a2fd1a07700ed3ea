---@meta _

-- Reports as one file of HTML: it needs no server and no network, is read on phones and in the dark, by keyboard and
-- screen reader, and without its script. Charts are also SVG of their own.
--
--   fnn.page{title = "Training"}:history(trainer.history):write("training.html")
--
--   local page = fnn.page{title = "The study", description = "Ten networks, three seeds each."}
--   page:heading "Trials"
--   page:text "Time is that of two cores."
--   page:table{columns = {"trial", {"accuracy", format = "%.4f"}}, rows = {{"1", 0.9118}, {"2", 0.9139}}}
--   page:chart(fnn.page.scatter{
--     title = "Accuracy against time", x = {title = "time (min)", log = true}, y = "accuracy",
--     series = {{x = {15, 2.5}, y = {0.9118, 0.9139}, labels = {"1", "2"}}},
--   })
--   assert(page:write("study.html"))
--
-- Lists are tables, in which nil is a gap, or tensors of one axis. What has no place on an axis (nil, NaN, infinity,
-- 0 where the axis is logarithmic) is not drawn: lines break there. Below each chart are its data, to the last digit.
-- All texts are shown as they are, whatever is in them.

--- An axis: its title, or a table.
---@class fmnistnn.page.Axis
---@field title? string (default "") With the unit, as "time (s)".
---@field log? boolean (default false) Whether it is logarithmic.
---@field min? number (default: the data's) Where it begins.
---@field max? number (default: the data's) Where it ends.
---@field format? string|fun(x: number): string (default: what fits) How numbers are written, such as "%.3f".

--- An axis on which names may stand instead of numbers: those of `categories`, or those in the data where not all of it
--- are numbers, in the order in which they come.
---@class fmnistnn.page.PlaceAxis: fmnistnn.page.Axis
---@field categories? string[] (default: the data's) The names, in their order.

--- Values that are shown by colours.
---@class fmnistnn.page.ColorAxis: fmnistnn.page.Axis
---@field reverse? boolean (default false) Whether the strong colours are those of small values.

--- `fnn.page{title = ...}` makes a page; the functions here make charts for it.
---@class fmnistnn.page
---@overload fun(options: fmnistnn.page.PageOptions): fmnistnn.page.Page
local page = {}

--- Options of a page.
---@class fmnistnn.page.PageOptions
---@field title? string (default "Report") The title.
---@field description? string (default "") A sentence or two below it.
---@field language? string (default "en") The language of the texts (BCP 47).
---@field refresh? number (default: none) It loads itself anew after so many seconds, for a page that is written again.

--- A report, from top to bottom. The methods that add to it return it.
---@class fmnistnn.page.Page
local Page = {}

--- Adds a heading.
---@param text string
---@param level? integer (default 2) 2 for a section; 3 for one within it.
---@return fmnistnn.page.Page
function Page:heading(text, level) end

--- Adds paragraphs.
---@param text string With empty lines between them.
---@return fmnistnn.page.Page
function Page:text(text) end

--- Adds text in letters of one width, as it is: `model:summary(...).text`, say.
---@param text string
---@return fmnistnn.page.Page
function Page:code(text) end

--- Adds a table, which a click on a heading sorts, and words filter. Numbers are aligned; the first column names the
--- rows.
---@param options fmnistnn.page.TableOptions
---@return fmnistnn.page.Page
function Page:table(options) end

--- Options of table.
---@class fmnistnn.page.TableOptions
---@field columns? (string|fmnistnn.page.Column)[] (required) Titles of the columns.
---@field rows (string|number|boolean|nil)[][] A list of cells for each row.
---@field caption? string (default: none) What it shows.
---@field filter? boolean (default false) Whether there is a field above it that hides the rows without its words.

--- A column of a table.
---@class fmnistnn.page.Column
---@field title? string (required) Its title.
---@field format? string|fun(x: number): string (default: four digits, all alike) How its numbers are written.

--- Adds charts. Those of one call stand side by side where there is room.
---@param ... fmnistnn.page.Chart
---@return fmnistnn.page.Page
function Page:chart(...) end

--- Adds what a Trainer's fit saw: the epochs and their time, and a chart for each measure. A measure that is a list, a
--- number a class, has a line for each.
---@param history fmnistnn.History|fmnistnn.History[] Of several of one network, lines are means and bands ranges.
---@param options? fmnistnn.page.HistoryOptions
---@return fmnistnn.page.Page
function Page:history(history, options) end

--- Options of history.
---@class fmnistnn.page.HistoryOptions
---@field validation? string (default "validation") What the validation is called, such as "test".

--- Adds a confusion matrix as a heat map.
---@param confusion fmnistnn.Tensor (C,C), from `metrics.confusion_matrix`.
---@param class_names? string[] (default: numbers)
---@return fmnistnn.page.Page
function Page:confusion(confusion, class_names) end

--- Adds precision, recall, F1 and support of each class as a table.
---@param confusion fmnistnn.Tensor (C,C).
---@param class_names? string[] (default: numbers)
---@return fmnistnn.page.Page
function Page:classification(confusion, class_names) end

--- The page as text.
---@return string
function Page:html() end

--- Writes the page, so that there is never half of it.
---@param path string
---@return true? ok
---@return string? message what went wrong
function Page:write(path) end

-- ---- Charts ----

--- A chart, for `page:chart` or as SVG.
---@class fmnistnn.page.Chart
---@field title string Its title.
---@field description string What is read out instead of the drawing.
local Chart = {}

--- The chart without the table of its data below it, for a page that has them elsewhere. Returns the chart.
---@return fmnistnn.page.Chart
function Chart:without_data() end

--- The chart as an SVG of its own, in light colours.
---@param width? integer (default 760) In pixels, 240 or more.
---@return string
function Chart:svg(width) end

--- What all charts have.
---@class fmnistnn.page.ChartOptions
---@field title? string (required) Its title.
---@field description? string (default: from the data) A sentence that is read out instead of the drawing.

--- Lines over an axis, such as curves over epochs. They are named at their ends.
---@param options fmnistnn.page.LinesOptions
---@return fmnistnn.page.Chart
function page.lines(options) end

--- Options of lines.
---@class fmnistnn.page.LinesOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.PlaceAxis (default {}) Across.
---@field y? string|fmnistnn.page.Axis (default {}) Up.
---@field series fmnistnn.page.Line[] The lines.

--- One line.
---@class fmnistnn.page.Line
---@field name? string (default "") Its name.
---@field x? (number|string)[]|fmnistnn.Tensor (default: 1, 2, 3 ...) Where its points are.
---@field y number[]|fmnistnn.Tensor Their values.
---@field low? number[]|fmnistnn.Tensor (default: none) Lower ends of a band.
---@field high? number[]|fmnistnn.Tensor (default: none) Its upper ends.
---@field dash? boolean (default false) Whether it is dashed.
---@field color? integer (default: its number) The number of its colour and mark.

--- The mean of several lists and what they spread over, position by position: for the fields y, low and high of a line.
---@param lists number[][] One for each seed, say. What is no finite number does not count.
---@return fmnistnn.page.Spread
function page.spread(lists) end

--- Means and ends.
---@class fmnistnn.page.Spread
---@field y number[] Means.
---@field low number[] The least.
---@field high number[] The greatest.

--- Points of two values.
---@param options fmnistnn.page.ScatterOptions
---@return fmnistnn.page.Chart
function page.scatter(options) end

--- Options of scatter.
---@class fmnistnn.page.ScatterOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.PlaceAxis (default {}) Across.
---@field y? string|fmnistnn.page.PlaceAxis (default {}) Up.
---@field z? string|fmnistnn.page.ColorAxis (default {}) Colours, of series that have a z.
---@field series fmnistnn.page.PointSeries[] The points.

--- Points that belong together.
---@class fmnistnn.page.PointSeries
---@field name? string (default "") Their name.
---@field x (number|string)[]|fmnistnn.Tensor Across.
---@field y (number|string)[]|fmnistnn.Tensor Up.
---@field z? number[]|fmnistnn.Tensor (default: none) What their colours show.
---@field labels? string[] (default: none) Names of points, shown beside up to 40 where there is room.
---@field line? boolean (default false) Whether a line joins them, from left to right: a Pareto front, the best so far.
---@field points? boolean (default true) Whether the points are shown.
---@field color? integer (default: its number) The number of their colour and mark.

--- Bars from 0.
---@param options fmnistnn.page.BarsOptions
---@return fmnistnn.page.Chart
function page.bars(options) end

--- Options of bars.
---@class fmnistnn.page.BarsOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.Axis (default {}) The axis of the values.
---@field names string[] A name for each bar.
---@field values number[]|fmnistnn.Tensor Their lengths.
---@field low? number[]|fmnistnn.Tensor (default: none) Lower ends of error bars.
---@field high? number[]|fmnistnn.Tensor (default: none) Their upper ends.

--- A matrix in cells of colours, with its numbers in them.
---@param options fmnistnn.page.HeatMapOptions
---@return fmnistnn.page.Chart
function page.heat_map(options) end

--- Options of heat_map.
---@class fmnistnn.page.HeatMapOptions: fmnistnn.page.ChartOptions
---@field rows string[] Names of the rows, from the top down.
---@field columns string[] Names of the columns.
---@field values number[][]|fmnistnn.Tensor (rows, columns).
---@field x? string (default "") What the columns are.
---@field y? string (default "") What the rows are.
---@field z? string|fmnistnn.page.ColorAxis (default {}) What the numbers are. What has no place on it has no colour.

--- A gallery of small images. Each of their pixels is a square of pixels of the screen.
---@param options fmnistnn.page.ImagesOptions
---@return fmnistnn.page.Chart
function page.images(options) end

--- Options of images.
---@class fmnistnn.page.ImagesOptions: fmnistnn.page.ChartOptions
---@field images fmnistnn.Tensor|fmnistnn.Tensor[] (N,H,W) or (N,C,H,W), or a list of (H,W), (1,H,W) or (3,H,W).
---@field labels? string[] (default: none) What stands below each; with line ends where lines are to end.
---@field diverging? boolean (default false) From blue over white for 0 to red: for the filters of a layer.
---@field low? number (default: 0 for uint8, else the least of all) What is black.
---@field high? number (default: 255 for uint8, else the greatest of all) What is white.

--- Parallel coordinates: a line for each trial, across the axes. The last axis gives the colours.
---@param options fmnistnn.page.ParallelOptions
---@return fmnistnn.page.Chart
function page.parallel(options) end

--- Options of parallel.
---@class fmnistnn.page.ParallelOptions: fmnistnn.page.ChartOptions
---@field axes fmnistnn.page.ParallelAxis[] Two or more.
---@field names? string[] (default: numbers) Names of the trials.

--- One of parallel axes; it needs a title.
---@class fmnistnn.page.ParallelAxis: fmnistnn.page.PlaceAxis
---@field values (number|string|boolean)[]|fmnistnn.Tensor One for each trial.
---@field reverse? boolean (default false) Of the last: whether the strong colours are those of small values.

--- A value over two others, known at some points and interpolated in between by inverse distances (Shepard 1968).
---@param options fmnistnn.page.ContourOptions
---@return fmnistnn.page.Chart
function page.contour(options) end

--- Options of contour.
---@class fmnistnn.page.ContourOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.PlaceAxis (default {}) Across.
---@field y? string|fmnistnn.page.PlaceAxis (default {}) Up.
---@field z? string|fmnistnn.page.ColorAxis (default {}) Colours.
---@field points fmnistnn.page.Points Where the value is known.

--- Points of three values.
---@class fmnistnn.page.Points
---@field x (number|string)[]|fmnistnn.Tensor Across.
---@field y (number|string)[]|fmnistnn.Tensor Up.
---@field z number[]|fmnistnn.Tensor The value.

--- Many lines over one axis, each in the colour of a value of its own, as the learning curves of a search's trials.
---@param options fmnistnn.page.CurvesOptions
---@return fmnistnn.page.Chart
function page.curves(options) end

--- Options of curves.
---@class fmnistnn.page.CurvesOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.Axis (default {}) Across.
---@field y? string|fmnistnn.page.Axis (default {}) Up.
---@field z? string|fmnistnn.page.ColorAxis (default {}) The colours.
---@field series fmnistnn.page.Curve[] The lines.

--- One of many lines.
---@class fmnistnn.page.Curve
---@field name? string (default "") Its name.
---@field x? number[]|fmnistnn.Tensor (default: 1, 2, 3 ...) Where its points are.
---@field y number[]|fmnistnn.Tensor Their values.
---@field z? number (default: none) What its colour shows; without one it is grey.
---@field dash? boolean (default false) Whether it is dashed.

--- What ran when and where: spans of time, a row for each worker.
---@param options fmnistnn.page.TimelineOptions
---@return fmnistnn.page.Chart
function page.timeline(options) end

--- Options of timeline.
---@class fmnistnn.page.TimelineOptions: fmnistnn.page.ChartOptions
---@field x? string|fmnistnn.page.Axis (default {}) The time.
---@field spans fmnistnn.page.Span[] What ran.
---@field states? string[] (default: as they come) Names of states in the order of their looks; the first is filled.

--- Something that ran.
---@class fmnistnn.page.Span
---@field name? string (default "") Its name.
---@field row string Where it ran.
---@field start number When it began.
---@field stop number When it ended, or the time now.
---@field state? string (default "") What became of it.

