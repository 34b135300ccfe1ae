/** What devices bring with them, and no file names, is bounded: the limits, and how far they are used up. */

/** How far what devices bring with them has grown, and what was refused for it since the start; a reload counts on. */
export interface DecoderBounds {
  /** Devices that have spoken. */
  readonly devicesKnown: number;
  /** Readings of devices that were one too many. */
  readonly devicesRefused: number;
  /** Values of metrics that were one too many for their device. */
  readonly metricsRefused: number;
}

/** 0 is no limit. */
export interface DecoderLimits {
  readonly devices: number;
  readonly metricsPerDevice: number;
}
