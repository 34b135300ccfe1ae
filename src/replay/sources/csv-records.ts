/**
 * Text → records of a CSV file, a chunk at a time, as RFC 4180 and the programs that write it have it: fields in quotes may
 * hold separators, line ends and doubled quotes; lines end in LF or CRLF; a byte order mark is no part of it; the separator is
 * the one of `,` `;` and tab that the first line has most of. Memory holds one chunk and one record.
 */

export type CsvRecord = { readonly line: number; readonly fields: readonly string[] } | { readonly line: number; readonly problem: string };

const SEPARATORS = [',', ';', '\t'];
const RECORD_LENGTH_MAX = 1024 * 1024;

export class CsvSplitter {
  #rest = '';
  /** Of the record that `#rest` begins with; counts from 1. */
  #line = 1;
  /** Known after the first line. */
  separator: string | null = null;

  /** The records that are complete with this chunk. Empty lines are none. */
  push(chunk: string): CsvRecord[] {
    const text = this.#rest === '' && this.#line === 1 ? chunk.replace(/^\uFEFF/, '') : this.#rest + chunk;
    const records: CsvRecord[] = [];
    let start = 0;
    // The next quote that is not yet passed: found once, however many lines lie before it.
    let quote = text.indexOf('"');
    for (;;) {
      let end = text.indexOf('\n', start);
      while (quote >= 0 && end >= 0 && quote < end) {
        const closing = text.indexOf('"', quote + 1);
        if (closing < 0 || closing > end) end = closing < 0 ? -1 : text.indexOf('\n', closing);
        quote = closing < 0 ? -1 : text.indexOf('"', closing + 1);
      }
      if (end < 0) break;
      this.#add(records, text.slice(start, end));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length <= RECORD_LENGTH_MAX) return records;
    records.push({ line: this.#line, problem: `a record of more than ${RECORD_LENGTH_MAX} characters: is a quote never closed?` });
    this.#line += linesIn(this.#rest);
    this.#rest = '';
    return records;
  }

  /** The last record, which no line end follows. */
  end(): CsvRecord[] {
    const records: CsvRecord[] = [];
    const text = this.#rest;
    this.#rest = '';
    if (text.split('"').length % 2 === 0) return [{ line: this.#line, problem: 'a quote is never closed' }];
    this.#add(records, text);
    return records;
  }

  #add(records: CsvRecord[], raw: string): void {
    const line = this.#line;
    const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    this.#line += 1;
    if (text === '') return;
    this.separator ??= separatorOf(text);
    if (!text.includes('"')) {
      records.push({ line, fields: text.split(this.separator) });
      return;
    }
    this.#line += linesIn(text);
    records.push({ line, fields: quotedFields(text, this.separator) });
  }
}

function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = SEPARATORS.map((separator) => bare.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))] ?? ',';
}

const linesIn = (text: string): number => text.split('\n').length - 1;

function quotedFields(text: string, separator: string): string[] {
  const fields: string[] = [];
  let field = '';
  let isQuoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? '';
    if (isQuoted) {
      if (character !== '"') field += character;
      else if (text[index + 1] === '"') {
        field += '"';
        index += 1;
      } else isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === separator) {
      fields.push(field);
      field = '';
    } else field += character;
  }
  fields.push(field);
  return fields;
}
