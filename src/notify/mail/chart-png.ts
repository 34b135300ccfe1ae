/**
 * A chart as PNG, at twice its size for screens that have the pixels. The font comes along with the program: a machine in a cupboard
 * has none, and text would be missing from the picture without an error.
 */
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';

const ZOOM = 2;
const FONT_FILE = '@expo-google-fonts/ibm-plex-sans/400Regular/IBMPlexSans_400Regular.ttf';

/** The same bytes for the same picture. Takes some tens of milliseconds. */
export function chartPng(svg: string): Uint8Array {
  const file = createRequire(import.meta.url).resolve(FONT_FILE);
  const font = { fontFiles: [file], loadSystemFonts: false, defaultFontFamily: 'IBM Plex Sans' };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: ZOOM }, logLevel: 'off' }).render().asPng();
}
