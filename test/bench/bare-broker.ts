/**
 * The yardstick: Aedes with nothing of ours around it, in a process of its own. Sockets have no delay and mqemitter no
 * concurrency limit, without which Aedes is slower or falls over: the fairest bare broker. Asked `delay` by message, it answers the
 * p99 of the event-loop delay since it was last asked.
 */
import { type AddressInfo, createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker({ concurrency: 0 });
const server = createServer({ noDelay: true }, broker.handle);
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
process.on('message', () => {
  process.send?.({ delayP99Ms: delay.percentile(99) / 1e6 });
  delay.reset();
});
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('the bare broker has no port');
  process.send?.({ port: address.port });
});
