--- A small strict reader of XML, and of HTML that is written like it: what it takes is well-formed.
--
--   local tree = xml.parse(text)     --> {name = "svg", attributes = {viewBox = ...}, "text", {name = ...}, ...}
--
-- It raises at the first mistake: tags that do not match, attributes without quotes or twice, characters that must be
-- escaped, unknown entities, control characters, bytes that are no UTF-8.
local xml = {}

local entities = {amp = "&", lt = "<", gt = ">", quot = '"', ["#39"] = "'"}

local function fail(text, at, what)
  error(("xml: %s at: %s"):format(what, text:sub(at, at + 60)), 0)
end

local function unescape(text, whole, at)
  if text:find("<", 1, true) then fail(whole, at, "< in a text") end
  return (text:gsub("&([^;]*);?", function(name)
    return entities[name] or fail(whole, at, "an unknown entity, &" .. name)
  end))
end

local function read_attributes(text, at, limit)
  local attributes = {}
  while true do
    local from, to, name, value = text:find('^%s+([%a_:][%w_:.-]*)="([^"]*)"', at)
    if not from then break end
    if attributes[name] then fail(text, at, "an attribute that is there twice") end
    attributes[name], at = unescape(value, text, at), to + 1
  end
  if at > limit then fail(text, at, "a tag without an end") end
  return attributes, at
end

-- These hold anything but their own end in HTML.
local raw = {script = true, style = true}

local function read_element(text, at)
  local _, to, name = text:find("^<([%a][%w:-]*)", at)
  if not name then fail(text, at, "expected a tag") end
  local node = {name = name}
  node.attributes, at = read_attributes(text, to + 1, #text)
  if text:sub(at, at + 1) == "/>" then return node, at + 2 end
  if text:sub(at, at) ~= ">" then fail(text, at, "expected an attribute or >") end
  at = at + 1
  if raw[name] then
    local stop = text:find("</" .. name .. ">", at, true) or fail(text, at, "no end of " .. name)
    node[1] = text:sub(at, stop - 1)
    return node, stop + #name + 3
  end
  while true do
    local stop = text:find("<", at, true) or fail(text, at, "no end of " .. name)
    if stop > at then node[#node + 1] = unescape(text:sub(at, stop - 1), text, at) end
    if text:sub(stop, stop + 1) == "</" then
      local wanted = ("</%s>"):format(name)
      if text:sub(stop, stop + #wanted - 1) ~= wanted then fail(text, stop, "expected " .. wanted) end
      return node, stop + #wanted
    end
    node[#node + 1], at = read_element(text, stop)
  end
end

function xml.parse(text)
  assert(utf8.len(text), "xml: not UTF-8")
  local bad = text:find "[\0-\8\11\12\14-\31]"
  if bad then fail(text, bad, "a control character") end
  local _, start = text:find "^<!doctype html>%s*"
  local node, at = read_element(text, (start or 0) + 1)
  if text:find("%S", at) then fail(text, at, "more after the end") end
  return node
end

--- All elements with a name, and with a class where one is given, in order.
function xml.all(tree, name, class)
  local found = {}
  local function walk(node)
    local classes = " " .. (node.attributes.class or "") .. " "
    if node.name == name and (not class or classes:find(" " .. class .. " ", 1, true)) then found[#found + 1] = node end
    for _, child in ipairs(node) do
      if type(child) == "table" then walk(child) end
    end
  end
  walk(tree)
  return found
end

--- The text in an element.
function xml.text(node)
  if type(node) == "string" then return node end
  local parts = {}
  for i, child in ipairs(node) do parts[i] = xml.text(child) end
  return table.concat(parts)
end

--- The cells of a table's body as texts, row by row.
function xml.rows(table_)
  local rows = {}
  for i, row in ipairs(xml.all(xml.all(table_, "tbody")[1], "tr")) do
    rows[i] = {}
    for j, cell in ipairs(row) do rows[i][j] = xml.text(cell) end
  end
  return rows
end

return xml
