/** `tocsin backtest` beside the instance whose data it reads: it finds the alerts that the instance raised, and does not disturb it. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { systemClock } from '../../src/std/clock.ts';
import { alertsOf, connectDevice, mailOf, openScene } from '../scenarios/scene.ts';
import { tocsin } from './command.ts';

const PROFILE = { profile: 'fridge', topic: 'fridges/{device}', metrics: { temperature: {} }, limits: { max: 8 } };
const WARM = { id: 'warm', devices: { profile: 'fridge' }, levels: { warning: { when: 'temperature > limits.max' } } };
const COLD = { id: 'cold', devices: { profile: 'fridge' }, levels: { warning: { when: 'temperature < 0' } } };

const form = z.object({
  rules: z.object({
    alerts: z.array(z.object({ id: z.string(), rule: z.string(), device: z.string(), endedAt: z.string().nullable() })),
    messages: z.array(z.object({ subject: z.string() })),
  }),
});

describe('a backtest beside a running instance', { timeout: 90_000 }, () => {
  it('finds the same alerts, in the journal with the same ids, and the same messages', async () => {
    await using scene = await openScene({ rules: [WARM, COLD], profiles: [PROFILE] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    // One after the other, or a message that has not gone out is replaced by a newer one.
    const steps = [
      ['f1', 4, []],
      ['f1', 9, ['[WARNING] warm on f1: 9']],
      ['f1', 4, ['[RESOLVED] warm on f1: 4']],
      ['f1', 10, ['[WARNING] warm on f1: 10']],
      ['f1', -1, ['[RESOLVED] warm on f1: -1', '[WARNING] cold on f1: -1']],
      ['f2', 11, ['[WARNING] warm on f2: 11']],
    ] as const;
    for (const [id, temperature, subjects] of steps) {
      await device.say(`fridges/${id}`, { temperature });
      for (const subject of subjects) await mailOf(scene.sink, subject);
    }
    const raised = (await alertsOf(server)).map(({ id }) => id).sort();
    expect(raised).toHaveLength(4);

    const config = join(scene.folder, 'config', 'tocsin.yaml');
    const backtest = async (...args: readonly string[]) => {
      const { status, stdout, stderr } = await tocsin(['backtest', '--config', config, '--from', '-1h', '--json', ...args]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return form.parse(JSON.parse(stdout)).rules;
    };
    const journal = await backtest('--journal');
    expect(journal.alerts.map(({ id }) => id).sort()).toEqual(raised);
    expect(journal.messages.map(({ subject }) => subject).sort()).toEqual(steps.flatMap(([, , subjects]) => subjects).sort());
    // The history is some way behind the journal. No file lists these devices: the instance's state knows their profile.
    for (let attempt = 0; attempt < 50; attempt++) {
      const { alerts } = await backtest();
      if (alerts.length === raised.length) break;
      await systemClock.sleep(200);
    }
    const { alerts } = await backtest();
    expect(alerts.map(({ rule, device: id, endedAt }) => [rule, id, endedAt !== null]).sort()).toEqual([
      ['cold', 'f1', false],
      ['warm', 'f1', true],
      ['warm', 'f1', true],
      ['warm', 'f2', false],
    ]);
  });
});
