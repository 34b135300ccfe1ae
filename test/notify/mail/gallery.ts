/**
 * Every kind of mail to be looked at. By hand: `node test/notify/mail/gallery.ts FOLDER` writes each as HTML and plain text, and,
 * where a `chromium` is to be had, as it looks at the width of a phone and of a desk, in the light and in the dark.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
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
    points.push({ at, value: hours < -1 ? cycle : Math.min(9.6, cycle + (hours + 1) * 3.4) });
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
  for (const width of [390, 900]) {
    for (const scheme of ['light', 'dark']) picture(page, join(into, `${name}-${width}-${scheme}.png`), { width, scheme });
  }
}

function picture(page: string, file: string, { width, scheme }: { width: number; scheme: string }): void {
  const height = width < 500 ? 1400 : 1200;
  const frame = `${file}.frame.html`;
  // Headless Chromium opens no window as narrow as a phone: the mail stands in a frame of that width.
  writeFileSync(
    frame,
    `<body style="margin:0;color-scheme:light dark"><iframe src="file://${page}" width="${width}" height="${height}" style="border:0;color-scheme:light dark"></iframe>`,
  );
  const dark = `--blink-settings=preferredColorScheme=${scheme === 'dark' ? 0 : 1}`;
  const options = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    `--screenshot=${file}`,
    dark,
    `--window-size=${Math.max(width, 500)},${height}`,
  ];
  execFileSync('chromium', [...options, `file://${frame}`], { stdio: 'ignore', timeout: 60_000 });
}
