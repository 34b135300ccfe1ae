/** Holds the source to the conventions that a linter does not know: who may import whom, sizes, time, and dead ends. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 400;

/** What each folder may import, beside itself. `*`: everything. The composition root is app, main, cli and workers. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  std: [],
  sqlite: ['std'],
  devices: ['domain', 'std'],
  rules: ['domain', 'std'],
  journal: ['domain', 'std', 'sqlite'],
  history: ['domain', 'std', 'sqlite', 'journal'],
  access: ['domain', 'std', 'devices'],
  ingest: ['domain', 'std', 'devices', 'journal', 'sqlite', 'access'],
  alerts: ['domain', 'std', 'sqlite', 'rules', 'journal'],
  notify: ['domain', 'std', 'sqlite', 'alerts'],
  replay: ['domain', 'std', 'rules', 'alerts', 'notify', 'devices', 'journal', 'history'],
  self: ['domain', 'std', 'rules', 'journal', 'notify'],
  web: ['domain', 'std', 'journal', 'history', 'alerts', 'notify', 'devices', 'rules'],
  config: ['domain', 'std', 'devices', 'rules', 'notify', 'history', 'access'],
  workers: ['*'],
  cli: ['*'],
  app: ['*'],
  backend: ['*'],
  reload: ['*'],
  'alert-topics': ['*'],
  main: ['*'],
  // It speaks MQTT and HTTP; of ours it knows what a device is, and the clock and units that everyone uses.
  simulator: ['domain', 'devices', 'std'],
};

/** A library stays behind one folder, so that it can be exchanged. */
const BEHIND: Readonly<Record<string, readonly string[]>> = {
  aedes: ['src/ingest/'],
  cborg: ['src/devices/'],
  fastify: ['src/web/'],
  influx: ['src/history/'],
  nodemailer: ['src/notify/'],
  pbf: ['src/devices/'],
  '@marcbachmann/cel-js': ['src/rules/'],
  'node:sqlite': ['src/sqlite/'],
  // A device, and `devices learn`, which listens to any broker as a device would.
  mqtt: ['simulator/', 'src/cli/learn-profile.ts'],
  'quickjs-emscripten-core': ['src/devices/codecs/'],
  '@jitl/quickjs-wasmfile-release-sync': ['src/devices/codecs/'],
};

/** What is started by itself; and the journal that tests of consumers run on, kept honest by the same contract suite. */
const ENTRIES = ['src/main.ts', 'src/cli/schemas.ts', 'simulator/main.ts', 'simulator/demo.ts', 'src/journal/memory.ts'];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}
interface Source {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly nodes: readonly Node[];
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

function nodesOf(root: unknown): Node[] {
  if (Array.isArray(root)) return root.flatMap(nodesOf);
  if (!isNode(root)) return [];
  return [root, ...Object.values(root).flatMap(nodesOf)];
}

function filesBelow(folder: string, suffix: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(suffix) && !name.includes('node_modules')).map((name) => `${folder}/${name}`);
}

