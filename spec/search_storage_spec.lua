-- Where trials are kept: the same behaviour in memory, SQLite and PostgreSQL; what is refused; many processes at once.
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local json = require "fmnistnn.json"
local space = require "fmnistnn.search.space"
local storages = require "fmnistnn.search.storage"

local has_sqlite, has_postgres = pcall(require, "luasql.sqlite3"), postgres.is_there()
local folder, server

setup(function()
  folder = process.folder()
  if has_postgres then server = postgres.start() end
end)

teardown(function()
  process.remove(folder)
  if server then server:stop() end
end)

local databases = 0

-- By kind: opens a new storage; returns it, and how to open it again as another process would see it.
local makers = {
  memory = function()
    local storage = storages.open()
    return storage, function() return storage end
  end,
  sqlite = has_sqlite and function()
    databases = databases + 1
    local path = ("%s/%d.db"):format(folder, databases)
    return storages.open("sqlite:///" .. path), function() return storages.open("sqlite+pysqlite:///" .. path) end
  end,
  postgresql = has_postgres and function()
    databases = databases + 1
    local url = server:database("d" .. databases)
    return storages.open(url), function() return storages.open((url:gsub("^postgresql", "postgresql+psycopg2"))) end
  end,
}

local half = space.float(0, 1)
local choice = space.categorical {"a", 3, true, 2.5, space.null}

