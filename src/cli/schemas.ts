/**
 * `npm run schemas`: writes `config/schemas/*.schema.json`, by which editors check and complete what users write in YAML. They
 * are made from the validators; a test fails while a file is not what this would write.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod';
import { credentialsForm } from '../access/credentials.ts';
import { schema as configForm } from '../config/schema.ts';
import { fleetForm } from '../devices/fleet.ts';
import { profileForm } from '../devices/profile.ts';
import { notifyForm } from '../notify/config/form.ts';
import { ruleTestsForm } from '../replay/rule-test-file.ts';
import { ruleFileForm } from '../rules/form.ts';
import { jsonSchemaOf } from '../std/json-schema.ts';

interface Described {
  readonly form: z.ZodType;
  readonly title: string;
  /** The file's values may be `${NAME}`. */
  readonly references?: boolean;
}

/** By the name of the schema's file. A new kind of file that users write (rule tests, say) is one entry more. */
const DESCRIBED: Readonly<Record<string, Described>> = {
  tocsin: { form: configForm, title: 'Tocsin: configuration', references: true },
  rules: { form: ruleFileForm, title: 'Tocsin: rules' },
  'rule-tests': { form: ruleTestsForm, title: 'Tocsin: tests of rules' },
  profile: { form: profileForm, title: 'Tocsin: a device profile' },
  fleet: { form: fleetForm, title: 'Tocsin: the fleet of devices' },
  credentials: { form: credentialsForm, title: 'Tocsin: who may connect' },
  notify: { form: notifyForm, title: 'Tocsin: who is told', references: true },
};

export const SCHEMA_FOLDER = fileURLToPath(new URL('../../config/schemas/', import.meta.url));

/** Each schema file's name and content. */
export function schemaFiles(): { readonly name: string; readonly text: string }[] {
  return Object.entries(DESCRIBED).map(([name, { form, ...options }]) => ({
    name: `${name}.schema.json`,
    text: `${JSON.stringify(jsonSchemaOf(form, options), null, 2)}\n`,
  }));
}

if (import.meta.main) {
  mkdirSync(SCHEMA_FOLDER, { recursive: true });
  for (const { name, text } of schemaFiles()) writeFileSync(join(SCHEMA_FOLDER, name), text);
}
