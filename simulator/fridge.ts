/**
 * A vaccine fridge: heat leaks in, a thermostat switches a compressor, and the compressor may fail. First order, good enough
 * to look like a logger's curve. Pure: (state, minutes, fault) → state. Temperatures in °C, time in minutes.
 */
export interface Fridge {
  readonly temperature: number;
  readonly isCooling: boolean;
}

const AMBIENT = 21;
const SETPOINT = 5;
/** The thermostat switches this far above and below the set point. */
const HYSTERESIS = 0.7;
/** Time constant of the insulation. */
const LEAK_MINUTES = 90;
const COOLING_PER_MINUTE = 0.6;
const STEP_MINUTES_MAX = 0.5;

/** @param phase from 0 to 1: where in its cycle the fridge is, so that a fleet does not march in step. */
export function newFridge(phase: number): Fridge {
  return { temperature: SETPOINT + HYSTERESIS * (2 * phase - 1), isCooling: phase > 0.5 };
}

export function advance(fridge: Fridge, minutes: number, fault: { readonly compressorFails: boolean }): Fridge {
  let { temperature, isCooling } = fridge;
  const steps = Math.max(1, Math.ceil(minutes / STEP_MINUTES_MAX));
  const step = minutes / steps;
  for (let n = 0; n < steps; n += 1) {
    if (temperature > SETPOINT + HYSTERESIS) isCooling = true;
    if (temperature < SETPOINT - HYSTERESIS) isCooling = false;
    const cooling = isCooling && !fault.compressorFails ? COOLING_PER_MINUTE : 0;
    temperature += ((AMBIENT - temperature) / LEAK_MINUTES - cooling) * step;
  }
  return { temperature, isCooling };
}
