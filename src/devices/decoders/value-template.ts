/**
 * What a Home Assistant template reads, as far as it can be said without running it: a path in the JSON of the message or the whole of it,
 * times a number, plus a number; or one of two words by a comparison. That is what nearly all discovery messages have:
 * `{{ value_json.a['b'] | float / 10 }}`, `{{ value }}`, `{{ 'ON' if value_json.x == 1 else 'OFF' }}`. Of any other the first path counts,
 * and the result is not exact: what comes from there is in no known unit.
 *
 * Source: https://www.home-assistant.io/docs/configuration/templating/ (filters), https://jinja.palletsprojects.com/en/stable/templates/
 */
export interface ValueTemplate {
  /** Null: the whole payload. */
  readonly path: string | null;
  readonly scale: number;
  readonly offset: number;
  readonly choice: Choice | null;
  /** False: the template does something else with it. */
  readonly isExact: boolean;
}

/** A word by whether the value, as text, equals another. */
export interface Choice {
  readonly equals: string;
  readonly word: string;
  readonly other: string;
}

const LENGTH_MAX = 2000;
const DEPTH_MAX = 20;
const WHOLE: ValueTemplate = { path: null, scale: 1, offset: 0, choice: null, isExact: true };
const FIRST_PATH = /value_json((?:\.[A-Za-z_]\w*|\[\s*(?:'[^'\]]*'|"[^"\]]*"|\d+)\s*\])+)/;
const PATH_STEP = /\.([A-Za-z_]\w*)|\[\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*\]/g;
const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|'([^']*)'|"([^"]*)"|([A-Za-z_]\w*)|(==|!=|[()[\]|.*/+,-]))/y;

/** @param text null: the entity has none */
export function readTemplate(text: string | null): ValueTemplate {
  if (text === null || text.trim() === '') return WHOLE;
  const blocks = text.length > LENGTH_MAX ? [] : text.split('{{');
  // Statements around a single expression only say when it holds.
  const expression = blocks.length === 2 ? blocks[1]?.split('}}')[0] : undefined;
  const read = expression === undefined ? null : new Parser(expression.replace(/^-|-$/g, '')).read();
  if (read !== null) return read;
  const steps = FIRST_PATH.exec(text.slice(0, LENGTH_MAX))?.[1];
  return { ...WHOLE, path: steps === undefined ? null : pathOf(steps), isExact: false };
}

const pathOf = (steps: string): string =>
  [...steps.matchAll(PATH_STEP)].map(([, name, single, double, index]) => name ?? single ?? double ?? index ?? '').join('.');

type Token = { readonly number: number } | { readonly text: string } | { readonly name: string } | { readonly sign: string };

/** `path × scale + offset`; without a path, the number `offset`. `null` as a path is the whole payload. */
interface Linear {
  readonly path?: string | null;
  readonly scale: number;
  readonly offset: number;
}

/** Filters that change how a value is written, or what stands for a value that is not there. */
const FILTERS = new Set(['float', 'int', 'round', 'string', 'trim', 'is_defined', 'default', 'd', 'as_number', 'bool']);

class NotRead extends Error {}

