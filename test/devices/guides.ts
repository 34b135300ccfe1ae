/** The guides of devices/README.md, "From a device to a rule", as data: files, and messages that are published. */

export interface Guide {
  readonly title: string;
  /** Path in the repository → content. */
  readonly files: ReadonlyMap<string, string>;
  /** The arguments of each `mosquitto_pub`. */
  readonly publishes: readonly (readonly string[])[];
}

export function guidesIn(readme: string): Guide[] {
  const [, chapter = ''] = /\n## From a device to a rule\n(.*?)\n## /s.exec(readme) ?? [];
  return chapter
    .split(/\n### /)
    .slice(1)
    .map((section) => {
      const blocks = [...section.matchAll(/```yaml\n# (\S+)\n(.*?)```/gs)];
      const lines = [...section.matchAll(/^ {4}mosquitto_pub (.*)$/gm)];
      return {
        title: section.split('\n')[0] ?? '',
        files: new Map(blocks.map(([, path = '', content = '']) => [path, content])),
        publishes: lines.map(([, args = '']) => argumentsOf(args)),
      };
    });
}

/** As a shell takes them apart: words, and text in single quotes. */
const argumentsOf = (line: string): string[] => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');
