/**
 * Every kind of mail to be looked at. By hand: `node test/notify/mail/gallery.ts FOLDER` writes each as HTML and plain text, and,
 * where a `chromium` is to be had, as it looks at the width of a phone and of a desk, in the light and in the dark.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Content } from '../../../src/notify/content.ts';
import { chartSvg, describeChart } from '../../../src/notify/mail/chart.ts';
import { chartPng } from '../../../src/notify/mail/chart-png.ts';
import { chartInputOf, chartRequestOf } from '../../../src/notify/mail/chart-request.ts';
import { isAboutOne } from '../../../src/notify/mail/story.ts';
import { EVERY_KIND, facts, MINUTE, PUBLIC_URL, rendered, START } from './contents.ts';

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node test/notify/mail/gallery.ts FOLDER [KIND…]');
  process.exit(2);
}
const into = resolve(folder);
mkdirSync(into, { recursive: true });

/** A fridge that is warm from `START` on, with an hour in which it did not report. */
function temperature(from: number, to: number) {
  const points: { at: number; value: number | boolean }[] = [];
  for (let at = from; at <= to; at += 5 * MINUTE) {
    const hours = (at - START) / MINUTE / 60;
    if (hours > -3.6 && hours < -2.7) continue;
    const cycle = 4.6 + Math.sin(at / (9 * MINUTE)) * 0.6;
    points.push({ at, value: hours < -0.5 ? cycle : Math.min(9.3, cycle + (hours + 0.5) * 5.5) });
  }
  return points;
}

function chartOf(content: Content, at: number) {
  const [item] = content.items;
  const request = item === undefined || !isAboutOne(content) ? null : chartRequestOf(item.alert, facts(item.alert), at);
  if (item === undefined || request === null) return null;
  const isDoor = request.metric === 'door';
  const points = temperature(request.from, request.to).map((point) => (isDoor ? { at: point.at, value: Number(point.value) > 5 } : point));
  return chartInputOf(request, { alert: item.alert, facts: facts(item.alert), points });
}

for (const [name, { content, at }] of Object.entries(EVERY_KIND)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const chart = chartOf(content, at);
  const isOpen = isAboutOne(content) && content.items[0]?.alert.state === 'firing';
  const url = (page: string): string => `${PUBLIC_URL}${page}?token=abc`;
  const links = {
    alert: `${PUBLIC_URL}?alert=7`,
    acknowledge: isOpen ? url('acknowledge') : null,
    silence: isOpen ? url('silence') : null,
  };
  const mail = rendered(content, { at, links, chart: chart && { contentId: 'chart@tocsin', describes: describeChart(chart) } });
  const png = chart === null ? '' : Buffer.from(chartPng(chartSvg(chart))).toString('base64');
  const page = join(into, `${name}.html`);
  writeFileSync(page, mail.html.replace('cid:chart@tocsin', `data:image/png;base64,${png}`));
  writeFileSync(join(into, `${name}.txt`), `${mail.subject}\n\n${mail.text}`);
  console.log(`${name.padEnd(16)}${String(Buffer.byteLength(mail.html)).padStart(7)} B  ${mail.subject}`);
  for (const scheme of ['light', 'dark']) picture(page, join(into, `${name}-${scheme}.png`), scheme);
}

/** At the width of a phone, and beside it at that of a desk: in frames, as headless Chromium opens no window as narrow as a phone. */
function picture(page: string, file: string, scheme: string): void {
  const frames = [390, 700].map((width) => `<iframe src="file://${page}" width="${width}" height="1290" style="border:0"></iframe>`);
  const sheet = `${file}.html`;
  writeFileSync(sheet, `<body style="margin:0;background:#808080;display:flex;gap:10px">${frames.join('')}</body>`);
  const dark = `--blink-settings=preferredColorScheme=${scheme === 'dark' ? 0 : 1}`;
  const options = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    `--screenshot=${file}`,
    dark,
    '--window-size=1100,1290',
  ];
  execFileSync('chromium', [...options, `file://${sheet}`], { stdio: 'ignore', timeout: 60_000 });
  rmSync(sheet);
}
