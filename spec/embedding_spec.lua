--- What docs/embedding.md says to hosts: its C program is compiled and run as it stands there.
local fnn = require "fmnistnn"
local process = require "spec.support.process"
local quote = process.quote

describe("loading the module", function()
  it("starts no threads, nor does work on one", function()
    local code, out, err = process.run_lua [[
      local function threads()
        for line in io.lines "/proc/self/status" do
          if line:match "^Threads:" then return line end
        end
      end
      local before = threads()
      local fnn = require "fmnistnn"
      fnn.set_threads(1)
      local x = fnn.randn(300, 300)
      assert(x:matmul(x):isfinite():all():item() == 1)
      print(before == threads() or threads())
    ]]
    assert.equal(0, code, err)
    assert.equal("true\n", out)
  end)
end)

-- #long: a program that a sanitizer does not look into
describe("the program of docs/embedding.md #long", function()
  local here, model, images
  local flags = process.output("pkg-config --cflags --libs lua5.4 2>/dev/null"):gsub("\n", "")

  lazy_setup(function()
    here = process.folder()
    local page = process.read("docs/embedding.md")
    process.write(here .. "/classify.c", page:match("\n```c\n(.-)\n```"))
    process.write(here .. "/classify.lua", page:match("\n```lua\n(.-)\n```"))
    model = fnn.nn.Sequential {fnn.nn.Conv2d {8, kernel = 3, stride = 3, activation = "relu"}, fnn.nn.Flatten {},
      fnn.nn.Dense {10}}
    images = fnn.randn(20, 1, 28, 28)
    model(images)
    assert(model:save(here .. "/model.safetensors"))
    process.write(here .. "/images", images:tobytes())
  end)

  lazy_teardown(function() process.remove(here) end)

  local function run(command) return process.run(("cd %s && %s"):format(quote(here), command)) end

  it("tells each image's class", function()
    if flags == "" or not process.has "cc" then return pending "needs cc and Lua's headers" end
    local code, _, err = run("cc -Wall -Wextra -Werror classify.c -o classify " .. flags)
    assert.equal(0, code, err)
    local out
    code, out, err = run(process.with_paths() .. " ./classify model.safetensors < images")
    assert.equal(0, code, err)
    local expected = {}
    for i, class in ipairs(model:eval()(images):argmax(2):totable()) do expected[i] = ("%d\n"):format(class) end
    assert.equal(table.concat(expected), out)
    code, _, err = run(process.with_paths() .. " ./classify nothing.safetensors < images")
    assert.equal(1, code)
    assert.matches("nothing.safetensors", err)
  end)
end)
