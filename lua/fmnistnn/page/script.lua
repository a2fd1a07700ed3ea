--- What pages do beyond standing there: tables are sorted by a click on a heading and filtered by words, values are
-- shown beside the pointer, the page of a run is loaded anew. Everything can be read without.
return [[
"use strict";
(function () {
  // ---- tables ----
  function key(cell) {
    var value = cell ? cell.dataset.value || cell.textContent : "";
    var number = Number(value);
    return value === "" ? null : isNaN(number) ? value.toLowerCase() : number;
  }
  function compare(a, b) {
    if (a === null || b === null) return 0;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  function sort(table, column, heading) {
    var down = heading.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("thead th").forEach(function (th) { th.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    var body = table.tBodies[0];
    Array.from(body.rows).map(function (row) { return [key(row.cells[column]), row]; }).sort(function (a, b) {
      if ((a[0] === null) !== (b[0] === null)) return a[0] === null ? 1 : -1; // what is empty comes last
      return down ? compare(b[0], a[0]) : compare(a[0], b[0]);
    }).forEach(function (pair) { body.appendChild(pair[1]); });
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (th, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, th.childNodes);
      th.append(button);
      button.addEventListener("click", function () { sort(table, column, th); });
    });
  });

  // A field that hides the rows in which one of its words does not occur.
  document.querySelectorAll("table[data-filter]").forEach(function (table) {
    var rows = Array.from(table.tBodies[0].rows), texts = rows.map(function (row) {
      return Array.from(row.cells).map(function (cell) { return cell.textContent; }).join("\n").toLowerCase();
    });
    var label = document.createElement("label"), input = document.createElement("input");
    var output = document.createElement("output");
    function filter() {
      var words = input.value.toLowerCase().split(/\s+/), count = 0;
      rows.forEach(function (row, i) {
        row.hidden = !words.every(function (word) { return texts[i].indexOf(word) >= 0; });
        if (!row.hidden) count++;
      });
      output.textContent = count + " of " + rows.length + " rows";
    }
    input.type = "search";
    input.addEventListener("input", filter);
    var box = document.createElement("div");
    box.className = "filter";
    label.append("Rows with ", input);
    box.append(label, output);
    table.parentNode.before(box);
    filter();
  });

  // ---- values beside the pointer ----
  var tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  document.querySelectorAll(".plot svg title").forEach(function (title) { // else the browser shows them as well
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  });
  function place(event) {
    var x = event.clientX + 14, y = event.clientY + 14, box = tip.getBoundingClientRect();
    if (x + box.width > innerWidth - 4) x = Math.max(4, event.clientX - 14 - box.width);
    if (y + box.height > innerHeight - 4) y = Math.max(4, event.clientY - 14 - box.height);
    tip.style.transform = "translate(" + x + "px," + y + "px)";
  }
  document.addEventListener("pointermove", function (event) {
    var mark = event.target.closest && event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    if (tip.textContent !== mark.dataset.tip) tip.textContent = mark.dataset.tip;
    place(event);
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") tip.hidden = true; });
  addEventListener("scroll", function () { tip.hidden = true; }, {passive: true});

  // ---- the page of a run ----
  var live = document.querySelector(".live");
  if (!live) return;
  var store = {getItem: function () {}, setItem: function () {}};
  try { store = sessionStorage; } catch (error) { /* then nothing is remembered */ }
  var open = (store.getItem("fnn-open") || "").split(","), details = document.querySelectorAll("details");
  details.forEach(function (each, i) { each.open = open.indexOf(String(i)) >= 0; });
  var button = document.createElement("button"), paused = store.getItem("fnn-paused") === "1";
  button.type = "button";
  function show() { button.textContent = paused ? "Resume" : "Pause"; }
  button.addEventListener("click", function () {
    paused = !paused;
    store.setItem("fnn-paused", paused ? "1" : "0");
    show();
  });
  show();
  live.append(button);
  live.hidden = false;
  setInterval(function () {
    if (paused || document.hidden || document.activeElement.value) return; // a filter is at work
    store.setItem("fnn-open", Array.from(details).map(function (each, i) { return each.open ? i : ""; }).join(","));
    location.reload();
  }, Number(live.dataset.seconds) * 1000);
})();
]]
