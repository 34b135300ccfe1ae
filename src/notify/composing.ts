/**
 * A message from the outbox as a channel takes it: texts, links that act, a chart. Everything but the chart is the same to the
 * byte when the message is sent again; the chart is of the history as it is then, and left out where that cannot be had in time.
 */
import type { Alert } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Channel } from '../domain/notification.ts';
import type { Rule } from '../domain/rule.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { signLink } from './action-links.ts';
import type { Links, OutgoingMessage } from './channels/notifier.ts';
import { type Content, foremost, isFiring, isUrgent, kindOf } from './content.ts';
import { type ChartRequest, chartRequestOf } from './mail/chart-request.ts';
import { type AlertFacts, factsOf } from './mail/facts.ts';
import { alertUrl, oneLine } from './mail/mail-text.ts';
import { type Rendered, render, subjectOf } from './mail/render.ts';
import type { OutboxMessage } from './outbox-row.ts';

/** What is to be drawn: readings of one metric, with what is known of the alert. */
export interface ChartOrder {
  readonly request: ChartRequest;
  readonly alert: Alert;
  readonly facts: AlertFacts;
}
export interface Chart {
  readonly png: Uint8Array;
  /** The same in words. */
  readonly describes: string;
}

export interface ComposingOptions {
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly publicUrl: string | null;
  readonly linkKey: Uint8Array;
  /** Null: no charts. Resolves with null where there is nothing to show. */
  readonly draw: ((order: ChartOrder) => Promise<Chart | null>) | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

const CHART_WAIT_MS = 2000;
/** Charts asked for at once: in a rush of messages the rest go without, rather than late. */
const DRAWING_MAX = 4;
const LINK_DAYS = 7;
const DAY_US = 86_400_000_000;
const CHART_ID = 'chart@tocsin';

export class Composing {
  readonly #options: ComposingOptions;
  readonly #rules: ReadonlyMap<string, Rule>;
  #drawing = 0;

  constructor(options: ComposingOptions) {
    this.#options = options;
    this.#rules = new Map(options.rules.map((rule) => [rule.id, rule]));
  }

  factsOf = (alert: Alert): AlertFacts => factsOf(alert, this.#rules.get(alert.rule), this.#options.directory);
  subjectOf = (content: Content, at: number): string => subjectOf(content, this.factsOf, at);

  async compose(message: OutboxMessage, channel: Channel): Promise<OutgoingMessage> {
    const { content, contact, decidedAt } = message;
    const chart = channel.kind === 'email' ? await this.#chart(content, decidedAt) : null;
    const links = this.#links(content, contact, decidedAt);
    const shown = { content, contact, at: decidedAt, links, chart, replaces: message.replaces };
    const rendered = this.render(shown);
    const alert = foremost(content);
    const [first] = content.items;
    return {
      id: message.id,
      thread: message.thread,
      contact,
      channel,
      kind: kindOf(content),
      subject: message.subject,
      text: rendered.text,
      html: rendered.html,
      chart: chart === null ? null : { contentId: CHART_ID, png: chart.png },
      at: message.createdAt,
      isUrgent: message.isUrgent && isUrgent(content) && content.items.some((item) => isFiring(item.alert)),
      content,
      links,
      labels: {
        Alert: headerText(alert.id),
        Transition: headerText(first?.transition ?? ''),
        ...(message.replaces.length > 0 && { Replaces: message.replaces.flatMap((each) => each.transitions.map(headerText)).join(', ') }),
      },
    };
  }

  /** As it would be told now; without a chart. */
  preview(content: Content, contact: string, at: number): Rendered {
    return this.render({ content, contact, at, links: this.#links(content, contact, at), chart: null, replaces: [] });
  }

  render(shown: {
    content: Content;
    at: number;
    links: Links | null;
    chart: { describes: string } | null;
    replaces: OutboxMessage['replaces'];
    contact: string;
  }): Rendered {
    const { content, at, links, chart, replaces } = shown;
    const { publicUrl } = this.#options;
    const picture = chart === null ? null : { contentId: CHART_ID, describes: chart.describes };
    return render({ content, factsOf: this.factsOf, replaces, publicUrl, links, chart: picture, at });
  }

  #links(content: Content, contact: string, at: number): Links | null {
    const { publicUrl, linkKey } = this.#options;
    if (publicUrl === null) return null;
    const alert = foremost(content);
    const isOfOne = content.items.length === 1 && content.more === 0 && isFiring(alert) && content.cause.kind !== 'test';
    const to = (action: 'acknowledge' | 'silence'): string | null =>
      isOfOne ? `${publicUrl}/a/${signLink({ alert: alert.id, contact, action, expiresAt: at + LINK_DAYS * DAY_US }, linkKey)}` : null;
    return { alert: alertUrl(publicUrl, alert.id), acknowledge: to('acknowledge'), silence: to('silence') };
  }

  async #chart(content: Content, at: number): Promise<Chart | null> {
    const { draw, clock, logger } = this.#options;
    const [only, ...others] = content.items;
    if (draw === null || this.#drawing >= DRAWING_MAX || only === undefined || others.length > 0 || content.cause.kind === 'test')
      return null;
    const { alert } = only;
    const facts = this.factsOf(alert);
    const request = chartRequestOf(alert, facts, at);
    if (request === null) return null;
    const late = new AbortController();
    // One that comes too late is under way still.
    this.#drawing += 1;
    const drawn = draw({ request, alert, facts }).finally(() => {
      this.#drawing -= 1;
    });
    try {
      return await Promise.race([drawn, clock.sleep(CHART_WAIT_MS, late.signal).then(() => null)]);
    } catch (error) {
      logger.warn({ error: messageOf(error), alert: alert.id }, 'a mail goes without its chart');
      return null;
    } finally {
      late.abort();
    }
  }
}

const headerText = (text: string): string => oneLine(text, 200).replace(/[^\x20-\x7e]/g, '?');
