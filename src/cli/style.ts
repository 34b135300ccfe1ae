/** Marks and colours: on a terminal only. What is read by a program, or by grep, is plain words. */
import { styleText } from 'node:util';

export interface Style {
  /** Of one width each. */
  readonly marks: { readonly true: string; readonly false: string; readonly unknown: string; readonly none: string };
  /** A line as it was laid out, with its mark coloured. */
  line(text: string): string;
  heading(text: string): string;
}

const PLAIN: Style = {
  marks: { true: '[true] ', false: '[false]', unknown: '[?]    ', none: '       ' },
  line: (text) => text,
  heading: (text) => text,
};

const COLOURS = { '✓': 'green', '✗': 'red', '?': 'yellow' } as const;
const isMark = (text: string | undefined): text is keyof typeof COLOURS => text !== undefined && Object.hasOwn(COLOURS, text);

export function styleOf(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }): Style {
  if (stream.isTTY !== true) return PLAIN;
  return {
    marks: { true: '✓', false: '✗', unknown: '?', none: ' ' },
    line: (text) =>
      text.replace(/^( *)([✓✗?]) /, (whole, indent: string, mark: string) =>
        isMark(mark) ? `${indent}${styleText(COLOURS[mark], mark, { stream })} ` : whole,
      ),
    heading: (text) => styleText('bold', text, { stream }),
  };
}
