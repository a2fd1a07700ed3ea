-- Event files: their bytes against those that TensorBoard's own writer made, and whole folders through its readers.
local blobs = require "spec.support.blobs"
local event_file = require "fmnistnn.callbacks.event_file"
local fnn = require "fmnistnn"
local process = require "spec.support.process"

local nn = fnn.nn

local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

describe("an event file's records", function()
  it("have the checksum of RFC 3720, appendix B.4", function()
    assert.are.equal(0x8A9136AA, event_file.crc32c(("\0"):rep(32)))
    assert.are.equal(0x62A8AB43, event_file.crc32c(("\255"):rep(32)))
    local rising = {}
    for i = 0, 31 do rising[i + 1] = string.char(i) end
    assert.are.equal(0x46DD794E, event_file.crc32c(table.concat(rising)))
    assert.are.equal(0xE3069283, event_file.crc32c "123456789")
  end)

  -- scripts/tensorboard_check.py --golden
  it("are those of TensorBoard, byte for byte", function()
    assert.are.equal("1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110",
      hex(event_file.version(1700000000.5)))
    assert.are.equal("2100000000000000017becf60900004040fc54d94110ac022a130a110a0a65706f63685f6c6f737315cdcccc3d338ff7"
      .. "96", hex(event_file.scalar(1700000001, 300, "epoch_loss", 0.1)))
    assert.are.equal("76000000000000004e43f07d0900008040fc54d94110012a690a670a12312f7765696768742f686973746f6772616d2a"
      .. "5109000000000000f0bf110000000000000440190000000000001840210000000000000a40290000000000002440321000000000000"
      .. "0e03f00000000000004403a1000000000000010400000000000000040e0ed2214",
      hex(event_file.histogram(1700000002, 1, "1/weight/histogram", {
        min = -1, max = 2.5, count = 6, sum = 3.25, sum_squares = 10, limits = {0.5, 2.5}, counts = {4, 2},
      })))
  end)
end)

