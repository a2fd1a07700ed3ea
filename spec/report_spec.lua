-- Reports as people read them.
local fnn = require "fmnistnn"

local report = fnn.report

local function matrix(rows) return fnn.tensor(rows, {dtype = "int64"}) end

local function lines(text)
  local list = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do list[#list + 1] = line end
  return list
end

describe("report.classification", function()
  it("shows precision, recall, F1 and support, and their means", function()
    -- of class cat: 8 found of 10, 2 wrongly; of dog: 5 of 7; none of the third
    local text = report.classification(matrix {{8, 2, 0}, {2, 5, 0}, {0, 3, 0}}, {"cat", "dog", "fish"})
    assert.are.same({
      "class          precision  recall      F1  images",
      "cat                0.800   0.800   0.800      10",
      "dog                0.500   0.714   0.588       7",
      "fish               0.000   0.000   0.000       3",
      "mean               0.433   0.505   0.463      20",
      "weighted mean      0.575   0.650   0.606      20",
      "accuracy                           0.650      20",
    }, lines(text))
  end)

  it("of nothing is all zeros", function()
    local text = report.classification(matrix {{0, 0}, {0, 0}}, {"a", "b"})
    assert.matches("accuracy +0.000 +0$", text)
    assert.is_nil(text:find("nan", 1, true))
  end)
end)

describe("report.confusion", function()
  it("has a row for each true class, a column for each predicted one, and dots for no mistake", function()
    local text = report.confusion(matrix {{8, 2, 0}, {0, 0, 7}, {123456, 0, 5}}, {"cat", "dog", "goldfish"})
    assert.are.same({
      "true \\ predicted    cat    dog  goldf",
      "cat                   8      2      .",
      "dog                   .      0      7",
      "goldfish         123456      .      5",
    }, lines(text))
  end)

  it("of ten classes fits a terminal of 80 columns", function()
    local rows = {}
    for i = 1, 10 do
      rows[i] = {}
      for j = 1, 10 do rows[i][j] = 1000 end
    end
    for _, line in ipairs(lines(report.confusion(matrix(rows), fnn.data.class_names))) do assert(#line <= 80, line) end
  end)
end)

describe("reports", function()
  local two = matrix {{3, 1}, {0, 2}}

  it("take matrices of fractions, such as parts of a class", function()
    local parts = fnn.tensor {{0.75, 0.25}, {0, 1}}
    assert.are.same({"1                 0.75  0.25", "2                    .     1"},
      {table.unpack(lines(report.confusion(parts)), 2)})
    assert.are.equal("2                  0.800   1.000   0.889       1", lines(report.classification(parts))[3])
    assert.matches("0%.25$", report.classification(fnn.tensor {{0.25, 0}, {0, 0}}))
    assert.matches("nan", report.confusion(fnn.full({2, 2}, 0 / 0)))
  end)

  it("take names of any language, and bytes that are none", function()
    local text = report.confusion(two, {"Schnürschuhe", "мешок"})
    assert.are.same({
      "true \\ predicted Schnü мешок",
      "Schnürschuhe         3     1",
      "мешок                .     2",
    }, lines(text))
    assert.matches("\nмешок          +0.667", report.classification(two, {"Schnürschuhe", "мешок"}))
    for _, name in ipairs {"\xE9\xE8\xEA\xEB\xE9\xE8", "\x80\x80\x80\x80\x80\x80\x80", ""} do
      assert.are.equal(3, #lines(report.confusion(two, {name, "b"})))
      assert.are.equal(6, #lines(report.classification(two, {name, "b"})))
    end
  end)

  it("call classes by their numbers when they have no names", function()
    local expected = {"true \\ predicted     1     2", "1                    3     1", "2                    .     2"}
    assert.are.same(expected, lines(report.confusion(two)))
    assert.matches("\n2 +0.667", report.classification(two))
  end)

  it("want as many names as classes", function()
    assert.error_matches(function() report.confusion(two, {"a"}) end, "confusion: names: expected 2, .* got 1")
    local function three_names() report.classification(two, {"a", "b", "c"}) end
    assert.error_matches(three_names, "classification: names: expected 2")
  end)
end)
