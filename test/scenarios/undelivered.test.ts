/**
 * A notification that is given up raises an alert about itself with everybody else: in the real program, over a webhook that refuses for good
 * and a mailbox that works.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { alertsOf, connectDevice, eventually, listOf, openScene } from './scene.ts';

interface Notification {
  readonly contact: string;
  readonly state: string;
  readonly detail: string | null;
}

/** Answers every request with `status`, until it is told another one. */
async function startWebhook(status: number): Promise<{ url: string; received: string[]; answer(status: number): void } & AsyncDisposable> {
  let answered = status;
  const received: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => {
      body += part.toString();
    });
    request.on('end', () => {
      received.push(body);
      response.statusCode = answered;
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/secret-path`,
    received,
    answer(other) {
      answered = other;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a notification that is given up', { timeout: 90_000 }, () => {
  it('is told to everybody else, and its end as well once the contact is reached again', async () => {
    await using hook = await startWebhook(400);
    await using scene = await openScene({
      rules: [{ id: 'wet', devices: { id: 'cellar-*' }, levels: { critical: { when: 'humidity > 80' } } }],
      notify: {
        contacts: { night: { webhook: hook.url, allowPrivate: true }, operator: { email: 'operator@example.org' } },
        routes: [{ match: { rule: 'wet' }, to: ['night'] }],
        default: { to: [] },
      },
      settings: { self: { every: '1s' } },
    });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/cellar-1/telemetry', { humidity: 90 });
    const givenUp = await eventually('the notification is given up', 20_000, async () =>
      (await listOf<Notification>(server, '/api/v1/notifications')).find(
        ({ contact, state }) => contact === 'night' && state === 'given-up',
      ),
    );
    expect(givenUp.detail).toMatch(/400/);
    expect(JSON.stringify(givenUp)).not.toContain('secret-path');
    const mail = await eventually('a mail about it', 30_000, () =>
      scene.sink.mails.find(({ subject }) => /tocsin-undelivered/.test(subject)),
    );
    expect(mail.subject).toMatch(/^\[CRITICAL\] tocsin-undelivered on tocsin/);
    expect(mail.source).toMatch(/night/);

    hook.answer(204);
    await device.say('sensors/cellar-1/telemetry', { humidity: 40 });
    await eventually('the contact is reached', 20_000, () => hook.received.some((body) => body.includes('"resolved"')));
    await eventually('it is over', 30_000, () => scene.sink.mails.find(({ subject }) => /^\[RESOLVED\] tocsin-undelivered/.test(subject)));
    expect(await alertsOf(server, '?rule=tocsin-undelivered&state=firing')).toEqual([]);
  });
});