describe("TensorBoard", function()
  local folder
  before_each(function() folder = process.folder() end)
  after_each(function() process.remove(folder) end)

  local function fit(options, epochs, more)
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {3}, nn.Dense {2}}
    local trainer = fnn.Trainer {
      model = model, optimizer = fnn.optim.SGD {lr = 0.25}, loss = "cross_entropy",
      metrics = {"accuracy", fnn.metrics.recall {average = "none"}},
    }
    options.folder = folder .. "/runs/1"
    local callbacks = {fnn.callbacks.TensorBoard(options), table.unpack(more or {})}
    local history = trainer:fit(blobs(40), {
      epochs = epochs, validation = blobs(10), callbacks = callbacks, progress = false, seed = 1,
    })
    return history, model
  end

  local function float(x) return (string.unpack("<f", string.pack("<f", x))) end

  -- A Python that has tensorboard: the one that FMNISTNN_PYTHON names, or python3.
  local python = process.quote(os.getenv "FMNISTNN_PYTHON" or "python3")
  local has_python = process.run(python .. " -c 'import tensorboard'") == 0

  local function read_back()
    local code, out, err = process.run(("%s scripts/tensorboard_check.py %s"):format(python, process.quote(folder)))
    assert.are.equal(0, code, err)
    return assert(fnn.json.decode(out))
  end

  local function assert_same_scalars(expected, got, tag)
    assert.are.equal(#expected, #got, tag)
    for epoch, value in ipairs(expected) do
      assert.are.same({epoch, float(value)}, {got[epoch][1], got[epoch][2]}, tag)
    end
  end

  it("reads the numbers of the history, and histograms of the weights", function()
    if not has_python then return pending("tensorboard is needed") end
    local history, model = fit({histogram_every = 2}, 4)
    local read = read_back()
    local train, validation = read["runs/1/train"], read["runs/1/validation"]
    for i = 1, 2 do -- a number a class
      history["recall_none_" .. i], history["val_recall_none_" .. i] = {}, {}
      for epoch = 1, 4 do
        history["recall_none_" .. i][epoch] = history.recall_none[epoch][i]
        history["val_recall_none_" .. i][epoch] = history.val_recall_none[epoch][i]
      end
    end
    history.recall_none, history.val_recall_none = nil, nil
    for name, list in pairs(history) do
      local own = name:match("^val_(.*)")
      local tag = "epoch_" .. (own or name)
      assert_same_scalars(list, (own and validation or train).scalars[tag], name)
    end
    assert_same_scalars({0.25, 0.25, 0.25, 0.25}, train.scalars.epoch_learning_rate, "learning rate")
    assert.are.equal(1 + 7 * 4 + 2 * 4, train.records)
    assert.are.equal(1 + 4 * 4, validation.records)

    local rows = model[2].weight:flatten():totable()
    table.sort(rows)
    local step, least, greatest, count, sum, _, limits, counts = table.unpack(train.histograms["2/weight/histogram"][2])
    assert.are.same({4, rows[1], rows[#rows], #rows}, {step, least, greatest, math.tointeger(count)})
    local expected, total, bucket = {}, 0, 1
    for i = 1, 30 do expected[i] = 0 end
    for _, x in ipairs(rows) do
      total = total + x
      while bucket < 30 and x >= limits[bucket] + 1e-9 do bucket = bucket + 1 end
      expected[bucket] = expected[bucket] + 1
    end
    assert(math.abs(total - sum) < 1e-4)
    assert.are.equal(30, #counts)
    for i = 1, 30 do assert(math.abs(expected[i] - counts[i]) <= 1, i) end -- where rounding meets a bound
  end)

  it("of weights that are all the same has one bucket", function()
    if not has_python then return pending("tensorboard is needed") end
    local ones = {on_batch_end = function(_, trainer)
      for _, tensor in ipairs(trainer.model:parameters()) do fnn.no_grad(tensor.fill_, tensor, 1) end
    end}
    fit({histogram_every = 1}, 1, {ones})
    local histogram = read_back()["runs/1/train"].histograms["3/bias/histogram"][1]
    assert.are.same({1, 1.0, 1.0, 2.0, 2.0, 2.0}, table.move(histogram, 1, 6, 1, {}))
    assert.are.equal(2, histogram[8][1] + 0)
  end)

  it("writes other files than another Lua state of the process does within the same second", function()
    local time, name = os.time, "fmnistnn.callbacks.tensor_board"
    local own = require(name)
    package.loaded[name] = nil
    local other = require(name) -- as another state has it
    package.loaded[name] = own
    os.time = function() return 1700000000 end -- luacheck: ignore 122
    finally(function() os.time = time end) -- luacheck: ignore 122
    fit({}, 1, {other {folder = folder .. "/runs/1"}})
    assert.equal(2, #process.list(folder .. "/runs/1/train"))
  end)

  -- Trains four epochs; after two of them something happens to the files. How many records each has in the end, nil
  -- where they are not whole.
  local function resume(accident)
    local function train(stop)
      local halt = {on_epoch_begin = function(_, _, epoch) if stop and epoch == 3 then error("enough", 0) end end}
      pcall(fit, {}, 4, {fnn.callbacks.BackupAndRestore {folder .. "/backup"}, halt})
    end
    process.remove(folder)
    os.execute("mkdir " .. process.quote(folder))
    train(true)
    local files = {}
    for part in ("train validation"):gmatch "%a+" do
      local _, path = process.run(("ls -d %s/runs/1/%s/*"):format(process.quote(folder), part))
      files[part] = path:match "[^\n]+"
    end
    accident(files)
    train()
    local found = {}
    for part, path in pairs(files) do
      local text = process.read(path)
      local whole, at = event_file.whole(text), 1
      found[part] = #text == #whole and 0 or nil
      while at < #whole do
        at = at + 16 + string.unpack("<I8", whole, at)
        found[part] = found[part] and found[part] + 1
      end
    end
    return found
  end

  it("goes on with whole records when a power cut has taken some of a file that goes on from a backup", function()
    assert.are.same({train = 1 + 7 * 4, validation = 1 + 4 * 4}, resume(function() end))
    assert.are.same({train = 7 * 4, validation = 4 * 4}, resume(function(files)
      for _, path in pairs(files) do process.write(path, process.read(path):sub(1, -4)) end
    end))
    assert.are.same({train = 1 + 7 * 2, validation = 1 + 4 * 2}, resume(function(files)
      for _, path in pairs(files) do process.write(path, "") end
    end))
  end)

  it("makes files anew that are gone when a fit goes on from a backup, with their folders", function()
    assert.are.same({train = 1 + 7 * 2, validation = 1 + 4 * 2}, resume(function()
      process.remove(folder .. "/runs")
    end))
  end)

  it("has a file for each fit, also of several within a second", function()
    for _ = 1, 3 do fit({}, 1) end
    for part in ("train validation"):gmatch "%a+" do
      local _, out = process.run(("ls %s/runs/1/%s"):format(process.quote(folder), part))
      assert.are.equal(3, select(2, out:gsub("tfevents", "")))
    end
  end)

  it("refuses a folder that cannot be made", function()
    process.write(folder .. "/runs", "a file")
    local ok, message = pcall(fit, {}, 1)
    assert.is_false(ok)
    assert.matches("^TensorBoard: .*runs/1/train/: the folder could not be made", message)
    os.remove(folder .. "/runs")
    os.execute("mkdir -p " .. process.quote(folder .. "/runs/1"))
    process.write(folder .. "/runs/1/validation", "a file")
    local steps = 0
    ok, message = pcall(fit, {}, 1, {{on_batch_end = function() steps = steps + 1 end}})
    assert.are.same({false, 0}, {ok, steps})
    assert.matches("^TensorBoard: .*runs/1/validation/: the folder could not be made", message)
  end)

  it("says so, once for each file, when later none can be written, and training goes on", function()
    local warned, stderr = {}, io.stderr
    local accident = {on_epoch_begin = function(_, _, epoch)
      if epoch > 1 then return end
      process.remove(folder .. "/runs/1")
      process.write(folder .. "/runs/1", "a file")
    end}
    io.stderr = {write = function(_, ...) warned[#warned + 1] = table.concat {...} end} -- luacheck: ignore
    local ok, history = pcall(fit, {histogram_every = 1}, 3, {accident})
    io.stderr = stderr -- luacheck: ignore
    assert(ok, history)
    assert.are.equal(3, #history.loss)
    local expected = ("TensorBoard: %s/runs/1/%%s/: the folder could not be made (File exists)\n"):format(folder)
    table.sort(warned)
    assert.are.same({expected:format "train", expected:format "validation"}, warned)
  end)
end)
