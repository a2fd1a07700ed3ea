-- JSON by RFC 8259: what must be read, what must be refused, what is written. Cases follow the categories of the
-- well-known JSON test suites (Seriot, "Parsing JSON is a minefield").
local ctrl_c = require "spec.support.ctrl_c"
local json = require "fmnistnn.json"

local null = json.null

-- Whether two decoded values are the same, kinds of numbers included.
local function same(a, b)
  if type(a) ~= "table" or a == null or b == null then
    return a == b and math.type(a) == math.type(b)
  end
  if type(b) ~= "table" then return false end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function decoded(text)
  local value, message = json.decode(text)
  assert(message == nil, ("%q: %s"):format(text, tostring(message)))
  return value
end

local function refuses(text)
  local value, message = json.decode(text)
  assert(value == nil and type(message) == "string", ("%q was read as %s"):format(text, tostring(value)))
  assert(message:find("^json: "), message)
  return message
end

local function each(cases, check)
  for i = 1, #cases, 2 do check(cases[i], cases[i + 1]) end
end

describe("json.decode accepts", function()
  local function reads(cases)
    each(cases, function(text, value)
      assert(same(decoded(text), value), ("%q: got %s"):format(text, tostring(decoded(text))))
    end)
  end

  it("words, at the top and in arrays", function()
    reads {"true", true, "false", false, "null", null, "[true]", {true}, "[false]", {false}, "[null]", {null},
    " [] ", {}}
  end)

  it("white space everywhere", function()
    reads {" \t\r\n1\n", 1, "[\n1\t,\r2 ]", {1, 2}, '{ "a" : 1 , "b" : [ ] }', {a = 1, b = {}}}
  end)

  it("integers as integers, to both ends of 64 bits", function()
    reads {
      "0", 0, "-0", 0, "-1", -1, "123", 123, "9223372036854775807", math.maxinteger, "-9223372036854775808",
      math.mininteger,
      "9007199254740993", 9007199254740993,
    }
    assert.are.equal("float", math.type(decoded "9223372036854775808"))
    assert.are.equal(2.0 ^ 63, decoded "9223372036854775808")
    assert.are.equal(-1e20, decoded "-100000000000000000000")
  end)

  it("floats as floats", function()
    reads {
      "1.0", 1.0, "-0.0", 0.0, "123.456789", 123.456789, "1e3", 1000.0, "1E3", 1000.0, "1e+3", 1000.0, "1e-3", 0.001,
      "0e1", 0.0, "0e+1", 0.0,
      "1.5e2", 150.0, "-1.25E-2", -0.0125, "0.1", 0.1, "1E22", 1e22, "5e-324", 5e-324, "1.7976931348623157e308",
      1.7976931348623157e308,
      "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001", -1e-78,
    }
    assert.are.equal(-math.huge, 1 / decoded "-0.0")
    assert.are.equal(math.huge, decoded "1e400") -- as strtod has it
    assert.are.equal(0.0, decoded "1e-400")
  end)

  it("strings with every escape", function()
    reads {
      '""', "", '"a"', "a", [["\"\\\/\b\f\n\r\t"]], '"\\/\b\f\n\r\t', [["\u0041\u00e9\u20AC\uFFFD"]], "Aé€\u{FFFD}",
      [["\u0000"]], "\0",
      [["\ud83d\ude39\uD834\udd1e"]], "\u{1F639}\u{1D11E}", [["\uDBFF\uDFFF"]], "\u{10FFFF}", [["\u005c"]], "\\",
      [["\u0022"]], '"',
      [["\\u0000"]], "\\u0000", [["\\n"]], "\\n", '"a/*b*/c"', "a/*b*/c", '"\127"', "\127", '"\u{2028}\u{FEFF}"',
      "\u{2028}\u{FEFF}",
      '" "', " ", [["new\u000Aline"]], "new\nline", '"é"', "é", [["\uFFFF"]], "\u{FFFF}",
    }
  end)

  it("objects and arrays", function()
    reads {
      "{}", {}, '{"":0}', {[""] = 0}, '{"a":{"b":[]}}', {a = {b = {}}}, '[[],[[1]],{}]', {{}, {{1}}, {}},
      '{"a\\u0000b":1}', {["a\0b"] = 1},
      '[1,null,3]', {1, null, 3}, '{"x":null}', {x = null}, '{"min": -1.0e+28, "max": 1.0e+28}', {min = -1e28,
      max = 1e28},
    }
    assert.is_true(json.is_array(decoded "[]"))
    assert.is_false(json.is_array(decoded "{}"))
    assert.is_false(json.is_array(decoded "null"))
    assert.is_false(json.is_array("[]"))
  end)

  it("strings that are no UTF-8, as they are", function()
    for _, bytes in ipairs {"\255", "\xC0\xAF", "\xED\xA0\x80", "\xE9", "\x81", "\xF4\xBF\xBF\xBF"} do
      assert.are.equal(bytes, decoded('"' .. bytes .. '"'))
      assert.are.equal('"' .. bytes .. '"', json.encode(bytes))
    end
  end)
end)