for _, kind in ipairs {"memory", "sqlite", "postgresql"} do
  describe("a storage, " .. kind .. ",", function()
    local storage, again, id

    before_each(function()
      if not makers[kind] then return end
      storage, again = makers[kind]()
      storage:create_study("s", {"minimize", "maximize"}, {["a:b"] = json.array {1, "x"}})
      id = storage:study("s").id
    end)

    after_each(function()
      if storage then
        storage:disconnect()
        again():disconnect()
      end
    end)

    local function test(name, f)
      if makers[kind] then it(name, f) else pending(name .. " (its client library or server is not installed)") end
    end

    test("keeps studies with their directions and attributes", function()
      assert.is_false(storage:create_study("s", {"minimize"}, {}))
      assert.is_true(storage:create_study("t", {"minimize"}, {}))
      storage:set_study_attribute(id, "user", "k", {x = 1.5})
      storage:set_study_attribute(id, "user", "k", {x = 2.5})
      local found = again():study "s"
      assert.are.same({"minimize", "maximize"}, found.directions)
      assert.are.same({k = {x = 2.5}}, found.user_attributes)
      assert.are.same({1, "x"}, {table.unpack(found.system_attributes["a:b"])})
      assert.are.equal(2, #again():studies())
      assert.is_nil(again():study "u")
    end)

    test("keeps copies", function()
      local list = {1, {2}}
      storage:set_study_attribute(id, "user", "list", list)
      local record = storage:create_trial(id, {
        state = "running", user_attributes = {list = list}, system_attributes = {list = list},
      })
      storage:set_trial_attribute(record, "user", "own", list)
      list[1], list[2][1], list[3] = 5, 5, 5
      assert.are.same({1, {2}}, again():study("s").user_attributes.list)
      for _, each in ipairs {record, storage:trials(id)[1], again():trials(id)[1]} do
        assert.are.same({list = {1, {2}}, own = {1, {2}}}, each.user_attributes)
        assert.are.same({1, {2}}, each.system_attributes.list)
      end
    end)

    test("keeps all of a trial, to the bit", function()
      local record = storage:start_trial(id, {})
      assert.are.same({0, "running"}, {record.number, record.state})
      local x = 0.1 + 0.2
      assert.is_true(storage:set_parameter(record, "x", x, half))
      for i, value in ipairs(choice.choices) do storage:set_parameter(record, "c" .. i, value, choice) end
      storage:set_parameter(record, "n", 7, space.int(1, 9))
      local reports = {[0] = 1.0, [3] = 0 / 0, [7] = math.huge, [100000] = -math.huge}
      for step, value in pairs(reports) do assert.is_true(storage:report(record, step, value)) end
      assert.is_true(storage:set_trial_attribute(record, "user", "u", "text"))
      assert.is_true(storage:set_trial_attribute(record, "system", "constraints:b", 2.0))
      storage:set_trial_attribute(record, "system", "constraints:a", -1.0)
      local values = {-0.0, math.huge}
      assert.is_true(storage:finish(record, {state = "complete", values = values, system_attributes = {y = 1}}))

      local read = again():trials(id)[1]
      assert.are.same({"complete", 0, x, 7, "integer"}, {read.state, read.number, read.params.x, read.params.n,
        math.type(read.params.n)})
      assert.is_true(space.equal(half, read.distributions.x) and space.equal(choice, read.distributions.c1))
      for i, value in ipairs(choice.choices) do assert.are.equal(value, read.params["c" .. i]) end
      assert.are.equal(1.0, read.intermediate[0])
      assert.is_true(read.intermediate[3] ~= read.intermediate[3])
      assert.are.same({math.huge, -math.huge}, {read.intermediate[7], read.intermediate[100000]})
      assert.are.same({-0.0, math.huge}, read.values)
      assert.are.same({-1.0, 2.0}, read.constraints)
      assert.are.same({u = "text"}, read.user_attributes)
      assert.are.equal(1, read.system_attributes.y)
      assert(math.abs(read.started - os.time()) < 100 and read.finished >= read.started)
    end)

    test("takes any text as a name or value", function()
      local hard = "it's \"x\"; DROP TABLE trials; -- \\ \\' ? %s $1 :a \n\t\127 ä 日本"
      assert.is_true(storage:create_study(hard, {"minimize"}, {}))
      local study = again():study(hard)
      assert.are.equal(hard, study.name)
      local record = storage:start_trial(study.id, {})
      storage:set_parameter(record, hard, hard, space.categorical {"b", hard})
      storage:set_trial_attribute(record, "user", hard, {[hard] = hard})
      local read = again():trials(study.id)[1]
      assert.are.equal(hard, read.params[hard])
      assert.are.equal(hard, read.user_attributes[hard][hard])
    end)

    test("never changes a trial that is over", function()
      local record = storage:start_trial(id, {})
      storage:set_parameter(record, "x", 0.5, half)
      storage:report(record, 1, 0.25)
      storage:finish(record, {state = "pruned", values = {0.25, 0.5}})
      local seen = again():trials(id)[1]
      local finished = seen.finished
      assert.are.same({nil, "pruned"}, {storage:finish(seen, {state = "complete", values = {1.0, 1.0}})})
      assert.is_false(storage:report(seen, 2, 1.0))
      assert.is_false(storage:set_parameter(seen, "y", 0.5, half))
      assert.is_false(storage:set_trial_attribute(seen, "user", "u", 1))
      local read = again():trials(id)[1]
      assert.are.same({{x = 0.5}, {[1] = 0.25}, {0.25, 0.5}, {}, finished},
        {read.params, read.intermediate, read.values, read.user_attributes, read.finished})
    end)

    test("claims what waits, in order, and counts what has begun", function()
      for i = 1, 3 do
        storage:create_trial(id, {state = "waiting", system_attributes = {fixed_params = {x = i / 4}}})
      end
      for i = 0, 3 do assert.are.equal(i, storage:start_trial(id, {limit = 5}).number) end
      assert.are.equal(0.25, storage:trials(id)[1].system_attributes.fixed_params.x)
      assert.are.equal(4, storage:start_trial(id, {limit = 5}).number)
      assert.is_nil(storage:start_trial(id, {limit = 5}))
    end)

    test("makes no new trial when there is nothing left for one, but claims what waits", function()
      local room = 1
      local given = {is_exhausted = function() return #storage:known(id) >= room end}
      storage:create_trial(id, {state = "waiting"})
      assert.are.equal(0, storage:start_trial(id, given).number)
      assert.is_nil(storage:start_trial(id, given))
      room = 2
      assert.are.equal(1, storage:start_trial(id, given).number)
      assert.is_nil(storage:start_trial(id, given))
    end)

    test("puts another attempt in the place of a failed trial", function()
      local record = storage:start_trial(id, {limit = 1})
      storage:set_parameter(record, "x", 0.5, half)
      storage:report(record, 1, 0.125)
      storage:set_trial_attribute(record, "user", "u", 1)
      storage:finish(record, {state = "failed", retries = 2})
      local second = storage:start_trial(id, {limit = 1})
      assert.are.same({1, {x = 0.5}, {[1] = 0.125}, {u = 1}}, {second.number, second.params, second.intermediate,
        second.user_attributes})
      storage:finish(second, {state = "failed", retries = 2})
      local third = again():start_trial(id, {limit = 1})
      assert.are.same({0, 1}, {table.unpack(third.system_attributes.retry_history)})
      assert.are.equal(0, third.system_attributes.failed_trial)
      storage:finish(storage:trials(id)[3], {state = "failed", retries = 2})
      assert.is_nil(storage:start_trial(id, {limit = 1}))
      assert.are.equal(3, #storage:trials(id))
    end)

    test("forgets what a running trial is to draw or report anew", function()
      local record = storage:start_trial(id, {})
      storage:set_parameter(record, "x", 0.5, half)
      for step = 1, 4 do storage:report(record, step, step + 0.0) end
      storage:forget_parameters(record)
      storage:forget_reports(record, 3)
      local read = again():trials(id)[1]
      assert.are.same({{}, {}, {[1] = 1.0, [2] = 2.0}}, {read.params, read.distributions, read.intermediate})
    end)

    test("keeps the records of what is over, and brings the others up to date", function()
      local record = storage:start_trial(id, {})
      storage:finish(record, {state = "complete", values = {1.0, 2.0}})
      local first = storage:trials(id)[1]
      local second = again():start_trial(id, {})
      again():report(second, 1, 5.0)
      local records = storage:trials(id)
      assert(rawequal(first, records[1]))
      assert.are.same({[1] = 5.0}, records[2].intermediate)
      again():finish(second, {state = "failed"})
      assert.are.equal("failed", storage:trials(id)[2].state)
    end)

    test("deletes a study with all of it, and no other", function()
      storage:create_study("t", {"minimize"}, {})
      local other = storage:study("t").id
      storage:report(storage:start_trial(other, {}), 1, 2.0)
      local record = storage:start_trial(id, {worker = "w"})
      storage:set_parameter(record, "x", 0.5, half)
      storage:delete_study(id)
      assert.is_nil(again():study "s")
      assert.are.equal(2.0, again():trials(other)[1].intermediate[1])
      local ok, message = pcall(storage.start_trial, storage, id, {})
      assert(not ok and message:find("deleted", 1, true), message)
    end)

    if kind ~= "memory" then
      test("tells whose trials were lost", function()
        local silent, loud = storage:start_trial(id, {worker = "w1"}), storage:start_trial(id, {worker = "w2"})
        storage:start_trial(id, {}) -- by hand: nobody says that it lives, and nobody takes it for lost
        local function lost(seconds, gone)
          local numbers = {}
          for i, record in ipairs(again():lost(id, seconds, function(name) return name == gone end)) do
            numbers[i] = record.number
          end
          return numbers
        end
        assert.are.same({}, lost(100))
        assert.are.same({}, lost(math.huge))
        assert.are.same({silent.number}, lost(100, "w1"))
        assert.are.same({loud.number}, lost(100, "w2"))
        process.wait(function() return #lost(1) == 2 end)
        storage:beat(id, {"w0", "w2"})
        assert.are.same({silent.number}, lost(1))
      end)

      test("refuses texts that a database cannot hold", function()
        for _, text in ipairs {"zero \0 byte", "no UTF-8 \xff"} do
          local ok, message = pcall(storage.create_study, storage, text, {"minimize"}, {})
          assert(not ok and message:find("UTF-8", 1, true), message)
        end
        assert.are.equal(1, #storage:studies())
      end)

      test("gives each of 200 enqueued trials to one of four processes", function()
        for i = 1, 200 do
          storage:create_trial(id, {state = "waiting", system_attributes = {fixed_params = {i = i}}})
        end
        storage:disconnect()
        again():disconnect()
        local script = ([[
          local storage = require "fmnistnn.search.storage".open(%q)
          local id = storage:study("s").id
          while true do
            local record = storage:start_trial(id, {limit = 200})
            if not record then break end
            print(record.system_attributes.fixed_params.i)
            assert(storage:finish(record, {state = "complete", values = {1.0, 2.0}}))
          end]]):format(storage.url or "sqlite:///" .. storage.path)
        process.write(folder .. "/claim.lua", script)
        local one = process.lua(folder .. "/claim.lua")
        local code, out, err = process.run(("(%s & %s & %s & %s & wait)"):format(one, one, one, one))
        assert.are.same({0, ""}, {code, err})
        local seen, count = {}, 0
        for number in out:gmatch "%d+" do
          assert(not seen[number], number)
          seen[number], count = true, count + 1
        end
        assert.are.equal(200, count)
        for _, record in ipairs(storage:trials(id)) do assert.are.equal("complete", record.state) end
      end)
    end
  end)
end

-- ---- SQLite ----

local function sqlite(name, f)
  if has_sqlite then it(name, f) else pending(name .. " (LuaSQL for SQLite is not installed)") end
end

-- A file's URL that has not been opened before, so that the file is looked at.
local function fresh(path)
  databases = databases + 1
  return ("sqlite+%d:///%s"):format(databases, path)
end

-- Asserts that opening is refused with these words and leaves the file as it is.
local function refuses(path, words)
  local before = process.read(path)
  local ok, message = pcall(storages.open, fresh(path))
  assert(not ok, "it was opened")
  assert(message:find("search: " .. path .. ": ", 1, true), message)
  assert(message:find(words, 1, true), message)
  assert(before == process.read(path), "the file was changed")
end

-- A file with a study of some trials, open.
local function open_with_trials(path, count)
  local storage = storages.open("sqlite:///" .. path)
  storage:create_study("s", {"minimize"}, {})
  local id = storage:study("s").id
  for i = 1, count do
    local record = storage:start_trial(id, {})
    storage:set_trial_attribute(record, "user", "text", ("x"):rep(300))
    storage:finish(record, {state = "complete", values = {i + 0.0}})
  end
  return storage
end

-- A file with a study of some trials, closed.
local function with_trials(path, count)
  open_with_trials(path, count):disconnect()
  return path
end

local function sql(path, statement)
  local connection = require "luasql.sqlite3".sqlite3():connect(path)
  assert(connection:execute(statement))
  connection:close()
end

describe("an SQLite file", function()
  local path

  before_each(function()
    databases = databases + 1
    path = ("%s/f%d.db"):format(folder, databases)
  end)

  sqlite("that is damaged is refused", function()
    process.write(path, "this is a text and no database " .. ("x"):rep(2000))
    refuses(path, "is no SQLite database")
  end)

  sqlite("whose end is missing is refused", function()
    with_trials(path, 30)
    local text = process.read(path)
    assert(#text > 3 * 4096)
    for _, missing in ipairs {4096, 100, 8192} do
      process.write(path, text:sub(1, #text - missing))
      refuses(path, "is damaged")
    end
  end)

  -- What a power cut leaves behind: the file and its log, which may end within what was being written.
  sqlite("whose log is torn at its end has every trial that was over before", function()
    local storage = open_with_trials(path, 30)
    local file, log = process.read(path), process.read(path .. "-wal")
    storage:disconnect()
    for _, torn in ipairs {log, log .. ("\xa5"):rep(3000), log .. log:sub(-2000), log:sub(1, -101)} do
      local name = ("%s.%d"):format(path, #torn)
      process.write(name, file)
      process.write(name .. "-wal", torn)
      local again = storages.open("sqlite:///" .. name)
      local trials = again:trials(again:study("s").id)
      local over = #torn < #log and 29 or 30 -- the last one's end is what is torn, only then
      assert.are.equal(30, #trials)
      for i, record in ipairs(trials) do
        assert.are.same({i <= over and "complete" or "running", i <= over and {i + 0.0} or nil},
          {record.state, record.values})
      end
      again:finish(again:start_trial(again:study("s").id, {}), {state = "complete", values = {31.0}})
      assert.are.equal("ok", again:value "PRAGMA integrity_check")
      again:disconnect()
    end
  end)

  sqlite("that was deleted is made anew, and not the one that was open", function()
    local storage = open_with_trials(path, 1)
    for _, suffix in ipairs {"", "-wal", "-shm"} do os.remove(path .. suffix) end
    assert.are.same({nil, "there is no file " .. path}, {storages.open("sqlite:///" .. path, true)})
    local new = open_with_trials(path, 2)
    assert.are.equal(2, #new:trials(1))
    assert.are.equal(new, storages.open("sqlite:///" .. path))
    storage:disconnect()
    new:disconnect()
    assert.are.equal(2, #storages.open(fresh(path)):trials(1))
  end)

  sqlite("with a page of rubbish is refused", function()
    with_trials(path, 30)
    local text = process.read(path)
    process.write(path, text:sub(1, 4096) .. ("\xa5"):rep(4096) .. text:sub(8193))
    refuses(path, "is damaged")
  end)

  sqlite("of another program is refused", function()
    sql(path, "CREATE TABLE people (name TEXT)")
    refuses(path, "holds other tables")
  end)

  sqlite("with tables of these names that are other ones is refused", function()
    sql(path, "CREATE TABLE studies (study_id INTEGER, study_name TEXT)")
    sql(path, "CREATE TABLE trials (trial_id INTEGER)")
    refuses(path, "something else")
  end)

  sqlite("of a newer or older Optuna is refused", function()
    with_trials(path, 1)
    sql(path, "UPDATE version_info SET schema_version = 13")
    refuses(path, "newer Optuna")
    sql(path, "UPDATE version_info SET schema_version = 11")
    refuses(path, "older Optuna")
    sql(path, "UPDATE version_info SET schema_version = 12")
    sql(path, "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    refuses(path, "newer Optuna")
  end)

  sqlite("is made for the Optuna that one asks for", function()
    local stamps = {["5"] = "v3.2.0.a", ["3.1"] = "v3.0.0.d", any = nil}
    for version in pairs {["5"] = true, ["3.1"] = true, any = true} do
      local file = path .. version
      local storage = storages.open {fresh(file), optuna = version}
      assert.are.equal(stamps[version], storage:value "SELECT version_num FROM alembic_version")
      storage:disconnect()
      assert.are.equal(0, #storages.open(fresh(file)):studies())
    end
    local ok, message = pcall(storages.open, {"sqlite:///" .. path, optuna = "2"})
    assert(not ok and message:find('"3.1"', 1, true), message)
    for _, wrong in ipairs {{"sqlite:///" .. path, optune = "5"}, {"sqlite:///" .. path, "5"}} do
      ok, message = pcall(storages.open, wrong)
      assert(not ok and message:find("search: storage: unknown option ", 1, true), message)
    end
  end)

  sqlite("whose path has a question mark is refused", function()
    local ok, message = pcall(storages.open, "sqlite:///" .. path .. "?mode=ro")
    assert(not ok and message:find("expected the path of a file without a question mark, got", 1, true), message)
  end)

  sqlite("in a folder that does not exist is refused", function()
    local ok, message = pcall(storages.open, "sqlite:////nowhere/x.db")
    assert(not ok and message:find("is there such a folder", 1, true), message)
    ok, message = pcall(storages.open, "sqlite:///" .. folder)
    assert(not ok and message:find("cannot be opened", 1, true), message)
  end)

  -- Root may write anywhere, so another user tries.
  local function as_somebody(script)
    local code = process.output "id -u" == "0\n" and "setpriv --reuid=nobody --regid=nogroup --clear-groups" or ""
    process.write(folder .. "/open.lua", script)
    return process.run(process.lua(folder .. "/open.lua", code))
  end

  sqlite("that may not be written is refused, and left alone", function()
    with_trials(path, 3)
    os.execute(("chmod 755 %s; chmod 444 %s"):format(folder, path))
    local before = process.read(path)
    local script = [[print(pcall(require "fmnistnn.search.storage".open, "sqlite:///%s"))]]
    local _, out = as_somebody(script:format(path))
    assert(out:find("false", 1, true) and out:find("read-only", 1, true), out)
    _, out = as_somebody(script:format(folder .. "/new.db"))
    assert(out:find("false", 1, true) and out:find("is there such a folder", 1, true), out)
    assert.are.equal(before, process.read(path))
  end)

  sqlite("is one storage, however often it is opened", function()
    assert(rawequal(storages.open("sqlite:///" .. path), storages.open("sqlite:///" .. path)))
  end)

  sqlite("has Optuna's tables", function()
    with_trials(path, 0)
    local out = process.output(("sqlite3 %s .schema 2>/dev/null"):format(path))
    if out == "" then return pending "the program sqlite3 is not installed" end
    local expected = process.read "spec/data/optuna_schema.sql"
    local function words(text) return (text:gsub("%s+", " "):gsub(" ?([(),;]) ?", "%1")) end
    for statement in expected:gsub("%-%-[^\n]*\n", ""):gmatch "[^;]+;" do
      assert(words(out):find(words(statement):gsub("^ ", ""), 1, true), statement .. "\n" .. out)
    end
  end)
end)

it("storages are named by URLs", function()
  for _, url in ipairs {"x.db", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", "mysql://x/y", 5, true} do
    local ok, message = pcall(storages.open, url)
    assert(not ok and message:find("storage: expected", 1, true), message)
  end
end)

it("a missing client library is named", function()
  local code, out = process.run_lua [[
    package.preload["luasql.sqlite3"] = function() error "not there" end
    package.preload["luasql.postgres"] = function() error "not there" end
    local open = require "fmnistnn.search.storage".open
    print(pcall(open, "sqlite:////tmp/never.db"))
    print(pcall(open, "postgresql://somebody:secret@nowhere/x"))]]
  assert.are.equal(0, code)
  assert(out:find("lua-sql-sqlite3", 1, true) and out:find("lua-sql-postgres", 1, true), out)
  assert(not out:find("secret", 1, true), out)
end)

-- ---- PostgreSQL ----

describe("a PostgreSQL database", function()
  local function test(name, f)
    if has_postgres then it(name, f) else pending(name .. " (its client library or server is not installed)") end
  end

  test("of another program is refused", function()
    local url = server:database "foreign"
    local connection = require "luasql.postgres".postgres():connect(url)
    connection:execute "CREATE TABLE people (name TEXT)"
    local ok, message = pcall(storages.open, url)
    assert(not ok and message:find("holds other tables", 1, true), message)
    connection:close()
  end)

  test("that cannot be reached is told, without the password", function()
    local ok, message = pcall(storages.open, "postgresql://search:secret@localhost:1/x")
    assert(not ok and message:find("no connection", 1, true) and not message:find("secret", 1, true), message)
  end)

  test("whose server goes away and comes back goes on", function()
    local storage = storages.open(server:database "away")
    storage:create_study("s", {"minimize"}, {})
    local id = storage:study("s").id
    local record = storage:start_trial(id, {worker = "w"})
    server:down()
    server:up()
    assert.is_true(storage:report(record, 1, 0.5))
    server:down()
    server:up()
    assert.is_true(storage:finish(record, {state = "complete", values = {1.0}}))
    server:down()
    server:up()
    local read = storage:trials(id)
    assert.are.same({1, "complete", {[1] = 0.5}}, {#read, read[1].state, read[1].intermediate})
  end)
end)
