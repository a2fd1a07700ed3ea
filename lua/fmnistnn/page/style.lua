--- The style sheets: that of the charts, with variables in pages and with fixed colours in an SVG of its own, and that
-- of the pages.
local colors = require "fmnistnn.page.colors"

local style = {}

local FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

-- Everything is below the class of charts: an SVG may be put into a page that has classes of its own.
local chart = [[
.fnn{font:12px FONT;fill:var(--ink);color:var(--ink);font-variant-numeric:tabular-nums}
.fnn .muted{fill:var(--muted)}
.fnn .title{font-size:15px;font-weight:600}
.fnn .strong{font-weight:600}
.fnn .end{text-anchor:end}
.fnn .middle{text-anchor:middle}
.fnn .grid{fill:none;stroke:var(--grid)}
.fnn .axis{fill:none;stroke:var(--line)}
.fnn .line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.fnn .dash{stroke-dasharray:6 4}
.fnn .leader{fill:none;stroke:currentColor;stroke-opacity:.6}
.fnn .band{fill:currentColor;fill-opacity:.14}
.fnn .mark{fill:currentColor;stroke:var(--background)}
.fnn .hollow{fill:var(--background);stroke:currentColor;stroke-width:1.5}
.fnn .label{fill:currentColor}
.fnn .hit{fill:transparent}
.fnn .hit:hover{fill:var(--muted);fill-opacity:.16}
.fnn .halo{paint-order:stroke;stroke:var(--background);stroke-width:4;stroke-linejoin:round}
.fnn .point{fill:#000;stroke:#fff;stroke-width:1.5}
.fnn .path{stroke-width:1.5}
.fnn .dot{stroke-width:5}
.fnn .path:hover{stroke-width:4}
.fnn .dot:hover{stroke-width:9}
.fnn .bar{fill:currentColor}
.fnn .bar:hover,.fnn .point:hover{stroke:var(--ink);stroke-width:1.5}
.fnn .state-2,.fnn .state-3,.fnn .state-4{fill:var(--background);stroke:currentColor;stroke-width:2}
.fnn .state-3{stroke-dasharray:5 2}
.fnn .state-4{stroke-dasharray:1 2}
.fnn .error{fill:none;stroke:var(--ink);stroke-width:1.5}
.fnn .around{stroke:var(--background);stroke-width:4.5}
.fnn .on-bar{fill:var(--background)}
.fnn .pixels{image-rendering:pixelated}
]]

local page = [[
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--background);color:var(--ink);font:16px/1.55 FONT}
header,main,footer,body>nav{max-width:792px;margin:0 auto;padding:0 16px}
header{padding-top:40px}
main{padding-bottom:24px}
h1{font-size:clamp(1.6rem,5vw,2.25rem);line-height:1.2;letter-spacing:-.02em;margin:0 0 .5rem;text-wrap:balance}
h2{font-size:1.4rem;line-height:1.25;letter-spacing:-.01em;margin:3rem 0 .75rem;padding-top:1.25rem;
  border-top:1px solid var(--grid)}
h3{font-size:1.1rem;margin:2rem 0 .5rem}
h1,h2,h3,p,figcaption,li{overflow-wrap:break-word}
p{margin:0 0 1rem;max-width:68ch}
.lead{font-size:1.125rem;color:var(--muted)}
a{color:var(--accent)}
nav ul{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:8px 0 0;padding:0}
nav a{display:inline-block;padding:4px 0}
pre{background:var(--surface);padding:14px 16px;border-radius:6px;margin:0;
  font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.scroll{overflow-x:auto;max-width:100%;margin:0 0 1.5rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
figcaption{font-weight:600;line-height:1.4}
.filter{display:flex;flex-wrap:wrap;align-items:center;gap:4px 10px;margin:8px 0;font-size:.875rem}
.filter input{font:inherit;color:inherit;background:var(--background);border:1px solid var(--line);border-radius:5px;
  padding:4px 8px;width:16rem;max-width:100%}
.filter output{color:var(--muted)}
tr[hidden]{display:none}
th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--grid);vertical-align:top;font-weight:400}
thead th{font-weight:600;border-color:var(--line);vertical-align:bottom}
tbody tr:hover{background:var(--surface)}
th:last-child,td:last-child{padding-right:4px}
.n{text-align:right;white-space:nowrap}
.long{min-width:28rem}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
th button::after{content:"\2195";color:var(--muted);padding-left:4px;font-weight:400}
th[aria-sort=ascending] button::after{content:"\2191";color:var(--accent)}
th[aria-sort=descending] button::after{content:"\2193";color:var(--accent)}
figure{margin:0 0 1.5rem;min-width:0}
figure>.scroll{margin:6px 0 0}
.charts{display:grid;gap:0 32px;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));margin-top:1rem}
.plot{container-type:inline-size;margin:8px 0 6px}
.plot>svg{display:block;width:100%;height:auto;overflow:visible}
.plot>.narrow{max-width:440px}
.plot>.wide{display:none}
@container (min-width:600px){.plot>.wide{display:block}.plot>.narrow:not(:only-child){display:none}}
.gallery{display:flex;flex-wrap:wrap;gap:14px 12px;list-style:none;margin:12px 0;padding:0}
.gallery li{font-size:.8125rem;line-height:1.35;white-space:pre-line}
.gallery img{display:block;image-rendering:pixelated;border:1px solid var(--grid);margin-bottom:4px}
details{font-size:.875rem}
summary{cursor:pointer;color:var(--muted);padding:4px 0;width:fit-content}
details .scroll{max-height:24rem;overflow:auto;margin-top:4px}
.live{font-size:.875rem;color:var(--muted);margin:0}
.live button{font:inherit;color:var(--accent);background:none;border:1px solid var(--line);border-radius:5px;
  padding:2px 10px;margin-left:8px;cursor:pointer}
.tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--background);border-radius:5px;
  padding:6px 9px;font-size:13px;line-height:1.4;white-space:pre-line;max-width:min(300px,90vw);top:0;left:0;
  font-variant-numeric:tabular-nums}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.note{font-size:.875rem;color:var(--muted);margin:2px 0 0}
footer{color:var(--muted);font-size:.875rem;padding-bottom:32px}
footer::before{content:"";display:block;border-top:1px solid var(--grid);margin-bottom:12px}
@media print{
  body{font-size:11pt}
  header{padding-top:0}
  nav,details,.live,.tip,.filter{display:none}
  figure,tr,pre{break-inside:avoid}
  h2,h3,figcaption{break-after:avoid}
  .scroll{overflow:visible}
  th button::after{content:none}
}
]]

-- The classes of colours, as many as there are.
local function color_classes()
  local lines = {}
  for i = 1, colors.SERIES do lines[#lines + 1] = (".fnn .s%d{color:var(--series-%d)}"):format(i, i) end
  for i = 1, colors.LEVELS do
    lines[#lines + 1] = (".fnn .c%d{fill:var(--cell-%d)}.fnn .o%d{fill:var(--on-cell-%d)}"):format(i, i, i, i)
    lines[#lines + 1] = (".fnn .m%d{color:var(--mark-%d)}"):format(i, i)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function chart_style() return (chart:gsub("FONT", FONT)) .. color_classes() end

--- For an SVG of its own: light, with the colours in place.
function style.standalone()
  local variables = colors.variables(colors.light)
  return (chart_style():gsub("var%(%-%-([%w-]+)%)", variables))
end

local function declarations(theme)
  local variables, lines = colors.variables(theme), {}
  for name, value in pairs(variables) do lines[#lines + 1] = ("--%s:%s"):format(name, value) end
  table.sort(lines)
  return ":root{" .. table.concat(lines, ";") .. "}"
end

--- For a page: as the reader's system is, light or dark, and light on paper.
function style.page()
  return declarations(colors.light) .. "\n@media screen and (prefers-color-scheme:dark){" .. declarations(colors.dark)
    .. "}\n" .. page:gsub("FONT", FONT) .. chart_style()
end

return style