describe("json.decode refuses", function()
  local function refuse_all(cases)
    for _, text in ipairs(cases) do refuses(text) end
  end

  it("nothing, and more than one value", function()
    refuse_all {"", " ", "\n", "1 2", "[] []", "{} 1", '"a" "b"', "[1]x", "true,", "1]", '""]', "null}", "[][", "\0",
    "1\0", " \f1", "\v1"}
  end)

  it("words that are none", function()
    refuse_all {"nul", "tru", "fals", "True", "NULL", "undefined", "nothing", "n", "[nul]", "[truth", "*", "'a'",
    "a", "<.>", "\u{FEFF}1", "\xEF\xBB\xBF{}"}
  end)

  it("numbers that are none", function()
    refuse_all {
      "-", "+1", "01", "-01", "00", "1.", ".1", "-.1", "1.e1", "1e", "1e+", "1E-", "1eE2", "1.2.3", "0x1", "0x1p3",
      "1_000", "1,000",
      "NaN", "nan", "-nan", "Infinity", "-Infinity", "inf", "Inf", "1 000.0", "- 1", "--1", "++1", "1a", "-2.",
      "0.e1", "2.e3", "0.3e", "0.3e+", "0e", "１",
      "[-]", "[1.]", "[0e+-1]", "[-1.0.]", "[1+2]", "[.-1]", "[1ea]", "[-foo]", "1f", "1.0d", "1e1.5",
    }
  end)

  it("arrays that are none", function()
    refuse_all {
      "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1:2]", "[1;2]", "[1}", "[1,\n1\n,1",
      "[\"a\",\n4\n,1,", '["x"', '["",]', "[   , \"\"]",
      '["": 1]', "[{}", "[[1]", "[a", "[*]", "[1]]",
    }
  end)

  it("objects that are none", function()
    refuse_all {
      "{", "}", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,"a":1}', '{"a" 1}', '{"a"::1}', '{"a",1}',
      '{a:1}', "{'a':1}", "{1:1}", "{null:1}",
      '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a":1]', '{"a":}', '{"a"}', '{"a":1,,"b":2}', '{[1]:2}', '{"a":/*c*/1}',
      '{"a":1}//', '{"a":1}#', '{"a":1}/**/', "{}}",
      '{"a" b}', '{:"b"}', '{"a":1,"a":2}', '{"a":null,"a":null}', '{"a":1,"\\u0061":2}',
    }
  end)

  it("strings that are none", function()
    refuse_all {
      '"', '"a', [["\"]], [["\]], [["\x41"]], [["\a"]], [["\'"]], [["\u"]], [["\u12"]], [["\u123"]], [["\u123g"]],
      [["\u 123"]], [["\u-123"]], [["\u+123"]],
      [["\U0041"]], [["\ud800"]], [["\ud800a"]], [["\ud800\n"]], [["\ud800\u0041"]], [["\ud800\ud800"]],
      [["\udc00"]], [["\udc00\ud800"]], [["\ud800\u"]],
      [["\uD800\uDBFF"]], [["\uD800\uE000"]], '"\n"', '"\t"', '"\0"', '"\31"', '"a\rb"', [["\]] .. "\n\"",
      [["\]] .. "\0\"", [["\é"]], "a\"", "\\u0041", '"a""',
    }
  end)

  it("what is nested more than 200 deep, without an end to the stack", function()
    decoded(("["):rep(200) .. ("]"):rep(200))
    decoded(('{"a":'):rep(200) .. "1" .. ("}"):rep(200))
    refuses(("["):rep(202) .. ("]"):rep(202))
    refuses(('{"a":'):rep(202) .. "1" .. ("}"):rep(202))
    assert.matches("nested too deeply", refuses(("["):rep(1000000)))
    assert.matches("nested too deeply", refuses(('[{"a":'):rep(100000)))
  end)

  it("every beginning of a text", function()
    local text = '{"a": [1, -2.5e3, "x\\u00e9\\n", true, false, null, {"b": []}], "c": ""}'
    decoded(text)
    for length = 0, #text - 1 do refuses(text:sub(1, length)) end
  end)

  it("with the line where it went wrong", function()
    assert.matches("^json: line 1: ", refuses "[1,]")
    assert.matches("^json: line 3: ", refuses '{\n"a": 1,\n"b" 2}')
    assert.matches("^json: line 4: expected , or %]", refuses "[1,\r\n2,\r\n3\r\n4]")
    assert.matches("line 2: an unknown escape", refuses '["a",\n"\\x"]')
    assert.matches("line 2: the key a stands there twice", refuses '{"a": 1,\n"a": 2}')
    assert.matches("line 1: a string without an end", refuses '["a')
    assert.matches("line 1: half of a surrogate pair", refuses [["\ud800"]])
    assert.matches("line 1: a control character", refuses '"\n"')
  end)

  it("what is no text", function()
    for _, value in ipairs {5, true, {}} do
      assert.are.same({nil, "json: expected a text, got " .. type(value)}, {json.decode(value)})
    end
  end)

  it("no text for what else goes wrong while it reads, such as Ctrl-C", function()
    local text = "[" .. ("1,"):rep(1000) .. "1]"
    ctrl_c(1000)
    assert.error_matches(function() json.decode(text) end, "^interrupted!$")
  end)

  it("any bytes with a message, never with an error", function()
    local seed = 1
    local function random(n)
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return (seed >> 16) % n + 1
    end
    local pieces = {"[", "]", "{", "}", ",", ":", '"', "\\", "u", "d800", "1", "-", ".", "e", "0", " ", "\n", "true",
    "null", "\0", "\255", "a"}
    for _ = 1, 5000 do
      local parts = {}
      for i = 1, random(12) do parts[i] = pieces[random(#pieces)] end
      local text = table.concat(parts)
      local value, message = json.decode(text)
      if value == nil then assert.is_string(message) end
    end
  end)
end)

describe("json.encode", function()
  local function round_trip(value)
    local text = json.encode(value)
    assert(same(decoded(text), value), text)
    assert(same(decoded(json.encode(value, "  ")), value), text)
    return text
  end

  it("writes what decode reads back the same", function()
    for _, value in ipairs {
      true, false, null, "", "a\"\\/\b\f\n\r\t\0\1\31\127é€\u{1F639}", 0, -1, math.maxinteger, math.mininteger, 1.0,
      -0.5, 0.1, 1 / 3, 1e15, 1e22, 1e100, 5e-324,
      1.7976931348623157e308, 2.0 ^ 53, 123456789.123, {1, 2, 3}, {1.0, 2, {}}, {a = 1, b = {c = {null, true}}},
      {[""] = {[" "] = "x"}}, json.array {},
      {{}, json.array {}}, {"x", null},
    } do
      round_trip(value)
    end
    assert.are.equal(-math.huge, 1 / decoded(round_trip(-0.0)))
  end)

  it("writes any float so that it reads back to the bit", function()
    local seed = 88172645463325252
    for _ = 1, 2000 do
      seed = seed ~ seed << 13
      seed = seed ~ seed >> 7
      seed = seed ~ seed << 17
      local x = string.unpack("d", string.pack("i8", seed))
      if x == x and math.abs(x) < math.huge then round_trip(x) end
    end
  end)

  it("writes integers and floats apart, keys in order, and escapes", function()
    each({
      {1, 1.0, 1e300, -0.0}, "[1,1.0,1e+300,-0.0]",
      {b = 1, a = {2}, c = {}}, '{"a":[2],"b":1,"c":{}}',
      json.array(), "[]",
      {null, "\"\\\n\0\127"}, [==[[null,"\"\\\n\u0000\u007f"]]==],
      {[""] = json.array {json.array {}}}, '{"":[[]]}',
    }, function(value, text) assert.are.equal(text, json.encode(value)) end)
  end)

  it("indents", function()
    local text = json.encode({a = json.array(), b = {c = ("x"):rep(200), d = {}}}, "  ")
    assert.error_matches(function() json.encode({1}, "--") end, "json: indent: expected a string of spaces, got '%-%-'")
    assert.are.equal('{\n  "a": [],\n  "b": {\n    "c": "' .. ("x"):rep(200) .. '",\n    "d": {}\n  }\n}', text)
  end)

  it("has no array of what is no table", function()
    assert.error_matches(function() json.array(5) end, "json.array: expected a table, got number")
    assert.are.equal("[]", json.encode(json.array()))
  end)

  it("raises for what JSON cannot hold", function()
    local circle = {}
    circle[1] = circle
    local object_circle = {}
    object_circle.a = {object_circle}
    each({
      print, "cannot write a function",
      {print}, "cannot write a function",
      coroutine.create(print), "cannot write a thread",
      io.stdout, "cannot write a userdata",
      0 / 0, "must be finite",
      math.huge, "must be finite",
      {a = -math.huge}, "must be finite",
      circle, "circle",
      object_circle, "circle",
      {[1] = 1, a = 2}, "an array cannot have the key a",
      {1, [3] = 3}, "an array cannot have the key 3",
      {1, [1.5] = 3}, "an array cannot have the key 1.5",
      json.array {a = 1}, "an array cannot have the key a",
      {[2] = 1}, "key must be a string, got number",
      {[true] = 1}, "key must be a string, got boolean",
    }, function(value, expected) assert.error_matches(function() json.encode(value) end, expected) end)
    assert.error_matches(function() json.encode(nil) end, "cannot write a nil")
  end)
end)