const sources: readonly Source[] = ['src', 'simulator'].flatMap((folder) =>
  filesBelow(folder, '.ts').map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    // A first line for node is no TypeScript; the offsets stay.
    return { path, text, nodes: nodesOf(parseAst(text.replace(/^#!/, '//'), { lang: 'ts' })) };
  }),
);

const lineOf = (source: Source, offset: number): number => source.text.slice(0, offset).split('\n').length;
const at = (source: Source, node: Node): string => `${source.path}:${lineOf(source, node.start)}`;
const literal = (value: unknown): string | undefined => (isNode(value) && typeof value.value === 'string' ? value.value : undefined);
const nameOf = (value: unknown): string => (isNode(value) && typeof value.name === 'string' ? value.name : '');

/** Every module that a file names: imports, re-exports, `import()`, and `new URL('./worker.ts', import.meta.url)`. */
function importsOf(source: Source): { readonly module: string; readonly node: Node }[] {
  return source.nodes.flatMap((node) => {
    const isUrl = node.type === 'NewExpression' && nameOf(node.callee) === 'URL' && Array.isArray(node.arguments);
    const [first] = isUrl && Array.isArray(node.arguments) ? node.arguments : [node.source];
    const module = literal(first);
    if (module === undefined || (isUrl && !module.endsWith('.ts'))) return [];
    return /^(Import|Export)/.test(node.type) || isUrl ? [{ module, node }] : [];
  });
}
const resolveImport = (source: Source, module: string): string => normalize(join(dirname(source.path), module)).replaceAll('\\', '/');

function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'src' ? second.replace(/\.ts$/, '') : top;
}

describe('the source', () => {
  it('is there to be looked at', () => expect(sources.length).toBeGreaterThan(20));

  it('imports only what its folder may', () => {
    const wrong = sources.flatMap((source) => {
      const from = folderOf(source.path);
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined) return [`${source.path}: a folder without a line in MAY_IMPORT`];
      return importsOf(source)
        .filter(({ module }) => module.startsWith('.') && module.endsWith('.ts'))
        .map(({ module, node }) => ({ target: resolveImport(source, module), node }))
        .filter(({ target }) => folderOf(target) !== from && !allowed.includes('*') && !allowed.includes(folderOf(target)))
        .map(({ target, node }) => `${at(source, node)}: ${from} may not import ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('keeps each library behind its folder', () => {
    const mayImport = (source: Source, module: string): boolean => BEHIND[module]?.some((place) => source.path.startsWith(place)) ?? true;
    const wrong = sources.flatMap((source) =>
      importsOf(source)
        .filter(({ module, node }) => node.importKind !== 'type' && !mayImport(source, module))
        .map(({ module, node }) => `${at(source, node)}: ${module} belongs behind ${BEHIND[module]}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no file that nothing leads to', () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const reached = new Set<string>();
    const visit = (path: string): void => {
      const source = byPath.get(path);
      if (source === undefined || reached.has(path)) return;
      reached.add(path);
      for (const { module } of importsOf(source)) if (module.startsWith('.')) visit(resolveImport(source, module));
    };
    for (const entry of ENTRIES) visit(entry);
    expect(sources.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines and no file of more than ${FILE_LINES_MAX}`, () => {
    const long = sources.flatMap((source) => {
      const functions = source.nodes
        .filter((node) => /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type))
        .map((node) => ({ node, lines: lineOf(source, node.end) - lineOf(source, node.start) + 1 }))
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ node, lines }) => `${at(source, node)}: a function of ${lines} lines`);
      const lines = source.text.split('\n').length - 1;
      return lines > FILE_LINES_MAX ? [...functions, `${source.path}: ${lines} lines`] : functions;
    });
    expect(long).toEqual([]);
  });

  it('reads time and sets timers in std/clock.ts only', () => {
    const timers = ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'];
    const wrong = sources
      .filter(({ path }) => path !== 'src/std/clock.ts')
      .flatMap((source) =>
        source.nodes
          .filter((node) => {
            const callee = isNode(node.callee) ? node.callee : undefined;
            if (node.type === 'NewExpression')
              return nameOf(callee) === 'Date' && Array.isArray(node.arguments) && node.arguments.length === 0;
            if (node.type !== 'CallExpression' || callee === undefined) return false;
            const isNow = ['Date', 'performance'].includes(nameOf(callee.object)) && nameOf(callee.property) === 'now';
            return isNow || timers.includes(nameOf(callee));
          })
          .map((node) => at(source, node)),
      );
    expect(wrong).toEqual([]);
  });

  it('swallows no error with an empty catch', () => {
    const wrong = sources.flatMap((source) =>
      source.nodes
        .filter((node) => node.type === 'CatchClause' && isNode(node.body) && Array.isArray(node.body.body) && node.body.body.length === 0)
        .map((node) => at(source, node)),
    );
    expect(wrong).toEqual([]);
  });

  it('opens every file with what it guarantees', () => {
    expect(sources.filter(({ text }) => !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe('the Markdown files', () => {
  const folders = ['src', 'test', 'simulator', 'config', 'devices', 'docs', '.ci'];
  const files = [...readdirSync(ROOT).filter((name) => name.endsWith('.md')), ...folders.flatMap((folder) => filesBelow(folder, '.md'))];
  /** `src/std/clock.ts`, [link](config/README.md#x); not `data/…`, which comes about at run time, nor patterns with `*`, `<`, `{`. */
  const pathsIn = (text: string): string[] => {
    const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    const named = [...text.matchAll(/`((?:\.\/)?(?:src|test|simulator|config|devices|docs|\.ci)\/[\w./-]*)`/g)].map(
      (match) => match[1] ?? '',
    );
    return [...links, ...named];
  };

  it.each(files)('%s names only paths that exist', (file) => {
    const missing = pathsIn(readFileSync(join(ROOT, file), 'utf8')).filter(
      (path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, dirname(file), path)),
    );
    expect(missing.map((path) => `${relative('.', file)}: ${path}`)).toEqual([]);
  });
});
