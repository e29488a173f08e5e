/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How report.html looks, on a light and on a dark screen and on paper.
 */
#ifndef OUTPUT_REPORT_STYLE_H
#define OUTPUT_REPORT_STYLE_H

/* clang-format off */
static const char REPORT_STYLE[] =
  ":root{color-scheme:light dark;--paper:#fff;--ink:#1d2430;--soft:#5c6675;--line:#dfe3e9;--panel:#f4f5f7;"
  "--bar:#3f7fd0;--good:#1f8a4c;--bad:#c23b2e}"
  "@media(prefers-color-scheme:dark){:root{--paper:#14171c;--ink:#e3e7ee;--soft:#98a2b3;--line:#2c323c;"
  "--panel:#1c2027;--bar:#6aa5ee;--good:#58c98a;--bad:#f0796b}}"
  "*{box-sizing:border-box}"
  "body{margin:0 auto;max-width:1080px;padding:28px 20px 60px;background:var(--paper);color:var(--ink);"
  "font:15px/1.45 system-ui,sans-serif}"
  "h1{font-size:24px;margin:0;overflow-wrap:anywhere}h2{font-size:17px;margin:34px 0 10px}"
  ".sub{color:var(--soft);margin:4px 0 20px}"
  ".top{display:flex;gap:24px;flex-wrap:wrap;align-items:flex-start}"
  "img{max-width:100%;height:auto}"
  ".top img{width:640px;max-width:100%;height:auto;border:1px solid var(--line);border-radius:8px}"
  ".facts{flex:1 1 320px;margin:0;display:grid;grid-template-columns:auto 1fr;gap:3px 16px}"
  ".facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}"
  ".wide{overflow-x:auto}"
  "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
  "th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}"
  "th{color:var(--soft);font-weight:500;white-space:nowrap}td.n,td.f{white-space:nowrap}"
  "th:first-child,td:first-child,.t{text-align:left!important}"
  "tr.chosen td{background:var(--panel);font-weight:600}"
  ".no{color:var(--bad)}.yes{color:var(--good)}"
  ".bars{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px;margin-bottom:20px}"
  "figure{margin:0;padding:12px 14px;background:var(--panel);border-radius:8px}"
  "figure.first{grid-column:1/-1}figcaption{margin-bottom:6px}figcaption small{color:var(--soft)}"
  "svg{width:100%;height:auto;display:block}svg rect{fill:var(--bar)}"
  "svg text{fill:var(--soft);font:11px system-ui,sans-serif}svg line{stroke:var(--line)}"
  "ul{padding-left:20px}.chip{display:inline-block;width:12px;height:12px;border-radius:3px;"
  "border:1px solid var(--line);margin-right:7px;vertical-align:-1px}"
  "footer{margin-top:40px;color:var(--soft);font-size:13px}"
  "@media print{body{max-width:none;padding:0}.bars,table{break-inside:avoid}}";
/* clang-format on */

#endif
