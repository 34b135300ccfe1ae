/** The ways to reach contacts that this installation has, one a kind of channel; e-mail goes into files while no server is configured. */
import addressparser from 'nodemailer/lib/addressparser';
import type { ChannelKind } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import { TocsinError } from '../../std/errors.ts';
import type { Logger } from '../../std/logger.ts';
import { addressProblem } from './address.ts';
import { createEmailNotifier, type EmailTimeouts } from './email.ts';
import { createHttpPost, type HttpPost } from './http-post.ts';
import { createMailFileNotifier } from './mail-file.ts';
import { createModuleNotifier } from './module.ts';
import { createMqttNotifier, type Publish } from './mqtt.ts';
import type { Notifier } from './notifier.ts';
import { createNtfyNotifier } from './ntfy.ts';
import { createSlackNotifier } from './slack.ts';
import { smtpSettings } from './smtp-settings.ts';
import { createTeamsNotifier } from './teams.ts';
import { createWebhookNotifier } from './webhook.ts';

export interface NotifiersOptions {
  /** `smtp://user:password@host:port`, or null: messages become files. */
  readonly smtp: string | null;
  readonly from: string;
  /** Where `.eml` files go while there is no server. */
  readonly mailDirectory: string;
  /** By this installation's own broker; null where there is none. */
  readonly publish: Publish | null;
  /** Of the program: what HTTP servers are told. */
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeouts?: EmailTimeouts;
}

/** Throws TocsinError for settings that do not hold; its text never holds the password. */
export function createNotifiers(options: NotifiersOptions): Map<ChannelKind, Notifier> {
  const { smtp, mailDirectory, publish, version, clock, logger, timeouts } = options;
  const from = checkedSender(options.from);
  const email =
    smtp === null
      ? createMailFileNotifier({ directory: mailDirectory, from })
      : createEmailNotifier({ settings: smtpSettings(smtp), from, clock, ...(timeouts && { timeouts }) });
  if (smtp === null) logger.info({ directory: mailDirectory }, 'no SMTP server is configured: e-mails become .eml files');
  const http = (): HttpPost => createHttpPost({ clock, version });
  return new Map<ChannelKind, Notifier>([
    ['email', email],
    ['webhook', createWebhookNotifier({ http: http(), clock })],
    ['slack', createSlackNotifier({ http: http() })],
    ['teams', createTeamsNotifier({ http: http() })],
    ['ntfy', createNtfyNotifier({ http: http() })],
    ['mqtt', createMqttNotifier({ publish, clock })],
    ['module', createModuleNotifier({ clock, logger })],
  ]);
}

/** One address, with or without a name, and nothing that could begin another header. */
function checkedSender(from: string): string {
  const hint = 'write email.from as Tocsin <tocsin@example.org>';
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(from)) throw new TocsinError('email.from holds a line break or another control character', { hint });
  const parsed = addressparser(from, { flatten: true });
  const problem = parsed.length === 1 ? addressProblem(parsed[0]?.address) : { message: 'expected one address' };
  if (problem !== null) throw new TocsinError(`email.from: ${problem.message}`, { hint });
  return from;
}
