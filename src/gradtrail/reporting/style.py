"""The page's frame: its skeleton and its looks, with nothing from elsewhere."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""  # noqa: E501

STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --soft: #5d6773; --line: #dfe4ea;
  --page: #f6f7f9; --card: #fff; --trained: #2458a6; --held: #b4461a; --faint: #c9d6ea; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa5b3; --line: #343c47; --page: #14181d; --card: #1d232b;
    --trained: #7eadf2; --held: #f0905f; --faint: #34475f; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 28px; margin: 8px 0 16px; }
h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 14px; margin: 20px 0 6px; color: var(--soft); font-weight: 600; }
header dl { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 8px; }
header dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 16px; min-width: 120px; max-width: 100%; }
dt { color: var(--soft); font-size: 12px; }
dd { margin: 0; font-size: 19px; font-weight: 600; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 20px;
  margin-top: 20px; }
.scroll, pre { overflow-x: auto; }
.curves { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(270px, 100%), 1fr)); }
.curves svg { width: 100%; height: auto; }
p { margin: 0 0 10px; color: var(--soft); }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 6px; }
th, td { padding: 3px 10px; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; white-space: pre-line; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; }
.matrix { margin-bottom: 20px; }
.matrix td { border: 1px solid var(--card); min-width: 38px; padding: 6px; text-align: center; }
.matrix th { border: 0; white-space: nowrap; }
.matrix thead th { vertical-align: bottom; padding: 3px 2px; text-align: center; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); }
.light { color: #fff; }
img { image-rendering: pixelated; display: block; border-radius: 3px; background: #000; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 14px; }
figure { margin: 0; }
figcaption { font-size: 12px; line-height: 1.35; margin-top: 4px; }
.filters { display: flex; flex-wrap: wrap; gap: 8px; }
details { margin-top: 8px; }
summary { cursor: pointer; color: var(--soft); }
pre { font: 12.5px/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; margin: 0; }
@media (max-width: 600px) {
  main { padding: 12px 10px 40px; }
  section { padding: 14px 12px; }
  header dl { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
  header dl div { padding: 8px 12px; min-width: 0; }
  dd { font-size: 17px; }
  table { font-size: 12px; }
  th, td { padding: 3px 7px; white-space: pre; }
  .matrix td { min-width: 24px; padding: 5px 2px; }
  .matrix th { padding: 3px; }
  .gallery { grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); gap: 10px; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --page: #fff; --card: #fff;
    --trained: #2458a6; --held: #b4461a; --faint: #c9d6ea; }
  body { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  section { border: 0; padding: 0; margin-top: 22px; }
  header dl div { padding: 6px 10px; min-width: 0; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .curves svg, header { break-inside: avoid; }
  .curves { grid-template-columns: repeat(3, 1fr); }
  .scroll, pre { overflow: visible; }
  table { font-size: 9px; }
  th, td { padding: 2px 5px; }
  pre { white-space: pre-wrap; font-size: 9px; }
}
"""
