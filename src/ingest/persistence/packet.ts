/** A packet as Aedes hands it to its persistence and takes it back: a publish, or the PUBREL that takes a publish's place. */
import type { Payload } from './operations.ts';

export interface Packet {
  cmd: string;
  topic: string;
  payload: Payload;
  qos: number;
  retain: boolean;
  dup?: boolean;
  messageId?: number | undefined;
  brokerId?: string;
  /** What tells messages apart: grows with each. */
  brokerCounter?: number;
}
