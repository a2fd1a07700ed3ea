-- Downloads from a real server on the loopback interface.
local fnn = require "fmnistnn"
local download = require "fmnistnn.data.download"
local idx = require "spec.support.idx"
local process = require "spec.support.process"

local quote = process.quote
local server -- {folder =, url =, pid =}
local place -- a new folder for each case

local function start_server()
  local folder = process.folder()
  assert(os.execute("mkdir " .. folder .. "/files"))
  local command = ("python3 spec/support/server.py %s >/dev/null 2>&1 & echo $!"):format(folder)
  local pid = process.output(command):match("%d+")
  local port = process.wait(function() return process.read(folder .. "/port") end)
  return {folder = folder, pid = pid, url = ("http://127.0.0.1:%s/"):format(port)}
end

local function serve(name, text) process.write(server.folder .. "/files/" .. name, text) end

-- The paths that were asked for since the last call.
local function requests()
  local list = {}
  for line in (process.read(server.folder .. "/log") or ""):gmatch("[^\n]+") do list[#list + 1] = line end
  os.remove(server.folder .. "/log")
  return list
end

local function sha256(text)
  local path = place .. "/to be summed"
  process.write(path, text)
  local sum = process.output("sha256sum < " .. quote(path)):match("^%x+")
  os.remove(path)
  return sum
end

local function plain(text, words) return text:find(words, 1, true) ~= nil end

-- Whether there was nil and a message with the address and these words, and `folder` is as empty as before.
local function failed(url, words, ok, message)
  assert.is_nil(ok)
  assert(plain(message, url), message)
  assert(plain(message, words), message)
  assert.are.same({}, process.list(place))
end

if not (process.has "python3" and process.has "curl") then
  pending("download: python3 and curl are needed")
  return
end
if os.getenv "http_proxy" or os.getenv "all_proxy" or os.getenv "ALL_PROXY" then
  pending("download: a proxy stands between this machine and itself")
  return
end

setup(function() server = start_server() end)
teardown(function()
  os.execute("kill " .. server.pid)
  process.remove(server.folder)
end)
before_each(function()
  place = process.folder()
  requests()
end)
after_each(function() process.remove(place) end)

describe("a download", function()
  local text = idx.pattern(100000, 5)
  local quiet = {progress = false}

  setup(function() serve("good", text) end)

  it("brings the file, and nothing else", function()
    assert.is_true(download(server.url .. "files/good", place .. "/file", quiet))
    assert(process.read(place .. "/file") == text)
    assert.are.same({"file"}, process.list(place))
    assert.are.same({"/files/good"}, requests())
  end)

  it("checks the sum, in letters of either case", function()
    local sum = sha256(text)
    for _, expected in ipairs {sum, sum:upper()} do
      assert.is_true(download(server.url .. "files/good", place .. "/file", {progress = false, sha256 = expected}))
    end
    assert.are.same({"file"}, process.list(place))
  end)

  it("with a wrong sum is refused, with both sums", function()
    local url, wrong = server.url .. "files/good", ("0"):rep(64)
    failed(url, "its SHA-256 is " .. sha256(text) .. ", expected " .. wrong,
      download(url, place .. "/file", {progress = false, sha256 = wrong}))
  end)

  it("leaves the file that was there when it fails, and replaces it when it does not", function()
    process.write(place .. "/file", "old")
    local url = server.url .. "files/good"
    assert.is_nil(download(url, place .. "/file", {progress = false, sha256 = "0"}))
    assert.is_nil(download(server.url .. "truncated/good", place .. "/file", quiet))
    assert.are.equal("old", process.read(place .. "/file"))
    assert.are.same({"file"}, process.list(place))
    assert.is_true(download(url, place .. "/file", quiet))
    assert(process.read(place .. "/file") == text)
  end)

  it("that ends early is refused", function()
    local url = server.url .. "truncated/good"
    failed(url, "the transfer ended early (curl 18)", download(url, place .. "/file", quiet))
  end)

  it("of what is not there is refused", function()
    local url = server.url .. "files/none"
    failed(url, "the server answered with an error (curl 22)", download(url, place .. "/file", quiet))
  end)

  it("from where nobody listens is refused", function()
    local url = "http://127.0.0.1:1/x"
    failed(url, "the connection was refused (curl 7)", download(url, place .. "/file", quiet))
  end)

  it("by a protocol that there is not is refused", function()
    failed("nothing://x/y", "curl failed (curl 1)", download("nothing://x/y", place .. "/file", quiet))
  end)

  it("follows a redirection", function()
    assert.is_true(download(server.url .. "redirect/good", place .. "/file", quiet))
    assert(process.read(place .. "/file") == text)
    assert.are.same({"/redirect/good", "/files/good"}, requests())
  end)

  it("makes the folder, and those above it", function()
    assert.is_true(download(server.url .. "files/good", place .. "/a/b/c/file", quiet))
    assert(process.read(place .. "/a/b/c/file") == text)
  end)

  it("goes to a path with anything in it", function()
    for _, name in ipairs {"with space", "it's", '"quoted"', "$(touch oops)", "`touch oops`", "a;b&c|d", "-x", "*",
    "\\", "é\n"} do
      local path = ("%s/%s folder/%s"):format(place, name, name)
      assert.is_true(download(server.url .. "files/good", path, quiet))
      assert(process.read(path) == text)
    end
    assert.is_nil(process.read "oops")
  end)

  it("comes from an address with anything in it", function()
    for _, name in ipairs {"a[1-3]b", "{x,y}", "it's"} do
      serve(name, "served " .. name)
      assert.is_true(download(server.url .. "files/" .. name, place .. "/file", quiet))
      assert.are.equal("served " .. name, process.read(place .. "/file"))
    end
  end)

  it("into a folder that cannot be made says so", function()
    process.write(place .. "/file", "")
    local ok, message = download(server.url .. "files/good", place .. "/file/under/it", quiet)
    assert.is_nil(ok)
    assert(plain(message, place .. "/file/under/: the folder could not be made"), message)
    assert.are.same({}, requests())
  end)

  it("to a place that cannot be written says so", function()
    assert(os.execute("mkdir " .. quote(place .. "/folder")))
    local url = server.url .. "files/good"
    local ok, message = download(url, place .. "/folder", quiet)
    assert.is_nil(ok)
    assert(plain(message, url) and plain(message, "directory"), message)
    assert.are.same({"folder"}, process.list(place))
    if process.output("id -u"):match("^0") then return end -- nothing is closed to root
    assert(os.execute("chmod a-w " .. quote(place .. "/folder")))
    ok, message = download(url, place .. "/folder/file", quiet)
    assert.is_nil(ok)
    assert(plain(message, "the file could not be written (curl 23)"), message)
  end)

  it("without curl says what is missing", function()
    assert(os.execute(("mkdir %s/bin && ln -s $(command -v mkdir) %s/bin"):format(place, place)))
    local script = ([[
      print(require "fmnistnn.data.download"(%q, %q, {progress = false}))
    ]]):format(server.url .. "files/good", place .. "/file")
    local code, out = process.run_lua(script, "PATH=" .. place .. "/bin")
    assert.are.equal(0, code)
    assert(plain(out, "nil\t" .. server.url .. "files/good: the program curl is not installed"), out)
    assert.are.same({"bin"}, process.list(place))
  end)

  it("without a program for sums says so, and keeps nothing", function()
    assert(os.execute(("mkdir %s/bin && ln -s $(command -v mkdir) $(command -v curl) %s/bin"):format(place, place)))
    local script = ([[
      print(require "fmnistnn.data.download"(%q, %q, {progress = false, sha256 = %q}))
    ]]):format(server.url .. "files/good", place .. "/file", sha256(text))
    local _, out = process.run_lua(script, "PATH=" .. place .. "/bin")
    assert(plain(out, "no program for SHA-256 is installed"), out)
    assert.are.same({"bin"}, process.list(place))
  end)

  it("that is interrupted leaves nothing", function()
    process.write(place .. "/script.lua", ([[
      print(require "fmnistnn.data.download"(%q, %q, {progress = false}))
    ]]):format(server.url .. "slow/good", place .. "/file"))
    local code, out, err = process.interrupt(process.lua(place .. "/script.lua"), place .. "/file.*.part")
    assert.are.equal(0, code, err)
    assert(plain(out, "nil\t" .. server.url .. "slow/good: interrupted"), out)
    assert.are.same({"script.lua"}, process.list(place))
  end)

  it("shows its progress on standard error, or keeps quiet", function()
    local script = "assert(require 'fmnistnn.data.download'(%q, %q, {progress = %s}))"
    local url = server.url .. "files/good"
    local code, out, err = process.run_lua(script:format(url, place .. "/file", "true"))
    assert.are.same({0, ""}, {code, out})
    assert(plain(err, "downloading " .. url) and plain(err, "100.0%"), err)
    assert.are.same({0, "", ""}, {process.run_lua(script:format(url, place .. "/file", "false"))})
    local missing = server.url .. "files/none"
    local _, _, said = process.run_lua(script:format(missing, place .. "/file", "false"))
    assert(not plain(said, "curl:"), said)
  end)
end)

describe("fashion_mnist from an address", function()
  local keys = {"train_images", "train_labels", "test_images", "test_labels"}
  local sums

  before_each(function()
    sums = {}
    for key, text in pairs(idx.contents(12, 5, 3, 4)) do
      local zipped = idx.gzip(text)
      serve(idx.names[key] .. ".gz", zipped)
      sums[key] = sha256(zipped)
    end
  end)

  local function fetch(path, checksums)
    return fnn.data.fashion_mnist {folder = place, url = server.url .. path, checksums = checksums, progress = false}
  end

  local function address(key) return server.url .. "files/" .. idx.names[key] .. ".gz" end

  it("fetches the four files once, in their order", function()
    local train, test = assert(fetch("files/", sums))
    assert.are.equal(12, #train)
    assert.are.equal(5, #test)
    local expected = {}
    for i, key in ipairs(keys) do expected[i] = "/files/" .. idx.names[key] .. ".gz" end
    assert.are.same(expected, requests())
    assert(fetch("files", sums))
    assert.are.same({}, requests())
    assert.are.equal(12, #assert(fnn.data.fashion_mnist(place)))
  end)

  it("goes on where it stopped", function()
    assert.is_nil(fetch("files/", setmetatable({test_images = ("0"):rep(64)}, {__index = sums})))
    assert.are.same({idx.names.train_images .. ".gz", idx.names.train_labels .. ".gz"}, process.list(place))
    requests()
    assert(fetch("files/", sums))
    assert.are.same({"/files/" .. idx.names.test_images .. ".gz", "/files/" .. idx.names.test_labels .. ".gz"},
    requests())
  end)

  it("demands Fashion-MNIST's own sums when no others are given", function()
    failed(address "train_images", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", fetch "files/")
  end)

  it("checks no sum that is not among those given", function()
    assert(fetch("files/", {}))
    os.remove(place .. "/" .. idx.names.test_labels .. ".gz")
    local other = ("0"):rep(64)
    local set, message = fetch("files/", {test_labels = other})
    assert.is_nil(set)
    assert(plain(message, address "test_labels") and plain(message, "expected " .. other), message)
  end)

  it("refuses what is no sum of one of them, and fetches nothing then", function()
    local digits = "expected 64 hexadecimal digits, got "
    for expected, checksums in pairs {
      ["unknown option trian_images"] = {trian_images = sums.train_images},
      ["train_images: " .. digits .. "number 5"] = {train_images = 5},
      ["test_labels: " .. digits .. "string '00'"] = {test_labels = "00"},
      ["test_images: " .. digits .. "string 'x"] = {test_images = ("x"):rep(64)},
    } do
      local ok, message = pcall(fetch, "files/", checksums)
      assert(not ok and plain(message, "fashion_mnist: checksums: " .. expected), message)
    end
    assert.are.same({}, requests())
    assert.are.same({}, process.list(place))
    sums.train_images = sums.train_images:upper()
    assert(fetch("files/", sums))
  end)

  it("says what is wrong with the server", function()
    failed(server.url .. "nowhere/", "answered with an error", fetch("nowhere/", sums))
    failed(server.url .. "truncated/", "ended early", fetch("truncated///", sums))
  end)

  it("puts them into the cache folder when none is given", function()
    local script = ([[
      local set = assert(require "fmnistnn".data.fashion_mnist {url = %q, checksums = {}, progress = false})
      print(#set)
    ]]):format(server.url .. "files")
    local code, out, err = process.run_lua(script,
    "env -u FMNISTNN_DATA XDG_CACHE_HOME=" .. quote(place .. "/a cache"))
    assert.are.same({0, "12\n", ""}, {code, out, err})
    assert.are.equal(4, #process.list(place .. "/a cache/fmnistnn/fashion-mnist"))
    code, out = process.run_lua(script:gsub("assert", "print"), "env -u HOME -u XDG_CACHE_HOME")
    assert.are.equal(1, code)
    assert(plain(out, "without HOME"), out)
  end)
end)