/** Recursive descent over what is left of the expression. Anything unknown ends it. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(expression: string) {
    this.#tokens = tokensOf(expression);
  }

  /** @returns null when it is none of the known forms */
  read(): ValueTemplate | null {
    try {
      const [first, second] = this.#tokens;
      const isChoice = first !== undefined && 'text' in first && second !== undefined && 'name' in second && second.name === 'if';
      return isChoice ? this.#choice(first.text) : this.#value();
    } catch (error) {
      if (error instanceof NotRead) return null;
      throw error;
    }
  }

  #value(): ValueTemplate {
    const { path, scale, offset } = this.#sum();
    if (path === undefined) throw new NotRead();
    if (this.#takesName('if')) this.#untilElse(path);
    else if (this.#at < this.#tokens.length) throw new NotRead();
    return { path, scale, offset, choice: null, isExact: true };
  }

  /** `… if value_json.a is defined else 0`: what stands there instead of nothing is no reading, so only the path counts. */
  #untilElse(path: string | null): void {
    const condition = this.#sum();
    if (condition.path !== path || !this.#takesName('is') || !this.#takesName('defined') || !this.#takesName('else')) throw new NotRead();
  }

  #choice(word: string): ValueTemplate {
    this.#at = 2;
    const { path } = this.#sum();
    const sign = this.#sign();
    const equals = this.#word();
    if (path === undefined || (sign !== '==' && sign !== '!=') || !this.#takesName('else')) throw new NotRead();
    const other = this.#word();
    if (this.#at < this.#tokens.length) throw new NotRead();
    const choice = sign === '==' ? { equals, word, other } : { equals, word: other, other: word };
    return { path, scale: 1, offset: 0, choice, isExact: true };
  }

  #sum(): Linear {
    let left = this.#product();
    for (let sign = this.#sign('+', '-'); sign !== null; sign = this.#sign('+', '-')) {
      const right = times(this.#product(), sign === '+' ? 1 : -1);
      if (left.path !== undefined && right.path !== undefined) throw new NotRead();
      left = { ...right, ...left, scale: left.path === undefined ? right.scale : left.scale, offset: left.offset + right.offset };
    }
    return left;
  }

  #product(): Linear {
    let left = this.#filtered();
    for (let sign = this.#sign('*', '/'); sign !== null; sign = this.#sign('*', '/')) {
      const right = this.#filtered();
      if (sign === '/' && (right.path !== undefined || right.offset === 0)) throw new NotRead();
      if (right.path === undefined) left = times(left, sign === '*' ? right.offset : 1 / right.offset);
      else if (left.path === undefined) left = times(right, left.offset);
      else throw new NotRead();
    }
    return left;
  }

  #filtered(): Linear {
    let value = this.#primary();
    while (this.#sign('|') !== null) {
      const name = this.#name();
      const argument = this.#sign('(') === null ? null : this.#arguments();
      if (name === 'multiply' && argument !== null) value = times(value, argument);
      else if (name === 'add' && argument !== null) value = { ...value, offset: value.offset + argument };
      else if (!FILTERS.has(name)) throw new NotRead();
    }
    return value;
  }

  #primary(): Linear {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new NotRead();
    const value = this.#inner();
    this.#depth -= 1;
    return value;
  }

  #inner(): Linear {
    if (this.#sign('-') !== null) return times(this.#primary(), -1);
    if (this.#sign('(') !== null) {
      const inner = this.#sum();
      this.#expect(')');
      return inner;
    }
    const token = this.#next();
    if ('number' in token) return { scale: 0, offset: token.number };
    if (!('name' in token)) throw new NotRead();
    if (token.name === 'value') return { path: null, scale: 1, offset: 0 };
    if (token.name === 'value_json') return { path: this.#path(), scale: 1, offset: 0 };
    if (token.name !== 'float' && token.name !== 'int') throw new NotRead();
    this.#expect('(');
    const inner = this.#sum();
    if (this.#sign(',') !== null) this.#sum();
    this.#expect(')');
    return inner;
  }

  #path(): string {
    const steps: string[] = [];
    for (let sign = this.#sign('.', '['); sign !== null; sign = this.#sign('.', '[')) {
      const step = this.#next();
      if (sign === '.' && 'name' in step) steps.push(step.name);
      else if (sign === '[' && 'text' in step) steps.push(step.text);
      else if (sign === '[' && 'number' in step) steps.push(String(step.number));
      else throw new NotRead();
      if (sign === '[') this.#expect(']');
    }
    if (steps.length === 0) throw new NotRead();
    return steps.join('.');
  }

  /** The number that is a filter's first argument; what else is between the brackets is passed over. */
  #arguments(): number | null {
    let first: number | null = null;
    for (let count = 0; this.#sign(')') === null; count++) {
      const sign = this.#sign('-') === null ? 1 : -1;
      const token = this.#next();
      if (count === 0 && 'number' in token) first = sign * token.number;
    }
    return first;
  }

  #word(): string {
    const token = this.#next();
    if ('text' in token) return token.text;
    if ('number' in token) return String(token.number);
    if ('name' in token) return token.name.toLowerCase();
    throw new NotRead();
  }

  #name(): string {
    const token = this.#next();
    if (!('name' in token)) throw new NotRead();
    return token.name;
  }

  #takesName(name: string): boolean {
    const token = this.#tokens[this.#at];
    if (token === undefined || !('name' in token) || token.name !== name) return false;
    this.#at += 1;
    return true;
  }

  /** @param signs none: any */
  #sign(...signs: readonly string[]): string | null {
    const token = this.#tokens[this.#at];
    if (token === undefined || !('sign' in token) || (signs.length > 0 && !signs.includes(token.sign))) return null;
    this.#at += 1;
    return token.sign;
  }

  #expect(sign: string): void {
    if (this.#sign(sign) === null) throw new NotRead();
  }

  #next(): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new NotRead();
    this.#at += 1;
    return token;
  }
}

const times = (value: Linear, factor: number): Linear => ({ ...value, scale: value.scale * factor, offset: value.offset * factor });

/** @returns an unreadable one where a character is none of the known ones */
function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (match === null) return [{ sign: '?' }];
    const [, number, single, double, name, sign = ''] = match;
    if (number !== undefined) tokens.push({ number: Number(number) });
    else if (single !== undefined || double !== undefined) tokens.push({ text: single ?? double ?? '' });
    else tokens.push(name === undefined ? { sign } : { name });
  }
  return tokens;
}
