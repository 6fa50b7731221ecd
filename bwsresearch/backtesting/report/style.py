"""The report's style sheet: no script, no file beside it, light and dark by the reader's choice."""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5d6670;--line:#d8dee4;--page:#fff;--card:#f6f8fa;
--up:13,120,110;--down:190,52,40}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;
--page:#0d1117;--card:#161b22;--up:45,190,175;--down:248,120,105}}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:var(--page);font:15px/1.5 system-ui,sans-serif}
main{margin:0 auto;max-width:70rem;padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
h3{font-size:.95rem;margin:0 0 .25rem}
p{color:var(--soft);margin:.2rem 0;overflow-wrap:anywhere}
figure{margin:1.5rem 0 0}
figcaption{color:var(--soft);font-size:.85rem}
img{width:100%;min-width:42rem;display:block}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem 0 .2rem 1.2rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th{font-weight:500;color:var(--soft)}
td:first-child,th:first-child{text-align:left;padding-left:0}
.wide{width:100%}
.months td,.months th{padding:.25rem .4rem}
.months td:first-child,.months th:first-child{padding-left:0}
.months td:last-child{font-weight:600}
.facts td,.facts th{white-space:normal;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.facts th{white-space:nowrap}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;
margin-top:1rem;font-variant-numeric:tabular-nums}
.cards div{background:var(--card);border-radius:8px;padding:.5rem .8rem;font-size:1.15rem;
font-weight:600}
.cards span{display:block;color:var(--soft);font-size:.85rem;font-weight:400}
.groups{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1.5rem 2.5rem}
.groups table{width:100%}
.groups td:last-child{text-align:right}
.note{border-left:4px solid var(--soft);background:var(--card);padding:.5rem .8rem;
margin-top:1rem;color:var(--ink)}
.scroll{overflow-x:auto}
.up{color:rgb(var(--up))}.down{color:rgb(var(--down))}
details{margin-top:2rem}summary{cursor:pointer}summary h2{display:inline;margin:0}
details .scroll{max-height:36rem;overflow:auto;margin-top:.5rem}
details thead th{position:sticky;top:0;background:var(--page)}
@media print{main{max-width:none;padding:0}img{min-width:0}body{font-size:9pt}
figure,tr,.cards div,.groups section{break-inside:avoid}h2{break-after:avoid}
.cards div{border:1px solid var(--line)}details .scroll{max-height:none;overflow:visible}}
"""
