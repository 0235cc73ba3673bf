/** How pages look: dark and light as the reader has it, from 320 pixels on, and on paper. Nothing is loaded for it. */
import { TONES } from './chart.js';

const LIGHT =
  '--bg:#f7f7f5;--card:#fff;--ink:#1b1d21;--quiet:#5d636e;--line:#e1e3e7;--good:#1a7f4b;--bad:#b42318;--warn:#8a5a00;' +
  '--tone0:#6b7280;--tone1:#0b6bcb;--tone2:#a1449b;--tone3:#1a7f4b;--drain:#9aa1ae';
const DARK =
  '--bg:#14161a;--card:#1c1f25;--ink:#e7e9ee;--quiet:#9aa2b1;--line:#2f343d;--good:#4cc38a;--bad:#ff8a80;--warn:#e2b04a;' +
  '--tone0:#a7afbd;--tone1:#5cb2ff;--tone2:#dd93d8;--tone3:#4cc38a;--drain:#7b8494';

const tones = Array.from(
  { length: TONES },
  (_, tone) =>
    `svg .tone${tone}{stroke:var(--tone${tone})}svg circle.tone${tone}{fill:var(--tone${tone})}.key.tone${tone}{border-color:var(--tone${tone})}`,
).join('\n');

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media(prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:64rem;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2rem 0 .6rem}
p{margin:.25rem 0;overflow-wrap:anywhere}
a{color:var(--tone1)}
.quiet{color:var(--quiet)}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.badge{display:inline-block;padding:0 .6em;border:1px solid currentColor;border-radius:1em;font-size:.8rem;line-height:1.5;font-weight:600;vertical-align:.15em;white-space:nowrap}
.reason{border-left:3px solid var(--bad);padding:.4rem .75rem;margin:.75rem 0;background:var(--card)}
.facts{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:.6rem;margin:1rem 0;padding:0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.55rem .75rem}
.facts dt{color:var(--quiet);font-size:.8rem}
.facts dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts dd small{display:block;font-size:.8rem;color:var(--quiet)}
.timeline{list-style:none;margin:0;padding:0}
.timeline li{display:grid;grid-template-columns:9rem 1fr 5rem;gap:.75rem;align-items:center;padding:.15rem 0}
.timeline .track{background:var(--line);border-radius:.25rem;height:.85rem;width:100%}
.timeline rect{fill:var(--tone1)}.timeline rect.drain{fill:var(--drain)}.timeline rect.failed{fill:var(--bad)}
.timeline .ms{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.75rem;min-width:0}
figcaption{font-weight:600;font-size:.9rem}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}
svg .grid{stroke:var(--line)}
svg .tick{fill:var(--quiet)}
svg line.mark{stroke:var(--quiet);stroke-dasharray:2 3}
svg text.mark{fill:var(--quiet);font-size:10px}
svg polyline{fill:none;stroke-width:2;stroke-linejoin:round}
svg polyline.faint{stroke-width:1.2;stroke-dasharray:3 3}
${tones}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1rem;list-style:none;margin:.35rem 0 0;padding:0;font-size:.85rem;color:var(--quiet)}
.key{display:inline-block;width:1.4em;border-top:3px solid;margin-right:.4em;vertical-align:.25em}
.key.faint{border-top-width:2px;border-top-style:dashed}
details{margin-top:.4rem;font-size:.85rem}
summary{cursor:pointer;color:var(--quiet)}
.scroll{overflow:auto;max-height:24rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}
thead th{color:var(--quiet);font-size:.85rem}
td.text,th.text{text-align:left}
td.long{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:12rem}
th:first-child{text-align:left;padding-left:0}
tbody th{font-weight:400;white-space:normal}
footer{margin-top:2.5rem;color:var(--quiet);font-size:.85rem}
@media(max-width:34rem){.timeline li{grid-template-columns:6.5rem 1fr 4.4rem;gap:.5rem;font-size:.9rem}body{padding:1rem .75rem 2rem}.facts{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{:root{color-scheme:light;${LIGHT};--bg:#fff}body{max-width:none;padding:0}figure,.facts div,section{break-inside:avoid}details:not([open]){display:none}}
`;
