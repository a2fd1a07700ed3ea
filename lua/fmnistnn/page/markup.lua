--- Elements of HTML and SVG as Lua values. Texts are escaped when they are written, so that nothing that comes from
-- outside can become markup.
--
--   local e = markup.element
--   markup.write(e("p", {class = "note"}, "1 < 2"))   --> <p class="note">1 &lt; 2</p>
--
-- Children are elements, texts, numbers, lists of these, or false for none. Numbers in attributes are coordinates,
-- rounded to tenths; what must be exact is given as a text.
local numbers = require "fmnistnn.page.numbers"
local to_utf8 = require "fmnistnn.to_utf8"

local markup = {}

local Element, Raw = {}, {}

--- An element with attributes (false: not there) and children.
function markup.element(name, attributes, ...)
  return setmetatable({name = name, attributes = attributes or {}, children = table.pack(...)}, Element)
end

--- Text that is markup already: style sheets and scripts of this library, and what markup.write returned.
function markup.raw(text) return setmetatable({text = text}, Raw) end

local escapes = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}
local REPLACEMENT = "\u{FFFD}"

--- The text as XML can hold it (1.0, section 2.2), with its special characters escaped.
function markup.escape(text)
  text = to_utf8(text):gsub("[\0-\8\11\12\14-\31]", REPLACEMENT)
  text = text:gsub("\u{FFFE}", REPLACEMENT):gsub("\u{FFFF}", REPLACEMENT)
  return (text:gsub("[&<>\"']", escapes))
end

local function attribute_text(value)
  if type(value) == "number" then return numbers.coordinate(value) end
  return markup.escape(value)
end

local function write_attributes(attributes, out)
  local names = {}
  for name, value in pairs(attributes) do
    if value then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = attributes[name]
    out[#out + 1] = (' %s="%s"'):format(name, value == true and "" or attribute_text(value))
  end
end

-- Elements that may end at once: those of HTML that never have children, and some of SVG. <p/> would be no end in HTML.
local empty = {}
for name in ("img meta circle image path rect"):gmatch "%a+" do empty[name] = true end

local function write(node, out)
  local class = getmetatable(node)
  if class == Raw then
    out[#out + 1] = node.text
  elseif class == Element then
    out[#out + 1] = "<" .. node.name
    write_attributes(node.attributes, out)
    if empty[node.name] and node.children.n == 0 then
      out[#out + 1] = "/>"
      return
    end
    out[#out + 1] = ">"
    for i = 1, node.children.n do write(node.children[i], out) end
    out[#out + 1] = ("</%s>"):format(node.name)
  elseif type(node) == "table" then
    for _, child in ipairs(node) do write(child, out) end
  elseif node then
    out[#out + 1] = markup.escape(tostring(node))
  end
end

--- The text of an element or a list of them.
function markup.write(node)
  local out = {}
  write(node, out)
  return table.concat(out)
end

return markup
